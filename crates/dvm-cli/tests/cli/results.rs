//! Folders of results: complete, and from one run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use crate::{CHELSEA, COARSE, COFFEE, FAST, Run, dvm, explain, names, program, record, root, text};

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
    explain(out.path(), &[COFFEE, FAST]);
    explain(out.path(), &[COFFEE, COARSE]).exits(0);
    let folder = out.path().join("coffee");
    assert_eq!(names(&folder), listed(&folder));
    assert!(!folder.join("guided-backprop.npy").exists());
    assert_eq!(names(out.path()), ["coffee"]);
}

#[test]
fn results_of_one_class_and_of_several_replace_each_other() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("coffee");
    for _ in 0..2 {
        explain(out.path(), &[COFFEE, FAST]).exits(0);
        assert_eq!(names(&folder), listed(&folder));
        explain(out.path(), &[COFFEE, "--class espresso --class cup", FAST]).exits(0);
        assert_eq!(names(&folder), ["967-espresso", "968-cup"]);
    }
}

#[test]
fn a_folder_with_other_files_is_an_error_before_anything_is_computed() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("coffee");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("thesis.tex"), "precious").unwrap();
    explain(out.path(), &[COFFEE, CHELSEA, FAST])
        .exits(1)
        .says("thesis.tex");
    assert_eq!(names(&folder), ["thesis.tex"]);
    assert_eq!(names(out.path()), ["chelsea", "coffee"]);
}

#[test]
fn replacing_the_results_of_another_picture_gives_a_note() {
    let out = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let coffee = other.path().join("coffee.png");
    fs::copy(root(CHELSEA), &coffee).unwrap();
    explain(out.path(), &[COFFEE, FAST]);
    let same = explain(out.path(), &[COFFEE, FAST]);
    same.does_not_say("another picture");
    let run = explain(out.path(), &[text(&coffee), FAST]).exits(0);
    let note = format!("the explanation of another picture, {COFFEE}; it will be replaced");
    run.says(&note);
}

#[test]
fn classes_share_one_raw_array_of_occlusion() {
    let out = tempfile::tempdir().unwrap();
    let classes = "--class espresso --class cup --json";
    let run = explain(out.path(), &[COFFEE, classes, COARSE]).exits(0);
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
    explain(out.path(), &[COFFEE, FAST]);
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
    let runs: Vec<_> = (0..4)
        .map(|run| {
            started(
                out.path(),
                &["--quiet", if run % 2 == 0 { FAST } else { COARSE }],
            )
        })
        .collect();
    for run in runs {
        Run::ended(run).exits(0);
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
        explain(&out, &[COFFEE, "--model no-such-network.onnx"])
            .exits(2)
            .says(text(&out));
    }
}

#[test]
fn a_report_over_other_files_is_an_error_before_anything_is_computed() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("thesis.tex"), "").unwrap();
    let run = dvm(&[
        "evaluate",
        "no-such.safetensors",
        "no-such-data",
        "--out",
        text(home.path()),
    ]);
    run.exits(2).says("thesis.tex");
}

/// Starts `dvm explain` of the picture of coffee.
fn started(out: &Path, options: &[&str]) -> Child {
    let mut command = program(&[&["explain", COFFEE, "--out", text(out)], options].concat());
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

#[cfg(unix)]
mod signals {
    use super::*;
    use crate::{send, wait_until};
    use std::os::unix::process::ExitStatusExt;

    /// Starts an explanation, and waits until a path ends with this name.
    fn begun(out: &Path, options: &[&str], name: &str) -> Child {
        let mut child = started(out, options);
        let has_name = |path: &PathBuf| path.ends_with(name);
        wait_until(&mut child, || tree(out).iter().any(has_name));
        child
    }

    /// An occlusion that takes minutes, after its first files.
    fn long(out: &Path) -> Child {
        let options = ["--stride 1 --method occlusion --model squeezenet1_1"];
        begun(out, &options, "new")
    }

    /// The messages of a program that this signal ended.
    fn ended_by(number: i32, child: Child) -> String {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.signal(), Some(number));
        String::from_utf8(output.stderr).unwrap()
    }

    #[test]
    fn an_interrupted_run_ends_by_the_signal_and_leaves_no_files() {
        for (signal, number) in [("-INT", 2), ("-TERM", 15)] {
            let out = tempfile::tempdir().unwrap();
            let child = long(out.path());
            send(signal, &child);
            let message = ended_by(number, child);
            let words = "interrupted; explained: 0 of 1";
            assert!(message.contains(words), "{message}");
            assert!(names(out.path()).is_empty());
        }
    }

    #[test]
    fn an_interruption_while_writing_leaves_no_files() {
        let out = tempfile::tempdir().unwrap();
        let child = begun(out.path(), &["--class all", FAST], "9-ostrich");
        send("-TERM", &child);
        let message = ended_by(15, child);
        let words = "1000 classes of 1 picture will take about";
        assert!(message.contains(words), "{message}");
        assert!(!message.contains("error:"), "{message}");
        assert!(names(out.path()).is_empty());
    }

    #[test]
    fn the_next_run_removes_the_files_of_a_killed_one() {
        let out = tempfile::tempdir().unwrap();
        explain(out.path(), &[COFFEE, FAST]);
        let before = fs::read(out.path().join("coffee/explanation.json")).unwrap();
        let mut child = long(out.path());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(names(out.path()).len(), 2);
        let after = fs::read(out.path().join("coffee/explanation.json")).unwrap();
        assert!(before == after);
        explain(out.path(), &[CHELSEA, FAST]);
        assert_eq!(names(out.path()), ["chelsea", "coffee"]);
    }
}
