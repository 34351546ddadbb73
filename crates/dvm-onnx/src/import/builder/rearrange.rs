//! The value of a node with its axes in another order, or under another shape.

use std::collections::BTreeSet;

use dvm_engine::ops::channel_shuffle::ChannelShuffle;
use dvm_engine::ops::flatten::Flatten;
use dvm_engine::ops::permute::Permute;
use dvm_engine::ops::reshape::Reshape;
use dvm_engine::ops::tokens::Tokens;

use super::GraphBuilder;
use crate::import::Result;

/// A new order of axes: each is an old axis or a new one of length 1. `merged` says how many of them in turn are merged
/// into one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct AxisOrder {
    axes: Vec<Option<usize>>,
    merged: Vec<usize>,
}

/// The name of a node that rearranges a value for the node `name`. It does not change when a network is exported and
/// imported again.
pub(crate) fn suffixed(name: &str, suffix: &str) -> String {
    match name.rsplit_once('.') {
        Some((_, last)) if last == suffix => name.to_owned(),
        _ => format!("{name}.{suffix}"),
    }
}

impl GraphBuilder {
    /// The value of a node with its axes in another order, some of them merged. Each order is computed once.
    ///
    /// # Errors
    /// As [`GraphBuilder::emit`].
    pub fn rearrange(
        &mut self,
        node: usize,
        axes: Vec<Option<usize>>,
        merged: Vec<usize>,
        name: &str,
    ) -> Result<usize> {
        let order = AxisOrder { axes, merged };
        if let Some(&known) = self.rearranged.get(&(node, order.clone())) {
            return Ok(known);
        }
        let made = self.emit_rearranged(node, &order, name)?;
        self.rearranged.insert((node, order), made);
        Ok(made)
    }

    fn emit_rearranged(&mut self, node: usize, order: &AxisOrder, name: &str) -> Result<usize> {
        let shape = self.nodes[node].shape.clone();
        let moved: Vec<usize> = order.axes.iter().copied().flatten().collect();
        let listed: BTreeSet<usize> = moved.iter().copied().collect();
        debug_assert!((0..shape.len()).all(|a| listed.contains(&a) || (a > 0 && shape[a] == 1)));
        let mut parts = order
            .axes
            .iter()
            .map(|axis| axis.map_or(1, |axis| shape[axis]));
        let target: Vec<usize> = order
            .merged
            .iter()
            .map(|&count| parts.by_ref().take(count).product())
            .collect();
        if let Some(special) = self.special_order(node, &moved, &target, name)? {
            return Ok(special);
        }
        let significant = moved
            .iter()
            .copied()
            .filter(|&axis| axis == 0 || shape[axis] != 1);
        let mut at = node;
        if !significant.is_sorted() {
            let rest = (0..shape.len()).filter(|axis| !listed.contains(axis));
            let axes: Vec<usize> = moved.iter().copied().chain(rest).collect();
            at = self.emit(&suffixed(name, "permute"), Permute { axes }, &[at])?;
        }
        self.reshape_node(at, &target, name)
    }

    /// The same numbers in the same order under another shape, given for one picture.
    ///
    /// # Errors
    /// As [`GraphBuilder::emit`].
    pub fn reshape_node(&mut self, node: usize, shape: &[usize], name: &str) -> Result<usize> {
        if self.nodes[node].shape == shape {
            return Ok(node);
        }
        if shape.len() == 2 {
            return self.emit(&suffixed(name, "flatten"), Flatten, &[node]);
        }
        let fixed = shape[1..].iter().map(|&side| Some(side));
        let sides = std::iter::once(None).chain(fixed).collect();
        self.emit(&suffixed(name, "reshape"), Reshape { sides }, &[node])
    }

    /// Orders for which the engine has an op: tokens, and shuffled channels.
    fn special_order(
        &mut self,
        node: usize,
        moved: &[usize],
        target: &[usize],
        name: &str,
    ) -> Result<Option<usize>> {
        let shape = &self.nodes[node].shape;
        let significant: Vec<usize> = moved.iter().copied().filter(|&a| shape[a] != 1).collect();
        if let &[_, c, h, w] = &shape[..]
            && target == [1, h * w, c]
            && significant.is_sorted_by_key(|&axis| [0, 3, 1, 2][axis])
        {
            return self
                .emit(&suffixed(name, "tokens"), Tokens, &[node])
                .map(Some);
        }
        let is_split = self.nodes[node].op_as::<Reshape>().is_some();
        if let &[_, groups, each, h, w] = &shape[..]
            && is_split
            && target == [1, groups * each, h, w]
            && significant.is_sorted_by_key(|&axis| [0, 2, 1, 3, 4][axis])
        {
            let before = self.nodes[node].inputs[0];
            if self.nodes[before].shape == target {
                let shuffle = ChannelShuffle { groups };
                let made = self.emit(&suffixed(name, "shuffle"), shuffle, &[before])?;
                return Ok(Some(made));
            }
        }
        Ok(None)
    }
}
