//! `dvm train` and `dvm evaluate`: files, output, errors.

use std::fs;
use std::path::Path;

use crate::{Run, dvm, text};

/// A data set with two classes, blue and red with noise: three training and two validation pictures each.
pub fn colours(home: &Path) -> std::path::PathBuf {
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

/// Trains for two epochs on pictures of 32 pixels.
pub fn train(set: &Path, out: &Path, more: &[&str]) -> Run {
    let mut all = vec!["train", text(set), "--out", text(out), "--plain"];
    all.extend(["--model", "squeezenet1_1", "--epochs", "2", "--batch", "3"]);
    all.extend([
        "--set",
        "preprocess.resize.short_side=32",
        "--set",
        "preprocess.crop=[32,32]",
    ]);
    all.extend(["--set", "preprocess.interpolation=bilinear"]);
    all.extend([
        "--set",
        "preprocess.mean=[0.5,0.5,0.5]",
        "--set",
        "preprocess.std=[0.3,0.3,0.3]",
    ]);
    all.extend([
        "--images-every",
        "2",
        "--images",
        "1",
        "--learning-rate",
        "0.001",
    ]);
    all.extend(more);
    dvm(&all)
}

/// `metrics.jsonl` without values that differ between runs.
pub fn metrics(run: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let mut records: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for record in &mut records {
        let record = record.as_object_mut().unwrap();
        record.remove("seconds").unwrap();
        record.remove("images_per_second").unwrap();
    }
    records
}

#[test]
fn a_run_writes_all_files_and_its_weights_are_self_contained() {
    let home = tempfile::tempdir().unwrap();
    let set = colours(home.path());
    let out = home.path().join("run");
    let run = train(&set, &out, &["--json"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
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
    let evaluated = dvm(&["evaluate", text(&best), text(&set), "--json"]);
    assert_eq!(evaluated.code, Some(0), "{}", evaluated.stderr);
    assert!(evaluated.json().get("shortcuts").is_none());
    let evaluation = home.path().join("evaluation");
    let with_report = [
        "evaluate",
        text(&best),
        text(&set),
        "--json",
        "--out",
        text(&evaluation),
    ];
    let reported = dvm(&with_report);
    assert_eq!(reported.json()["shortcuts"], serde_json::json!([]));
    assert!(evaluation.join("mean_maps.png").exists());
    let best_accuracy = records
        .iter()
        .map(|record| record["val_accuracy"].as_f64().unwrap())
        .fold(0.0, f64::max);
    assert_eq!(evaluated.json()["accuracy"].as_f64(), Some(best_accuracy));
    let seen = dvm(&[
        "classify",
        text(&set.join("val/red/0.png")),
        "--model",
        text(&best),
        "--json",
    ]);
    let names = ["blue", "red"].map(serde_json::Value::from);
    assert!(
        names.contains(&seen.json()[0]["top"][0]["name"]),
        "{}",
        seen.stdout
    );
}

#[test]
fn results_do_not_depend_on_the_number_of_threads_and_workers() {
    let home = tempfile::tempdir().unwrap();
    let set = colours(home.path());
    let runs = [("1", "1"), ("3", "2")].map(|(threads, workers)| {
        let out = home.path().join(threads);
        let run = train(&set, &out, &["--threads", threads, "--workers", workers]);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        ["best.safetensors", "last.safetensors"].map(|file| fs::read(out.join(file)).unwrap())
    });
    assert!(runs[0] == runs[1]);
}

#[test]
fn a_resumed_run_is_identical_to_an_uninterrupted_one() {
    let home = tempfile::tempdir().unwrap();
    let set = colours(home.path());
    let (whole, cut) = (home.path().join("whole"), home.path().join("cut"));
    let more = [
        "--optimiser",
        "adam",
        "--ema",
        "0.5",
        "--mixup",
        "0.3",
        "--epochs",
        "3",
    ];
    let without = |out: &Path| {
        // clap does not allow a flag twice.
        let mut all = vec![
            "train",
            text(&set),
            "--out",
            text(out),
            "--plain",
            "--batch",
            "3",
        ];
        all.extend(["--model", "squeezenet1_1", "--images-every", "0"]);
        all.extend(more);
        all.iter().map(|&word| word.to_owned()).collect::<Vec<_>>()
    };
    let run = crate::program().args(without(&whole)).output().unwrap();
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    let mut child = crate::program()
        .args(without(&cut))
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    // Kills the run after its first checkpoint.
    while !cut.join("last.safetensors").exists() {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before its first checkpoint"
        );
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let resumed = dvm(&["train", "--resume", text(&cut), "--plain"]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
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
    let home = tempfile::tempdir().unwrap();
    let set = colours(home.path());
    let out = home.path().join("run");
    let run = train(&set, &out, &["--train", "head"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(
        run.stderr.contains("features of training pictures: 6 of 6"),
        "{}",
        run.stderr
    );
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
    let run = train(&set, &out, &[]);
    assert_eq!(run.code, Some(2));
    // All broken pictures of all splits are named before the first step.
    for words in [
        "broken.png",
        "half.png",
        "2 pictures cannot be read",
        "--on-broken skip",
    ] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
    assert!(!out.join("steps.jsonl").exists());
    let unchecked = train(&set, &home.path().join("unchecked"), &["--no-check"]);
    assert_eq!(unchecked.code, Some(2));
    assert!(
        !unchecked.stderr.contains("2 pictures"),
        "{}",
        unchecked.stderr
    );
    fs::remove_file(set.join("val/blue/half.png")).unwrap();
    let out = home.path().join("skipping");
    let run = train(&set, &out, &["--on-broken", "skip"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stderr.contains("skipped: ") && run.stderr.contains("broken.png"));
    // The folder of the failed run can be used again.
    fs::remove_file(set.join("train/red/broken.png")).unwrap();
    let again = train(&set, &home.path().join("run"), &[]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
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
        let mut all = vec!["train", text(&set), "--out", text(&out), "--plain"];
        all.extend([
            "--model",
            model,
            "--epochs",
            "1",
            "--train",
            "head",
            "--images-every",
            "0",
        ]);
        let run = dvm(&all);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let config = config(&out);
        let found = config["optimiser"]["learning_rate"].as_float();
        assert_eq!(
            (found, config["clip"].as_float()),
            (Some(rate), Some(clip)),
            "{model}"
        );
        let message = format!("optimiser sgd, learning rate {rate}, schedule one_cycle");
        assert!(run.stderr.contains(&message), "{}", run.stderr);
    }
}

#[test]
fn wrong_settings_are_errors_before_anything_is_written() {
    let home = tempfile::tempdir().unwrap();
    let set = colours(home.path());
    let out = home.path().join("run");
    for (more, expected) in [
        (vec!["--optimiser", "sdg"], "unknown optimiser `sdg`"),
        (vec!["--set", "epoch=3"], "epoch"),
        (vec!["--augment", "zoom"], "invalid value 'zoom'"),
        (vec!["--weights", "missing.pth"], "missing.pth"),
    ] {
        let mut all = vec!["train", text(&set), "--out", text(&out), "--plain"];
        all.extend(&more);
        let run = dvm(&all);
        assert_eq!(run.code, Some(2), "{more:?}: {}", run.stderr);
        assert!(run.stderr.contains(expected), "{more:?}: {}", run.stderr);
    }
    let missing = dvm(&[
        "train",
        text(&home.path().join("nothing")),
        "--out",
        text(&out),
    ]);
    assert_eq!(missing.code, Some(2));
    assert!(missing.stderr.contains("nothing"), "{}", missing.stderr);
    assert!(!out.join("last.safetensors").exists());
}

#[test]
fn missing_weights_are_an_error_before_a_run_begins() {
    let home = tempfile::tempdir().unwrap();
    let set = colours(home.path());
    let out = home.path().join("run");
    let run = dvm(&[
        "train",
        text(&set),
        "--out",
        text(&out),
        "--model",
        "resnet18",
    ]);
    assert_eq!(run.code, Some(2));
    let two = [
        "`dvm models fetch resnet18`",
        "`dvm train … --model resnet18 --weights FILE`",
    ];
    assert!(
        two.iter().all(|words| run.stderr.contains(words)),
        "{}",
        run.stderr
    );
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
    let mut all = vec!["train", text(&set), "--out", text(&out), "--plain"];
    all.extend(["--model", "squeezenet1_1", "--weights", text(&weights)]);
    all.extend(["--epochs", "1", "--batch", "3", "--train", "head"]);
    let run = dvm(&all);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    // Resuming needs the same preprocessing.
    let config = fs::read_to_string(out.join("config.toml")).unwrap();
    let config: toml::Table = toml::from_str(&config).unwrap();
    assert_eq!(config["preprocess"]["crop"][0].as_integer(), Some(48));
    let trained = dvm::Classifier::read(&out.join("best.safetensors")).unwrap();
    assert_eq!(trained.preprocess(), &preprocess);
}

#[test]
fn a_run_on_pictures_smaller_than_the_window_has_maps() {
    let home = tempfile::tempdir().unwrap();
    let set = colours(home.path());
    let out = home.path().join("run");
    let mut all = vec!["train", text(&set), "--out", text(&out), "--plain"];
    all.extend(["--epochs", "1", "--batch", "3", "--images-every", "1"]);
    for field in [
        "preprocess.resize.short_side=18",
        "preprocess.crop=[18,18]",
        "preprocess.interpolation=bilinear",
        "preprocess.mean=[0.5,0.5,0.5]",
        "preprocess.std=[0.3,0.3,0.3]",
    ] {
        all.extend(["--set", field]);
    }
    let run = dvm(&all);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(!run.stderr.contains("window"), "{}", run.stderr);
    assert!(out.join("report/report.md").is_file());
}

#[test]
fn a_folder_with_a_run_is_an_error() {
    let home = tempfile::tempdir().unwrap();
    let set = colours(home.path());
    let out = home.path().join("run");
    assert_eq!(train(&set, &out, &[]).code, Some(0));
    let before = fs::read(out.join("best.safetensors")).unwrap();
    let again = train(&set, &out, &[]);
    assert_eq!(again.code, Some(2));
    assert!(again.stderr.contains("--resume"), "{}", again.stderr);
    assert!(fs::read(out.join("best.safetensors")).unwrap() == before);
    let replaced = train(&set, &out, &["--overwrite", "--seed", "9"]);
    assert_eq!(replaced.code, Some(0), "{}", replaced.stderr);
    assert!(fs::read(out.join("best.safetensors")).unwrap() != before);
    assert_eq!(metrics(&out).len(), 2);
}

#[test]
fn a_preview_writes_a_picture_and_begins_no_run() {
    let home = tempfile::tempdir().unwrap();
    let set = colours(home.path());
    let out = home.path().join("sheet");
    let run = dvm(&["train", text(&set), "--preview", "4", "--out", text(&out)]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let sheet = dvm::read(out.join("preview.png")).unwrap();
    assert!(sheet.width() >= 2 * 224 && sheet.height() >= 2 * 224);
    assert!(!out.join("config.toml").exists());
}

#[test]
fn evaluating_unknown_classes_is_an_error() {
    let home = tempfile::tempdir().unwrap();
    let set = colours(home.path());
    let weights = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../dvm-zoo/embedded/squeezenet1_1.safetensors"
    );
    let run = dvm(&["evaluate", weights, text(&set)]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("has no class `blue`"), "{}", run.stderr);
}

#[test]
fn the_recipe_in_the_documents_is_a_valid_configuration() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/recipes/flower_5.toml"
    );
    let recipe = fs::read_to_string(path).unwrap();
    let data = [("data".to_owned(), "flowers".to_owned())];
    let config = dvm::training::Config::resolve(None, Some(&recipe), &data).unwrap();
    assert_eq!(
        (config.epochs, config.train_side, config.batch),
        (8, 192, 20)
    );
    assert_eq!(config.preprocess.unwrap().crop, (256, 256));
}
