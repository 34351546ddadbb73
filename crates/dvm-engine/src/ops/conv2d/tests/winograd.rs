//! Winograd's algorithm, called directly: the rule that chooses it would skip small maps.

use super::super::winograd;
use super::*;

/// `Arithmetic::Fast` promises 1e-4 of the largest value. Measured: 4.3e-6; 1.9e-5 for 2048 channels
/// with the portable instructions, which round products before they add them.
const TOLERANCE: f64 = 3e-5;

fn layer(maps: [usize; 4], outputs: usize, border: Border) -> Layer {
    Layer {
        conv: Conv2d::square(3).padding(Padding::Fixed(border)),
        maps,
        outputs,
        bias: true,
    }
}

/// The output by Winograd's algorithm, even if it is not cheaper.
fn convolve(layer: &Layer, set: InstructionSet) -> Vec<f32> {
    let (input, parameters, residual) = (layer.input(), layer.parameters(), layer.residual());
    let [n, c, h, w] = layer.maps;
    let [_, _, oh, ow] = layer.output_shape();
    let filters = Filters::new(set);
    let mut output = vec![f32::NAN; residual.len()];
    let finish = Finish {
        bias: parameters.get(1).map(|bias| bias.data()),
        residual: layer
            .conv
            .residual
            .then(|| Residual::new(residual.data(), &output)),
        activation: layer.conv.activation,
    };
    Winograd {
        input: input.data(),
        maps: (n, h, w, c),
        border: layer.before(),
        filters: filters.transformed(&parameters[0]),
        results: (oh, ow),
        finish,
    }
    .convolve(&mut output);
    output
}

/// Compares every `step`-th pixel, and checks that the others were computed, too.
fn check(layer: &Layer, step: usize) {
    let expected = layer.expected(step);
    for set in InstructionSet::available() {
        let found = convolve(layer, set);
        assert!(!found.iter().any(|v| v.is_nan()), "{layer:?} has a gap");
        let pixels = found.chunks_exact(layer.outputs).step_by(step);
        let found: Vec<f32> = pixels.flatten().copied().collect();
        let error = expected.error_of(&found);
        assert!(
            error <= TOLERANCE,
            "{}: {layer:?} is off by {error:.1e}",
            set.name()
        );
    }
}

/// Sides of 1 to 13 are split into tiles of 2, 3 and 4, so all nine kinds of tiles occur, alone and next to
/// each other.
#[test]
fn maps_of_every_size_have_the_direct_values() {
    for rows in 1..=13 {
        for columns in 1..=13 {
            let mut draw = Draw::new("Winograd", rows * 100 + columns);
            let mut along = |length: usize| {
                let before = draw.number(0, 2.min(length));
                let after = draw.number(0, 2.min(length + 1 - before));
                (before, length + 2 - before - after, after)
            };
            let (top, h, bottom) = along(rows);
            let (left, w, right) = along(columns);
            let border = Border {
                top,
                left,
                bottom,
                right,
            };
            let maps = [draw.number(1, 3), draw.number(1, 40), h, w];
            let mut layer = layer(maps, draw.number(1, 40), border);
            layer.bias = draw.flag();
            layer.conv = draw.fused(layer.conv);
            assert_eq!(layer.output_shape()[2..], [rows, columns]);
            check(&layer, 1);
        }
    }
}

#[test]
fn a_padding_of_zero_one_or_two_has_the_direct_values() {
    for padding in 0..=2 {
        for (h, w) in [(4, 4), (6, 9), (7, 5), (11, 12)] {
            let layer = layer([2, 19, h, w], 35, Border::all(padding));
            check(&layer, 1);
        }
    }
}

/// With few filters each task processes a block of tiles with all filters: here in five blocks, one of which
/// spans two maps.
#[test]
fn blocks_of_tiles_under_few_filters_have_the_direct_values() {
    let layer = layer([2, 24, 27, 30], 40, Border::all(1));
    check(&layer, 1);
}

/// Many filters are shared by all cores, block after block: here one block and two.
#[test]
fn tiles_under_many_filters_have_the_direct_values() {
    for maps in [[1, 40, 7, 9], [3, 40, 18, 19]] {
        let mut layer = layer(maps, 1024, Border::all(1));
        layer.conv.residual = true;
        layer.conv.activation = Some(Activation::Relu);
        check(&layer, 37);
    }
}

/// So many channels that not even one transformed tile fits in the values that a core keeps in cache.
#[test]
fn a_layer_from_very_many_channels_to_few_filters_has_the_direct_values() {
    let layer = layer([1, 2048, 16, 16], 8, Border::all(1));
    assert!(winograd::is_cheaper(1, (16, 16), (2048, 8)));
    check(&layer, 7);
}

#[test]
fn one_and_two_threads_give_identical_bits() {
    for (maps, outputs) in [([2, 24, 27, 30], 40), ([3, 40, 18, 19], 1024)] {
        let layer = layer(maps, outputs, Border::all(1));
        let [one, two] = [1, 2].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.unwrap()
                .install(|| convolve(&layer, InstructionSet::in_use()))
        });
        assert!(one == two, "{layer:?}");
    }
}

/// The layers of `references/ops.py` that test Winograd's algorithm must use it, forward and backward.
#[test]
fn winograd_is_cheaper_for_layers_of_the_references() {
    for (maps, size, inputs, outputs) in [(1, (14, 14), 32, 32), (2, (13, 17), 32, 48)] {
        assert!(winograd::is_cheaper(maps, size, (inputs, outputs)));
        assert!(winograd::is_cheaper(maps, size, (outputs, inputs)));
    }
}
