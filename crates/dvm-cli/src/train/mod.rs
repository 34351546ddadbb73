//! `dvm train`: trains a network on a folder of pictures.

pub mod advice;
mod settings;

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use dvm::training::{
    Config, EpochRecord, Existing, PRESETS, RunFolder, RunReport, Training, TrainingEvent,
};
use dvm_web::report::{self as sections, Head, Kind};
use serde::Serialize;

use crate::device_option::DeviceOption;
use crate::evaluate::{ReportEntries, name_skipped, sections_of};
use crate::failure::{Failure, cannot_write};
use crate::html_report::{self, ReportOption};
use crate::interruption;
use crate::options::{RunOptions, whole};
use crate::report::{self, Align, Watch, table};
use settings::SettingFlags;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Data set: a folder with `train` and `val`, such as `dvm prepare` makes
    #[arg(value_name = "DATA", value_hint = ValueHint::DirPath)]
    #[arg(required_unless_present_any = ["resume", "config"])]
    data: Option<PathBuf>,
    /// Run folder [default: runs/DATA-MODEL, or runs/DATA-MODEL-2, … if it exists]
    #[arg(help_heading = "Output", long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
    #[command(flatten)]
    report: ReportOption,
    /// Resume the run in this folder from its last checkpoint
    ///
    /// --epochs N changes the total number of epochs. Schedules that depend on that number start again
    /// and cover the remaining epochs.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    #[arg(conflicts_with_all = ["data", "out", "config", "preset", "preview", "overwrite"])]
    resume: Option<PathBuf>,
    /// Replace the run in the folder of --out
    ///
    /// A run without weights is always replaced.
    #[arg(help_heading = "Output", long)]
    overwrite: bool,
    /// Configuration file, such as config.toml of another run; flags override it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,
    #[arg(long, value_name = "NAME", help = presets(false), long_help = presets(true))]
    preset: Option<String>,
    /// Write the inputs of N training pictures into preview.png, and stop; 1 to 400
    #[arg(long, value_name = "N", value_parser = whole::<u16>(1, 400))]
    preview: Option<u16>,
    /// Threads that decode pictures, 1 to 256 [default: one per processor]
    ///
    /// Results do not depend on the number.
    #[arg(long, value_name = "N", help_heading = "Running")]
    #[arg(value_parser = whole::<u16>(1, 256))]
    workers: Option<u16>,
    /// Do not check all pictures before the first epoch
    ///
    /// By default all pictures are decoded first, to find broken ones.
    #[arg(long, help_heading = "Running")]
    no_check: bool,
    /// Print lines instead of live curves on a terminal
    #[arg(long, help_heading = "Running")]
    plain: bool,
    #[command(flatten)]
    settings: SettingFlags,
    #[command(flatten)]
    device: DeviceOption,
    #[command(flatten)]
    run: RunOptions,
}

const EXAMPLES: &str = "\
Examples:
  dvm train flowers
      The default network and settings; results in runs/flowers-…

  dvm train flowers --model resnet18 --epochs 20 --learning-rate 0.01 --out runs/first
      Own settings

  dvm train --resume runs/first
      Resume after an interruption";

/// The help of `--preset`: the names, with their summaries if it is `long`.
fn presets(long: bool) -> String {
    let all = PRESETS.iter().map(|preset| match long {
        true => format!("\n  {}: {}", preset.name, preset.summary),
        false => format!(" {}", preset.name),
    });
    let separator = if long { "" } else { "," };
    format!(
        "Settings to start from; a configuration file and flags override them:{}",
        all.collect::<Vec<_>>().join(separator)
    )
}

/// The output of `--json`.
#[derive(Serialize)]
struct Summary {
    run: String,
    done: bool,
    epochs: usize,
    best_epoch: Option<usize>,
    accuracy: Option<f64>,
    seconds: f64,
    /// The device that computed the network, if it is not the CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
}

