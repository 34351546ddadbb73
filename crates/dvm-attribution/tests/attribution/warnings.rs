//! Warnings of maps.

use dvm_attribution::Attribution;
use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::ops::pool::Pool;
use dvm_engine::ops::prelu::PRelu;
use dvm_engine::{Blueprint, Graph, Role, seeded};
use dvm_image::Picture;

use crate::subject::{
    Case, GRADIENTS, RULES_FOR_RECTIFIERS, as_it_is, linear_network, noise_picture, small,
    small_network, small_network_with,
};

const SIZE: (usize, usize) = (12, 14);
const WINDOWS: [(&str, &str); 2] = [("window", "6"), ("stride", "6")];

const SELU: Activation = Activation::Selu {
    alpha: 1.7,
    gamma: 1.05,
};

fn on(graph: Graph) -> Case {
    Case::new(graph, as_it_is(SIZE), noise_picture("warnings", SIZE))
}

fn assert_one_warning(map: &Attribution, words: &str) {
    let warnings = &map.warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains(words), "{warnings:?}");
}

/// ReLU, then channels weighted by a gate of their own means, as in squeeze-and-excite.
fn gated_network() -> Graph {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("conv", x, Conv2d::square(3), 3, 4, true);
    let x = net.activation("relu", x, Activation::Relu);
    let gate = net.pool("squeeze", x, Pool::global_mean());
    let gate = net.conv2d("excite", gate, Conv2d::square(1), 4, 4, true);
    let gate = net.activation("gate", gate, Activation::Sigmoid);
    let x = net.mul("gated", x, gate);
    let x = net.pool("pool", x, Pool::global_mean());
    let x = net.flatten("flatten", x);
    let x = net.linear("fc", x, 4, 5, true);
    seeded::graph(net.ending_at(x))
}

#[test]
fn a_network_of_relus_gives_no_warning() {
    for method in GRADIENTS {
        assert!(small().map_of(0, method, &[]).warnings.is_empty());
    }
    let occlusion = small().map_of(0, "occlusion", &WINDOWS);
    assert!(occlusion.warnings.is_empty());
}

#[test]
fn rules_for_relu_warn_that_the_papers_define_them_for_relu_only() {
    for (activation, name) in [
        (Activation::Silu, "silu"),
        (Activation::Hardswish, "hardswish"),
        (Activation::Gelu, "gelu"),
        (Activation::LeakyRelu(0.1), "leaky_relu"),
        (Activation::Elu(1.0), "elu"),
        (Activation::Softplus, "softplus"),
        (Activation::Mish, "mish"),
        (Activation::Swish(1.702), "swish"),
        (SELU, "selu"),
    ] {
        let subject = on(small_network_with(activation, &|_| None));
        for method in RULES_FOR_RECTIFIERS {
            let map = subject.map_of(0, method, &[]);
            assert_one_warning(&map, &format!("the network uses {name}, but the paper"));
            assert!(map.warnings[0].contains("ReLU only"));
        }
    }
}

#[test]
fn rules_for_relu_treat_bounded_relus_like_relu() {
    for activation in [Activation::Relu6, Activation::ClippedRelu(20.0)] {
        let subject = on(small_network_with(activation, &|_| None));
        for method in RULES_FOR_RECTIFIERS {
            assert!(subject.map_of(0, method, &[]).warnings.is_empty());
        }
    }
}

#[test]
fn several_prelus_give_one_warning() {
    let mut net = Blueprint::new(3);
    let mut x = net.input();
    for (layer, channels) in [("a", 3), ("b", 4)] {
        let conv = Conv2d::square(3);
        x = net.conv2d(&format!("{layer}.conv"), x, conv, channels, 4, true);
        let shape: &[usize] = &[4, 1, 1];
        let slopes = ("weight", shape, Role::Scale);
        x = net.node(&format!("{layer}.act"), PRelu, &[x], &[slopes]);
    }
    let x = net.pool("pool", x, Pool::global_mean());
    let x = net.flatten("flatten", x);
    let x = net.linear("fc", x, 4, 5, true);
    let subject = on(seeded::graph(net.ending_at(x)));
    for method in RULES_FOR_RECTIFIERS {
        assert_one_warning(&subject.map_of(0, method, &[]), "uses prelu, but");
    }
}

