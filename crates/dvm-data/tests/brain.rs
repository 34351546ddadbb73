//! The brain corpora and volumes in class folders, with files made by `references/data_files.py`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use dvm_data::corpora::{self, Settings};
use dvm_data::prepare::{Content, Plan};
use dvm_data::{Error, Split};
use dvm_testing::errors::says;
use serde_json::Value;

fn references() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/references/formats")
}

/// The slices of the data set, with the pictures that Python makes from them.
fn expected() -> Vec<Value> {
    let text = fs::read_to_string(references().join("data_files.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    all["brain"].as_array().unwrap().clone()
}

fn plan(corpus: &str, source: &Path, settings: &[(&str, &str)]) -> Result<Plan, Error> {
    let given = settings
        .iter()
        .fold(Settings::new(), |all, (name, value)| all.with(name, value));
    corpora::find(corpus).unwrap().plan(source, &given)
}

/// Grey values of all pictures, by `split/class/name`.
fn pictures(plan: &Plan) -> BTreeMap<String, Vec<u8>> {
    let grey = |content: &Content| {
        let Content::Made(make) = content else {
            panic!("slices are made");
        };
        let picture = dvm_image::decode(&make().unwrap(), &dvm_image::Limits::default()).unwrap();
        let pixels = picture.rgb().chunks(3);
        pixels.map(|rgb| rgb[0]).collect()
    };
    let place =
        |p: &dvm_data::prepare::Planned| format!("{}/{}/{}", p.split.name(), p.class, p.name);
    plan.pictures
        .iter()
        .map(|p| (place(p), grey(&p.content)))
        .collect()
}

fn expected_pictures(name: &str, modality: Option<&str>) -> BTreeMap<String, Vec<u8>> {
    expected()
        .iter()
        .filter(|slice| modality.is_none_or(|modality| slice["modality"] == modality))
        .map(|slice| {
            let word = |key: &str| slice[key].as_str().unwrap();
            let grey = slice["grey"].as_array().unwrap().iter();
            (
                format!("{}/{}/{}", word("split"), word("class"), word(name)),
                grey.map(|value| value.as_u64().unwrap() as u8).collect(),
            )
        })
        .collect()
}

#[test]
fn every_modality_is_a_separate_data_set() {
    let source = references().join("brain");
    let brain = corpora::find("brain").unwrap();
    let sets = brain.sets(&source, &Settings::new()).unwrap();
    let places: Vec<&Path> = sets.iter().map(|(place, _)| place.as_path()).collect();
    assert_eq!(places, [Path::new("T1"), Path::new("T1_FL")]);
    for (place, settings) in &sets {
        let plan = brain.plan(&source, settings).unwrap();
        let expected = expected_pictures("name", place.to_str());
        assert!(expected.len() > 5);
        assert_eq!(pictures(&plan), expected, "{}", place.display());
        assert_eq!(plan.left_out["slices of class 2"], 3);
        assert_eq!(plan.settings["modality"], place.to_str().unwrap());
        assert!(plan.warnings.is_empty(), "{:?}", plan.warnings);
    }
    // A requested one is the destination itself.
    let one = Settings::new().with("modality", "T1");
    let sets = brain.sets(&source, &one).unwrap();
    assert_eq!(sets.len(), 1);
    assert_eq!(sets[0].0, Path::new(""));
    let error = plan("brain", &source, &[("modality", "T9")]).unwrap_err();
    says(&error, "the source has T1, T1_FL");
}

#[test]
fn a_mix_numbers_the_pictures_of_all_modalities() {
    let plan = plan("brain-mix", &references().join("brain"), &[]).unwrap();
    assert_eq!(pictures(&plan), expected_pictures("mixed", None));
    assert_eq!(plan.left_out["slices of class 2"], 6);
}

#[test]
fn a_brain_set_is_written_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let destination = folder.path().join("mix");
    let plan = plan("brain-mix", &references().join("brain"), &[]).unwrap();
    plan.write(&destination, &Default::default(), &|_, _| ())
        .unwrap();
    let data = dvm_data::Dataset::open(&destination).unwrap();
    assert_eq!(data.classes, ["0", "1"]);
    let count: usize = Split::ALL
        .map(|split| data.samples(split).len())
        .iter()
        .sum();
    assert_eq!(count, plan.pictures.len());
}

/// A copy of the modality T1, changed.
fn changed(change: impl Fn(&Path)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(references().join("brain/T1_all")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    change(folder.path());
    folder
}

fn refusal(change: impl Fn(&Path)) -> String {
    let source = changed(change);
    plan("brain", source.path(), &[("modality", "T1")])
        .unwrap_err()
        .to_string()
}

#[test]
fn arrays_may_be_in_the_source_itself() {
    let source = changed(|_| ());
    let plan = plan("brain", source.path(), &[("modality", "T1")]).unwrap();
    assert_eq!(pictures(&plan), expected_pictures("name", Some("T1")));
}

#[test]
fn patients_in_two_splits_are_a_warning() {
    let source = changed(|folder| {
        // The three validation patients are also the first three test patients.
        let copy = |part: &str| {
            let name = |split: &str| folder.join(format!("{split}_T1_{part}_all.pkl"));
            fs::copy(name("validation"), name("testing")).unwrap();
        };
        ["x", "y", "ID"].into_iter().for_each(copy);
    });
    let plan = plan("brain", source.path(), &[("modality", "T1")]).unwrap();
    let [warning] = &plan.warnings[..] else {
        panic!("{:?}", plan.warnings);
    };
    assert!(warning.starts_with("1 of 4 patients"), "{warning}");
    assert!(
        warning.ends_with(": TCGA-val-0000 (val, test)"),
        "{warning}"
    );
}

#[test]
fn the_error_for_a_nan_names_file_and_slice() {
    let message = refusal(|folder| {
        let path = folder.join("validation_T1_x_all.pkl");
        let mut bytes = fs::read(&path).unwrap();
        // The constant second slice: 2.5 in all of its pixels.
        let slice = 2.5f32.to_le_bytes().repeat(16);
        let at = bytes
            .windows(64)
            .position(|window| window == slice)
            .unwrap();
        bytes[at + 24..at + 28].copy_from_slice(&f32::NAN.to_le_bytes());
        fs::write(path, bytes).unwrap();
    });
    says(&message, "validation_T1_x_all.pkl");
    says(&message, "slice 1 contains NaN at row 1, column 2");
}

#[test]
fn the_error_names_arrays_that_do_not_match() {
    let error = refusal(|folder| fs::remove_file(folder.join("train_T1_y_all.pkl")).unwrap());
    says(&error, "has no y of the same split beside it");
    let twice = refusal(|folder| {
        fs::copy(
            folder.join("train_T1_y_all.pkl"),
            folder.join("train_T1_y.pkl"),
        )
        .map(drop)
        .unwrap();
    });
    says(&twice, "are the same array (x, y or ID)");
    let unequal = refusal(|folder| {
        let name = |split: &str| folder.join(format!("{split}_T1_y_all.pkl"));
        fs::copy(name("testing"), name("train")).map(drop).unwrap();
    });
    says(&unequal, "has 5 slices, but");
    let swapped = refusal(|folder| {
        let name = |part: &str| folder.join(format!("train_T1_{part}_all.pkl"));
        fs::copy(name("ID"), name("y")).map(drop).unwrap();
    });
    says(&swapped, "labels must be numbers");
    let nothing = tempfile::tempdir().unwrap();
    let error = plan("brain-mix", nothing.path(), &[]).unwrap_err();
    says(&error, "has no arrays named like");
}

#[cfg(feature = "medical")]
#[test]
fn slices_of_a_volume_are_in_the_same_split() {
    use dvm_data::formats::{Wanted, read_slices};

    let folder = tempfile::tempdir().unwrap();
    for (file, place) in [
        ("ras.nii", "a/one.nii"),
        ("lps.nii.gz", "a/two.nii.gz"),
        ("frames.dcm", "b/three.dcm"),
        ("u8.dcm", "b/four.dcm"),
    ] {
        let path = folder.path().join(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(references().join(file), path).unwrap();
    }
    let all = plan("folder", folder.path(), &[("val", "0.5")]).unwrap();
    let mut splits: BTreeMap<&str, Vec<Split>> = BTreeMap::new();
    for picture in &all.pictures {
        let volume = picture.name.split('_').next().unwrap();
        splits.entry(volume).or_default().push(picture.split);
    }
    let counts: Vec<(&str, usize)> = splits.iter().map(|(k, v)| (*k, v.len())).collect();
    assert_eq!(counts, [("four", 1), ("one", 3), ("three", 3), ("two", 3)]);
    for (volume, splits) in &splits {
        assert!(splits.iter().all(|split| *split == splits[0]), "{volume}");
    }
    let slices = read_slices(&references().join("ras.nii"), &Wanted::All).unwrap();
    let made = pictures(&all);
    let one = made.iter().filter(|(place, _)| place.contains("/one_"));
    for (slice, (place, grey)) in slices.iter().zip(one) {
        assert!(place.ends_with(&format!("one_{}.png", slice.index)));
        assert_eq!(grey, &slice.grey, "{place}");
    }
    let middle = plan("folder", folder.path(), &[("slices", "middle")]).unwrap();
    let mut names: Vec<&str> = middle.pictures.iter().map(|p| p.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["four_0.png", "one_1.png", "three_1.png", "two_1.png"]
    );
    let error = plan("folder", folder.path(), &[("slices", "some")]).unwrap_err();
    says(&error, "`some` for the option `slices`");
}
