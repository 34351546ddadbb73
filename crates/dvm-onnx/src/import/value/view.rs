//! A value of the file as a view of the value of a node.

use dvm_engine::ops::Op;
use dvm_engine::ops::tokens::Grid;

use crate::import::builder::{GraphBuilder, suffixed};
use crate::import::{Result, SymInt, unsupported};

/// A node, and for each axis of the file's value the axes of the node's value that it consists of, outermost first.
///
/// Axes of length 1 are never listed, except the batch, which is the node's axis 0.
/// `[[0], [2], [3], [1]]` is a feature map with its channels last; `[[0, 1], [2]]` has the batch merged with axis 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub node: usize,
    pub axes: Vec<Vec<usize>>,
}

impl View {
    pub fn new(node: usize, axes: impl IntoIterator<Item = Vec<usize>>) -> Self {
        let axes = axes.into_iter().collect();
        Self { node, axes }
    }

    /// The rank of the file's value.
    pub fn rank(&self) -> usize {
        self.axes.len()
    }

    /// The view with the file's axes in another order.
    pub fn transposed(&self, order: &[usize]) -> Self {
        Self {
            node: self.node,
            axes: order.iter().map(|&axis| self.axes[axis].clone()).collect(),
        }
    }

    /// The view without the batch, which is its axis `axis`. A file for one picture may remove it.
    pub fn without_batch(&self, axis: usize) -> Self {
        let mut axes = self.axes.clone();
        axes.remove(axis);
        Self {
            node: self.node,
            axes,
        }
    }

    /// The view with the batch as its first axis, if the file has removed it ([`View::without_batch`]) and perhaps put
    /// an axis of length 1 in its place.
    fn with_batch(&self) -> Self {
        let mut axes = self.axes.clone();
        if !axes.iter().flatten().any(|&axis| axis == 0) {
            match axes.first_mut() {
                Some(first) if first.is_empty() => first.push(0),
                _ => axes.insert(0, vec![0]),
            }
        }
        Self {
            node: self.node,
            axes,
        }
    }

    /// The same view of another node, whose value has the same axes.
    pub fn of(&self, node: usize) -> Self {
        Self {
            node,
            axes: self.axes.clone(),
        }
    }
}

impl GraphBuilder {
    /// Appends an op that keeps the axes of a value.
    ///
    /// # Errors
    /// As [`GraphBuilder::emit`].
    pub fn emit_on(&mut self, view: &View, name: &str, op: impl Op) -> Result<View> {
        Ok(view.of(self.emit(name, op, &[view.node])?))
    }

    /// A node's value with its own axes.
    pub fn view(&self, node: usize) -> View {
        let shape = &self.nodes[node].shape;
        let axis = |axis: usize| match shape[axis] {
            1 if axis > 0 => Vec::new(),
            _ => vec![axis],
        };
        View::new(node, (0..shape.len()).map(axis))
    }

    /// The view without the node's axes of length 1, which are never listed.
    pub fn without_ones(&self, view: View) -> View {
        let shape = &self.nodes[view.node].shape;
        let keep = |group: Vec<usize>| {
            let kept = group
                .into_iter()
                .filter(|&axis| axis == 0 || shape[axis] != 1);
            kept.collect()
        };
        View::new(view.node, view.axes.into_iter().map(keep))
    }

    /// The shape of the file's value.
    pub fn sides(&self, view: &View) -> Vec<SymInt> {
        let shape = &self.nodes[view.node].shape;
        let side = |group: &Vec<usize>| {
            let product: usize = group.iter().map(|&axis| shape[axis]).product();
            match group.contains(&0) {
                true => SymInt::batch(product as i64),
                false => SymInt::from(product as i64),
            }
        };
        view.axes.iter().map(side).collect()
    }

    /// The shape of the file's value for one picture.
    pub fn sides_of_one(&self, view: &View) -> Vec<usize> {
        let sides = self.sides(view);
        sides
            .into_iter()
            .map(|side| side.at(1).unwrap_or(0) as usize)
            .collect()
    }

    /// The node's axes that these axes of the file's value consist of.
    ///
    /// # Errors
    /// If the batch is among them.
    pub fn node_axes(&self, view: &View, axes: &[usize]) -> Result<Vec<usize>> {
        let own: Vec<usize> = axes
            .iter()
            .flat_map(|&axis| view.axes[axis].clone())
            .collect();
        if own.contains(&0) {
            return Err(unsupported("works across the pictures of a batch"));
        }
        Ok(own)
    }

