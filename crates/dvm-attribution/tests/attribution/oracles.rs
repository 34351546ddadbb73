//! Maps worked out by hand.

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::{Blueprint, Graph};
use dvm_image::Picture;

use crate::subject::{Case, in_whole_colours, linear_network, with_values};

/// The network of Captum's own tests: a 3×3 convolution of ones to two channels, biases −50 and
/// −75, ReLU, a linear layer of five +1 and three −1, ReLU. Captum's has one input channel; here it
/// is red, and green and blue have no weight.
fn captums_tiny_network() -> Graph {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("conv1", x, Conv2d::square(3), 3, 2, true);
    let x = net.activation("relu1", x, Activation::Relu);
    let x = net.flatten("flatten", x);
    let x = net.linear("fc1", x, 8, 4, false);
    let x = net.activation("relu2", x, Activation::Relu);
    with_values(net.ending_at(x), |name, _| match name {
        "conv1.weight" => [[1.0; 9], [0.0; 9], [0.0; 9]].concat().repeat(2),
        "conv1.bias" => vec![-50.0, -75.0],
        _ => [1.0, 1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0].repeat(4),
    })
}

/// Red is 0 … 15, row by row; the other colours must not matter.
pub fn captums_tiny_picture() -> Case {
    let pixels = (0..16).flat_map(|red| [red, 200 - red, 77]).collect();
    let picture = Picture::new(4, 4, pixels);
    Case::new(captums_tiny_network(), in_whole_colours((4, 4)), picture)
}

fn assert_tiny_gradient(method: &str, expected: [f32; 16]) {
    let attribution = captums_tiny_picture().map_of(0, method, &[]);
    assert_eq!(attribution.raw().values[..16], expected);
    assert_eq!(attribution.raw().values[16..], [0.0; 32]);
    assert_eq!(attribution.map, expected);
}

#[test]
fn guided_backprop_of_captums_tiny_network() {
    let expected = [
        0.0, 1.0, 1.0, 1.0, //
        1.0, 3.0, 3.0, 2.0, //
        1.0, 3.0, 3.0, 2.0, //
        1.0, 2.0, 2.0, 1.0,
    ];
    assert_tiny_gradient("guided-backprop", expected);
}

#[test]
fn deconvnet_of_captums_tiny_network() {
    let expected = [
        2.0, 3.0, 3.0, 1.0, //
        3.0, 5.0, 5.0, 2.0, //
        3.0, 5.0, 5.0, 2.0, //
        1.0, 2.0, 2.0, 1.0,
    ];
    assert_tiny_gradient("deconvnet", expected);
}

#[test]
fn occlusion_of_captums_tiny_network() {
    let subject = captums_tiny_picture();
    let whole = subject.subject().numbers().unwrap()[0];
    assert!((whole - 54.0).abs() < 1e-4, "{whole}");
    let options = [("preset", "captum"), ("window", "3"), ("stride", "2")];
    let attribution = subject.map_of(0, "occlusion", &options);
    let expected = [
        44.0, 44.0, 38.5, 33.0, //
        44.0, 44.0, 38.5, 33.0, //
        49.0, 49.0, 44.5, 40.0, //
        54.0, 54.0, 50.5, 47.0,
    ];
    // 7 / 255 divided by 1 / 255 is 7 within rounding.
    for (actual, expected) in attribution.map.iter().zip(expected) {
        assert!((actual - expected).abs() < 1e-4, "{:?}", attribution.map);
    }
}

#[test]
fn occlusion_of_pair_where_windows_are_summed() {
    // f = 3 · sum of the red values, ones at (1, 1) and (3, 3).
    let weight = [[3.0; 25], [0.0; 25], [0.0; 25]].concat();
    let mut picture = Picture::filled(5, 5, [0, 9, 200]);
    picture.set_pixel(1, 1, [1, 9, 200]);
    picture.set_pixel(3, 3, [1, 9, 200]);
    let graph = linear_network((5, 5), &weight);
    let subject = Case::new(graph, in_whole_colours((5, 5)), picture);
    let options = [
        ("window", "3"),
        ("stride", "1"),
        ("fill", "zero"),
        ("score", "logit"),
        ("overlap", "sum"),
    ];
    // The network has a single output, for class 1.
    let attribution = subject.map_of(1, "occlusion", &options);
    let expected = [
        3.0, 6.0, 6.0, 3.0, 0.0, //
        6.0, 15.0, 18.0, 12.0, 3.0, //
        6.0, 18.0, 24.0, 18.0, 6.0, //
        3.0, 12.0, 18.0, 15.0, 6.0, //
        0.0, 3.0, 6.0, 6.0, 3.0,
    ];
    assert_eq!(attribution.map, expected);
    assert_eq!(attribution.raw().shape, [2, 3, 3]);
}
