//! Attention of several heads, with the layer before it that makes queries, keys and values, or without.

use super::super::super::Import;
use super::super::super::integer::Integer;
use super::super::super::site::{Site, Value};
use super::super::super::trouble::{Trouble, invalid, unsupported};
use super::super::super::view::View;
use super::super::attention::{attend, joined, split};
use super::super::expansion::int;
use super::super::shapes::sides;
use super::super::{Table, computed};

pub(super) const TABLE: Table = &[
    ("Attention", attention),
    ("MultiHeadAttention", multi_head),
    ("QAttention", quantised),
];

/// Refuses inputs that only sequences of text have.
fn alone(site: &Site, inputs: &[(usize, &str)]) -> Result<(), Trouble> {
    for &(index, what) in inputs {
        if site.optional(index).is_some() {
            return Err(unsupported(format!("has {what}")));
        }
    }
    let mut others = site.node.output.iter().skip(1);
    if others.any(|output| !output.is_empty()) {
        return Err(unsupported("also passes on its keys and values"));
    }
    if site.int("unidirectional", 0) != 0 || site.int("do_rotary", 0) != 0 {
        return Err(unsupported(
            "is attention of one direction, or turns its features",
        ));
    }
    Ok(())
}

/// The scale of a node; none for 0, which stands for 1 / √d.
fn scale(site: &Site) -> Option<f32> {
    Some(site.float("scale", 0.0)).filter(|&scale| scale != 0.0)
}

/// Attention of `[N, T, D]` to itself, by one layer with the weights `[D, 3 · heads · d]`.
fn attention(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    alone(
        site,
        &[(3, "a mask of tokens"), (4, "keys and values of before")],
    )?;
    let (x, weight) = (site.value(0)?.clone(), site.value(1)?.clone());
    of_layer(import, site, x, weight, site.optional(5))
}

/// The same with quantised weights and tokens.
fn quantised(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    alone(
        site,
        &[(5, "a mask of tokens"), (8, "keys and values of before")],
    )?;
    let part = |import: &mut Import, what: &str, inputs: [usize; 3], axis: i64| {
        let inputs = inputs.map(|index| site.optional(index).cloned()).to_vec();
        let name = format!("{}.{what}", site.name);
        import.ordinary("DequantizeLinear", &name, inputs, &[int("axis", axis)])
    };
    let x = part(import, "input", [0, 3, 6], 0)?;
    let weight = part(import, "weight", [1, 4, 7], 1)?;
    of_layer(import, site, x, weight, None)
}

fn of_layer(
    import: &mut Import,
    site: &Site,
    x: Value,
    weight: Value,
    mask: Option<&Value>,
) -> Result<Vec<Value>, Trouble> {
    let name = site.name;
    let named = format!("{name}.qkv");
    let mut layer = import.ordinary("MatMul", &named, vec![Some(x), Some(weight)], &[])?;
    if let Some(bias) = site.optional(2) {
        let inputs = vec![Some(layer), Some(bias.clone())];
        layer = import.ordinary("Add", &format!("{named}.bias"), inputs, &[])?;
    }
    let own = sides(import, &layer)?;
    let all = own.get(2).and_then(|side| side.known());
    let all = all.ok_or_else(|| invalid("works on other values than tokens [N, T, D]"))?;
    let widths = match site.ints("qkv_hidden_sizes") {
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
        let part = import.part(
            &layer,
            2,
            start as usize..end as usize,
            &format!("{name}.{what}"),
        )?;
        let Value::Computed(view) = part else {
            return Err(unsupported("is attention of constants"));
        };
        parts.push(split(import, &view, site.int("num_heads", 0), name)?);
        start = end;
    }
    let parts: [View; 3] = parts.try_into().expect("there are three");
    let made = attend(import, parts, scale(site), mask, name)?;
    computed(joined(import, &made, name)?)
}

