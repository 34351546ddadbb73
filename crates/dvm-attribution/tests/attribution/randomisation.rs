//! Randomisation tests of maps: properties that always hold.

use dvm_attribution::metrics::{Candidate, Measurement, registry};
use dvm_attribution::{Settings, Target};

use crate::subject::{made, small};

/// The results of the three tests for a map of the small network.
fn figures() -> Vec<Measurement> {
    let case = small();
    let subject = case.subject();
    let method = made("integrated-gradients", &[("steps", "5")]).unwrap();
    let map = method
        .attribute(&subject, &[Target::Class(3)])
        .unwrap()
        .remove(0);
    let candidate = Candidate::new(&subject, &map).unwrap().made_by(&*method);
    let settings = Settings::new().with("layers", "single").with("samples", 2);
    [
        "model-randomisation",
        "efficient-model-randomisation",
        "random-logit",
    ]
    .map(|name| {
        let metric = registry::find(name).unwrap().metric(&settings).unwrap();
        metric.measure(&candidate).unwrap()
    })
    .into()
}

#[test]
fn figures_do_not_depend_on_the_number_of_threads() {
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(figures)
    };
    assert_eq!(on(1), on(3));
}
