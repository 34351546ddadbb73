//! `dvm bench`: the speed of a network and of each of its nodes.

mod profile;

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueHint};
use dvm::engine::{Arithmetic, InstructionSet, Stopwatch};
use dvm::{Bench, Classifier, Measured, Work};
use serde::Serialize;

use crate::device_option::{DeviceOption, Engine};
use crate::failure::Failure;
use crate::method_options::MethodOptions;
use crate::options::{ModelOptions, RunOptions, whole};
use crate::report::{self, Align, table};
use profile::Profile;

#[derive(Args)]
#[command(after_help = NOTES)]
pub struct Arguments {
    /// Work to time
    #[arg(value_parser = works())]
    work: Work,
    /// Batch size of forward, backward and train
    #[arg(long, value_name = "N", default_value = "1")]
    #[arg(value_parser = whole::<u16>(1, 65_535))]
    batch: u16,
    /// Number of timed runs, after one run that is not timed
    #[arg(long, value_name = "N", default_value = "5")]
    #[arg(value_parser = whole::<u16>(1, 65_535))]
    runs: u16,
    /// Method of `map` [default: occlusion]
    #[arg(help_heading = "Methods", long, value_name = "METHOD", value_parser = crate::methods::names())]
    #[arg(hide_possible_values = true)]
    method: Option<String>,
    #[command(flatten)]
    method_options: MethodOptions,
    /// Compute every covered picture of occlusion as a whole; slower
    ///
    /// By default only the part that a window can change is computed.
    #[arg(help_heading = "Methods", long)]
    no_incremental: bool,
    /// Print the time of each node, longest first
    #[arg(long)]
    profile: bool,
    /// SVG file for a bar chart of the profile
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "profile")]
    chart: Option<PathBuf>,
    #[command(flatten)]
    model: ModelOptions,
    /// Use random weights; the speed does not depend on the weights
    #[arg(long, help_heading = "Network", conflicts_with_all = ["weights", "classes"])]
    random_weights: bool,
    #[command(flatten)]
    device: DeviceOption,
    #[command(flatten)]
    run: RunOptions,
}

const NOTES: &str = "\
GFLOP/s count two operations per multiply-add of direct computation (for occlusion, of a whole forward pass per \
window), so that algorithms that compute less show higher numbers. Peak memory is that of the whole process, with the \
weights; it is known on Linux only.

Examples:
  dvm bench forward --model resnet18 --random-weights --batch 16
  dvm bench train --model resnet18 --random-weights --batch 20 --json
  dvm bench occlusion --window 20 --stride 10 --json
  dvm bench map --method occlusion --set occlusion.window=32
  dvm bench backward --model vgg16 --random-weights --profile --chart backward.svg";

fn works() -> impl TypedValueParser<Value = Work> {
    let values = Work::ALL.map(|work| PossibleValue::new(work.name()).help(work.summary()));
    PossibleValuesParser::new(values).map(|name| {
        let mut all = Work::ALL.into_iter();
        all.find(|w| w.name() == name)
            .expect("clap has checked the name")
    })
}

/// Times the work and prints the result.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let bench = arguments.bench()?;
    let engine = arguments.device.start_engine(&arguments.run, false)?;
    let mut classifier = arguments.classifier(&engine)?;
    if arguments.profile {
        classifier = classifier.with_stopwatch(Stopwatch::default());
    }
    let measured = classifier.bench(&bench)?;
    report::say_left_to_cpu(&classifier, false);
    let profile = arguments
        .profile
        .then(|| Profile::new(&measured.laps, measured.seconds.len()));
    let report = Report::new(&arguments, &classifier, &measured);
    if let (Some(file), Some(profile)) = (&arguments.chart, &profile) {
        let svg = profile.chart(&report.title());
        dvm::write_atomic(file, svg.as_bytes()).map_err(|source| dvm::Error::Save {
            path: file.clone(),
            source,
        })?;
    }
    if arguments.run.json {
        return report::print_json(&WithProfile { report, profile });
    }
    let mut text = report.as_text();
    if let Some(profile) = profile {
        text = format!("{text}\n{}", profile.as_text());
    }
    Ok(report::print(&text)?)
}

impl Arguments {
    fn bench(&self) -> Result<Bench, Failure> {
        let settings = &self.method_options.settings;
        let bench = match &self.method {
            Some(method) => Bench::new(self.work).with_method(method, settings)?,
            None => Bench::new(self.work).with_settings(settings)?,
        };
        let mut bench = bench
            .with_batch(self.batch.into())?
            .with_runs(self.runs.into());
        if self.no_incremental && !self.covers() {
            return Err(Failure::Request(format!(
                "--no-incremental is for occlusion, map and explain, not for {}",
                self.work.name()
            )));
        }
        bench.explain.incremental = !self.no_incremental;
        Ok(bench)
    }

