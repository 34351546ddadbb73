//! The first true gradient of a network is checked; with replaced rules there is nothing to check.

use dvm_attribution::Error;
use dvm_engine::{Blueprint, Graph, seeded};
use dvm_image::Picture;
use dvm_testing::copying::Copying;

use crate::subject::{Case, as_it_is};

fn graph() -> Graph {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let doubled = Copying {
        kind: "doubled",
        back: 2.0,
    };
    let x = net.node("twice", doubled, &[x], &[]);
    let x = net.flatten("flatten", x);
    let x = net.linear("fc", x, 3 * 12 * 10, 4, true);
    seeded::graph(net.ending_at(x))
}

fn case() -> Case {
    let mut picture = Picture::filled(10, 12, [90, 120, 60]);
    picture.set_pixel(3, 4, [250, 10, 80]);
    Case::new(graph(), as_it_is((12, 10)), picture)
}

#[test]
fn every_method_with_a_true_gradient_refuses_a_wrong_one() {
    for method in [
        "gradient",
        "input-x-gradient",
        "integrated-gradients",
        "smoothgrad",
    ] {
        let error = case().explain(method, &[], &[0]).unwrap_err();
        let Error::Network(source @ dvm_engine::Error::Gradient { .. }) = &error else {
            panic!("{method}: {error}");
        };
        let message = source.to_string();
        assert!(message.contains("node `twice` (doubled)"), "{message}");
    }
}

#[test]
fn replaced_rules_are_not_checked() {
    case().explain("guided-backprop", &[], &[0]).unwrap();
}
