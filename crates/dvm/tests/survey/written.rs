//! The folder of a survey.

use std::fs;
use std::path::Path;

use dvm::survey::{Survey, SurveyOptions, SurveyPicture, SurveyedClass};
use dvm::{Classifier, Explain, Picture, Source};
use dvm_attribution::random::Stream;

/// The smaller embedded network on small pictures.
fn classifier() -> Classifier {
    let classifier = Classifier::open("squeezenet1_1", None).unwrap();
    let mut preprocess = classifier.preprocess().clone();
    preprocess.resize = dvm::Resize::Exact(64, 64);
    preprocess.crop = (64, 64);
    classifier.with_preprocess(preprocess).unwrap()
}

/// Pictures of noise, some with a class: 1 and 2 in turn.
fn pictures(folder: &Path, count: usize, labelled: bool) -> Vec<SurveyPicture> {
    let one = |index: usize| {
        let noise = Stream::new("picture", index as u64).uniform(64 * 64 * 3);
        let rgb = noise.iter().map(|v| (255.0 * v) as u8).collect();
        let path = folder.join(format!("{index}.png"));
        fs::write(&path, dvm::encode_png(&Picture::new(64, 64, rgb))).unwrap();
        SurveyPicture {
            source: Source::File(path),
            label: labelled.then_some(1 + index % 2),
        }
    };
    (0..count).map(one).collect()
}

fn survey(classifier: &Classifier, pictures: &[SurveyPicture], options: &SurveyOptions) -> Survey {
    classifier.survey(pictures, options, &mut |_| {}).unwrap()
}

fn true_class() -> SurveyOptions {
    SurveyOptions {
        about: SurveyedClass::True,
        ..SurveyOptions::default()
    }
}

#[test]
fn all_files_are_written_and_listed_in_the_record() {
    let home = tempfile::tempdir().unwrap();
    let classifier = classifier();
    let given = pictures(home.path(), 6, true);
    let found = survey(&classifier, &given, &true_class());
    let out = home.path().join("out");
    let write = || found.write(&classifier, &given, "a survey", &out, &mut |_, _| {});
    write().unwrap();
    let names = ["goldfish", "great_white_shark"].map(|name| {
        let own = found
            .classes
            .iter()
            .find(|class| class.name.replace(' ', "_") == name);
        own.unwrap_or_else(|| panic!("{name} in {:?}", classifier.classes()[1..3].to_vec()));
        name
    });
    for name in names {
        let mut folders = fs::read_dir(&out).unwrap().flatten();
        let own = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().ends_with(name);
        let folder = folders.find(own).unwrap().path();
        assert!(dvm::read(folder.join("mean.png")).unwrap().width() > 400);
        assert!(dvm::read(folder.join("cluster-1.png")).unwrap().width() > 400);
    }
    let record: serde_json::Value =
        serde_json::from_slice(&fs::read(out.join("survey.json")).unwrap()).unwrap();
    for file in record["files"].as_array().unwrap() {
        assert!(out.join(file.as_str().unwrap()).is_file(), "{file}");
    }
    assert_eq!(record["classes"][0]["pictures"], 3);
    assert_eq!(record["settings"]["limit"], 200);
    let table = fs::read_to_string(out.join("pictures.csv")).unwrap();
    assert_eq!(table.lines().count(), 7);
    assert!(
        fs::read_to_string(out.join("survey.md"))
            .unwrap()
            .contains("## Warnings")
    );
    // Only a survey is replaced.
    write().unwrap();
    fs::write(out.join("notes.txt"), "").unwrap();
    assert!(write().unwrap_err().to_string().contains("notes.txt"));
    assert!(dvm::survey::check_folder(&out).is_err());
}

#[test]
fn shares_of_all_parts_add_up_to_one() {
    let home = tempfile::tempdir().unwrap();
    let given = pictures(home.path(), 4, true);
    for class in survey(&classifier(), &given, &true_class()).classes {
        assert!(
            (class.energies.iter().sum::<f64>() - 1.0).abs() < 1e-5,
            "{:?}",
            class.energies
        );
    }
}

