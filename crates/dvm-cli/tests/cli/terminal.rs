//! Output on terminals: control characters in names, and output that cannot be written.

use std::fs;
use std::path::PathBuf;

use crate::{COFFEE, FAST, Run, dvm, explain, program, root, text};

/// A picture with control characters in its name: colour, cursor up, new line.
fn with_control_characters(folder: &tempfile::TempDir) -> PathBuf {
    let picture = folder.path().join("a\x1b[31m\u{9b}1A\nerror: b.png");
    fs::copy(root(COFFEE), &picture).unwrap();
    picture
}

fn assert_harmless(run: &Run, lines: usize) {
    for output in [&run.stdout, &run.stderr] {
        let obeyed = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!output.contains(obeyed), "{output:?}");
        assert!(!output.contains("\nerror: b.png"), "{output:?}");
    }
    assert_eq!(run.stdout.lines().count(), lines, "{}", run.stdout);
}

#[cfg(unix)]
#[test]
fn control_characters_in_names_are_escaped() {
    let home = tempfile::tempdir().unwrap();
    let picture = with_control_characters(&home);
    let classes = home.path().join("classes.json");
    // Class names with control characters are an error when they are read.
    let names = vec!["\u{202e}osserpse"; 1000];
    fs::write(&classes, serde_json::to_string(&names).unwrap()).unwrap();
    let options = ["--model squeezenet1_1 --classes", text(&classes)];
    let seen = dvm(&[&["classify", text(&picture)], &options[..]].concat()).exits(0);
    assert_harmless(&seen, 6);
    seen.prints(r"a\u{1b}[31m");
    let out = home.path().join("out");
    let more = [text(&picture), "--method guided-backprop"];
    let explained = explain(&out, &[&more, &options[..]].concat()).exits(0);
    assert_harmless(&explained, 1);
    fs::write(&picture, "no picture").unwrap();
    let failed = dvm(&["classify", text(&picture)]).exits(1);
    assert_harmless(&failed, 0);
    let json = dvm(&["classify", text(&picture), "--json"]);
    assert!(!json.stdout.contains('\u{9b}'), "{:?}", json.stdout);
    assert_eq!(json.json()[0]["image"], text(&picture));
    let taken_for_an_option = dvm(&["classify", "--a\x1b[31m"]).exits(2);
    assert_harmless(&taken_for_an_option, 0);
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_an_error() {
    let out = tempfile::tempdir().unwrap();
    let explained = ["explain", COFFEE, "--out", text(out.path()), FAST];
    for arguments in [
        &["--help"][..],
        &["models", "list"],
        &["classify", COFFEE, "--model squeezenet1_1"],
        &["classify", COFFEE, "--model squeezenet1_1 --json"],
        &explained,
    ] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = program(arguments).stdout(full).output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {message}");
        let is_named = message.contains("standard output");
        assert!(is_named, "{arguments:?}: {message}");
    }
    assert!(out.path().join("coffee/figure.png").exists());
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_is_not_an_error() {
    for arguments in [&["--help"][..], &["models", "list"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = program(arguments).stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn the_number_of_threads_is_limited() {
    let run = dvm(&["classify", COFFEE, "--model squeezenet1_1 --threads 1024"]).exits(0);
    let note = "threads compute instead of 1024";
    run.says(note);
}
