//! `dvm train` and `dvm evaluate`: files, output, errors.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::{NETWORK, Run, dvm, json_lines, program, root, text, wait_until};

/// A data set with two classes, blue and red with noise: three training and two validation pictures each.
pub fn colours(home: &Path) -> PathBuf {
    let set = home.join("colours");
    for (split, count) in [("train", 3_u8), ("val", 2)] {
        for (class, colour) in [("blue", [60_u8, 80, 190]), ("red", [190, 70, 60])] {
            let folder = set.join(split).join(class);
            fs::create_dir_all(&folder).unwrap();
            for n in 0..count {
                let mut picture = dvm::Picture::filled(40, 40, colour);
                for (at, value) in picture.rgb_mut().iter_mut().enumerate() {
                    *value += (at * usize::from(7 + n) % 41) as u8;
                }
                fs::write(folder.join(format!("{n}.png")), dvm::encode_png(&picture)).unwrap();
            }
        }
    }
    set
}

/// An empty folder, the data set [`colours`] in it, and the folder for a run.
pub fn colours_and_run() -> (TempDir, PathBuf, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let (set, out) = (colours(home.path()), home.path().join("run"));
    (home, set, out)
}

fn arguments<'a>(set: &'a Path, out: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let first = [
        "train",
        text(set),
        "--out",
        text(out),
        "--plain --batch 3",
        NETWORK,
    ];
    [&first, more].concat()
}

/// Trains the fastest network.
pub fn train(set: &Path, out: &Path, more: &[&str]) -> Run {
    dvm(&arguments(set, out, more))
}

/// Trains for two epochs on pictures of 32 pixels.
pub fn train_briefly(set: &Path, out: &Path, more: &[&str]) -> Run {
    let brief = [
        "--epochs 2 --images-every 2 --images 1 --learning-rate 0.001",
        "--set preprocess.resize.short_side=32 --set preprocess.crop=[32,32]",
        "--set preprocess.interpolation=bilinear",
        "--set preprocess.mean=[0.5,0.5,0.5] --set preprocess.std=[0.3,0.3,0.3]",
    ];
    train(set, out, &[&brief, more].concat())
}

/// Starts a training and waits for its first checkpoint.
pub fn started(set: &Path, out: &Path, more: &[&str]) -> Child {
    let mut command = program(&arguments(set, out, more));
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    wait_until(&mut child, || out.join("last.safetensors").exists());
    child
}

/// The records of all steps.
pub fn steps(run: &Path) -> Vec<Value> {
    json_lines(&run.join("steps.jsonl"))
}

/// `metrics.jsonl` without values that differ between runs.
pub fn metrics(run: &Path) -> Vec<Value> {
    let mut records = json_lines(&run.join("metrics.jsonl"));
    for record in &mut records {
        let record = record.as_object_mut().unwrap();
        record.remove("seconds").unwrap();
        record.remove("images_per_second").unwrap();
    }
    records
}

#[test]
fn a_run_writes_all_files_and_its_weights_are_self_contained() {
    let (_home, set, out) = colours_and_run();
    let run = train_briefly(&set, &out, &["--json"]).exits(0);
    assert_eq!(run.json()["done"], true);
    assert_eq!(run.json()["epochs"], 2);
    for file in [
        "config.toml",
        "best.safetensors",
        "last.safetensors",
        "report/report.md",
        "report/curves.png",
        "report/confusion.png",
        "report/confusion.csv",
        "report/per_class.csv",
        "report/mean_maps.png",
        "report/survey.json",
    ] {
        assert!(out.join(file).metadata().unwrap().len() > 0, "{file}");
    }
    let records = metrics(&out);
    assert_eq!(records.len(), 2);
    assert!(
        records
            .iter()
            .all(|record| record["train_loss"].as_f64().unwrap().is_finite())
    );
    let events = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().contains("tfevents");
    assert_eq!(
        fs::read_dir(&out).unwrap().flatten().filter(events).count(),
        1
    );

    let best = out.join("best.safetensors");
    let evaluated = dvm(&["evaluate", text(&best), text(&set), "--json"]).exits(0);
    assert!(evaluated.json().get("shortcuts").is_none());
    let evaluation = out.with_file_name("evaluation");
    let network = text(&best);
    let reported = dvm(&[
        "evaluate",
        network,
        text(&set),
        "--json --out",
        text(&evaluation),
    ]);
    assert_eq!(reported.json()["shortcuts"], serde_json::json!([]));
    assert!(evaluation.join("mean_maps.png").exists());
    let best_accuracy = records
        .iter()
        .map(|record| record["val_accuracy"].as_f64().unwrap())
        .fold(0.0, f64::max);
    assert_eq!(evaluated.json()["accuracy"].as_f64(), Some(best_accuracy));
    let red = set.join("val/red/0.png");
    let seen = dvm(&["classify", text(&red), "--json --model", network]).json();
    let names = ["blue", "red"].map(Value::from);
    assert!(names.contains(&seen[0]["top"][0]["name"]), "{seen}");
}

