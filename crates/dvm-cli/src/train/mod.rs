//! `dvm train`: from a folder of pictures to a network that has learnt them.

mod settings;

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use dvm::training::{Config, PRESETS, Training};
use serde::Serialize;

use crate::failure::Failure;
use crate::interruption;
use crate::options::RunOptions;
use crate::report::{self, Align, Watch, table};
use settings::SettingFlags;

#[derive(Args)]
pub struct Arguments {
    /// Folder of pictures, as `dvm prepare` leaves it
    #[arg(value_name = "DATA", value_hint = ValueHint::DirPath)]
    #[arg(required_unless_present_any = ["resume", "config"])]
    data: Option<PathBuf>,
    /// Folder for the run [default: runs/DATA-MODEL, with a number where there is one already]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
    /// Go on with the run in this folder, from its last checkpoint
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    #[arg(conflicts_with_all = ["data", "out", "config", "preset", "preview"])]
    resume: Option<PathBuf>,
    /// A configuration file, such as the config.toml of another run; flags go before it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,
    #[arg(long, value_name = "NAME", help = presets())]
    preset: Option<String>,
    /// Draw what the network will see of N training pictures into preview.png, and stop
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=400))]
    preview: Option<u16>,
    /// Threads that decode pictures; results do not depend on it [default: one per processor]
    #[arg(long, value_name = "N", help_heading = "Running")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: Option<u16>,
    /// Plain lines even where a terminal could show live curves
    #[arg(long, help_heading = "Running")]
    plain: bool,
    #[command(flatten)]
    settings: SettingFlags,
    #[command(flatten)]
    run: RunOptions,
}

fn presets() -> String {
    let presets = PRESETS
        .iter()
        .map(|p| format!("`{}` ({})", p.name, p.summary));
    let presets: Vec<String> = presets.collect();
    format!(
        "Values to begin with; what is given beside it wins: {}",
        presets.join(", ")
    )
}

/// What `--json` prints.
#[derive(Serialize)]
struct Summary {
    run: String,
    done: bool,
    epochs: usize,
    best_epoch: Option<usize>,
    accuracy: Option<f64>,
    seconds: f64,
}

/// Trains, and says where the result is.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    arguments.run.start_threads()?;
    if let Some(count) = arguments.preview {
        return preview(&arguments, count.into());
    }
    let mut training = match &arguments.resume {
        Some(folder) => {
            if !arguments.settings.values.is_empty() {
                return Err(Failure::Request(
                    "a run goes on as it was begun: --resume takes no other values; begin another \
                     run with --config and its config.toml"
                        .into(),
                ));
            }
            Training::resume(folder)?
        }
        None => {
            let config = arguments.config()?;
            let out = arguments
                .out
                .clone()
                .unwrap_or_else(|| free_folder(&config));
            Training::new(config, &out)?
        }
    };
    if let Some(workers) = arguments.workers {
        training.workers = workers.into();
    }
    training.arithmetic = arguments.run.arithmetic();
    // Training stops after the step at hand, with a checkpoint. Nothing is printed before that: it
    // would run into the live view.
    let hold = interruption::hold();
    let mut watch = Watch::new(!arguments.plain && !arguments.run.json);
    let outcome = training.run(&mut |event| watch.see(event), &interruption::is_asked);
    drop(watch);
    let outcome = outcome?;
    if outcome.done {
        drop(hold);
    }
    let folder = training.folder().path();
    let evaluated = if outcome.done {
        training.report(&outcome.records)?
    } else {
        None
    };
    let interrupted = || "interrupted; the run can be resumed".to_owned();
    if arguments.run.json {
        report::print_json(&Summary {
            run: folder.display().to_string(),
            done: outcome.done,
            epochs: outcome.records.len(),
            best_epoch: outcome.best.map(|best| best.epoch),
            accuracy: outcome.best.and_then(|best| best.val_accuracy),
            seconds: outcome.records.iter().map(|record| record.seconds).sum(),
        })?;
        return interruption::check(interrupted);
    }
    let mut rows = Vec::new();
    if let Some(best) = outcome.best {
        let share =
            |value: Option<f64>| value.map_or("–".into(), |v| format!("{:.2} %", 100.0 * v));
        rows.push(["best epoch".into(), best.epoch.to_string()]);
        rows.push(["validation accuracy".into(), share(best.val_accuracy)]);
    }
    if let Some(evaluation) = &evaluated {
        let balanced = format!("{:.2} %", 100.0 * evaluation.balanced_accuracy);
        rows.push(["balanced accuracy".into(), balanced]);
    }
    let path = |name: &str| folder.join(name).display().to_string();
    if outcome.done {
        rows.push(["weights".into(), path("best.safetensors")]);
        rows.push(["report".into(), path("report/report.md")]);
    } else {
        rows.push([
            "go on with".into(),
            format!("dvm train --resume {}", folder.display()),
        ]);
    }
    report::print(&table([Align::Left, Align::Left], &rows))?;
    interruption::check(interrupted)
}

impl Arguments {
    fn config(&self) -> Result<Config, Failure> {
        let file = self.config.as_deref().map(|path| {
            fs::read_to_string(path)
                .map_err(|error| Failure::Request(format!("{}: {error}", path.display())))
        });
        let mut values = self.settings.values.clone();
        if let Some(data) = &self.data {
            let text = data.to_str().ok_or_else(|| {
                Failure::Request(format!("{}: this name is not UTF-8", data.display()))
            })?;
            // JSON's strings are TOML's, too.
            let quoted = serde_json::to_string(text).expect("text can be written");
            values.push(("data".into(), quoted));
        }
        let file = file.transpose()?;
        let config = Config::resolve(self.preset.as_deref(), file.as_deref(), &values);
        config.map_err(|error| dvm::Error::from(error).into())
    }
}

/// `runs/DATA-MODEL`, or the first of `runs/DATA-MODEL-2` and so on that does not exist.
fn free_folder(config: &Config) -> PathBuf {
    let data = fs::canonicalize(&config.data).unwrap_or_else(|_| config.data.clone());
    let data = data.file_name().unwrap_or_default().to_string_lossy();
    let name = format!("{data}-{}", config.model);
    let folder = |number: usize| match number {
        1 => Path::new("runs").join(&name),
        n => Path::new("runs").join(format!("{name}-{n}")),
    };
    let mut all = (1..).map(folder);
    all.find(|folder| !folder.exists())
        .expect("there is always another number")
}

/// Draws what the network will see.
fn preview(arguments: &Arguments, count: usize) -> Result<(), Failure> {
    let config = arguments.config()?;
    let sheet = Training::preview(&config, count)?;
    let folder = arguments.out.clone().unwrap_or_default();
    if !folder.as_os_str().is_empty() {
        fs::create_dir_all(&folder)?;
    }
    let path = folder.join("preview.png");
    dvm::write_atomic(&path, &dvm::encode_png(&sheet))
        .map_err(|error| Failure::Request(format!("{}: {error}", path.display())))?;
    report::print(&format!("{}\n", report::shown(&path)))?;
    Ok(())
}
