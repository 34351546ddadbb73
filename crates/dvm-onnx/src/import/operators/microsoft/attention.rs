//! Multi-head attention, with or without the layer that computes queries, keys and values.

use super::super::attention::{attend, joined, split, with_merged_heads};
use super::super::expansion::int;
use super::super::shapes::sides;
use super::super::{Table, computed};
use crate::import::{
    Array, Import, NodeContext, Result, SymInt, Value, View, invalid, unsupported,
};

pub(super) const TABLE: Table = &[
    ("Attention", attention),
    ("MultiHeadAttention", multi_head),
    ("QAttention", quantised),
];

/// Checks that a node uses no feature of language models.
fn check_plain(ctx: &NodeContext, inputs: &[(usize, &str)]) -> Result<()> {
    for &(index, what) in inputs {
        if ctx.optional(index).is_some() {
            return Err(unsupported(format!("has {what}")));
        }
    }
    let mut others = ctx.node.output.iter().skip(1);
    if others.any(|output| !output.is_empty()) {
        return Err(unsupported("has an output of keys and values"));
    }
    if ctx.int("unidirectional", 0) != 0 || ctx.int("do_rotary", 0) != 0 {
        return Err(unsupported(
            "is causal attention, or uses rotary embeddings",
        ));
    }
    Ok(())
}

/// The scale of a node; `None` for 0, which means 1 / √d.
fn scale(ctx: &NodeContext) -> Option<f32> {
    Some(ctx.float("scale", 0.0)).filter(|&scale| scale != 0.0)
}

/// Self-attention of `[N, T, D]`, with a layer of weights `[D, 3 · heads · d]`.
fn attention(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    check_plain(
        ctx,
        &[(3, "a token mask"), (4, "a cache of keys and values")],
    )?;
    let (x, weight) = (ctx.value(0)?.clone(), ctx.value(1)?.clone());
    of_layer(import, ctx, x, weight, ctx.optional(5))
}

/// The same with quantised weights and tokens.
fn quantised(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    check_plain(
        ctx,
        &[(5, "a token mask"), (8, "a cache of keys and values")],
    )?;
    let part = |import: &mut Import, what: &str, inputs: [usize; 3], axis: i64| {
        let inputs = inputs.map(|index| ctx.optional(index).cloned()).to_vec();
        let name = format!("{}.{what}", ctx.name);
        import.standard_op("DequantizeLinear", &name, inputs, &[int("axis", axis)])
    };
    let x = part(import, "input", [0, 3, 6], 0)?;
    let weight = part(import, "weight", [1, 4, 7], 1)?;
    of_layer(import, ctx, x, weight, None)
}

fn of_layer(
    import: &mut Import,
    ctx: &NodeContext,
    x: Value,
    weight: Value,
    mask: Option<&Value>,
) -> Result<Vec<Value>> {
    let name = ctx.name;
    let named = format!("{name}.qkv");
    let layer = import.standard_op("MatMul", &named, vec![Some(x), Some(weight)], &[])?;
    let layer = import.plus(layer, ctx.optional(2), &format!("{named}.bias"))?;
    let own = sides(import, &layer)?;
    let all = own.get(2).and_then(|side| side.known());
    let all = all.ok_or_else(|| invalid("has an input that is not tokens [N, T, D]"))?;
    let widths = match ctx.ints("qkv_hidden_sizes") {
        Some(widths) if !widths.is_empty() => <[i64; 3]>::try_from(widths).ok(),
        _ => (all % 3 == 0).then_some([all / 3; 3]),
    };
    let fits = |widths: &[i64; 3]| {
        let sum = widths.iter().try_fold(0i64, |sum, &w| sum.checked_add(w));
        sum == Some(all) && widths.iter().all(|&width| width > 0)
    };
    let widths = widths.filter(fits);
    let widths = widths.ok_or_else(|| {
        invalid(format!(
            "cannot split {all} features into queries, keys and values"
        ))
    })?;
    let mut start = 0;
    let mut parts = Vec::new();
    for (width, what) in widths.into_iter().zip(["q", "k", "v"]) {
        let end = start + width;
        let range = start as usize..end as usize;
        let part = import.slice_axis(&layer, 2, range, &format!("{name}.{what}"))?;
        let view = part.into_view()?;
        parts.push(split(import, &view, ctx.int("num_heads", 0), name)?);
        start = end;
    }
    let parts: [View; 3] = parts.try_into().expect("there are three");
    let made = attend(import, parts, scale(ctx), mask, name)?;
    computed(joined(import, &made, name)?)
}