#[test]
fn rules_for_relu_name_the_gates_that_keep_their_gradient() {
    let subject = on(gated_network());
    for method in RULES_FOR_RECTIFIERS {
        let map = subject.map_of(0, method, &[]);
        assert_one_warning(&map, "sigmoid are gates");
        assert!(map.warnings[0].starts_with("sigmoid"));
    }
}

#[test]
fn rules_for_relu_warn_that_without_one_they_are_the_plain_gradient() {
    let weight = seeded::uniform("plain", 3 * SIZE.0 * SIZE.1, -1.0, 1.0);
    let subject = on(linear_network(SIZE, &weight));
    let plain = subject.map_of(0, "gradient", &[]);
    assert!(plain.warnings.is_empty());
    for method in RULES_FOR_RECTIFIERS {
        let attribution = subject.map_of(0, method, &[]);
        assert_eq!(attribution.map, plain.map);
        assert_one_warning(&attribution, "no ReLU");
    }
}

#[test]
fn the_true_gradient_gives_no_warning_about_activations() {
    for graph in [
        gated_network(),
        small_network_with(Activation::Silu, &|_| None),
    ] {
        let subject = on(graph);
        for method in ["gradient", "input-x-gradient"] {
            assert!(subject.map_of(0, method, &[]).warnings.is_empty());
        }
    }
}

#[test]
fn a_map_that_is_zero_everywhere_gives_a_warning() {
    let replaced = |name: &str| (name == "fc.weight").then_some(0.0);
    let subject = on(small_network_with(Activation::Relu, &replaced));
    for method in GRADIENTS.into_iter().chain(["occlusion"]) {
        let attribution = subject.map_of(0, method, &WINDOWS);
        assert!(attribution.map.iter().all(|&v| v == 0.0));
        assert_one_warning(&attribution, "zero everywhere");
    }
}

#[test]
fn windows_that_change_nothing_have_a_drop_of_exactly_zero() {
    let picture = Picture::filled(SIZE.0, SIZE.1, [32, 64, 96]);
    let subject = Case::new(small_network(), as_it_is(SIZE), picture);
    for fill in ["#204060", "mean"] {
        let options = [&WINDOWS[..], &[("fill", fill)]].concat();
        let attribution = subject.map_of(0, "occlusion", &options);
        assert!(attribution.map.iter().all(|&v| v == 0.0));
        assert!(attribution.warnings[0].contains("zero everywhere"));
    }
}

#[test]
fn a_raw_score_of_zero_gives_no_warning() {
    let replaced = |name: &str| name.starts_with("fc").then_some(0.0);
    let subject = on(small_network_with(Activation::Relu, &replaced));
    let options = [&WINDOWS[..], &[("score", "logit"), ("value", "raw")]].concat();
    let attribution = subject.map_of(0, "occlusion", &options);
    assert!(attribution.map.iter().all(|&v| v == 0.0));
    assert!(attribution.warnings.is_empty());
}

#[test]
fn windows_with_gaps_between_them_give_a_warning() {
    for stride in ["4x5", "5x4"] {
        let options = [("window", "4"), ("stride", stride)];
        let map = small().map_of(0, "occlusion", &options);
        assert_one_warning(&map, "never covered");
    }
}

#[test]
fn the_title_and_quantity_of_a_map_name_the_windows_and_the_score() {
    let labels = |options: &[(&str, &str)]| {
        let attribution = small().map_of(0, "occlusion", options);
        [attribution.title, attribution.quantity]
    };
    assert_eq!(labels(&WINDOWS), ["occlusion 6/6", "drop in probability"]);
    let options = [
        ("window", "6x4"),
        ("stride", "3x2"),
        ("score", "logit"),
        ("value", "raw"),
        ("overlap", "average"),
    ];
    assert_eq!(
        labels(&options),
        ["occlusion 6×4/3×2", "logit, mean over windows"]
    );
}
