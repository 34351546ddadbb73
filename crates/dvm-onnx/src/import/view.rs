//! A value of the file as a view of a value of the engine.
//!
//! Transposing, squeezing and reshaping move no numbers here: they change which axes of the engine's
//! value an axis of the file's value stands for. Graphs with channels last, full of transpositions that
//! cancel, become the network that they mean, on feature maps `[N, C, H, W]`; tokens `[T, N, D]`, or
//! windows `[N · k, T, D]`, have the batch first and alone in the engine. Numbers are moved (by the
//! engine's `permute`, `reshape`, …) only for an op that needs another order.

use std::collections::BTreeSet;

use dvm_engine::ops::channel_shuffle::ChannelShuffle;
use dvm_engine::ops::flatten::Flatten;
use dvm_engine::ops::permute::Permute;
use dvm_engine::ops::reshape::Reshape;
use dvm_engine::ops::tokens::{Grid, Tokens};

use super::draft::Draft;
use super::integer::Integer;
use super::trouble::{Trouble, invalid, unsupported};

/// Which node's value, and for each axis of the file's value the axes of the node's value that it is
/// made of, outermost first; none for a side of 1. Axes of side 1 are never listed, except the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub node: usize,
    pub axes: Vec<Vec<usize>>,
}

/// Axes in a new order: each an old one, or a new one of side 1; then how many of these become one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Order {
    axes: Vec<Option<usize>>,
    merged: Vec<usize>,
}

/// What a node is called that brings the value of another into order for the node `name`; the same when a
/// network is written and read again.
fn called(name: &str, what: &str) -> String {
    match name.rsplit_once('.') {
        Some((_, last)) if last == what => name.to_owned(),
        _ => format!("{name}.{what}"),
    }
}

impl View {
    /// The rank of the file's value.
    pub fn rank(&self) -> usize {
        self.axes.len()
    }

    /// The same with the axes of the file's value in another order.
    pub fn transposed(&self, order: &[usize]) -> Self {
        Self {
            node: self.node,
            axes: order.iter().map(|&axis| self.axes[axis].clone()).collect(),
        }
    }

    /// The same without the axis of the pictures, which a file for one picture has taken away at `axis`.
    pub fn without_pictures(&self, axis: usize) -> Self {
        let mut axes = self.axes.clone();
        axes.remove(axis);
        Self {
            node: self.node,
            axes,
        }
    }

