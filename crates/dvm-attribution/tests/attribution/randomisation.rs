//! Randomisation tests of maps: properties that always hold.

use dvm_attribution::Target;
use dvm_attribution::metrics::{Candidate, Measurement};

use crate::subject::{made, metric, on_threads, small};

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
    [
        "model-randomisation",
        "efficient-model-randomisation",
        "random-logit",
    ]
    .map(|name| {
        let options = [("layers", "single"), ("samples", "2")];
        metric(name, &options).measure(&candidate).unwrap()
    })
    .into()
}

#[test]
fn figures_do_not_depend_on_the_number_of_threads() {
    assert_eq!(on_threads(1, figures), on_threads(3, figures));
}
