//! Whole comparisons on small pictures, by a network with random weights.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dvm_attribution::metrics::registry::{Better, MetricEntry, Needs, Question};
use dvm_attribution::metrics::{Candidate, Measurement, Metric};
use dvm_attribution::registry::{Published, Reference};
use dvm_image::Picture;
use serde_json::{Map, Value};
use tempfile::TempDir;

use super::*;
use crate::{Checks, Settings, Source};

/// A metric of these tests: the maximum of the map divided by its mean.
static PEAK: MetricEntry = MetricEntry {
    name: "peak",
    title: "peak",
    summary: "",
    reference: Reference {
        authors: "",
        year: 2026,
        title: "",
        published: Published::Page(""),
    },
    question: Question::Simplicity,
    better: Better::Higher,
    needs: Needs::Map,
    cost: "none",
    options: &[],
    build: |_| Ok(Box::new(Peak)),
};

struct Peak;

impl Metric for Peak {
    fn parameters(&self) -> Map<String, Value> {
        Map::new()
    }

    fn measure(&self, candidate: &Candidate) -> Result<Measurement, dvm_attribution::Error> {
        let map = candidate.relevance();
        let most = map.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        let mean = map.iter().map(|value| value.abs()).sum::<f32>() / map.len() as f32;
        let peak = f64::from(most) / f64::from(mean.max(f32::MIN_POSITIVE));
        let finding = (peak < 3.0).then(|| "the map is flat".to_owned());
        let measured = Measurement::of(peak).with_figure("mean", mean.into());
        Ok(measured.with_finding(finding))
    }
}

fn classifier() -> Classifier {
    let random = Classifier::random("squeezenet1_1").unwrap();
    let mut preprocess = random.preprocess().clone();
    preprocess.resize = dvm_image::Resize::Exact(48, 48);
    preprocess.crop = (48, 48);
    random.with_preprocess(preprocess).unwrap()
}

fn compare(methods: &str, settings: &Settings) -> Compare {
    let sparseness = dvm_attribution::metrics::registry::find("sparseness").unwrap();
    let checks = Checks::of(vec![
        (sparseness, sparseness.metric(settings).unwrap().into()),
        (&PEAK, Arc::new(Peak)),
    ]);
    let compare = Compare::new(methods, "sparseness", settings).unwrap();
    compare.with_checks(checks)
}

/// Writes pictures of noise into a folder.
fn pictures(folder: &Path, count: usize) -> Vec<Compared> {
    (0..count)
        .map(|number| {
            let mut picture = Picture::filled(40, 52, [90, 120, 60]);
            for (at, value) in picture.rgb_mut().iter_mut().enumerate() {
                *value += ((at * (17 + number)) % 97) as u8;
            }
            let path = folder.join(format!("{number}.png"));
            fs::write(&path, encode_png(&picture)).unwrap();
            Compared {
                source: Source::File(path),
                true_class: None,
            }
        })
        .collect()
}

struct Home {
    folder: TempDir,
    classifier: Classifier,
    pictures: Vec<Compared>,
}

impl Home {
    fn new(count: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            pictures: pictures(folder.path(), count),
            classifier: classifier(),
            folder,
        }
    }

    fn out(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, compare: &Compare, out: &str, earlier: Earlier) -> Result<Summary, Error> {
        let out = self.out(out);
        self.classifier
            .compare(&self.pictures, compare, &out, earlier, &mut |_| {})
    }

    /// The error of a comparison.
    fn refused(&self, compare: &Compare, out: &str, earlier: Earlier) -> String {
        self.run(compare, out, earlier).unwrap_err().to_string()
    }
}

/// Removes times, which differ between runs, from JSON.
fn timeless(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.remove("seconds");
            object.values_mut().for_each(timeless);
        }
        Value::Array(array) => array.iter_mut().for_each(timeless),
        _ => {}
    }
}