    /// A view in which this axis is a single axis of the node's value, and which one.
    ///
    /// # Errors
    /// If it is the batch, or part of it.
    pub fn with_single_axis(
        &mut self,
        view: &View,
        axis: usize,
        name: &str,
    ) -> Result<(View, usize)> {
        let view = match view.axes[axis].len() {
            1 => view.clone(),
            // The canonical order also has axes of length 1.
            _ => self.canonical_with_ones(view, name)?,
        };
        match view.axes[axis][..] {
            [own] if own != 0 => Ok((self.without_ones(view), own)),
            _ => Err(unsupported("works across the pictures of a batch")),
        }
    }

    /// The value with the batch first and its other axes in the file's order, each one axis of the node's value. An axis
    /// that holds the batch and more is listed as both.
    ///
    /// # Errors
    /// As [`GraphBuilder::emit`].
    pub fn canonical(&mut self, view: &View, name: &str) -> Result<View> {
        let whole = self.canonical_with_ones(view, name)?;
        Ok(self.without_ones(whole))
    }

    /// The same with axes of length 1 listed, too.
    fn canonical_with_ones(&mut self, view: &View, name: &str) -> Result<View> {
        let mut axes = vec![Some(0)];
        let mut merged = vec![1];
        let mut groups = Vec::new();
        for group in &view.axes {
            let mut own = Vec::new();
            let at = group.iter().position(|&axis| axis == 0);
            let (before, after) = match at {
                Some(at) => (&group[..at], &group[at + 1..]),
                None => (&group[..], &[][..]),
            };
            for (run, is_first) in [(before, true), (after, false)] {
                let is_new = run.is_empty() && is_first && at.is_none();
                if !run.is_empty() || is_new {
                    own.push(merged.len());
                    axes.extend(run.iter().map(|&axis| Some(axis)));
                    axes.extend(is_new.then_some(None));
                    merged.push(run.len().max(1));
                }
                if is_first && at.is_some() {
                    own.push(0);
                }
            }
            groups.push(own);
        }
        let node = self.rearrange(view.node, axes, merged, name)?;
        Ok(View { node, axes: groups })
    }

    /// The value for an op that works along the last axis: a feature map if it is `[N, H, W, C]`, or else in canonical
    /// order.
    ///
    /// # Errors
    /// As [`GraphBuilder::emit`].
    pub fn for_last_axis(&mut self, view: &View, name: &str) -> Result<View> {
        let is_alone = |group: &Vec<usize>| !group.is_empty() && !group.contains(&0);
        match &view.axes[..] {
            [first, rest @ ..]
                if rest.len() == 3 && first[..] == [0] && rest.iter().all(is_alone) =>
            {
                self.as_feature_map(view, name)
            }
            _ => self.canonical(view, name),
        }
    }

    /// A view `[N, H, W, C]` as a view of a feature map.
    ///
    /// # Errors
    /// As [`GraphBuilder::emit`].
    pub fn as_feature_map(&mut self, view: &View, name: &str) -> Result<View> {
        let sides = self.sides_of_one(view);
        let [_, above, beside, features] = &view.axes[..] else {
            return Err(unsupported(format!(
                "needs a feature map, but its input has {} axes",
                view.rank()
            )));
        };
        let merged = vec![1, above.len() + beside.len(), features.len()];
        let axes = view.axes.iter().flatten().map(|&axis| Some(axis)).collect();
        let tokens = self.rearrange(view.node, axes, merged, name)?;
        let (rows, columns) = (sides[1], sides[2]);
        let grid = Grid { rows, columns };
        let node = self.emit(&suffixed(name, "grid"), grid, &[tokens])?;
        Ok(View::new(node, vec![vec![0], vec![2], vec![3], vec![1]]))
    }

    /// A node whose value has the axes of the file's value, batch first.
    ///
    /// # Errors
    /// If the batch is not an axis of its own, or not the first.
    pub fn batch_first(&mut self, view: &View, name: &str) -> Result<usize> {
        let view = &view.with_batch();
        if self.view(view.node) == *view {
            return Ok(view.node);
        }
        let canonical = self.canonical(view, name)?;
        if self.view(canonical.node) == canonical {
            return Ok(canonical.node);
        }
        Err(unsupported(format!(
            "needs the batch as its first axis, but its input has shape {}",
            super::sym_int::shown(&self.sides(view))
        )))
    }
}
