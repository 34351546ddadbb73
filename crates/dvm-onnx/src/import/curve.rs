//! Activations that a file writes as several operators, found by what they compute.
//!
//! An exporter writes GELU as five nodes, in one of several orders, and Hardswish as three. Rules that
//! replace gradients at activations need to know them, and one node is faster than five. So for every
//! node that applies a function of one number, its values at some points are carried along, seen from
//! each of the last few nodes before it; where they are those of an activation, it is that activation.
//! Slopes that differ from channel to channel are found by [`super::bend`].

use std::collections::BTreeMap;

use dvm_engine::ops::Op;
use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::add::Add;
use dvm_engine::ops::binary::{Binary, Function, Other};
use dvm_engine::ops::mul::Mul;
use dvm_engine::ops::unary::Unary;

use super::draft::Made;

/// Where functions are compared: both sides of every kink, the bend of GELU, the straight ends, and far
/// out, where upper bounds show.
const POINTS: [f32; 30] = [
    -60000.0, -300.0, -40.3, -11.7, -7.4, -6.1, -5.2, -4.3, -3.6, -3.1, -2.9, -2.2, -1.7, -1.1,
    -0.6, -0.2, 0.1, 0.4, 0.9, 1.3, 1.9, 2.6, 2.95, 3.4, 5.3, 6.4, 9.8, 30.9, 300.0, 60000.0,
];

/// Points beyond this may overflow in a form that an exporter chose, and tell nothing then.
const MAY_OVERFLOW: f32 = 80.0;

type Samples = [f32; POINTS.len()];

/// Nodes back that a function is looked at from.
const FAR: usize = 6;

/// Numbers in a function's formula that are remembered.
const MOST_NUMBERS: usize = 4;

/// A node as a function of one node before it.
#[derive(Clone)]
struct Curve {
    samples: Samples,
    /// Of how many nodes it is made.
    length: u32,
    /// Numbers in its formula.
    numbers: Vec<f32>,
}

impl Curve {
    fn identity() -> Self {
        Self {
            samples: POINTS,
            length: 0,
            numbers: Vec::new(),
        }
    }

    /// The value at one of the points.
    fn at(&self, x: f32) -> f32 {
        let index = POINTS.iter().position(|&point| point == x);
        self.samples[index.expect("it is one of the points")]
    }

    /// A number that was found from values: the number of the formula that it must be, if there is one
    /// so near.
    fn number(&self, found: f32) -> f32 {
        let near = |number: &f32| (number - found).abs() <= 1e-4 * found.abs();
        let known = self.numbers.iter().flat_map(|&n| [n, -n, 1.0 / n]);
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
            match is_made_of_lines(activation) {
                // A bound of 1e-12 is no bound of 0: what divides by it knows.
                true if expected == 0.0 => error == 0.0,
                true => error <= 4e-6 * expected.abs() + 3e-7 * x.abs(),
                false => error <= 4e-6 * expected.abs().max(1.0),
            }
        })
    }

    /// The activations that have some number of their own, with the number that would fit.
    fn families(&self) -> Vec<Activation> {
        let mut all = Vec::new();
        let least = self.at(-60000.0);
        let slope = self.number(self.at(-1.1) / -1.1);
        // The size of a number is no activation, nor is the number itself.
        if slope.abs() != 1.0 {
            all.push(Activation::LeakyRelu(slope));
        }
        let high = self.number(self.at(60000.0));
        if high > 0.0 && high < 60000.0 {
            all.push(Activation::ClippedRelu(high));
        }
        let share = f64::from(self.at(1.3)) / 1.3;
        if share > 0.5 && share < 1.0 {
            let factor = (share / (1.0 - share)).ln() / 1.3;
            all.push(Activation::Swish(self.number(factor as f32)));
        }
        if least < 0.0 {
            let alpha = self.number(-least);
            all.extend([Activation::Elu(alpha), Activation::Celu(alpha)]);
            let gamma = self.number(self.at(1.3) / 1.3);
            if gamma > 0.0 {
                let alpha = self.number(-least / gamma);
                all.push(Activation::Selu { alpha, gamma });
            }
        }
        let lambda = self.number(30.9 - self.at(30.9));
        if lambda > 0.0 && lambda < 30.0 {
            let bias = lambda;
            all.push(Activation::Shrink { lambda, bias });
        }
        let (low, high) = (self.at(-0.2), self.at(0.4));
        if low > 0.0 && low < high && high < 1.0 {
            let slope = self.number((high - low) / 0.6);
            let offset = self.number(low + 0.2 * slope);
            all.push(Activation::HardsigmoidOf { slope, offset });
        }
        all
    }
}