/// Attention of queries `[N, T, heads · d]` to keys and values of the same shape or `[N, heads, T, d]`. They may be packed
/// together as `[N, T, heads, 3, d]` or `[N, T, heads, 2, d]`.
fn multi_head(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let more = [
        (4, "a token mask"),
        (6, "a cache of keys"),
        (7, "a cache of values"),
    ];
    check_plain(ctx, &more)?;
    let name = ctx.name;
    let heads = ctx.int("num_heads", 0);
    let given = [0, 1, 2].map(|input| ctx.optional(input));
    // Queries, keys and values: their input, and their index if it is packed.
    let sources: Vec<(usize, Option<usize>)> = match given.map(|value| value.is_some()) {
        [true, true, true] => vec![(0, None), (1, None), (2, None)],
        [true, true, false] => vec![(0, None), (1, Some(0)), (1, Some(1))],
        [true, false, false] => vec![(0, Some(0)), (0, Some(1)), (0, Some(2))],
        _ => return Err(invalid("has no queries, or no keys")),
    };
    let mut parts = Vec::new();
    for (index, (input, packed_at)) in sources.into_iter().enumerate() {
        let mut view = ctx.view(input)?.clone();
        if let Some(at) = packed_at {
            view = packed(import, &view, at, name)?;
        }
        if let Some(bias) = ctx.optional(3) {
            view = with_bias(import, &view, bias, (index, heads), name)?;
        }
        parts.push(split(import, &view, heads, name)?);
    }
    let parts: [View; 3] = parts.try_into().expect("there are three");
    let made = attend(import, parts, scale(ctx), ctx.optional(5), name)?;
    computed(joined(import, &made, name)?)
}

/// One of the values packed as `[N, T, heads, values, d]`, as `[N, T, heads · d]`.
fn packed(import: &mut Import, view: &View, index: usize, name: &str) -> Result<View> {
    if view.rank() != 5 {
        return Err(invalid("has no keys and values"));
    }
    let part = import.select(view, 3, &[index], name)?;
    with_merged_heads(import, &part.transposed(&[0, 1, 2, 4]), name)
}

/// Queries, keys or values (0, 1, 2), `[N, T, heads · d]` or `[N, heads, T, d]`, plus their third of a bias.
fn with_bias(
    import: &mut Import,
    view: &View,
    bias: &Value,
    (index, heads): (usize, i64),
    name: &str,
) -> Result<View> {
    let length = sides(import, bias)?;
    let length = match length[..] {
        [length] => length.known(),
        _ => None,
    };
    let third = length
        .filter(|length| length % 3 == 0)
        .map(|length| length as usize / 3);
    // If values have another width than queries and keys, a third of the bias is not the width of keys.
    let own = import.graph.sides(view);
    let features = match own[..] {
        [_, _, features] => features.known(),
        [_, heads, _, each] => heads.times(each).and_then(SymInt::known),
        _ => None,
    };
    let (Some(third), Some(features)) = (third, features) else {
        return Err(invalid("has a bias whose length does not fit its features"));
    };
    if third as i64 != features {
        return Err(unsupported(
            "has a bias, and values of another width than keys",
        ));
    }
    let part = import.slice_axis(bias, 0, index * third..(index + 1) * third, name)?;
    let part = match view.rank() {
        4 => {
            let to = Array::row([heads, 1, -1].map(SymInt::from).to_vec());
            let to = Value::Constant(to);
            import.standard_op("Reshape", name, vec![Some(part), Some(to)], &[])?
        }
        _ => part,
    };
    let view = Value::Computed(view.clone());
    let sum = import.plus(view, Some(&part), &format!("{name}.bias"))?;
    sum.into_view()
}
