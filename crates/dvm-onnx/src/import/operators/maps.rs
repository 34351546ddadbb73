//! Values as feature maps, for operators that work on feature maps only.

use dvm_engine::ops::concat::Concat;
use dvm_engine::ops::slice::Slice;

use crate::import::{Import, Result, SymInt, View, unsupported};

/// A view as a feature map `[N, C, H, W]`, and whether it was a row `[N, C, L]`, which becomes a map of one row.
///
/// # Errors
/// For values of other ranks.
pub(super) fn as_map(view: &View) -> Result<(View, bool)> {
    let mut view = view.clone();
    match view.rank() {
        4 => Ok((view, false)),
        3 => {
            view.axes.insert(2, Vec::new());
            Ok((view, true))
        }
        rank => Err(unsupported(format!(
            "has an input of {rank} axes; dvm supports [N, C, H, W] and [N, C, L]"
        ))),
    }
}

/// The most feature maps of one picture that a file may merge with the batch.
const MOST_MAPS: usize = 64;

impl Import<'_> {
    /// An operator on the feature map that [`as_map`] returns, and the result as the file has it. If the file merges
    /// several maps of a picture (windows, heads) with the batch, the operator is applied to each.
    ///
    /// # Errors
    /// Those of the operator, and for views that mix pictures.
    pub fn on_feature_maps(
        &mut self,
        (view, is_row): (&View, bool),
        name: &str,
        mut operator: impl FnMut(&mut Self, usize) -> Result<usize>,
    ) -> Result<View> {
        let mut made = match self.graph.batch_first(view, name) {
            Ok(node) => {
                let node = operator(self, node)?;
                self.graph.view(node)
            }
            Err(error) => {
                let is_several = matches!(view.axes[0][..], [0, _, ..]);
                if !is_several {
                    return Err(error);
                }
                self.map_by_map(view, name, operator)?
            }
        };
        if is_row {
            made.axes.remove(2);
        }
        Ok(made)
    }

    fn map_by_map(
        &mut self,
        view: &View,
        name: &str,
        mut operator: impl FnMut(&mut Self, usize) -> Result<usize>,
    ) -> Result<View> {
        let sides = self.graph.sides(view);
        let known: Option<Vec<usize>> = sides[1..]
            .iter()
            .map(|side| usize::try_from(side.known()?).ok())
            .collect();
        let (Some(map), Ok(count)) = (known, usize::try_from(sides[0].per_picture)) else {
            return Err(unsupported("works across the pictures of a batch"));
        };
        if count > MOST_MAPS {
            return Err(unsupported(format!(
                "merges {count} feature maps of a picture with the batch; the limit is {MOST_MAPS}"
            )));
        }
        // [N, maps, C, H, W]
        let mut split = vec![SymInt::batch(1), SymInt::from(count as i64)];
        split.extend(&sides[1..]);
        let maps = self.graph.reshape(view, &split, name)?;
        let maps = self.graph.canonical(&maps, name)?;
        let shape = [&[1, count], &map[..]].concat();
        let all = self.graph.reshape_node(maps.node, &shape, name)?;
        let mut parts = Vec::new();
        for index in 0..count {
            let part = Slice {
                axis: 1,
                start: index,
                step: 1,
                count: Some(1),
            };
            let part = self.graph.emit(&format!("{name}.map"), part, &[all])?;
            let one = [&[1], &map[..]].concat();
            let one = self.graph.reshape_node(part, &one, name)?;
            let made = operator(self, one)?;
            let shape = self.graph.nodes[made].shape.clone();
            let back = [&[1, 1], &shape[1..]].concat();
            parts.push(self.graph.reshape_node(made, &back, name)?);
        }
        let node = self
            .graph
            .emit(&format!("{name}.maps"), Concat { axis: 1 }, &parts)?;
        let rank = self.graph.nodes[node].shape.len();
        let axes = std::iter::once(vec![0, 1]).chain((2..rank).map(|axis| vec![axis]));
        Ok(self.graph.without_ones(View::new(node, axes)))
    }
}
