//! `dvm explain` with many pictures: shards, manifests, continued runs; `dvm export`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use parquet::file::reader::SerializedFileReader;
use parquet::record::RowAccessor;
use serde_json::Value;

use crate::{NETWORK, Run, dvm, json_lines as lines, program, text, wait_until};

/// `dvm explain` of a folder or list. If `more` does not choose others: arrays by the fastest method.
fn arguments<'a>(pictures: &'a Path, out: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let mut all = vec!["explain", text(pictures), "--out", text(out), NETWORK];
    let default = ["--method grad-cam", "--formats npy"];
    all.extend(default.into_iter().filter(|default| {
        let (option, _) = default.split_once(' ').unwrap();
        !more.iter().any(|given| given.contains(option))
    }));
    [&all, more].concat()
}

fn explain(pictures: &Path, out: &Path, more: &[&str]) -> Run {
    dvm(&arguments(pictures, out, more))
}

/// Writes a grey picture with a pattern that depends on `seed`.
fn write_picture(path: &Path, seed: usize) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(path).unwrap()), 48, 40);
    encoder.set_color(png::ColorType::Grayscale);
    let grey: Vec<u8> = (0..48 * 40)
        .map(|i| ((i * (seed + 3)) ^ (i >> 3)) as u8)
        .collect();
    encoder
        .write_header()
        .unwrap()
        .write_image_data(&grey)
        .unwrap();
}

/// A folder with these pictures, all different.
fn pictures(names: &[&str]) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    for (seed, name) in names.iter().enumerate() {
        write_picture(&home.path().join("in").join(name), seed);
    }
    home
}

fn named(lines: &[Value]) -> Vec<&str> {
    lines
        .iter()
        .map(|line| line["name"].as_str().unwrap())
        .collect()
}

/// All files below a folder with their bytes, without hidden ones.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(&inner).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let name = path.strip_prefix(folder).unwrap().to_owned();
                    all.insert(name, fs::read(path).unwrap());
                }
            }
        }
    }
    all
}

/// The arrays among the files.
fn arrays(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = files(folder);
    files.retain(|path, _| path.extension().is_some_and(|ending| ending == "npy"));
    files
}

#[test]
fn shards_together_have_every_picture_once_in_the_same_folders() {
    let home = pictures(&[
        "a/x.png",
        "a/x.jpg",
        "b/x.png",
        "b/y.png",
        "y.png",
        "z/z/x.png",
    ]);
    let (whole, parts) = (home.path().join("whole"), home.path().join("parts"));
    let input = home.path().join("in");
    explain(&input, &whole, &[]).exits(0);
    let mut seen = BTreeSet::new();
    for part in 1..=3 {
        explain(&input, &parts, &["--shard", &format!("{part}/3")]).exits(0);
        let manifest = parts.join(format!("manifest-0000{part}-of-00003.jsonl"));
        for name in named(&lines(&manifest)) {
            assert!(seen.insert(name.to_owned()), "{name} is in two shards");
        }
    }
    let all = lines(&whole.join("manifest.jsonl"));
    assert_eq!(named(&all), ["a/x", "a/x-2", "b/x", "b/y", "y", "z/z/x"]);
    assert_eq!(seen, named(&all).into_iter().map(str::to_owned).collect());
    assert_eq!(arrays(&whole).len(), 6);
    assert_eq!(arrays(&whole), arrays(&parts));
}

#[test]
fn a_shard_without_pictures_is_not_an_error() {
    let home = pictures(&["x.png"]);
    let out = home.path().join("out");
    let runs: Vec<Run> = (1..=2)
        .map(|part| {
            let shard = format!("--shard {part}/2");
            explain(&home.path().join("in"), &out, &[&shard])
        })
        .collect();
    assert!(runs.iter().all(|run| run.code == Some(0)));
    let message = |run: &&Run| run.stderr.contains("no picture is in shard");
    assert_eq!(runs.iter().filter(message).count(), 1);
}