#[test]
fn results_do_not_depend_on_the_number_of_threads_and_workers() {
    let home = tempfile::tempdir().unwrap();
    let set = colours(home.path());
    let runs = [("1", "1"), ("3", "2")].map(|(threads, workers)| {
        let out = home.path().join(threads);
        train_briefly(&set, &out, &["--threads", threads, "--workers", workers]).exits(0);
        ["best.safetensors", "last.safetensors"].map(|file| fs::read(out.join(file)).unwrap())
    });
    assert!(runs[0] == runs[1]);
}

#[test]
fn a_resumed_run_is_identical_to_an_uninterrupted_one() {
    let home = tempfile::tempdir().unwrap();
    let set = colours(home.path());
    let (whole, cut) = (home.path().join("whole"), home.path().join("cut"));
    let more = ["--optimiser adam --ema 0.5 --mixup 0.3 --epochs 3 --images-every 0"];
    train(&set, &whole, &more).exits(0);
    // Kills the run after its first checkpoint.
    let mut child = started(&set, &cut, &more);
    child.kill().unwrap();
    child.wait().unwrap();
    dvm(&["train", "--resume", text(&cut), "--plain"]).exits(0);
    for file in ["best.safetensors", "last.safetensors", "steps.jsonl"] {
        assert!(
            fs::read(whole.join(file)).unwrap() == fs::read(cut.join(file)).unwrap(),
            "{file}"
        );
    }
    assert_eq!(metrics(&whole), metrics(&cut));
}

#[test]
fn only_the_last_layer_changes_with_train_head() {
    let (_home, set, out) = colours_and_run();
    train_briefly(&set, &out, &["--train head"])
        .exits(0)
        .says("features of training pictures: 6 of 6");
    let trained = dvm::Classifier::read(&out.join("best.safetensors")).unwrap();
    let before = dvm::Classifier::open("squeezenet1_1", None).unwrap();
    let (trained, before) = (trained.network().graph(), before.network().graph());
    for (index, parameter) in before.parameters().iter().enumerate() {
        let same = trained.values()[index] == before.values()[index];
        assert_eq!(
            same,
            !parameter.name.starts_with("classifier.1."),
            "{}",
            parameter.name
        );
    }
}

#[test]
fn a_broken_picture_is_an_error_or_is_skipped() {
    let home = tempfile::tempdir().unwrap();
    let set = colours(home.path());
    fs::write(set.join("train/red/broken.png"), b"no picture").unwrap();
    fs::write(set.join("val/blue/half.png"), b"no picture").unwrap();
    let out = home.path().join("run");
    let run = train_briefly(&set, &out, &[]).exits(2);
    // All broken pictures of all splits are named before the first step.
    for words in [
        "broken.png",
        "half.png",
        "2 pictures cannot be read",
        "--on-broken skip",
    ] {
        run.says(words);
    }
    assert!(!out.join("steps.jsonl").exists());
    train_briefly(&set, &home.path().join("unchecked"), &["--no-check"])
        .exits(2)
        .does_not_say("2 pictures");
    fs::remove_file(set.join("val/blue/half.png")).unwrap();
    let out = home.path().join("skipping");
    let run = train_briefly(&set, &out, &["--on-broken skip"]).exits(0);
    assert!(run.stderr.contains("skipped: ") && run.stderr.contains("broken.png"));
    // The folder of the failed run can be used again.
    fs::remove_file(set.join("train/red/broken.png")).unwrap();
    train_briefly(&set, &home.path().join("run"), &[]).exits(0);
}

/// The last lines of `config.toml` as a table.
pub fn config(run: &Path) -> toml::Table {
    toml::from_str(&fs::read_to_string(run.join("config.toml")).unwrap()).unwrap()
}

#[test]
fn defaults_depend_on_batch_normalisation() {
    let home = tempfile::tempdir().unwrap();
    let set = colours(home.path());
    for (model, rate, clip) in [
        ("squeezenet1_1", 0.01, 1.0),
        ("efficientnet_lite0", 0.02, 0.0),
    ] {
        let out = home.path().join(model);
        let first = [
            "train",
            text(&set),
            "--out",
            text(&out),
            "--plain --model",
            model,
        ];
        let run = dvm(&[&first[..], &["--epochs 1 --train head --images-every 0"]].concat());
        let run = run.exits(0);
        let config = config(&out);
        let found = config["optimiser"]["learning_rate"].as_float();
        assert_eq!(
            (found, config["clip"].as_float()),
            (Some(rate), Some(clip)),
            "{model}"
        );
        let message = format!("optimiser sgd, learning rate {rate}, schedule one_cycle");
        run.says(&message);
    }
}

