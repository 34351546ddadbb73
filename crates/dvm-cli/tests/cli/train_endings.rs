//! Ends of training: warnings, signals, resuming.

use std::fs;
use std::path::Path;

use crate::train::{colours, config, metrics, train};
use crate::{dvm, text};

#[test]
fn a_run_at_chance_level_warns_with_advice() {
    let home = tempfile::tempdir().unwrap();
    let set = colours(home.path());
    let out = home.path().join("run");
    let mut all = vec![
        "train",
        text(&set),
        "--out",
        text(&out),
        "--plain",
        "--epochs",
        "3",
    ];
    // With this learning rate nothing is learnt.
    all.extend([
        "--model",
        "squeezenet1_1",
        "--weights",
        "none",
        "--batch",
        "3",
    ]);
    all.extend([
        "--learning-rate",
        "1e-12",
        "--images-every",
        "0",
        "--seed",
        "2",
    ]);
    let run = dvm(&all);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    for words in [
        "not better than chance",
        "most frequent class has 50.0 % of the pictures",
        "--learning-rate",
    ] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
}

#[test]
fn a_resumed_run_can_have_more_epochs() {
    let home = tempfile::tempdir().unwrap();
    let set = colours(home.path());
    let out = home.path().join("run");
    assert_eq!(train(&set, &out, &[]).code, Some(0));
    let resume = |more: &[&str]| {
        let mut all = vec!["train", "--resume", text(&out), "--plain"];
        all.extend(more);
        dvm(&all)
    };
    let fewer = resume(&["--epochs", "2"]);
    assert_eq!(fewer.code, Some(2));
    assert!(fewer.stderr.contains("give at least 3"), "{}", fewer.stderr);
    let other = resume(&["--batch", "2"]);
    assert!(other.stderr.contains("only --epochs"), "{}", other.stderr);
    let more = resume(&["--epochs", "4"]);
    assert_eq!(more.code, Some(0), "{}", more.stderr);
    let records = metrics(&out);
    assert_eq!(records.len(), 4);
    let config = config(&out);
    assert_eq!(config["epochs"].as_integer(), Some(4));
    assert_eq!(config["schedule_from"].as_integer(), Some(2));
    // Both runs have a full cycle: it starts at a 25th of the rate and ends near 0.
    let rates: Vec<f64> = steps(&out)
        .iter()
        .map(|s| s["learning_rate"].as_f64().unwrap())
        .collect();
    assert_eq!(rates.len(), 8);
    assert_eq!(rates[..4], rates[4..]);
}

#[cfg(unix)]
#[test]
fn sigterm_stops_after_the_step_and_the_run_can_be_resumed() {
    let home = tempfile::tempdir().unwrap();
    let set = colours(home.path());
    let out = home.path().join("run");
    let mut all = vec![
        "train",
        text(&set),
        "--out",
        text(&out),
        "--plain",
        "--batch",
        "3",
    ];
    all.extend([
        "--model",
        "squeezenet1_1",
        "--images-every",
        "0",
        "--epochs",
        "200",
    ]);
    let quiet = std::process::Stdio::null;
    let mut child = crate::program()
        .args(&all)
        .stderr(quiet())
        .stdout(quiet())
        .spawn()
        .unwrap();
    while !out.join("last.safetensors").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended too early");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let id = child.id().to_string();
    let killed = std::process::Command::new("kill")
        .args(["-TERM", &id])
        .status()
        .unwrap();
    assert!(killed.success());
    assert!(!child.wait().unwrap().success());
    let done = metrics(&out).len();
    assert!(done < 200);
    let total = (done + 2).to_string();
    let resumed = dvm(&[
        "train",
        "--resume",
        text(&out),
        "--epochs",
        &total,
        "--plain",
    ]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
    assert_eq!(metrics(&out).len(), done + 2);
    assert_eq!(steps(&out).len(), 2 * (done + 2));
}

#[test]
fn a_nan_loss_is_an_error_and_is_not_saved() {
    let home = tempfile::tempdir().unwrap();
    let set = colours(home.path());
    let out = home.path().join("run");
    let rate = [
        "--schedule",
        "constant",
        "--optimiser",
        "sgd",
        "--set",
        "optimiser.weight_decay=0",
    ];
    let mut all = vec![
        "train",
        text(&set),
        "--out",
        text(&out),
        "--plain",
        "--learning-rate",
        "1e30",
        "--clip",
        "0",
    ];
    all.extend(["--model", "squeezenet1_1", "--epochs", "3", "--batch", "3"]);
    all.extend(rate);
    let run = dvm(&all);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("became"), "{}", run.stderr);
    let message =
        "at a learning rate of 1e30; train again with --learning-rate 1e29, or with --clip 1";
    assert!(run.stderr.contains(message), "{}", run.stderr);
    assert!(!out.join("last.safetensors").exists());
}

#[test]
fn a_run_stopped_early_is_not_resumed() {
    let home = tempfile::tempdir().unwrap();
    let set = colours(home.path());
    let out = home.path().join("run");
    let mut all = vec![
        "train",
        text(&set),
        "--out",
        text(&out),
        "--plain",
        "--batch",
        "3",
    ];
    all.extend([
        "--model",
        "squeezenet1_1",
        "--epochs",
        "9",
        "--patience",
        "1",
    ]);
    all.extend([
        "--learning-rate",
        "1e-12",
        "--images-every",
        "0",
        "--train",
        "head",
    ]);
    let run = dvm(&all);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(
        run.stderr.contains("no improvement for 1"),
        "{}",
        run.stderr
    );
    let last = fs::read(out.join("last.safetensors")).unwrap();
    assert_eq!(metrics(&out).len(), 2);
    assert_eq!(
        dvm(&["train", "--resume", text(&out), "--plain"]).code,
        Some(0)
    );
    assert!(fs::read(out.join("last.safetensors")).unwrap() == last);
    assert_eq!(metrics(&out).len(), 2);
}

/// The records of all steps.
fn steps(run: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(run.join("steps.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
