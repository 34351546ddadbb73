//! Gradients of the weights.

use rayon::ThreadPoolBuilder;

use super::super::winograd;
use super::*;

/// For Winograd's algorithm.
const TOLERANCE: f64 = 2e-5;

fn check(layer: &Layer, arithmetic: Arithmetic, tolerance: f64) {
    let expected = layer.expected_weight_gradient();
    for set in InstructionSet::available() {
        let found = layer.weight_gradient(&prepared(set), arithmetic);
        assert_eq!(found.shape(), layer.parameters()[0].shape());
        let error = expected.error_of(found.data());
        let set = set.name();
        assert!(
            error <= tolerance,
            "{set}, {arithmetic:?}: {layer:?} is off by {error:.1e}"
        );
    }
}

#[test]
fn weight_gradients_of_any_stride_are_the_adjoint() {
    // Groups, and channels of the input and the output in each.
    let channels = [
        (1, 9, 5),
        (1, 3, 32),
        (1, 16, 17),
        (1, 33, 16),
        (1, 40, 3),
        (1, 1, 40),
        (2, 4, 9),
        (2, 17, 8),
        (4, 3, 5),
        (4, 1, 2),
    ];
    for round in 0..70 {
        let mut draw = Draw::new("weights of direct convolution", round);
        check(
            &direct::any(&mut draw, &channels),
            Arithmetic::Exact,
            DIRECT,
        );
    }
}

#[test]
fn sums_over_many_pixels_are_added_in_parts() {
    for (kernel, stride, maps, outputs) in [
        (1, 1, [2, 24, 48, 40], 70),
        (7, 2, [1, 3, 93, 87], 20),
        (3, 2, [3, 40, 31, 33], 36),
        (1, 2, [1, 130, 9, 9], 200),
    ] {
        let padding = Padding::Fixed(Border::all(kernel / 2));
        let layer = Layer {
            conv: Conv2d::square(kernel).stride(stride).padding(padding),
            maps,
            outputs,
            bias: false,
        };
        check(&layer, Arithmetic::Fast, DIRECT);
    }
}

#[test]
fn depthwise_weight_gradients_are_the_adjoint() {
    for layer in depthwise::layers() {
        check(&layer, Arithmetic::Exact, DIRECT);
    }
}

/// Layers whose sums are small enough for every task to have a separate copy, and others.
fn three_by_three() -> Vec<Layer> {
    let mut layers = Vec::new();
    for (size, inputs, outputs) in [
        ((14, 14), 32, 40),
        ((9, 13), 40, 33),
        ((11, 20), 23, 48),
        ((26, 25), 100, 90),
    ] {
        for round in 0..4 {
            let mut draw = Draw::new("weights by Winograd", round);
            let padding = match round {
                0 => Padding::Same,
                _ => draw.border(2),
            };
            layers.push(Layer {
                conv: Conv2d::square(3).padding(padding),
                maps: [6, inputs, size.0, size.1],
                outputs,
                bias: false,
            });
        }
    }
    layers
}

#[test]
fn three_by_three_weight_gradients_are_exact_at_the_points() {
    for layer in three_by_three() {
        let [n, o, rows, columns] = layer.output_shape();
        assert!(
            winograd::weight_gradient_is_cheaper(n, (rows, columns), (layer.maps[1], o)),
            "{layer:?} does not use Winograd's algorithm"
        );
        check(&layer, Arithmetic::Fast, TOLERANCE);
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let direct = Layer {
        conv: Conv2d::square(1),
        maps: [3, 24, 40, 40],
        outputs: 48,
        bias: false,
    };
    let depthwise = Layer {
        conv: Conv2d::square(3).groups(24),
        outputs: 24,
        ..direct.clone()
    };
    let layers = three_by_three().into_iter().step_by(4);
    for layer in layers.chain([direct, depthwise]) {
        let with_threads = |threads: usize| {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build();
            let set = InstructionSet::in_use();
            pool.expect("threads are available")
                .install(|| bits(&layer.weight_gradient(&prepared(set), Arithmetic::Fast)))
        };
        assert_eq!(with_threads(1), with_threads(5), "{layer:?}");
    }
}
