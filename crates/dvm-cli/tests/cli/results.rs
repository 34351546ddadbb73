//! Folders of results: complete, and from one run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use crate::{CHELSEA, COFFEE, FAST, Run, explain, names, program, text};

/// Occlusion with sixteen windows.
const COARSE: [&str; 8] = [
    "--model",
    "squeezenet1_1",
    "--method",
    "occlusion",
    "--window",
    "64",
    "--stride",
    "64",
];

fn with<'a>(given: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [given, more].concat()
}

fn record(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("explanation.json")).unwrap()).unwrap()
}

/// The files in the record of a folder, sorted.
fn listed(folder: &Path) -> Vec<String> {
    let mut files: Vec<String> = serde_json::from_value(record(folder)["files"].clone()).unwrap();
    files.sort();
    files
}

/// All paths below a folder, sorted.
fn tree(folder: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        // The program may remove a folder at any time.
        for entry in fs::read_dir(&inner).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path.clone());
            }
            paths.push(path.strip_prefix(folder).unwrap().to_owned());
        }
    }
    paths.sort();
    paths
}

#[test]
fn a_second_run_replaces_the_first() {
    let out = tempfile::tempdir().unwrap();
    explain(out.path(), &with(&[COFFEE], &FAST));
    let run = explain(out.path(), &with(&[COFFEE], &COARSE));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let folder = out.path().join("coffee");
    assert_eq!(names(&folder), listed(&folder));
    assert!(!folder.join("guided-backprop.npy").exists());
    assert_eq!(names(out.path()), ["coffee"]);
}

#[test]
fn results_of_one_class_and_of_several_replace_each_other() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("coffee");
    let classes = ["--class", "espresso", "--class", "cup"];
    for classes in [&[][..], &classes, &[]] {
        let run = explain(out.path(), &with(&with(&[COFFEE], classes), &FAST));
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        match classes.is_empty() {
            true => assert_eq!(names(&folder), listed(&folder)),
            false => assert_eq!(names(&folder), ["967-espresso", "968-cup"]),
        }
    }
}

#[test]
fn a_folder_with_other_files_is_an_error_before_anything_is_computed() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("coffee");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("thesis.tex"), "precious").unwrap();
    let run = explain(out.path(), &with(&[COFFEE, CHELSEA], &FAST));
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("thesis.tex"), "{}", run.stderr);
    assert_eq!(names(&folder), ["thesis.tex"]);
    assert_eq!(names(out.path()), ["chelsea", "coffee"]);
}

#[test]
fn replacing_the_results_of_another_picture_gives_a_note() {
    let out = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let coffee = other.path().join("coffee.png");
    fs::copy(
        concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../assets/samples/chelsea.png"
        ),
        &coffee,
    )
    .unwrap();
    explain(out.path(), &with(&[COFFEE], &FAST));
    let same = explain(out.path(), &with(&[COFFEE], &FAST));
    assert!(!same.stderr.contains("another picture"), "{}", same.stderr);
    let run = explain(out.path(), &with(&[text(&coffee)], &FAST));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let note = format!("the explanation of another picture, {COFFEE}; it will be replaced");
    assert!(run.stderr.contains(&note), "{}", run.stderr);
}

#[test]
fn classes_share_one_raw_array_of_occlusion() {
    let out = tempfile::tempdir().unwrap();
    let classes = ["--class", "espresso", "--class", "cup", "--json"];
    let run = explain(out.path(), &with(&with(&[COFFEE], &classes), &COARSE));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let folder = out.path().join("coffee");
    assert_eq!(
        names(&folder),
        ["967-espresso", "968-cup", "occlusion.raw.npy"]
    );
    for (index, class) in ["967-espresso", "968-cup"].into_iter().enumerate() {
        let own = folder.join(class);
        let record = record(&own);
        let raw = record["methods"][0]["arrays"][0]["file"].as_str().unwrap();
        assert_eq!(raw, "../occlusion.raw.npy");
        assert!(own.join(raw).exists());
        let mut expected = names(&own);
        expected.insert(0, raw.into());
        expected.sort();
        assert_eq!(listed(&own), expected);
        let mut files: Vec<String> =
            serde_json::from_value(run.json()[index]["files"].clone()).unwrap();
        files.sort();
        assert_eq!(files, expected);
    }
}

