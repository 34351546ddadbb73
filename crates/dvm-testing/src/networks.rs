//! Networks with weights derived from their names, and pictures of noise.

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::{Border, Conv2d, Padding};
use dvm_engine::ops::pool::Pool;
use dvm_engine::{Blueprint, Graph, seeded};
use dvm_image::Picture;

use crate::references;

/// The small network of `references/methods.py`: conv 3→8, ReLU, max pooling, conv 8→16, ReLU, global mean,
/// linear 16→5.
pub fn small() -> Graph {
    let same = Conv2d::square(3).padding(Padding::Fixed(Border::all(1)));
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("conv1", x, same.clone(), 3, 8, true);
    let x = net.activation("relu1", x, Activation::Relu);
    let x = net.pool("pool1", x, Pool::max(2, 2, 0, false));
    let x = net.conv2d("conv2", x, same, 8, 16, true);
    let x = net.activation("relu2", x, Activation::Relu);
    let x = net.pool("pool", x, Pool::global_mean());
    let x = net.flatten("flatten", x);
    let x = net.linear("fc", x, 16, 5, true);
    seeded::graph(net.ending_at(x))
}

/// The network of a reference: `small`, an architecture of the zoo with ten classes, or an ONNX file of
/// `dvm-onnx/tests/references`.
///
/// # Panics
/// If there is no network of this name.
pub fn of_reference(name: &str) -> Graph {
    if name == "small" {
        return small();
    }
    if let Some(architecture) = dvm_zoo::find(name) {
        return seeded::graph((architecture.build)(10));
    }
    let onnx = references::path("dvm-onnx", &format!("{name}.onnx"));
    dvm_onnx::read(&onnx, dvm_onnx::Options::default())
        .unwrap_or_else(|error| panic!("{name}: {error}"))
        .graph
}

/// The picture of noise of a reference, `height` × `width` pixels.
pub fn picture_of_reference(name: &str, size: (usize, usize)) -> Picture {
    noise(&format!("{name}.input"), size)
}

/// A picture of noise derived from `name`, `height` × `width` pixels.
pub fn noise(name: &str, (height, width): (usize, usize)) -> Picture {
    let unit = seeded::unit(name, height * width * 3);
    let bytes = unit.iter().map(|u| (u * 256.0) as u8).collect();
    Picture::new(height, width, bytes)
}

/// A picture that is not uniform: a line across a plain ground.
pub fn striped() -> Picture {
    let mut picture = Picture::filled(96, 96, [40, 90, 160]);
    for place in 20..60 {
        picture.set_pixel(place, 90 - place, [250, 200, 30]);
    }
    picture
}