/// Attention of queries `[N, T, heads · d]` to keys and values: of the same shape, `[N, heads, T, d]`, or packed
/// together, `[N, T, heads, 3, d]` or `[N, T, heads, 2, d]`.
fn multi_head(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let more = [
        (4, "a mask of tokens"),
        (6, "keys of before"),
        (7, "values of before"),
    ];
    alone(site, &more)?;
    let name = site.name;
    let heads = site.int("num_heads", 0);
    let given = [0, 1, 2].map(|input| site.optional(input));
    let places: Vec<(usize, Option<usize>)> = match given.map(|value| value.is_some()) {
        [true, true, true] => vec![(0, None), (1, None), (2, None)],
        [true, true, false] => vec![(0, None), (1, Some(0)), (1, Some(1))],
        [true, false, false] => vec![(0, Some(0)), (0, Some(1)), (0, Some(2))],
        _ => return Err(invalid("lacks its queries, or its keys")),
    };
    let mut parts = Vec::new();
    for (index, (input, place)) in places.into_iter().enumerate() {
        let mut view = site.view(input)?.clone();
        if let Some(place) = place {
            view = packed(import, &view, place, name)?;
        }
        if let Some(bias) = site.optional(3) {
            view = with_bias(import, &view, bias, (index, heads), name)?;
        }
        parts.push(split(import, &view, heads, name)?);
    }
    let parts: [View; 3] = parts.try_into().expect("there are three");
    let made = attend(import, parts, scale(site), site.optional(5), name)?;
    computed(joined(import, &made, name)?)
}

/// One of the values that lie together as `[N, T, heads, values, d]`, as `[N, T, heads · d]`.
fn packed(import: &mut Import, view: &View, place: usize, name: &str) -> Result<View, Trouble> {
    if view.rank() != 5 {
        return Err(invalid("lacks its keys and values"));
    }
    let whole = Value::Computed(view.clone());
    let part = import.part(&whole, 3, place..place + 1, name)?;
    let Value::Computed(part) = part else {
        return Err(unsupported("is attention of constants"));
    };
    let part = part.transposed(&[0, 1, 2, 4]);
    let own = import.draft.sides(&part);
    let features = own[2].times(own[3]);
    let features = features.ok_or_else(|| invalid("has too many features"))?;
    import
        .draft
        .reshape(&part, &[own[0], own[1], features], name)
}

/// Queries, keys or values (0, 1, 2) with their third of a bias; `[N, T, heads · d]` or `[N, heads, T, d]`.
fn with_bias(
    import: &mut Import,
    view: &View,
    bias: &Value,
    (index, heads): (usize, i64),
    name: &str,
) -> Result<View, Trouble> {
    let length = sides(import, bias)?;
    let length = match length[..] {
        [length] => length.known(),
        _ => None,
    };
    let third = length
        .filter(|length| length % 3 == 0)
        .map(|length| length as usize / 3);
    // Values may be of another width than queries and keys, which then have two thirds and more.
    let own = import.draft.sides(view);
    let features = match own[..] {
        [_, _, features] => features.known(),
        [_, heads, _, each] => heads.times(each).and_then(Integer::known),
        _ => None,
    };
    let (Some(third), Some(features)) = (third, features) else {
        return Err(invalid("has a bias that does not go with its features"));
    };
    if third as i64 != features {
        return Err(unsupported(
            "has a bias for values of another width than keys",
        ));
    }
    let part = import.part(bias, 0, index * third..(index + 1) * third, name)?;
    let part = match view.rank() {
        4 => {
            let to = Value::Constant(super::super::super::array::Array::row(
                [heads, 1, -1].map(Integer::from).to_vec(),
            ));
            import.ordinary("Reshape", name, vec![Some(part), Some(to)], &[])?
        }
        _ => part,
    };
    let inputs = vec![Some(Value::Computed(view.clone())), Some(part)];
    match import.ordinary("Add", &format!("{name}.bias"), inputs, &[])? {
        Value::Computed(view) => Ok(view),
        _ => Err(unsupported("is attention of constants")),
    }
}
