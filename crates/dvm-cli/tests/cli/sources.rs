//! Sources of pictures: subfolders, data sets, lists, standard input, medical files; and ranges of values.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::{COFFEE, FAST, NETWORK, Run, dvm, explain, names, program, record, root, text};

/// A picture with 12 bits stored in 16.
fn twelve_bits() -> PathBuf {
    root("crates/dvm-image/tests/references/value_ranges/grey12.tiff")
}

fn ct() -> PathBuf {
    root("crates/dvm-data/tests/references/dicom_pictures/ct.dcm")
}

/// `dvm classify --json` with the fastest network.
fn classify(arguments: &[&str]) -> Run {
    dvm(&[&["classify", "--json --model squeezenet1_1"], arguments].concat())
}

fn classify_from_standard_input(bytes: &[u8]) -> Run {
    let mut command = program(&["classify", "-", "--json", NETWORK]);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = piped.stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    Run::ended(child)
}

/// Checks that a run succeeds without errors, warnings and notes.
fn is_silent(run: Run) -> Run {
    let run = run.exits(0);
    assert_eq!(run.stderr, "");
    run
}

#[test]
fn twelve_bits_in_sixteen_give_a_warning_until_the_range_is_set() {
    let (out, picture) = (tempfile::tempdir().unwrap(), twelve_bits());
    let run = explain(out.path(), &[text(&picture), FAST]).exits(0);
    run.says("nearly black");
    run.says("--range 0..4095");
    let found = record(&out.path().join("grey12"));
    assert_eq!(found["image"]["values"]["white"], 65535.0);
    let warning = found["image"]["warnings"][0].as_str().unwrap();
    assert!(warning.contains("nearly black"), "{warning}");

    is_silent(explain(
        out.path(),
        &[text(&picture), FAST, "--range 0..4095"],
    ));
    let found = record(&out.path().join("grey12"));
    assert_eq!(found["image"]["values"]["white"], 4095.0);
    assert_eq!(found["model"]["preprocess"]["range"], "0..4095");
    assert_eq!(found["image"]["warnings"].as_array().unwrap().len(), 0);

    let run = classify(&[text(&picture)]);
    run.says("--range 0..4095");
    let settled = classify(&[text(&picture), "--range auto"]);
    assert_eq!(settled.stderr, "");
    assert_ne!(run.json()[0]["logits"], settled.json()[0]["logits"]);
}

#[test]
fn a_dicom_file_uses_its_window_and_its_overlays_belong_to_its_study() {
    let (out, scan) = (tempfile::tempdir().unwrap(), ct());
    is_silent(explain(out.path(), &[text(&scan), FAST]));
    let folder = out.path().join("ct");
    let found = record(&folder);
    assert_eq!(found["image"]["values"]["black"], -160.0);
    assert_eq!(found["image"]["values"]["white"], 239.0);
    let capture = fs::read(folder.join("guided-backprop.overlay.dcm")).unwrap();
    assert!(capture.windows(8).any(|part| part == b"Doe^Jane"));
    let overlay = dvm::read(folder.join("guided-backprop.overlay.png")).unwrap();
    let source = dvm::Source::of(
        &folder.join("guided-backprop.overlay.dcm"),
        &dvm::data::formats::Wanted::All,
    );
    let read = source.unwrap()[0].read(&dvm::Reading::default()).unwrap();
    assert_eq!(read.rgb(), overlay.rgb());

    let window = classify(&[text(&scan), "--window-level 40/400"]);
    assert_eq!(
        window.json()[0]["logits"],
        classify(&[text(&scan)]).json()[0]["logits"]
    );
    let wide = classify(&[text(&scan), "--window-level 300/1500"]);
    assert_ne!(window.json()[0]["logits"], wide.json()[0]["logits"]);
}

#[test]
fn slices_of_a_volume_are_separate_pictures() {
    let volume = root("crates/dvm-data/tests/references/dicom_pictures/window.nii");
    let out = tempfile::tempdir().unwrap();
    explain(out.path(), &[text(&volume), FAST, "--slice all"]).exits(0);
    assert_eq!(names(out.path()), ["window-0", "window-1", "window-2"]);
    assert_eq!(record(&out.path().join("window-2"))["image"]["slice"], 2);
    let middle = classify(&[text(&volume)]);
    assert_eq!(middle.json()[0]["slice"], 1);
    let one = classify(&[text(&volume), "--slice 1"]);
    assert_eq!(one.stdout, middle.stdout);
    classify(&[text(&volume), "--slice 7"])
        .exits(1)
        .says("has 3 slices, 0 to 2");
}