#[test]
fn the_record_names_the_picture_by_its_checksum_and_the_raw_array_by_its_file() {
    let out = tempfile::tempdir().unwrap();
    explain(out.path(), &with(&[COFFEE], &FAST));
    let record = record(&out.path().join("coffee"));
    // sha256sum assets/samples/coffee.png
    let expected = "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7";
    assert_eq!(record["image"]["sha256"], expected);
    assert_eq!(
        record["methods"][0]["arrays"][0]["file"],
        "guided-backprop.raw.npy"
    );
}

#[test]
fn two_simultaneous_runs_leave_the_results_of_one() {
    let out = tempfile::tempdir().unwrap();
    let start = |options: &[&str]| {
        program()
            .args(["explain", "--quiet", "--out", text(out.path()), COFFEE])
            .args(options)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let runs: Vec<_> = (0..4)
        .map(|run| start(if run % 2 == 0 { &FAST } else { &COARSE }))
        .collect();
    for run in runs {
        let output = run.wait_with_output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{message}");
    }
    let folder = out.path().join("coffee");
    assert_eq!(names(out.path()), ["coffee"]);
    assert_eq!(names(&folder), listed(&folder));
}

#[test]
fn a_read_only_folder_is_an_error_before_anything_is_computed() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    for out in [file.clone(), file.join("deeper")] {
        // The network does not exist; the folder is checked first.
        let run = explain(&out, &[COFFEE, "--model", "no-such-network.onnx"]);
        assert_eq!(run.code, Some(2));
        assert!(run.stderr.contains(text(&out)), "{}", run.stderr);
    }
}

#[test]
fn a_report_over_other_files_is_an_error_before_anything_is_computed() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("thesis.tex"), "").unwrap();
    let mut command = program();
    command.args(["evaluate", "no-such.safetensors", "no-such-data", "--out"]);
    let run = Run::of(command.arg(home.path()));
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("thesis.tex"), "{}", run.stderr);
}

#[cfg(unix)]
mod signals {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Child, Command};
    use std::time::{Duration, Instant};

    /// Starts an occlusion that takes minutes, and waits for its first files.
    fn started(out: &Path) -> Child {
        let child = program()
            .args(["explain", "--out", text(out), COFFEE, "--stride", "1"])
            .args(["--method", "occlusion", "--model", "squeezenet1_1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let start = Instant::now();
        while tree(out)
            .iter()
            .filter(|path| path.ends_with("new"))
            .count()
            == 0
        {
            assert!(
                start.elapsed() < Duration::from_secs(120),
                "it does not begin"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        child
    }

    fn send(signal: &str, child: &Child) {
        let id = child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .unwrap()
                .success()
        );
    }

    #[test]
    fn an_interrupted_run_ends_by_the_signal_and_leaves_no_files() {
        for (signal, number) in [("-INT", 2), ("-TERM", 15)] {
            let out = tempfile::tempdir().unwrap();
            let child = started(out.path());
            send(signal, &child);
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.signal(), Some(number));
            let message = String::from_utf8(output.stderr).unwrap();
            assert!(
                message.contains("interrupted; explained: 0 of 1"),
                "{message}"
            );
            assert!(names(out.path()).is_empty());
        }
    }

    #[test]
    fn an_interruption_while_writing_leaves_no_files() {
        let out = tempfile::tempdir().unwrap();
        let child = program()
            .args([
                "explain",
                "--out",
                text(out.path()),
                COFFEE,
                "--class",
                "all",
            ])
            .args(FAST)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        while !tree(out.path())
            .iter()
            .any(|path| path.ends_with("9-ostrich"))
        {
            std::thread::sleep(Duration::from_millis(5));
        }
        send("-TERM", &child);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.signal(), Some(15));
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(
            message.contains("1000 classes of 1 picture will take about"),
            "{message}"
        );
        assert!(!message.contains("error:"), "{message}");
        assert!(names(out.path()).is_empty());
    }

    #[test]
    fn the_next_run_removes_the_files_of_a_killed_one() {
        let out = tempfile::tempdir().unwrap();
        explain(out.path(), &with(&[COFFEE], &FAST));
        let before = fs::read(out.path().join("coffee/explanation.json")).unwrap();
        let mut child = started(out.path());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(names(out.path()).len(), 2);
        let after = fs::read(out.path().join("coffee/explanation.json")).unwrap();
        assert!(before == after);
        explain(out.path(), &with(&[CHELSEA], &FAST));
        assert_eq!(names(out.path()), ["chelsea", "coffee"]);
    }
}
