//! Tests of the program: arguments in; files, output and exit status out.

mod bench;
mod checks;
mod classify;
mod compare;
mod convert;
mod descriptions;
mod devices;
mod explain;
mod fetch;
mod files_of_weights;
mod html_report;
mod many_pictures;
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

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const COFFEE: &str = "assets/samples/coffee.png";
const CHELSEA: &str = "assets/samples/chelsea.png";

/// The fastest network.
const NETWORK: &str = "--model squeezenet1_1";
/// The fastest network and a fast method.
const FAST: &str = "--model squeezenet1_1 --method guided-backprop";
/// Occlusion with sixteen windows.
const COARSE: &str = "--model squeezenet1_1 --method occlusion --window 64 --stride 64";

/// Exit status and output of a run.
struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Run {
    fn of(command: &mut Command) -> Self {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::ended(command.spawn().unwrap())
    }

    /// Waits until a program ends.
    fn ended(child: Child) -> Self {
        let output = child.wait_with_output().unwrap();
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).expect("the output is JSON")
    }

    /// Checks the exit status.
    #[track_caller]
    fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        self
    }

    /// Checks that an error, a warning or a note contains these words.
    #[track_caller]
    fn says(&self, words: &str) -> &Self {
        assert!(self.stderr.contains(words), "{words}: {}", self.stderr);
        self
    }

    /// Checks that no error, warning or note contains these words.
    #[track_caller]
    fn does_not_say(&self, words: &str) {
        assert!(!self.stderr.contains(words), "{words}: {}", self.stderr);
    }

    /// Checks that the results contain these words.
    #[track_caller]
    fn prints(&self, words: &str) {
        assert!(self.stdout.contains(words), "{words}: {}", self.stdout);
    }
}

/// An empty cache, so that tests do not depend on fetched weights.
const NO_CACHE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/no-cache");

/// The program in the root folder of the repository, with an empty cache and without settings in the environment. An
/// argument that begins with `--` may hold several, separated by spaces: `--batch 3 --plain`.
fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dvm"));
    for argument in arguments {
        match argument.starts_with("--") {
            true => command.args(argument.split(' ')),
            false => command.arg(argument),
        };
    }
    command.current_dir(root(""));
    command.stdin(Stdio::null());
    command.env("DVM_CACHE", NO_CACHE);
    for variable in ["DVM_OFFLINE", "DVM_BASE_URL", "SSL_CERT_FILE"] {
        command.env_remove(variable);
    }
    command
}

fn dvm(arguments: &[&str]) -> Run {
    Run::of(&mut program(arguments))
}

/// Runs `dvm explain` with `--out`.
fn explain(out: &Path, arguments: &[&str]) -> Run {
    dvm(&[&["explain", "--out", text(out)], arguments].concat())
}

/// A file of the repository.
fn root(file: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(file)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The record in the folder of an explanation.
fn record(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("explanation.json")).unwrap()).unwrap()
}

/// The values in a file with one JSON value per line.
fn json_lines(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    let value = |line| serde_json::from_str(line).unwrap();
    text.lines().map(value).collect()
}

/// Removes values that differ between runs.
fn without_seconds(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("seconds");
            map.values_mut().for_each(without_seconds);
        }
        Value::Array(items) => items.iter_mut().for_each(without_seconds),
        _ => {}
    }
}

/// Waits until a running program has done something.
#[track_caller]
fn wait_until(child: &mut Child, mut is_done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_done() {
        assert!(child.try_wait().unwrap().is_none(), "it ended too early");
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "it takes too long"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Sends a signal, such as `-TERM`.
#[cfg(unix)]
fn send(signal: &str, child: &Child) {
    let id = child.id().to_string();
    let sent = Command::new("kill").args([signal, &id]).status().unwrap();
    assert!(sent.success());
}