/// Everything that a comparison wrote, without times, which the answer's sentence can contain.
fn written(folder: &Path) -> (Vec<Value>, Value, String) {
    let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let read = |text: &str| {
        let mut value: Value = serde_json::from_str(text).unwrap();
        timeless(&mut value);
        value
    };
    let lines = text(MEASUREMENTS).lines().map(read).collect();
    let summary = read(&text("compare.json"));
    let csv = text("compare.csv");
    let csv = csv.lines().filter(|line| !line.contains(",seconds,"));
    (lines, summary, csv.collect::<Vec<_>>().join("\n"))
}

#[test]
fn a_resumed_comparison_is_identical_to_an_uninterrupted_one() {
    let home = Home::new(3);
    let compare = compare("gradient,grad-cam", &Settings::new());
    home.run(&compare, "whole", Earlier::Kept).unwrap();
    let whole = written(&home.out("whole"));
    let bytes = fs::read(home.out("whole").join(MEASUREMENTS)).unwrap();
    let ends: Vec<usize> = (0..bytes.len()).filter(|&i| bytes[i] == b'\n').collect();
    assert_eq!(ends.len(), 4);
    // Within the plan, after it, within a picture, just before the end of a line, at the end.
    for (name, cut) in [
        ("plan", ends[0] / 2),
        ("first", ends[0] + 1),
        ("within", (ends[1] + ends[2]) / 2),
        ("almost", ends[3]),
        ("done", ends[3] + 1),
    ] {
        let out = home.out(name);
        fs::create_dir(&out).unwrap();
        fs::write(out.join(MEASUREMENTS), &bytes[..cut]).unwrap();
        home.run(&compare, name, Earlier::Resumed).unwrap();
        assert_eq!(written(&out), whole, "{name}");
    }
}

#[test]
fn a_comparison_with_another_plan_is_not_resumed() {
    let mut home = Home::new(2);
    let usual = || compare("gradient", &Settings::new());
    home.run(&usual(), "out", Earlier::Kept).unwrap();
    let before = fs::read(home.out("out").join(MEASUREMENTS)).unwrap();
    let refused = |home: &Home, compare: &Compare| home.refused(compare, "out", Earlier::Resumed);
    let seed = compare("gradient", &Settings::new().with("seed", 7));
    assert!(refused(&home, &seed).contains("the seed changed from 0 to 7"));
    let methods = compare("gradient,grad-cam", &Settings::new());
    let why = "the methods changed from gradient,random,edges to gradient,grad-cam,random,edges";
    assert!(refused(&home, &methods).contains(why));
    let settings = compare("gradient", &Settings::new().with("channels", "sum"));
    assert!(refused(&home, &settings).contains("the methods changed in their settings"));
    let mut named = usual();
    named.class = ExplainedClass::Named("3".into());
    assert!(refused(&home, &named).contains("the explained class changed from \"top\" to"));
    let mut other = Home::new(0);
    std::mem::swap(&mut other.pictures, &mut home.pictures);
    home.pictures = other.pictures[..1].to_vec();
    assert!(refused(&home, &usual()).contains("the pictures changed (it has 2 pictures, now 1)"));
    home.pictures = other.pictures;
    let sum = home.classifier.classes().len();
    let names = (0..sum).map(|i| format!("kind {i}")).collect();
    home.classifier = home.classifier.with_classes(names).unwrap();
    assert!(refused(&home, &usual()).contains("the network changed (class names sha256)"));
    let after = fs::read(home.out("out").join(MEASUREMENTS)).unwrap();
    assert!(after == before);
}

#[test]
fn an_earlier_comparison_is_only_replaced_on_request() {
    let home = Home::new(1);
    let compare = compare("gradient", &Settings::new());
    home.run(&compare, "out", Earlier::Kept).unwrap();
    let error = home.refused(&compare, "out", Earlier::Kept);
    assert!(error.contains("already contains a comparison"));
    home.run(&compare, "out", Earlier::Replaced).unwrap();
    let foreign = home.out("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join(MEASUREMENTS), "my own").unwrap();
    let error = home.refused(&compare, "foreign", Earlier::Replaced);
    assert!(error.contains("is not a comparison"), "{error}");
    let kept = fs::read(foreign.join(MEASUREMENTS)).unwrap();
    assert_eq!(kept, b"my own");
}

#[test]
fn damaged_measurements_are_an_error() {
    let home = Home::new(2);
    let compare = compare("gradient", &Settings::new());
    home.run(&compare, "out", Earlier::Kept).unwrap();
    let path = home.out("out").join(MEASUREMENTS);
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let twice = [lines[0], lines[1], lines[1], ""].join("\n");
    let cut = [lines[0], "{\"picture\":0", ""].join("\n");
    for damaged in [twice, cut] {
        fs::write(&path, &damaged).unwrap();
        let error = home.refused(&compare, "out", Earlier::Resumed);
        assert!(error.contains("line "), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), damaged);
    }
}

