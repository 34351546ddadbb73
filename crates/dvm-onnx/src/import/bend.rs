//! PReLU as some exporters write it: `relu(x) − slope · relu(−x)`, `max(x, 0) + slope · min(x, 0)` and the
//! like, with a slope for every channel.
//!
//! All of these are made of functions that are one line through 0 for positive numbers and another one for
//! negative numbers: their two slopes are carried along, and where the first is 1, it is a PReLU.

use std::sync::Arc;

use dvm_engine::Tensor;
use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::add::Add;
use dvm_engine::ops::binary::{Binary, Function, Other};
use dvm_engine::ops::scale::Scale;
use dvm_engine::ops::unary::Unary;
use dvm_engine::ops::{Arithmetic, ForwardCall, Mode, Op};

use super::draft::Made;

/// Nodes back that a function is looked at from.
const FAR: usize = 3;

/// Slopes that are kept for one node: more would be those of every value of a large map.
const MOST_SLOPES: usize = 1 << 18;

/// The slopes of a line for each channel or value.
#[derive(Clone)]
enum Slopes {
    One(f32),
    /// Of a shape that goes together with that of the node.
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

    /// `function` of both; nothing where their shapes do not go together or are too large.
    fn with(&self, other: &Self, function: Function) -> Option<Self> {
        if let (Self::One(a), Self::One(b)) = (self, other) {
            return Some(Self::One(function.value(*a, *b)));
        }
        let made = combined(function, &self.tensor(), &other.tensor())?;
        Some(Self::Each(Arc::new(made)))
    }
}

/// A node as two lines through 0, seen from one node before it.
#[derive(Clone)]
struct Bend {
    source: usize,
    /// The slopes for positive numbers.
    up: Slopes,
    /// The slopes for negative numbers.
    down: Slopes,
}

/// A node as two lines through 0, seen from nodes before it.
#[derive(Clone, Default)]
pub(crate) struct Bends {
    from: Vec<Bend>,
}

/// `f(a, b)` of slopes; nothing where their shapes do not go together or are too large.
fn combined(function: Function, a: &Tensor, b: &Tensor) -> Option<Tensor> {
    let op = Binary::inputs(function);
    let shape = op.output_shape(&[a.shape(), b.shape()], &[]).ok()?;
    if shape.iter().try_fold(1usize, |n, &s| n.checked_mul(s))? > MOST_SLOPES {
        return None;
    }
    let call = ForwardCall {
        inputs: &[a, b],
        parameters: &[],
        prepared: None,
        output_shape: &shape,
        mode: Mode::Inference,
        arithmetic: Arithmetic::Exact,
        random_stream: 0,
    };
    Some(op.forward(&call).value)
}

impl Bends {
    /// What a new node computes; `parameter` is the value of its only parameter, if it is known.
    pub fn of(op: &dyn Op, inputs: &[usize], parameter: Option<&Tensor>, nodes: &[Made]) -> Self {
        let any: &dyn std::any::Any = op;
        let seen = |input: usize| {
            let mut from = nodes[input].bends.from.clone();
            from.push(Bend {
                source: input,
                up: Slopes::One(1.0),
                down: Slopes::One(1.0),
            });
            from
        };
        let one = |up: &dyn Fn(&Slopes) -> Option<Slopes>,
                   down: &dyn Fn(&Slopes) -> Option<Slopes>| {
            let from = seen(inputs[0]).into_iter().filter_map(|bend| {
                Some(Bend {
                    up: up(&bend.up)?,
                    down: down(&bend.down)?,
                    ..bend
                })
            });
            Self::last_of(from.collect())
        };
        // The slope for negative numbers, of a function of the value: its sign is the other one.
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
            let (a, b) = (seen(inputs[0]), seen(inputs[1]));
            let from = a.iter().filter_map(|a| {
                let b = b.iter().find(|b| b.source == a.source)?;
                Some(Bend {
                    source: a.source,
                    up: a.up.with(&b.up, up)?,
                    down: a.down.with(&b.down, down)?,
                })
            });
            Self::last_of(from.collect())
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
        let same_shapes = || nodes[inputs[0]].shape == nodes[inputs[1]].shape;
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
                    // The larger value has the smaller slope where numbers are negative.
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

    fn last_of(mut from: Vec<Bend>) -> Self {
        from.drain(..from.len().saturating_sub(FAR));
        Self { from }
    }

    /// The slopes of the PReLU that a node is, and of which node. A single slope makes a leaky ReLU, which
    /// [`super::curve`] finds.
    pub fn prelu(&self) -> Option<(usize, Arc<Tensor>)> {
        let is_one = |slope: &f32| (slope - 1.0).abs() <= 1e-6;
        self.from.iter().rev().find_map(|bend| {
            let Slopes::Each(down) = &bend.down else {
                return None;
            };
            let rises = bend.up.tensor().data().iter().all(is_one);
            let bends = !down.data().iter().all(is_one);
            (rises && bends).then(|| (bend.source, Arc::clone(down)))
        })
    }
}
