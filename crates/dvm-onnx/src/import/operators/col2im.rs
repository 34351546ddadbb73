//! `Col2Im`: overlapping blocks summed to a feature map, as PyTorch's `fold`.

use dvm_engine::ops::add::Add;

use super::expansion::ints;
use super::{Table, computed};
use crate::import::{Import, NodeContext, Result, SymInt, Value, View, invalid, unsupported};

pub(super) const TABLE: Table = &[("Col2Im", fold)];

/// The most blocks that may overlap at a pixel.
const MOST_LAYERS: usize = 64;

/// The blocks along one axis of the feature map.
#[derive(Clone, Copy)]
struct FoldAxis {
    /// The length of the map.
    side: usize,
    /// The length of a block.
    block: usize,
    stride: usize,
    /// Padding before the map.
    before: usize,
    /// The number of blocks.
    count: usize,
}

impl FoldAxis {
    /// Blocks are split into parts of one stride, the last padded with zeros. The first parts of all blocks are adjacent
    /// and make the first layer, the second parts make a layer one stride later, and so on. This is the number of layers.
    fn layers(&self) -> usize {
        self.block.div_ceil(self.stride)
    }

    /// The length of a layer.
    fn layer(&self) -> usize {
        self.count * self.stride
    }
}

/// Sums overlapping blocks `[N, C · rows · columns, blocks]` to `[N, C, H, W]`.
fn fold(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let name = ctx.name;
    let axes = axes(ctx)?;
    let [rows, columns] = axes;
    let view = ctx.view(0)?.clone();
    let sides = import.graph.sides(&view);
    let &[pictures, features, blocks] = &sides[..] else {
        return Err(unsupported(format!(
            "needs blocks [N, C, L], but its input has {} axes",
            sides.len()
        )));
    };
    let wrong = || invalid("has a number of blocks, or block size, that does not fit its output");
    let in_block = (rows.block * columns.block) as i64;
    let channels = features.known().filter(|count| count % in_block == 0);
    let channels = channels.ok_or_else(wrong)? / in_block;
    if blocks.known() != Some((rows.count * columns.count) as i64) {
        return Err(wrong());
    }
    // [N, C, block rows, block columns, rows of blocks, columns of blocks]
    let side = |side: usize| SymInt::from(side as i64);
    let split = [
        pictures,
        channels.into(),
        side(rows.block),
        side(columns.block),
        side(rows.count),
        side(columns.count),
    ];
    let view = import.graph.reshape(&view, &split, name)?;
    let view = import.graph.canonical(&view, name)?;
    let mut sum: Option<usize> = None;
    for down in 0..rows.layers() {
        for right in 0..columns.layers() {
            let layer = layer(import, &view, (rows, down), (columns, right), name)?;
            let node = import.graph.batch_first(&layer, name)?;
            sum = Some(match sum {
                None => node,
                Some(sum) => import.graph.emit(name, Add, &[sum, node])?,
            });
        }
    }
    let sum = sum.expect("there is at least one layer");
    computed(import.graph.view(sum))
}

/// The feature map of one layer: the parts of all blocks that begin `down` and `right` strides into them.
fn layer(
    import: &mut Import,
    view: &View,
    (rows, down): (FoldAxis, usize),
    (columns, right): (FoldAxis, usize),
    name: &str,
) -> Result<View> {
    let mut parts = Value::Computed(view.clone());
    for (axis, along, index) in [(2, rows, down), (3, columns, right)] {
        let start = index * along.stride;
        let end = (start + along.stride).min(along.block);
        parts = import.slice_axis(&parts, axis, start..end, name)?;
        let missing = (start + along.stride - end) as i64;
        if missing > 0 {
            let mut pads = [0; 12];
            pads[6 + axis] = missing;
            parts = padded(import, parts, &pads, name)?;
        }
    }
    let Value::Computed(parts) = parts else {
        return Err(unsupported("has a constant input"));
    };
    // [N, C, rows of blocks, rows, columns of blocks, columns] is a feature map.
    let parts = parts.transposed(&[0, 1, 4, 2, 5, 3]);
    let sides = import.graph.sides(&parts);
    let [height, width] = [rows, columns].map(|along| SymInt::from(along.layer() as i64));
    let map = [sides[0], sides[1], height, width];
    let map = Value::Computed(import.graph.reshape(&parts, &map, name)?);
    // Shift it to its position: remove the padding, and what is outside the map.
    let mut pads = [0; 8];
    for (axis, along, index) in [(2, rows, down), (3, columns, right)] {
        let before = (index * along.stride) as i64 - along.before as i64;
        pads[axis] = before;
        pads[4 + axis] = along.side as i64 - before - along.layer() as i64;
    }
    match padded(import, map, &pads, name)? {
        Value::Computed(view) => Ok(view),
        _ => Err(unsupported("has a constant input")),
    }
}

/// A value padded with zeros; negative padding removes values.
fn padded(import: &mut Import, value: Value, pads: &[i64], name: &str) -> Result<Value> {
    if pads.iter().all(|&pad| pad == 0) {
        return Ok(value);
    }
    import.standard_op("Pad", name, vec![Some(value)], &[ints("pads", pads)])
}

fn axes(ctx: &NodeContext) -> Result<[FoldAxis; 2]> {
    let two = |values: Vec<i64>| match values[..] {
        [rows, columns] => Ok([rows, columns]),
        _ => Err(unsupported("works along other axes than rows and columns")),
    };
    let sides = two(ctx.constant(1)?.as_known()?)?;
    let block = two(ctx.constant(2)?.as_known()?)?;
    let [stride, dilation] = ["strides", "dilations"]
        .map(|name| two(ctx.ints(name).map_or(vec![1, 1], <[i64]>::to_vec)));
    let (stride, dilation) = (stride?, dilation?);
    let pads = ctx.ints("pads").map_or(vec![0; 4], <[i64]>::to_vec);
    let along = |axis: usize| -> Option<FoldAxis> {
        let size = |number: i64| usize::try_from(number).ok().filter(|&size| size <= 1 << 14);
        let positive = |number: i64| size(number).filter(|&size| size > 0);
        let (side, block) = (positive(sides[axis])?, positive(block[axis])?);
        let (before, after) = (size(*pads.get(axis)?)?, size(*pads.get(axis + 2)?)?);
        let stride = positive(stride[axis])?;
        let room = (side + before + after).checked_sub(block)?;
        Some(FoldAxis {
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
    let impossible = || invalid("has an output, block, stride or padding out of range");
    let rows = along(0).ok_or_else(impossible)?;
    let columns = along(1).ok_or_else(impossible)?;
    if rows.layers() * columns.layers() > MOST_LAYERS {
        return Err(unsupported(format!(
            "has blocks of which more than {MOST_LAYERS} overlap"
        )));
    }
    Ok([rows, columns])
}
