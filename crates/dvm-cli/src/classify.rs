//! `dvm classify`: the most probable classes of each picture.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use dvm::data::formats::Wanted;
use dvm::{Classifier, Prediction, Ranked};
use serde::Serialize;

use crate::device_option::DeviceOption;
use crate::failure::{Failure, in_words_about, unless_failed};
use crate::images::{self, Image, Images};
use crate::options::{ModelOptions, RunOptions, whole};
use crate::picture_options::{PictureOptions, range_hint};
use crate::preprocess_options;
use crate::report::{self, Align, Progress, table};

#[derive(Args)]
#[command(after_help = "\
Examples:
  dvm classify photo.jpg
  dvm classify photos/ --top 3 --json
  dvm classify photo.jpg --model trained.safetensors")]
pub struct Arguments {
    /// Pictures, folders, data sets or lists of pictures; `-` for standard input
    ///
    /// A folder means all pictures in it and in its subfolders. NIfTI, DICOM and .npy files are read,
    /// too. A list is a .txt file (or @FILE) with one path per line. Standard input is a picture or a
    /// list.
    #[arg(required = true, value_name = "IMAGE", value_hint = ValueHint::AnyPath)]
    images: Vec<PathBuf>,
    /// Number of classes to list for each picture
    #[arg(long, value_name = "N", default_value = "5")]
    #[arg(value_parser = whole::<u32>(1, u64::MAX))]
    top: u32,
    /// Slices or frames of a volume: a number from 0, middle, all or A..B
    #[arg(long, value_name = "N|middle|all|A..B", default_value = "middle")]
    #[arg(alias = "slices", help_heading = "Pictures")]
    slice: Wanted,
    #[command(flatten)]
    pictures: PictureOptions,
    #[command(flatten)]
    model: ModelOptions,
    #[command(flatten)]
    device: DeviceOption,
    #[command(flatten)]
    run: RunOptions,
}

/// The result of one picture, as JSON.
#[derive(Serialize)]
#[serde(untagged)]
enum JsonPrediction {
    Classified {
        image: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        slice: Option<usize>,
        top: Vec<Ranked>,
        /// The meaning of `outputs`.
        output: &'static str,
        /// The network's outputs.
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
    let engine = arguments.device.start_engine(&arguments.run, false)?;
    let classifier = arguments.model.open(&engine)?;
    let classifier = arguments.pictures.apply(classifier);
    let Images { all: images, notes } = images::expand(&arguments.images, &arguments.slice);
    for note in notes {
        report::say(&format!("note: {note}"));
    }
    let count = arguments.top as usize;
    let progress = Progress::new(images.len(), true);
    let mut results = Vec::new();
    let mut failed = false;
    for (position, image) in images.iter().enumerate() {
        progress.picture(position, &image.name());
        let path = image.path().display().to_string();
        let prediction = predict(&classifier, image, &progress);
        if let Err(error) = &prediction {
            failed = true;
            progress.aside(|| report::say(&format!("error: {path}: {error}")));
        }
        match prediction {
            Ok(prediction) if !arguments.run.json => {
                let text = as_text(&image.name(), prediction.top(count), position == 0);
                progress.aside(|| report::print(&text))?;
            }
            Ok(prediction) => results.push(JsonPrediction::Classified {
                image: path,
                slice: image.slice(),
                top: prediction.top(count).to_vec(),
                output: prediction.output.word(),
                outputs: prediction.outputs,
                logits: prediction.logits,
            }),
            Err(error) => results.push(JsonPrediction::Failed { image: path, error }),
        }
        progress.update("classified", position + 1, images.len());
    }
    drop(progress);
    report::say_left_to_cpu(&classifier, false);
    if arguments.run.json {
        report::print_json(&results)?;
    }
    unless_failed(failed)
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
    let predict_one = || {
        let picture = source.read(&classifier.reading())?;
        let cut_off = (!picture.is_whole()).then(|| dvm::CUT_OFF.to_owned());
        let notes = cut_off.into_iter().chain(picture.notes());
        for note in notes.chain(range_hint(&picture)) {
            progress.aside(|| report::say(&format!("note: {}: {note}", image.name())));
        }
        let input = classifier.prepare(picture)?;
        if let Some(warning) = input.placement().warning() {
            let hint = preprocess_options::whole_picture(classifier.preprocess());
            let line = format!("note: {}: {warning} ({hint})", image.name());
            progress.aside(|| report::say(&line));
        }
        let prediction = classifier.classify(&input)?;
        if let Some(doubt) = &prediction.doubt {
            progress.aside(|| report::say(&format!("warning: {}: {doubt}", image.name())));
        }
        Ok(prediction)
    };
    predict_one().map_err(|error: dvm::Error| in_words_about(source.path(), &error))
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
