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
    let name = site.name;
    let rank = site.view(0)?.rank();
    let heads = |attribute: &str| site.int(attribute, 0);
    let (q, k, v) = (
        split(import, site.view(0)?, heads("q_num_heads"), name)?,
        split(import, site.view(1)?, heads("kv_num_heads"), name)?,
        split(import, site.view(2)?, heads("kv_num_heads"), name)?,
    );
    let sides = import.draft.sides(&q);
    if sides[1] != import.draft.sides(&k)[1] {
        return Err(unsupported("shares keys and values between heads"));
    }
    let width = sides[3].known().filter(|&width| width > 0);
    let width = width.ok_or_else(|| invalid("has heads without features"))?;
    let scale = site.float("scale", 1.0 / (width as f32).sqrt());
    let scores = import.product(&q, &k.transposed(&[0, 1, 3, 2]), &format!("{name}.scores"))?;
    let node = import.times(scores.node, scale, &format!("{name}.scaled"))?;
    let mut scores = Value::Computed(scores.of(node));
    if let Some(mask) = site.optional(3) {
        if matches!(mask, Value::Constant(array) if array.as_floats().is_err()) {
            return Err(unsupported("has a mask of truth values"));
        }
        scores = import.binary(
            &format!("{name}.masked"),
            Function::Add,
            &scores,
            &mask.clone(),
        )?;
    }
    let Value::Computed(scores) = scores else {
        return Err(invalid("has scores that are not computed"));
    };
    let (scores, own) = import.draft.single(&scores, 3, name)?;
    let softmax = Softmax { axis: own };
    let node = import
        .draft
        .emit(&format!("{name}.softmax"), softmax, &[scores.node], &[])?;
    let made = import.product(&scores.of(node), &v, name)?;
    if rank == 4 {
        return computed(made);
    }
    // [N, heads, T, d] to [N, T, heads · d].
    let made = made.transposed(&[0, 2, 1, 3]);
    let sides = import.draft.sides(&made);
    let features = sides[2]
        .times(sides[3])
        .ok_or_else(|| invalid("has too many features"))?;
    computed(
        import
            .draft
            .reshape(&made, &[sides[0], sides[1], features], name)?,
    )
}

/// `[N, T, heads · d]` as `[N, heads, T, d]`.
fn split(import: &mut Import, view: &View, heads: i64, name: &str) -> Result<View, Trouble> {
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