#[test]
fn the_limit_chooses_pictures_of_each_class_by_the_seed() {
    let home = tempfile::tempdir().unwrap();
    let given = pictures(home.path(), 10, true);
    let classifier = classifier();
    let drawn = |seed| {
        let options = SurveyOptions {
            limit: Some(2),
            seed,
            ..true_class()
        };
        let found = survey(&classifier, &given, &options);
        assert_eq!(found.beyond_limit, 6);
        assert!(
            found
                .warnings
                .iter()
                .any(|w| w.contains("chosen at random"))
        );
        found
            .pictures
            .iter()
            .map(|picture| picture.position)
            .collect::<Vec<_>>()
    };
    let first = drawn(0);
    assert_eq!(first.len(), 4);
    assert_eq!(first, drawn(0));
    assert!((1..9).any(|seed| drawn(seed) != first));
    let of_one = first.iter().filter(|&&position| position % 2 == 0).count();
    assert_eq!(of_one, 2);
}

#[test]
fn pictures_without_labels_count_for_the_predicted_class() {
    let home = tempfile::tempdir().unwrap();
    let given = pictures(home.path(), 5, false);
    let classifier = classifier();
    let found = survey(&classifier, &given, &SurveyOptions::default());
    assert!(!found.labelled);
    assert!(found.classes.iter().all(|class| class.right.is_none()));
    assert!(
        found
            .pictures
            .iter()
            .all(|p| p.counts_for == p.predicted && p.label.is_none())
    );
    let error = classifier
        .survey(&given, &true_class(), &mut |_| {})
        .unwrap_err();
    assert!(error.to_string().contains("true class"), "{error}");
}

#[test]
fn with_one_class_for_all_pictures_maps_count_for_the_true_class() {
    let home = tempfile::tempdir().unwrap();
    let given = pictures(home.path(), 4, true);
    let options = SurveyOptions {
        about: SurveyedClass::Named("7".into()),
        ..SurveyOptions::default()
    };
    let found = survey(&classifier(), &given, &options);
    assert!(
        found
            .pictures
            .iter()
            .all(|p| p.explained == 7 && Some(p.counts_for) == p.label)
    );
}

#[test]
fn a_damaged_picture_is_reported_and_the_others_are_surveyed() {
    let home = tempfile::tempdir().unwrap();
    let mut given = pictures(home.path(), 3, true);
    fs::write(home.path().join("1.png"), "no picture").unwrap();
    let mut told = 0;
    let found = classifier().survey(&given, &true_class(), &mut |event| {
        if let dvm::survey::SurveyEvent::Failed { source, .. } = event {
            assert!(source.path().ends_with("1.png"));
            told += 1;
        }
    });
    let found = found.unwrap();
    assert_eq!((told, found.pictures.len(), found.failed.len()), (1, 2, 1));
    given.retain(|picture| picture.source.path().ends_with("1.png"));
    assert!(
        classifier()
            .survey(&given, &true_class(), &mut |_| {})
            .is_err()
    );
}

#[test]
fn maps_with_low_values_at_relevant_pixels_are_inverted() {
    let home = tempfile::tempdir().unwrap();
    let given = pictures(home.path(), 2, true);
    let settings = dvm::Settings::new().with("window", 32).with("stride", 32);
    let with = |value: &str| {
        let settings = settings.clone().with("value", value);
        let explain = Explain::with_settings("occlusion", &settings).unwrap();
        survey(
            &classifier(),
            &given,
            &SurveyOptions {
                explain,
                ..true_class()
            },
        )
    };
    // The drop, and the score with the window covered.
    let (drop, level) = (with("drop"), with("raw"));
    for (a, b) in drop.pictures.iter().zip(&level.pictures) {
        let (a, b) = (a.cells.as_ref().unwrap(), b.cells.as_ref().unwrap());
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4));
    }
}