    /// Whether the work covers parts of the picture.
    fn covers(&self) -> bool {
        matches!(self.work, Work::Occlusion | Work::Map | Work::Explain)
    }

    fn classifier(&self, engine: &Engine) -> Result<Classifier, Failure> {
        if self.random_weights {
            return self.model.random(engine);
        }
        self.model.open(engine).map_err(|failure| match failure {
            Failure::Request(why) if self.model.lacks_weights() => {
                Failure::Request(format!("{why}; or use --random-weights"))
            }
            other => other,
        })
    }
}

/// The result, as JSON.
#[derive(Serialize)]
struct Report {
    work: &'static str,
    model: String,
    weights: String,
    batch: u16,
    runs: u16,
    threads: usize,
    arithmetic: &'static str,
    /// Only for work that covers parts of the picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    incremental: Option<bool>,
    instruction_set: &'static str,
    /// The device that computed, if it is not the CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    seconds: Seconds,
    multiply_adds: Option<u64>,
    gflops: Option<f64>,
    weights_bytes: usize,
    peak_memory_bytes: Option<usize>,
    /// The peak without the weights.
    peak_beyond_weights_bytes: Option<usize>,
}

#[derive(Serialize)]
struct Seconds {
    min: f64,
    median: f64,
    max: f64,
}

#[derive(Serialize)]
struct WithProfile {
    #[serde(flatten)]
    report: Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<Profile>,
}

impl Report {
    fn new(arguments: &Arguments, classifier: &Classifier, measured: &Measured) -> Self {
        let peak = measured.peak_memory_bytes;
        Self {
            work: arguments.work.name(),
            model: classifier.name().into(),
            weights: classifier.weights_file().into(),
            batch: arguments.batch,
            runs: arguments.runs,
            threads: rayon::current_num_threads(),
            arithmetic: match arguments.run.arithmetic() {
                Arithmetic::Fast => "fast",
                Arithmetic::Exact => "exact",
            },
            // A device computes whole pictures.
            incremental: arguments
                .covers()
                .then(|| !arguments.no_incremental && classifier.device().is_none()),
            instruction_set: InstructionSet::in_use().name(),
            device: classifier.device().map(Into::into),
            seconds: Seconds {
                min: measured.seconds[0],
                median: measured.median(),
                max: measured.seconds[measured.seconds.len() - 1],
            },
            multiply_adds: measured.multiply_adds,
            gflops: measured.gflops(),
            weights_bytes: measured.weights_bytes,
            peak_memory_bytes: peak,
            peak_beyond_weights_bytes: peak.map(|p| p.saturating_sub(measured.weights_bytes)),
        }
    }

    /// Work, network, batch and threads in one line.
    fn title(&self) -> String {
        let batch = match self.batch {
            1 => String::new(),
            batch => format!(", batch {batch}"),
        };
        let threads = match self.threads {
            1 => "1 thread".into(),
            threads => format!("{threads} threads"),
        };
        format!("{} {}{batch}, {threads}", self.work, self.model)
    }

    fn as_text(&self) -> String {
        let mut rows = vec![
            ("median", milliseconds(self.seconds.median)),
            ("shortest", milliseconds(self.seconds.min)),
            ("longest", milliseconds(self.seconds.max)),
        ];
        rows.extend(self.gflops.map(|g| ("GFLOP/s", format!("{g:.1}"))));
        rows.push(("weights", megabytes(self.weights_bytes)));
        rows.extend(
            self.peak_memory_bytes
                .map(|b| ("peak memory", megabytes(b))),
        );
        let rows: Vec<[String; 2]> = rows
            .into_iter()
            .map(|(name, value)| [format!("  {name}"), value])
            .collect();
        let table = table([Align::Left, Align::Right], &rows);
        let Self {
            runs,
            arithmetic,
            instruction_set,
            ..
        } = self;
        let on = match &self.device {
            Some(device) => report::escaped(device).into_owned(),
            None => format!("kernels {arithmetic}, {instruction_set}"),
        };
        format!("{}\n{table}  runs {runs}, {on}\n", self.title())
    }
}

fn milliseconds(seconds: f64) -> String {
    format!("{:.2} ms", seconds * 1e3)
}

fn megabytes(bytes: usize) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
