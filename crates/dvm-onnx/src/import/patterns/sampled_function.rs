//! Activations that a file writes as several operators, recognised by sampling.
//!
//! An exporter writes GELU as five nodes, in one of several orders, and Hardswish as three. Rules that replace gradients
//! at activations need to know them, and one node is faster than five. So for every node that applies a function of one
//! number, the builder keeps the function's values at fixed points, as a function of each of the last few nodes before
//! it. If the samples are those of an activation, the node is that activation. Slopes that differ between channels are
//! found by [`super::piecewise_linear`].

use std::collections::BTreeMap;

use dvm_engine::ops::Op;
use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::add::Add;
use dvm_engine::ops::binary::{Binary, Function, Other};
use dvm_engine::ops::mul::Mul;
use dvm_engine::ops::unary::Unary;

use super::InputInfo;

/// Where functions are sampled: both sides of every kink, the curve of GELU, the straight ends, and far out, to see
/// upper bounds.
const POINTS: [f32; 30] = [
    -60000.0, -300.0, -40.3, -11.7, -7.4, -6.1, -5.2, -4.3, -3.6, -3.1, -2.9, -2.2, -1.7, -1.1,
    -0.6, -0.2, 0.1, 0.4, 0.9, 1.3, 1.9, 2.6, 2.95, 3.4, 5.3, 6.4, 9.8, 30.9, 300.0, 60000.0,
];

/// Beyond this absolute value an exporter's formula may overflow; such samples are ignored.
const MAY_OVERFLOW: f32 = 80.0;

type Samples = [f32; POINTS.len()];

/// How many earlier nodes are kept as arguments.
const MOST_SOURCES: usize = 6;

/// How many constants of a function's formula are kept.
const MOST_CONSTANTS: usize = 4;

/// A node as a function of one earlier node.
#[derive(Clone)]
struct SampledFunction {
    samples: Samples,
    /// How many nodes compute it.
    nodes: u32,
    /// Constants in its formula.
    constants: Vec<f32>,
}

impl SampledFunction {
    fn identity() -> Self {
        Self {
            samples: POINTS,
            nodes: 0,
            constants: Vec::new(),
        }
    }

    /// The value at one of the points.
    fn at(&self, x: f32) -> f32 {
        let index = POINTS.iter().position(|&point| point == x);
        self.samples[index.expect("x is one of the points")]
    }

    /// The constant of the formula that is nearest to a number estimated from samples, or else the estimate.
    fn constant(&self, found: f32) -> f32 {
        let near = |number: &f32| (number - found).abs() <= 1e-4 * found.abs();
        let known = self.constants.iter().flat_map(|&n| [n, -n, 1.0 / n]);
        let by_distance = |a: &f32, b: &f32| (a - found).abs().total_cmp(&(b - found).abs());
        known.filter(near).min_by(by_distance).unwrap_or(found)
    }

    fn is(&self, activation: Activation) -> bool {
        POINTS.iter().zip(&self.samples).all(|(&x, &found)| {
            if !found.is_finite() {
                return x.abs() > MAY_OVERFLOW;
            }
            let expected = activation.value(x);
            let error = (found - expected).abs();
            match is_piecewise_linear(activation) {
                // A bound of 1e-12 is not 0: the graph may divide by it.
                true if expected == 0.0 => error == 0.0,
                true => error <= 4e-6 * expected.abs() + 3e-7 * x.abs(),
                false => error <= 4e-6 * expected.abs().max(1.0),
            }
        })
    }

    /// The activations with a parameter, each with the value that would fit.
    fn parametric(&self) -> Vec<Activation> {
        let mut all = Vec::new();
        let least = self.at(-60000.0);
        let slope = self.constant(self.at(-1.1) / -1.1);
        // The absolute value is not an activation, nor is the identity.
        if slope.abs() != 1.0 {
            all.push(Activation::LeakyRelu(slope));
        }
        let high = self.constant(self.at(60000.0));
        if high > 0.0 && high < 60000.0 {
            all.push(Activation::ClippedRelu(high));
        }
        let share = f64::from(self.at(1.3)) / 1.3;
        if share > 0.5 && share < 1.0 {
            let factor = (share / (1.0 - share)).ln() / 1.3;
            all.push(Activation::Swish(self.constant(factor as f32)));
        }
        if least < 0.0 {
            let alpha = self.constant(-least);
            all.extend([Activation::Elu(alpha), Activation::Celu(alpha)]);
            let gamma = self.constant(self.at(1.3) / 1.3);
            if gamma > 0.0 {
                let alpha = self.constant(-least / gamma);
                all.push(Activation::Selu { alpha, gamma });
            }
        }
        let lambda = self.constant(30.9 - self.at(30.9));
        if lambda > 0.0 && lambda < 30.0 {
            let bias = lambda;
            all.push(Activation::Shrink { lambda, bias });
        }
        let (low, high) = (self.at(-0.2), self.at(0.4));
        if low > 0.0 && low < high && high < 1.0 {
            let slope = self.constant((high - low) / 0.6);
            let offset = self.constant(low + 0.2 * slope);
            all.push(Activation::HardsigmoidOf { slope, offset });
        }
        all
    }
}

