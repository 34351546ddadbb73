//! Operators on quantised integers, as operators on floats.

use super::super::expansion::{OPSET, float, ints};
use super::super::quantisation::Quantisation;
use super::super::quantised::{dequantise, quantise};
use super::super::{Operator, Table, quantised_layers};
use crate::import::{Import, NodeContext, Result, Value, invalid};

pub(super) const TABLE: Table = &[
    ("QuantizeLinear", quantise),
    ("DequantizeLinear", dequantise),
    ("QLinearConv", |i, s| {
        channels_first(i, s, quantised_layers::conv)
    }),
    ("QLinearAdd", |i, s| of_two(i, s, "Add")),
    ("QLinearMul", |i, s| of_two(i, s, "Mul")),
    ("QLinearSigmoid", |i, s| of_one(i, s, "Sigmoid")),
    ("QLinearLeakyRelu", |i, s| of_one(i, s, "LeakyRelu")),
    ("QLinearReduceMean", |i, s| of_one(i, s, "ReduceMean")),
    ("QLinearSoftmax", softmax),
    ("QLinearAveragePool", |i, s| {
        channels_first(i, s, |i, s| of_one(i, s, "AveragePool"))
    }),
    ("QLinearGlobalAveragePool", |i, s| {
        channels_first(i, s, |i, s| of_one(i, s, "GlobalAveragePool"))
    }),
    ("NhwcMaxPool", max_pool),
    ("QLinearConcat", concat),
    ("QLinearWhere", choose),
    ("QGemm", gemm),
    ("MatMulIntegerToFloat", mat_mul_to_float),
    ("DynamicQuantizeMatMul", mat_mul_of_floats),
];

/// An operator on feature maps `[N, C, H, W]`; the node's may be `[N, H, W, C]`.
fn channels_first(
    import: &mut Import,
    ctx: &NodeContext,
    operator: Operator,
) -> Result<Vec<Value>> {
    if ctx.int("channels_last", 0) == 0 {
        return operator(import, ctx);
    }
    turned(import, ctx, operator)
}

/// An operator on feature maps `[N, C, H, W]`, for a node with `[N, H, W, C]`.
fn turned(import: &mut Import, ctx: &NodeContext, operator: Operator) -> Result<Vec<Value>> {
    let name = ctx.name;
    let map = Some(ctx.value(0)?.clone());
    let first = ints("perm", &[0, 3, 1, 2]);
    let map = import.standard_op("Transpose", &format!("{name}.map"), vec![map], &[first])?;
    let mut inputs = ctx.inputs.clone();
    inputs[0] = Some(map);
    let made = operator(import, &NodeContext { inputs, ..*ctx })?;
    let map = made.into_iter().next();
    let last = ints("perm", &[0, 2, 3, 1]);
    let name = format!("{name}.back");
    let made = import.standard_op("Transpose", &name, vec![map], &[last])?;
    Ok(vec![made])
}

fn max_pool(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    turned(import, ctx, |import, ctx| {
        let inputs = ctx.inputs.clone();
        let made = import.standard_op("MaxPool", ctx.name, inputs, &ctx.node.attribute)?;
        Ok(vec![made])
    })
}

/// Inputs: value, scale and zero point; scale and zero point of the output.
fn of_one(import: &mut Import, ctx: &NodeContext, operator: &str) -> Result<Vec<Value>> {
    import.quantised_op(operator, ctx, &[(0, 1)], 3)
}

fn softmax(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let inputs = vec![import.dequantised_by(ctx, 0, 1)?];
    let opset = ctx.int("opset", OPSET);
    let attributes = &ctx.node.attribute;
    let made = import.standard_op_in(opset, "Softmax", ctx.name, inputs, attributes)?;
    import.quantised_by(ctx, made, 3)
}

/// Inputs: twice value, scale and zero point; scale and zero point of the output.
fn of_two(import: &mut Import, ctx: &NodeContext, operator: &str) -> Result<Vec<Value>> {
    import.quantised_op(operator, ctx, &[(0, 1), (3, 1)], 6)
}

/// Inputs: scale and zero point of the output; then value, scale and zero point of each input.
fn concat(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let rest = ctx.inputs.len().saturating_sub(2);
    if rest == 0 || !rest.is_multiple_of(3) {
        return Err(invalid(
            "has a number of inputs that is not 2 + 3 per value",
        ));
    }
    let inputs = (2..ctx.inputs.len()).step_by(3).map(|input| (input, 1));
    import.quantised_op("Concat", ctx, &inputs.collect::<Vec<_>>(), 0)
}

/// Inputs: a condition; twice value, scale and zero point; scale and zero point of the output.
fn choose(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let inputs = vec![
        ctx.optional(0).cloned(),
        import.dequantised_by(ctx, 1, 1)?,
        import.dequantised_by(ctx, 4, 1)?,
    ];
    let made = import.standard_op("Where", ctx.name, inputs, &[])?;
    import.quantised_by(ctx, made, 7)
}

/// Inputs: two matrices, each with scale and zero point; a bias; scale and zero point of the output. Without the last two,
/// the output is floats.
fn gemm(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let is_turned = ctx.int("transB", 0) != 0;
    let mut inputs = vec![
        import.dequantised_by(ctx, 0, 0)?,
        import.dequantised_by(ctx, 3, if is_turned { 0 } else { 1 })?,
    ];
    if let Some(bias) = ctx.optional(6) {
        let scales = [ctx.value(1)?, ctx.value(4)?];
        let alpha = ctx.float("alpha", 1.0);
        let bias = import.dequantised_bias(bias, scales, alpha, ctx.name)?;
        inputs.push(Some(bias));
    }
    let attributes = [&ctx.node.attribute[..], &[float("beta", 1.0)]].concat();
    let made = import.standard_op("Gemm", ctx.name, inputs, &attributes)?;
    match ctx.optional(7) {
        Some(_) => import.quantised_by(ctx, made, 7),
        None => Ok(vec![made]),
    }
}

/// Inputs: two matrices, their scales, their zero points, and a float bias.
fn mat_mul_to_float(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let mut inputs = Vec::new();
    for (input, axis) in [(0, -2), (1, -1)] {
        let quantisation = Quantisation::of(ctx, input + 2, input + 4, axis)?;
        let name = format!("{}.{input}", ctx.name);
        inputs.push(Some(import.dequantised(
            ctx.value(input)?,
            quantisation,
            &name,
        )?));
    }
    with_bias(import, ctx, inputs, 6)
}

/// Inputs: a float matrix, weights with scale and zero point, and a float bias.
fn mat_mul_of_floats(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let quantisation = Quantisation::of(ctx, 2, 3, -1)?;
    let weight = import.dequantised(ctx.value(1)?, quantisation, ctx.name)?;
    let inputs = vec![Some(ctx.value(0)?.clone()), Some(weight)];
    with_bias(import, ctx, inputs, 4)
}

fn with_bias(
    import: &mut Import,
    ctx: &NodeContext,
    inputs: Vec<Option<Value>>,
    bias: usize,
) -> Result<Vec<Value>> {
    let made = import.standard_op("MatMul", ctx.name, inputs, &[])?;
    let name = format!("{}.bias", ctx.name);
    Ok(vec![import.plus(made, ctx.optional(bias), &name)?])
}
