//! `dvm evaluate`: measures a network on labelled pictures.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use dvm::data::{Dataset, OnBroken, Split};
use dvm::survey::{Finding, Survey};
use dvm::training::report::WrongPicture;
use dvm::training::{Bootstrap, Evaluated, Evaluation, Interval};
use dvm::{Classifier, Explanation};
use dvm_web::report::{self as sections, Kind, Section, Writer};
use serde::Serialize;
use serde_json::Value;

use crate::device_option::DeviceOption;
use crate::failure::{Failure, unless_failed};
use crate::html_report::{self, ReportOption};
use crate::options::{ModelOptions, RunOptions, split, whole};
use crate::picture_options::PictureOptions;
use crate::report::{self, Align, Progress, table};

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Weight file, such as best.safetensors of a run
    ///
    /// Leave it out if you give --model or --weights.
    #[arg(value_name = "CHECKPOINT", value_hint = ValueHint::AnyPath)]
    checkpoint: PathBuf,
    /// Data set: a folder with `train`, `val` or `test`, or with a folder per class
    #[arg(value_name = "DATA", value_hint = ValueHint::DirPath)]
    data: Option<PathBuf>,
    /// Split to measure on [default: test, or val if there is no test]
    #[arg(long, value_name = "train|val|test", value_parser = split())]
    #[arg(hide_possible_values = true)]
    split: Option<Split>,
    /// Folder for a report: confusion matrix, classes, worst mistakes
    #[arg(help_heading = "Output", long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
    #[command(flatten)]
    report: ReportOption,
    /// Bootstrap resamples for 95 % intervals, 0 to 100000; 0: no intervals
    #[arg(long, value_name = "N", default_value = "1000")]
    #[arg(value_parser = whole::<u32>(0, 100_000))]
    bootstrap: u32,
    /// Skip pictures that cannot be read, and name them
    #[arg(long)]
    skip_broken: bool,
    #[command(flatten)]
    model: ModelOptions,
    #[command(flatten)]
    pictures: PictureOptions,
    #[command(flatten)]
    device: DeviceOption,
    #[command(flatten)]
    run: RunOptions,
}

const EXAMPLES: &str = "\
Examples:
  dvm evaluate runs/flowers/best.safetensors flowers
      The best network of a run, on its test or validation pictures

  dvm evaluate trained.pth flowers --model resnet18 --classes names.txt
      A state dict saved by PyTorch; names.txt has the classes in the order of its outputs";

impl Arguments {
    /// The data set; sets the weights of the network to the checkpoint.
    fn take_data(&mut self) -> Result<PathBuf, Failure> {
        let first = std::mem::take(&mut self.checkpoint);
        match self.data.take() {
            Some(data) => {
                if let Some(weights) = &self.model.weights {
                    return Err(Failure::Request(format!(
                        "both {} and {} are given as weights; give one of them",
                        first.display(),
                        weights.display()
                    )));
                }
                self.model.weights = Some(first);
                Ok(data)
            }
            // The only path is the data set.
            None if self.model.weights.is_some() || self.model.model.is_some() => Ok(first),
            None => Err(Failure::Request(
                "a network and a data set are needed: dvm evaluate CHECKPOINT DATA, or dvm evaluate DATA --model \
                 NAME"
                    .to_owned(),
            )),
        }
    }
}

/// The output of `--json`.
#[derive(Serialize)]
struct JsonEvaluation<'a> {
    checkpoint: String,
    /// The part of the file with the weights, if it holds more.
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<String>,
    data: String,
    split: &'static str,
    /// The device that computed the network, if it is not the CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<&'a str>,
    #[serde(flatten)]
    evaluation: &'a Evaluation,
    /// The classes that means over classes cover, if not all.
    #[serde(skip_serializing_if = "Option::is_none")]
    about_classes: Option<String>,
    /// Remarks about the data set.
    remarks: Vec<String>,
    left_out: Vec<String>,
    /// Shortcuts that the survey of a report found.
    #[serde(skip_serializing_if = "Option::is_none")]
    shortcuts: Option<Vec<Finding>>,
}

