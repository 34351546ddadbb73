//! `dvm prepare`: data sets, audits, errors.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{dvm, names, text};

/// A picture of 6 × 6 coloured blocks that depend on the seed.
fn blocks(seed: u32) -> Vec<u8> {
    // A linear congruential generator.
    let next = |state: u32| state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    let colours: Vec<u32> = std::iter::successors(Some(next(seed)), |s| Some(next(*s)))
        .take(200)
        .skip(200 - 36)
        .collect();
    let mut picture = dvm::Picture::filled(240, 240, [0; 3]);
    for y in 0..240 {
        for x in 0..240 {
            let [_, r, g, b] = colours[y / 40 * 6 + x / 40].to_le_bytes();
            picture.set_pixel(y, x, [r, g, b]);
        }
    }
    dvm::encode_png(&picture)
}

/// An empty folder, and in it: two classes with five and ten pictures, and a file that is not a picture; the folder
/// for a data set.
fn flowers() -> (TempDir, PathBuf, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let (source, set) = (home.path().join("flowers"), home.path().join("set"));
    for (class, count) in [("roses", 5), ("tulips", 10)] {
        let folder = source.join(class);
        fs::create_dir_all(&folder).unwrap();
        for n in 0..count {
            let seed = n + 100 * count;
            fs::write(folder.join(format!("P{n}_{seed}.png")), blocks(seed)).unwrap();
        }
    }
    fs::write(source.join("roses/licence.txt"), b"").unwrap();
    (home, source, set)
}

#[test]
fn a_folder_becomes_a_data_set_once() {
    let (home, source, set) = flowers();
    let run = dvm(&["prepare", "folder", text(&source), text(&set)]).exits(0);
    assert_eq!(
        run.stderr,
        "note: left out: files without the extension of a picture (1)\n"
    );
    let table: Vec<Vec<&str>> = run
        .stdout
        .lines()
        .map(|l| l.split_whitespace().collect())
        .collect();
    assert!(run.stdout.contains("set: 15 pictures of 2 classes, made\n"));
    assert_eq!(
        table[1..],
        [
            ["class", "train", "val", "test"],
            ["roses", "4", "1", "0"],
            ["tulips", "8", "2", "0"],
            ["all", "12", "3", "0"],
        ]
    );
    assert_eq!(names(&set), ["dvm-dataset.json", "train", "val"]);
    assert_eq!(names(&set.join("train/roses")).len(), 4);
    assert_eq!(names(home.path()), ["flowers", "set"]);

    let again = dvm(&["prepare", "folder", text(&source), text(&set), "--json"]).exits(0);
    let json = again.json();
    assert_eq!(json["outcome"], "already there");
    assert_eq!(json["pictures"]["val"]["tulips"], 2);
    assert_eq!(json["classes"], serde_json::json!(["roses", "tulips"]));
    assert_eq!(json["settings"]["seed"], "1");
    assert_eq!(
        json["left_out"]["files without the extension of a picture"],
        1
    );
}

#[test]
fn another_seed_needs_another_folder_or_replace() {
    let (_home, source, set) = flowers();
    let prepare = |more: &[&str]| {
        let first = ["prepare", "folder", text(&source), text(&set), "--quiet"];
        dvm(&[&first[..], more].concat())
    };
    assert_eq!(prepare(&[]).stdout, "");
    let run = prepare(&["--seed 2"]).exits(2);
    run.says("--replace");
    run.says("seed 1");
    prepare(&["--seed 2 --replace --link manifest"]).exits(0);
    assert_eq!(names(&set), ["dvm-dataset.json"]);
}

#[test]
fn errors_say_what_to_do() {
    let (home, source, set) = flowers();
    let refused = |corpus: &str, source: &Path, more: &[&str]| {
        let first = ["prepare", corpus, text(source), text(&set)];
        let run = dvm(&[&first[..], more].concat()).exits(2);
        assert!(!set.exists());
        run
    };
    refused("folder", &home.path().join("missing"), &[]).says("missing: ");
    refused("folder", &source, &["--val -0.1"]).says("invalid value `-0.1` for --val");
    refused("folder", &source, &["--group ^(Q)"])
        .says("P0_500.png: the file name does not match the option `group`");
    refused("flower_5", &source, &[]).says("lacks the class folder daisy, dandelion, sunflowers");
    refused("folder", &source, &["--fraction 0.5"]);
    refused("meadow", &source, &[]);
}

#[test]
fn groups_are_not_split() {
    let (_home, source, set) = flowers();
    dvm(&[
        "prepare",
        "folder",
        text(&source),
        text(&set),
        "--group ^(P.)_",
    ])
    .exits(0);
    dvm(&["prepare", "audit", text(&set), "--group ^(P.)_ --json"]).exits(0);
    // A split by picture would put every group on both sides.
    let run = dvm(&["prepare", "audit", text(&set), "--group ^(P) --json"]).exits(1);
    assert_eq!(run.json()["findings"][0]["kind"], "leaked-groups");
}

#[test]
fn an_audit_lists_findings_and_fails_for_serious_ones() {
    let (_home, source, _) = flowers();
    dvm(&["prepare", "audit", text(&source)])
        .exits(0)
        .prints("15 pictures of 2 classes, nothing found\n");

    for n in 0..6 {
        fs::write(source.join(format!("roses/broken{n}.png")), b"text").unwrap();
    }
    let run = dvm(&["prepare", "audit", text(&source)]).exits(1);
    let lines: Vec<&str> = run.stdout.lines().collect();
    run.prints("21 pictures of 2 classes, 1 finding\n");
    assert_eq!(
        lines[2],
        "serious  unreadable  6 files cannot be read as a picture"
    );
    let broken = "  roses/broken0.png  (is not in a supported picture format";
    assert!(lines[6].starts_with(broken), "{}", lines[6]);
    assert_eq!(lines[10], "  … and 2 more; --all lists them");
    let all = dvm(&["prepare", "audit", text(&source), "--all --quiet"]);
    all.prints("roses/broken5.png");

    let json = dvm(&["prepare", "audit", text(&source), "--json"]).json();
    assert_eq!(json["pictures"], 21);
    assert_eq!(json["findings"][0]["severity"], "serious");
    let groups = json["findings"][0]["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 6);
    assert_eq!(groups[0]["pictures"][0]["path"], "roses/broken0.png");
    assert_eq!(groups[0]["pictures"][0]["class"], "roses");
    dvm(&["prepare", "audit", "no such folder"])
        .exits(2)
        .says("no such folder: ");
}

#[test]
fn every_corpus_has_help() {
    let help = dvm(&["prepare", "--help"]).stdout;
    for corpus in dvm::data::corpora::ALL {
        assert!(help.contains(corpus.name), "{}", corpus.name);
        let own = dvm(&["prepare", corpus.name, "--help"]).stdout;
        assert!(own.starts_with(corpus.summary), "{own}");
        for option in corpus.options {
            assert!(
                own.contains(&format!("--{} <", option.name)),
                "{}",
                option.name
            );
        }
    }
    assert!(help.contains("audit"), "{help}");
}
