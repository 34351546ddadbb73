//! A survey finds a tag in a corner of one class's pictures, and no tag where there is none.

use std::fs;
use std::path::{Path, PathBuf};

use dvm::survey::{Survey, SurveyOptions};
use dvm::{Interpolation, Picture, Preprocess, Resize};
use dvm_attribution::random::Stream;

use crate::sets::{draw_tag, keep, save, surveyed, trained};

/// The findings, for the message of a failed test.
fn told(survey: &Survey) -> String {
    let findings = survey
        .findings
        .iter()
        .map(|f| format!("{} {}", f.is_confirmed, f.sentence));
    findings.collect::<Vec<_>>().join("\n")
}

/// Pictures of a blob in noise: `a` and `b` have a red blob, `c` a green one. If `tagged`, those of `b` have a tag in
/// the top right corner, which is their only difference from `a`.
fn blobs(folder: &Path, tagged: bool) {
    const SIDE: usize = 96;
    for (split, count) in [("train", 16), ("val", 14)] {
        for (class, colour) in [
            ("a", [200, 30, 30]),
            ("b", [200, 30, 30]),
            ("c", [30, 180, 30]),
        ] {
            for index in 0..count {
                let name = format!("{split} {class} {index}");
                let noise = Stream::new(&name, 0).uniform(SIDE * SIDE + 2);
                let grey = noise.iter().flat_map(|v| [(90.0 + 60.0 * v) as u8; 3]);
                let rgb = grey.take(SIDE * SIDE * 3).collect();
                let mut picture = Picture::new(SIDE, SIDE, rgb);
                let shift = |v: f32| 34 + (4.0 * v) as usize;
                let (y, x) = (shift(noise[SIDE * SIDE]), shift(noise[SIDE * SIDE + 1]));
                for row in y..y + 24 {
                    (x..x + 24).for_each(|column| picture.set_pixel(row, column, colour));
                }
                if tagged && class == "b" {
                    draw_tag(&mut picture, (3, SIDE - 21), 18);
                }
                save(folder, split, class, &format!("{index}.png"), &picture);
            }
        }
    }
}

/// Trains on blobs, and surveys.
fn survey_of_blobs(tagged: bool) -> Survey {
    let home = tempfile::tempdir().unwrap();
    let set = home.path().join("set");
    blobs(&set, tagged);
    let classifier = trained(
        &set,
        &home.path().join("run"),
        &[
            ("train", "head"),
            ("epochs", "8"),
            ("batch", "8"),
            ("preprocess.resize.short_side", "96"),
            ("preprocess.crop", "[96,96]"),
            ("preprocess.interpolation", "bilinear"),
            ("preprocess.mean", "[0.485,0.456,0.406]"),
            ("preprocess.std", "[0.229,0.224,0.225]"),
        ],
    );
    let both = surveyed(&classifier, &set, &SurveyOptions::default());
    keep(
        &classifier,
        if tagged { "blobs-tagged" } else { "blobs" },
        &both,
    );
    both.1
}

#[test]
fn a_tag_in_a_corner_is_a_warning_with_class_and_corner() {
    let survey = survey_of_blobs(true);
    let found: Vec<_> = survey
        .confirmed()
        .map(|f| (&f.class_name[..], f.place_name))
        .collect();
    assert_eq!(found, [("b", "top right corner")], "{}", told(&survey));
    let wrong = survey.for_wrong_reason().count();
    assert!(wrong >= 7, "{wrong}");
    let is_of_b = |p: &dvm::survey::SurveyedPicture| p.label == Some(1);
    assert!(survey.for_wrong_reason().all(is_of_b));
}

#[test]
fn without_the_tag_there_is_no_warning() {
    let survey = survey_of_blobs(false);
    assert_eq!(survey.confirmed().count(), 0, "{}", told(&survey));
    assert_eq!(survey.for_wrong_reason().count(), 0);
}

/// Square flowers of five classes, with the border that the network crops. If a class is named, its pictures get a
/// tag in the bottom left corner.
fn flowers(folder: &Path, tagged: Option<&str>) {
    /// Pictures of a class for training and for the survey.
    const COUNTS: [(&str, usize); 2] = [("train", 40), ("val", 24)];
    let shared = dvm_testing::shared::file("data/flower_5");
    let square = Preprocess {
        resize: Resize::ShortSide(256),
        crop: (256, 256),
        interpolation: Interpolation::Bilinear,
        ..Preprocess::imagenet()
    };
    for class in ["daisy", "dandelion", "roses", "sunflowers", "tulips"] {
        let mut files: Vec<PathBuf> = fs::read_dir(shared.join(class))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        let mut files = files.into_iter();
        for (split, count) in COUNTS {
            for (index, file) in files.by_ref().take(count).enumerate() {
                let input = square.apply(dvm::read(file).unwrap()).unwrap();
                let mut picture = input.crop().clone();
                if tagged == Some(class) {
                    // 16 pixels are cropped at each side.
                    draw_tag(&mut picture, (256 - 16 - 4 - 28, 16 + 4), 28);
                }
                save(folder, split, class, &format!("{index:03}.png"), &picture);
            }
        }
    }
}

/// Trains on flowers, and surveys.
fn survey_of_flowers(tagged: Option<&str>) -> Survey {
    let home = tempfile::tempdir().unwrap();
    let set = home.path().join("flowers");
    flowers(&set, tagged);
    // Features are computed once, so that epochs are quick.
    let more = [("train", "head"), ("epochs", "12"), ("batch", "8")];
    let classifier = trained(&set, &home.path().join("run"), &more);
    let both = surveyed(&classifier, &set, &SurveyOptions::default());
    keep(
        &classifier,
        if tagged.is_some() {
            "flowers-tagged"
        } else {
            "flowers"
        },
        &both,
    );
    both.1
}

#[test]
#[ignore = "needs ../shared"]
fn a_tag_on_tulips_is_a_warning_with_class_and_corner() {
    let survey = survey_of_flowers(Some("tulips"));
    let found: Vec<_> = survey
        .confirmed()
        .map(|f| (&f.class_name[..], f.place_name))
        .collect();
    assert_eq!(
        found,
        [("tulips", "bottom left corner")],
        "{}",
        told(&survey)
    );
}

#[test]
#[ignore = "needs ../shared"]
fn flowers_without_a_tag_have_no_warning() {
    let survey = survey_of_flowers(None);
    assert_eq!(survey.confirmed().count(), 0, "{}", told(&survey));
}