#[test]
fn a_picture_that_cannot_be_read_is_reported_and_the_others_are_compared() {
    let home = Home::new(3);
    fs::write(home.pictures[1].source.path(), b"no picture").unwrap();
    let compare = compare("gradient", &Settings::new());
    let out = home.out("out");
    let mut failed = Vec::new();
    let watch = &mut |event: Event| {
        if let Event::Failed { file, .. } = event {
            failed.push(file.to_owned());
        }
    };
    let found = home
        .classifier
        .compare(&home.pictures, &compare, &out, Earlier::Kept, watch);
    let found = found.unwrap();
    assert_eq!(found.pictures, 2);
    let file = home.pictures[1].source.path().display().to_string();
    assert_eq!(found.failed[0].file, file);
    assert_eq!(failed, [file]);
    for picture in &home.pictures {
        fs::write(picture.source.path(), b"no picture").unwrap();
    }
    let error = home.refused(&compare, "none", Earlier::Kept);
    assert!(error.contains("none of the 3 pictures"), "{error}");
}

#[test]
fn a_method_that_cannot_explain_the_network_is_left_out_with_a_warning() {
    let home = Home::new(2);
    let both = compare("gradient,attention-rollout", &Settings::new());
    let found = home.run(&both, "out", Earlier::Kept).unwrap();
    assert_eq!(found.method("attention-rollout").unwrap().maps, 0);
    let warning = &found.warnings[0];
    assert!(
        warning.starts_with("attention-rollout is left out: "),
        "{warning}"
    );
    let scores = found.metrics[1].scores.iter();
    let names: Vec<&str> = scores.map(|score| &score.method[..]).collect();
    assert_eq!(names, ["gradient", "random", "edges"]);
    assert_eq!(found.agreement.methods, names);
    let alone = compare("attention-rollout", &Settings::new());
    let error = home.refused(&alone, "alone", Earlier::Kept);
    assert!(error.contains("no method can explain"), "{error}");
}

#[test]
fn the_summary_follows_from_the_values_in_the_table() {
    let home = Home::new(3);
    let compare = compare("gradient,grad-cam", &Settings::new());
    let found = home.run(&compare, "out", Earlier::Kept).unwrap();
    let csv = fs::read_to_string(home.out("out").join("compare.csv")).unwrap();
    let values = |method: &str, metric: &str| -> Vec<f64> {
        let cells = |line: &str| line.split(',').map(String::from).collect::<Vec<_>>();
        let rows = csv.lines().map(cells);
        rows.filter(|cells| cells[3] == method && cells[4] == metric)
            .map(|cells| cells[5].parse().unwrap())
            .collect()
    };
    for metric in &found.metrics {
        for score in &metric.scores {
            let all = values(&score.method, &metric.name);
            assert_eq!(all.len(), 3);
            let mean = all.iter().sum::<f64>() / 3.0;
            assert!((score.mean - mean).abs() < 1e-12 * mean.abs());
        }
    }
    assert_eq!(values("gradient", "peak: mean").len(), 3);
    assert_eq!(values("gradient", "seconds").len(), 3);
    assert_eq!(found.metrics[0].scores[0].mean_rank, None);
    let scores = found.metrics[1].scores.iter();
    let ranks = scores.filter_map(|score| score.mean_rank);
    assert!((ranks.sum::<f64>() - 10.0).abs() < 1e-12, "1 + 2 + 3 + 4");
    let answer = found.answer.unwrap();
    assert_eq!(answer.metric, "peak");
    assert!(answer.sentence.starts_with("3 pictures are too few"));
    for name in FILES {
        assert!(home.out("out").join(name).metadata().unwrap().len() > 0);
    }
}

