//! `dvm devices` and `--device`, on a machine without a GPU or in a build without support for it.

use crate::{COFFEE, NETWORK, dvm};

fn classify(arguments: &[&str]) -> crate::Run {
    dvm(&[&["classify", COFFEE, NETWORK], arguments].concat())
}

#[test]
fn the_cpu_is_the_first_device() {
    let run = dvm(&["devices"]).exits(0);
    run.prints("processors");
    let json = dvm(&["devices", "--json"]).exits(0).json();
    let cpu = &json[0];
    assert_eq!(
        (&cpu["device"], &cpu["name"]),
        (&"cpu".into(), &"CPU".into())
    );
    assert!(cpu["processors"].as_u64().unwrap() > 0);
    assert_eq!(cpu["is_software"], false);
}

#[test]
fn a_word_that_is_no_device_is_an_error() {
    let run = classify(&["--device cuda"]).exits(2);
    run.says("cpu, gpu, gpu:N with a number from 0, or auto");
    assert_eq!(run.stdout, "");
}

#[test]
fn a_device_that_does_not_exist_is_an_error() {
    for command in [
        &["classify", COFFEE][..],
        &["bench", "forward"],
        &["explain", COFFEE, "--out unused"],
        &["survey", "assets/samples", "--out unused"],
        &["compare", "assets/samples", "--out unused"],
        &["serve", "--port 0"],
    ] {
        let run = dvm(&[command, &[NETWORK, "--device gpu:999"]].concat()).exits(2);
        run.says("error: ");
        assert_eq!(run.stdout, "", "{command:?}");
    }
}

#[test]
fn exact_arithmetic_on_a_gpu_is_an_error() {
    classify(&["--device gpu", "--exact"])
        .exits(2)
        .says("or compute on the CPU (--device cpu)");
    let run = classify(&["--device auto", "--exact"]).exits(0);
    run.says("note: computing on the CPU: exact arithmetic is possible only on the CPU");
}

#[test]
fn auto_says_where_it_computes_and_the_cpu_is_not_named() {
    classify(&["--device auto"])
        .exits(0)
        .says("note: computing on ");
    let usual = classify(&[]).exits(0);
    usual.does_not_say("computing on");
    let cpu = classify(&["--device cpu"]).exits(0);
    cpu.does_not_say("computing on");
    assert_eq!(cpu.stdout, usual.stdout);
}

#[test]
#[cfg(not(feature = "gpu"))]
fn a_build_without_gpus_says_so() {
    let why = "this dvm was built without support for GPUs";
    classify(&["--device gpu"])
        .exits(2)
        .says("build it with the feature `gpu`, or compute on the CPU (--device cpu)");
    let run = classify(&["--device auto"]).exits(0);
    run.says(&format!("note: computing on the CPU: {why}"));
    run.does_not_say("or compute on the CPU");
    dvm(&["devices"]).exits(0).says(&format!("note: {why}"));
}

#[test]
fn bench_does_not_name_the_cpu() {
    let json = dvm(&["bench", "forward", NETWORK, "--runs 1 --json"])
        .exits(0)
        .json();
    assert!(json.get("device").is_none(), "{json}");
}
