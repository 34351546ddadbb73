//! `dvm explain`: maps of what the network looked at in each picture.

mod checks;
mod formats;
mod loading;
mod prefetch;
mod reporting;
mod saving;
mod shard;
mod task;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use clap::{Args, ValueEnum, ValueHint};
use dvm::data::formats::Wanted;
use dvm::{ClassChoice, ColourMap, Explain, FigureFormat, Objects, Unit};

use crate::device_option::DeviceOption;
use crate::failure::{Failure, cannot_write};
use crate::html_report::ReportOption;
use crate::images::{self, Columns, Image, Images};
use crate::interruption;
use crate::manifest;
use crate::method_options::MethodOptions;
use crate::options::{MemoryOption, ModelOptions, RunOptions, one_of};
use crate::picture_options::PictureOptions;
use crate::report;
use formats::{Format, Overlay};
use loading::{Job, Loaded, Problem};
use prefetch::Prefetch;
use saving::{Ended, Message, Signals};
pub use shard::Shard;
use task::Task;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Pictures, folders, data sets or lists of pictures; `-` for standard input
    ///
    /// A folder means all pictures in it and in its subfolders. NIfTI, DICOM and .npy files are read,
    /// too. A list is a .txt file (or @FILE) with one path per line, or a .csv, .tsv or .parquet file
    /// with a column of paths. Standard input is a picture or a list.
    #[arg(required = true, value_name = "IMAGE", value_hint = ValueHint::AnyPath)]
    images: Vec<PathBuf>,
    /// Methods, separated by commas (see `dvm methods list`)
    #[arg(id = "method", long, value_name = "METHOD", value_delimiter = ',')]
    #[arg(value_parser = crate::methods::names(), default_value = dvm::DEFAULT_METHODS)]
    #[arg(help_heading = "Methods")]
    #[arg(hide_possible_values = true)]
    methods: Vec<String>,
    /// Metrics that test every map, separated by commas (see `dvm metrics list`)
    ///
    /// Without a value, or with `usual`: a short set of metrics.
    #[arg(help_heading = "Methods", id = "check", long, value_name = "METRIC", value_delimiter = ',', num_args = 0..=1)]
    #[arg(value_parser = crate::metrics::names(), default_missing_value = dvm::Checks::USUAL)]
    #[arg(hide_possible_values = true)]
    checks: Vec<String>,
    /// Objects in the pictures, for metrics that compare a map with an object's region
    ///
    /// A COCO file, or a folder of Pascal VOC files or of masks.
    #[arg(help_heading = "Methods", long, value_name = "PATH", value_hint = ValueHint::AnyPath, requires = "check")]
    regions: Option<PathBuf>,
    /// Class to explain, by name or index; repeatable
    ///
    /// `top`: the most probable class. `top:5`: the sum of the five most probable classes. `all`:
    /// every class, one after the other.
    #[arg(
        help_heading = "Target",
        id = "class",
        long,
        value_name = "NAME|INDEX|top|top:N|all"
    )]
    #[arg(default_value = "top")]
    classes: Vec<ClassChoice>,
    /// Explain the difference between each class and this one
    #[arg(help_heading = "Target", long, value_name = "NAME|INDEX|top")]
    against: Option<ClassChoice>,
    /// Explain a channel of a layer instead of a class
    ///
    /// Its mean over all positions, or its value at ROW,COLUMN. `dvm models show` lists the layers.
    #[arg(
        help_heading = "Target",
        long,
        value_name = "LAYER:CHANNEL[:ROW,COLUMN]"
    )]
    #[arg(conflicts_with_all = ["class", "against"])]
    unit: Option<Unit>,
    /// Folder for the results
    ///
    /// Each picture gets a folder in it, which replaces the folder of an earlier run.
    #[arg(help_heading = "Output", long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    #[arg(default_value = "explanations")]
    out: PathBuf,
    #[command(flatten)]
    report: ReportOption,
    /// Picture under the map: in grey or in colour
    ///
    /// `grey`: the map at 45 % over the grey picture. `colour`: the map over the picture in colour, the
    /// more opaque the larger its values.
    #[arg(
        help_heading = "Output",
        long,
        value_name = "grey|colour",
        hide_possible_values = true
    )]
    #[arg(default_value = "grey")]
    overlay: Overlay,
    /// Colour map [default: chosen by what a method's values mean]
    ///
    /// A diverging colour map, such as rdbu, applies to maps with positive and negative values; the others
    /// apply to maps of one sign.
    #[arg(help_heading = "Output", long, alias = "color-map", value_name = "NAME", value_parser = one_of(ColourMap::ALL, ColourMap::name))]
    colour_map: Option<ColourMap>,
    /// Slices or frames of a volume: a number from 0, middle, all or A..B
    #[arg(long, value_name = "N|middle|all|A..B", default_value = "middle")]
    #[arg(alias = "slices", help_heading = "Pictures")]
    slice: Wanted,
    #[command(flatten)]
    pictures: PictureOptions,
    /// File formats of the figure, separated by commas
    #[arg(id = "figure", long, value_name = formats::figure_names(), value_delimiter = ',')]
    #[arg(value_parser = formats::figures(), hide_possible_values = true)]
    #[arg(default_value = FigureFormat::default().name(), help_heading = "Output")]
    figures: Vec<FigureFormat>,
    /// True class of the pictures, for the figure and the record
    ///
    /// By default the name of a picture's folder, if it is the name of a class.
    #[arg(help_heading = "Output", long, value_name = "NAME|INDEX")]
    true_class: Option<ClassChoice>,
    #[command(flatten)]
    method_options: MethodOptions,
    #[command(flatten)]
    model: ModelOptions,
    #[command(flatten)]
    many: Many,
    #[command(flatten)]
    device: DeviceOption,
    #[command(flatten)]
    run: RunOptions,
    #[command(flatten)]
    memory: MemoryOption,
    /// Compute every covered picture of occlusion as a whole; slower
    ///
    /// By default only the part that a window can change is computed. The maps differ by rounding only.
    #[arg(long, help_heading = "Running")]
    no_incremental: bool,
    /// Print errors only
    #[arg(long, short, help_heading = "Running")]
    quiet: bool,
}