    /// The same with the axis of the pictures in front, where a file for one picture has taken it away
    /// ([`View::without_pictures`]), and perhaps put one of side 1 there again.
    fn with_pictures(&self) -> Self {
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

impl Draft {
    /// A node's value as it is.
    pub fn whole(&self, node: usize) -> View {
        let shape = &self.nodes[node].shape;
        let axis = |axis: usize| match shape[axis] {
            1 if axis > 0 => Vec::new(),
            _ => vec![axis],
        };
        View {
            node,
            axes: (0..shape.len()).map(axis).collect(),
        }
    }

    /// The view without axes of side 1, after its node was replaced by one with such sides.
    pub fn tidy(&self, view: View) -> View {
        let shape = &self.nodes[view.node].shape;
        let keep = |group: Vec<usize>| {
            let kept = group
                .into_iter()
                .filter(|&axis| axis == 0 || shape[axis] != 1);
            kept.collect()
        };
        View {
            node: view.node,
            axes: view.axes.into_iter().map(keep).collect(),
        }
    }

    /// The sides of the file's value.
    pub fn sides(&self, view: &View) -> Vec<Integer> {
        let shape = &self.nodes[view.node].shape;
        let side = |group: &Vec<usize>| {
            let product: usize = group.iter().map(|&axis| shape[axis]).product();
            match group.contains(&0) {
                true => Integer::pictures(product as i64),
                false => Integer::from(product as i64),
            }
        };
        view.axes.iter().map(side).collect()
    }

    /// The engine's axes that some axes of the file's value are made of.
    ///
    /// # Errors
    /// If the batch is among them.
    pub fn along(&self, view: &View, axes: &[usize]) -> Result<Vec<usize>, Trouble> {
        let own: Vec<usize> = axes
            .iter()
            .flat_map(|&axis| view.axes[axis].clone())
            .collect();
        if own.contains(&0) {
            return Err(unsupported("works across the pictures of a batch"));
        }
        Ok(own)
    }

    /// The view with one of its axes being one axis of the engine's value, and which.
    ///
    /// # Errors
    /// If it is the batch, or a part of it.
    pub fn single(
        &mut self,
        view: &View,
        axis: usize,
        name: &str,
    ) -> Result<(View, usize), Trouble> {
        let view = match view.axes[axis].len() {
            1 => view.clone(),
            // A side of 1 is an axis of its own in the canonical order.
            _ => self.canonical_with_ones(view, name)?,
        };
        match view.axes[axis][..] {
            [own] if own != 0 => Ok((self.tidy(view), own)),
            _ => Err(unsupported("works across the pictures of a batch")),
        }
    }

    /// The sides that are known, 1 for the batch; for messages and windows.
    pub fn sides_of_one(&self, view: &View) -> Vec<usize> {
        let sides = self.sides(view);
        sides
            .into_iter()
            .map(|side| side.at(1).unwrap_or(0) as usize)
            .collect()
    }

    /// Brings the axes of a node's value into another order.
    ///
    /// # Errors
    /// As [`Draft::emit`].
    pub fn arrange(
        &mut self,
        node: usize,
        axes: Vec<Option<usize>>,
        merged: Vec<usize>,
        name: &str,
    ) -> Result<usize, Trouble> {
        let order = Order { axes, merged };
        if let Some(&known) = self.arranged.get(&(node, order.clone())) {
            return Ok(known);
        }
        let made = self.arrange_anew(node, &order, name)?;
        self.arranged.insert((node, order), made);
        Ok(made)
    }

    fn arrange_anew(&mut self, node: usize, order: &Order, name: &str) -> Result<usize, Trouble> {
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
        if let Some(special) = self.arranged_at_once(node, &moved, &target, name)? {
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
            at = self.emit(&called(name, "permute"), Permute { axes }, &[at], &[])?;
        }
        self.under(at, &target, name)
    }

    /// The same values in the same order under another shape, for one picture.
    ///
    /// # Errors
    /// As [`Draft::emit`].
    pub fn under(&mut self, node: usize, shape: &[usize], name: &str) -> Result<usize, Trouble> {
        if self.nodes[node].shape == shape {
            return Ok(node);
        }
        if shape.len() == 2 {
            return self.emit(&called(name, "flatten"), Flatten, &[node], &[]);
        }
        let fixed = shape[1..].iter().map(|&side| Some(side));
        let sides = std::iter::once(None).chain(fixed).collect();
        self.emit(&called(name, "reshape"), Reshape { sides }, &[node], &[])
    }

    /// Orders that the engine has an op for: tokens, and channels that are shuffled.
    fn arranged_at_once(
        &mut self,
        node: usize,
        moved: &[usize],
        target: &[usize],
        name: &str,
    ) -> Result<Option<usize>, Trouble> {
        let shape = &self.nodes[node].shape;
        let significant: Vec<usize> = moved.iter().copied().filter(|&a| shape[a] != 1).collect();
        if let &[_, c, h, w] = &shape[..]
            && target == [1, h * w, c]
            && significant.is_sorted_by_key(|&axis| [0, 3, 1, 2][axis])
        {
            return self
                .emit(&called(name, "tokens"), Tokens, &[node], &[])
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
                let made = self.emit(&called(name, "shuffle"), shuffle, &[before], &[])?;
                return Ok(Some(made));
            }
        }
        Ok(None)
    }

    /// The value with the batch first and its other axes in the file's order, each of them one axis of
    /// the engine's value, also where it is 1. An axis that holds the batch and more is listed as both.
    ///
    /// # Errors
    /// As [`Draft::emit`].
    pub fn canonical(&mut self, view: &View, name: &str) -> Result<View, Trouble> {
        let whole = self.canonical_with_ones(view, name)?;
        Ok(self.tidy(whole))
    }

    /// The same with axes of side 1 listed, too.
    fn canonical_with_ones(&mut self, view: &View, name: &str) -> Result<View, Trouble> {
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
        let node = self.arrange(view.node, axes, merged, name)?;
        Ok(View { node, axes: groups })
    }

    /// The value for an op that works along its last axis: a map where it is `[N, H, W, C]`, or else as
    /// [`Draft::canonical`] has it.
    ///
    /// # Errors
    /// As [`Draft::emit`].
    pub fn featured(&mut self, view: &View, name: &str) -> Result<View, Trouble> {
        let is_alone = |group: &Vec<usize>| !group.is_empty() && !group.contains(&0);
        match &view.axes[..] {
            [first, rest @ ..]
                if rest.len() == 3 && first[..] == [0] && rest.iter().all(is_alone) =>
            {
                self.mapped(view, name)
            }
            _ => self.canonical(view, name),
        }
    }

    /// A view `[N, H, W, C]` as that of a map.
    ///
    /// # Errors
    /// As [`Draft::emit`].
    pub fn mapped(&mut self, view: &View, name: &str) -> Result<View, Trouble> {
        let sides = self.sides_of_one(view);
        let [_, above, beside, features] = &view.axes[..] else {
            return Err(unsupported("makes a map of a value of other axes"));
        };
        let merged = vec![1, above.len() + beside.len(), features.len()];
        let axes = view.axes.iter().flatten().map(|&axis| Some(axis)).collect();
        let tokens = self.arrange(view.node, axes, merged, name)?;
        let (rows, columns) = (sides[1], sides[2]);
        let node = self.emit(
            &called(name, "grid"),
            Grid { rows, columns },
            &[tokens],
            &[],
        )?;
        Ok(View {
            node,
            axes: vec![vec![0], vec![2], vec![3], vec![1]],
        })
    }

    /// The node whose value is the file's value as it is, batch first.
    ///
    /// # Errors
    /// Where the batch is not the first axis, alone.
    pub fn plain(&mut self, view: &View, name: &str) -> Result<usize, Trouble> {
        let view = &view.with_pictures();
        if self.whole(view.node) == *view {
            return Ok(view.node);
        }
        let canonical = self.canonical(view, name)?;
        if self.whole(canonical.node) == canonical {
            return Ok(canonical.node);
        }
        Err(unsupported(format!(
            "takes the pictures of a batch from another axis than the first, in {:?}",
            self.sides_of_one(view)
        )))
    }

    /// The value under other sides, whose product is the same.
    ///
    /// # Errors
    /// Where that would mix pictures.
    pub fn reshape(&mut self, view: &View, to: &[Integer], name: &str) -> Result<View, Trouble> {
        if let Some(reshaped) = self.regrouped(view, to, name)? {
            return Ok(reshaped);
        }
        // Sides that do not divide each other: all values of a picture in one row first.
        let flat: Vec<usize> = view.axes.iter().flatten().copied().collect();
        if flat.first() != Some(&0) {
            return Err(unsupported("reshapes across the pictures of a batch"));
        }
        let count = flat.len() - 1;
        let axes = flat.into_iter().map(Some).collect();
        let node = self.arrange(view.node, axes, vec![1, count], name)?;
        let row = self.tidy(View {
            node,
            axes: vec![vec![0], vec![1]],
        });
        self.regrouped(&row, to, name)?
            .ok_or_else(|| unsupported("reshapes across the pictures of a batch"))
    }

    /// Splits and joins axes, where the sides before and after divide each other.
    fn regrouped(
        &mut self,
        view: &View,
        to: &[Integer],
        name: &str,
    ) -> Result<Option<View>, Trouble> {
        let shape = self.nodes[view.node].shape.clone();
        // From the innermost on: pieces (axis, side) that are whole in both.
        let mut sources = view.axes.iter().flatten().rev();
        let mut rest: Option<(usize, usize)> = None;
        let mut groups: Vec<Vec<(usize, usize)>> = Vec::new();
        for side in to.iter().rev() {
            let (mut left, mut has_batch) = match (side.fixed, side.per) {
                (fixed, 0) if fixed > 0 => (fixed as usize, false),
                (0, per) if per > 0 => (per as usize, true),
                _ => return Err(invalid(format!("reshapes to a side of {}", side.fixed))),
            };
            let mut group = Vec::new();
            while left > 1 || has_batch {
                let next = rest
                    .take()
                    .or_else(|| sources.next().map(|&a| (a, shape[a])));
                let Some((axis, size)) = next else {
                    return Err(invalid("reshapes to more values than there are"));
                };
                if axis == 0 {
                    if !has_batch {
                        return Ok(None);
                    }
                    has_batch = false;
                    group.push((0, 1));
                } else if size == left || (left > 1 && left.is_multiple_of(size)) {
                    left /= size;
                    group.push((axis, size));
                } else if left > 1 && size.is_multiple_of(left) {
                    group.push((axis, left));
                    rest = Some((axis, size / left));
                    left = 1;
                } else {
                    return Ok(None);
                }
            }
            group.reverse();
            groups.push(group);
        }
        if rest.is_some() || sources.next().is_some() {
            return Err(invalid("reshapes to fewer values than there are"));
        }
        groups.reverse();
        Ok(Some(self.split(view.node, &groups, name)?))
    }

    /// A view of pieces of axes; the node's value gets an axis for each piece.
    fn split(
        &mut self,
        node: usize,
        groups: &[Vec<(usize, usize)>],
        name: &str,
    ) -> Result<View, Trouble> {
        let shape = self.nodes[node].shape.clone();
        let whole = |&(axis, size): &(usize, usize)| axis == 0 || shape[axis] == size;
        if groups.iter().flatten().all(whole) {
            let axes = |group: &Vec<(usize, usize)>| group.iter().map(|&(axis, _)| axis).collect();
            return Ok(View {
                node,
                axes: groups.iter().map(axes).collect(),
            });
        }
        // Pieces of one axis come in their order, whatever stands between them.
        let mut pieces: Vec<Vec<usize>> = vec![Vec::new(); shape.len()];
        for &(axis, size) in groups.iter().flatten() {
            pieces[axis].push(size);
        }
        let mut first = vec![0; shape.len()];
        let made = if let ([_, tokens, features], 3) = (&pieces[..], shape.len())
            && let (&[rows, columns], true) = (&tokens[..], features.len() < 2)
        {
            // Tokens that get rows and columns are a map, which is stored like them.
            (first[1], first[2]) = (2, 1);
            self.emit(&called(name, "grid"), Grid { rows, columns }, &[node], &[])?
        } else {
            // A map is stored with its channels last, so that its axes are split there; but channels in two,
            // which may be about to be shuffled.
            let is_split = |axis: usize, most: usize| pieces[axis].len() > most;
            let is_map = shape.len() == 4 && (is_split(1, 2) || is_split(2, 1) || is_split(3, 1));
            let (from, order) = match is_map {
                true => {
                    let name = name.strip_suffix(".reshape").unwrap_or(name);
                    let tokens = self.emit(&called(name, "tokens"), Tokens, &[node], &[])?;
                    (tokens, vec![0, 2, 3, 1])
                }
                false => (node, (0..shape.len()).collect()),
            };
            let mut target = Vec::new();
            for axis in order {
                first[axis] = target.len();
                target.extend(&pieces[axis]);
            }
            self.under(from, &target, name)?
        };
        let mut seen = vec![0; shape.len()];
        let mut axes = Vec::new();
        for group in groups {
            let mut own = Vec::new();
            for &(axis, _) in group {
                own.push(first[axis] + seen[axis]);
                seen[axis] += 1;
            }
            axes.push(own);
        }
        Ok(View { node: made, axes })
    }
}
