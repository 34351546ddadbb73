//! Attention as one operator, which opset 23 has.

use dvm_engine::ops::binary::Function;
use dvm_engine::ops::softmax::Softmax;

use super::super::Import;
use super::super::integer::Integer;
use super::super::site::{Site, Value};
use super::super::trouble::{Trouble, invalid, unsupported};
use super::super::view::View;
use super::{Operator, computed};

pub(super) const TABLE: &[(&str, Operator)] = &[("Attention", attention)];

/// `softmax(q · kᵀ · scale + mask) · v` of each head.
fn attention(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let more = site.inputs.iter().skip(4).any(Option::is_some);
    let others = site
        .node
        .output
        .iter()
        .skip(1)
        .any(|output| !output.is_empty());
    if more || others || site.int("is_causal", 0) != 0 || site.float("softcap", 0.0) != 0.0 {
        return Err(unsupported("is more than attention of a picture to itself"));
    }
    let rank = site.view(0)?.rank();
    let heads = |attribute: &str| site.int(attribute, 0);
    let name = site.name;
    let [q, k, v] = [
        (0, heads("q_num_heads")),
        (1, heads("kv_num_heads")),
        (2, heads("kv_num_heads")),
    ]
    .map(|(input, heads)| split(import, site.view(input)?, heads, name));
    let scale = site.has("scale").then(|| site.float("scale", 1.0));
    let made = attend(import, [q?, k?, v?], scale, site.optional(3), name)?;
    if rank == 4 {
        return computed(made);
    }
    computed(joined(import, &made, name)?)
}

/// `softmax(q · kᵀ · scale + mask) · v`, all of them `[N, heads, T, d]`; the scale is 1 / √d where it is not
/// given.
///
/// # Errors
/// Where the sides do not go together, and for a mask of truth values.
pub(super) fn attend(
    import: &mut Import,
    [q, k, v]: [View; 3],
    scale: Option<f32>,
    mask: Option<&Value>,
    name: &str,
) -> Result<View, Trouble> {
    let sides = import.draft.sides(&q);
    if sides[1] != import.draft.sides(&k)[1] {
        return Err(unsupported("shares keys and values between heads"));
    }
    let width = sides[3].known().filter(|&width| width > 0);
    let width = width.ok_or_else(|| invalid("has heads without features"))?;
    let scale = scale.unwrap_or(1.0 / (width as f32).sqrt());
    let scores = import.product(&q, &k.transposed(&[0, 1, 3, 2]), &format!("{name}.scores"))?;
    let node = import.times(scores.node, scale, &format!("{name}.scaled"))?;
    let mut scores = Value::Computed(scores.of(node));
    if let Some(mask) = mask {
        if matches!(mask, Value::Constant(array) if array.as_floats().is_err()) {
            return Err(unsupported("has a mask of truth values"));
        }
        let name = format!("{name}.masked");
        scores = import.binary(&name, Function::Add, &scores, mask)?;
    }
    let Value::Computed(scores) = scores else {
        return Err(invalid("has scores that are not computed"));
    };
    let (scores, own) = import.draft.single(&scores, 3, name)?;
    let softmax = Softmax { axis: own };
    let node = import
        .draft
        .emit(&format!("{name}.softmax"), softmax, &[scores.node], &[])?;
    import.product(&scores.of(node), &v, name)
}

/// `[N, heads, T, d]` as `[N, T, heads · d]`.
///
/// # Errors
/// As `Draft::reshape`.
pub(super) fn joined(import: &mut Import, view: &View, name: &str) -> Result<View, Trouble> {
    let view = view.transposed(&[0, 2, 1, 3]);
    let sides = import.draft.sides(&view);
    let features = sides[2]
        .times(sides[3])
        .ok_or_else(|| invalid("has too many features"))?;
    import
        .draft
        .reshape(&view, &[sides[0], sides[1], features], name)
}

/// `[N, T, heads · d]` as `[N, heads, T, d]`.
///
/// # Errors
/// For values of other ranks, and features that do not come out even.
pub(super) fn split(
    import: &mut Import,
    view: &View,
    heads: i64,
    name: &str,
) -> Result<View, Trouble> {
    if view.rank() == 4 {
        return Ok(view.clone());
    }
    let sides = import.draft.sides(view);
    let heads = Integer::from(heads);
    match (&sides[..], heads.known()) {
        (&[n, t, features], Some(1..)) => {
            let each = features
                .over(heads)
                .ok_or_else(|| invalid("splits features unevenly"))?;
            let split = import.draft.reshape(view, &[n, t, heads, each], name)?;
            Ok(split.transposed(&[0, 2, 1, 3]))
        }
        _ => Err(invalid("has no number of heads")),
    }
}
