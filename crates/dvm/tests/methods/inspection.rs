//! Several calls for one picture, compared with single calls.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use dvm::{Baseline, ClassChoice, Classifier, Explain, Inspection, Settings};
use dvm_testing::repository;

fn coffee() -> Inspection {
    let classifier = Classifier::open("squeezenet1_1", None).unwrap();
    let file = repository::root().join("assets/samples/coffee.png");
    Inspection::new(Arc::new(classifier), dvm::read(file).unwrap(), 1 << 30).unwrap()
}

fn occlusion(window: usize, stride: usize) -> Explain {
    let settings = Settings::new().with("window", window);
    let settings = settings.with("stride", stride);
    Explain::with_settings("occlusion", &settings).unwrap()
}

fn explained(inspection: &Inspection, options: &Explain) -> Vec<dvm::Explanation> {
    let mut all = Vec::new();
    let keep = |explanation| {
        all.push(explanation);
        Ok::<_, dvm::Error>(())
    };
    inspection.explain(options, &|_, _, _| {}, keep).unwrap();
    all
}

#[test]
fn a_covered_window_has_the_probabilities_of_occlusion() {
    let inspection = coffee();
    let explanations = explained(&inspection, &occlusion(56, 56));
    let (_, attribution) = explanations[0].maps().next().unwrap();
    let raw = attribution.raw();
    let [_, rows, columns] = raw.shape[..] else {
        panic!()
    };
    for (row, column) in [(0, 0), (1, 2), (3, 3)] {
        let (y, x) = (row * 56, column * 56);
        let answer = inspection
            .covered(y..y + 56, x..x + 56, &Baseline::Mean)
            .unwrap();
        for (class, &probability) in answer.probabilities.iter().enumerate() {
            let found = raw.values[(class * rows + row) * columns + column];
            assert!(
                (probability - found).abs() < 1e-5,
                "{class}: {probability} {found}"
            );
        }
    }
}

#[test]
fn kept_activations_do_not_change_results() {
    let inspection = coffee();
    let ask = || {
        inspection
            .covered(30..90, 40..100, &"black".parse().unwrap())
            .unwrap()
            .outputs
    };
    let first = ask();
    let grad_cam = Explain::methods("grad-cam").unwrap();
    let map = |inspection: &Inspection| -> Vec<f32> {
        let explanations = explained(inspection, &grad_cam);
        explanations[0].maps().next().unwrap().1.map.clone()
    };
    assert_eq!(map(&inspection), map(&coffee()));
    assert_eq!(ask(), first);
}

#[test]
fn a_window_outside_the_picture_is_an_error() {
    let outside = coffee().covered(200..300, 0..10, &Baseline::Mean);
    let error = outside.unwrap_err().to_string();
    assert!(error.contains("is empty or outside of"), "{error}");
    assert!(coffee().covered(5..5, 0..10, &Baseline::Mean).is_err());
}

#[test]
fn every_window_of_occlusion_is_reported() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let mut options = occlusion(56, 56);
    let heard = told.clone();
    options.window_output = Some(Arc::new(move |method, window, numbers| {
        assert_eq!((method, numbers.len()), ("occlusion", 1000));
        let corner = (window.rows.start, window.columns.start);
        heard.lock().unwrap().push(corner);
    }));
    explained(&coffee(), &options);
    let mut told = told.lock().unwrap().clone();
    told.sort_unstable();
    let corners = (0..4).flat_map(|row| (0..4).map(move |column| (row * 56, column * 56)));
    assert_eq!(told, corners.collect::<Vec<_>>());
}

#[test]
fn each_pixel_shows_its_cell() {
    let explanations = explained(&coffee(), &occlusion(40, 24));
    let explanation = &explanations[0];
    let (_, attribution) = explanation.maps().next().unwrap();
    let raw = attribution.raw();
    let cells = raw.cells.as_ref().unwrap();
    let [_, rows, columns] = raw.shape[..] else {
        panic!()
    };
    let class = explanation.class();
    let whole = explanation.probability();
    let of_row = |row| cells.columns.iter().map(move |column| (row, column));
    let shown = cells.rows.iter().flat_map(of_row);
    for ((row, column), &value) in shown.zip(&attribution.map) {
        let covered = raw.values[(class * rows + row) * columns + column];
        assert_eq!(value, whole - covered);
    }
}

#[test]
fn methods_one_by_one_make_the_same_maps_as_together() {
    let inspection = coffee();
    let settings = Settings::new().with("window", 56).with("stride", 28);
    let options = || {
        let mut options = Explain::with_settings("grad-cam,occlusion", &settings).unwrap();
        options.classes = vec![ClassChoice::Index(504)];
        options
    };
    let together = explained(&inspection, &options()).remove(0);
    let apart = options()
        .one_by_one()
        .iter()
        .map(|one| explained(&inspection, one).remove(0))
        .reduce(dvm::Explanation::with_maps_of)
        .unwrap();
    let maps = |explanation: &dvm::Explanation| -> Vec<(String, Vec<f32>)> {
        let maps = explanation.maps();
        maps.map(|(method, map)| (method.to_owned(), map.map.clone()))
            .collect()
    };
    assert_eq!(maps(&together), maps(&apart));
    assert_eq!(apart.title(), together.title());
}

#[test]
fn every_method_calls_before_each_walk() {
    let inspection = coffee();
    let none = Settings::new();
    let few = none.clone().with("steps", 4);
    let smooth = none.clone().with("samples", 2);
    let smooth = smooth.with("of", "integrated-gradients:steps=4");
    for (method, settings, least) in [
        ("integrated-gradients", few, 2),
        ("smoothgrad", smooth, 4),
        ("grad-cam", none, 1),
    ] {
        let calls = Arc::new(AtomicUsize::new(0));
        let mut options = Explain::with_settings(method, &settings).unwrap();
        let counted = calls.clone();
        options.before_walk = Some(Arc::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        }));
        explained(&inspection, &options);
        let calls = calls.load(Ordering::Relaxed);
        assert!(calls >= least, "{method}: {calls}");
    }
}
