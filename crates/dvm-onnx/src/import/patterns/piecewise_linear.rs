//! PReLU as some exporters write it: `relu(x) − slope · relu(−x)`, `max(x, 0) + slope · min(x, 0)` and so on, with a
//! slope per channel.
//!
//! All of these consist of functions with one line through 0 for positive numbers and another for negative numbers. The
//! builder keeps the two slopes; if the first is 1, the function is a PReLU.

use std::sync::Arc;

use dvm_engine::Tensor;
use dvm_engine::ops::Op;
use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::add::Add;
use dvm_engine::ops::binary::{Binary, Function, Other};
use dvm_engine::ops::scale::Scale;
use dvm_engine::ops::unary::Unary;

use super::InputInfo;
use crate::import::builder::{forward, output_shape};

/// How many earlier nodes are kept as arguments.
const MOST_SOURCES: usize = 3;

/// The most slopes of one node. More would be one per value of a large map.
const MOST_SLOPES: usize = 1 << 18;

/// The slope of a line.
#[derive(Clone)]
enum Slopes {
    One(f32),
    /// A slope per channel or value, in a shape that broadcasts to the node's.
    Each(Arc<Tensor>),
}

impl Slopes {
    fn tensor(&self) -> Arc<Tensor> {
        match self {
            Self::One(slope) => Arc::new(Tensor::full(&[1], *slope)),
            Self::Each(slopes) => Arc::clone(slopes),
        }
    }

    fn map(&self, f: impl Fn(f32) -> f32) -> Self {
        match self {
            Self::One(slope) => Self::One(f(*slope)),
            Self::Each(slopes) => {
                let mut made = Tensor::clone(slopes);
                made.data_mut().iter_mut().for_each(|v| *v = f(*v));
                Self::Each(Arc::new(made))
            }
        }
    }

    /// `function` of both; `None` if their shapes cannot be broadcast or are too large.
    fn with(&self, other: &Self, function: Function) -> Option<Self> {
        if let (Self::One(a), Self::One(b)) = (self, other) {
            return Some(Self::One(function.value(*a, *b)));
        }
        let made = combined(function, &self.tensor(), &other.tensor())?;
        Some(Self::Each(Arc::new(made)))
    }
}

/// A node as two lines through 0 of one earlier node.
#[derive(Clone)]
struct TwoLines {
    source: usize,
    /// The slopes for positive numbers.
    up: Slopes,
    /// The slopes for negative numbers.
    down: Slopes,
}

/// A node as two lines through 0 of each of several earlier nodes.
#[derive(Clone, Default)]
pub(crate) struct PiecewiseLinear {
    of_node: Vec<TwoLines>,
}

/// `f(a, b)` of slopes; `None` if their shapes cannot be broadcast or are too large.
fn combined(function: Function, a: &Tensor, b: &Tensor) -> Option<Tensor> {
    let op = Binary::inputs(function);
    let shape = output_shape(&op, &[a, b], &[]).ok()?;
    if shape.iter().try_fold(1usize, |n, &s| n.checked_mul(s))? > MOST_SLOPES {
        return None;
    }
    Some(forward(&op, &[a, b], &[], &shape))
}

