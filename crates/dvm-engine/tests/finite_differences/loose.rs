//! The element-wise and shape operations of exported graphs.

use dvm_engine::Tensor;
use dvm_engine::ops::Mode;
use dvm_engine::ops::batched_product::BatchedProduct;
use dvm_engine::ops::binary::{Binary, Function, Other};
use dvm_engine::ops::concat::Concat;
use dvm_engine::ops::conv2d::Border;
use dvm_engine::ops::pad::{Amount, CropLike, Pad};
use dvm_engine::ops::permute::Permute;
use dvm_engine::ops::reduce::{How, Reduce};
use dvm_engine::ops::resample::{
    Beyond, Continuation, Coordinates, Interpolation, Kernel, Resample, Rounding, Sampling,
};
use dvm_engine::ops::reshape::Reshape;
use dvm_engine::ops::slice::Slice;
use dvm_engine::ops::softmax::Softmax;
use dvm_engine::ops::unary::Unary;

use crate::draw::Draw;
use crate::slow::{Array, loose as slow};
use crate::{alone, check};

/// A shape of two to six axes.
fn any_shape(draw: &mut Draw) -> Vec<usize> {
    (0..draw.number(2, 6)).map(|_| draw.number(1, 3)).collect()
}

#[test]
fn pads() {
    for round in 0..8 {
        let mut draw = Draw::new("pad", round);
        let [n, c, h, w] = draw.feature_map();
        let value = [0.0, -1.5][round % 2];
        let (border, amount) = if draw.flag() {
            let of = draw.number(1, 4);
            let border = Border {
                bottom: h.div_ceil(of) * of - h,
                right: w.div_ceil(of) * of - w,
                ..Border::default()
            };
            (border, Amount::ToMultiple(of))
        } else {
            let border = Border {
                top: draw.number(0, 2),
                left: draw.number(0, 2),
                bottom: draw.number(0, 2),
                right: draw.number(0, 2),
            };
            (border, Amount::Fixed(border))
        };
        let x = draw.tensor(&[n, c, h, w], -1.0, 1.0);
        let alone = alone(Pad { amount, value }, Mode::Inference, vec![x], vec![]);
        check(&alone, &|inputs, _| slow::pad(&inputs[0], border, value));
    }
}

#[test]
fn borders_of_the_map_itself() {
    for round in 0..8 {
        let mut draw = Draw::new("continued", round);
        let [n, c, h, w] = draw.feature_map();
        let by = [Continuation::Mirrored, Continuation::Repeated][round % 2];
        let most = |side: usize| match by {
            Continuation::Mirrored => side - 1,
            Continuation::Repeated => 4,
        };
        let border = Border {
            top: draw.number(0, most(h)),
            left: draw.number(0, most(w)),
            bottom: draw.number(0, most(h)),
            right: draw.number(0, most(w)),
        };
        let x = draw.tensor(&[n, c, h, w], -1.0, 1.0);
        let op = Resample::Continued { border, by };
        let alone = alone(op, Mode::Inference, vec![x], vec![]);
        check(&alone, &|inputs, _| slow::continued(&inputs[0], border, by));
    }
}

#[test]
fn maps_of_another_size() {
    let interpolations = [
        Interpolation::Linear,
        Interpolation::Cubic(-0.75),
        Interpolation::Cubic(-0.5),
        Interpolation::Nearest(Rounding::Floor),
        Interpolation::Nearest(Rounding::Ceil),
        Interpolation::Nearest(Rounding::PreferFloor),
        Interpolation::Nearest(Rounding::PreferCeil),
    ];
    let coordinates = [
        Coordinates::HalfPixel,
        Coordinates::PytorchHalfPixel,
        Coordinates::AlignCorners,
        Coordinates::Asymmetric,
    ];
    let pairs = interpolations
        .into_iter()
        .flat_map(|i| coordinates.map(|c| (i, c)));
    for (round, (interpolation, coordinates)) in pairs.enumerate() {
        let mut draw = Draw::new("scaled", round);
        let [n, c, h, w] = draw.feature_map();
        // Factors that single precision represents exactly, so that both find the same nearest pixel.
        let mut scale = |side: usize| {
            let factor = [0.5, 1.0, 1.5, 2.0, 3.0][draw.number(0, 4)];
            let output = ((side as f32 * factor) as usize).max(1);
            Sampling { output, factor }
        };
        let (rows, columns) = (scale(h), scale(w));
        let x = draw.tensor(&[n, c, h, w], -1.0, 1.0);
        let op = Resample::Scaled {
            rows,
            columns,
            interpolation,
            coordinates,
        };
        let alone = alone(op, Mode::Inference, vec![x], vec![]);
        check(&alone, &|inputs, _| {
            slow::scaled(&inputs[0], (rows, columns), interpolation, coordinates)
        });
    }
}