/// Whether an activation is 0 exactly where it is 0.
fn is_made_of_lines(activation: Activation) -> bool {
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

/// A node as a function of nodes before it.
#[derive(Clone, Default)]
pub(crate) struct Curves {
    from: BTreeMap<usize, Curve>,
    /// Whether the last operator is an activation as it stands.
    is_activation: bool,
    /// Whether the last operator only sets a bound.
    is_bound: bool,
}

/// The activations that exporters write as several operators and that have no number of their own.
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

impl Curves {
    /// What a new node computes.
    pub fn of(op: &dyn Op, inputs: &[usize], nodes: &[Made]) -> Self {
        let any: &dyn std::any::Any = op;
        let binary = any.downcast_ref::<Binary>();
        let is_activation = any.is::<Activation>();
        let is_bound = matches!(any.downcast_ref(), Some(Unary::Clip { .. }))
            || binary.is_some_and(|b| matches!(b.function, Function::Min | Function::Max));
        let finished = |from| {
            let made = Self {
                from,
                is_activation,
                is_bound,
            };
            made.shortened()
        };
        let seen = |input: usize| {
            let mut from = nodes[input].curves.from.clone();
            from.insert(input, Curve::identity());
            from
        };
        let one = |f: &dyn Fn(f32) -> f32, numbers: &[f32]| {
            let mut from = seen(inputs[0]);
            for curve in from.values_mut() {
                curve.samples = curve.samples.map(f);
                curve.length += 1;
                curve.numbers.extend(numbers);
            }
            finished(from)
        };
        let two = |f: &dyn Fn(f32, f32) -> f32| {
            let (a, b) = (seen(inputs[0]), seen(inputs[1]));
            let mut from = BTreeMap::new();
            for (source, a) in a {
                if let Some(b) = b.get(&source) {
                    let made = Curve {
                        samples: std::array::from_fn(|i| f(a.samples[i], b.samples[i])),
                        length: a.length + b.length + 1,
                        numbers: [&a.numbers[..], &b.numbers].concat(),
                    };
                    from.insert(source, made);
                }
            }
            finished(from)
        };
        if let Some(activation) = any.downcast_ref::<Activation>() {
            let numbers = match *activation {
                Activation::LeakyRelu(n)
                | Activation::Elu(n)
                | Activation::Celu(n)
                | Activation::ClippedRelu(n)
                | Activation::Swish(n) => vec![n],
                _ => Vec::new(),
            };
            return one(&|x| activation.value(x), &numbers);
        }
        if let Some(unary) = any.downcast_ref::<Unary>() {
            let numbers = match *unary {
                Unary::Clip { low, high } => vec![low, high],
                _ => Vec::new(),
            };
            return one(&|x| unary.value(x), &numbers);
        }
        let same_shapes = || nodes[inputs[0]].shape == nodes[inputs[1]].shape;
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
                    // A cube of a negative number is one, which powers of real numbers are not.
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
        while self.from.len() > FAR {
            self.from.pop_first();
        }
        for curve in self.from.values_mut() {
            curve.numbers.truncate(MOST_NUMBERS);
            curve.numbers.shrink_to_fit();
        }
        self
    }

    /// The activation that a node of several is, and of which node.
    pub fn activation(&self) -> Option<(usize, Activation)> {
        let is_several = |curve: &Curve| curve.length > 1 || !self.is_activation;
        let found = |(&source, curve): (&usize, &Curve)| {
            let known = KNOWN.into_iter().chain(curve.families());
            // Bounds that an activation never reaches but in rounding are there for a reason.
            let fits = |activation: &Activation| {
                (is_made_of_lines(*activation) || !self.is_bound) && curve.is(*activation)
            };
            let activation = known.into_iter().find(fits)?;
            Some((source, activation))
        };
        // From the farthest node on, so that all operators of an activation become one.
        let mut all = self.from.iter();
        all.find_map(|(source, curve)| found((source, curve)).filter(|_| is_several(curve)))
    }
}
