//! Functions of one number.

use dvm_engine::Role;
use dvm_engine::ops::Op;
use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::prelu::PRelu;
use dvm_engine::ops::unary::Unary;

use super::{Operator, computed, constant};
use crate::import::builder::{evaluate, without_leading_ones};
use crate::import::elementwise::view_of;
use crate::import::{Array, Import, NodeContext, Result, SymInt, Value, invalid, unsupported};

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
    ("ThresholdedRelu", |i, s| {
        apply(i, s, Activation::ThresholdedRelu(s.float("alpha", 1.0)))
    }),
    ("Shrink", |i, s| {
        let (lambda, bias) = (s.float("lambd", 0.5), s.float("bias", 0.0));
        apply(i, s, Activation::Shrink { lambda, bias })
    }),
    ("Neg", |i, s| neg(i, s)),
    ("Abs", |i, s| apply(i, s, Unary::Abs)),
    ("Exp", |i, s| apply(i, s, Unary::Exp)),
    ("Log", |i, s| apply(i, s, Unary::Log)),
    ("Sqrt", |i, s| apply(i, s, Unary::Sqrt)),
    ("Reciprocal", |i, s| apply(i, s, Unary::Reciprocal)),
    ("Erf", |i, s| apply(i, s, Unary::Erf)),
    ("Softsign", |i, s| apply(i, s, Activation::Softsign)),
];

/// A function of each number of the first input.
pub(super) fn apply(import: &mut Import, ctx: &NodeContext, op: impl Op) -> Result<Vec<Value>> {
    match ctx.value(0)? {
        Value::Constant(array) => {
            import.graph.check_array(&array.shape)?;
            let row = array.reshaped(&[array.len()])?;
            constant(evaluate(&op, &[&row], &[])?.reshaped(&array.shape)?)
        }
        _ => computed(import.graph.emit_on(ctx.view(0)?, ctx.name, op)?),
    }
}

fn neg(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    if let Value::Constant(array) = ctx.value(0)?
        && let Ok(values) = array.as_integers()
    {
        let negative = values.iter().map(|&v| SymInt::from(0).minus(v));
        let negative: Option<Vec<_>> = negative.collect();
        let negative = negative.ok_or_else(|| invalid("computes integers that overflow"))?;
        return constant(Array::integers(&array.shape, negative));
    }
    apply(import, ctx, Unary::Neg)
}

fn selu(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let alpha = ctx.float("alpha", 1.673_263_2);
    let gamma = ctx.float("gamma", 1.050_701);
    apply(import, ctx, Activation::Selu { alpha, gamma })
}

fn celu(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    match ctx.float("alpha", 1.0) {
        0.0 => Err(invalid("has an `alpha` of 0, but it must not be 0")),
        1.0 => apply(import, ctx, Activation::Elu(1.0)),
        alpha => apply(import, ctx, Activation::Celu(alpha)),
    }
}

fn gelu(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    match ctx.text("approximate") {
        None | Some("none") => apply(import, ctx, Activation::Gelu),
        Some("tanh") => apply(import, ctx, Activation::GeluTanh),
        Some(other) => Err(unsupported(format!("has the approximation `{other}`"))),
    }
}

fn swish(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    match ctx.float("alpha", 1.0) {
        1.0 => apply(import, ctx, Activation::Silu),
        alpha => apply(import, ctx, Activation::Swish(alpha)),
    }
}

fn hard_sigmoid(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let (alpha, beta) = (ctx.float("alpha", 0.2), ctx.float("beta", 0.5));
    // Exporters write 1/6 with few or many digits.
    if (alpha - 1.0 / 6.0).abs() < 1e-6 && beta == 0.5 {
        return apply(import, ctx, Activation::Hardsigmoid);
    }
    let (slope, offset) = (alpha, beta);
    apply(import, ctx, Activation::HardsigmoidOf { slope, offset })
}

fn clip(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let bound = |input: usize, attribute: &str, open: f32| match ctx.optional_constant(input)? {
        Some(array) if array.as_integers().is_ok() => Ok(array.as_known()?[0] as f32),
        Some(array) => array.as_scalar(),
        None => Ok(ctx.float(attribute, open)),
    };
    let low = bound(1, "min", f32::NEG_INFINITY)?;
    let high = bound(2, "max", f32::INFINITY)?;
    if let Value::Constant(array) = ctx.value(0)?
        && let Ok(values) = array.as_integers()
    {
        let known = array.as_known()?.into_iter();
        let clipped = known.map(|v| (v as f32).clamp(low.min(high), high) as i64);
        let clipped: Vec<_> = clipped.map(Into::into).collect();
        debug_assert_eq!(values.len(), clipped.len());
        return constant(Array::integers(&array.shape, clipped));
    }
    // Half-precision and quantised exports write the largest number instead of no bound.
    match (low, high) {
        (0.0, 6.0) => apply(import, ctx, Activation::Relu6),
        (0.0, high) if high >= 65504.0 => apply(import, ctx, Activation::Relu),
        // A bound of the pixels themselves is not an activation.
        (0.0, high) if high > 0.0 && import.graph.has_layers() => {
            apply(import, ctx, Activation::ClippedRelu(high))
        }
        (low, high) => apply(import, ctx, Unary::Clip { low, high }),
    }
}

fn p_relu(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let view = ctx.view(0)?.clone();
    let mut slopes = ctx.constant(1)?.clone();
    if slopes.len() == 0 {
        return Err(invalid("has no slopes"));
    }
    // Before opset 7, a vector of slopes has one per channel.
    if ctx.opset < 7 && slopes.rank() == 1 && slopes.len() > 1 && view.rank() > 2 {
        let per_channel = [&[slopes.len()][..], &vec![1; view.rank() - 2]].concat();
        let name = slopes.name.clone();
        slopes = slopes.reshaped(&per_channel)?;
        slopes.name = name;
    }
    let sides = import.graph.sides(&view);
    let missing = view.rank().checked_sub(slopes.rank());
    let fits = missing.is_some_and(|missing| {
        let mut pairs = slopes.shape.iter().zip(&sides[missing..]);
        pairs.all(|(&slope, side)| slope == 1 || side.known() == Some(slope as i64))
    });
    if !fits {
        return Err(invalid(format!(
            "has slopes of shape {:?} for a value of shape {:?}",
            slopes.shape,
            import.graph.sides_of_one(&view)
        )));
    }
    let name = import.layer_name(ctx, &slopes);
    let (view, slots, slopes) = import.align_constant(&view, &slopes, ctx.name)?;
    let slopes = without_leading_ones(&slopes).expect("the same number of values");
    let slopes = import
        .graph
        .parameter(&slopes, &name, "weight", Role::Scale)?;
    let node = import
        .graph
        .emit_layer(&name, PRelu, &[view.node], &[slopes])?;
    let made = view_of(view.rank(), &slots, node);
    computed(import.graph.without_ones(made))
}
