//! Small graphs with everything that real networks have.

mod transforming;

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::{Border, Conv2d, Padding};
use dvm_engine::ops::pool::Pool;
use dvm_engine::{Blueprint, NodeId, Tensor, seeded};
pub use transforming::transforming;

/// Seeded values within ±1.
pub fn seeded_tensor(name: &str, shape: &[usize]) -> Tensor {
    let len = shape.iter().product();
    Tensor::from_nchw(shape, &seeded::uniform(name, len, -1.0, 1.0))
}

/// A convolution that keeps the size of its input.
pub fn padded(kernel: usize) -> Conv2d {
    Conv2d::square(kernel).padding(Padding::Fixed(Border::all(kernel / 2)))
}

/// Convolution, batch-norm, activation: `<name>.conv`, `<name>.bn`, `<name>.act`.
fn layer(
    net: &mut Blueprint,
    name: &str,
    x: NodeId,
    conv: Conv2d,
    (inputs, outputs): (usize, usize),
    activation: Option<Activation>,
) -> NodeId {
    let x = net.conv2d(&format!("{name}.conv"), x, conv, inputs, outputs, false);
    let x = net.batch_norm(&format!("{name}.bn"), x, outputs, 1e-5);
    match activation {
        Some(activation) => net.activation(&format!("{name}.act"), x, activation),
        None => x,
    }
}

/// A convolutional network with ten logits and the parts of real networks: a residual block with a
/// convolution in its shortcut, a depthwise convolution with squeeze-and-excite, two parallel branches,
/// dropout. `rectifier` is its activation.
pub fn branching(rectifier: Activation) -> Blueprint {
    let act = Some(rectifier);
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = layer(&mut net, "stem", x, padded(5).stride(2), (3, 8), act);
    let x = net.pool("pool", x, Pool::max(3, 2, 1, false));

    let y = layer(&mut net, "residual.0", x, padded(3).stride(2), (8, 16), act);
    let y = layer(&mut net, "residual.1", y, padded(3), (16, 16), None);
    let narrow = Conv2d::square(1).stride(2);
    let shortcut = layer(&mut net, "residual.shortcut", x, narrow, (8, 16), None);
    let x = net.add("residual.add", y, shortcut);
    let x = net.activation("residual.act", x, rectifier);

    let depthwise = padded(3).groups(16);
    let y = layer(&mut net, "gated", x, depthwise, (16, 16), act);
    let gate = net.pool("gate.pool", y, Pool::global_mean());
    let gate = net.conv2d("gate.conv", gate, Conv2d::square(1), 16, 16, true);
    let gate = net.activation("gate.act", gate, Activation::Sigmoid);
    let y = net.mul("gate.mul", y, gate);
    let x = net.add("gated.add", x, y);

    let a = layer(&mut net, "narrow", x, Conv2d::square(1), (16, 8), act);
    let b = layer(&mut net, "wide", x, padded(3).groups(2), (16, 12), act);
    let x = net.concat("side_by_side", &[a, b]);
    let x = net.pool("mean", x, Pool::global_mean());
    let x = net.flatten("flatten", x);
    let x = net.dropout("dropout", x, 0.3);
    let x = net.linear("head", x, 20, 10, true);
    net.ending_at(x)
}
