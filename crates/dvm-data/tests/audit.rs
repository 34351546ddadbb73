//! Findings of the audit in data sets with one problem each.

use std::fs;
use std::path::Path;

use dvm_data::audit::{Finding, Place, Report, Severity, audit, audit_as};
use dvm_data::corpora::{Settings, find};
use dvm_data::prepare::{Transfer, WriteOptions};
use dvm_data::random::stream;
use dvm_image::{Interpolation, Picture, Reading, encode_png, resize};
use dvm_testing::errors::says;
use rand::Rng;

/// A picture of coloured clouds, different for every seed.
fn clouds(seed: u64, side: usize) -> Picture {
    let mut rgb = vec![0; 6 * 6 * 3];
    stream(seed, &[]).fill_bytes(&mut rgb);
    resize(&Picture::new(6, 6, rgb), side, side, Interpolation::Bicubic)
}

fn save(folder: &Path, name: &str, picture: &Picture) {
    save_bytes(folder, name, &encode_png(picture));
}

fn save_bytes(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A split data set of two classes without problems.
fn sound() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    for (number, place) in ["train/cats", "train/dogs", "val/cats", "val/dogs"]
        .iter()
        .enumerate()
    {
        for n in 0..3 {
            let seed = 10 * number as u64 + n;
            save(
                home.path(),
                &format!("{place}/p{number}{n}_1.png"),
                &clouds(seed, 230),
            );
        }
    }
    home
}

fn look_over(folder: &Path) -> Report {
    audit(folder, None, &|_, _| {}).unwrap()
}

/// The only finding.
fn only(report: &Report) -> &Finding {
    assert_eq!(report.findings.len(), 1, "{:#?}", report.findings);
    &report.findings[0]
}

/// The paths of each group of a finding.
fn paths(finding: &Finding) -> Vec<Vec<&str>> {
    let groups = finding.groups.iter();
    groups
        .map(|group| group.pictures.iter().map(path).collect())
        .collect()
}

/// Each finding as one line: kind, severity, and the paths of its groups.
fn found(report: &Report) -> Vec<String> {
    let line = |finding: &Finding| {
        let groups: Vec<String> = paths(finding).iter().map(|group| group.join(" ")).collect();
        format!(
            "{} {}: {}",
            finding.kind,
            finding.severity.name(),
            groups.join("; ")
        )
    };
    report.findings.iter().map(line).collect()
}

/// The first finding of this kind.
fn of_kind<'a>(report: &'a Report, kind: &str) -> &'a Finding {
    let mut findings = report.findings.iter();
    findings.find(|finding| finding.kind == kind).unwrap()
}

fn path(place: &Place) -> &str {
    place.path.to_str().unwrap()
}

#[test]
fn a_data_set_without_problems_has_no_findings() {
    let home = sound();
    let report = look_over(home.path());
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
    assert_eq!((report.pictures, report.is_split), (12, true));
    assert_eq!(report.classes, ["cats", "dogs"]);
}

#[test]
fn unreadable_files_are_found_with_the_reason() {
    let home = sound();
    save_bytes(home.path(), "val/dogs/broken.jpg", b"GIF89a but not really");
    save_bytes(home.path(), "train/cats/empty.png", b"");
    let report = look_over(home.path());
    let expected = ["unreadable serious: train/cats/empty.png; val/dogs/broken.jpg"];
    assert_eq!(found(&report), expected);
    let finding = only(&report);
    assert!(finding.groups[0].detail.contains("empty"), "{finding:?}");
    assert!(finding.what.starts_with("2 files"), "{}", finding.what);
}

#[test]
fn truncated_jpegs_are_found() {
    let home = sound();
    let references = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dvm-image/tests/references");
    let cut = fs::read(references.join("truncated/truncated-420-0.75.jpg")).unwrap();
    save_bytes(home.path(), "train/cats/cut.jpg", &cut);
    let report = look_over(home.path());
    let finding = of_kind(&report, "truncated");
    assert_eq!(paths(finding), [["train/cats/cut.jpg"]]);
}

