//! `dvm compare`: compares methods by metrics over many pictures.

mod data;
mod figures;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::{ArgMatches, Args, Command, FromArgMatches, ValueHint};
use dvm::Classifier;
use dvm::compare::{self, Compare, Earlier, Event, ExplainedClass, Summary, USUAL_METHODS};
use dvm::data::Split;
use dvm::data::formats::Wanted;
use dvm_web::report::{self as sections, Head, Kind, Section};
use serde_json::{Map, Value};

use crate::device_option::DeviceOption;
use crate::failure::{Failure, unless_failed};
use crate::html_report::{self, ReportOption};
use crate::interruption;
use crate::method_options::MethodOptions;
use crate::options::{MemoryOption, ModelOptions, RunOptions, split, whole};
use crate::picture_options::PictureOptions;
use crate::report::{self, Progress};

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Pictures: a data set, folders, files, or lists of pictures
    ///
    /// A data set has `train`, `val` or `test`. A list is a .txt file (or @FILE) with one path per line.
    #[arg(required = true, value_name = "DATA", value_hint = ValueHint::AnyPath)]
    data: Vec<PathBuf>,
    /// Methods to compare, separated by commas (see `dvm methods list`)
    ///
    /// Two controls are always added: noise, and the edges of the picture.
    #[arg(
        help_heading = "Methods",
        id = "method",
        long,
        value_name = "METHOD",
        value_delimiter = ','
    )]
    #[arg(value_parser = crate::methods::names(), default_value = USUAL_METHODS)]
    #[arg(hide_possible_values = true)]
    methods: Vec<String>,
    #[arg(help = "Metrics, separated by commas (see `dvm metrics list`)", long_help = metrics_help())]
    #[arg(help_heading = "Methods", long, value_name = "METRIC", value_delimiter = ',', default_value = dvm::Checks::USUAL)]
    #[arg(value_parser = crate::metrics::names(), hide_possible_values = true)]
    metrics: Vec<String>,
    /// Class to explain, by name or index
    ///
    /// `top`: the most probable class of each picture. `true`: its true class, the name of its folder.
    #[arg(
        id = "class",
        long,
        value_name = "top|true|NAME|INDEX",
        default_value = "top"
    )]
    class: String,
    /// Largest number of pictures; all classes get equally many [default: all pictures]
    ///
    /// The seed decides which pictures are chosen.
    #[arg(long, value_name = "N", value_parser = whole::<u32>(1, u64::MAX))]
    limit: Option<u32>,
    /// Objects in the pictures, for metrics that compare a map with an object's region
    ///
    /// A COCO file, or a folder of Pascal VOC files or of masks.
    #[arg(help_heading = "Methods", long, value_name = "FILE|DIR", value_hint = ValueHint::AnyPath)]
    regions: Option<PathBuf>,
    /// Split of the data set [default: test if there is one, otherwise val or train]
    #[arg(long, value_name = "train|val|test", value_parser = split())]
    #[arg(hide_possible_values = true)]
    split: Option<Split>,
    /// Bootstrap resamples for 95 % intervals, 1 to 100000
    #[arg(long, value_name = "N", default_value = "1000")]
    #[arg(value_parser = whole::<u32>(1, 100_000))]
    bootstrap: u32,
    /// Folder for the results
    ///
    /// It gets every measurement (measurements.jsonl), a table (compare.csv), a summary (compare.json) and
    /// plots (compare.png, .svg, .pdf).
    #[arg(help_heading = "Output", long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    #[arg(default_value = "comparison")]
    out: PathBuf,
    #[command(flatten)]
    report: ReportOption,
    /// Resume the comparison in the folder of --out
    ///
    /// Give the same arguments as before. Measured pictures are not measured again.
    #[arg(help_heading = "Output", long)]
    resume: bool,
    /// Replace the comparison in the folder of --out
    #[arg(help_heading = "Output", long, conflicts_with = "resume")]
    overwrite: bool,
    /// Slices or frames of a volume: a number from 0, middle, all or A..B
    #[arg(long, value_name = "N|middle|all|A..B", default_value = "middle")]
    #[arg(alias = "slices", help_heading = "Pictures")]
    slice: Wanted,
    #[command(flatten)]
    pictures: PictureOptions,
    #[command(flatten)]
    options: OptionsWithSeed,
    #[command(flatten)]
    model: ModelOptions,
    #[command(flatten)]
    device: DeviceOption,
    #[command(flatten)]
    run: RunOptions,
    #[command(flatten)]
    memory: MemoryOption,
    /// Compute every changed picture as a whole; slower
    ///
    /// By default only the part that a change can reach is computed. The values differ by rounding only.
    #[arg(long, help_heading = "Running")]
    no_incremental: bool,
    /// Print errors only
    #[arg(long, short, help_heading = "Running")]
    quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  dvm compare flowers --model resnet18 --weights best.safetensors --limit 100
      The default methods and metrics on 100 pictures, equally many of each class

  dvm compare photos --method grad-cam,occlusion,rise --metrics deletion,insertion --out compared
      Three methods by two metrics

  dvm compare flowers --method grad-cam,lime --set lime.samples=500 --set deletion.steps=20 --resume
      Options of methods and metrics; resumes an interrupted comparison";

