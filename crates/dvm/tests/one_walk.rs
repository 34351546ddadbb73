//! All methods share one forward walk of a picture.

use dvm::engine::{Stopwatch, Walk};
use dvm::{Classifier, Explain, Settings};
use dvm_testing::networks::striped;

fn options(methods: &str) -> Explain {
    let settings = Settings::new()
        .with("occlusion.window", 64)
        .with("occlusion.stride", 64);
    Explain::with_settings(methods, &settings).unwrap()
}

#[test]
fn the_default_methods_share_one_forward_walk() {
    let stopwatch = Stopwatch::default();
    let classifier = Classifier::embedded()
        .unwrap()
        .with_stopwatch(stopwatch.clone());
    let methods = dvm::DEFAULT_METHODS;
    classifier.explain(striped(), &options(methods)).unwrap();
    let laps = stopwatch.laps();
    let forward: Vec<_> = laps
        .iter()
        .filter(|lap| lap.walk == Walk::Forward)
        .collect();
    assert!(forward.len() > 50, "{}", forward.len());
    for lap in forward {
        assert_eq!(lap.calls, 1, "{}", lap.node);
    }
}

#[test]
fn a_shared_walk_does_not_change_maps() {
    let classifier = Classifier::embedded().unwrap();
    let map = |methods: &str| {
        let all = classifier.explain(striped(), &options(methods)).unwrap();
        let (_, map) = all[0]
            .maps()
            .find(|(name, _)| *name == "occlusion")
            .unwrap();
        map.raw()
            .values
            .iter()
            .map(|v| v.to_bits())
            .collect::<Vec<_>>()
    };
    assert_eq!(map("occlusion"), map("guided-backprop,occlusion"));
}
