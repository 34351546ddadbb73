//! `dvm explain`: what the network looked at in each picture.

mod ahead;
mod checks;
mod formats;
mod loading;
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

use bytesize::ByteSize;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum, ValueHint};
use dvm::data::formats::Wanted;
use dvm::{ClassChoice, ColourMap, Explain, Objects, Unit};

use crate::failure::Failure;
use crate::html_report::ReportOption;
use crate::images::{self, Columns, Image, Images};
use crate::interruption;
use crate::manifest;
use crate::method_options::MethodOptions;
use crate::options::{ModelOptions, RunOptions};
use crate::picture_options::PictureOptions;
use crate::report;
use ahead::Ahead;
use formats::{Figure, Format, Overlay};
use loading::{Job, Loaded, Problem};
use saving::{Ended, Message, Signals};
pub use shard::Shard;
use task::Task;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Pictures; folders of pictures, with the folders in them; data sets; NIfTI, DICOM and .npy files;
    /// lists of these: .txt (or @FILE), one path per line, or .csv, .tsv and .parquet with a column of
    /// paths; or `-`: a picture or a list from standard input
    #[arg(required = true, value_name = "IMAGE", value_hint = ValueHint::AnyPath)]
    images: Vec<PathBuf>,
    /// Methods, separated by commas (see `dvm methods list`)
    #[arg(id = "method", long, value_name = "METHOD", value_delimiter = ',')]
    #[arg(value_parser = crate::methods::names(), default_value = dvm::DEFAULT_METHODS)]
    #[arg(hide_possible_values = true)]
    methods: Vec<String>,
    /// Test every map: by these metrics, separated by commas (see `dvm metrics list`), or by the short set
    /// `usual`
    #[arg(id = "check", long, value_name = "METRIC", value_delimiter = ',', num_args = 0..=1)]
    #[arg(value_parser = crate::metrics::names(), default_missing_value = dvm::Checks::USUAL)]
    #[arg(hide_possible_values = true)]
    checks: Vec<String>,
    /// Where the objects of the pictures are, for metrics of localisation: a COCO file, or a folder of Pascal
    /// VOC files or of masks
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath, requires = "check")]
    regions: Option<PathBuf>,
    /// The class to explain, by name or index: `top` is the most probable one, `all` every one, `top:5` the
    /// sum of the five most probable; can be given several times
    #[arg(id = "class", long, value_name = "NAME|INDEX|top|top:N|all")]
    #[arg(default_value = "top")]
    classes: Vec<ClassChoice>,
    /// Explain each class against this one: what speaks for the one and against the other
    #[arg(long, value_name = "NAME|INDEX|top")]
    against: Option<ClassChoice>,
    /// Explain a channel of a layer and not a class: its mean over all places, or its value at one; `dvm models
    /// show` lists the layers
    #[arg(long, value_name = "LAYER:CHANNEL[:ROW,COLUMN]")]
    #[arg(conflicts_with_all = ["class", "against"])]
    unit: Option<Unit>,
    /// Folder for the results; each picture gets a folder in it, which replaces that of an earlier
    /// run
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    #[arg(default_value = "explanations")]
    out: PathBuf,
    #[command(flatten)]
    report: ReportOption,
    /// How maps lie over the picture: half transparent over the picture in `grey`, or over the
    /// picture in `colour` where the map says something
    #[arg(long, value_name = "grey|colour", hide_possible_values = true)]
    #[arg(default_value = "grey")]
    overlay: Overlay,
    /// Colours for the maps that they suit, instead of the usual
    #[arg(long, alias = "color-map", value_name = "NAME", value_parser = colour_maps())]
    colour_map: Option<ColourMap>,
    /// Which slices of a volume or frames of a DICOM file: a number from 0, `middle`, `all`, or A..B
    #[arg(long, value_name = "N|middle|all|A..B", default_value = "middle")]
    #[arg(alias = "slices", help_heading = "Pictures")]
    slice: Wanted,
    #[command(flatten)]
    pictures: PictureOptions,
    /// Kinds of files for the figure, separated by commas; text in `svg` and `pdf` stays sharp at any size
    #[arg(id = "figure", long, value_name = "png|svg|pdf", value_delimiter = ',')]
    #[arg(hide_possible_values = true, default_value = "png")]
    figures: Vec<Figure>,
    /// The class that the pictures really show, for the figure and the record; otherwise the name of a
    /// picture's folder says it, if it is the name of a class
    #[arg(long, value_name = "NAME|INDEX")]
    true_class: Option<ClassChoice>,
    #[command(flatten)]
    method_options: MethodOptions,
    #[command(flatten)]
    model: ModelOptions,
    #[command(flatten)]
    many: Many,
    #[command(flatten)]
    run: RunOptions,
    /// Memory that the network's activations may take at once, such as 512MB or 2GiB; with less,
    /// gradients take longer, and pictures too large for it are an error
    #[arg(long, value_name = "SIZE", help_heading = "Running")]
    #[arg(default_value = "1GiB", value_parser = size)]
    memory: ByteSize,
    /// Let occlusion compute every covered picture as a whole instead of only what a window can
    /// change: slower, and but for rounding the same
    #[arg(long, help_heading = "Running")]
    no_incremental: bool,
    /// Print errors only
    #[arg(long, short, help_heading = "Running")]
    quiet: bool,
}

