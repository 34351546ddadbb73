//! The plans of all corpora, and errors for wrong sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use dvm_data::corpora::{self, Settings};
use dvm_data::prepare::Plan;
use dvm_data::{Error, Split};
use dvm_testing::errors::says;

fn touch(folder: &Path, names: &[&str]) {
    for name in names {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"").unwrap();
    }
}

fn plan(corpus: &str, source: &Path, settings: &[(&str, &str)]) -> Result<Plan, Error> {
    let given = settings
        .iter()
        .fold(Settings::new(), |all, (name, value)| all.with(name, value));
    corpora::find(corpus).unwrap().plan(source, &given)
}

fn refusal(corpus: &str, source: &Path, settings: &[(&str, &str)]) -> String {
    plan(corpus, source, settings).unwrap_err().to_string()
}

/// `split/class/name` of all pictures, sorted.
fn places(plan: &Plan) -> BTreeSet<String> {
    let pictures = plan.pictures.iter();
    pictures
        .map(|p| format!("{}/{}/{}", p.split.name(), p.class, p.name))
        .collect()
}

fn left_out(plan: &Plan) -> Vec<(&str, usize)> {
    plan.left_out
        .iter()
        .map(|(why, n)| (why.as_str(), *n))
        .collect()
}

#[test]
fn every_corpus_is_found_by_name_and_accepts_its_defaults() {
    let nowhere = Path::new("no such folder");
    for corpus in corpora::ALL {
        assert_eq!(corpora::find(corpus.name).unwrap().name, corpus.name);
        let settings = corpus.options.iter().filter(|o| !o.default.is_empty());
        let settings: Vec<_> = settings.map(|o| (o.name, o.default)).collect();
        let error = refusal(corpus.name, nowhere, &settings);
        assert!(
            error.starts_with("no such folder: "),
            "{}: {error}",
            corpus.name
        );
    }
}

#[test]
fn each_class_of_a_folder_is_split_separately() {
    let home = tempfile::tempdir().unwrap();
    for n in 0..20 {
        touch(home.path(), &[&format!("many/{n}.png")]);
    }
    touch(
        home.path(),
        &[
            "few/1.JPG",
            "few/2.webp",
            "few/notes.txt",
            "few/.x.png",
            "few/deep/3.png",
        ],
    );
    touch(home.path(), &["readme.md", ".hidden/1.png"]);
    let plan = plan(
        "folder",
        home.path(),
        &[("val", "0.25"), ("test", "0.25"), ("seed", "7")],
    );
    let plan = plan.unwrap();
    let mut counts: BTreeMap<(&str, Split), usize> = BTreeMap::new();
    for picture in &plan.pictures {
        *counts.entry((&picture.class, picture.split)).or_default() += 1;
    }
    let expected = [
        (("few", Split::Train), 1),
        (("few", Split::Val), 1),
        (("many", Split::Train), 10),
        (("many", Split::Val), 5),
        (("many", Split::Test), 5),
    ];
    assert_eq!(counts, BTreeMap::from(expected));
    assert_eq!(
        left_out(&plan),
        [
            ("files beside the class folders", 1),
            ("files without the extension of a picture", 1),
            ("folders within class folders", 1),
        ]
    );
    let settings = [
        ("seed", "7"),
        ("slices", "all"),
        ("test", "0.25"),
        ("val", "0.25"),
    ];
    assert_eq!(
        plan.settings,
        settings.map(|(k, v)| (k.into(), v.into())).into()
    );
}

#[test]
fn groups_are_found_in_file_names() {
    let home = tempfile::tempdir().unwrap();
    for patient in 0..10 {
        for n in 0..3 {
            touch(
                home.path(),
                &[
                    &format!("ill/P{patient}_{n}.png"),
                    &format!("well/P{patient}_{n}.png"),
                ],
            );
        }
    }
    let split = plan("folder", home.path(), &[("group", r"^(P\d+)_")]).unwrap();
    let mut of: BTreeMap<&str, BTreeSet<Split>> = BTreeMap::new();
    for picture in &split.pictures {
        let patient = picture.name.split('_').next().unwrap();
        of.entry(patient).or_default().insert(picture.split);
    }
    assert_eq!(of.len(), 10);
    assert!(of.values().all(|splits| splits.len() == 1));
    assert_eq!(of.values().filter(|s| s.contains(&Split::Val)).count(), 2);

    touch(home.path(), &["well/unknown.png"]);
    let error = refusal("folder", home.path(), &[("group", r"^(P\d+)_")]);
    says(&error, "well/unknown.png: the file name does not match");
    for (pattern, why) in [
        ("(", "not a regular expression"),
        ("P.", "one pair"),
        ("(P)(.)", "one pair"),
    ] {
        says(&refusal("folder", home.path(), &[("group", pattern)]), why);
    }
}

#[test]
fn sources_without_class_folders_are_errors_with_advice() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    touch(&at("split"), &["train/a/1.png", "val/a/2.png"]);
    assert!(refusal("folder", &at("split"), &[]).contains("already split"));
    touch(&at("one"), &["a/1.png"]);
    assert!(refusal("folder", &at("one"), &[]).contains("at least two"));
    touch(&at("flat"), &["1.png", "2.png"]);
    assert!(refusal("folder", &at("flat"), &[]).contains("no folder"));
    touch(&at("empty"), &["a/1.png", "b/notes.txt"]);
    assert!(refusal("folder", &at("empty"), &[]).contains("b: contains no picture"));
    assert!(refusal("folder", &at("flat/1.png"), &[]).contains("flat/1.png: "));
}

