//! Writing planned data sets: results, errors, and second runs.

use std::fs;
use std::path::{Path, PathBuf};

use dvm_data::corpora::{Settings, find};
use dvm_data::prepare::{
    Content, Plan, Planned, PrepareOutcome, PreparedDataset, RECORD, Transfer, WriteOptions,
};
use dvm_data::{Dataset, Error, Split};
use dvm_testing::errors::says;
use tempfile::TempDir;

/// An empty folder; in it a source with two classes of ten and five files, whose bytes are their names; the
/// destination for a data set.
fn folders() -> (TempDir, PathBuf, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let (source, set) = (home.path().join("source"), home.path().join("set"));
    for (class, count) in [("cats", 10), ("dogs", 5)] {
        fs::create_dir_all(source.join(class)).unwrap();
        for n in 0..count {
            let name = format!("{class}{n}.jpg");
            fs::write(source.join(class).join(&name), &name).unwrap();
        }
    }
    (home, source, set)
}

fn plan(source: &Path) -> Plan {
    let folder = find("folder").unwrap();
    folder.plan(source, &Settings::new()).unwrap()
}

fn write(plan: &Plan, destination: &Path, transfer: Transfer) -> Result<PreparedDataset, Error> {
    let how = WriteOptions {
        transfer,
        replace: false,
    };
    plan.write(destination, &how, &|_, _| {})
}

fn copy(plan: &Plan, destination: &Path) -> Result<PreparedDataset, Error> {
    write(plan, destination, Transfer::Copy)
}

fn replace(plan: &Plan, destination: &Path) -> Result<PreparedDataset, Error> {
    let how = WriteOptions {
        replace: true,
        ..WriteOptions::default()
    };
    plan.write(destination, &how, &|_, _| {})
}

/// A picture of the dogs that is made when it is written.
fn made(
    split: Split,
    make: impl Fn() -> Result<Vec<u8>, Error> + Send + Sync + 'static,
) -> Planned {
    Planned {
        split,
        class: "dogs".into(),
        name: "made.png".into(),
        content: Content::Made(Box::new(make)),
    }
}

/// Class and file name of the pictures of a split.
fn names(data: &Dataset, split: Split) -> Vec<(usize, String)> {
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let samples = data.samples(split).iter();
    samples.map(|s| (s.class, name(&s.path))).collect()
}

#[test]
fn every_transfer_gives_the_same_data_set() {
    let (home, source, _) = folders();
    let plan = plan(&source);
    let mut all = Vec::new();
    for transfer in Transfer::ALL {
        let destination = home.path().join(transfer.name());
        let written = write(&plan, &destination, transfer).unwrap();
        assert_eq!(written.outcome, PrepareOutcome::Made);
        let data = Dataset::open(&destination).unwrap();
        assert_eq!(data.classes, ["cats", "dogs"]);
        for split in Split::ALL {
            for sample in data.samples(split) {
                let name = sample.path.file_name().unwrap().to_str().unwrap();
                assert_eq!(fs::read(&sample.path).unwrap(), name.as_bytes());
            }
        }
        let [train, val, test] = Split::ALL.map(|split| names(&data, split));
        assert_eq!((train.len(), val.len(), test.len()), (12, 3, 0));
        all.push((train, val, written.record.sha256));
    }
    assert_eq!(all[0], all[1]);
    assert_eq!(all[0], all[2]);
    let manifest = fs::read_dir(home.path().join("manifest")).unwrap();
    assert_eq!(manifest.count(), 1, "a manifest is one file");
}

#[test]
fn no_temporary_files_are_left() {
    let (home, source, _) = folders();
    write(&plan(&source), &home.path().join("a/b/set"), Transfer::Copy).unwrap();
    assert_eq!(fs::read_dir(home.path().join("a/b")).unwrap().count(), 1);
}

#[test]
fn the_second_run_does_nothing() {
    let (home, source, _) = folders();
    for transfer in Transfer::ALL {
        let set = home.path().join(transfer.name());
        let first = write(&plan(&source), &set, transfer).unwrap();
        let time = fs::metadata(set.join(RECORD)).unwrap().modified().unwrap();
        let second = write(&plan(&source), &set, transfer).unwrap();
        assert_eq!(second.outcome, PrepareOutcome::AlreadyThere);
        assert_eq!(second.record, first.record);
        let later = fs::metadata(set.join(RECORD)).unwrap().modified().unwrap();
        assert_eq!(later, time);
    }
}

#[test]
fn another_data_set_is_replaced_only_on_request() {
    let (home, source, set) = folders();
    copy(&plan(&source), &set).unwrap();
    let bytes = fs::read(source.join("cats/cats0.jpg")).unwrap();
    fs::write(source.join("cats/new.jpg"), bytes).unwrap();
    let error = copy(&plan(&source), &set).unwrap_err();
    says(&error, "replace it");
    says(&error, "15 pictures");
    let written = replace(&plan(&source), &set).unwrap();
    assert_eq!(written.outcome, PrepareOutcome::Replaced);
    assert_eq!(written.record.pictures(), 16);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 2);
}

#[test]
fn other_files_are_never_removed() {
    let (_home, source, set) = folders();
    fs::create_dir(&set).unwrap();
    fs::write(set.join("thesis.tex"), b"").unwrap();
    let error = replace(&plan(&source), &set).unwrap_err().to_string();
    says(&error, "dvm did not write");
    fs::remove_file(set.join("thesis.tex")).unwrap();
    copy(&plan(&source), &set).unwrap();
    for stray in ["notes.txt", "train/cats/mine.jpg", "train/birds"] {
        fs::create_dir_all(set.join("train")).unwrap();
        fs::write(set.join(stray), b"").unwrap();
        says(&replace(&plan(&source), &set).unwrap_err(), stray);
        fs::remove_file(set.join(stray)).unwrap();
    }
    let again = copy(&plan(&source), &set).unwrap();
    assert_eq!(again.outcome, PrepareOutcome::AlreadyThere);
}