#[test]
fn pictures_are_skipped_until_the_request_or_the_picture_changes() {
    let home = pictures(&["a.png", "b.png"]);
    let (input, out) = (home.path().join("in"), home.path().join("out"));
    let skip = |more: &[&str]| {
        let run = explain(&input, &out, &[&["--skip-existing"], more].concat()).exits(0);
        run.stdout.lines().count()
    };
    assert_eq!(skip(&[]), 2);
    let first = files(&out);
    assert_eq!(skip(&[]), 0);
    assert_eq!(files(&out), first, "nothing was written again");
    // Only the time changed; the content is the same.
    let bytes = fs::read(input.join("a.png")).unwrap();
    fs::write(input.join("a.png"), &bytes).unwrap();
    assert_eq!(skip(&[]), 0);
    write_picture(&input.join("a.png"), 9);
    assert_eq!(skip(&[]), 1);
    for changed in [
        "--formats npy,png16",
        "--class 3",
        "--method grad-cam,guided-backprop",
        "--method occlusion --window 64 --stride 64",
        "--method occlusion --window 80 --stride 64",
        "--mean 0.5,0.5,0.5",
    ] {
        assert_eq!(skip(&[changed]), 2, "{changed:?}");
        assert_eq!(skip(&[changed]), 0, "{changed:?}");
    }
    assert_eq!(named(&lines(&out.join("manifest.jsonl"))), ["a", "b"]);
}

#[test]
fn without_files_the_manifest_decides_what_is_skipped() {
    let home = pictures(&["a.png", "b.png"]);
    let (input, out) = (home.path().join("in"), home.path().join("out"));
    let none = ["--formats none --skip-existing"];
    assert_eq!(explain(&input, &out, &none).stdout.lines().count(), 2);
    let names: Vec<PathBuf> = files(&out).into_keys().collect();
    assert_eq!(names, [PathBuf::from("manifest.jsonl")]);
    let before = lines(&out.join("manifest.jsonl"));
    assert_eq!(before[0]["folder"], Value::Null);
    assert!(before[0]["probability"].as_f64().unwrap() > 0.0);
    assert_eq!(explain(&input, &out, &none).stdout, "");
    write_picture(&input.join("a.png"), 7);
    assert_eq!(explain(&input, &out, &none).stdout.lines().count(), 1);
    let after = lines(&out.join("manifest.jsonl"));
    assert_eq!(named(&after), ["b", "a"]);
    assert_eq!(after[0], before[1]);
}

#[test]
fn a_missing_line_is_written_again() {
    let home = pictures(&["a.png"]);
    let (input, out) = (home.path().join("in"), home.path().join("out"));
    let classes = ["--class 3 --class 5 --skip-existing"];
    explain(&input, &out, &classes).exits(0);
    let manifest = out.join("manifest.jsonl");
    let before = lines(&manifest);
    assert_eq!(named(&before), ["a", "a"]);
    assert_eq!(before[0]["lines"], 2);
    fs::write(&manifest, "").unwrap();
    assert_eq!(explain(&input, &out, &classes).stdout, "");
    assert_eq!(lines(&manifest), before);
}