#[test]
fn wrong_settings_are_errors_before_anything_is_written() {
    let (_home, set, out) = colours_and_run();
    for (more, expected) in [
        ("--optimiser sdg", "unknown optimiser `sdg`"),
        ("--set epoch=3", "epoch"),
        ("--augment zoom", "invalid value 'zoom'"),
        ("--weights missing.pth", "missing.pth"),
    ] {
        let run = dvm(&["train", text(&set), "--out", text(&out), "--plain", more]);
        run.exits(2).says(expected);
    }
    let missing = set.join("nothing");
    let run = dvm(&["train", text(&missing), "--out", text(&out)]);
    run.exits(2).says("nothing");
    assert!(!out.join("last.safetensors").exists());
}

#[test]
fn missing_weights_are_an_error_before_a_run_begins() {
    let (_home, set, out) = colours_and_run();
    let run = dvm(&["train", text(&set), "--out", text(&out), "--model resnet18"]).exits(2);
    run.says("`dvm models fetch resnet18`");
    run.says("`dvm train … --model resnet18 --weights FILE`");
    assert!(!out.exists());
}

#[test]
fn a_run_records_the_preprocessing_of_its_initial_weights() {
    let home = tempfile::tempdir().unwrap();
    let set = colours(home.path());
    let (out, weights) = (home.path().join("run"), home.path().join("own.safetensors"));
    let own = dvm::Classifier::random("squeezenet1_1").unwrap();
    let preprocess = dvm::Preprocess {
        crop: (48, 48),
        ..own.preprocess().clone()
    };
    let own = own.with_preprocess(preprocess.clone()).unwrap();
    own.save(&weights).unwrap();
    let more = ["--epochs 1 --train head --weights", text(&weights)];
    train(&set, &out, &more).exits(0);
    // Resuming needs the same preprocessing.
    assert_eq!(config(&out)["preprocess"]["crop"][0].as_integer(), Some(48));
    let trained = dvm::Classifier::read(&out.join("best.safetensors")).unwrap();
    assert_eq!(trained.preprocess(), &preprocess);
}

#[test]
fn a_run_on_pictures_smaller_than_the_window_has_maps() {
    let (_home, set, out) = colours_and_run();
    let more = [
        "--plain --epochs 1 --batch 3 --images-every 1",
        "--set preprocess.resize.short_side=18 --set preprocess.crop=[18,18]",
        "--set preprocess.interpolation=bilinear",
        "--set preprocess.mean=[0.5,0.5,0.5] --set preprocess.std=[0.3,0.3,0.3]",
    ];
    dvm(&[&["train", text(&set), "--out", text(&out)], &more[..]].concat())
        .exits(0)
        .does_not_say("window");
    assert!(out.join("report/report.md").is_file());
}

#[test]
fn a_folder_with_a_run_is_an_error() {
    let (_home, set, out) = colours_and_run();
    train_briefly(&set, &out, &[]).exits(0);
    let before = fs::read(out.join("best.safetensors")).unwrap();
    train_briefly(&set, &out, &[]).exits(2).says("--resume");
    assert!(fs::read(out.join("best.safetensors")).unwrap() == before);
    train_briefly(&set, &out, &["--overwrite --seed 9"]).exits(0);
    assert!(fs::read(out.join("best.safetensors")).unwrap() != before);
    assert_eq!(metrics(&out).len(), 2);
}

#[test]
fn a_preview_writes_a_picture_and_begins_no_run() {
    let home = tempfile::tempdir().unwrap();
    let set = colours(home.path());
    let out = home.path().join("sheet");
    dvm(&["train", text(&set), "--preview 4 --out", text(&out)]).exits(0);
    let sheet = dvm::read(out.join("preview.png")).unwrap();
    assert!(sheet.width() >= 2 * 224 && sheet.height() >= 2 * 224);
    assert!(!out.join("config.toml").exists());
}

#[test]
fn evaluating_unknown_classes_is_an_error() {
    let home = tempfile::tempdir().unwrap();
    let set = colours(home.path());
    let weights = root("crates/dvm-zoo/embedded/squeezenet1_1.safetensors");
    dvm(&["evaluate", text(&weights), text(&set)])
        .exits(2)
        .says("has no class `blue`");
}

#[test]
fn the_recipe_in_the_documents_is_a_valid_configuration() {
    let path = root("docs/recipes/flower_5.toml");
    let recipe = fs::read_to_string(path).unwrap();
    let data = [("data".to_owned(), "flowers".to_owned())];
    let config = dvm::training::Config::resolve(None, Some(&recipe), &data).unwrap();
    assert_eq!(
        (config.epochs, config.train_side, config.batch),
        (8, 192, 20)
    );
    assert_eq!(config.preprocess.unwrap().crop, (256, 256));
}