/// The options of methods; `--seed` is shown in the help, because it is not only for methods.
#[derive(Clone, Debug, Default)]
struct OptionsWithSeed(MethodOptions);

impl Args for OptionsWithSeed {
    fn augment_args(command: Command) -> Command {
        MethodOptions::augment_args(command).mut_arg("seed", |seed| {
            seed.help("Seed of all random numbers [default: 0]").long_help(
                "Seed of all random numbers: the choice of pictures, the control with noise, the intervals, and \
                 methods and metrics that draw numbers [default: 0]",
            )
            .help_heading(None::<&str>)
            .hide_short_help(false)
            .hide_long_help(false)
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for OptionsWithSeed {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        MethodOptions::from_arg_matches(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

/// The help of `--metrics`, with the metrics of `usual`.
fn metrics_help() -> String {
    format!(
        "Metrics, separated by commas (see `dvm metrics list`)\n\n`{}` means {}",
        dvm::Checks::USUAL,
        compare::usual_metrics()
    )
}

/// Compares, and prints what was found.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let (methods, metrics) = (arguments.methods.join(","), arguments.metrics.join(","));
    let mut compare = Compare::new(&methods, &metrics, &arguments.options.0.settings)?;
    compare.memory = arguments.memory.memory;
    compare.incremental = !arguments.no_incremental;
    compare.resamples = arguments.bootstrap as usize;
    compare.class = match &arguments.class[..] {
        "top" => ExplainedClass::Top,
        "true" => ExplainedClass::True,
        name => ExplainedClass::Named(name.into()),
    };
    if let Some(path) = &arguments.regions {
        compare.regions = Some(dvm::regions::Regions::open(path)?);
    }
    dvm::check_output(&arguments.out)?;
    let writer = arguments.report.begin(0)?;
    let engine = arguments
        .device
        .start_engine(&arguments.run, arguments.quiet)?;
    let classifier = arguments.model.open(&engine)?;
    let classifier = arguments.pictures.apply(classifier);
    let data = data::find(
        &arguments.data,
        arguments.split,
        &arguments.slice,
        classifier,
    )?;
    let note = |line: &str| {
        if !arguments.quiet {
            report::say(line);
        }
    };
    data.notes.iter().for_each(|line| note(line));
    for line in &data.failures {
        report::say(&format!("error: {line}"));
    }
    let found = data.pictures.len();
    let limit = arguments.limit.map_or(usize::MAX, |limit| limit as usize);
    let pictures = compare::chosen(data.pictures, limit, compare.seed());
    if pictures.len() < found {
        note(&format!(
            "note: comparing on {} of {found} pictures, chosen by seed {}",
            pictures.len(),
            compare.seed()
        ));
    }
    let earlier = match (arguments.resume, arguments.overwrite) {
        (true, _) => Earlier::Resumed,
        (_, true) => Earlier::Replaced,
        _ => Earlier::Kept,
    };
    let progress = Progress::new(1, !arguments.quiet);
    let measured = Arc::new(AtomicUsize::new(0));
    interruption::before_end({
        let (measured, all) = (measured.clone(), pictures.len());
        move || {
            let measured = measured.load(Ordering::Relaxed);
            format!("interrupted; measured: {measured} of {all}; to continue, add --resume")
        }
    });
    let mut watch = |event: Event| match event {
        Event::Begun {
            measured: before, ..
        } => {
            measured.store(before, Ordering::Relaxed);
            if before > 0 {
                note(&format!(
                    "note: resumed; pictures measured already: {before}"
                ));
            }
        }
        Event::Picture { .. } => {}
        Event::Map { done, all } => progress.update("maps", done, all),
        Event::Measured { number } => measured.store(number + 1, Ordering::Relaxed),
        Event::Failed { file, why } => {
            progress.aside(|| report::say(&format!("error: {file}: {why}")));
        }
        Event::NoMap { method, why } => {
            progress.aside(|| note(&format!("note: no map by {method}: {why}")));
        }
    };
    let compared =
        data.classifier
            .compare(&pictures, &compare, &arguments.out, earlier, &mut watch);
    drop(progress);
    report::say_left_to_cpu(&data.classifier, arguments.quiet);
    let summary = compared.map_err(|error| match error {
        dvm::Error::Occupied { .. } if error.to_string().contains("resume it") => {
            Failure::Request(format!("{error} (--resume, --overwrite, --out)"))
        }
        error => error.into(),
    })?;
    let mut line = String::new();
    if let Some(mut writer) = writer {
        for failed in &summary.failed {
            writer.failed(failed.file.as_str(), failed.why.as_str());
        }
        for failed in &data.failures {
            let (file, why) = failed.split_once(": ").unwrap_or((failed, ""));
            writer.failed(file, why);
        }
        let head = html_head(&data.classifier, &summary, &data.notes);
        line = arguments.report.finish(writer, &head)?;
    }
    if arguments.run.json {
        report::print_json(&summary)?;
    } else if !arguments.quiet {
        report::print(&(figures::text(&summary, &arguments.out) + &line))?;
    }
    unless_failed(!summary.failed.is_empty() || !data.failures.is_empty())
}

/// The content of the HTML report.
fn html_head(classifier: &Classifier, summary: &Summary, notes: &[String]) -> Head {
    let pictures = report::pictures(summary.pictures);
    let title = format!("Methods compared on {}, {pictures}", classifier.name());
    let mut sections = sections::comparison(summary);
    if !notes.is_empty() {
        sections.push(Section::text("Notes", notes.to_vec()));
    }
    let mut head = html_report::head(Kind::Compare, title, classifier, sections);
    html_report::warn(&mut head, "comparison", summary.warnings.iter().cloned());
    html_report::warn(&mut head, "device", classifier.left_to_cpu());
    let mut record = serde_json::to_value(summary).expect("a summary is plain data");
    let mut parameters = |of: &str| -> Map<String, Value> {
        let all = record[of].as_array_mut().into_iter().flatten();
        let one = |entry: &mut Value| {
            let name = entry["name"].as_str().unwrap_or_default().to_owned();
            (name, entry["parameters"].take())
        };
        all.map(one).collect()
    };
    let (methods, metrics) = (parameters("methods"), parameters("metrics"));
    html_report::add(
        &mut head,
        [("methods", methods.into()), ("metrics", metrics.into())],
    );
    let own = [
        "class",
        "seed",
        "memory",
        "incremental",
        "bootstrap",
        "regions",
    ];
    html_report::add(&mut head, own.map(|name| (name, record[name].take())));
    head
}
