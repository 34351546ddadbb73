//! Pictures of all kinds, folders, and files that are not pictures.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{COFFEE, FAST, explain, names, root, text};

/// A grey gradient, saved with one channel of 8 bits.
fn write_grey(path: &Path, width: u32, height: u32) {
    let file = fs::File::create(path).unwrap();
    let mut encoder = png::Encoder::new(file, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let values: Vec<u8> = (0..width * height).map(|i| (i % 251) as u8).collect();
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&values).unwrap();
    writer.finish().unwrap();
}

fn run(out: &Path, images: &[&Path]) -> crate::Run {
    let images: Vec<&str> = images.iter().map(|path| text(path)).collect();
    explain(out, &[&images[..], &[FAST]].concat())
}

#[test]
fn grey_narrow_and_tiny_pictures_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let sizes = [("wide", 700, 90), ("tall", 3, 400), ("dot", 1, 1)];
    let pictures: Vec<PathBuf> = sizes
        .iter()
        .map(|&(name, width, height)| {
            let path = folder.path().join(format!("{name}.png"));
            write_grey(&path, width, height);
            path
        })
        .collect();
    let pictures: Vec<&Path> = pictures.iter().map(PathBuf::as_path).collect();
    let out = folder.path().join("out");
    run(&out, &pictures).exits(0);
    assert_eq!(names(&out), ["dot", "tall", "wide"]);
    let record = crate::record(&out.join("wide"));
    assert_eq!(record["image"]["width"], 700);
    assert_eq!(record["image"]["height"], 90);
}

#[test]
fn bad_files_are_named_and_the_others_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let prose = file("prose.png", b"To whom it may concern");
    let empty = file("empty.png", b"");
    let whole = fs::read(root(COFFEE)).unwrap();
    let cut = file("cut.png", &whole[..whole.len() / 2]);
    let missing = folder.path().join("missing.png");
    let out = folder.path().join("out");
    let run = run(&out, &[&prose, &empty, &cut, &missing, Path::new(COFFEE)]).exits(1);
    assert_eq!(names(&out), ["coffee"]);
    let errors: Vec<&str> = run.stderr.lines().collect();
    let expected = [
        (&prose, "is not in a supported picture format"),
        (&empty, "is empty"),
        (&cut, "is an incomplete PNG"),
        (&missing, "cannot be read"),
    ];
    assert_eq!(errors.len(), expected.len(), "{}", run.stderr);
    for (error, (path, why)) in errors.iter().zip(expected) {
        let begin = format!("error: {}: {why}", path.display());
        assert!(error.starts_with(&begin), "{error}");
        assert_eq!(error.matches(text(path)).count(), 1, "{error}");
    }
}

#[test]
fn a_folder_means_its_pictures() {
    let folder = tempfile::tempdir().unwrap();
    write_grey(&folder.path().join("b.png"), 20, 30);
    write_grey(&folder.path().join("A.PNG"), 30, 20);
    fs::write(folder.path().join("notes.txt"), "not a picture").unwrap();
    let out = tempfile::tempdir().unwrap();
    run(out.path(), &[folder.path()]).exits(0);
    assert_eq!(names(out.path()), ["A", "b", "manifest.jsonl"]);
}

#[test]
fn a_folder_without_pictures_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let out = tempfile::tempdir().unwrap();
    let run = run(out.path(), &[folder.path()]).exits(1);
    let begin = format!(
        "error: {}: no picture in this folder",
        folder.path().display()
    );
    assert!(run.stderr.starts_with(&begin), "{}", run.stderr);
}

#[test]
fn results_that_cannot_be_saved_are_an_error_about_the_picture() {
    let out = tempfile::tempdir().unwrap();
    fs::write(out.path().join("coffee"), "in the way").unwrap();
    let other = out.path().join("other.png");
    write_grey(&other, 20, 20);
    let run = run(out.path(), &[Path::new(COFFEE), &other]).exits(1);
    let begin = format!("error: {COFFEE}: cannot write ");
    assert!(run.stderr.starts_with(&begin), "{}", run.stderr);
    assert!(out.path().join("other/figure.png").exists());
}
