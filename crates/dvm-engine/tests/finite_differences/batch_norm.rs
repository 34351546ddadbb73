//! Batch normalisation in both modes.

use dvm_engine::ops::Mode;
use dvm_engine::ops::batch_norm::BatchNorm;

use crate::draw::Draw;
use crate::slow::{self, Array};
use crate::{FORWARD, TRAINING, alone, check};
use dvm_testing::closeness::relative_error;
use dvm_testing::single_op::SingleOp;

/// A batch-norm of feature maps or rows, with a batch of more than one value.
fn any_batch_norm(round: usize, mode: Mode) -> (BatchNorm, SingleOp) {
    let mut draw = Draw::new("batch_norm", round);
    let op = BatchNorm::new([1e-5, 1e-3][round % 2], [0.1, 0.01, 1.0][round % 3]);
    let channels = draw.number(1, 5);
    let shape = if draw.flag() {
        vec![
            draw.number(2, 3),
            channels,
            draw.number(1, 5),
            draw.number(2, 5),
        ]
    } else {
        vec![draw.number(4, 8), channels]
    };
    let parameters = vec![
        draw.tensor(&[channels], 0.5, 1.5),
        draw.tensor(&[channels], -1.0, 1.0),
        draw.tensor(&[channels], -1.0, 1.0),
        draw.tensor(&[channels], 0.5, 1.5),
    ];
    let x = draw.tensor(&shape, -1.0, 2.0);
    (op, alone(op, mode, vec![x], parameters))
}

#[test]
fn batch_norm_in_inference() {
    for round in 0..8 {
        let (op, alone) = any_batch_norm(round, Mode::Inference);
        check(&alone, &|inputs, p| {
            slow::batch_norm(&inputs[0], op.eps, [&p[0], &p[1], &p[2], &p[3]])
        });
    }
}

#[test]
fn batch_norm_in_training() {
    for round in 0..8 {
        let (op, alone) = any_batch_norm(round, TRAINING);
        check(&alone, &|inputs, p| {
            let (mean, variance) = slow::batch_statistics(&inputs[0]);
            slow::batch_norm(&inputs[0], op.eps, [&p[0], &p[1], &mean, &variance])
        });
    }
}

#[test]
fn batch_norm_moves_its_statistics_by_the_momentum() {
    for round in 0..8 {
        let (op, alone) = any_batch_norm(round, TRAINING);
        let moved = alone.forward().expect("the shapes fit").statistics;
        let (mean, variance) = slow::batch_statistics(&Array::of(&alone.inputs[0]));
        let x = &alone.inputs[0];
        let count = (x.len() / x.shape()[1]) as f64;
        let (old, new) = (1.0 - f64::from(op.momentum), f64::from(op.momentum));
        for (which, (batch, correction)) in [(mean, 1.0), (variance, count / (count - 1.0))]
            .into_iter()
            .enumerate()
        {
            let running = Array::of(&alone.parameters[2 + which]);
            let expected: Vec<f64> = running
                .values
                .iter()
                .zip(&batch.values)
                .map(|(r, b)| old * r + new * b * correction)
                .collect();
            let error = relative_error(&moved[which].to_nchw(), &expected);
            assert!(error <= FORWARD, "statistic {which} is off by {error:.1e}");
        }
    }
}
