//! What ARCHITECTURE.md promises about the house, held by tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// All Rust files of the workspace's crates.
fn rust_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![crates()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    assert!(files.len() > 50, "the search looks in the wrong place");
    files
}

/// For each crate, the crates of this workspace that it depends on (not for tests only).
fn arrows() -> BTreeMap<String, Vec<String>> {
    fs::read_dir(crates())
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let manifest = fs::read_to_string(path.join("Cargo.toml")).unwrap();
            let depends = manifest
                .split_once("\n[dependencies]\n")
                .map_or("", |(_, rest)| rest)
                .lines()
                .take_while(|line| !line.starts_with('['))
                .filter_map(|line| line.split(['.', ' ', '=']).next())
                .filter(|name| name.starts_with("dvm"))
                .map(str::to_owned)
                .collect();
            (
                path.file_name().unwrap().to_str().unwrap().to_owned(),
                depends,
            )
        })
        .collect()
}

#[test]
fn crates_depend_on_each_other_as_the_architecture_says() {
    let text = fs::read_to_string(crates().parent().unwrap().join("ARCHITECTURE.md")).unwrap();
    let arrows = arrows();
    let mut rows = 0;
    for line in text.lines().filter(|line| line.starts_with("| `dvm")) {
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let name = columns[1].trim_matches('`');
        let mut allowed: Vec<String> = match columns[2] {
            "–" => Vec::new(),
            "all above" => arrows
                .keys()
                .filter(|k| !["dvm", "dvm-cli", "dvm-py", "dvm-web"].contains(&&k[..]))
                .cloned()
                .collect(),
            "`dvm`" => vec!["dvm".into()],
            names => names
                .split(", ")
                .map(|name| match name {
                    "dvm" => name.to_owned(),
                    part => format!("dvm-{part}"),
                })
                .collect(),
        };
        allowed.sort();
        let mut found = arrows[name].clone();
        found.sort();
        assert_eq!(found, allowed, "{name}");
        rows += 1;
    }
    assert_eq!(rows, arrows.len(), "the table names every crate");
}

#[test]
fn only_kernels_are_unsafe() {
    let kernels = crates().join("dvm-engine/src/ops");
    for file in rust_files() {
        let text = fs::read_to_string(&file).unwrap();
        let uses = text.lines().any(|line| {
            let code = line.trim_start();
            !code.starts_with("//") && (code.contains("unsafe {") || code.contains("unsafe fn"))
        });
        let excused = file.starts_with(&kernels) || file.ends_with("tests/house.rs");
        assert!(!uses || excused, "{}", file.display());
    }
}

#[test]
fn only_the_command_line_knows_clap() {
    for entry in fs::read_dir(crates()).unwrap() {
        let path = entry.unwrap().path();
        let manifest = fs::read_to_string(path.join("Cargo.toml")).unwrap();
        let knows = manifest.lines().any(|line| line.starts_with("clap"));
        assert_eq!(knows, path.ends_with("dvm-cli"), "{}", path.display());
    }
}

#[test]
fn only_the_wheel_knows_python() {
    for entry in fs::read_dir(crates()).unwrap() {
        let path = entry.unwrap().path();
        let manifest = fs::read_to_string(path.join("Cargo.toml")).unwrap();
        let knows = manifest.lines().any(|line| line.starts_with("pyo3"));
        assert_eq!(knows, path.ends_with("dvm-py"), "{}", path.display());
    }
}

/// That of these packages only one crate depends on any.
fn only(owner: &str, packages: &[&str]) {
    for entry in fs::read_dir(crates()).unwrap() {
        let path = entry.unwrap().path();
        let manifest = fs::read_to_string(path.join("Cargo.toml")).unwrap();
        let depends = manifest.lines().any(|line| {
            let name = line.split([' ', '.', '=']).next().unwrap_or_default();
            packages.contains(&name)
        });
        assert_eq!(depends, path.ends_with(owner), "{}", path.display());
    }
}

#[test]
fn only_fetching_asks_by_http() {
    let clients = ["ureq", "reqwest", "curl", "attohttpc", "minreq", "isahc"];
    only("dvm-fetch", &clients);
}

#[test]
fn only_the_server_answers_by_http() {
    only("dvm-web", &["axum", "hyper", "hyper-util", "tokio"]);
}

#[test]
fn only_the_onnx_crate_knows_protocol_buffers() {
    for entry in fs::read_dir(crates()).unwrap() {
        let path = entry.unwrap().path();
        let manifest = fs::read_to_string(path.join("Cargo.toml")).unwrap();
        let knows = manifest.lines().any(|line| line.starts_with("prost"));
        assert_eq!(knows, path.ends_with("dvm-onnx"), "{}", path.display());
    }
}

#[test]
fn files_are_short_and_their_names_say_what_is_in_them() {
    for file in rust_files() {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 600, "{} has {lines} lines", file.display());
        let stem = file.file_stem().unwrap().to_str().unwrap();
        let empty = [
            "util", "utils", "helper", "helpers", "common", "misc", "core", "manager",
        ];
        assert!(!empty.contains(&stem), "{}", file.display());
    }
}