#[test]
fn subfolders_data_sets_and_lists_give_the_same_pictures() {
    let home = tempfile::tempdir().unwrap();
    let coffee = fs::read(root(COFFEE)).unwrap();
    for place in ["a/1.png", "a/2.png", "b/1.png", "b/2.png"] {
        let path = home.path().join("set").join(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &coffee).unwrap();
    }
    let (set, manifest) = (home.path().join("set"), home.path().join("manifest"));
    dvm(&[
        "prepare",
        "folder",
        text(&set),
        text(&manifest),
        "--link manifest",
    ])
    .exits(0);
    fs::create_dir_all(set.join("__MACOSX")).unwrap();
    fs::write(set.join("__MACOSX/1.png"), &coffee).unwrap();
    let list = home.path().join("list.txt");
    fs::write(&list, "set/a/1.png\nset/a/2.png\nset/b\n").unwrap();
    for (given, expected) in [
        (&set, ["a/1", "a/2", "b/1", "b/2"]),
        (&list, ["set/a/1", "set/a/2", "set/b/1", "set/b/2"]),
    ] {
        let out = home.path().join("out").join(given.file_name().unwrap());
        explain(&out, &[text(given), FAST]).exits(0);
        for place in expected {
            assert!(out.join(place).join("explanation.json").exists(), "{place}");
        }
    }
    let run = classify(&[text(&manifest)]).exits(0);
    assert_eq!(run.json().as_array().unwrap().len(), 4);
}

#[test]
fn standard_input_is_a_picture_or_a_list() {
    let path = root(COFFEE);
    let picture = classify_from_standard_input(&fs::read(path).unwrap()).exits(0);
    let list = classify_from_standard_input(format!("{COFFEE}\n").as_bytes()).exits(0);
    assert_eq!(picture.json()[0]["logits"], list.json()[0]["logits"]);
    classify_from_standard_input(b"")
        .exits(1)
        .says("standard input is empty");
}

#[test]
fn unsupported_formats_are_named_with_a_converter() {
    let home = tempfile::tempdir().unwrap();
    let photo = home.path().join("IMG_1.HEIC");
    fs::write(&photo, b"\0\0\0\x18ftypheic\0\0\0\0mif1heic").unwrap();
    let run = classify(&[text(&photo)]).exits(1);
    run.says("is a HEIC picture");
    run.says("heif-convert");
    fs::write(
        home.path().join("a.png"),
        dvm::encode_png(&dvm::Picture::filled(8, 8, [9; 3])),
    )
    .unwrap();
    classify(&[text(home.path())])
        .exits(0)
        .says("dvm does not read the format");
}

#[test]
fn a_picture_above_the_limit_names_its_size_and_the_option() {
    classify(&[COFFEE, "--max-pixels 1000"])
        .exits(1)
        .says("of memory (--max-pixels raises the limit)");
}

#[test]
fn a_data_set_of_twelve_bits_gives_a_warning_and_is_trained_with_a_range() {
    let home = tempfile::tempdir().unwrap();
    let source = home.path().join("cells");
    for class in ["dividing", "resting"] {
        fs::create_dir_all(source.join(class)).unwrap();
        for n in 0..3 {
            fs::copy(
                twelve_bits(),
                source.join(class).join(format!("{class}{n}.tiff")),
            )
            .unwrap();
        }
    }
    let set = home.path().join("set");
    let prepare = |more: &[&str], set: &Path| {
        dvm(&[
            &["prepare", "folder", text(&source), text(set), "--val 0.4"],
            more,
        ]
        .concat())
    };
    prepare(&[], &set).exits(0).says("nearly black");
    let audit = dvm(&["prepare", "audit", text(&set)]);
    audit.prints("value-range");
    let audit = dvm(&["prepare", "audit", text(&set), "--range 0..4095"]);
    assert!(!audit.stdout.contains("value-range"), "{}", audit.stdout);

    let eight = home.path().join("eight");
    let run = prepare(&["--range 0..4095"], &eight).exits(0);
    run.does_not_say("nearly black");
    let made = dvm::read(
        eight
            .join("train/resting")
            .join(&names(&eight.join("train/resting"))[0]),
    );
    let reading = dvm::Reading {
        range: "0..4095".parse().unwrap(),
        ..dvm::Reading::default()
    };
    let expected = dvm::Source::File(twelve_bits()).read(&reading).unwrap();
    assert_eq!(made.unwrap().rgb(), expected.rgb());

    let out = home.path().join("run");
    let more = ["--epochs 1 --train head --images-every 0 --range 0..4095"];
    let run = crate::train::train(&set, &out, &more).exits(0);
    let message = format!("{}{}", run.stdout, run.stderr);
    assert!(!message.contains("nearly black"), "{message}");
    let best = out.join("best.safetensors");
    let trained = dvm::Classifier::read(&best).unwrap();
    assert_eq!(trained.preprocess().range, reading.range);
    is_silent(dvm(&["evaluate", text(&best), text(&set), "--json"]));
    let run = dvm(&["evaluate", text(&best), text(&set), "--json --range file"]);
    run.says("nearly black");
}
