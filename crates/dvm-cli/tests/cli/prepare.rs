//! `dvm prepare`: data sets, audits, errors.

use std::fs;
use std::path::Path;

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

/// Two classes with five and ten pictures, and a file that is not a picture.
fn flowers(home: &Path) {
    for (class, count) in [("roses", 5), ("tulips", 10)] {
        let folder = home.join("flowers").join(class);
        fs::create_dir_all(&folder).unwrap();
        for n in 0..count {
            let seed = n + 100 * count;
            fs::write(folder.join(format!("P{n}_{seed}.png")), blocks(seed)).unwrap();
        }
    }
    fs::write(home.join("flowers/roses/licence.txt"), b"").unwrap();
}

#[test]
fn a_folder_becomes_a_data_set_once() {
    let home = tempfile::tempdir().unwrap();
    flowers(home.path());
    let (source, set) = (home.path().join("flowers"), home.path().join("set"));
    let run = dvm(&["prepare", "folder", text(&source), text(&set)]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
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

    let again = dvm(&["prepare", "folder", text(&source), text(&set), "--json"]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
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
    let home = tempfile::tempdir().unwrap();
    flowers(home.path());
    let (source, set) = (home.path().join("flowers"), home.path().join("set"));
    let prepare = |more: &[&str]| {
        let first = ["prepare", "folder", text(&source), text(&set), "--quiet"];
        dvm(&[&first[..], more].concat())
    };
    assert_eq!(prepare(&[]).stdout, "");
    let run = prepare(&["--seed", "2"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("--replace"), "{}", run.stderr);
    assert!(run.stderr.contains("seed 1"), "{}", run.stderr);
    let run = prepare(&["--seed", "2", "--replace", "--link", "manifest"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(names(&set), ["dvm-dataset.json"]);
}

#[test]
fn errors_say_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    flowers(home.path());
    let (source, set) = (home.path().join("flowers"), home.path().join("set"));
    let refused = |corpus: &str, source: &Path, more: &[&str]| {
        let first = ["prepare", corpus, text(source), text(&set)];
        let run = dvm(&[&first[..], more].concat());
        assert_eq!(run.code, Some(2), "{}", run.stderr);
        assert!(!set.exists());
        run.stderr
    };
    let missing = refused("folder", &home.path().join("missing"), &[]);
    assert!(missing.contains("missing: "), "{missing}");
    let share = refused("folder", &source, &["--val", "-0.1"]);
    assert!(share.contains("invalid value `-0.1` for --val"), "{share}");
    let group = refused("folder", &source, &["--group", "^(Q)"]);
    assert!(
        group.contains("P0_500.png: the file name does not match the option `group`"),
        "{group}"
    );
    let classes = refused("flower_5", &source, &[]);
    assert!(
        classes.contains("lacks the class folder daisy, dandelion, sunflowers"),
        "{classes}"
    );
    refused("folder", &source, &["--fraction", "0.5"]);
    refused("meadow", &source, &[]);
}

#[test]
fn groups_are_not_split() {
    let home = tempfile::tempdir().unwrap();
    flowers(home.path());
    let (source, set) = (home.path().join("flowers"), home.path().join("set"));
    let run = dvm(&[
        "prepare",
        "folder",
        text(&source),
        text(&set),
        "--group",
        "^(P.)_",
    ]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let run = dvm(&[
        "prepare",
        "audit",
        text(&set),
        "--group",
        "^(P.)_",
        "--json",
    ]);
    assert_eq!(run.code, Some(0), "{}", run.stdout);
    // A split by picture would put every group on both sides.
    let run = dvm(&["prepare", "audit", text(&set), "--group", "^(P)", "--json"]);
    assert_eq!(run.code, Some(1));
    assert_eq!(run.json()["findings"][0]["kind"], "leaked-groups");
}

#[test]
fn an_audit_lists_findings_and_fails_for_serious_ones() {
    let home = tempfile::tempdir().unwrap();
    flowers(home.path());
    let source = home.path().join("flowers");
    let sound = dvm(&["prepare", "audit", text(&source)]);
    assert_eq!(sound.code, Some(0), "{}", sound.stdout);
    assert!(
        sound
            .stdout
            .ends_with("15 pictures of 2 classes, nothing found\n"),
        "{}",
        sound.stdout
    );

    for n in 0..6 {
        fs::write(source.join(format!("roses/broken{n}.png")), b"text").unwrap();
    }
    let run = dvm(&["prepare", "audit", text(&source)]);
    assert_eq!(run.code, Some(1));
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert!(
        lines[0].ends_with("21 pictures of 2 classes, 1 finding"),
        "{}",
        lines[0]
    );
    assert_eq!(
        lines[2],
        "serious  unreadable  6 files cannot be read as a picture"
    );
    assert!(
        lines[6].starts_with("  roses/broken0.png  (is not in a supported picture format"),
        "{}",
        lines[6]
    );
    assert_eq!(lines[10], "  … and 2 more; --all lists them");
    let all = dvm(&["prepare", "audit", text(&source), "--all", "--quiet"]);
    assert!(all.stdout.contains("roses/broken5.png"), "{}", all.stdout);

    let json = dvm(&["prepare", "audit", text(&source), "--json"]).json();
    assert_eq!(json["pictures"], 21);
    assert_eq!(json["findings"][0]["severity"], "serious");
    let groups = json["findings"][0]["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 6);
    assert_eq!(groups[0]["pictures"][0]["path"], "roses/broken0.png");
    assert_eq!(groups[0]["pictures"][0]["class"], "roses");
    let missing = dvm(&["prepare", "audit", "no such folder"]);
    assert_eq!(missing.code, Some(2));
    assert!(
        missing.stderr.contains("no such folder: "),
        "{}",
        missing.stderr
    );
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
