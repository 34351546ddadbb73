//! Activations that a file spells out, found by what they compute.
//!
//! An exporter writes GELU as five nodes, in one of several orders, and Hardswish as three. Rules that
//! replace gradients at activations need to know them, and one node is faster than five. So for every
//! node that applies a function of one number, its values at some points are carried along, seen from
//! each of the last few nodes before it; where they are those of an activation, it is that activation.

use std::collections::BTreeMap;

use dvm_engine::ops::Op;
use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::add::Add;
use dvm_engine::ops::binary::{Binary, Function, Other};
use dvm_engine::ops::mul::Mul;
use dvm_engine::ops::unary::Unary;

use super::draft::Made;

/// Where functions are compared: both sides of every kink, the bend of GELU, and the straight ends.
const POINTS: [f32; 26] = [
    -40.3, -11.7, -7.4, -6.1, -5.2, -4.3, -3.6, -3.1, -2.9, -2.2, -1.7, -1.1, -0.6, -0.2, 0.1, 0.4,
    0.9, 1.3, 1.9, 2.6, 2.95, 3.4, 5.3, 6.4, 9.8, 30.9,
];

type Samples = [f32; POINTS.len()];

/// Nodes back that a function is looked at from.
const FAR: usize = 6;

/// A node as a function of nodes before it.
#[derive(Clone, Default)]
pub(crate) struct Curves {
    /// By the node that the function is of: its values, and of how many nodes it is made.
    from: BTreeMap<usize, (Samples, u32)>,
}

/// The activations that exporters spell out.
const KNOWN: [Activation; 11] = [
    Activation::Relu,
    Activation::Relu6,
    Activation::Gelu,
    Activation::GeluTanh,
    Activation::Silu,
    Activation::Hardswish,
    Activation::Hardsigmoid,
    Activation::Mish,
    Activation::Softplus,
    Activation::Sigmoid,
    Activation::Tanh,
];

impl Curves {
    /// What a new node computes.
    pub fn of(op: &dyn Op, inputs: &[usize], nodes: &[Made]) -> Self {
        let any: &dyn std::any::Any = op;
        let seen = |input: usize| {
            let mut from = nodes[input].curves.from.clone();
            from.insert(input, (POINTS, 0));
            from
        };
        let one = |f: &dyn Fn(f32) -> f32| {
            let mut from = seen(inputs[0]);
            for (samples, length) in from.values_mut() {
                *samples = samples.map(f);
                *length += 1;
            }
            Self { from }.shortened()
        };
        let two = |f: &dyn Fn(f32, f32) -> f32| {
            let (a, b) = (seen(inputs[0]), seen(inputs[1]));
            let mut from = BTreeMap::new();
            for (source, (a, first)) in a {
                if let Some((b, second)) = b.get(&source) {
                    let samples = std::array::from_fn(|i| f(a[i], b[i]));
                    from.insert(source, (samples, first + second + 1));
                }
            }
            Self { from }.shortened()
        };
        if let Some(activation) = any.downcast_ref::<Activation>() {
            return one(&|x| activation.value(x));
        }
        if let Some(unary) = any.downcast_ref::<Unary>() {
            return one(&|x| unary.value(x));
        }
        let same_shapes = || nodes[inputs[0]].shape == nodes[inputs[1]].shape;
        if any.is::<Add>() {
            return two(&|a, b| a + b);
        }
        if any.is::<Mul>() && same_shapes() {
            return two(&|a, b| a * b);
        }
        if let Some(binary) = any.downcast_ref::<Binary>() {
            let value = |a, b| match binary.swapped {
                true => binary.function.value(b, a),
                false => binary.function.value(a, b),
            };
            match &binary.other {
                Other::Constant(constant) if constant.len() == 1 => {
                    let constant = constant.data()[0];
                    // A cube of a negative number is one, which powers of real numbers are not.
                    let is_cube = binary.function == Function::Pow && !binary.swapped;
                    if is_cube && constant == 3.0 {
                        return one(&|x| x * x * x);
                    }
                    return one(&|x| value(x, constant));
                }
                Other::Input if same_shapes() => return two(&value),
                _ => {}
            }
        }
        Self::default()
    }

    fn shortened(mut self) -> Self {
        while self.from.len() > FAR {
            self.from.pop_first();
        }
        self
    }

    /// The activation that a node of several is, and of which node.
    pub fn activation(&self) -> Option<(usize, Activation)> {
        let spelt_out = self
            .from
            .iter()
            .rev()
            .filter(|(_, (_, length))| *length > 1);
        let known = |(&source, (samples, _)): (&usize, &(Samples, u32))| {
            let fits = |activation: &Activation| {
                POINTS.iter().zip(samples).all(|(&x, &found)| {
                    let expected = activation.value(x);
                    (found - expected).abs() <= 4e-6 * expected.abs().max(1.0)
                })
            };
            let activation = KNOWN.into_iter().find(fits)?;
            Some((source, activation))
        };
        spelt_out.into_iter().find_map(known)
    }
}