#[test]
fn a_killed_run_continues_to_the_same_results() {
    let names: Vec<String> = (0..60).map(|n| format!("{}/{n}.png", n % 3)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let home = pictures(&names);
    let (input, out) = (home.path().join("in"), home.path().join("out"));
    let manifest = out.join("manifest.jsonl");
    let arguments = arguments(&input, &out, &["--skip-existing"]);
    let mut command = program(&arguments);
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    // Lines are written while the program runs.
    let written = || fs::read_to_string(&manifest).map_or(0, |text| text.lines().count());
    wait_until(&mut child, || written() >= 5);
    child.kill().unwrap();
    child.wait().unwrap();
    let done = written();
    assert!((5..60).contains(&done), "{done} lines");
    // As after a loss of power: the last line is incomplete.
    let text_so_far = fs::read(&manifest).unwrap();
    fs::write(&manifest, &text_so_far[..text_so_far.len() - 10]).unwrap();

    let run = dvm(&arguments).exits(0);
    assert!(
        run.stdout.lines().count() <= 60 - done + 1,
        "{}",
        run.stdout
    );
    let whole = home.path().join("whole");
    explain(&input, &whole, &[]).exits(0);
    assert_eq!(arrays(&out), arrays(&whole));
    let (killed, uninterrupted) = (lines(&manifest), lines(&whole.join("manifest.jsonl")));
    assert_eq!(named(&killed), named(&uninterrupted), "in order, and once");
    for (one, other) in killed.iter().zip(&uninterrupted) {
        for field in ["sha256", "class", "probability", "maps", "folder", "files"] {
            assert_eq!(one[field], other[field], "{field}");
        }
    }
    let leftovers = fs::read_dir(&out).unwrap().flatten();
    let hidden = leftovers.filter(|entry| entry.file_name().to_string_lossy().starts_with('.'));
    assert_eq!(hidden.count(), 0);
}

#[test]
fn a_damaged_picture_is_named_and_the_others_are_explained() {
    let home = pictures(&["a.png", "b.png", "c.png"]);
    let (input, out) = (home.path().join("in"), home.path().join("out"));
    fs::write(input.join("b.png"), "no picture").unwrap();
    let run = explain(&input, &out, &[]).exits(1);
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    run.says("b.png: is not in a supported picture format");
    let all = lines(&out.join("manifest.jsonl"));
    assert_eq!(named(&all), ["a", "b", "c"]);
    assert!(
        all[1]["error"]
            .as_str()
            .unwrap()
            .contains("is not in a supported picture format")
    );
    assert!(all[0]["error"].is_null() && all[1]["class"].is_null());
    // Another run tries it again.
    write_picture(&input.join("b.png"), 1);
    let run = explain(&input, &out, &["--skip-existing"]);
    assert_eq!((run.code, run.stdout.lines().count()), (Some(0), 1));
    let all = lines(&out.join("manifest.jsonl"));
    assert_eq!(named(&all), ["a", "c", "b"]);
    assert!(all.iter().all(|line| line["error"].is_null()));
}

#[test]
fn formats_choose_the_files() {
    let home = pictures(&["a.png"]);
    let input = home.path().join("in");
    for (formats, expected) in [
        ("npy", &["grad-cam.npy"][..]),
        ("raw", &["grad-cam.raw.npy"]),
        ("png,png16", &["grad-cam.16.png", "grad-cam.png"]),
        ("overlay", &["grad-cam.overlay.png"]),
        ("input,figure", &["figure.pdf", "input.png"]),
    ] {
        let out = home.path().join(formats);
        explain(&input, &out, &["--formats", formats, "--figure pdf"]).exits(0);
        let mut names: Vec<String> = files(&out.join("a"))
            .into_keys()
            .map(|path| path.display().to_string())
            .collect();
        names.retain(|name| name != "explanation.json");
        assert_eq!(names, expected);
    }
    explain(&input, home.path(), &["--formats none,npy"]).exits(2);
}

#[test]
fn a_single_picture_gets_no_manifest() {
    let home = pictures(&["a.png"]);
    let out = home.path().join("out");
    explain(&home.path().join("in/a.png"), &out, &[]).exits(0);
    assert!(!out.join("manifest.jsonl").exists());
}

#[test]
fn tables_name_pictures_and_classes() {
    let home = pictures(&["a/x.png", "b/x.png"]);
    let table = home.path().join("list.csv");
    fs::write(
        &table,
        "id,file,label\n1,in/a/x.png,967\n2,in/b/x.png,tabby\n",
    )
    .unwrap();
    let out = home.path().join("out");
    let more = ["--label-column label --manifest parquet"];
    explain(&table, &out, &more).exits(0);
    let all = lines(&out.join("manifest.jsonl"));
    assert_eq!(named(&all), ["in/a/x", "in/b/x"]);
    let classes: Vec<&Value> = all.iter().map(|line| &line["true_class"]).collect();
    assert_eq!(classes, ["espresso", "tabby"]);

    // The manifest of one run as the list of another.
    let again = home.path().join("again");
    let parquet = out.join("manifest.parquet");
    explain(&parquet, &again, &["--label-column true_class"]).exits(0);
    let second = lines(&again.join("manifest.jsonl"));
    for (one, other) in all.iter().zip(&second) {
        for field in ["image", "sha256", "class", "probability", "true_class"] {
            assert_eq!(one[field], other[field], "{field}");
        }
    }
    explain(&table, &out, &["--column url"])
        .exits(1)
        .says("no column `url`");
}

#[test]
fn the_parquet_file_has_the_content_of_the_manifest() {
    let home = pictures(&["a.png", "c.png"]);
    let input = home.path().join("in");
    fs::write(input.join("b.png"), "no picture").unwrap();
    let out = home.path().join("out");
    let more = ["--manifest parquet --method guided-backprop --formats npy"];
    explain(&input, &out, &more).exits(1);
    let all = lines(&out.join("manifest.jsonl"));
    let file = File::open(out.join("manifest.parquet")).unwrap();
    let rows = SerializedFileReader::new(file).unwrap().into_iter();
    let rows: Vec<_> = rows.map(Result::unwrap).collect();
    assert_eq!(rows.len(), 3);
    for (row, line) in rows.iter().zip(&all) {
        // Compares as JSON; an empty value is one that the line does not have.
        let mut read = serde_json::Map::new();
        for (name, value) in row.get_column_iter() {
            read.insert(name.clone(), json_of(value));
        }
        for name in [
            "name",
            "image",
            "sha256",
            "error",
            "class",
            "class_name",
            "seconds",
            "folder",
        ] {
            let there = line.get(name).unwrap_or(&Value::Null);
            assert_eq!(&read[name], there, "{name}");
        }
        let maps = line["maps"].as_array();
        let of_maps = |field: &str| -> Vec<Value> {
            maps.into_iter()
                .flatten()
                .map(|map| map[field].clone())
                .collect()
        };
        assert_eq!(read["methods"], Value::from(of_maps("method")));
        assert_eq!(read["map_max"], Value::from(of_maps("max")));
        let files = line
            .get("files")
            .cloned()
            .unwrap_or(Value::Array(Vec::new()));
        assert_eq!(read["files"], files);
    }
    assert_eq!(rows[0].get_string(0).unwrap(), "a");
}

fn json_of(field: &parquet::record::Field) -> Value {
    use parquet::record::Field;
    match field {
        Field::Null => Value::Null,
        Field::Str(text) => text.as_str().into(),
        Field::Long(number) => (*number).into(),
        Field::Double(number) => (*number).into(),
        Field::Float(number) => (*number).into(),
        Field::ListInternal(list) => list.elements().iter().map(json_of).collect(),
        other => panic!("no column holds {other:?}"),
    }
}

#[test]
fn fiftyone_gets_predictions_and_heatmaps_over_the_input() {
    let home = pictures(&["espresso/a.png", "b.png"]);
    let (input, out) = (home.path().join("in"), home.path().join("out"));
    fs::write(input.join("c.png"), "no picture").unwrap();
    explain(&input, &out, &["--formats input,png16"]).exits(1);
    dvm(&["export", "fiftyone", text(&out)])
        .exits(0)
        .says("failed pictures left out: 1");
    let read = |name: &str| -> Value {
        serde_json::from_slice(&fs::read(out.join("fiftyone").join(name)).unwrap()).unwrap()
    };
    assert_eq!(read("metadata.json")["media_type"], "image");
    let samples = read("samples.json")["samples"].as_array().unwrap().clone();
    let all = lines(&out.join("manifest.jsonl"));
    assert_eq!(samples.len(), 2);
    let sample = &samples[1];
    let line = &all[2];
    assert_eq!(sample["name"], "espresso/a");
    assert_eq!(sample["image"], line["image"]);
    assert_eq!(sample["prediction"]["_cls"], "Classification");
    assert_eq!(sample["prediction"]["label"], line["top_class_name"]);
    assert_eq!(sample["ground_truth"]["label"], "espresso");
    let heatmap = &sample["grad_cam"];
    assert_eq!(heatmap["_cls"], "Heatmap");
    assert_eq!(heatmap["min"], line["maps"][0]["min"]);
    for path in [&sample["filepath"], &heatmap["map_path"]] {
        let path = Path::new(path.as_str().unwrap());
        assert!(path.is_absolute() && path.exists(), "{}", path.display());
    }
    assert!(
        sample["filepath"]
            .as_str()
            .unwrap()
            .ends_with("espresso/a/input.png")
    );

    fs::write(out.join("fiftyone/metadata.json"), "{\"version\": \"1.0\"}").unwrap();
    dvm(&["export", "fiftyone", text(&out)])
        .exits(2)
        .says("another program");
}

#[test]
fn two_runs_cannot_write_one_manifest_at_once() {
    let home = pictures(&["a.png"]);
    let (input, out) = (home.path().join("in"), home.path().join("out"));
    fs::create_dir(&out).unwrap();
    let held = File::create(out.join("manifest.jsonl")).unwrap();
    held.lock().unwrap();
    let run = explain(&input, &out, &[]).exits(2);
    run.says("another run writes it");
}