#[test]
fn antialiased_maps_of_another_size() {
    let kernels = [Kernel::Triangle, Kernel::Cubic(-0.5), Kernel::Cubic(-0.75)];
    let pairs = kernels
        .into_iter()
        .flat_map(|kernel| [Beyond::Nothing, Beyond::Edge].map(|beyond| (kernel, beyond)));
    for (round, (kernel, beyond)) in pairs.enumerate() {
        let mut draw = Draw::new("antialiased", round);
        let [n, c, h, w] = draw.feature_map();
        let mut scale = |side: usize| {
            let output = draw.number(1, 8);
            let factor = output as f32 / side as f32;
            Sampling { output, factor }
        };
        let (rows, columns) = (scale(h), scale(w));
        let x = draw.tensor(&[n, c, h, w], -1.0, 1.0);
        let op = Resample::Scaled {
            rows,
            columns,
            interpolation: Interpolation::Antialiased { kernel, beyond },
            coordinates: Coordinates::HalfPixel,
        };
        let alone = alone(op, Mode::Inference, vec![x], vec![]);
        check(&alone, &|inputs, _| {
            slow::antialiased(&inputs[0], (rows, columns), kernel, beyond)
        });
    }
}

#[test]
fn mirrored_maps() {
    for (round, (rows, columns)) in [(true, false), (false, true), (true, true)]
        .into_iter()
        .enumerate()
    {
        let mut draw = Draw::new("flipped", round);
        let shape = draw.feature_map();
        let x = draw.tensor(&shape, -1.0, 1.0);
        let op = Resample::Flipped { rows, columns };
        let alone = alone(op, Mode::Inference, vec![x], vec![]);
        check(&alone, &|inputs, _| {
            slow::flipped(&inputs[0], rows, columns)
        });
    }
}

#[test]
fn crops() {
    for round in 0..6 {
        let mut draw = Draw::new("crop", round);
        let [n, c, h, w] = draw.feature_map();
        let like = [n, 1, draw.number(1, h), draw.number(1, w)];
        let inputs = vec![
            draw.tensor(&[n, c, h, w], -1.0, 1.0),
            draw.tensor(&like, -1.0, 1.0),
        ];
        let alone = alone(CropLike, Mode::Inference, inputs, vec![]);
        check(&alone, &|inputs, _| slow::crop(&inputs[0], &inputs[1]));
    }
}

#[test]
fn concat_along_any_axis() {
    for round in 0..12 {
        let mut draw = Draw::new("concat along an axis", round);
        let shape = any_shape(&mut draw);
        let axis = draw.number(0, shape.len() - 1);
        let inputs = (0..draw.number(1, 3))
            .map(|_| {
                let mut own = shape.clone();
                own[axis] = draw.number(1, 3);
                draw.tensor(&own, -1.0, 1.0)
            })
            .collect();
        let alone = alone(Concat { axis }, Mode::Inference, inputs, vec![]);
        check(&alone, &|inputs, _| slow::concat_along(inputs, axis));
    }
}

