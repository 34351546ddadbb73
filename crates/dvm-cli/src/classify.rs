//! `dvm classify`: what the network sees in each picture.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use dvm::data::formats::Wanted;
use dvm::{Classifier, Prediction, Ranked};
use serde::Serialize;

use crate::failure::{Failure, in_words_about};
use crate::images::{self, Image, Images};
use crate::options::{ModelOptions, RunOptions};
use crate::picture_options::{PictureOptions, range_hint};
use crate::preprocess_options;
use crate::report::{self, Align, Progress, table};

#[derive(Args)]
pub struct Arguments {
    /// Pictures; folders of pictures, with the folders in them; data sets; NIfTI, DICOM and .npy files;
    /// lists of these (.txt, or @FILE), one path per line; or `-`: a picture or a list from standard
    /// input
    #[arg(required = true, value_name = "IMAGE", value_hint = ValueHint::AnyPath)]
    images: Vec<PathBuf>,
    /// How many classes to list
    #[arg(long, value_name = "N", default_value = "5")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    top: u32,
    /// Which slices of a volume or frames of a DICOM file: a number from 0, `middle`, `all`, or A..B
    #[arg(long, value_name = "N|middle|all|A..B", default_value = "middle")]
    #[arg(alias = "slices", help_heading = "Pictures")]
    slice: Wanted,
    #[command(flatten)]
    pictures: PictureOptions,
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
        #[serde(skip_serializing_if = "Option::is_none")]
        slice: Option<usize>,
        top: Vec<Ranked>,
        /// What the network's numbers mean.
        output: &'static str,
        /// The network's numbers, as it computes them.
        outputs: Vec<f32>,
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
    arguments.run.start_engine()?;
    let classifier = arguments.model.open(&arguments.run)?;
    let classifier = arguments.pictures.apply(classifier);
    let Images { all: images, notes } = images::expand(&arguments.images, &arguments.slice);
    for note in notes {
        report::say(&format!("note: {note}"));
    }
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
                slice: image.slice(),
                top: seen.top(count).to_vec(),
                output: seen.output.word(),
                outputs: seen.outputs,
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
    let source = match image {
        Image::Picture { source, .. } => source,
        Image::Nothing { why, .. } => return Err(why.clone()),
    };
    let answer = || {
        let picture = source.read(&classifier.reading())?;
        let cut_off = (!picture.is_whole()).then(|| dvm::CUT_OFF.to_owned());
        let notes = cut_off.into_iter().chain(picture.notes());
        for note in notes.chain(range_hint(&picture)) {
            progress.aside(|| report::say(&format!("note: {}: {note}", image.name())));
        }
        let input = classifier.prepare(picture)?;
        if let Some(warning) = input.placement().warning() {
            let hint = preprocess_options::whole_picture(classifier.preprocess());
            progress.aside(|| report::say(&format!("note: {}: {warning} ({hint})", image.name())));
        }
        let seen = classifier.classify(&input)?;
        if let Some(doubt) = &seen.doubt {
            progress.aside(|| report::say(&format!("warning: {}: {doubt}", image.name())));
        }
        Ok(seen)
    };
    answer().map_err(|error: dvm::Error| in_words_about(source.path(), &error))
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