/// What matters with many pictures.
#[derive(Args)]
#[command(next_help_heading = "Many pictures")]
pub struct Many {
    /// Files for each picture, separated by commas; `png16` are maps as 16-bit grey PNG, `none` leaves only the
    /// manifest and the report [default: input,npy,raw,png,overlay,figure]
    #[arg(
        id = "formats",
        long,
        value_name = "npy|raw|png|png16|overlay|figure|input|none"
    )]
    #[arg(value_delimiter = ',', hide_possible_values = true)]
    formats: Vec<Format>,
    /// Leave out pictures that an earlier run explained with the same network, methods, parameters and
    /// formats: those whose file has the same size and time as then, or else the same bytes
    #[arg(long)]
    skip_existing: bool,
    /// Only one part of the pictures: 3/64 is the third of 64. The part of a picture follows from the name of
    /// its results, on every machine, and names do not depend on the part
    #[arg(long, value_name = "N/OF")]
    shard: Option<Shard>,
    /// The manifest, manifest.jsonl in the folder of results (manifest-00003-of-00064.jsonl of a part), has a line
    /// for each class of each picture, written when the picture is done. `parquet` writes it as a Parquet file, too,
    /// at the end; `none` leaves it out [default: jsonl for folders, lists and parts]
    #[arg(long, value_name = "jsonl|parquet|none", hide_possible_values = true)]
    manifest: Option<ManifestKind>,
    /// The column of paths in .csv, .tsv and .parquet files; relative ones are taken from the table's folder
    /// [default: path, image, file or filename]
    #[arg(long, value_name = "NAME")]
    column: Option<String>,
    /// The column of the classes that the pictures really show
    #[arg(long, value_name = "NAME", conflicts_with = "true_class")]
    label_column: Option<String>,
}

/// The manifest as an argument.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum ManifestKind {
    Jsonl,
    Parquet,
    None,
}

const EXAMPLES: &str = "\
Examples:
  dvm explain photo.jpg
      What the network looked at for the class it found, in explanations/photo/figure.png

  dvm explain photos/ --out maps --method occlusion --window 32 --stride 16
      A coarser and faster occlusion for all pictures of a folder

  dvm explain photo.jpg --class \"tiger cat\" --class tabby
      Two classes side by side: what speaks for each?

  dvm explain photo.jpg --class \"tiger cat\" --against tabby --method grad-cam,occlusion
      What speaks for the one and against the other, by two methods

  dvm explain photo.jpg --method grad-cam,occlusion --check
      Two maps, each with tests of whether it shows what moves the network

  dvm explain photos/ --report report.html
      All of it as one page that opens in a browser

  dvm explain scan.dcm --window-level 40/400
      A slice of a CT as radiologists look at it; the overlays are DICOM files, too

  dvm explain cells.tif --range 0..4095
      A microscope's picture of 12 bits in a file of 16

  dvm explain scan.png --model resnet18 --weights trained.pth --classes names.txt
      A network of your own

  dvm explain photos/ --method grad-cam --formats npy,overlay --shard 3/64 --skip-existing
      A part of many pictures; run again, it continues where it was interrupted";