#[test]
fn random_maps_and_edges_differ_between_pictures() {
    let home = Home::new(2);
    let compare = compare("gradient", &Settings::new());
    home.run(&compare, "out", Earlier::Kept).unwrap();
    let (_, lines) = journal::read(&home.out("out")).unwrap();
    let value = |picture: usize, map: usize| lines[picture].maps[map].metrics[0].value.unwrap();
    // Noise, uniform in [0, 1), has a Gini index of 1/3.
    assert!((value(0, 1) - 1.0 / 3.0).abs() < 0.02);
    assert_ne!(value(0, 1), value(1, 1));
    assert_ne!(value(0, 2), value(1, 2));
}

#[test]
fn invalid_options_are_errors_before_anything_is_measured() {
    let refused = |methods: &str, metrics: &str, settings: &Settings| {
        let error = Compare::new(methods, metrics, settings).err().unwrap();
        error.to_string()
    };
    let none = Settings::new();
    assert!(refused("gradient,gradient", "sparseness", &none).contains("named twice"));
    assert!(refused("gradient", "sparsness", &none).contains("did you mean `sparseness`?"));
    assert!(refused("random", "sparseness", &none).contains("no method named `random`"));
    let seed = Settings::new().with("seed", "many");
    assert!(refused("gradient", "sparseness", &seed).contains("`seed`"));
    let window = Settings::new().with("window", 9);
    assert!(
        refused("gradient", "sparseness", &window).contains("is not one of the chosen methods")
    );
    let home = Home::new(1);
    let pointing = Compare::new("gradient", "pointing-game", &none).unwrap();
    let error = home.refused(&pointing, "out", Earlier::Kept);
    assert!(error.contains("`pointing-game` needs to know"), "{error}");
    let mut compare = compare("gradient", &none);
    compare.class = ExplainedClass::True;
    let error = home.refused(&compare, "out", Earlier::Kept);
    assert!(error.contains("true class is not known"), "{error}");
    compare.class = ExplainedClass::Named("no such class".into());
    assert!(home.run(&compare, "out", Earlier::Kept).is_err());
    let empty =
        home.classifier
            .compare(&[], &compare, &home.out("out"), Earlier::Kept, &mut |_| {});
    assert!(empty.is_err());
    assert!(!home.out("out").exists());
}

#[test]
fn metrics_of_localisation_use_the_pictures_with_regions() {
    let home = Home::new(3);
    let masks = home.out("masks");
    fs::create_dir(&masks).unwrap();
    let mut mask = Picture::filled(40, 52, [0; 3]);
    mask.rgb_mut()[..3 * 52 * 20].fill(255);
    fs::write(masks.join("1.png"), encode_png(&mask)).unwrap();
    let mut compare = Compare::new("gradient", "energy-inside", &Settings::new()).unwrap();
    compare.regions = Some(crate::regions::Regions::open(&masks).unwrap());
    let found = home.run(&compare, "out", Earlier::Kept).unwrap();
    assert_eq!((found.pictures, found.metrics[0].pictures), (3, 1));
    // Noise, the second to last, has half of its energy in the upper half.
    let noise = &found.metrics[0].scores[1];
    assert!((noise.mean - 0.5).abs() < 0.05, "{noise:?}");
    let mut warnings = found.warnings.iter();
    assert!(warnings.any(|warning| warning.contains("1 of 3 pictures")));
}

#[test]
fn the_seed_applies_to_everything_random() {
    let settings = Settings::new().with("seed", 5);
    let compare = compare("gradient,smoothgrad", &settings);
    assert_eq!(compare.seed(), 5);
    let contestants = compare.contestants(2);
    let seed = |index: usize| {
        let parameters = contestants[index].method.parameters();
        parameters["seed"].as_u64()
    };
    assert_eq!(seed(1), Some(5));
    assert_eq!(seed(2), Some(7), "noise of the third picture");
}
