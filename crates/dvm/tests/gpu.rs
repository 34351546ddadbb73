//! One map of each family on a device, beside the CPU's. Any device will do, also a driver that computes on the CPU.

use std::sync::Arc;

use dvm::engine::Arithmetic;
use dvm::engine::device::Device;
use dvm::{Classifier, DeviceChoice, Explain, Explanation, Settings};
use dvm_testing::networks::striped;

fn device() -> Arc<dyn Device> {
    let opened = DeviceChoice::GpuNumber(0).open(Arithmetic::Fast);
    let device = opened.expect("these tests need a device").device;
    device.expect("a device that is named by its number is opened")
}

/// The network on pictures of this size.
fn at_size(classifier: Classifier, size: usize) -> Classifier {
    let mut preprocess = classifier.preprocess().clone();
    preprocess.crop = (size, size);
    classifier.with_preprocess(preprocess).unwrap()
}

fn explained(classifier: &Classifier, methods: &str, settings: &Settings) -> Explanation {
    let options = Explain::with_settings(methods, settings).unwrap();
    classifier.explain(striped(), &options).unwrap().remove(0)
}

/// Compares every map with that of the CPU, within 1e-4 of its largest value.
fn compare(on_cpu: Classifier, make: &dyn Fn() -> Classifier, methods: &str, settings: &Settings) {
    let expected = explained(&on_cpu, methods, settings);
    let on_device = make().with_device(Some(device())).unwrap();
    let found = explained(&on_device, methods, settings);
    assert_eq!(found.class(), expected.class());
    assert!((found.probability() - expected.probability()).abs() < 1e-5);
    assert_eq!(found.maps().count(), methods.split(',').count());
    // The device is named, and nothing of these networks is left to the CPU.
    let name = on_device.device().expect("it has a device");
    assert_eq!(found.record()["model"]["device"], name);
    assert!(found.warnings().all(|(about, _)| about != "device"));
    for ((name, found), (_, expected)) in found.maps().zip(expected.maps()) {
        let (found, expected) = (&found.map, &expected.map);
        let largest = expected.iter().fold(0.0f32, |most, v| most.max(v.abs()));
        assert!(largest > 0.0, "{name}: the map is empty");
        let off = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
        let worst = off.fold(0.0f32, |most, off| {
            if off > most || off.is_nan() {
                off
            } else {
                most
            }
        });
        assert!(worst <= 1e-4 * largest, "{name}: {worst} of {largest}");
    }
}

#[test]
fn gradients_cams_and_perturbations_are_those_of_the_cpu() {
    let make = || at_size(Classifier::open("squeezenet1_1", None).unwrap(), 64);
    let settings = Settings::new()
        .with("window", 24)
        .with("stride", 20)
        .with("rise.masks", 24)
        .with("integrated-gradients.steps", 6);
    let methods =
        "gradient,guided-backprop,deconvnet,integrated-gradients,grad-cam,score-cam,occlusion,rise";
    compare(make(), &make, methods, &settings);
}

#[test]
fn attention_is_that_of_the_cpu() {
    // Without a gradient: checking it takes 40 passes through the network.
    let make = || at_size(Classifier::random("vit_tiny_patch16_224").unwrap(), 224);
    compare(make(), &make, "attention-rollout", &Settings::new());
}

#[test]
fn a_device_that_is_not_there_is_a_clear_error() {
    let error = DeviceChoice::GpuNumber(99)
        .open(Arithmetic::Fast)
        .unwrap_err();
    assert!(
        error.to_string().starts_with("there is no GPU number 99"),
        "{error}"
    );
}
