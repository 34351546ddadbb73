//! Blocks of a map put back into their places, as PyTorch's `fold` does.

use dvm_engine::ops::add::Add;

use super::super::Import;
use super::super::integer::Integer;
use super::super::site::{Site, Value};
use super::super::trouble::{Trouble, invalid, unsupported};
use super::super::view::View;
use super::expansion::ints;
use super::{Table, computed};

pub(super) const TABLE: Table = &[("Col2Im", fold)];

/// Blocks that may lie over each other at a place.
const MOST_LAYERS: usize = 64;

/// One axis of the map: how its blocks lie.
#[derive(Clone, Copy)]
struct Along {
    /// The side of the map.
    side: usize,
    /// The side of a block.
    block: usize,
    stride: usize,
    /// Padding of the map before its first place.
    before: usize,
    /// Blocks along the axis.
    count: usize,
}

impl Along {
    /// Blocks cut to the length of a stride, the last filled with zeros, lie side by side: this many layers of
    /// them, each one stride behind the one before.
    fn layers(&self) -> usize {
        self.block.div_ceil(self.stride)
    }

    /// The side of a layer.
    fn layer(&self) -> usize {
        self.count * self.stride
    }
}

/// The sums `[N, C, H, W]` of overlapping blocks `[N, C · rows · columns, blocks]`.
fn fold(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let name = site.name;
    let axes = axes(site)?;
    let [rows, columns] = axes;
    let view = site.view(0)?.clone();
    let sides = import.draft.sides(&view);
    let &[pictures, features, blocks] = &sides[..] else {
        return Err(unsupported("works on other values than blocks [N, C, L]"));
    };
    let wrong = || invalid("has not as many blocks, or values in them, as its map needs");
    let in_block = (rows.block * columns.block) as i64;
    let channels = features.known().filter(|count| count % in_block == 0);
    let channels = channels.ok_or_else(wrong)? / in_block;
    if blocks.known() != Some((rows.count * columns.count) as i64) {
        return Err(wrong());
    }
    // [N, C, block rows, block columns, rows of blocks, columns of blocks]
    let side = |side: usize| Integer::from(side as i64);
    let split = [
        pictures,
        channels.into(),
        side(rows.block),
        side(columns.block),
        side(rows.count),
        side(columns.count),
    ];
    let view = import.draft.reshape(&view, &split, name)?;
    let view = import.draft.canonical(&view, name)?;
    let mut sum: Option<usize> = None;
    for down in 0..rows.layers() {
        for right in 0..columns.layers() {
            let layer = layer(import, &view, (rows, down), (columns, right), name)?;
            let node = import.draft.plain(&layer, name)?;
            sum = Some(match sum {
                None => node,
                Some(sum) => import.draft.emit(name, Add, &[sum, node], &[])?,
            });
        }
    }
    let sum = sum.expect("a block has a layer");
    computed(import.draft.whole(sum))
}

/// The map of one layer: those parts of all blocks that lie so many strides from their beginnings.
fn layer(
    import: &mut Import,
    view: &View,
    (rows, down): (Along, usize),
    (columns, right): (Along, usize),
    name: &str,
) -> Result<View, Trouble> {
    let mut parts = Value::Computed(view.clone());
    for (axis, along, index) in [(2, rows, down), (3, columns, right)] {
        let start = index * along.stride;
        let end = (start + along.stride).min(along.block);
        parts = import.part(&parts, axis, start..end, name)?;
        let missing = (start + along.stride - end) as i64;
        if missing > 0 {
            let mut pads = [0; 12];
            pads[6 + axis] = missing;
            parts = padded(import, parts, &pads, name)?;
        }
    }
    let Value::Computed(parts) = parts else {
        return Err(unsupported("puts constants into their places"));
    };
    // [N, C, rows of blocks, rows, columns of blocks, columns] are the rows and columns of a map.
    let parts = parts.transposed(&[0, 1, 4, 2, 5, 3]);
    let sides = import.draft.sides(&parts);
    let [height, width] = [rows, columns].map(|along| Integer::from(along.layer() as i64));
    let map = [sides[0], sides[1], height, width];
    let map = Value::Computed(import.draft.reshape(&parts, &map, name)?);
    // To its place: behind the padding, which is cut off, and not beyond the map.
    let mut pads = [0; 8];
    for (axis, along, index) in [(2, rows, down), (3, columns, right)] {
        let before = (index * along.stride) as i64 - along.before as i64;
        pads[axis] = before;
        pads[4 + axis] = along.side as i64 - before - along.layer() as i64;
    }
    match padded(import, map, &pads, name)? {
        Value::Computed(view) => Ok(view),
        _ => Err(unsupported("puts constants into their places")),
    }
}

/// A value with a border of zeros, or without a part where that is negative.
fn padded(import: &mut Import, value: Value, pads: &[i64], name: &str) -> Result<Value, Trouble> {
    if pads.iter().all(|&pad| pad == 0) {
        return Ok(value);
    }
    import.ordinary("Pad", name, vec![Some(value)], &[ints("pads", pads)])
}

fn axes(site: &Site) -> Result<[Along; 2], Trouble> {
    let two = |values: Vec<i64>| match values[..] {
        [rows, columns] => Ok([rows, columns]),
        _ => Err(unsupported("works along other than two axes")),
    };
    let sides = two(site.constant(1)?.as_known()?)?;
    let block = two(site.constant(2)?.as_known()?)?;
    let [stride, dilation] = ["strides", "dilations"]
        .map(|name| two(site.ints(name).map_or(vec![1, 1], <[i64]>::to_vec)));
    let (stride, dilation) = (stride?, dilation?);
    let pads = site.ints("pads").map_or(vec![0; 4], <[i64]>::to_vec);
    let along = |axis: usize| -> Option<Along> {
        let size = |number: i64| usize::try_from(number).ok().filter(|&size| size <= 1 << 14);
        let positive = |number: i64| size(number).filter(|&size| size > 0);
        let (side, block) = (positive(sides[axis])?, positive(block[axis])?);
        let (before, after) = (size(*pads.get(axis)?)?, size(*pads.get(axis + 2)?)?);
        let stride = positive(stride[axis])?;
        let room = (side + before + after).checked_sub(block)?;
        Some(Along {
            side,
            block,
            stride,
            before,
            count: room / stride + 1,
        })
    };
    if dilation != [1, 1] {
        return Err(unsupported("has a dilation"));
    }
    let impossible = || invalid("has an impossible map, block, stride or border");
    let rows = along(0).ok_or_else(impossible)?;
    let columns = along(1).ok_or_else(impossible)?;
    if rows.layers() * columns.layers() > MOST_LAYERS {
        return Err(unsupported(
            "has blocks that lie over each other very often",
        ));
    }
    Ok([rows, columns])
}
