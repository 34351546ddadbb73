//! `dvm models fetch` from a local server, and commands that use the fetched files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use dvm::fetch::Cache;
use dvm::{Classifier, weights};
use tempfile::TempDir;

use crate::{COFFEE, Run, program, text};
use dvm_testing::server::{Server, Step, reply, whole};

/// A cache for one test.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(arguments);
        command.env("DVM_CACHE", self.folder.path());
        command
    }

    fn dvm(&self, arguments: &[&str]) -> Run {
        Run::of(&mut self.command(arguments))
    }

    /// `dvm models fetch` from this server.
    fn fetch(&self, server: &Server, arguments: &[&str]) -> Run {
        let first = ["models", "fetch", "--base-url", &server.url("")];
        self.dvm(&[&first, arguments].concat())
    }

    /// The file of the default weights of a network.
    fn path(&self, network: &str) -> PathBuf {
        let published = dvm::models::find(network).unwrap().usual();
        Cache::at(self.folder.path()).path(&weights::address(published))
    }

    /// Writes random weights there, as if they had been fetched.
    fn put(&self, network: &str) -> PathBuf {
        let path = self.path(network);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        Classifier::random(network).unwrap().save(&path).unwrap();
        let sha256 = self.sha256(network);
        let record = format!("{}.sha256", text(&path));
        fs::write(record, format!("{sha256}  weights\n")).unwrap();
        path
    }

    /// SHA-256 of that file.
    fn sha256(&self, network: &str) -> String {
        let published = dvm::models::find(network).unwrap().usual();
        let cache = Cache::at(self.folder.path());
        let cached = cache.find(&weights::address(published)).unwrap();
        cached.digest().unwrap().0
    }

    /// Number of files in the cache, without locks.
    fn files(&self) -> usize {
        count(self.folder.path())
    }
}

fn count(folder: &Path) -> usize {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .map(|path| match path.is_dir() {
            true => count(&path),
            false => usize::from(!text(&path).ends_with(".lock")),
        })
        .sum()
}

/// Checks that a run failed with all these words.
fn refused(run: Run, words: &[&str]) {
    let run = run.exits(2);
    assert_eq!(run.stdout, "");
    let error = run.stderr.lines().last().unwrap();
    assert!(error.starts_with("error: "), "{}", run.stderr);
    for word in words {
        assert!(error.contains(word), "{word}: {error}");
    }
}

#[test]
fn a_file_with_a_wrong_checksum_is_deleted() {
    let desk = Desk::new();
    let server = Server::new(|_, _| whole(&[7; 5000], &[]));
    let run = desk.fetch(&server, &["resnet18"]);
    run.says("licence BSD-3-Clause (torchvision)");
    refused(
        run,
        &["is not the published one", "begin with f37072fd", "deleted"],
    );
    assert_eq!(desk.files(), 0);
    assert_eq!(server.asked()[0].path, "/resnet18-f37072fd.pth");
    let quiet = desk.fetch(&server, &["resnet18", "--quiet"]);
    assert_eq!(quiet.stderr.lines().count(), 1, "{}", quiet.stderr);
}

#[test]
fn the_error_names_a_file_missing_on_the_server() {
    let desk = Desk::new();
    let server = Server::new(|_, _| reply("404 Not Found", &[("content-length", "0")], b""));
    let run = desk.fetch(&server, &["vgg16"]);
    refused(
        run,
        &[&server.url("/vgg16-397923af.pth"), "404 (not found)"],
    );
    assert_eq!(desk.files(), 0);
}

#[test]
fn a_silent_server_times_out_and_received_bytes_are_kept() {
    let desk = Desk::new();
    let server = Server::new(|_, _| {
        let mut steps = whole(&[7; 5000], &[]);
        let Some(Step::Say(body)) = steps.last_mut() else {
            panic!("an answer ends with its body");
        };
        body.truncate(1000);
        steps.push(Step::Wait(std::time::Duration::from_secs(3)));
        steps
    });
    let run = desk.fetch(&server, &["resnet18", "--timeout 1 --retries 0"]);
    refused(run, &["stopped sending for 1 s", "to resume"]);
    let part = format!("{}.part", text(&desk.path("resnet18")));
    assert_eq!(fs::metadata(part).unwrap().len(), 1000);
}

#[test]
fn a_file_of_the_hub_is_fetched_and_found_by_the_networks_name() {
    let desk = Desk::new();
    let network = "mobilenetv3_small_100";
    let made = desk.folder.path().join("made.safetensors");
    Classifier::random(network).unwrap().save(&made).unwrap();
    let bytes = fs::read(&made).unwrap();
    let digits = Classifier::read(&made).unwrap().weights_sha256().to_owned();
    // The header of a mirror; the tests of dvm-fetch cover that of the hub.
    let tag = format!("\"{digits}\"");
    let server = Server::new(move |_, _| whole(&bytes, &[("etag", &tag)]));
    let json = desk.fetch(&server, &[network, "--json"]).json();
    assert_eq!(json[0]["outcome"], "fetched");
    assert_eq!(json[0]["checked"], "announced");
    assert_eq!(json[0]["sha256"], digits);
    let run = desk.fetch(&server, &[network]);
    let usage = format!("dvm explain photo.jpg --model {network}\n");
    assert!(run.stdout.ends_with(&usage), "{}", run.stdout);
    assert_eq!(server.asked().len(), 1);
    desk.dvm(&["classify", COFFEE, "--model", network]).exits(0);
}