#[test]
fn shares_that_leave_no_training_pictures_are_errors() {
    let home = tempfile::tempdir().unwrap();
    touch(home.path(), &["a/1.png", "b/1.png"]);
    for (val, test) in [
        ("1", "0"),
        ("0.5", "0.5"),
        ("1.5", "0"),
        ("-1", "0"),
        ("NaN", "0"),
        ("x", "0"),
    ] {
        let error = refusal("folder", home.path(), &[("val", val), ("test", test)]);
        says(&error, "for the option `val`");
    }
}

#[cfg(unix)]
#[test]
fn broken_and_circular_links_are_ignored() {
    use std::os::unix::fs::symlink;
    let home = tempfile::tempdir().unwrap();
    touch(home.path(), &["a/1.png", "b/1.png"]);
    symlink("nowhere.png", home.path().join("a/2.png")).unwrap();
    symlink("3.png", home.path().join("a/3.png")).unwrap();
    symlink("..", home.path().join("a/up")).unwrap();
    symlink("../b/1.png", home.path().join("a/4.png")).unwrap();
    let plan = plan("folder", home.path(), &[("val", "0")]).unwrap();
    assert_eq!(places(&plan).len(), 3);
    assert_eq!(
        left_out(&plan),
        [
            ("broken links, and pipes or devices", 2),
            ("folders within class folders", 1),
        ]
    );
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_not_utf8_are_ignored_and_cannot_be_classes() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let home = tempfile::tempdir().unwrap();
    touch(home.path(), &["a/1.png", "b/1.png"]);
    let latin = home
        .path()
        .join("a")
        .join(OsStr::from_bytes(b"k\xe4se.png"));
    fs::write(latin, b"").unwrap();
    let found = plan("folder", home.path(), &[]).unwrap();
    assert_eq!(
        left_out(&found),
        [("files with names that are not UTF-8", 1)]
    );
    fs::create_dir(home.path().join(OsStr::from_bytes(b"k\xe4se"))).unwrap();
    assert!(refusal("folder", home.path(), &[]).contains("rename it"));
}

#[test]
fn flower_5_uses_four_fifths_of_five_classes_for_training() {
    let home = tempfile::tempdir().unwrap();
    let classes = ["daisy", "dandelion", "roses", "sunflowers", "tulips"];
    for class in classes {
        for n in 0..10 {
            touch(home.path(), &[&format!("{class}/{n}.jpg")]);
        }
    }
    touch(home.path(), &["weeds/1.jpg"]);
    let flowers = plan("flower_5", home.path(), &[]).unwrap();
    assert_eq!(
        left_out(&flowers),
        [("folders that are not classes of this corpus", 1)]
    );
    let places = places(&flowers);
    for class in classes {
        let of = |split: &str| {
            places
                .iter()
                .filter(|p| p.starts_with(&format!("{split}/{class}/")))
                .count()
        };
        assert_eq!((of("train"), of("val")), (8, 2));
    }
    assert_eq!(places.len(), 50);
    fs::remove_dir_all(home.path().join("roses")).unwrap();
    let error = refusal("flower_5", home.path(), &[]);
    says(&error, "lacks the class folder roses");
}

/// Tiles with the names of the corpus: so many per class and split, and one without a split per class.
fn tiles(home: &Path, count: usize) {
    for folder in ["TCGA-LUAD", "TCGA-LUSC", "normal"] {
        for split in ["train", "valid", "test"] {
            for n in 0..count {
                touch(home, &[&format!("{folder}/{split}_{n}.png")]);
            }
        }
        touch(home, &[&format!("{folder}/other_1.png")]);
    }
}

#[test]
fn pathology_is_split_by_the_start_of_file_names() {
    let home = tempfile::tempdir().unwrap();
    tiles(home.path(), 2);
    let plan = plan("pathology", home.path(), &[]).unwrap();
    let mut expected = BTreeSet::new();
    for class in ["LUAD", "LUSC", "NORM"] {
        for (split, word) in [("train", "train"), ("val", "valid"), ("test", "test")] {
            expected.extend((0..2).map(|n| format!("{split}/{class}/{word}_{n}.png")));
        }
    }
    assert_eq!(places(&plan), expected);
    assert_eq!(
        left_out(&plan),
        [("files whose names do not start with a split", 3)]
    );
}

#[test]
fn a_fraction_of_pathology_applies_to_every_class_and_split() {
    let home = tempfile::tempdir().unwrap();
    tiles(home.path(), 20);
    let whole = places(&plan("pathology", home.path(), &[]).unwrap());
    let small = plan("pathology", home.path(), &[("fraction", "0.25")]).unwrap();
    assert_eq!(
        left_out(&small),
        [
            ("files not selected by `fraction`", 135),
            ("files whose names do not start with a split", 3),
        ]
    );
    let small = places(&small);
    assert!(small.is_subset(&whole));
    for class in ["LUAD", "LUSC", "NORM"] {
        for split in Split::ALL {
            let start = format!("{}/{class}/", split.name());
            assert_eq!(small.iter().filter(|p| p.starts_with(&start)).count(), 5);
        }
    }
    let other = plan(
        "pathology",
        home.path(),
        &[("fraction", "0.25"), ("seed", "2")],
    );
    assert_ne!(places(&other.unwrap()), small);
    let error = refusal("pathology", home.path(), &[("fraction", "0")]);
    says(&error, "`0` for the option `fraction`");
}