/// Trains a network and prints its accuracy and files.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    if let Some(count) = arguments.preview {
        arguments.run.start_engine()?;
        return preview(&arguments, count.into());
    }
    let engine = arguments.device.start_engine(&arguments.run, false)?;
    let mut training = match &arguments.resume {
        Some(folder) => {
            let epochs = arguments.more_epochs()?;
            let mut training = Training::resume(folder)?;
            if let Some(epochs) = epochs {
                training.plan_epochs(epochs)?;
            }
            training
        }
        None => {
            let config = arguments.config()?;
            let out = arguments
                .out
                .clone()
                .unwrap_or_else(|| free_folder(&config));
            let existing = match arguments.overwrite {
                true => Existing::Replaced,
                false => Existing::Kept,
            };
            Training::new(config, &out, existing).map_err(advice::failure)?
        }
    };
    if let Some(workers) = arguments.workers {
        training.workers = workers.into();
    }
    training.check = !arguments.no_check;
    training.arithmetic = engine.arithmetic();
    training.device = engine.device();
    arguments
        .report
        .refuse_within(&training.folder().report_path())?;
    // Fails now if the report cannot be written.
    drop(arguments.report.begin(0)?);
    // A signal stops training after the current step, with a checkpoint. Nothing is printed before, because of the
    // live view.
    let hold = interruption::hold();
    let mut watch = Watch::new(!arguments.plain && !arguments.run.json);
    let mut warnings = Vec::new();
    let mut show = |event: &TrainingEvent| {
        if let TrainingEvent::Message(message) = event
            && let Some(warning) = message.strip_prefix("warning: ")
        {
            warnings.push(warning.to_owned());
        }
        watch.show(event);
    };
    let outcome = training.run(&mut show, &interruption::is_requested);
    let finished = outcome.as_ref().is_ok_and(|outcome| outcome.done);
    if finished {
        // From here on a signal may end the program: resuming writes an interrupted report.
        drop(hold);
    }
    let mut writer = match finished {
        true => arguments.report.begin(0)?,
        false => None,
    };
    let mut entries = ReportEntries::new(writer.as_mut());
    let reported = match &outcome {
        Ok(outcome) if finished => {
            let mut wrong = |_, picture: &mut _, explanation: &_| entries.add(picture, explanation);
            training.report(&outcome.records, &mut show, &mut wrong)
        }
        _ => Ok(None),
    };
    // Ends the live view before anything else is printed.
    drop(watch);
    let outcome = outcome.map_err(advice::failure)?;
    let reported = reported?;
    if let Some(warning) = training.left_to_cpu() {
        report::say(&format!("note: {warning}"));
        warnings.push(warning);
    }
    let shown = entries.shown;
    let evaluated = reported
        .as_ref()
        .map(|reported| &reported.evaluated.evaluation);
    let folder = training.folder().path();
    let interrupted = || {
        format!(
            "interrupted; to resume: dvm train --resume {}",
            report::shown(folder)
        )
    };
    if let Some(evaluation) = evaluated {
        report::warn_about_fonts(evaluation.classes.iter().map(|class| class.name.as_str()));
    }
    let mut line = String::new();
    if let Some(mut writer) = writer {
        if let Some(reported) = &reported {
            name_skipped(&mut writer, &reported.evaluated);
        }
        let trouble = outcome.trouble.as_ref().map(advice::warning);
        warnings.extend(trouble.map(|words| words.trim_start_matches("warning: ").to_owned()));
        let mut head = html_head(&training, &outcome.records, reported.as_ref(), shown)?;
        let known: Vec<String> = head
            .warnings
            .iter()
            .map(|known| known.text.clone())
            .collect();
        warnings.retain(|warning| !known.contains(warning));
        html_report::warn(&mut head, "training", warnings);
        line = arguments.report.finish(writer, &head)?;
    }
    if arguments.run.json {
        report::print_json(&Summary {
            run: folder.display().to_string(),
            done: outcome.done,
            epochs: outcome.records.len(),
            best_epoch: outcome.best.map(|best| best.epoch),
            accuracy: outcome.best.and_then(|best| best.val_accuracy),
            seconds: outcome.records.iter().map(|record| record.seconds).sum(),
            device: engine.device().map(|device| device.name().to_owned()),
        })?;
        return match finished {
            true => Ok(()),
            false => interruption::check(interrupted),
        };
    }
    let mut rows = Vec::new();
    if let Some(best) = outcome.best {
        let share = |value: Option<f64>| value.map_or("–".into(), |v| dvm::fixed_percent(v, 2));
        rows.push(["best epoch".into(), best.epoch.to_string()]);
        rows.push(["validation accuracy".into(), share(best.val_accuracy)]);
    }
    if let Some(evaluation) = evaluated {
        let balanced = evaluation.balanced_accuracy;
        let balanced = balanced.map_or("–".into(), |share| dvm::fixed_percent(share, 2));
        rows.push(["balanced accuracy".into(), balanced]);
        if let Some(about) = evaluation.about_classes() {
            report::say(&format!("note: {about}"));
        }
    }
    let path = |name: &str| folder.join(name).display().to_string();
    if finished {
        rows.push(["weights".into(), path("best.safetensors")]);
        rows.push(["report".into(), path("report/report.md")]);
    }
    report::print(&(table([Align::Left, Align::Left], &rows) + &line))?;
    if let Some(trouble) = &outcome.trouble {
        report::say(&advice::warning(trouble));
    }
    match finished {
        true => Ok(()),
        false => interruption::check(interrupted),
    }
}