/// Options for many pictures.
#[derive(Args)]
#[command(next_help_heading = "Many pictures")]
pub struct Many {
    #[arg(id = "formats", long, value_name = formats::names(), value_delimiter = ',')]
    #[arg(value_parser = formats::formats(), hide_possible_values = true)]
    #[arg(help = formats::help(""), long_help = formats::help(formats::DETAILS))]
    formats: Vec<Format>,
    /// Skip pictures that an earlier run explained in the same way
    ///
    /// A picture is skipped if network, methods, options and formats are the same, and its file has
    /// the same size and time, or the same content.
    #[arg(long)]
    skip_existing: bool,
    /// Explain one shard of the pictures: 3/64 is the third of 64
    ///
    /// The shard of a picture depends only on the name of its results, so it is the same on every
    /// machine. The names of results do not depend on the shard.
    #[arg(long, value_name = "N/OF")]
    shard: Option<Shard>,
    /// Manifest of the results [default: jsonl for folders, lists and shards]
    ///
    /// `jsonl`: manifest.jsonl in the folder of results (manifest-00003-of-00064.jsonl for a shard), with
    /// a line for each class of each picture, written when the picture is done. `parquet`: also a Parquet
    /// file, written at the end. `none`: no manifest.
    #[arg(long, value_name = "jsonl|parquet|none", hide_possible_values = true)]
    manifest: Option<ManifestKind>,
    /// Column of paths in a table [default: path, image, file or filename]
    ///
    /// Relative paths start at the table's folder.
    #[arg(long, value_name = "NAME")]
    column: Option<String>,
    /// Column of the true classes in a table
    #[arg(long, value_name = "NAME", conflicts_with = "true_class")]
    label_column: Option<String>,
}

