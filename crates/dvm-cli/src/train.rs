//! `dvm train`: from a folder of pictures to a network that has learnt them.

use std::path::PathBuf;
use clap::{Args, ValueHint};
use dvm::train::{Config, TrainingEvent};
use dvm::training::Training;

use crate::failure::Failure;
use crate::options::RunOptions;
use crate::report;

#[derive(Args)]
pub struct Arguments {
    /// Folder of pictures, as `dvm prepare` leaves it
    #[arg(value_name = "DATA", value_hint = ValueHint::DirPath, required_unless_present = "resume")]
    data: Option<PathBuf>,
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[arg(long, value_name = "DIR")]
    resume: Option<PathBuf>,
    #[arg(long = "set", value_name = "KEY=VALUE")]
    values: Vec<String>,
    #[command(flatten)]
    run: RunOptions,
}

pub fn run(arguments: Arguments) -> Result<(), Failure> {
    arguments.run.start_threads()?;
    let training = match &arguments.resume {
        Some(folder) => Training::resume(folder)?,
        None => {
            let mut values = vec![("data".to_owned(), format!("{:?}", arguments.data.unwrap()))];
            for v in &arguments.values {
                let (k, v) = v.split_once('=').unwrap();
                values.push((k.into(), v.into()));
            }
            let config = Config::resolve(None, None, &values).map_err(dvm::Error::from)?;
            Training::new(config, &arguments.out.unwrap())?
        }
    };
    let outcome = training.run(
        &mut |event| match event {
            TrainingEvent::Step { step, .. } if step % 10 != 0 => {}
            event => report::say(&format!("{event:?}")),
        },
        &|| false,
    )?;
    report::say(&format!("{:?}", outcome.best));
    Ok(())
}
