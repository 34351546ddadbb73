//! The ops of a device beside the CPU's. Any device will do, also a driver that computes on the CPU (Mesa's lavapipe):
//! this shows that results are right, not how fast they are.

mod every_op;
mod rules;
mod training;

use std::sync::Arc;

use dvm_engine::Tensor;
use dvm_engine::device::Device;

/// The first device.
fn device() -> Arc<dyn Device> {
    dvm_gpu::open(0).expect("these tests need a device: install the Vulkan driver of Mesa")
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |most, value| most.max(value.abs()))
}

/// Whether all values are within 1e-4 of the largest, or of a tenth of `usual`: what should be 0 is a sum of values
/// of the usual size.
fn assert_near(what: &str, found: &Tensor, expected: &Tensor, usual: f32) {
    assert_eq!(found.shape(), expected.shape(), "{what}");
    let bound = 1e-4 * largest(expected.data()).max(usual / 10.0);
    let pairs = found.data().iter().zip(expected.data());
    let off = pairs.map(|(a, b)| (a - b).abs());
    let worst = off.fold(0.0f32, |most, off| {
        if off > most || off.is_nan() {
            off
        } else {
            most
        }
    });
    assert!(worst <= bound, "{what}: {worst} is more than {bound}");
}