#[test]
fn another_tag_is_another_file() {
    let desk = Desk::new();
    let server = Server::new(|_, _| whole(&[7; 5000], &[]));
    let run = desk.fetch(&server, &["resnet50", "--weights IMAGENET1K_V2"]);
    refused(run, &["begin with 11ad3fa6"]);
    let run = desk.fetch(&server, &["resnet50", "--weights V3"]);
    refused(run, &["`V3`", "IMAGENET1K_V1, IMAGENET1K_V2"]);
    let run = desk.fetch(&server, &["resnet50", "vgg99"]);
    refused(run, &["`vgg99`", "did you mean `vgg19`?"]);
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn offline_sends_no_request() {
    let desk = Desk::new();
    let server = Server::new(|_, _| whole(b"", &[]));
    let place = desk.path("resnet18");
    let words = ["offline", text(&place), "/resnet18-f37072fd.pth"];
    refused(desk.fetch(&server, &["resnet18", "--offline"]), &words);
    let base = server.url("");
    let mut command = desk.command(&["models", "fetch", "resnet18"]);
    command.env("DVM_OFFLINE", "1").env("DVM_BASE_URL", &base);
    refused(Run::of(&mut command), &words);
    assert!(server.asked().is_empty());
    let mut command = desk.command(&["models", "fetch", "resnet18"]);
    command.env("DVM_OFFLINE", "0").env("DVM_BASE_URL", &base);
    refused(Run::of(&mut command), &["sends an empty file"]);
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn a_cached_file_is_reported_with_a_command_that_uses_it() {
    let desk = Desk::new();
    let path = desk.put("squeezenet1_1");
    let run = desk
        .dvm(&["models", "fetch", "squeezenet1_1", "--offline"])
        .exits(0);
    // The network has embedded weights, so the tag is needed.
    let usage = "dvm explain photo.jpg --model squeezenet1_1 --weights IMAGENET1K_V1";
    for words in ["already", text(&path), "BSD-3-Clause", "SHA-256", usage] {
        run.prints(words);
    }
    let json = desk
        .dvm(&["models", "fetch", "squeezenet1_1", "--offline --json"])
        .json();
    assert_eq!(json[0]["file"], text(&path));
    assert_eq!(json[0]["tag"], "IMAGENET1K_V1");
    assert_eq!(json[0]["outcome"], "already there");
    assert_eq!(json[0]["sha256"], desk.sha256("squeezenet1_1"));
    let arguments = ["classify", COFFEE, "--json --model squeezenet1_1"];
    let seen = |run: Run| run.json()[0]["top"][0].clone();
    let fetched = desk
        .dvm(&[&arguments[..], &["--weights IMAGENET1K_V1"]].concat())
        .exits(0);
    let embedded = seen(desk.dvm(&arguments));
    assert_eq!(embedded["name"], "espresso");
    assert_ne!(seen(fetched), embedded);
    let elsewhere = tempfile::tempdir().unwrap();
    let cache = ["--offline --cache", text(elsewhere.path())];
    let run = desk.dvm(&[&["models", "fetch", "squeezenet1_1"], &cache[..]].concat());
    refused(run, &[text(elsewhere.path())]);
}

#[test]
fn fetched_weights_are_found_by_the_networks_name() {
    let desk = Desk::new();
    let listed = |weights: &str| {
        let list = desk.dvm(&["models", "list"]).stdout;
        let mut lines = list.lines();
        let line = lines.find(|line| line.starts_with("resnet18 ")).unwrap();
        assert!(line.contains(weights), "{line}");
    };
    listed("  a file  ");
    let shown = desk.dvm(&["models", "show", "resnet18"]).stdout;
    assert!(shown.contains("`dvm models fetch resnet18`"), "{shown}");
    let path = desk.put("resnet18");
    listed("  fetched  ");
    let shown = desk.dvm(&["models", "show", "resnet18"]).stdout;
    assert!(shown.contains(text(&path)), "{shown}");
    let json = desk.dvm(&["models", "show", "resnet18", "--json"]).json();
    assert_eq!(json["published"]["path"], text(&path));
    let out = desk.folder.path().join("maps");
    let explain = ["explain", COFFEE, "--model resnet18 --method gradient"];
    desk.dvm(&[&explain[..], &["--out", text(&out)]].concat())
        .exits(0);
    let record = fs::read(out.join("coffee/explanation.json")).unwrap();
    let record = String::from_utf8(record).unwrap();
    assert!(record.contains(&desk.sha256("resnet18")), "{record}");

    // Changes one bit of a weight.
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let run = desk.dvm(&["classify", COFFEE, "--model resnet18"]);
    refused(
        run,
        &[text(&path), "damaged", "`dvm models fetch resnet18`"],
    );
    fs::write(&path, "rotten").unwrap();
    let run = desk.dvm(&["classify", COFFEE, "--model resnet18"]);
    refused(
        run,
        &[text(&path), "damaged", "`dvm models fetch resnet18`"],
    );
}

#[test]
fn the_error_for_missing_weights_suggests_two_commands() {
    let desk = Desk::new();
    let help = |arguments: &[&str], own: &str| {
        refused(desk.dvm(arguments), &["`dvm models fetch resnet18`", own]);
    };
    help(
        &["explain", COFFEE, "--model resnet18"],
        "`dvm explain … --model resnet18 --weights FILE`",
    );
    help(
        &["classify", COFFEE, "--model resnet18"],
        "`dvm classify … --model resnet18 --weights FILE`",
    );
    help(
        &["bench", "forward", "--model resnet18"],
        "--random-weights",
    );
    help(
        &["models", "convert", "resnet18", "out.safetensors"],
        "`dvm models convert FILE OUT --model resnet18`",
    );
    let tag = ["--model resnet50 --weights IMAGENET1K_V2"];
    let run = desk.dvm(&[&["classify", COFFEE], &tag[..]].concat());
    refused(
        run,
        &["`dvm models fetch resnet50 --weights IMAGENET1K_V2`"],
    );
}
