//! The program as people run it: arguments in, files, lines and exit codes out.

mod bench;
mod classify;
mod convert;
mod descriptions;
mod explain;
mod pictures;
mod prepare;
mod requests;
mod train;

use std::path::Path;
use std::process::{Command, Stdio};

const COFFEE: &str = "assets/samples/coffee.png";
const CHELSEA: &str = "assets/samples/chelsea.png";

/// The network that tests use where it does not matter which: the fastest.
const FAST: [&str; 4] = ["--model", "squeezenet1_1", "--method", "guided-backprop"];

/// How a run ended and what it said.
struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Run {
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).expect("the output is JSON")
    }
}

/// The program, to be run in the folder above `crates`.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dvm"));
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    command.stdin(Stdio::null());
    command
}

fn dvm(arguments: &[&str]) -> Run {
    let output = program().args(arguments).output().unwrap();
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// `dvm explain` into a folder.
fn explain(out: &Path, arguments: &[&str]) -> Run {
    let mut all = vec!["explain", "--out", text(out)];
    all.extend(arguments);
    dvm(&all)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