/// Evaluates a network and prints the results.
pub fn run(mut arguments: Arguments) -> Result<(), Failure> {
    if let Some(folder) = &arguments.out {
        dvm::training::report::check_folder(folder)?;
        arguments.report.refuse_within(folder)?;
    }
    let mut writer = arguments.report.begin(0)?;
    let engine = arguments.device.start_engine(&arguments.run, false)?;
    let folder = arguments.take_data()?;
    let classifier = arguments.model.open(&engine)?;
    let classifier = arguments.pictures.apply(classifier);
    let (data, split) = match Dataset::open(&folder) {
        // One folder per class, without splits.
        Err(dvm::data::Error::NotSplit { .. }) if arguments.split.is_none() => {
            (Dataset::open_unsplit(&folder)?, Some(Split::Train))
        }
        data => (data?, arguments.split),
    };
    for remark in data.remarks() {
        report::say(&format!("warning: {}: {remark}", data.folder.display()));
    }
    let split = match split {
        Some(split) => split,
        None if data.samples(Split::Test).is_empty() => Split::Val,
        None => Split::Test,
    };
    if let Some(warning) = data.range_warning(&classifier.reading()) {
        report::say(&format!("warning: {warning} (--range sets it)"));
    }
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
    let (classifier, guess) = classifier.with_classes_of(&data)?;
    if let Some(guess) = &guess {
        report::say(&format!("warning: {guess} (name them with --classes)"));
    }
    let evaluated = classifier.evaluate(&data, split, bootstrap.as_ref(), on_broken, |done| {
        progress.update("pictures", done, all);
    })?;
    let evaluation = &evaluated.evaluation;
    let left_out: Vec<String> = evaluated
        .answers
        .skipped
        .iter()
        .map(|(_, why)| why.clone())
        .collect();
    for why in &left_out {
        progress.aside(|| report::say(&format!("warning: skipped: {why}")));
    }
    let file = Path::new(classifier.weights_file());
    let file = file.file_name().unwrap_or_default();
    let title = format!("{} on {}", file.display(), folder.display());
    let mut entries = ReportEntries::new(writer.as_mut());
    let mut wrong = |_, picture: &mut _, explanation: &_| entries.add(picture, explanation);
    let mut drawn = |done, all| progress.update("maps", done, all);
    let survey = match &arguments.out {
        Some(out) => evaluated.report(&classifier, &title, &[], out, &mut drawn, &mut wrong)?,
        None if arguments.report.is_wanted() => {
            evaluated.look(&classifier, &mut drawn, &mut wrong)?.survey
        }
        None => None,
    };
    drop(progress);
    report::say_left_to_cpu(&classifier, false);
    let shown = entries.shown;
    let has_report = arguments.out.is_some() || writer.is_some();
    let found = || survey.iter().flat_map(Survey::confirmed).cloned().collect();
    let shortcuts: Option<Vec<Finding>> = has_report.then(found);
    if has_report {
        for finding in shortcuts.iter().flatten() {
            report::say(&format!("warning: {}", finding.sentence));
        }
        report::warn_about_fonts(classifier.classes().iter().map(String::as_str));
    }
    let mut line = String::new();
    if let Some(mut writer) = writer {
        name_skipped(&mut writer, &evaluated);
        let sections = sections_of(&classifier, &evaluated, survey.as_ref(), shown)?;
        let mut head = html_report::head(Kind::Evaluate, title, &classifier, sections);
        let parameters = [
            ("data", folder.display().to_string().into()),
            ("split", split.name().into()),
            ("bootstrap", arguments.bootstrap.into()),
        ];
        html_report::add(&mut head, parameters);
        let remarks = data.remarks().into_iter();
        let remarks = remarks.chain(data.range_warning(&classifier.reading()));
        html_report::warn(&mut head, "data", remarks.chain(guess));
        html_report::warn(&mut head, "device", classifier.left_to_cpu());
        line = arguments.report.finish(writer, &head)?;
    }
    if arguments.run.json {
        report::print_json(&JsonEvaluation {
            checkpoint: classifier.weights_file().to_owned(),
            part: classifier.weights_part().map(Into::into),
            data: folder.display().to_string(),
            split: split.name(),
            device: classifier.device(),
            evaluation,
            about_classes: evaluation.about_classes(),
            remarks: data.remarks(),
            left_out: left_out.clone(),
            shortcuts,
        })?;
    } else {
        report::print(&(as_text(evaluation, split) + &line))?;
    }
    unless_failed(!left_out.is_empty())
}