/// The values of `--manifest`.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum ManifestKind {
    Jsonl,
    Parquet,
    None,
}

const EXAMPLES: &str = "\
Examples:
  dvm explain photo.jpg
      Maps for the most probable class, in explanations/photo/figure.png

  dvm explain photos/ --out maps --method occlusion --window 32 --stride 16
      Coarse, fast occlusion for all pictures of a folder

  dvm explain photo.jpg --class \"tiger cat\" --class tabby
      Maps for two classes

  dvm explain photo.jpg --class \"tiger cat\" --against tabby --method grad-cam,occlusion
      Maps of the difference between two classes, by two methods

  dvm explain photo.jpg --method grad-cam,occlusion --check
      Two maps, each tested by metrics

  dvm explain photos/ --report report.html
      All results in one HTML file

  dvm explain scan.dcm --window-level 40/400
      A CT slice in a soft-tissue window; overlays are also written as DICOM files

  dvm explain cells.tif --range 0..4095
      A microscope picture with 12 bits stored in 16

  dvm explain scan.png --model resnet18 --weights trained.pth --classes names.txt
      Your own network

  dvm explain photos/ --method grad-cam --formats npy,overlay --shard 3/64 --skip-existing
      One shard of many pictures; run it again to continue after an interruption";

/// Most bytes of loaded pictures that wait to be explained.
const LOADED_BYTES: usize = 256 << 20;

/// Most explained classes that wait to be saved.
const UNSAVED: usize = 4;

/// Most threads that load pictures.
const READERS: usize = 4;

/// Explains all pictures; one that fails does not stop the others.
///
/// Three stages overlap: a few threads load the next pictures, this one explains, another one saves.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let columns = Columns {
        path: arguments.many.column.clone(),
        label: arguments.many.label_column.clone(),
    };
    let Images { all: images, notes } =
        images::expand_with(&arguments.images, &arguments.slice, &columns);
    let means_many = |path: &PathBuf| match path.as_os_str() == "-" {
        // Standard input was a list if it gave several pictures.
        true => images.len() > arguments.images.len(),
        false => images::means_many(path),
    };
    let has_many = arguments.images.iter().any(means_many);
    let shard = arguments.many.shard;
    let jobs = loading::jobs(images, shard);
    let signals = Arc::new(Signals::default());
    interruption::before_end({
        let (signals, all) = (signals.clone(), jobs.len());
        move || format!("interrupted; {}", signals.so_far(all))
    });
    let (task, explain) = Task::new(arguments, jobs.len(), has_many)?;
    if let Some(regions) = &task.regions {
        let images = jobs.iter().map(Job::image);
        let pictures = images.filter(|image| matches!(image, Image::Picture { .. }));
        regions.check_pictures(pictures.map(Image::path))?;
    }
    notes.iter().for_each(|note| task.note(note));
    if let (true, Some(Shard { number, of })) = (jobs.is_empty(), shard) {
        task.note(&format!("no picture is in shard {number} of {of}"));
    }
    let request = explain.request(&task.classifier);
    let mut ended = explain_all(&task, explain, &jobs, &signals)?;
    task.progress.end();
    if task.json {
        report::print_json(&ended.results)?;
    }
    let existing = signals.existing.load(Ordering::Relaxed);
    if existing > 0 {
        let unreported = match task.report.is_wanted() {
            true => "; they are not in the report",
            false => "",
        };
        task.note(&format!(
            "{existing} of {} pictures skipped: an earlier run explained them{unreported}",
            jobs.len()
        ));
    }
    if let Some(why) = ended.stopped {
        let so_far = signals.so_far(jobs.len());
        return Err(Failure::Request(format!("stopped: {why}; {so_far}")));
    }
    if let Some(manifest) = ended.manifest {
        let path = manifest.path().to_owned();
        manifest
            .close()
            .map_err(|error| cannot_write(&path, &error))?;
        if task.has_parquet {
            manifest::write_parquet(&path).map_err(Failure::Request)?;
        }
    }
    report::say_left_to_cpu(&task.classifier, task.quiet);
    if let Some(reporting) = ended.reporting.take() {
        let line = reporting.finish(&task, &request, &notes)?;
        if !task.quiet && !task.json && ended.printed.is_none() {
            ended.printed = report::print(&line).err();
        }
    }
    match ended.printed {
        // The files were written, and failed pictures were named.
        Some(error) if !ended.has_failed || error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Output(error))
        }
        _ if ended.has_failed => Err(Failure::SomePictures),
        _ => Ok(()),
    }
}

