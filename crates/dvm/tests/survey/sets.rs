//! Data sets with and without a shortcut, and networks trained on them.

use std::fs;
use std::path::{Path, PathBuf};

use dvm::data::{Dataset, Split};
use dvm::survey::{Survey, SurveyOptions, SurveyPicture};
use dvm::training::{Existing, Training};
use dvm::{Classifier, Picture};

/// A checkered tag of `side` pixels whose upper left corner is at (`y`, `x`).
pub fn draw_tag(picture: &mut Picture, (y, x): (usize, usize), side: usize) {
    let field = (side / 4).max(1);
    for row in 0..side {
        for column in 0..side {
            let is_light = (row / field + column / field).is_multiple_of(2);
            let colour = if is_light {
                [255, 240, 0]
            } else {
                [200, 0, 200]
            };
            picture.set_pixel(y + row, x + column, colour);
        }
    }
}

/// Saves a picture of a class.
pub fn save(folder: &Path, split: &str, class: &str, name: &str, picture: &Picture) {
    let folder = folder.join(split).join(class);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), dvm::encode_png(picture)).unwrap();
}

/// Trains the last layers of the smaller embedded network on a data set, and returns the best epoch.
pub fn trained(set: &Path, run: &Path, more: &[(&str, &str)]) -> Classifier {
    let mut values = vec![
        ("data", format!("{:?}", set.display().to_string())),
        ("model", "squeezenet1_1".into()),
        ("tensorboard.images_every", "0".into()),
    ];
    values.extend(more.iter().map(|(key, value)| (*key, (*value).to_owned())));
    let values: Vec<(String, String)> = values
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    let config = Training::configure(None, None, &values).unwrap();
    let training = Training::new(config, run, Existing::Kept).unwrap();
    let outcome = training.run(&mut |_| {}, &|| false).unwrap();
    assert!(outcome.done);
    Classifier::read(&training.folder().best_path()).unwrap()
}

/// Surveys the validation pictures of a set.
pub fn surveyed(
    classifier: &Classifier,
    set: &Path,
    options: &SurveyOptions,
) -> (Vec<SurveyPicture>, Survey) {
    let data = Dataset::open(set).unwrap();
    let pictures = classifier.survey_pictures(&data, Split::Val).unwrap();
    let survey = classifier.survey(&pictures, options, &mut |_| {}).unwrap();
    (pictures, survey)
}

/// Writes the survey into the folder of the variable `DVM_KEEP`, if it is set.
pub fn keep(classifier: &Classifier, name: &str, (given, survey): &(Vec<SurveyPicture>, Survey)) {
    if let Some(folder) = std::env::var_os("DVM_KEEP") {
        let folder = PathBuf::from(folder).join(name);
        survey
            .write(classifier, given, name, &folder, &mut |_, _| {})
            .unwrap();
    }
}
