//! Operators on whole numbers: each is the ordinary one of what its numbers stand for.

use super::super::super::Import;
use super::super::super::site::{Site, Value};
use super::super::super::trouble::{Trouble, invalid};
use super::super::expansion::{OPSET, float, ints};
use super::super::quantised::{Code, dequantise, quantise};
use super::super::{Operator, Table, quantised_layers};

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

/// An operator on maps `[N, C, H, W]`, also where the node has its maps `[N, H, W, C]`.
fn channels_first(
    import: &mut Import,
    site: &Site,
    operator: Operator,
) -> Result<Vec<Value>, Trouble> {
    if site.int("channels_last", 0) == 0 {
        return operator(import, site);
    }
    turned(import, site, operator)
}

/// An operator on maps `[N, C, H, W]`, for a node that has its maps `[N, H, W, C]`.
fn turned(import: &mut Import, site: &Site, operator: Operator) -> Result<Vec<Value>, Trouble> {
    let name = site.name;
    let map = Some(site.value(0)?.clone());
    let first = ints("perm", &[0, 3, 1, 2]);
    let map = import.ordinary("Transpose", &format!("{name}.map"), vec![map], &[first])?;
    let mut inputs = site.inputs.clone();
    inputs[0] = Some(map);
    let made = operator(import, &Site { inputs, ..*site })?;
    let map = made.into_iter().next();
    let last = ints("perm", &[0, 2, 3, 1]);
    let name = format!("{name}.back");
    Ok(vec![import.ordinary(
        "Transpose",
        &name,
        vec![map],
        &[last],
    )?])
}

fn max_pool(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    turned(import, site, |import, site| {
        let inputs = site.inputs.clone();
        let made = import.ordinary("MaxPool", site.name, inputs, &site.node.attribute)?;
        Ok(vec![made])
    })
}

/// Value, scale and zero point; scale and zero point of the output.
fn of_one(import: &mut Import, site: &Site, operator: &str) -> Result<Vec<Value>, Trouble> {
    let inputs = vec![import.dequantised_by(site, 0, 1)?];
    let made = import.ordinary(operator, site.name, inputs, &site.node.attribute)?;
    import.quantised_by(site, made, 3, 4)
}

fn softmax(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let inputs = vec![import.dequantised_by(site, 0, 1)?];
    let opset = site.int("opset", OPSET);
    let attributes = &site.node.attribute;
    let made = import.ordinary_in(opset, "Softmax", site.name, inputs, attributes)?;
    import.quantised_by(site, made, 3, 4)
}

/// Twice value, scale and zero point; scale and zero point of the output.
fn of_two(import: &mut Import, site: &Site, operator: &str) -> Result<Vec<Value>, Trouble> {
    let inputs = vec![
        import.dequantised_by(site, 0, 1)?,
        import.dequantised_by(site, 3, 1)?,
    ];
    let made = import.ordinary(operator, site.name, inputs, &[])?;
    import.quantised_by(site, made, 6, 7)
}

/// Scale and zero point of the output; then value, scale and zero point of each input.
fn concat(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let rest = site.inputs.len().saturating_sub(2);
    if rest == 0 || !rest.is_multiple_of(3) {
        return Err(invalid("joins values without scales"));
    }
    let mut inputs = Vec::new();
    for input in (2..site.inputs.len()).step_by(3) {
        inputs.push(import.dequantised_by(site, input, 1)?);
    }
    let made = import.ordinary("Concat", site.name, inputs, &site.node.attribute)?;
    import.quantised_by(site, made, 0, 1)
}

/// A condition; twice value, scale and zero point; scale and zero point of the output.
fn choose(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let inputs = vec![
        site.optional(0).cloned(),
        import.dequantised_by(site, 1, 1)?,
        import.dequantised_by(site, 4, 1)?,
    ];
    let made = import.ordinary("Where", site.name, inputs, &[])?;
    import.quantised_by(site, made, 7, 8)
}

/// Two matrices, each with scale and zero point; a bias; scale and zero point of the output, which is of floats
/// where there are none.
fn gemm(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let is_turned = site.int("transB", 0) != 0;
    let mut inputs = vec![
        import.dequantised_by(site, 0, 0)?,
        import.dequantised_by(site, 3, if is_turned { 0 } else { 1 })?,
    ];
    if let Some(bias) = site.optional(6) {
        let scales = [site.value(1)?, site.value(4)?];
        let alpha = site.float("alpha", 1.0);
        let bias = import.dequantised_bias(bias, scales, alpha, site.name)?;
        inputs.push(Some(bias));
    }
    let attributes = [&site.node.attribute[..], &[float("beta", 1.0)]].concat();
    let made = import.ordinary("Gemm", site.name, inputs, &attributes)?;
    match site.optional(7) {
        Some(_) => import.quantised_by(site, made, 7, 8),
        None => Ok(vec![made]),
    }
}

/// Two matrices, their scales, their zero points, and a bias of floats.
fn mat_mul_to_float(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let mut inputs = Vec::new();
    for (input, axis) in [(0, -2), (1, -1)] {
        let code = Code::of(site, input + 2, input + 4, axis)?;
        let name = format!("{}.{input}", site.name);
        inputs.push(Some(import.dequantised(site.value(input)?, code, &name)?));
    }
    with_bias(import, site, inputs, 6)
}

/// A matrix of floats, weights with scale and zero point, and a bias of floats.
fn mat_mul_of_floats(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let code = Code::of(site, 2, 3, -1)?;
    let weight = import.dequantised(site.value(1)?, code, site.name)?;
    let inputs = vec![Some(site.value(0)?.clone()), Some(weight)];
    with_bias(import, site, inputs, 4)
}

fn with_bias(
    import: &mut Import,
    site: &Site,
    inputs: Vec<Option<Value>>,
    bias: usize,
) -> Result<Vec<Value>, Trouble> {
    let made = import.ordinary("MatMul", site.name, inputs, &[])?;
    let Some(bias) = site.optional(bias) else {
        return Ok(vec![made]);
    };
    let name = format!("{}.bias", site.name);
    let inputs = vec![Some(made), Some(bias.clone())];
    Ok(vec![import.ordinary("Add", &name, inputs, &[])?])
}