/// Why the explanation of a picture stopped.
enum Stop {
    Failed(dvm::Error),
    /// It cannot be saved; the error was already printed.
    Unsaved,
}

impl From<dvm::Error> for Stop {
    fn from(error: dvm::Error) -> Self {
        Self::Failed(error)
    }
}

fn explain_all(
    task: &Task,
    mut explain: Explain,
    jobs: &[Job],
    signals: &Signals,
) -> Result<Ended, Failure> {
    let (manifest, index) = task.open_manifest()?;
    let loader = task.loader(&explain, &index);
    let mut saver = task.saver(&explain, signals, manifest);
    saver.reporting = task.begin_report(jobs.len())?;
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let readers = (processors / 2).clamp(1, READERS);
    let prefetch: Prefetch<Loaded> = Prefetch::new(jobs.len(), 2 * readers, LOADED_BYTES);
    let (send, receive) = sync_channel(UNSAVED);
    let ended = thread::scope(|scope| {
        for _ in 0..readers {
            scope.spawn(|| prefetch.work(|index| loader.load(index, &jobs[index])));
        }
        let saving = scope.spawn(|| saver.run(receive));
        let _stop = prefetch.stopping();
        while let Some(loaded) = prefetch.take() {
            // Sending fails only if the thread that saves has panicked.
            if signals.is_stopped()
                || explain_one(task, &mut explain, loaded, signals, &send).is_none()
            {
                break;
            }
        }
        drop(send);
        saving.join()
    });
    Ok(ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}

/// Explains a picture if necessary, and sends the results to the thread that saves. None if that thread has ended.
fn explain_one(
    task: &Task,
    explain: &mut Explain,
    loaded: Loaded,
    signals: &Signals,
    send: &SyncSender<Message>,
) -> Option<()> {
    let (about, source, input, results) = match loaded {
        Loaded::Failed(about, problem) => return send.send(Message::Failed(about, problem)).ok(),
        Loaded::Existing(about, lines) => return send.send(Message::Existing(about, lines)).ok(),
        Loaded::Picture {
            about,
            source,
            input,
            results,
        } => (about, source, input, results),
    };
    task.progress.picture(about.position, &about.title);
    explain.objects = task.regions.clone().map(|regions| Objects {
        regions,
        picture: *source,
    });
    let (position, file) = (about.position, about.file.clone());
    send.send(Message::Begin(about, results)).ok()?;
    let update = |title: &'static str, done, all| task.progress.update(title, done, all);
    let each = |explanation| {
        let sent = send.send(Message::Class(Box::new(explanation)));
        match sent.is_ok() && signals.is_wanted(position) {
            true => Ok(()),
            false => Err(Stop::Unsaved),
        }
    };
    let outcome = task
        .classifier
        .explain_input(*input, explain, &update, each);
    let outcome = match outcome {
        Ok(()) | Err(Stop::Unsaved) => Ok(()),
        Err(Stop::Failed(error)) => Err(Problem::of(&file, &error)),
    };
    send.send(Message::End(outcome)).ok()
}