/// The content of the HTML report.
fn html_head(
    training: &Training,
    records: &[EpochRecord],
    reported: Option<&RunReport>,
    shown: usize,
) -> Result<Head, Failure> {
    let title = training.title();
    let mut all = sections::training(&title, records);
    let classifier = match reported {
        Some(reported) => {
            let survey = reported.survey.as_ref();
            let (classifier, evaluated) = (&reported.classifier, &reported.evaluated);
            all.extend(sections_of(classifier, evaluated, survey, shown)?);
            classifier
        }
        None => &training.best()?,
    };
    let mut head = html_report::head(Kind::Train, title, classifier, all);
    let config = serde_json::to_value(training.config()).expect("a configuration is plain data");
    html_report::add(&mut head, [("training", config)]);
    Ok(head)
}

impl Arguments {
    /// The new total number of epochs of a resumed run.
    fn more_epochs(&self) -> Result<Option<u64>, Failure> {
        match &self.settings.values[..] {
            [] => Ok(None),
            [(key, value)] if key == "epochs" => value.parse().map(Some).map_err(|_| {
                Failure::Request(format!(
                    "--epochs must be a whole number, but is `{value}`"
                ))
            }),
            _ => Err(Failure::Request(
                "--resume keeps the settings of the run; only --epochs can be changed; for other settings, start \
                 a new run with --config and the config.toml of this one"
                    .into(),
            )),
        }
    }

    fn config(&self) -> Result<Config, Failure> {
        let file = self.config.as_deref().map(|path| {
            fs::read_to_string(path).map_err(|error| {
                Failure::Request(format!(
                    "{}: cannot be read: {}",
                    path.display(),
                    dvm::system_words(&error)
                ))
            })
        });
        let mut values = self.settings.values.clone();
        if let Some(data) = &self.data {
            let text = data.to_str().ok_or_else(|| {
                Failure::Request(format!("{}: the name is not text in UTF-8", data.display()))
            })?;
            // A JSON string is also a TOML string.
            let quoted = serde_json::to_string(text).expect("text can be written");
            values.push(("data".into(), quoted));
        }
        let file = file.transpose()?;
        let config = Training::configure(self.preset.as_deref(), file.as_deref(), &values);
        Ok(config?)
    }
}

/// `runs/DATA-MODEL`, or the first of `runs/DATA-MODEL-2`, … without weights.
fn free_folder(config: &Config) -> PathBuf {
    let data = fs::canonicalize(&config.data).unwrap_or_else(|_| config.data.clone());
    let data = data.file_name().unwrap_or_default().to_string_lossy();
    let name = format!("{data}-{}", config.model);
    let folder = |number: usize| match number {
        1 => Path::new("runs").join(&name),
        n => Path::new("runs").join(format!("{name}-{n}")),
    };
    let mut all = (1..).map(folder);
    all.find(|folder| RunFolder::is_free(folder))
        .expect("there is always another number")
}

/// Writes a picture of the inputs.
fn preview(arguments: &Arguments, count: usize) -> Result<(), Failure> {
    let config = arguments.config()?;
    let sheet = Training::preview(&config, count)?;
    let folder = arguments.out.clone().unwrap_or_default();
    if !folder.as_os_str().is_empty() {
        fs::create_dir_all(&folder).map_err(|error| cannot_write(&folder, &error))?;
    }
    let path = folder.join("preview.png");
    dvm::write_atomic(&path, &dvm::encode_png(&sheet))
        .map_err(|error| cannot_write(&path, &error))?;
    report::print(&format!("{}\n", report::shown(&path)))?;
    Ok(())
}
