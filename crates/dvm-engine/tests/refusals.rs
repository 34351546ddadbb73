//! An op refuses inputs that it cannot compute, by their shapes, and computes all others. Graphs come from
//! untrusted files.

use std::sync::Arc;

use dvm_engine::ops::attention::Attention;
use dvm_engine::ops::batched_product::BatchedProduct;
use dvm_engine::ops::binary::{Binary, Function};
use dvm_engine::ops::channel_affine::ChannelAffine;
use dvm_engine::ops::channel_shuffle::ChannelShuffle;
use dvm_engine::ops::concat::Concat;
use dvm_engine::ops::conv2d::{Border, Conv2d, Padding};
use dvm_engine::ops::flatten::Flatten;
use dvm_engine::ops::layer_norm::LayerNorm;
use dvm_engine::ops::linear::Linear;
use dvm_engine::ops::mul::Mul;
use dvm_engine::ops::pad::{Amount, CropLike, Pad};
use dvm_engine::ops::permute::Permute;
use dvm_engine::ops::pool::{Pool, Reduction, Windows};
use dvm_engine::ops::reduce::{How, Reduce};
use dvm_engine::ops::repeat::Repeat;
use dvm_engine::ops::resample::{
    Continuation, Coordinates, Interpolation, Resample, Rounding, Sampling,
};
use dvm_engine::ops::reshape::Reshape;
use dvm_engine::ops::scale::Scale;
use dvm_engine::ops::slice::Slice;
use dvm_engine::ops::softmax::Softmax;
use dvm_engine::ops::stochastic_depth::StochasticDepth;
use dvm_engine::ops::tokens::Tokens;
use dvm_engine::ops::window_attention::WindowAttention;
use dvm_engine::ops::{Mode, Op};
use dvm_engine::{Blueprint, Graph, NodeId, Role, Tensor, seeded};
use dvm_testing::single_op::SingleOp;

/// Random choices, seeded by a name.
struct Draw(std::vec::IntoIter<f32>);

impl Draw {
    fn new(name: &str) -> Self {
        Self(seeded::unit(name, 1000).into_iter())
    }

    fn below(&mut self, count: usize) -> usize {
        let number = self.0.next().expect("enough numbers were drawn");
        (number * count as f32) as usize
    }

    /// A number as a file may have it: usually a small one, sometimes an absurd one.
    fn any(&mut self) -> usize {
        const WILD: [usize; 5] = [0, 1 << 20, 1 << 40, usize::MAX / 2, usize::MAX];
        match self.below(6) {
            0 => WILD[self.below(WILD.len())],
            _ => 1 + self.below(4),
        }
    }

    fn pair(&mut self) -> (usize, usize) {
        (self.any(), self.any())
    }

    fn list(&mut self) -> Vec<usize> {
        (0..self.below(5)).map(|_| self.any()).collect()
    }

    /// A shape of up to five axes, without a side of 0.
    fn shape(&mut self) -> Vec<usize> {
        let sides = [1, 2, 3, 4, 6, 12];
        (0..self.below(6))
            .map(|_| sides[self.below(sides.len())])
            .collect()
    }

    fn border(&mut self) -> Border {
        let ((top, left), (bottom, right)) = (self.pair(), self.pair());
        Border {
            top,
            left,
            bottom,
            right,
        }
    }

    fn flag(&mut self) -> bool {
        self.below(2) == 1
    }