#[test]
fn softmax_along_any_axis() {
    for round in 0..12 {
        let mut draw = Draw::new("softmax along an axis", round);
        let mut shape = any_shape(&mut draw);
        let axis = draw.number(0, shape.len() - 1);
        shape[axis] = draw.number(2, 20);
        let x = draw.tensor(&shape, -4.0, 4.0);
        let alone = alone(Softmax { axis }, Mode::Inference, vec![x], vec![]);
        check(&alone, &|inputs, _| slow::softmax_along(&inputs[0], axis));
    }
}

#[test]
fn slices() {
    for round in 0..12 {
        let mut draw = Draw::new("slice", round);
        let mut shape = any_shape(&mut draw);
        let axis = draw.number(0, shape.len() - 1);
        shape[axis] = draw.number(1, 6);
        let start = draw.number(0, shape[axis] - 1);
        let step = draw.number(1, 3);
        let there = (shape[axis] - start).div_ceil(step);
        let slice = Slice {
            axis,
            start,
            step: [step, usize::MAX][usize::from(there == 1)],
            count: draw.flag().then(|| draw.number(1, there)),
        };
        let x = draw.tensor(&shape, -1.0, 1.0);
        let alone = alone(slice, Mode::Inference, vec![x], vec![]);
        check(&alone, &|inputs, _| slow::slice(&inputs[0], slice));
    }
}

#[test]
fn permutations() {
    for round in 0..12 {
        let mut draw = Draw::new("permute", round);
        let shape = any_shape(&mut draw);
        let mut axes: Vec<usize> = (0..shape.len()).collect();
        for axis in 0..axes.len() {
            let other = draw.number(axis, axes.len() - 1);
            axes.swap(axis, other);
        }
        let x = draw.tensor(&shape, -1.0, 1.0);
        let op = Permute { axes: axes.clone() };
        let alone = alone(op, Mode::Inference, vec![x], vec![]);
        check(&alone, &|inputs, _| slow::permute(&inputs[0], &axes));
    }
}

#[test]
fn reshapes() {
    for (from, sides, to) in [
        (&[2, 3, 2, 2][..], &[None, Some(6)][..], &[4, 6][..]),
        (&[2, 12], &[Some(2), Some(3), None, Some(2)], &[2, 3, 2, 2]),
        (
            &[2, 3, 2, 2],
            &[None, Some(2), Some(2), Some(3)],
            &[2, 2, 2, 3],
        ),
        (&[4], &[None, Some(1)], &[4, 1]),
        (&[1, 1, 1, 1], &[], &[]),
    ] {
        let x = Draw::new("reshape", to.len()).tensor(from, -1.0, 1.0);
        let sides = sides.to_vec();
        let alone = alone(Reshape { sides }, Mode::Inference, vec![x], vec![]);
        check(&alone, &|inputs, _| slow::reshape(&inputs[0], to));
    }
}

#[test]
fn reductions() {
    for round in 0..18 {
        let mut draw = Draw::new("reduce", round);
        let shape = any_shape(&mut draw);
        let op = Reduce {
            how: [How::Sum, How::Mean, How::Max][round % 3],
            axes: (0..shape.len()).filter(|_| draw.flag()).collect(),
            keeps: draw.flag(),
        };
        let x = draw.tensor_without_ties(&shape);
        let reduce = op.clone();
        let alone = alone(op, Mode::Inference, vec![x], vec![]);
        check(&alone, &|inputs, _| slow::reduce(&inputs[0], &reduce));
    }
}

#[test]
fn products_of_matrices() {
    let shapes: [(&[usize], &[usize]); 5] = [
        (&[3, 4], &[4, 2]),
        (&[2, 3, 4], &[2, 4, 1]),
        (&[2, 1, 3, 2], &[3, 2, 4]),
        (&[1, 5], &[2, 2, 5, 3]),
        (&[2, 3, 1, 4, 2], &[2, 2, 3]),
    ];
    for (round, (a, b)) in shapes.into_iter().enumerate() {
        let mut draw = Draw::new("matmul", round);
        let inputs = vec![draw.tensor(a, -1.0, 1.0), draw.tensor(b, -1.0, 1.0)];
        let alone = alone(BatchedProduct, Mode::Inference, inputs, vec![]);
        check(&alone, &|inputs, _| {
            slow::batched_product(&inputs[0], &inputs[1])
        });
    }
}

