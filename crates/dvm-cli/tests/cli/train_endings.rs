//! Ends of training: warnings, signals, resuming.

use std::fs;
use std::path::Path;

use crate::train::{colours_and_run, config, metrics, steps, train, train_briefly};
use crate::{Run, dvm, text};

fn resume(out: &Path, more: &[&str]) -> Run {
    dvm(&[&["train", "--plain --resume", text(out)], more].concat())
}

#[test]
fn a_run_at_chance_level_warns_with_advice() {
    let (_home, set, out) = colours_and_run();
    // With this learning rate nothing is learnt.
    let more = ["--epochs 3 --weights none --learning-rate 1e-12 --images-every 0 --seed 2"];
    let run = train(&set, &out, &more).exits(0);
    run.says("not better than chance");
    run.says("most frequent class has 50.0 % of the pictures");
    run.says("--learning-rate");
}

#[test]
fn a_resumed_run_can_have_more_epochs() {
    let (_home, set, out) = colours_and_run();
    train_briefly(&set, &out, &[]).exits(0);
    resume(&out, &["--epochs 2"])
        .exits(2)
        .says("give at least 3");
    resume(&out, &["--batch 2"]).says("only --epochs");
    resume(&out, &["--epochs 4"]).exits(0);
    assert_eq!(metrics(&out).len(), 4);
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
    let (_home, set, out) = colours_and_run();
    let more = ["--images-every 0 --epochs 200"];
    let mut child = crate::train::started(&set, &out, &more);
    crate::send("-TERM", &child);
    assert!(!child.wait().unwrap().success());
    let done = metrics(&out).len();
    assert!(done < 200);
    resume(&out, &[&format!("--epochs {}", done + 2)]).exits(0);
    assert_eq!(metrics(&out).len(), done + 2);
    assert_eq!(steps(&out).len(), 2 * (done + 2));
}

#[test]
fn a_nan_loss_is_an_error_and_is_not_saved() {
    let (_home, set, out) = colours_and_run();
    let more = [
        "--learning-rate 1e30 --clip 0 --epochs 3",
        "--schedule constant --optimiser sgd --set optimiser.weight_decay=0",
    ];
    let run = train(&set, &out, &more).exits(2);
    run.says("became");
    run.says("at a learning rate of 1e30; train again with --learning-rate 1e29, or with --clip 1");
    assert!(!out.join("last.safetensors").exists());
}

#[test]
fn a_run_stopped_early_is_not_resumed() {
    let (_home, set, out) = colours_and_run();
    let more = ["--epochs 9 --patience 1 --learning-rate 1e-12 --images-every 0 --train head"];
    train(&set, &out, &more)
        .exits(0)
        .says("no improvement for 1 epoch")
        .does_not_say("1 epochs");
    let last = fs::read(out.join("last.safetensors")).unwrap();
    assert_eq!(metrics(&out).len(), 2);
    resume(&out, &[]).exits(0);
    assert!(fs::read(out.join("last.safetensors")).unwrap() == last);
    assert_eq!(metrics(&out).len(), 2);
}