    fn op(&mut self) -> Arc<dyn Op> {
        match self.below(27) {
            0 => Arc::new(Attention { heads: self.any() }),
            1 => Arc::new(BatchedProduct),
            2 => Arc::new(Binary::inputs(Function::Add)),
            3 => {
                let shape = self.shape();
                Arc::new(Binary::constant(Function::Mul, Tensor::full(&shape, 2.0)))
            }
            4 => Arc::new(Binary::parameter(Function::Pow)),
            5 => Arc::new(ChannelAffine {
                factor: vec![1.0; self.below(5)],
                shift: vec![1.0; self.below(5)],
            }),
            6 => Arc::new(ChannelShuffle { groups: self.any() }),
            7 => Arc::new(Concat { axis: self.any() }),
            8 => Arc::new(Conv2d {
                kernel: self.pair(),
                stride: self.pair(),
                padding: match self.flag() {
                    true => Padding::Same,
                    false => Padding::Fixed(self.border()),
                },
                dilation: self.pair(),
                groups: self.any(),
                residual: self.below(4) == 0,
                activation: None,
            }),
            9 => Arc::new(Flatten),
            10 => Arc::new(LayerNorm { eps: 1e-5 }),
            11 => Arc::new(Linear),
            12 => Arc::new(Mul),
            13 => Arc::new(CropLike),
            14 => Arc::new(Pad {
                amount: match self.flag() {
                    true => Amount::ToMultiple(self.any()),
                    false => Amount::Fixed(self.border()),
                },
                value: 1.0,
            }),
            15 => Arc::new(Permute { axes: self.list() }),
            16 => Arc::new(Pool {
                reduction: match self.flag() {
                    true => Reduction::Max,
                    false => Reduction::Mean {
                        count_padding: self.flag(),
                    },
                },
                windows: match self.flag() {
                    true => Windows::Adaptive {
                        output: self.pair(),
                    },
                    false => Windows::Sliding {
                        kernel: self.pair(),
                        stride: self.pair(),
                        padding: self.border(),
                        ceil: self.flag(),
                    },
                },
            }),
            17 => Arc::new(Reduce {
                how: [How::Sum, How::Mean, How::Max][self.below(3)],
                axes: self.list(),
                keeps: self.flag(),
            }),
            18 => Arc::new(Repeat),
            19 => {
                let sides = self.list().into_iter();
                let sides = sides.map(|side| (side > 1).then_some(side)).collect();
                Arc::new(Reshape { sides })
            }
            20 => Arc::new(Scale),
            21 => Arc::new(Slice {
                axis: self.below(5),
                start: self.any(),
                step: self.any(),
                count: self.flag().then(|| self.any()),
            }),
            22 => Arc::new(Softmax { axis: self.any() }),
            23 => match self.flag() {
                true => Arc::new(Tokens),
                false => Arc::new(StochasticDepth {
                    p: [0.5, f32::NAN, 1.0][self.below(3)],
                }),
            },
            24 => Arc::new(Resample::Continued {
                border: self.border(),
                by: [Continuation::Mirrored, Continuation::Repeated][self.below(2)],
            }),
            25 => {
                let mut scale = || Sampling {
                    output: self.any(),
                    factor: [0.5, 2.0, f32::NAN, -1.0, 1e-30][self.below(5)],
                };
                let (rows, columns) = (scale(), scale());
                Arc::new(Resample::Scaled {
                    rows,
                    columns,
                    interpolation: [
                        Interpolation::Nearest(Rounding::PreferFloor),
                        Interpolation::Linear,
                        Interpolation::Cubic(f32::INFINITY),
                    ][self.below(3)],
                    coordinates: [Coordinates::AlignCorners, Coordinates::Asymmetric]
                        [self.below(2)],
                })
            }
            _ => Arc::new(WindowAttention {
                heads: self.any(),
                window: self.any(),
                shift: self.any(),
            }),
        }
    }

    /// Shapes of some values, often equal.
    fn shapes(&mut self, most: usize) -> Vec<Vec<usize>> {
        let mut shapes: Vec<Vec<usize>> = Vec::new();
        for _ in 0..self.below(most + 1) {
            let next = match shapes.last() {
                Some(last) if self.flag() => last.clone(),
                _ => self.shape(),
            };
            shapes.push(next);
        }
        shapes
    }
}

/// The most values of a result, so that the test is fast.
const FEW: usize = 1 << 16;

