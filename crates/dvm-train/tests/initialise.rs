//! Random initial weights, compared with those of torchvision and timm.

use dvm_engine::{Initialisation, Initialiser, Parameter, Role, Tensor};
use dvm_train::fresh;
use serde_json::Value;

static NETWORKS: &str = include_str!("references/initialisations.json");

fn networks() -> Vec<Value> {
    serde_json::from_str(NETWORKS).unwrap()
}

/// Standard deviation around zero, and largest magnitude.
fn measure(value: &Tensor) -> (f64, f64) {
    let squares = value.data().iter().map(|&x| f64::from(x).powi(2));
    let deviation = (squares.sum::<f64>() / value.len() as f64).sqrt();
    let largest = value.data().iter().fold(0.0f32, |m, x| m.max(x.abs()));
    (deviation, f64::from(largest))
}

#[test]
fn initial_weights_have_the_deviation_of_torchvision_and_timm() {
    for network in networks() {
        let architecture = dvm_zoo::find(network["model"].as_str().unwrap()).unwrap();
        let blueprint = (architecture.build)(10);
        for (name, expected) in network["weights"].as_object().unwrap() {
            let mut parameters = blueprint.parameters().iter();
            let parameter = parameters.find(|p| p.name == *name).unwrap();
            let is_head = name.starts_with(&format!("{}.", architecture.head));
            let value = fresh(parameter, &architecture.initialisation, is_head, 3);
            let (deviation, largest) = measure(&value);
            let number = |index: usize| expected[index].as_f64().unwrap();
            if number(0) == 0.0 {
                assert_eq!(deviation, 0.0, "{name}");
                continue;
            }
            // The deviations of two samples of n values differ by 1/√n on average; allow five times
            // that.
            let near = 5.0 / (value.len() as f64).sqrt();
            let ratio = deviation / number(0);
            assert!((ratio - 1.0).abs() < near, "{name}: {ratio} times as wide");
            // A uniform distribution ends at √3 deviations, a normal one of 2000 values beyond 3.
            let uniform = number(1) / number(0) < 1.8;
            assert_eq!(largest / deviation < 1.8, uniform, "{name}: {largest}");
        }
    }
}

#[test]
fn every_distribution_has_its_variance() {
    let fully_connected = |spread| Initialisation {
        convolutions: Initialiser::Normal(f64::MAX),
        linear: spread,
        head: Initialiser::Normal(f64::MAX),
        others: &[],
    };
    // 80 inputs, 120 outputs.
    for (spread, variance) in [
        (Initialiser::KaimingNormal, 2.0 / 120.0),
        (Initialiser::KaimingNormalFanIn, 2.0 / 80.0),
        (Initialiser::KaimingUniform, 2.0 / 80.0),
        (Initialiser::XavierUniform, 2.0 / 200.0),
        (Initialiser::UniformFanIn, 1.0 / (3.0 * 80.0)),
        (Initialiser::UniformByOutputs, 1.0 / (3.0 * 120.0)),
        (Initialiser::XavierUniformUnlessSquare, 2.0 / 200.0),
        (Initialiser::NormalFanIn, 1.0 / 80.0),
        (Initialiser::Normal(0.3), 0.09),
    ] {
        let value = fresh(&weight("fc.weight"), &fully_connected(spread), false, 1);
        let ratio = measure(&value).0.powi(2) / variance;
        assert!((ratio - 1.0).abs() < 0.06, "{spread:?}: {ratio}");
    }
}

fn weight(name: &str) -> Parameter {
    Parameter {
        name: name.into(),
        shape: vec![120, 80],
        role: Role::Weight,
    }
}

#[test]
fn weights_depend_only_on_seed_and_name() {
    let initialisation = dvm_zoo::find("resnet18").unwrap().initialisation;
    let draw = |name: &str, seed| fresh(&weight(name), &initialisation, false, seed);
    assert_eq!(draw("fc1.weight", 1), draw("fc1.weight", 1));
    assert_ne!(draw("fc1.weight", 1), draw("fc2.weight", 1));
    assert_ne!(draw("fc1.weight", 1), draw("fc1.weight", 2));
}

#[test]
fn biases_scales_and_statistics_start_neutral() {
    let architecture = dvm_zoo::find("resnet18").unwrap();
    let blueprint = (architecture.build)(10);
    for parameter in blueprint.parameters() {
        let expected = match &parameter.name {
            name if name.ends_with("running_mean") || name.ends_with("bias") => 0.0,
            name if name.ends_with("running_var") || parameter.role == Role::Scale => 1.0,
            _ => continue,
        };
        let value = fresh(parameter, &architecture.initialisation, false, 1);
        assert_eq!(value, Tensor::full(&parameter.shape, expected));
    }
}

#[test]
fn layer_scales_start_near_zero_and_class_tokens_at_zero() {
    let begins = |architecture: &str, name: &str| {
        let architecture = dvm_zoo::find(architecture).unwrap();
        let blueprint = (architecture.build)(10);
        let mut parameters = blueprint.parameters().iter();
        let parameter = parameters.find(|p| p.name == name).unwrap();
        let value = fresh(parameter, &architecture.initialisation, false, 1);
        let first = value.data()[0];
        assert_eq!(value, Tensor::full(&parameter.shape, first), "{name}");
        first
    };
    assert_eq!(begins("convnext_tiny", "features.1.0.layer_scale"), 1e-6);
    assert_eq!(begins("vit_b_32", "class_token"), 0.0);
    assert_eq!(begins("vit_tiny_patch16_224", "cls_token"), 0.0);
}

#[test]
fn the_last_layer_can_have_another_distribution() {
    let initialisation = dvm_zoo::find("vgg11").unwrap().initialisation;
    let initialisation = initialisation.with_head(Initialiser::XavierUniform);
    let value = fresh(&weight("fc.weight"), &initialisation, true, 1);
    let bound = (6.0f64 / 200.0).sqrt();
    let (_, largest) = measure(&value);
    assert!(largest <= bound && largest > 0.99 * bound, "{largest}");
}
