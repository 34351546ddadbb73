//! Tests of the program: arguments in; files, output and exit status out.

mod bench;
mod checks;
mod classify;
mod compare;
mod convert;
mod descriptions;
mod explain;
mod fetch;
mod files_of_weights;
mod html_report;
mod onnx;
mod pictures;
mod prepare;
mod preparing;
mod requests;
mod results;
mod serve;
mod sources;
mod survey;
mod terminal;
mod train;
mod train_endings;

use std::path::Path;
use std::process::{Command, Stdio};

const COFFEE: &str = "assets/samples/coffee.png";
const CHELSEA: &str = "assets/samples/chelsea.png";

/// The fastest network.
const FAST: [&str; 4] = ["--model", "squeezenet1_1", "--method", "guided-backprop"];

/// Exit status and output of a run.
struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Run {
    fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).expect("the output is JSON")
    }
}

/// An empty cache, so that tests do not depend on fetched weights.
const NO_CACHE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/no-cache");

/// The program in the root folder of the repository, with an empty cache and without settings in the environment.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dvm"));
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    command.stdin(Stdio::null());
    command.env("DVM_CACHE", NO_CACHE);
    for variable in ["DVM_OFFLINE", "DVM_BASE_URL", "SSL_CERT_FILE"] {
        command.env_remove(variable);
    }
    command
}

fn dvm(arguments: &[&str]) -> Run {
    Run::of(program().args(arguments))
}

/// Runs `dvm explain` with `--out`.
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
