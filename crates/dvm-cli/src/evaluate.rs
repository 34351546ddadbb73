//! `dvm evaluate`: how good a network is on labelled pictures.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueHint};
use dvm::Classifier;
use dvm::data::{Dataset, OnBroken, Split};
use dvm::training::{Bootstrap, Evaluation, Interval};
use serde::Serialize;

use crate::failure::Failure;
use crate::options::RunOptions;
use crate::preprocess_options::PreprocessOptions;
use crate::report::{self, Align, Progress, table};

#[derive(Args)]
pub struct Arguments {
    /// A weight file that says what it is, such as best.safetensors of a run
    #[arg(value_name = "CHECKPOINT", value_hint = ValueHint::FilePath)]
    checkpoint: PathBuf,
    /// Folder of pictures: with `train`, `val` or `test`, or with a folder for each class
    #[arg(value_name = "DATA", value_hint = ValueHint::DirPath)]
    data: PathBuf,
    /// Which part of it [default: test if there is one, or else val]
    #[arg(long, value_name = "train|val|test", value_parser = split())]
    split: Option<Split>,
    /// Folder for a report: confusion matrix (PNG, CSV), table of classes, the most wrong pictures
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
    /// Resamples of the bootstrap that gives 95 % intervals; 0 for none
    #[arg(long, value_name = "N", default_value = "1000")]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=100_000))]
    bootstrap: u32,
    /// Leave out pictures that cannot be read, and name them
    #[arg(long)]
    skip_broken: bool,
    #[command(flatten)]
    preprocess: PreprocessOptions,
    #[command(flatten)]
    run: RunOptions,
}

fn split() -> impl TypedValueParser<Value = Split> {
    PossibleValuesParser::new(Split::ALL.map(Split::name)).map(|word| {
        let mut all = Split::ALL.into_iter();
        all.find(|split| split.name() == word)
            .expect("only these words pass")
    })
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    checkpoint: String,
    data: String,
    split: &'static str,
    #[serde(flatten)]
    evaluation: &'a Evaluation,
    left_out: Vec<String>,
}

/// Evaluates, and prints what was found.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    if let Some(folder) = &arguments.out {
        dvm::training::report::check_folder(folder)?;
    }
    arguments.run.start_threads()?;
    let file = arguments.checkpoint.to_string_lossy();
    let classifier = match arguments.checkpoint.exists() {
        true => Classifier::open_for(&file, None, arguments.preprocess.size())?,
        false => Classifier::read(&arguments.checkpoint)?,
    };
    let classifier = arguments.preprocess.apply(classifier)?;
    let classifier = classifier.with_arithmetic(arguments.run.arithmetic());
    report::warn_about(&classifier);
    let (data, split) = match Dataset::open(&arguments.data) {
        // One folder per class: all pictures are in one split.
        Err(dvm::data::Error::NotSplit { .. }) if arguments.split.is_none() => {
            (Dataset::open_unsplit(&arguments.data)?, Some(Split::Train))
        }
        data => (data?, arguments.split),
    };
    let split = match split {
        Some(split) => split,
        None if data.samples(Split::Test).is_empty() => Split::Val,
        None => Split::Test,
    };
    let all = data.samples(split).len();
    let progress = Progress::new(1, !arguments.run.json);
    let bootstrap = (arguments.bootstrap > 0).then(|| Bootstrap {
        resamples: arguments.bootstrap as usize,
        ..Bootstrap::default()
    });
    let on_broken = if arguments.skip_broken {
        OnBroken::Skip
    } else {
        OnBroken::Fail
    };
    let evaluated = classifier.evaluate(&data, split, bootstrap.as_ref(), on_broken, |done| {
        progress.update("pictures", done, all);
    })?;
    drop(progress);
    let evaluation = &evaluated.evaluation;
    let left_out: Vec<String> = evaluated
        .answers
        .skipped
        .iter()
        .map(|(_, why)| why.clone())
        .collect();
    for why in &left_out {
        report::say(&format!("left out: {why}"));
    }
    if let Some(folder) = &arguments.out {
        let file = arguments.checkpoint.file_name().unwrap_or_default();
        let title = format!("{} on {}", file.display(), arguments.data.display());
        evaluated.report(&classifier, &title, &[], folder)?;
    }
    if arguments.run.json {
        report::print_json(&Answer {
            checkpoint: arguments.checkpoint.display().to_string(),
            data: arguments.data.display().to_string(),
            split: split.name(),
            evaluation,
            left_out: left_out.clone(),
        })?;
    } else {
        report::print(&as_text(evaluation, split))?;
    }
    if left_out.is_empty() {
        Ok(())
    } else {
        Err(Failure::SomePictures)
    }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

fn optional(share: Option<f64>) -> String {
    share.map_or("–".into(), percent)
}

fn as_text(evaluation: &Evaluation, split: Split) -> String {
    let intervals = evaluation.intervals.as_ref();
    let within = |interval: Option<&Interval>| {
        interval.map_or(String::new(), |i| {
            format!("{:.2} … {:.2} %", 100.0 * i.low, 100.0 * i.high)
        })
    };
    let mut rows = vec![
        [
            "accuracy".into(),
            percent(evaluation.accuracy),
            within(intervals.map(|i| &i.accuracy)),
        ],
        [
            "balanced accuracy".into(),
            percent(evaluation.balanced_accuracy),
            within(intervals.map(|i| &i.balanced_accuracy)),
        ],
        [
            "macro F1".into(),
            percent(evaluation.macro_f1),
            within(intervals.map(|i| &i.macro_f1)),
        ],
    ];
    let tops = evaluation.top_k.iter().filter(|(k, _)| **k > 1);
    rows.extend(tops.map(|(k, share)| [format!("top {k}"), percent(*share), String::new()]));
    rows.push([
        "calibration error".into(),
        percent(evaluation.calibration.error),
        String::new(),
    ]);
    rows.push([
        "loss".into(),
        format!("{:.4}", evaluation.loss),
        String::new(),
    ]);
    let mut text = format!("{} pictures of `{}`\n\n", evaluation.pictures, split.name());
    text += &table([Align::Left, Align::Right, Align::Left], &rows);
    text.push('\n');
    let mut rows = vec![["class", "precision", "recall", "F1", "pictures"].map(String::from)];
    rows.extend(evaluation.classes.iter().map(|class| {
        [
            class.name.clone(),
            optional(class.precision),
            optional(class.recall),
            optional(class.f1),
            class.support.to_string(),
        ]
    }));
    let right = Align::Right;
    let _ = write!(
        text,
        "{}",
        table([Align::Left, right, right, right, right], &rows)
    );
    text
}
