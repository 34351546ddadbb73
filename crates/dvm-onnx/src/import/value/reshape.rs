//! Views under another shape: axes are split and merged.

use dvm_engine::ops::tokens::{Grid, Tokens};

use crate::import::builder::{GraphBuilder, suffixed};
use crate::import::{Result, SymInt, View, invalid, unsupported};

/// A part of an axis of a node's value: the axis, and the part's length.
type Piece = (usize, usize);

impl GraphBuilder {
    /// The value under another shape of as many numbers.
    ///
    /// # Errors
    /// If that would mix pictures.
    pub fn reshape(&mut self, view: &View, to: &[SymInt], name: &str) -> Result<View> {
        if let Some(reshaped) = self.regrouped(view, to, name)? {
            return Ok(reshaped);
        }
        // The old and new sides do not divide each other: flatten each picture to one row first.
        let flat: Vec<usize> = view.axes.iter().flatten().copied().collect();
        if flat.first() != Some(&0) {
            return Err(unsupported("reshapes across the pictures of a batch"));
        }
        let count = flat.len() - 1;
        let axes = flat.into_iter().map(Some).collect();
        let node = self.rearrange(view.node, axes, vec![1, count], name)?;
        let row = self.without_ones(View::new(node, vec![vec![0], vec![1]]));
        self.regrouped(&row, to, name)?
            .ok_or_else(|| unsupported("reshapes across the pictures of a batch"))
    }

    /// Splits and merges axes; `None` if the old and new sides do not divide each other.
    fn regrouped(&mut self, view: &View, to: &[SymInt], name: &str) -> Result<Option<View>> {
        let shape = self.nodes[view.node].shape.clone();
        // From the innermost axis outwards: pieces that are whole in both shapes.
        let mut sources = view.axes.iter().flatten().rev();
        let mut rest: Option<Piece> = None;
        let mut groups: Vec<Vec<Piece>> = Vec::new();
        for side in to.iter().rev() {
            let (mut left, mut has_batch) = match (side.fixed, side.per_picture) {
                (fixed, 0) if fixed > 0 => (fixed as usize, false),
                (0, per) if per > 0 => (per as usize, true),
                _ => return Err(invalid(format!("reshapes to a side of {side}"))),
            };
            let mut group = Vec::new();
            while left > 1 || has_batch {
                let next = rest
                    .take()
                    .or_else(|| sources.next().map(|&a| (a, shape[a])));
                let Some((axis, size)) = next else {
                    return Err(invalid("reshapes to more numbers than its input has"));
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
            return Err(invalid("reshapes to fewer numbers than its input has"));
        }
        groups.reverse();
        Ok(Some(self.split(view.node, &groups, name)?))
    }

    /// A view of pieces of axes. The node's value gets an axis for each piece.
    fn split(&mut self, node: usize, groups: &[Vec<Piece>], name: &str) -> Result<View> {
        let shape = self.nodes[node].shape.clone();
        let whole = |&(axis, size): &Piece| axis == 0 || shape[axis] == size;
        if groups.iter().flatten().all(whole) {
            let axes = |group: &Vec<Piece>| group.iter().map(|&(axis, _)| axis).collect();
            return Ok(View::new(node, groups.iter().map(axes)));
        }
        // Pieces of one axis come in their order, whatever is between them.
        let mut pieces: Vec<Vec<usize>> = vec![Vec::new(); shape.len()];
        for &(axis, size) in groups.iter().flatten() {
            pieces[axis].push(size);
        }
        let mut first = vec![0; shape.len()];
        let made = if let ([_, tokens, features], 3) = (&pieces[..], shape.len())
            && let (&[rows, columns], true) = (&tokens[..], features.len() < 2)
        {
            // Tokens with rows and columns are a feature map, which is stored the same way.
            (first[1], first[2]) = (2, 1);
            self.emit(&suffixed(name, "grid"), Grid { rows, columns }, &[node])?
        } else {
            // A feature map is stored with its channels last, so its axes are split as tokens. Channels split in two
            // are an exception: they may be about to be shuffled.
            let is_split = |axis: usize, most: usize| pieces[axis].len() > most;
            let is_map = shape.len() == 4 && (is_split(1, 2) || is_split(2, 1) || is_split(3, 1));
            let (from, order) = match is_map {
                true => {
                    let name = name.strip_suffix(".reshape").unwrap_or(name);
                    let tokens = self.emit(&suffixed(name, "tokens"), Tokens, &[node])?;
                    (tokens, vec![0, 2, 3, 1])
                }
                false => (node, (0..shape.len()).collect()),
            };
            let mut target = Vec::new();
            for axis in order {
                first[axis] = target.len();
                target.extend(&pieces[axis]);
            }
            self.reshape_node(from, &target, name)?
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