const FUNCTIONS: [Function; 7] = [
    Function::Add,
    Function::Sub,
    Function::Mul,
    Function::Div,
    Function::Pow,
    Function::Min,
    Function::Max,
];

/// Shapes that can be broadcast.
const PAIRS: [(&[usize], &[usize]); 7] = [
    (&[2, 3, 2, 2], &[2, 3, 2, 2]),
    (&[2, 3, 2, 2], &[3, 1, 1]),
    (&[2, 1, 2, 3], &[1, 4, 1, 1]),
    (&[2, 3, 4], &[1, 3, 4]),
    (&[2, 3, 4], &[1, 1, 4]),
    (&[5], &[2, 3, 1, 5]),
    (&[2, 3], &[]),
];

#[test]
fn functions_of_two_numbers() {
    for function in FUNCTIONS {
        for (round, (a, b)) in PAIRS.into_iter().enumerate() {
            let mut draw = Draw::new(&format!("{function:?}"), round);
            // Distinct values: at equal values a maximum has no gradient.
            let a = draw.tensor(a, 0.5, 1.0);
            let b = draw.tensor(b, 1.1, 2.0);
            let swapped = draw.flag();
            let slow = |a: &Array, b: &Array| match swapped {
                true => slow::binary(function, b, a),
                false => slow::binary(function, a, b),
            };
            let op = |other: Other| Binary {
                function,
                other,
                swapped,
            };
            let (one, two) = (vec![a.clone()], vec![a, b.clone()]);
            let of = |op, inputs, parameters| alone(op, Mode::Inference, inputs, parameters);
            check(&of(op(Other::Input), two, vec![]), &|x, _| {
                slow(&x[0], &x[1])
            });
            let parameter = of(op(Other::Parameter), one.clone(), vec![b.clone()]);
            check(&parameter, &|x, p| slow(&x[0], &p[0]));
            let fixed = Array::of(&b);
            check(&of(op(Other::Constant(b)), one, vec![]), &|x, _| {
                slow(&x[0], &fixed)
            });
        }
    }
}

#[test]
fn the_power_of_nothing_is_constant() {
    let x = Tensor::zeros(&[1, 2]);
    let op = Binary::constant(Function::Pow, Tensor::zeros(&[1]));
    let alone = alone(op, Mode::Inference, vec![x], vec![]);
    let outcome = alone.forward().expect("the shapes fit");
    assert_eq!(outcome.value.data(), [1.0, 1.0]);
    let grad = Tensor::full(&[1, 2], 1.0);
    let gradient = alone.backward(&outcome, &grad).inputs.remove(0).unwrap();
    assert_eq!(gradient.data(), [0.0, 0.0]);
}

#[test]
fn functions_of_one_number() {
    for (function, low, high) in [
        (Unary::Neg, -2.0, 2.0),
        (Unary::Abs, 0.1, 2.0),
        (Unary::Abs, -2.0, -0.1),
        (Unary::Exp, -2.0, 2.0),
        (Unary::Log, 0.5, 2.0),
        (Unary::Sqrt, 0.5, 2.0),
        (Unary::Reciprocal, 0.5, 2.0),
        (Unary::Erf, -3.0, 3.0),
        (
            Unary::Clip {
                low: -1.0,
                high: 0.5,
            },
            -0.9,
            0.4,
        ),
        (
            Unary::Clip {
                low: -1.0,
                high: 0.5,
            },
            -2.0,
            -1.1,
        ),
        (
            Unary::Clip {
                low: -1.0,
                high: 0.5,
            },
            0.6,
            2.0,
        ),
    ] {
        let mut draw = Draw::new(&format!("{function:?}"), 0);
        let shape = draw.feature_map();
        let x = draw.tensor(&shape, low, high);
        let alone = alone(function, Mode::Inference, vec![x], vec![]);
        check(&alone, &|inputs, _| slow::unary(function, &inputs[0]));
    }
}