impl PiecewiseLinear {
    /// What a new node computes of earlier nodes; `parameter` is the value of its only parameter, if known.
    pub fn of(op: &dyn Op, inputs: &[InputInfo<Self>], parameter: Option<&Tensor>) -> Self {
        let any: &dyn std::any::Any = op;
        let input = |index: usize| {
            let input = &inputs[index];
            let mut of_node = input.known.of_node.clone();
            of_node.push(TwoLines {
                source: input.node,
                up: Slopes::One(1.0),
                down: Slopes::One(1.0),
            });
            of_node
        };
        let one = |up: &dyn Fn(&Slopes) -> Option<Slopes>,
                   down: &dyn Fn(&Slopes) -> Option<Slopes>| {
            let of_node = input(0).into_iter().filter_map(|lines| {
                Some(TwoLines {
                    up: up(&lines.up)?,
                    down: down(&lines.down)?,
                    ..lines
                })
            });
            Self::shortened(of_node.collect())
        };
        // Below 0, a value has the opposite sign of its slope.
        let of_value = |f: &dyn Fn(f32) -> f32| {
            one(&|up| Some(up.map(f)), &|down| {
                Some(down.map(|slope| -f(-slope)))
            })
        };
        let times = |by: &Tensor, function: Function| {
            let by = match by.data() {
                [only] => Slopes::One(*only),
                _ => Slopes::Each(Arc::new(by.clone())),
            };
            let slope = |slope: &Slopes| slope.with(&by, function);
            one(&slope, &slope)
        };
        let two = |up: Function, down: Function| {
            let (a, b) = (input(0), input(1));
            let of_node = a.iter().filter_map(|a| {
                let b = b.iter().find(|b| b.source == a.source)?;
                Some(TwoLines {
                    source: a.source,
                    up: a.up.with(&b.up, up)?,
                    down: a.down.with(&b.down, down)?,
                })
            });
            Self::shortened(of_node.collect())
        };
        match any.downcast_ref::<Activation>() {
            Some(Activation::Relu) => return of_value(&|v| v.max(0.0)),
            Some(&Activation::LeakyRelu(slope)) => {
                return of_value(&|v| if v < 0.0 { slope * v } else { v });
            }
            _ => {}
        }
        match any.downcast_ref::<Unary>() {
            Some(Unary::Neg) => return of_value(&|v| -v),
            Some(Unary::Abs) => return of_value(&f32::abs),
            Some(&Unary::Clip { low, high }) if low == f32::NEG_INFINITY && high == 0.0 => {
                return of_value(&|v| v.min(0.0));
            }
            _ => {}
        }
        let same_shapes = || inputs[0].shape == inputs[1].shape;
        if any.is::<Add>() {
            return two(Function::Add, Function::Add);
        }
        if let (true, Some(factors)) = (any.is::<Scale>(), parameter) {
            return times(factors, Function::Mul);
        }
        let Some(binary) = any.downcast_ref::<Binary>() else {
            return Self::default();
        };
        let by = match &binary.other {
            Other::Input if same_shapes() => {
                return match (binary.function, binary.swapped) {
                    (Function::Add, _) => two(Function::Add, Function::Add),
                    (Function::Sub, false) => two(Function::Sub, Function::Sub),
                    // Below 0, the larger value has the smaller slope.
                    (Function::Max, _) => two(Function::Max, Function::Min),
                    (Function::Min, _) => two(Function::Min, Function::Max),
                    _ => Self::default(),
                };
            }
            Other::Input => return Self::default(),
            Other::Parameter => parameter,
            Other::Constant(constant) => Some(constant),
        };
        match (by, binary.function) {
            (Some(by), Function::Mul) => times(by, Function::Mul),
            (Some(by), Function::Div) if !binary.swapped => times(by, Function::Div),
            (Some(by), Function::Max) if by.data() == [0.0] => of_value(&|v| v.max(0.0)),
            (Some(by), Function::Min) if by.data() == [0.0] => of_value(&|v| v.min(0.0)),
            _ => Self::default(),
        }
    }

    fn shortened(mut of_node: Vec<TwoLines>) -> Self {
        of_node.drain(..of_node.len().saturating_sub(MOST_SOURCES));
        Self { of_node }
    }

    /// The slopes of the PReLU that this and earlier nodes compute, and of which node. A single slope makes a leaky ReLU,
    /// which [`super::sampled_function`] finds.
    pub fn prelu(&self) -> Option<(usize, Arc<Tensor>)> {
        let is_one = |slope: &f32| (slope - 1.0).abs() <= 1e-6;
        self.of_node.iter().rev().find_map(|lines| {
            let Slopes::Each(down) = &lines.down else {
                return None;
            };
            let is_identity_above = lines.up.tensor().data().iter().all(is_one);
            let is_identity_below = down.data().iter().all(is_one);
            (is_identity_above && !is_identity_below).then(|| (lines.source, Arc::clone(down)))
        })
    }
}