/// Whether an activation has no rounding error where it is 0.
fn is_piecewise_linear(activation: Activation) -> bool {
    matches!(
        activation,
        Activation::Relu
            | Activation::Relu6
            | Activation::ClippedRelu(_)
            | Activation::SquaredRelu
            | Activation::LeakyRelu(_)
            | Activation::Hardswish
            | Activation::Hardsigmoid
            | Activation::HardsigmoidOf { .. }
            | Activation::Shrink { .. }
    )
}

/// A node as a function of each of several earlier nodes.
#[derive(Clone, Default)]
pub(crate) struct SampledFunctions {
    of_node: BTreeMap<usize, SampledFunction>,
    /// Whether the last operator is itself an activation.
    is_activation: bool,
    /// Whether the last operator only bounds its input.
    is_bound: bool,
}

/// The activations without a parameter that exporters write as several operators.
const KNOWN: [Activation; 13] = [
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
    Activation::SquaredRelu,
    Activation::Softsign,
];

impl SampledFunctions {
    /// What a new node computes of earlier nodes.
    pub fn of(op: &dyn Op, inputs: &[InputInfo<Self>]) -> Self {
        let any: &dyn std::any::Any = op;
        let binary = any.downcast_ref::<Binary>();
        let is_activation = any.is::<Activation>();
        let is_bound = matches!(any.downcast_ref(), Some(Unary::Clip { .. }))
            || binary.is_some_and(|b| matches!(b.function, Function::Min | Function::Max));
        let finished = |of_node| {
            let made = Self {
                of_node,
                is_activation,
                is_bound,
            };
            made.shortened()
        };
        let input = |index: usize| {
            let input = &inputs[index];
            let mut of_node = input.known.of_node.clone();
            of_node.insert(input.node, SampledFunction::identity());
            of_node
        };
        let one = |f: &dyn Fn(f32) -> f32, constants: &[f32]| {
            let mut of_node = input(0);
            for function in of_node.values_mut() {
                function.samples = function.samples.map(f);
                function.nodes += 1;
                function.constants.extend(constants);
            }
            finished(of_node)
        };
        let two = |f: &dyn Fn(f32, f32) -> f32| {
            let (a, b) = (input(0), input(1));
            let mut of_node = BTreeMap::new();
            for (source, a) in a {
                if let Some(b) = b.get(&source) {
                    let made = SampledFunction {
                        samples: std::array::from_fn(|i| f(a.samples[i], b.samples[i])),
                        nodes: a.nodes + b.nodes + 1,
                        constants: [&a.constants[..], &b.constants].concat(),
                    };
                    of_node.insert(source, made);
                }
            }
            finished(of_node)
        };
        if let Some(activation) = any.downcast_ref::<Activation>() {
            let constants = match *activation {
                Activation::LeakyRelu(n)
                | Activation::Elu(n)
                | Activation::Celu(n)
                | Activation::ClippedRelu(n)
                | Activation::Swish(n) => vec![n],
                _ => Vec::new(),
            };
            return one(&|x| activation.value(x), &constants);
        }
        if let Some(unary) = any.downcast_ref::<Unary>() {
            let constants = match *unary {
                Unary::Clip { low, high } => vec![low, high],
                _ => Vec::new(),
            };
            return one(&|x| unary.value(x), &constants);
        }
        let same_shapes = || inputs[0].shape == inputs[1].shape;
        if any.is::<Add>() {
            return two(&|a, b| a + b);
        }
        if any.is::<Mul>() && same_shapes() {
            return two(&|a, b| a * b);
        }
        if let Some(binary) = binary {
            let value = |a, b| match binary.swapped {
                true => binary.function.value(b, a),
                false => binary.function.value(a, b),
            };
            match &binary.other {
                Other::Constant(constant) if constant.len() == 1 => {
                    let constant = constant.data()[0];
                    // The cube of a negative number is defined, unlike other real powers.
                    let is_cube = binary.function == Function::Pow && !binary.swapped;
                    if is_cube && constant == 3.0 {
                        return one(&|x| x * x * x, &[]);
                    }
                    return one(&|x| value(x, constant), &[constant]);
                }
                Other::Input if same_shapes() => return two(&value),
                _ => {}
            }
        }
        Self::default()
    }

    fn shortened(mut self) -> Self {
        while self.of_node.len() > MOST_SOURCES {
            self.of_node.pop_first();
        }
        for function in self.of_node.values_mut() {
            function.constants.truncate(MOST_CONSTANTS);
            function.constants.shrink_to_fit();
        }
        self
    }

    /// The activation that this and earlier nodes compute together, and of which node.
    pub fn activation(&self) -> Option<(usize, Activation)> {
        let is_several = |function: &SampledFunction| function.nodes > 1 || !self.is_activation;
        let found = |function: &SampledFunction| {
            let mut known = KNOWN.into_iter().chain(function.parametric());
            // A bound that a smooth activation never reaches has another purpose.
            known.find(|&activation| {
                (is_piecewise_linear(activation) || !self.is_bound) && function.is(activation)
            })
        };
        // From the earliest node on, so that all operators of an activation are replaced.
        let mut all = self.of_node.iter();
        all.find_map(|(&source, function)| {
            let activation = found(function).filter(|_| is_several(function))?;
            Some((source, activation))
        })
    }
}
