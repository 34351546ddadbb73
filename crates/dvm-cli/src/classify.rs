//! `dvm classify`: what the network sees in each picture.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use dvm::{Classifier, Prediction, Ranked};
use serde::Serialize;

use crate::failure::{Failure, in_words_about};
use crate::images::{self, Image};
use crate::options::{ModelOptions, RunOptions};
use crate::report::{self, Align, Progress, table};

#[derive(Args)]
pub struct Arguments {
    /// Pictures, or folders of pictures
    #[arg(required = true, value_name = "IMAGE", value_hint = ValueHint::AnyPath)]
    images: Vec<PathBuf>,
    /// How many classes to list
    #[arg(long, value_name = "N", default_value = "5")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    top: u32,
    #[command(flatten)]
    model: ModelOptions,
    #[command(flatten)]
    run: RunOptions,
}

/// What the network says of one picture.
#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    Seen {
        image: String,
        top: Vec<Ranked>,
        /// One per class, by index.
        logits: Vec<f32>,
    },
    Failed {
        image: String,
        error: String,
    },
}

/// Prints the most probable classes of each picture.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    arguments.run.start_threads()?;
    let classifier = arguments.model.open(&arguments.run)?;
    let images = images::expand(&arguments.images);
    let count = arguments.top as usize;
    let progress = Progress::new(images.len(), true);
    let mut answers = Vec::new();
    let mut failed = false;
    for (position, image) in images.iter().enumerate() {
        progress.picture(position, &image.name());
        let path = image.path().display().to_string();
        let seen = predict(&classifier, image, &progress);
        if let Err(error) = &seen {
            failed = true;
            progress.aside(|| report::say(&format!("error: {path}: {error}")));
        }
        match seen {
            Ok(seen) if !arguments.run.json => {
                let text = as_text(&image.name(), seen.top(count), position == 0);
                progress.aside(|| report::print(&text))?;
            }
            Ok(seen) => answers.push(Answer::Seen {
                image: path,
                top: seen.top(count).to_vec(),
                logits: seen.logits,
            }),
            Err(error) => answers.push(Answer::Failed { image: path, error }),
        }
        progress.update("classified", position + 1, images.len());
    }
    drop(progress);
    if arguments.run.json {
        report::print_json(&answers)?;
    }
    if failed {
        return Err(Failure::SomePictures);
    }
    Ok(())
}

fn predict(
    classifier: &Classifier,
    image: &Image,
    progress: &Progress,
) -> Result<Prediction, String> {
    let path = match image {
        Image::File(path) => path,
        Image::Nothing { why, .. } => return Err(why.clone()),
    };
    let answer = || {
        let picture = dvm::read(path)?;
        if !picture.is_whole() {
            progress.aside(|| report::say(&format!("note: {}: {}", image.name(), dvm::CUT_OFF)));
        }
        let input = classifier.prepare(picture)?;
        classifier.classify(&input)
    };
    answer().map_err(|error: dvm::Error| in_words_about(path, &error))
}

fn as_text(name: &str, top: &[Ranked], first: bool) -> String {
    let rows: Vec<[String; 3]> = top
        .iter()
        .map(|class| {
            [
                format!("  {}", dvm::percent(class.probability)),
                class.name.clone(),
                class.index.to_string(),
            ]
        })
        .collect();
    let table = table([Align::Right, Align::Left, Align::Right], &rows);
    let gap = if first { "" } else { "\n" };
    format!("{gap}{}\n{table}", report::escaped(name))
}
