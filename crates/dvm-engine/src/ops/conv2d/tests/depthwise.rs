//! Depthwise convolution.

use super::*;

/// Kernel and dilation. The square ones without dilation have a separate kernel for the inside of a row.
const KERNELS: [((usize, usize), (usize, usize)); 10] = [
    ((3, 3), (1, 1)),
    ((5, 5), (1, 1)),
    ((1, 3), (1, 1)),
    ((3, 1), (1, 1)),
    ((7, 7), (1, 1)),
    ((5, 3), (1, 1)),
    ((3, 5), (1, 1)),
    ((3, 3), (2, 2)),
    ((5, 5), (2, 1)),
    ((3, 3), (1, 2)),
];

/// Channel counts around whole vectors of 4, 8 and 16 values, and over the rounds all others up to 40.
pub fn layers() -> Vec<Layer> {
    let mut layers = Vec::new();
    for (kernel, dilation) in KERNELS {
        for stride in 1..=3 {
            for width in (1..=12).chain([19]) {
                let mut draw = Draw::new("depthwise convolution", layers.len());
                let padding = match layers.len() % 3 {
                    0 => Padding::Fixed(Border::symmetric(
                        dilation.0 * (kernel.0 / 2),
                        dilation.1 * (kernel.1 / 2),
                    )),
                    1 => Padding::Same,
                    _ => draw.border(kernel.1),
                };
                let channels = 2 + layers.len() % 39;
                let mut layer = Layer {
                    conv: Conv2d {
                        kernel,
                        stride: (stride, stride),
                        padding,
                        dilation,
                        groups: channels,
                        residual: false,
                        activation: None,
                    },
                    maps: [draw.number(1, 2), channels, draw.number(1, 9), width],
                    outputs: channels,
                    bias: draw.flag(),
                };
                // The window must fit the padded input.
                if let Padding::Fixed(border) = &mut layer.conv.padding {
                    let reach = |kernel, dilation| dilation * (kernel - 1) + 1;
                    let missing = |reach: usize, length: usize| reach.saturating_sub(length);
                    let [_, _, h, w] = layer.maps;
                    let rows = missing(reach(kernel.0, dilation.0), h);
                    let columns = missing(reach(kernel.1, dilation.1), w);
                    border.bottom = border.bottom.max(rows);
                    border.right = border.right.max(columns);
                }
                layers.push(layer);
            }
        }
    }
    layers
}

#[test]
fn a_depthwise_convolution_is_the_sum_over_each_channels_window() {
    for (round, layer) in layers().into_iter().enumerate() {
        let conv = Draw::new("fused depthwise convolution", round).fused(layer.conv.clone());
        let layer = Layer { conv, ..layer };
        let expected = layer.expected(1);
        for set in InstructionSet::available() {
            for arithmetic in [Arithmetic::Fast, Arithmetic::Exact] {
                let found = layer.output(set, arithmetic);
                let error = expected.error_of(found.data());
                assert!(
                    error <= DIRECT,
                    "{}: {layer:?} is off by {error:.1e}",
                    set.name()
                );
            }
        }
    }
}