/// Explained pictures of a report.
pub struct ReportEntries<'a> {
    pub writer: Option<&'a mut Writer>,
    /// Number of pictures added.
    pub shown: usize,
}

impl<'a> ReportEntries<'a> {
    pub fn new(writer: Option<&'a mut Writer>) -> Self {
        Self { writer, shown: 0 }
    }

    /// Adds a wrongly classified picture.
    pub fn add(
        &mut self,
        wrong: &WrongPicture,
        explanation: &Explanation,
    ) -> Result<(), dvm::Error> {
        let name = wrong.path.display().to_string();
        let mut record = explanation.record();
        record["image"]["file"] = name.as_str().into();
        self.explained(&name, explanation, record)
    }

    /// Adds an explanation.
    pub fn explained(
        &mut self,
        name: &str,
        explanation: &Explanation,
        record: Value,
    ) -> Result<(), dvm::Error> {
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        self.shown += 1;
        let entry = writer.explanation(explanation, name, record, None)?;
        writer.list(&entry)
    }
}

/// Lists the skipped pictures in a report.
pub fn name_skipped(writer: &mut Writer, evaluated: &Evaluated) {
    for (position, why) in &evaluated.answers.skipped {
        let file = evaluated.samples[*position].path.display().to_string();
        let words = why.strip_prefix(&file).unwrap_or(why);
        writer.failed(&file, words.trim_start_matches([':', ' ']));
    }
}

/// The sections of a report on an evaluation.
pub fn sections_of(
    classifier: &Classifier,
    evaluated: &Evaluated,
    survey: Option<&Survey>,
    shown: usize,
) -> Result<Vec<Section>, Failure> {
    let mut all = sections::evaluation(&evaluated.evaluation);
    if let Some(survey) = survey {
        all.extend(sections::where_it_looks(survey));
    }
    if shown > 0 {
        all.push(Section::Pictures {
            title: Some("Most wrong".into()),
            paragraphs: vec![
                "Wrong predictions with the highest probability, with maps for the predicted class."
                    .into(),
            ],
            group: None,
        });
    }
    all.extend(sections::predictions(
        &evaluated.predictions(classifier.classes())?,
    ));
    Ok(all)
}

fn percent(share: f64) -> String {
    dvm::fixed_percent(share, 2)
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
    let is_balanced = evaluation.balanced_accuracy.is_some();
    let mut rows = vec![
        [
            "accuracy".into(),
            percent(evaluation.accuracy),
            within(intervals.map(|i| &i.accuracy)),
        ],
        [
            "balanced accuracy".into(),
            optional(evaluation.balanced_accuracy),
            within(
                intervals
                    .filter(|_| is_balanced)
                    .map(|i| &i.balanced_accuracy),
            ),
        ],
        [
            "macro F1".into(),
            optional(evaluation.macro_f1),
            within(intervals.filter(|_| is_balanced).map(|i| &i.macro_f1)),
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
    let mut text = format!(
        "{} pictures of split `{}`\n\n",
        evaluation.pictures,
        split.name()
    );
    text += &table([Align::Left, Align::Right, Align::Left], &rows);
    if let Some(about) = evaluation.about_classes() {
        let _ = writeln!(text, "{about}");
    }
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
