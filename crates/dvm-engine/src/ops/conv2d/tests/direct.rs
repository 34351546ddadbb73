//! Direct convolution.

use super::*;

const KERNELS: [(usize, usize); 9] = [
    (1, 1),
    (3, 3),
    (5, 5),
    (7, 7),
    (1, 7),
    (3, 1),
    (2, 3),
    (5, 3),
    (2, 2),
];
const STRIDES: [(usize, usize); 5] = [(1, 1), (2, 2), (3, 3), (2, 1), (1, 3)];
const DILATIONS: [(usize, usize); 4] = [(1, 1), (1, 1), (2, 2), (1, 3)];

/// Groups, and channels of the input and the output in each.
const CHANNELS: [(usize, usize, usize); 18] = [
    (1, 3, 5),
    (1, 3, 32),
    (1, 1, 9),
    (1, 15, 16),
    (1, 16, 33),
    (1, 17, 15),
    (1, 20, 48),
    (1, 40, 1),
    (2, 4, 17),
    (2, 9, 16),
    (2, 16, 7),
    (4, 3, 2),
    (4, 4, 17),
    (4, 1, 2),
    // Groups that are computed together.
    (6, 3, 5),
    (8, 4, 4),
    (16, 2, 2),
    (32, 4, 4),
];

/// A layer that is not depthwise, with nothing fused into it.
pub fn any(draw: &mut Draw, channels: &[(usize, usize, usize)]) -> Layer {
    let (groups, group_in, group_out) = draw.one_of(channels);
    let conv = Conv2d {
        kernel: draw.one_of(&KERNELS),
        stride: draw.one_of(&STRIDES),
        padding: if draw.flag() {
            Padding::Same
        } else {
            draw.border(3)
        },
        dilation: draw.one_of(&DILATIONS),
        groups,
        residual: false,
        activation: None,
    };
    let reach = |kernel: usize, dilation: usize| dilation * (kernel - 1) + 1;
    let maps = [
        draw.number(1, 3),
        groups * group_in,
        reach(conv.kernel.0, conv.dilation.0) + draw.number(0, 5),
        reach(conv.kernel.1, conv.dilation.1) + draw.number(0, 5),
    ];
    Layer {
        conv,
        maps,
        outputs: groups * group_out,
        bias: draw.flag(),
    }
}

/// In `Fast` arithmetic some 3×3 layers use Winograd; these are skipped here.
fn check(layer: &Layer) {
    let mut modes = vec![Arithmetic::Exact];
    if !layer.conv.is_three_by_three() {
        modes.push(Arithmetic::Fast);
    }
    let expected = layer.expected(1);
    for set in InstructionSet::available() {
        for &arithmetic in &modes {
            let found = layer.output(set, arithmetic);
            let error = expected.error_of(found.data());
            assert!(
                error <= DIRECT,
                "{}, {arithmetic:?}: {layer:?} is off by {error:.1e}",
                set.name()
            );
        }
    }
}

#[test]
fn a_convolution_of_any_kind_is_the_sum_over_its_window() {
    for round in 0..150 {
        let mut draw = Draw::new("direct convolution", round);
        let layer = any(&mut draw, &CHANNELS);
        let conv = draw.fused(layer.conv.clone());
        check(&Layer { conv, ..layer });
    }
}

/// Many windows are split into blocks, few windows by their filters.
#[test]
fn a_convolution_that_is_split_among_tasks_is_the_sum_over_its_window() {
    let around = |conv: Conv2d, pixels| conv.padding(Padding::Fixed(Border::all(pixels)));
    let layers = [
        (Conv2d::square(1), [2, 19, 19, 23], 80),
        (Conv2d::square(1), [1, 40, 2, 2], 300),
        (Conv2d::square(1).stride(2), [1, 16, 9, 13], 170),
        (around(Conv2d::square(3), 1), [1, 16, 29, 31], 20),
        (around(Conv2d::square(3).stride(2), 1), [1, 24, 7, 7], 200),
        (around(Conv2d::square(7).stride(2), 3), [2, 3, 37, 41], 16),
        // Deep layers are summed in stretches; pixels of 512 and of 1024 channels are crowded.
        (Conv2d::square(1), [1, 1700, 3, 5], 33),
        (Conv2d::square(1), [1, 1024, 5, 5], 40),
        (Conv2d::square(1).stride(2), [2, 512, 5, 5], 17),
        (around(Conv2d::square(3).stride(2), 1), [1, 512, 5, 6], 20),
        (Conv2d::square(3).stride(2), [1, 512, 5, 7], 20),
    ];
    for (round, (conv, maps, outputs)) in layers.into_iter().enumerate() {
        check(&Layer {
            conv: Draw::new("split convolution", round).fused(conv),
            maps,
            outputs,
            bias: true,
        });
    }
}