fn colour_maps() -> impl TypedValueParser<Value = ColourMap> {
    let names = ColourMap::ALL.map(|map| PossibleValue::new(map.name()));
    PossibleValuesParser::new(names).try_map(|name| name.parse::<ColourMap>())
}

pub fn size(text: &str) -> Result<ByteSize, &'static str> {
    text.parse()
        .map_err(|_| "it is a number of bytes, or a size such as 512MB or 2GiB")
}

/// Pictures that wait to be explained take at most so many bytes.
const AHEAD_BYTES: usize = 256 << 20;

/// Classes that wait to be saved.
const UNSAVED: usize = 4;

/// Most threads that read pictures ahead.
const READERS: usize = 4;

/// Explains all pictures; one that fails does not stop the others.
///
/// Three stages overlap: a few threads read the next pictures, this one explains, a third writes what is done.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let columns = Columns {
        path: arguments.many.column.clone(),
        label: arguments.many.label_column.clone(),
    };
    let Images { all: images, notes } =
        images::expand_with(&arguments.images, &arguments.slice, &columns);
    let is_of_many = |path: &PathBuf| match path.as_os_str() == "-" {
        // Standard input was a list if it gave several pictures.
        true => images.len() > arguments.images.len(),
        false => images::is_of_many(path),
    };
    let has_many = arguments.images.iter().any(is_of_many);
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
        task.note(&format!("no picture is in part {number} of {of}"));
    }
    let request = explain.request(&task.classifier);
    let mut ended = explain_all(&task, explain, &jobs, &signals)?;
    task.progress.end();
    if task.json {
        report::print_json(&ended.outcomes)?;
    }
    let existing = signals.existing.load(Ordering::Relaxed);
    if existing > 0 {
        let unreported = match task.report.is_wanted() {
            true => " and are not in the report",
            false => "",
        };
        task.note(&format!(
            "{existing} of {} pictures were explained before{unreported}",
            jobs.len()
        ));
    }
    if let Some(why) = ended.stopped {
        let so_far = signals.so_far(jobs.len());
        return Err(Failure::Request(format!(
            "nothing more can be saved: {why}; {so_far}"
        )));
    }
    if let Some(manifest) = ended.manifest {
        let path = manifest.path().to_owned();
        let failed = |why: &dyn std::fmt::Display| {
            Failure::Request(format!("cannot write {}: {why}", path.display()))
        };
        manifest.close().map_err(|error| failed(&error))?;
        if task.has_parquet {
            manifest::write_parquet(&path).map_err(Failure::Request)?;
        }
    }
    if let Some(reporting) = ended.reporting.take() {
        let line = reporting.finish(&task, &request, &notes)?;
        if !task.quiet && !task.json && ended.printed.is_none() {
            ended.printed = report::print(&line).err();
        }
    }
    match ended.printed {
        // The files are there all the same, and the pictures that failed were named.
        Some(error) if !ended.has_failed || error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Output(error))
        }
        _ if ended.has_failed => Err(Failure::SomePictures),
        _ => Ok(()),
    }
}

/// Why one class of a picture was not explained.
enum Stop {
    Failed(dvm::Error),
    /// It cannot be saved, which was said already.
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
    let ahead: Ahead<Loaded> = Ahead::new(jobs.len(), 2 * readers, AHEAD_BYTES);
    let (send, receive) = sync_channel(UNSAVED);
    let ended = thread::scope(|scope| {
        for _ in 0..readers {
            scope.spawn(|| ahead.work(|index| loader.load(index, &jobs[index])));
        }
        let saving = scope.spawn(|| saver.run(receive));
        let _stop = ahead.stopping();
        while let Some(loaded) = ahead.take() {
            // Nothing is received only if the thread that saves has panicked.
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

/// Explains a picture, if it must be, and hands over all that is to be saved of it. None if there is no one to
/// hand it to.
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
