//! Functions of one number.

use dvm_engine::Tensor;
use dvm_engine::ops::Op;
use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::binary::{Binary, Function};
use dvm_engine::ops::unary::Unary;

use super::super::Import;
use super::super::array::Array;
use super::super::draft::run;
use super::super::site::{Site, Value};
use super::super::trouble::{Trouble, invalid, unsupported};
use super::{Operator, computed, constant};

pub(super) const TABLE: &[(&str, Operator)] = &[
    ("Relu", |i, s| apply(i, s, Activation::Relu)),
    ("Sigmoid", |i, s| apply(i, s, Activation::Sigmoid)),
    ("Tanh", |i, s| apply(i, s, Activation::Tanh)),
    ("Softplus", |i, s| apply(i, s, Activation::Softplus)),
    ("Mish", |i, s| apply(i, s, Activation::Mish)),
    ("HardSwish", |i, s| apply(i, s, Activation::Hardswish)),
    ("LeakyRelu", |i, s| {
        apply(i, s, Activation::LeakyRelu(s.float("alpha", 0.01)))
    }),
    ("Elu", |i, s| {
        apply(i, s, Activation::Elu(s.float("alpha", 1.0)))
    }),
    ("Selu", selu),
    ("Celu", celu),
    ("Gelu", gelu),
    ("Swish", swish),
    ("HardSigmoid", hard_sigmoid),
    ("Clip", clip),
    ("PRelu", p_relu),
    ("ThresholdedRelu", |_, _| {
        Err(unsupported("is not computed"))
    }),
    ("Neg", |i, s| neg(i, s)),
    ("Abs", |i, s| apply(i, s, Unary::Abs)),
    ("Exp", |i, s| apply(i, s, Unary::Exp)),
    ("Log", |i, s| apply(i, s, Unary::Log)),
    ("Sqrt", |i, s| apply(i, s, Unary::Sqrt)),
    ("Reciprocal", |i, s| apply(i, s, Unary::Reciprocal)),
    ("Erf", |i, s| apply(i, s, Unary::Erf)),
    ("Softsign", softsign),
];

/// A function at every value of the first input.
pub(super) fn apply(import: &mut Import, site: &Site, op: impl Op) -> Result<Vec<Value>, Trouble> {
    match site.value(0)? {
        Value::Constant(array) => {
            import.draft.spend_on(&array.shape)?;
            let row = array.reshaped(&[array.len()])?;
            constant(run(&op, &[&row], &[])?.reshaped(&array.shape)?)
        }
        _ => {
            let view = site.view(0)?.clone();
            let node = import.draft.emit(site.name, op, &[view.node], &[])?;
            computed(view.of(node))
        }
    }
}

/// Several functions, one after the other, the last of which has the node's name.
fn chain(import: &mut Import, site: &Site, steps: Vec<Step>) -> Result<Vec<Value>, Trouble> {
    let view = site.view(0)?.clone();
    let mut node = view.node;
    let last = steps.len() - 1;
    for (index, step) in steps.into_iter().enumerate() {
        let name = match index == last {
            true => site.name.to_owned(),
            false => format!("{}.{index}", site.name),
        };
        node = match step {
            Step::Unary(unary) => import.draft.emit(&name, unary, &[node], &[])?,
            Step::By(function, number) => {
                let op = Binary::constant(function, Tensor::full(&[1], number));
                import.draft.emit(&name, op, &[node], &[])?
            }
            Step::Activation(activation) => import.draft.emit(&name, activation, &[node], &[])?,
        };
    }
    computed(view.of(node))
}

/// One function of a chain.
enum Step {
    Unary(Unary),
    By(Function, f32),
    Activation(Activation),
}

fn neg(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    if let Value::Constant(array) = site.value(0)?
        && let Ok(values) = array.as_integers()
    {
        let negative = values
            .iter()
            .map(|&v| super::super::integer::Integer::from(0).minus(v));
        let negative: Option<Vec<_>> = negative.collect();
        let negative = negative.ok_or_else(|| invalid("overflows"))?;
        return constant(Array::integers(&array.shape, negative));
    }
    apply(import, site, Unary::Neg)
}

fn selu(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let alpha = site.float("alpha", 1.673_263_2);
    let gamma = site.float("gamma", 1.050_701);
    let steps = vec![
        Step::Activation(Activation::Elu(alpha)),
        Step::By(Function::Mul, gamma),
    ];
    chain(import, site, steps)
}

