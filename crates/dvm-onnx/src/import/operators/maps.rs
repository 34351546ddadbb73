//! Values as feature maps, for operators that work on nothing else.

use dvm_engine::ops::concat::Concat;
use dvm_engine::ops::slice::Slice;

use super::super::Import;
use super::super::integer::Integer;
use super::super::trouble::{Trouble, unsupported};
use super::super::view::View;

/// A view of a feature map: of `[N, C, H, W]`, or of a row `[N, C, L]` as a map of one row, and whether
/// it is that.
///
/// # Errors
/// For values of other ranks.
pub(super) fn as_map(view: &View) -> Result<(View, bool), Trouble> {
    let mut view = view.clone();
    match view.rank() {
        4 => Ok((view, false)),
        3 => {
            view.axes.insert(2, Vec::new());
            Ok((view, true))
        }
        rank => Err(unsupported(format!(
            "works on values of {rank} axes, and only maps [N, C, H, W] and rows [N, C, L] are taken"
        ))),
    }
}

/// Maps of one picture that may be taken for pictures of their own.
const MOST_MAPS: usize = 64;

impl Import<'_> {
    /// What an operator makes of maps: of what [`as_map`] made of a view, and back. Where the file takes
    /// several maps of a picture for pictures (windows, heads), the operator works on one after the other.
    ///
    /// # Errors
    /// Those of the operator, and for views that mix pictures.
    pub fn of_maps(
        &mut self,
        (view, is_row): (&View, bool),
        name: &str,
        mut operator: impl FnMut(&mut Self, usize) -> Result<usize, Trouble>,
    ) -> Result<View, Trouble> {
        let mut made = match self.draft.plain(view, name) {
            Ok(node) => {
                let node = operator(self, node)?;
                self.draft.whole(node)
            }
            Err(trouble) => {
                let is_several = matches!(view.axes[0][..], [0, _, ..]);
                if !is_several {
                    return Err(trouble);
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
        mut operator: impl FnMut(&mut Self, usize) -> Result<usize, Trouble>,
    ) -> Result<View, Trouble> {
        let sides = self.draft.sides(view);
        let known: Option<Vec<usize>> = sides[1..]
            .iter()
            .map(|side| usize::try_from(side.known()?).ok())
            .collect();
        let (Some(map), Ok(count)) = (known, usize::try_from(sides[0].per)) else {
            return Err(unsupported("works across the pictures of a batch"));
        };
        if count > MOST_MAPS {
            return Err(unsupported(format!(
                "takes {count} maps of a picture for pictures"
            )));
        }
        // [N, maps, C, H, W]
        let mut split = vec![Integer::pictures(1), Integer::from(count as i64)];
        split.extend(&sides[1..]);
        let maps = self.draft.reshape(view, &split, name)?;
        let maps = self.draft.canonical(&maps, name)?;
        let shape = [&[1, count], &map[..]].concat();
        let all = self.draft.under(maps.node, &shape, name)?;
        let mut parts = Vec::new();
        for index in 0..count {
            let part = Slice {
                axis: 1,
                start: index,
                step: 1,
                count: Some(1),
            };
            let part = self.draft.emit(&format!("{name}.map"), part, &[all], &[])?;
            let one = [&[1], &map[..]].concat();
            let one = self.draft.under(part, &one, name)?;
            let made = operator(self, one)?;
            let shape = self.draft.nodes[made].shape.clone();
            let back = [&[1, 1], &shape[1..]].concat();
            parts.push(self.draft.under(made, &back, name)?);
        }
        let node = self
            .draft
            .emit(&format!("{name}.maps"), Concat { axis: 1 }, &parts, &[])?;
        let rank = self.draft.nodes[node].shape.len();
        let axes = std::iter::once(vec![0, 1]).chain((2..rank).map(|axis| vec![axis]));
        let axes = axes.collect();
        Ok(self.draft.tidy(View { node, axes }))
    }
}
