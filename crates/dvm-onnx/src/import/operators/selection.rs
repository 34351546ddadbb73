//! Positions of a value along an axis, as several operators select them.

use std::ops::Range;

use dvm_engine::ops::concat::Concat;
use dvm_engine::ops::resample::Resample;
use dvm_engine::ops::slice::Slice;

use crate::import::value::array::{absent, strides};
use crate::import::{Array, Import, Result, SymInt, Value, Values, View, unsupported};

/// The most slices to concatenate.
const MOST_RUNS: usize = 64;

/// The most positions in falling order to select one by one. More are selected by reversing the axis.
const MOST_SINGLY: usize = 8;

/// The shape of a constant or computed value.
pub(super) fn sides(import: &Import, value: &Value) -> Result<Vec<SymInt>> {
    match value {
        Value::Constant(array) => Ok(array.shape.iter().map(|&s| (s as i64).into()).collect()),
        Value::Computed(view) => Ok(import.graph.sides(view)),
        _ => Err(unsupported("selects from booleans or quantised values")),
    }
}

/// Positions of a constant along one axis.
pub(super) fn select_constant(
    import: &mut Import,
    array: &Array,
    axis: usize,
    at: &[usize],
) -> Result<Array> {
    let mut shape = array.shape.clone();
    shape[axis] = at.len();
    import.graph.check_array(&shape)?;
    let inner = strides(&array.shape)[axis];
    let side = array.shape[axis];
    let outer: usize = array.shape[..axis].iter().product();
    if matches!(array.values, Values::Absent) {
        return Err(absent());
    }
    let starts = (0..outer).flat_map(|block| at.iter().map(move |at| (block * side + at) * inner));
    let made = array.picked(&shape, starts.flat_map(|start| start..start + inner));
    Ok(Array {
        repeated: array.repeated && axis > 0,
        ..made
    })
}

impl Import<'_> {
    /// A range of positions along one axis.
    ///
    /// # Errors
    /// For values that are neither constant nor computed.
    pub fn slice_axis(
        &mut self,
        value: &Value,
        axis: usize,
        at: Range<usize>,
        name: &str,
    ) -> Result<Value> {
        self.select_positions(value, axis, &at.collect::<Vec<usize>>(), name)
    }

    /// Positions along one axis.
    ///
    /// # Errors
    /// For values that are neither constant nor computed.
    pub(super) fn select_positions(
        &mut self,
        value: &Value,
        axis: usize,
        at: &[usize],
        name: &str,
    ) -> Result<Value> {
        match value {
            Value::Constant(array) => Ok(Value::Constant(select_constant(self, array, axis, at)?)),
            Value::Computed(view) => Ok(Value::Computed(self.select(view, axis, at, name)?)),
            _ => Err(unsupported("selects from booleans or quantised values")),
        }
    }

    /// Positions of a computed value along one axis: slices of equal steps, concatenated.
    ///
    /// # Errors
    /// For the batch, for no positions, and for too many slices.
    pub(super) fn select(
        &mut self,
        view: &View,
        axis: usize,
        at: &[usize],
        name: &str,
    ) -> Result<View> {
        let sides = self.graph.sides(view);
        if sides[axis].known() == Some(at.len() as i64) && at.iter().copied().eq(0..at.len()) {
            return Ok(view.clone());
        }
        if at.is_empty() {
            return Err(unsupported("selects nothing"));
        }
        let is_mirrored = at.len() > MOST_SINGLY
            && at.windows(2).all(|pair| pair[0] > pair[1])
            && at.windows(2).all(|pair| pair[0] - pair[1] == at[0] - at[1]);
        if is_mirrored {
            let rising: Vec<usize> = at.iter().rev().copied().collect();
            let part = self.select(view, axis, &rising, &format!("{name}.rising"))?;
            return self.reverse_axis(&part, axis, name);
        }
        let (view, own) = self.graph.with_single_axis(view, axis, name)?;
        let mut runs: Vec<(usize, usize, usize)> = Vec::new();
        for &position in at {
            match runs.last_mut() {
                Some((start, step, count @ 1)) if position > *start => {
                    (*step, *count) = (position - *start, 2);
                }
                Some((start, step, count)) if *count > 1 && position == *start + *step * *count => {
                    *count += 1;
                }
                _ => runs.push((position, 1, 1)),
            }
        }
        if runs.len() > MOST_RUNS {
            return Err(unsupported(format!(
                "selects positions that need {} slices; the limit is {MOST_RUNS}",
                runs.len()
            )));
        }
        let mut parts = Vec::new();
        let is_only = runs.len() == 1;
        for (index, (start, step, count)) in runs.into_iter().enumerate() {
            let part = Slice {
                axis: own,
                start,
                step,
                count: Some(count),
            };
            let name = match is_only {
                true => name.to_owned(),
                false => format!("{name}.{index}"),
            };
            parts.push(self.graph.emit(&name, part, &[view.node])?);
        }
        let node = match parts[..] {
            [only] => only,
            _ => self.graph.emit(name, Concat { axis: own }, &parts)?,
        };
        let mut made = view.of(node);
        made.axes[axis] = vec![own];
        Ok(self.graph.without_ones(made))
    }
}

impl Import<'_> {
    /// A value with an axis reversed.
    fn reverse_axis(&mut self, view: &View, axis: usize, name: &str) -> Result<View> {
        let (view, own) = self.graph.with_single_axis(view, axis, name)?;
        let shape = self.graph.nodes[view.node].shape.clone();
        let is_map = shape.len() == 4 && own >= 2;
        let flip = |rows: bool| Resample::Flipped {
            rows,
            columns: !rows,
        };
        let node = if is_map {
            self.graph.emit(name, flip(own == 2), &[view.node])?
        } else {
            // The axis as the rows of a map.
            let (outer, inner) = (shape[1..own].iter(), shape[own + 1..].iter());
            let map = [1, outer.product(), shape[own], inner.product()];
            let map = self.graph.reshape_node(view.node, &map, name)?;
            let node = self.graph.emit(name, flip(true), &[map])?;
            self.graph.reshape_node(node, &shape, name)?
        };
        let mut made = view.of(node);
        made.axes[axis] = vec![own];
        Ok(self.graph.without_ones(made))
    }
}