#[test]
fn ops_compute_all_shapes_that_they_accept_forward_and_backward() {
    let mut computed = std::collections::BTreeMap::<&str, usize>::new();
    for round in 0..60_000 {
        let mut draw = Draw::new(&format!("hostile op {round}"));
        let op = draw.op();
        let inputs = draw.shapes(3);
        let parameters = match draw.below(3) {
            0 => Vec::new(),
            // A shape that a layer with these inputs may have.
            1 => inputs.first().map_or(Vec::new(), |x| {
                let features = match x[..] {
                    [_, c, _, _] => c,
                    _ => x.last().copied().unwrap_or(1),
                };
                match draw.below(5) {
                    0 => vec![vec![features], vec![features]],
                    1 => vec![vec![3, features], vec![3]],
                    2 => vec![vec![features, 1, 1]],
                    3 => vec![vec![4, features, 1 + draw.below(3), 1 + draw.below(3)]],
                    _ => vec![vec![1, features]],
                }
            }),
            _ => draw.shapes(2),
        };
        let of = |shapes: &[Vec<usize>]| -> Vec<Tensor> {
            shapes.iter().map(|s| Tensor::full(s, 0.5)).collect()
        };
        let slices = |shapes: &[Vec<usize>]| shapes.to_vec();
        let (i, p) = (slices(&inputs), slices(&parameters));
        let i: Vec<&[usize]> = i.iter().map(|s| &s[..]).collect();
        let p: Vec<&[usize]> = p.iter().map(|s| &s[..]).collect();
        let Ok(shape) = op.output_shape(&i, &p) else {
            continue;
        };
        let values = shape.iter().try_fold(1usize, |n, &s| n.checked_mul(s));
        if values.is_none_or(|values| values == 0 || values > FEW) {
            // The graph refuses these.
            continue;
        }
        for input in 0..i.len() {
            op.reach(input, &i, &p);
        }
        *computed.entry(op.kind()).or_default() += 1;
        let alone = SingleOp {
            inputs: of(&inputs),
            parameters: of(&parameters),
            mode: Mode::Training { seed: 1 },
            op,
        };
        let outcome = alone.forward().expect("it was accepted");
        if !format!("{:?}", alone.op).contains("residual: true") {
            alone.backward(&outcome, &Tensor::full(&shape, 1.0));
        }
    }
    // The random cases are useful only if some of them fit.
    assert!(computed.len() >= 25, "{computed:?}");
}

/// A graph of one op on a picture `[1, 3, 4, 4]` and on parameters of these shapes.
fn error_of(op: impl Op, parameters: &[&[usize]]) -> String {
    let mut net = Blueprint::new(3);
    let x: NodeId = net.input();
    let names = ["a", "b"];
    let declared: Vec<(&str, &[usize], Role)> = names
        .into_iter()
        .zip(parameters)
        .map(|(name, shape)| (name, *shape, Role::Weight))
        .collect();
    let x = net.node("it", op, &[x], &declared);
    let graph = Graph::new(net.ending_at(x), |p| {
        Ok::<_, dvm_engine::Error>(Tensor::zeros(&p.shape))
    })
    .unwrap();
    let shapes = graph.shapes(&[1, 3, 4, 4]).unwrap_err().to_string();
    let walked = graph.logits(&Tensor::zeros(&[1, 3, 4, 4])).unwrap_err();
    assert_eq!(walked.to_string(), shapes);
    shapes
}

#[test]
fn empty_values_are_an_error() {
    let error = error_of(Linear, &[&[0, 3]]);
    assert_eq!(
        error,
        "node `it` (linear): computes nothing of empty values: [[1, 3, 4, 4]] and [[0, 3]]"
    );
}

#[test]
fn a_value_larger_than_memory_is_an_error() {
    let amount = Amount::Fixed(Border::all(1 << 18));
    let error = error_of(Pad { amount, value: 0.0 }, &[]);
    assert_eq!(
        error,
        "node `it` (pad): its value would be too large: [1, 3, 524292, 524292]"
    );
}
