//! `Attention`, an operator of opset 23.

use dvm_engine::ops::binary::Function;
use dvm_engine::ops::softmax::Softmax;

use super::{Operator, computed};
use crate::import::{Import, NodeContext, Result, SymInt, Value, View, invalid, unsupported};

pub(super) const TABLE: &[(&str, Operator)] = &[("Attention", attention)];

/// `softmax(q · kᵀ · scale + mask) · v` of each head.
fn attention(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let more = ctx.inputs.iter().skip(4).any(Option::is_some);
    let others = ctx
        .node
        .output
        .iter()
        .skip(1)
        .any(|output| !output.is_empty());
    if more || others || ctx.int("is_causal", 0) != 0 || ctx.float("softcap", 0.0) != 0.0 {
        return Err(unsupported(
            "is attention with a cache, a causal mask or a soft cap",
        ));
    }
    let rank = ctx.view(0)?.rank();
    let heads = |attribute: &str| ctx.int(attribute, 0);
    let name = ctx.name;
    let [q, k, v] = [
        (0, heads("q_num_heads")),
        (1, heads("kv_num_heads")),
        (2, heads("kv_num_heads")),
    ]
    .map(|(input, heads)| split(import, ctx.view(input)?, heads, name));
    let scale = ctx.has("scale").then(|| ctx.float("scale", 1.0));
    let made = attend(import, [q?, k?, v?], scale, ctx.optional(3), name)?;
    if rank == 4 {
        return computed(made);
    }
    computed(joined(import, &made, name)?)
}

/// `softmax(q · kᵀ · scale + mask) · v` of `[N, heads, T, d]`; the default scale is 1 / √d.
///
/// # Errors
/// If the shapes cannot be multiplied, and for a mask of booleans.
pub(super) fn attend(
    import: &mut Import,
    [q, k, v]: [View; 3],
    scale: Option<f32>,
    mask: Option<&Value>,
    name: &str,
) -> Result<View> {
    let sides = import.graph.sides(&q);
    if sides[1] != import.graph.sides(&k)[1] {
        return Err(unsupported("shares keys and values between heads"));
    }
    let width = sides[3].known().filter(|&width| width > 0);
    let width = width.ok_or_else(|| invalid("has heads of 0 features"))?;
    let scale = scale.unwrap_or(1.0 / (width as f32).sqrt());
    let scores = import.product(&q, &k.transposed(&[0, 1, 3, 2]), &format!("{name}.scores"))?;
    let node = import.times(scores.node, scale, &format!("{name}.scaled"))?;
    let mut scores = Value::Computed(scores.of(node));
    if let Some(mask) = mask {
        if matches!(mask, Value::Constant(array) if array.as_floats().is_err()) {
            return Err(unsupported("has a mask of booleans"));
        }
        let name = format!("{name}.masked");
        scores = import.binary(&name, Function::Add, &scores, mask)?;
    }
    let Value::Computed(scores) = scores else {
        return Err(invalid("has scores that are not computed from the picture"));
    };
    let (scores, own) = import.graph.with_single_axis(&scores, 3, name)?;
    let softmax = Softmax { axis: own };
    let node = import
        .graph
        .emit(&format!("{name}.softmax"), softmax, &[scores.node])?;
    import.product(&scores.of(node), &v, name)
}

/// `[N, heads, T, d]` as `[N, T, heads · d]`.
///
/// # Errors
/// As `GraphBuilder::reshape`.
pub(super) fn joined(import: &mut Import, view: &View, name: &str) -> Result<View> {
    with_merged_heads(import, &view.transposed(&[0, 2, 1, 3]), name)
}

/// `[N, T, heads, d]` as `[N, T, heads · d]`.
///
/// # Errors
/// As `GraphBuilder::reshape`.
pub(super) fn with_merged_heads(import: &mut Import, view: &View, name: &str) -> Result<View> {
    let sides = import.graph.sides(view);
    let features = sides[2].times(sides[3]);
    let features = features.ok_or_else(|| invalid("has too many features"))?;
    let to = [sides[0], sides[1], features];
    import.graph.reshape(view, &to, name)
}

/// `[N, T, heads · d]` as `[N, heads, T, d]`.
///
/// # Errors
/// For values of other ranks, and if the heads do not divide the features.
pub(super) fn split(import: &mut Import, view: &View, heads: i64, name: &str) -> Result<View> {
    if view.rank() == 4 {
        return Ok(view.clone());
    }
    let sides = import.graph.sides(view);
    let heads = SymInt::from(heads);
    match (&sides[..], heads.known()) {
        (&[n, t, features], Some(1..)) => {
            let each = features
                .over(heads)
                .ok_or_else(|| invalid(format!("has {heads} heads for {features} features")))?;
            let split = import.graph.reshape(view, &[n, t, heads, each], name)?;
            Ok(split.transposed(&[0, 2, 1, 3]))
        }
        _ => Err(invalid("has no number of heads")),
    }
}
