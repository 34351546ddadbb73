//! Gradients of the input.

use super::super::winograd;
use super::*;

/// For Winograd's algorithm; measured: 4.4e-6.
const TOLERANCE: f64 = 1e-5;

fn check(layer: &Layer, prepared: &Prepared, arithmetic: Arithmetic, tolerance: f64, set: &str) {
    let found = layer.input_gradient(prepared, arithmetic);
    assert_eq!(found.shape(), layer.maps);
    let error = layer.expected_gradient().error_of(found.data());
    assert!(
        error <= tolerance,
        "{set}, {arithmetic:?}: {layer:?} is off by {error:.1e}"
    );
}

fn check_exact(layer: &Layer) {
    for set in InstructionSet::available() {
        check(layer, &prepared(set), Arithmetic::Exact, DIRECT, set.name());
    }
}

#[test]
fn input_gradients_of_any_stride_are_the_adjoint() {
    // Groups, and channels of the input and the output in each.
    let channels = [
        (1, 9, 5),
        (1, 16, 17),
        (1, 33, 16),
        (1, 40, 3),
        (2, 4, 9),
        (2, 17, 8),
        (4, 3, 5),
        (4, 1, 2),
    ];
    for round in 0..70 {
        let mut draw = Draw::new("gradient of direct convolution", round);
        check_exact(&direct::any(&mut draw, &channels));
    }
}

#[test]
fn the_gradient_of_an_input_of_few_channels_is_the_adjoint() {
    for round in 0..40 {
        let mut draw = Draw::new("gradient of few channels", round);
        let channels = 1 + round % 8;
        check_exact(&direct::any(&mut draw, &[(1, channels, 6)]));
    }
    // Several bands of rows.
    check_exact(&Layer {
        conv: Conv2d::square(7)
            .stride(2)
            .padding(Padding::Fixed(Border::all(3))),
        maps: [2, 3, 51, 18],
        outputs: 16,
        bias: false,
    });
}

#[test]
fn depthwise_input_gradients_are_the_adjoint() {
    for layer in depthwise::layers() {
        check_exact(&layer);
    }
}

#[test]
fn three_by_three_filters_rotated_by_180_degrees_give_the_gradient() {
    for (size, inputs, outputs) in [
        ((14, 14), 32, 40),
        ((9, 13), 40, 33),
        ((11, 20), 23, 48),
        ((16, 10), 48, 17),
    ] {
        for round in 0..4 {
            let mut draw = Draw::new("gradient by Winograd", round);
            let padding = match round {
                0 => Padding::Same,
                _ => draw.border(2),
            };
            let layer = Layer {
                conv: Conv2d::square(3).padding(padding),
                maps: [2, inputs, size.0, size.1],
                outputs,
                bias: false,
            };
            assert!(
                winograd::is_cheaper(2, size, (outputs, inputs)),
                "{layer:?} does not use Winograd's algorithm"
            );
            for set in InstructionSet::available() {
                check(
                    &layer,
                    &prepared(set),
                    Arithmetic::Fast,
                    TOLERANCE,
                    set.name(),
                );
            }
        }
    }
}

/// A border wider than the filter does not fit Winograd's tiles; phases are used instead.
#[test]
fn a_border_of_three_pixels_has_the_same_gradient() {
    let layer = Layer {
        conv: Conv2d::square(3).padding(Padding::Fixed(Border::all(3))),
        maps: [2, 32, 14, 14],
        outputs: 32,
        bias: false,
    };
    let set = InstructionSet::in_use();
    check(&layer, &prepared(set), Arithmetic::Fast, DIRECT, set.name());
}

/// The padding of `Same` depends on the input size, and the phases on the padding.
#[test]
fn the_same_filters_serve_inputs_of_several_sizes() {
    for (kernel, stride) in [(3, 2), (5, 2), (5, 3), (3, 3)] {
        let set = InstructionSet::in_use();
        let prepared = prepared(set);
        let layer = Layer {
            conv: Conv2d::square(kernel).stride(stride).padding(Padding::Same),
            maps: [1, 12, 8, 8],
            outputs: 10,
            bias: false,
        };
        for size in [(8, 8), (9, 9), (8, 9), (10, 8), (8, 8)] {
            let sized = Layer {
                maps: [1, 12, size.0, size.1],
                ..layer.clone()
            };
            check(&sized, &prepared, Arithmetic::Fast, DIRECT, set.name());
        }
    }
}