fn celu(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    // max(x, 0) + min(0, α (exp(x / α) − 1)) is α · elu(x / α).
    let alpha = site.float("alpha", 1.0);
    let steps = vec![
        Step::By(Function::Div, alpha),
        Step::Activation(Activation::Elu(1.0)),
        Step::By(Function::Mul, alpha),
    ];
    chain(import, site, steps)
}

fn gelu(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    match site.text("approximate") {
        None | Some("none") => apply(import, site, Activation::Gelu),
        Some("tanh") => apply(import, site, Activation::GeluTanh),
        Some(other) => Err(unsupported(format!("approximates by {other}"))),
    }
}

fn swish(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    match site.float("alpha", 1.0) {
        1.0 => apply(import, site, Activation::Silu),
        alpha => Err(unsupported(format!("with a factor of {alpha}"))),
    }
}

fn hard_sigmoid(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let (alpha, beta) = (site.float("alpha", 0.2), site.float("beta", 0.5));
    // Exporters write 1/6 with few or many digits.
    if (alpha - 1.0 / 6.0).abs() < 1e-6 && beta == 0.5 {
        return apply(import, site, Activation::Hardsigmoid);
    }
    let steps = vec![
        Step::By(Function::Mul, alpha),
        Step::By(Function::Add, beta),
        Step::Unary(Unary::Clip {
            low: 0.0,
            high: 1.0,
        }),
    ];
    chain(import, site, steps)
}

fn softsign(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let view = site.view(0)?.clone();
    let name = site.name;
    let size = import
        .draft
        .emit(&format!("{name}.abs"), Unary::Abs, &[view.node], &[])?;
    let more = Binary::constant(Function::Add, Tensor::full(&[1], 1.0));
    let more = import
        .draft
        .emit(&format!("{name}.1"), more, &[size], &[])?;
    let quotient = Binary::inputs(Function::Div);
    let node = import.draft.emit(name, quotient, &[view.node, more], &[])?;
    computed(view.of(node))
}

fn clip(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let bound = |input: usize, attribute: &str, open: f32| match site.optional_constant(input)? {
        Some(array) if array.as_integers().is_ok() => Ok(array.as_known()?[0] as f32),
        Some(array) => array.as_scalar(),
        None => Ok(site.float(attribute, open)),
    };
    let low = bound(1, "min", f32::NEG_INFINITY)?;
    let high = bound(2, "max", f32::INFINITY)?;
    if let Value::Constant(array) = site.value(0)?
        && let Ok(values) = array.as_integers()
    {
        let known = array.as_known()?.into_iter();
        let clipped = known.map(|v| (v as f32).clamp(low.min(high), high) as i64);
        let clipped: Vec<_> = clipped.map(Into::into).collect();
        debug_assert_eq!(values.len(), clipped.len());
        return constant(Array::integers(&array.shape, clipped));
    }
    // Half precision and quantised exports write the largest number for no bound.
    match (low, high) {
        (0.0, 6.0) => apply(import, site, Activation::Relu6),
        (0.0, high) if high >= 65504.0 => apply(import, site, Activation::Relu),
        (low, high) => apply(import, site, Unary::Clip { low, high }),
    }
}

fn p_relu(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let slope = site.constant(1)?.clone();
    let slopes = slope.as_floats()?;
    if slopes.windows(2).all(|pair| pair[0] == pair[1]) && !slopes.is_empty() {
        return apply(import, site, Activation::LeakyRelu(slopes[0]));
    }
    // relu(x) + slope · min(x, 0), one slope per channel.
    let x = site.value(0)?.clone();
    let name = site.name;
    let view = site.view(0)?.clone();
    let above = import.draft.emit(
        &format!("{name}.above"),
        Activation::Relu,
        &[view.node],
        &[],
    )?;
    let below = Unary::Clip {
        low: f32::NEG_INFINITY,
        high: 0.0,
    };
    let below = import
        .draft
        .emit(&format!("{name}.below"), below, &[view.node], &[])?;
    let below = Value::Computed(view.of(below));
    let slope = Value::Constant(slope);
    let sloped = import.binary(&format!("{name}.slope"), Function::Mul, &below, &slope)?;
    let above = Value::Computed(view.of(above));
    debug_assert!(matches!(x, Value::Computed(_)));
    Ok(vec![import.binary(name, Function::Add, &above, &sloped)?])
}
