//! The output of `dvm bench`, without times.

use std::fs;

use serde_json::Value;

use crate::{Run, dvm, text};

/// One run with the smallest network.
fn bench(work: &str, more: &[&str]) -> Run {
    let first = ["bench", work, "--model squeezenet1_1 --runs 1"];
    dvm(&[&first[..], more].concat())
}

/// The report as JSON; checks what holds for every kind of work.
fn report(work: &str, more: &[&str]) -> Value {
    let run = bench(work, &[more, &["--json"]].concat()).exits(0);
    let report = run.json();
    assert_eq!(report["work"], work);
    assert_eq!(report["model"], "squeezenet1_1");
    assert_eq!(report["runs"], 1);
    let seconds = |which: &str| report["seconds"][which].as_f64().unwrap();
    assert!(seconds("min") > 0.0);
    assert!(seconds("min") <= seconds("median") && seconds("median") <= seconds("max"));
    assert!(report["instruction_set"].is_string());
    // The number of parameters in torchvision's documentation, four bytes each.
    assert_eq!(report["weights_bytes"], 4 * 1_235_496);
    if cfg!(target_os = "linux") {
        let bytes = |which: &str| report[which].as_u64().unwrap();
        let beyond = bytes("peak_beyond_weights_bytes");
        assert_eq!(bytes("peak_memory_bytes") - beyond, 4 * 1_235_496);
    }
    report
}

/// Multiply-adds of SqueezeNet 1.1 for one picture, by `dvm models`.
fn multiply_adds() -> u64 {
    let model = dvm(&["models", "show", "squeezenet1_1", "--json"]).json();
    model["multiply_adds"].as_u64().unwrap()
}

#[test]
fn forward_counts_the_whole_batch() {
    let report = report("forward", &["--batch 2 --threads 1 --exact"]);
    assert_eq!(report["batch"], 2);
    assert_eq!(report["threads"], 1);
    assert_eq!(report["arithmetic"], "exact");
    assert_eq!(report["weights"], "embedded");
    assert_eq!(report["multiply_adds"], 2 * multiply_adds());
    let median = report["seconds"]["median"].as_f64().unwrap();
    let expected = 4.0 * multiply_adds() as f64 / median / 1e9;
    let gflops = report["gflops"].as_f64().unwrap();
    assert!((gflops / expected - 1.0).abs() < 1e-9, "{gflops}");
    assert!(report["profile"].is_null());
}

#[test]
fn backward_takes_twice_the_multiply_adds() {
    let report = report("backward", &["--random-weights --profile"]);
    assert_eq!(report["weights"], "random");
    assert_eq!(report["multiply_adds"], 2 * multiply_adds());
    let rows = report["profile"].as_array().unwrap();
    let walk = |of: &str| rows.iter().filter(|row| row["walk"] == of).count();
    assert!(walk("forward") > 60 && walk("backward") > 60);
    let seconds: Vec<f64> = rows
        .iter()
        .map(|r| r["seconds"].as_f64().unwrap())
        .collect();
    assert!(seconds.is_sorted_by(|a, b| a >= b));
    // The shares of all nodes add up to 1.
    let products: f64 = rows
        .iter()
        .filter_map(|row| Some(row["gflops"].as_f64()? * row["seconds"].as_f64()? * 1e9 / 2.0))
        .sum();
    assert!((products / (2 * multiply_adds()) as f64 - 1.0).abs() < 1e-6);
    let shares: f64 = rows.iter().map(|r| r["share"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-9, "{shares}");
    assert!(seconds.iter().sum::<f64>() <= report["seconds"]["max"].as_f64().unwrap());
}

#[test]
fn a_training_step_takes_three_times_the_multiply_adds_without_the_inputs_gradient() {
    let report = report("train", &["--random-weights --batch 2 --profile"]);
    assert_eq!(report["batch"], 2);
    let products = report["multiply_adds"].as_u64().unwrap();
    // The first layer: 3×3, stride 2, 3 to 64 channels, output 111×111.
    let first = 111 * 111 * 9 * 3 * 64;
    assert_eq!(products, 2 * (3 * multiply_adds() - first));
    let rows = report["profile"].as_array().unwrap();
    let of_nodes: f64 = rows
        .iter()
        .filter_map(|row| Some(row["gflops"].as_f64()? * row["seconds"].as_f64()? * 1e9 / 2.0))
        .sum();
    assert!((of_nodes / products as f64 - 1.0).abs() < 1e-6);
}

#[test]
fn occlusion_counts_one_forward_pass_per_window_and_one_for_the_input() {
    let coarse = ["--window 64 --stride 64 --profile"];
    let incremental = report("occlusion", &coarse);
    let brute_force = report("occlusion", &[&coarse[..], &["--no-incremental"]].concat());
    let walks_incrementally = |report: &Value| {
        let rows = report["profile"].as_array().unwrap();
        rows.iter().any(|row| row["walk"] == "incremental")
    };
    for (report, expected) in [(incremental, true), (brute_force, false)] {
        assert_eq!(report["multiply_adds"], (4 * 4 + 1) * multiply_adds());
        assert_eq!(report["incremental"], expected);
        assert_eq!(walks_incrementally(&report), expected);
    }
}

#[test]
fn explain_is_timed_as_a_whole() {
    let report = report("explain", &["--window 64 --stride 64"]);
    assert!(report["multiply_adds"].is_null() && report["gflops"].is_null());
}

#[test]
fn text_and_chart_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chart.svg");
    let run = bench("forward", &["--profile --chart", text(&file)]).exits(0);
    let mut lines = run.stdout.lines();
    assert!(lines.next().unwrap().starts_with("forward squeezenet1_1, "));
    run.prints("GFLOP/s");
    let head = run.stdout.lines().find(|l| l.starts_with("node ")).unwrap();
    let words: Vec<&str> = head.split_whitespace().collect();
    let expected = ["node", "walk", "op", "shape", "calls", "ms", "%", "GFLOP/s"];
    assert_eq!(words, expected);
    let svg = fs::read_to_string(&file).unwrap();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert!(svg.contains(">features.3.concat<"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn incompatible_options_are_errors() {
    for (work, more, why) in [
        (
            "forward",
            &["--window 9"][..],
            "`window` is an option of methods",
        ),
        ("occlusion", &["--batch 2"], "batch of 2"),
        ("backward", &["--no-incremental"], "--no-incremental is for"),
        ("occlusion", &["--stride 0"], "--stride"),
        ("forward", &["--chart x.svg"], "--profile"),
        ("forward", &["--random-weights --weights x"], "--weights"),
        ("backward", &["--runs 0"], "--runs"),
        ("training", &[], "training"),
    ] {
        let run = bench(work, more).exits(2);
        run.says(why);
        assert_eq!(run.stdout, "");
    }
    dvm(&["bench", "forward", "--model resnet18"])
        .exits(2)
        .says("--random-weights");
    dvm(&["bench", "forward", "--model vgg99 --random-weights"])
        .exits(2)
        .says("vgg19");
}

#[test]
fn instructions_can_be_chosen_and_missing_ones_are_errors() {
    let asked = report("forward", &["--instructions portable"]);
    assert_eq!(asked["instruction_set"], "portable");
    bench("forward", &["--instructions avx99"])
        .exits(2)
        .says("this machine has portable");
}