#[test]
fn copies_are_grouped_by_class_and_split() {
    let home = sound();
    let copy = |from: &str, to: &str| {
        fs::copy(home.path().join(from), home.path().join(to)).unwrap();
    };
    copy("train/cats/p00_1.png", "train/cats/p99_1.png");
    copy("train/cats/p01_1.png", "val/cats/again.png");
    copy("train/dogs/p10_1.png", "val/cats/other.png");
    let report = look_over(home.path());
    let expected = [
        "exact-duplicates serious: train/dogs/p10_1.png val/cats/other.png",
        "exact-duplicates serious: train/cats/p01_1.png val/cats/again.png",
        "exact-duplicates note: train/cats/p00_1.png train/cats/p99_1.png",
    ];
    assert_eq!(found(&report), expected);
    assert_eq!(
        report.findings[0].groups[0].detail,
        "in different splits, too"
    );
    assert!(report.findings[0].what.contains("different classes"));
}

#[test]
fn the_same_scene_in_another_size_is_found_across_splits() {
    let home = sound();
    let scene = clouds(0, 230);
    save(
        home.path(),
        "val/cats/small.png",
        &resize(&scene, 240, 225, Interpolation::Bilinear),
    );
    let mut darker = scene;
    darker.rgb_mut().iter_mut().for_each(|v| *v = *v / 4 * 3);
    save(home.path(), "val/cats/dark.png", &darker);
    let report = look_over(home.path());
    let paths = "train/cats/p00_1.png val/cats/dark.png val/cats/small.png";
    assert_eq!(
        found(&report),
        [format!("near-duplicates warning: {paths}")]
    );
}

#[test]
fn classes_of_very_different_sizes_are_found() {
    let home = sound();
    for n in 0..7 {
        save(
            home.path(),
            &format!("train/cats/more{n}.png"),
            &clouds(100 + n, 230),
        );
    }
    let report = look_over(home.path());
    let finding = only(&report);
    assert_eq!(finding.kind, "imbalance");
    assert!(finding.what.contains("`cats` has 10") && finding.what.contains("3.3 times"));
}