#[test]
fn a_removed_or_truncated_picture_is_found() {
    let (_home, source, set) = folders();
    let record = copy(&plan(&source), &set).unwrap().record;
    let picture = format!("train/cats/{}", record.splits[&Split::Train]["cats"][0]);
    fs::write(set.join(&picture), b"cut").unwrap();
    let error = copy(&plan(&source), &set).unwrap_err();
    says(&error, "removed or changed");
    fs::remove_file(set.join(&picture)).unwrap();
    let error = copy(&plan(&source), &set).unwrap_err();
    says(&error, &picture);
    let again = replace(&plan(&source), &set).unwrap();
    assert_eq!(again.outcome, PrepareOutcome::Replaced);
    assert!(set.join(&picture).exists());
}

#[test]
fn a_failure_leaves_no_files() {
    let (home, source, set) = folders();
    let mut plan = plan(&source);
    plan.pictures.push(made(Split::Val, || {
        Err(Error::Layout {
            path: "array.pkl".into(),
            detail: "is no array".into(),
        })
    }));
    let error = copy(&plan, &set).unwrap_err();
    assert_eq!(error.to_string(), "array.pkl: is no array");
    let left = fs::read_dir(home.path()).unwrap().count();
    assert_eq!(left, 1, "only the source");
}

#[test]
fn a_full_disk_has_its_own_error() {
    let (home, source, set) = folders();
    let mut plan = plan(&source);
    plan.pictures.push(made(Split::Val, || {
        Err(Error::File {
            path: "somewhere/deep".into(),
            source: std::io::ErrorKind::StorageFull.into(),
        })
    }));
    let error = copy(&plan, &set).unwrap_err();
    assert!(
        matches!(&error, Error::Full { path } if *path == set),
        "{error}"
    );
    says(&error, "the disk is full");
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
}

#[test]
fn an_invalid_record_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let refusal = |text: &str| {
        fs::write(folder.path().join(RECORD), text).unwrap();
        Dataset::open(folder.path()).unwrap_err().to_string()
    };
    for damaged in [
        "",
        "{",
        "[]",
        "null",
        "{\"format\": 1}",
        &"[".repeat(100_000),
    ] {
        says(&refusal(damaged), "is not the record of a data set");
    }
    let record = |format: u32, classes: &str, class: &str| {
        format!(
            r#"{{"format": {format}, "corpus": "folder", "transfer": "manifest", "sha256": "",
                 "classes": {classes}, "splits": {{"train": {{"{class}": ["a.png"]}}}}}}"#
        )
    };
    let error = refusal(&record(2, r#"["cats"]"#, "cats"));
    says(&error, "format version 2");
    let error = refusal(&record(1, r#"["cats"]"#, "dogs"));
    says(&error, "`dogs` in train");
    let error = refusal(&record(1, r#"["cats", "cats"]"#, "cats"));
    says(&error, "alphabetical");
    fs::write(folder.path().join(RECORD), record(1, r#"["cats"]"#, "cats")).unwrap();
    let data = Dataset::open(folder.path()).unwrap();
    assert_eq!(
        data.samples(Split::Train)[0].path,
        folder.path().join("a.png")
    );
}

#[test]
fn made_pictures_are_written_but_not_listed_in_a_manifest() {
    let (home, source, set) = folders();
    let mut plan = plan(&source);
    plan.pictures
        .push(made(Split::Train, Box::new(|| Ok(b"made".to_vec()))));
    write(&plan, &set, Transfer::Hard).unwrap();
    assert_eq!(fs::read(set.join("train/dogs/made.png")).unwrap(), b"made");
    let again = write(&plan, &set, Transfer::Hard).unwrap();
    assert_eq!(again.outcome, PrepareOutcome::AlreadyThere);
    let error = write(&plan, &home.path().join("other"), Transfer::Manifest).unwrap_err();
    says(&error, "copy them instead");
}

#[test]
fn a_destination_within_the_source_is_an_error() {
    let (_home, source, _) = folders();
    for inside in [source.join("split"), source.join("a/b"), source.clone()] {
        let error = copy(&plan(&source), &inside).unwrap_err();
        says(&error, "is within");
    }
}

#[test]
fn a_stop_removes_the_new_data_set_and_keeps_the_old_one() {
    let (home, source, destination) = folders();
    let plan = plan(&source);
    let how = WriteOptions::default();
    let stopped = plan.write_unless(&|| true, &destination, &how, &|_, _| {});
    assert!(matches!(stopped, Err(Error::Stopped { .. })), "{stopped:?}");
    assert!(!destination.exists());
    copy(&plan, &destination).unwrap();
    let how = WriteOptions {
        transfer: Transfer::Manifest,
        replace: true,
    };
    let stopped = plan.write_unless(&|| true, &destination, &how, &|_, _| {});
    assert!(matches!(stopped, Err(Error::Stopped { .. })), "{stopped:?}");
    let there = copy(&plan, &destination).unwrap();
    assert_eq!(there.outcome, PrepareOutcome::AlreadyThere);
    let hidden = fs::read_dir(home.path()).unwrap().flatten();
    assert!(
        hidden
            .map(|e| e.file_name())
            .all(|n| !n.to_str().unwrap().starts_with('.'))
    );
}
