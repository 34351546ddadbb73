//! Sources of pictures: subfolders, data sets, lists, standard input, medical files; and ranges of values.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::{COFFEE, FAST, Run, dvm, explain, names, program, text};

fn reference(crate_and_file: &str) -> PathBuf {
    let (name, file) = crate_and_file.split_once('/').unwrap();
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(name)
        .join("tests/references")
        .join(file)
}

/// A picture with 12 bits stored in 16.
fn twelve_bits() -> PathBuf {
    reference("dvm-image/value_ranges/grey12.tiff")
}

fn ct() -> PathBuf {
    reference("dvm-data/dicom_pictures/ct.dcm")
}

/// `dvm classify --json` with the fastest network.
fn classify(arguments: &[&str]) -> Run {
    dvm(&[
        &["classify", "--json", "--model", "squeezenet1_1"],
        arguments,
    ]
    .concat())
}

fn classify_from_standard_input(bytes: &[u8]) -> Run {
    let mut command = program();
    command.args(["classify", "-", "--json", "--model", "squeezenet1_1"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(bytes).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn record(folder: &Path) -> serde_json::Value {
    let text = fs::read_to_string(folder.join("explanation.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn twelve_bits_in_sixteen_give_a_warning_until_the_range_is_set() {
    let (out, picture) = (tempfile::tempdir().unwrap(), twelve_bits());
    let run = explain(out.path(), &[&[text(&picture)], &FAST[..]].concat());
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stderr.contains("nearly black"), "{}", run.stderr);
    assert!(run.stderr.contains("--range 0..4095"), "{}", run.stderr);
    let found = record(&out.path().join("grey12"));
    assert_eq!(found["image"]["values"]["white"], 65535.0);
    let warning = found["image"]["warnings"][0].as_str().unwrap();
    assert!(warning.contains("nearly black"), "{warning}");

    let range = ["--range", "0..4095"];
    let run = explain(out.path(), &[&[text(&picture)], &FAST[..], &range].concat());
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    let found = record(&out.path().join("grey12"));
    assert_eq!(found["image"]["values"]["white"], 4095.0);
    assert_eq!(found["model"]["preprocess"]["range"], "0..4095");
    assert_eq!(found["image"]["warnings"].as_array().unwrap().len(), 0);

    let run = classify(&[text(&picture)]);
    assert!(run.stderr.contains("--range 0..4095"), "{}", run.stderr);
    let settled = classify(&[text(&picture), "--range", "auto"]);
    assert_eq!(settled.stderr, "");
    assert_ne!(run.json()[0]["logits"], settled.json()[0]["logits"]);
}

#[test]
fn a_dicom_file_uses_its_window_and_its_overlays_belong_to_its_study() {
    let (out, scan) = (tempfile::tempdir().unwrap(), ct());
    let run = explain(out.path(), &[&[text(&scan)], &FAST[..]].concat());
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
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

    let window = classify(&[text(&scan), "--window-level", "40/400"]);
    assert_eq!(
        window.json()[0]["logits"],
        classify(&[text(&scan)]).json()[0]["logits"]
    );
    let wide = classify(&[text(&scan), "--window-level", "300/1500"]);
    assert_ne!(window.json()[0]["logits"], wide.json()[0]["logits"]);
}

#[test]
fn slices_of_a_volume_are_separate_pictures() {
    let volume = reference("dvm-data/dicom_pictures/window.nii");
    let out = tempfile::tempdir().unwrap();
    let all = ["--slice", "all"];
    let run = explain(out.path(), &[&[text(&volume)], &FAST[..], &all].concat());
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(names(out.path()), ["window-0", "window-1", "window-2"]);
    assert_eq!(record(&out.path().join("window-2"))["image"]["slice"], 2);
    let middle = classify(&[text(&volume)]);
    assert_eq!(middle.json()[0]["slice"], 1);
    let one = classify(&[text(&volume), "--slice", "1"]);
    assert_eq!(one.stdout, middle.stdout);
    let beyond = classify(&[text(&volume), "--slice", "7"]);
    assert_eq!(beyond.code, Some(1));
    assert!(
        beyond.stderr.contains("has 3 slices, 0 to 2"),
        "{}",
        beyond.stderr
    );
}

#[test]
fn subfolders_data_sets_and_lists_give_the_same_pictures() {
    let home = tempfile::tempdir().unwrap();
    let coffee = fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .join(COFFEE),
    )
    .unwrap();
    for place in [
        "a/1.png",
        "a/2.png",
        "b/1.png",
        "b/2.png",
        "__MACOSX/a/1.png",
    ] {
        let path = home.path().join("set").join(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &coffee).unwrap();
    }
    let (set, manifest) = (home.path().join("set"), home.path().join("manifest"));
    fs::remove_dir_all(set.join("__MACOSX")).unwrap();
    let prepared = dvm(&[
        "prepare",
        "folder",
        text(&set),
        text(&manifest),
        "--link",
        "manifest",
    ]);
    assert_eq!(prepared.code, Some(0), "{}", prepared.stderr);
    fs::create_dir_all(set.join("__MACOSX")).unwrap();
    fs::write(set.join("__MACOSX/1.png"), &coffee).unwrap();
    let list = home.path().join("list.txt");
    fs::write(&list, "set/a/1.png\nset/a/2.png\nset/b\n").unwrap();
    for (given, expected) in [
        (&set, ["a/1", "a/2", "b/1", "b/2"]),
        (&list, ["set/a/1", "set/a/2", "set/b/1", "set/b/2"]),
    ] {
        let out = home.path().join("out").join(given.file_name().unwrap());
        let run = explain(&out, &[&[text(given)], &FAST[..]].concat());
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        for place in expected {
            assert!(out.join(place).join("explanation.json").exists(), "{place}");
        }
    }
    let run = classify(&[text(&manifest)]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(run.json().as_array().unwrap().len(), 4);
}

#[test]
fn standard_input_is_a_picture_or_a_list() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(COFFEE);
    let picture = classify_from_standard_input(&fs::read(path).unwrap());
    assert_eq!(picture.code, Some(0), "{}", picture.stderr);
    let list = classify_from_standard_input(format!("{COFFEE}\n").as_bytes());
    assert_eq!(list.code, Some(0), "{}", list.stderr);
    assert_eq!(picture.json()[0]["logits"], list.json()[0]["logits"]);
    let nothing = classify_from_standard_input(b"");
    assert_eq!(nothing.code, Some(1));
    assert!(
        nothing.stderr.contains("standard input is empty"),
        "{}",
        nothing.stderr
    );
}

#[test]
fn unsupported_formats_are_named_with_a_converter() {
    let home = tempfile::tempdir().unwrap();
    let photo = home.path().join("IMG_1.HEIC");
    fs::write(&photo, b"\0\0\0\x18ftypheic\0\0\0\0mif1heic").unwrap();
    let run = classify(&[text(&photo)]);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("is a HEIC picture"), "{}", run.stderr);
    assert!(run.stderr.contains("heif-convert"), "{}", run.stderr);
    fs::write(
        home.path().join("a.png"),
        dvm::encode_png(&dvm::Picture::filled(8, 8, [9; 3])),
    )
    .unwrap();
    let run = classify(&[text(home.path())]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(
        run.stderr.contains("dvm does not read the format"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_picture_above_the_limit_names_its_size_and_the_option() {
    let run = classify(&[COFFEE, "--max-pixels", "1000"]);
    assert_eq!(run.code, Some(1));
    assert!(
        run.stderr
            .contains("of memory (--max-pixels raises the limit)"),
        "{}",
        run.stderr
    );
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
            &[
                "prepare",
                "folder",
                text(&source),
                text(set),
                "--val",
                "0.4",
            ],
            more,
        ]
        .concat())
    };
    let run = prepare(&[], &set);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stderr.contains("nearly black"), "{}", run.stderr);
    let audit = dvm(&["prepare", "audit", text(&set)]);
    assert!(audit.stdout.contains("value-range"), "{}", audit.stdout);
    let audit = dvm(&["prepare", "audit", text(&set), "--range", "0..4095"]);
    assert!(!audit.stdout.contains("value-range"), "{}", audit.stdout);

    let eight = home.path().join("eight");
    let run = prepare(&["--range", "0..4095"], &eight);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(!run.stderr.contains("nearly black"), "{}", run.stderr);
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
    let train = |more: &[&str]| {
        let first = [
            "train",
            text(&set),
            "--out",
            text(&out),
            "--plain",
            "--epochs",
            "1",
        ];
        let network = [
            "--model",
            "squeezenet1_1",
            "--train",
            "head",
            "--batch",
            "2",
        ];
        dvm(&[&first[..], &network, &["--images-every", "0"], more].concat())
    };
    let run = train(&["--range", "0..4095"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let message = format!("{}{}", run.stdout, run.stderr);
    assert!(!message.contains("nearly black"), "{message}");
    let best = out.join("best.safetensors");
    let trained = dvm::Classifier::read(&best).unwrap();
    assert_eq!(trained.preprocess().range, reading.range);
    let run = dvm(&["evaluate", text(&best), text(&set), "--json"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    let run = dvm(&[
        "evaluate",
        text(&best),
        text(&set),
        "--json",
        "--range",
        "file",
    ]);
    assert!(run.stderr.contains("nearly black"), "{}", run.stderr);
}