#[test]
fn classes_with_one_picture_or_none_are_found() {
    let home = sound();
    for n in 1..3 {
        fs::remove_file(home.path().join(format!("train/cats/p0{n}_1.png"))).unwrap();
    }
    fs::remove_dir_all(home.path().join("val/dogs")).unwrap();
    let report = look_over(home.path());
    let found: Vec<_> = report
        .findings
        .iter()
        .map(|f| (f.kind, f.what.as_str()))
        .collect();
    let expected = [
        (
            "few-pictures",
            "1 class has only one picture in train: cats",
        ),
        ("few-pictures", "1 class has no picture in val: dogs"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn small_long_and_unusual_pictures_are_found() {
    let home = sound();
    save(home.path(), "train/cats/small.png", &clouds(50, 100));
    save(
        home.path(),
        "train/cats/long.png",
        &resize(&clouds(51, 230), 230, 700, Interpolation::Bilinear),
    );
    save(home.path(), "train/dogs/tiny.png", &clouds(52, 20));
    let report = look_over(home.path());
    let expected = [
        "odd-sizes warning: train/cats/long.png",
        "odd-sizes note: train/cats/small.png; train/dogs/tiny.png",
        "odd-sizes note: train/dogs/tiny.png",
    ];
    assert_eq!(found(&report), expected);
    assert_eq!(report.findings[0].groups[0].detail, "230 × 700");
}

#[test]
fn grey_among_colour_is_more_severe_if_it_reveals_the_class() {
    let home = sound();
    let grey = |seed| {
        let mut picture = clouds(seed, 230);
        for pixel in picture.rgb_mut().chunks_exact_mut(3) {
            pixel.fill(pixel[0]);
        }
        picture
    };
    save(home.path(), "train/cats/grey.png", &grey(60));
    let report = look_over(home.path());
    assert_eq!(
        found(&report),
        ["grey-among-colour note: train/cats/grey.png"]
    );
    save(home.path(), "train/cats/grey2.png", &grey(61));
    let report = look_over(home.path());
    assert_eq!(only(&report).severity, Severity::Warning);
    assert!(
        only(&report).what.contains("cats 25.0 %"),
        "{}",
        only(&report).what
    );
}

#[test]
fn groups_in_two_splits_are_found() {
    let home = sound();
    save(home.path(), "val/dogs/p00_2.png", &clouds(70, 230));
    save(home.path(), "val/dogs/nobody.png", &clouds(71, 230));
    let report = audit(home.path(), Some(r"^(p\d+)_"), &|_, _| {}).unwrap();
    let expected = [
        "leaked-groups serious: train/cats/p00_1.png val/dogs/p00_2.png",
        "leaked-groups warning: val/dogs/nobody.png",
    ];
    assert_eq!(found(&report), expected);
    assert_eq!(report.findings[0].groups[0].detail, "p00");
    let error = audit(home.path(), Some("("), &|_, _| {}).unwrap_err();
    says(&error, "the option `group`");
}

#[test]
fn a_data_set_without_splits_is_checked_too() {
    let home = sound();
    let train = home.path().join("train");
    fs::copy(train.join("cats/p00_1.png"), train.join("dogs/copy.png")).unwrap();
    let report = look_over(&train);
    assert!(!report.is_split);
    let finding = only(&report);
    assert_eq!(paths(finding), [["cats/p00_1.png", "dogs/copy.png"]]);
    assert_eq!(finding.groups[0].pictures[0].split, None);
    fs::create_dir(train.join("birds")).unwrap();
    let findings = look_over(&train).findings;
    let what = &findings.iter().find(|f| f.kind == "layout").unwrap().what;
    assert!(what.contains("contain no pictures") && what.contains("`birds`"));
}

#[test]
fn a_manifest_is_checked_too() {
    let home = sound();
    let source = home.path().join("train");
    fs::copy(source.join("cats/p00_1.png"), source.join("cats/copy.png")).unwrap();
    let plan = find("folder")
        .unwrap()
        .plan(&source, &Settings::new().with("val", "0.5"));
    let how = WriteOptions {
        transfer: Transfer::Manifest,
        replace: false,
    };
    let out = tempfile::tempdir().unwrap();
    plan.unwrap()
        .write(&out.path().join("set"), &how, &|_, _| {})
        .unwrap();
    let report = look_over(&out.path().join("set"));
    let copies = of_kind(&report, "exact-duplicates");
    assert!(
        paths(copies)[0].iter().all(|path| path.starts_with('/')),
        "{copies:?}"
    );
}

#[test]
fn the_report_does_not_depend_on_threads() {
    let home = sound();
    for n in 0..4 {
        let picture = resize(
            &clouds(n, 230),
            230,
            226 + n as usize,
            Interpolation::Bilinear,
        );
        save(home.path(), &format!("val/dogs/near{n}.png"), &picture);
        save_bytes(home.path(), &format!("val/cats/broken{n}.png"), b"x");
    }
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        let report = pool.install(|| look_over(home.path()));
        serde_json::to_string(&report).unwrap()
    };
    assert_eq!(with(1), with(4));
}

#[test]
fn twelve_bits_in_sixteen_are_found_unless_the_range_is_given() {
    let home = sound();
    let picture = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../dvm-image/tests/references/value_ranges/grey12.tiff");
    fs::copy(picture, home.path().join("train/cats/grey12.tiff")).unwrap();
    let ranges = |range: &str| -> Vec<Finding> {
        let reading = Reading {
            range: range.parse().unwrap(),
            ..Reading::default()
        };
        let report = audit_as(home.path(), None, &reading, &|_, _| {}).unwrap();
        let found = report.findings.into_iter();
        found.filter(|found| found.kind == "value-range").collect()
    };
    let found = ranges("file");
    assert_eq!(found.len(), 1);
    assert!(found[0].groups[0].detail.contains("0..4095"), "{found:?}");
    assert!(ranges("auto").is_empty());
}
