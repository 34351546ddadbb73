//! `Pad`.

use dvm_engine::ops::conv2d::Border;
use dvm_engine::ops::pad::{Amount, Pad};
use dvm_engine::ops::resample::{Continuation, Resample};

use super::selection::sides;
use super::{Operator, computed};
use crate::import::{Import, NodeContext, Result, Value, View, axes, invalid, unsupported};

pub(super) const TABLE: &[(&str, Operator)] = &[("Pad", pad)];

/// The widest padding of a side.
const WIDEST: u64 = 1 << 12;

fn pad(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let from = sides(import, ctx.value(0)?)?;
    let rank = from.len();
    let given = match ctx.optional_constant(1)? {
        Some(array) => array.as_known()?,
        None => ctx
            .ints("pads")
            .or_else(|| ctx.ints("paddings"))
            .ok_or_else(|| invalid("has no pads"))?
            .to_vec(),
    };
    // Quantised feature maps are padded with an integer, which stands for a float.
    let quantisation = ctx.node.input.first();
    let quantisation = quantisation
        .and_then(|name| import.quantisations.get(name))
        .copied();
    let stood_for = |whole: i64| match quantisation {
        Some((scale, zero)) => whole.saturating_sub(zero) as f32 * scale,
        None => whole as f32,
    };
    let value = match ctx.optional_constant(2)? {
        Some(array) if array.as_integers().is_ok() => {
            stood_for(array.as_known()?.first().copied().unwrap_or(0))
        }
        Some(array) => array.as_scalar()?,
        None if quantisation.is_some() => stood_for(0),
        None => ctx.float("value", 0.0),
    };
    let axes = match ctx.optional_constant(3)? {
        Some(array) => axes(&array.as_known()?, rank)?,
        None => (0..rank).collect(),
    };
    if given.len() != 2 * axes.len() {
        return Err(invalid(format!(
            "has pads {given:?} for {} axes; two per axis are needed",
            axes.len()
        )));
    }
    if given.iter().any(|pad| pad.unsigned_abs() > WIDEST) {
        return Err(unsupported(format!(
            "has pads {given:?}; the limit per side is {WIDEST}"
        )));
    }
    let mut pads = vec![(0, 0); rank];
    for (index, &along) in axes.iter().enumerate() {
        pads[along] = (given[index], given[index + axes.len()]);
    }
    if pads.iter().all(|&pad| pad == (0, 0)) {
        return Ok(vec![ctx.value(0)?.clone()]);
    }
    let by = match ctx.text("mode") {
        None | Some("constant" | "") => None,
        Some("reflect") => Some(Continuation::Mirrored),
        Some("edge") => Some(Continuation::Repeated),
        Some(mode) => return Err(unsupported(format!("has the padding mode `{mode}`"))),
    };
    let mut view = ctx.view(0)?.clone();
    // Negative padding removes values.
    for (along, pad) in pads.iter_mut().enumerate() {
        let (before, after) = ((-pad.0).max(0), (-pad.1).max(0));
        if before + after > 0 {
            let side = from[along]
                .known()
                .ok_or_else(|| unsupported("pads the batch"))?;
            let at: Vec<usize> = (before..side - after).map(|at| at as usize).collect();
            view = import.select(&view, along, &at, &format!("{}.cut", ctx.name))?;
            *pad = (pad.0.max(0), pad.1.max(0));
        }
    }
    let padded: Vec<usize> = (0..rank).filter(|&axis| pads[axis] != (0, 0)).collect();
    // Rows and columns are axes 2 and 3 of the node's value, whatever their axes in the file.
    let own: Vec<Option<usize>> = padded
        .iter()
        .map(|&axis| match view.axes[axis][..] {
            [own] => Some(own),
            _ => None,
        })
        .collect();
    let is_map = import.graph.nodes[view.node].shape.len() == 4
        && own.iter().all(|own| matches!(own, Some(2 | 3)));
    if !is_map {
        let are_places = rank == 4 && padded.iter().all(|&axis| axis >= 2);
        let map = match are_places {
            true => import.graph.batch_first(&view, ctx.name).ok(),
            false => None,
        };
        match (map, by) {
            (Some(map), _) => view = import.graph.view(map),
            (None, None) => {
                for &along in &padded {
                    let (before, after) = (pads[along].0 as usize, pads[along].1 as usize);
                    view = import.pad_axis(&view, along, (before, after), value, ctx.name)?;
                }
                return computed(view);
            }
            (None, Some(_)) => {
                return Err(unsupported(
                    "pads axes other than rows and columns in a mode other than `constant`",
                ));
            }
        }
    }
    let mut border = Border::default();
    for &along in &padded {
        let (before, after) = (pads[along].0 as usize, pads[along].1 as usize);
        match view.axes[along][..] {
            [2] => (border.top, border.bottom) = (before, after),
            [3] => (border.left, border.right) = (before, after),
            _ if along == 2 => (border.top, border.bottom) = (before, after),
            _ => (border.left, border.right) = (before, after),
        }
    }
    let node = match by {
        Some(by) => {
            let op = Resample::Continued { border, by };
            import.graph.emit(ctx.name, op, &[view.node])?
        }
        None => {
            let amount = Amount::Fixed(border);
            let op = Pad { amount, value };
            import.graph.emit(ctx.name, op, &[view.node])?
        }
    };
    if import.graph.nodes[view.node].shape[2..].contains(&1) {
        // An axis that had length 1 is listed now.
        let rows_first = import.graph.view(node);
        return match is_map {
            false => computed(rows_first),
            true => computed(view.of(node)),
        };
    }
    computed(view.of(node))
}

impl Import<'_> {
    /// A value padded with a number before and after, along any axis.
    fn pad_axis(
        &mut self,
        view: &View,
        axis: usize,
        (before, after): (usize, usize),
        value: f32,
        name: &str,
    ) -> Result<View> {
        let (view, own) = self.graph.with_single_axis(view, axis, name)?;
        let mut shape = self.graph.nodes[view.node].shape.clone();
        // The axis as the rows of a map.
        let (outer, inner) = (shape[1..own].iter(), shape[own + 1..].iter());
        let map = [1, outer.product(), shape[own], inner.product()];
        let map = self.graph.reshape_node(view.node, &map, name)?;
        let amount = Amount::Fixed(Border {
            top: before,
            bottom: after,
            ..Border::default()
        });
        let node = self.graph.emit(name, Pad { amount, value }, &[map])?;
        shape[own] += before + after;
        let node = self.graph.reshape_node(node, &shape, name)?;
        let mut made = view.of(node);
        made.axes[axis] = vec![own];
        Ok(self.graph.without_ones(made))
    }
}
