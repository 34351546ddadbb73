//! Pools.

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::{Border, Padding};
use dvm_engine::ops::pool::{Pool, Reduction, Windows};

use super::convolution::{padding, pair, with_border_before};
use super::maps::as_map;
use super::{Operator, computed};
use crate::import::{Import, NodeContext, Result, Value, unsupported};

pub(super) const TABLE: &[(&str, Operator)] = &[
    ("MaxPool", |i, s| pool(i, s, Reduction::Max)),
    ("AveragePool", |i, s| {
        let count_padding = s.int("count_include_pad", 0) != 0;
        pool(i, s, Reduction::Mean { count_padding })
    }),
    ("GlobalAveragePool", |i, s| {
        let count_padding = false;
        global(i, s, Reduction::Mean { count_padding })
    }),
    ("GlobalMaxPool", |i, s| global(i, s, Reduction::Max)),
];

fn pool(import: &mut Import, ctx: &NodeContext, reduction: Reduction) -> Result<Vec<Value>> {
    if ctx.has_more_outputs() {
        return Err(unsupported("has an output of indices that is used"));
    }
    if let Some(made) = along_first_of_three(import, ctx, reduction)? {
        return Ok(made);
    }
    let kernel = pair(ctx, "kernel_shape", None)?;
    let stride = pair(ctx, "strides", Some(1))?;
    let dilation = pair(ctx, "dilations", Some(1))?;
    // Dilation has no effect on a window of one pixel.
    if (kernel.0 > 1 && dilation.0 > 1) || (kernel.1 > 1 && dilation.1 > 1) {
        return Err(unsupported(format!("has a dilation of {dilation:?}")));
    }
    let (view, is_row) = as_map(ctx.view(0)?)?;
    let pooled =
        |import: &mut Import, node: usize| of_one(import, ctx, node, reduction, (kernel, stride));
    computed(import.on_feature_maps((&view, is_row), ctx.name, pooled)?)
}

/// A pool along the first of three axes: the other two are merged, so that it is a pool of feature maps. PyTorch exports
/// local response normalisation with it.
fn along_first_of_three(
    import: &mut Import,
    ctx: &NodeContext,
    reduction: Reduction,
) -> Result<Option<Vec<Value>>> {
    let is_first_alone = |name: &str| match ctx.ints(name) {
        None => name != "kernel_shape",
        Some([_, 1, 1]) => true,
        Some(_) => false,
    };
    let has_borders = |pads: &[i64]| !matches!(pads, [_, 0, 0, _, 0, 0]);
    let fits = ["kernel_shape", "strides", "dilations"]
        .into_iter()
        .all(is_first_alone);
    if !fits || ctx.ints("pads").is_some_and(has_borders) || ctx.has("auto_pad") {
        return Ok(None);
    }
    let mut view = ctx.view(0)?.clone();
    if view.rank() != 5 {
        return Ok(None);
    }
    let sides = import.graph.sides(&view);
    let columns = view.axes.remove(4);
    view.axes[3].extend(columns);
    let mut node = ctx.node.clone();
    for attribute in &mut node.attribute {
        match &attribute.name[..] {
            "kernel_shape" | "strides" | "dilations" => attribute.ints.truncate(2),
            "pads" => attribute.ints = vec![attribute.ints[0], 0, attribute.ints[3], 0],
            _ => {}
        }
    }
    let flat = NodeContext {
        node: &node,
        inputs: vec![Some(Value::Computed(view))],
        ..*ctx
    };
    let made = pool(import, &flat, reduction)?;
    let [Value::Computed(made)] = &made[..] else {
        return Err(unsupported("has several outputs"));
    };
    let rows = import.graph.sides(made)[2];
    let to = [sides[0], sides[1], rows, sides[3], sides[4]];
    computed(import.graph.reshape(made, &to, ctx.name)?).map(Some)
}

/// The pool of a feature map.
fn of_one(
    import: &mut Import,
    ctx: &NodeContext,
    mut node: usize,
    reduction: Reduction,
    (kernel, stride): ((usize, usize), (usize, usize)),
) -> Result<usize> {
    let &[_, _, h, w] = &import.graph.nodes[node].shape[..] else {
        return Err(unsupported(
            "has an input that is not a feature map [N, C, H, W]",
        ));
    };
    let own = match padding(ctx, (h, w), kernel, stride, (1, 1))? {
        Padding::Fixed(border) => border,
        Padding::Same => {
            let along = |length: usize, kernel: usize, stride: usize| {
                let last = (length.div_ceil(stride) - 1) * stride;
                (last + kernel).saturating_sub(length)
            };
            let (rows, columns) = (along(h, kernel.0, stride.0), along(w, kernel.1, stride.1));
            Border {
                top: rows / 2,
                left: columns / 2,
                bottom: rows.div_ceil(2),
                right: columns.div_ceil(2),
            }
        }
    };
    let has_none = own == Border::default();
    // A `Pad` of zeros has the effect of padding if no value is negative, because a maximum ignores both; and in a mean
    // that counts its padding.
    let is_padding = |value: f32, before: usize| match reduction {
        Reduction::Max => {
            value == f32::NEG_INFINITY || (value == 0.0 && is_never_negative(import, before))
        }
        Reduction::Mean { count_padding } => value == 0.0 && (count_padding || has_none),
    };
    let (before, border) = with_border_before(import, node, own, is_padding);
    let fits = border.top.max(border.bottom) < kernel.0 && border.left.max(border.right) < kernel.1;
    let (mut reduction, mut padding) = (reduction, own);
    if before != node && fits {
        (node, padding) = (before, border);
        if let Reduction::Mean { count_padding } = &mut reduction {
            *count_padding = true;
        }
    }
    let op = Pool {
        reduction,
        windows: Windows::Sliding {
            kernel,
            stride,
            padding,
            ceil: ctx.int("ceil_mode", 0) != 0,
        },
    };
    import.graph.emit(ctx.name, op, &[node])
}

/// Whether a node is an activation whose values are never negative.
pub(super) fn is_never_negative(import: &Import, node: usize) -> bool {
    matches!(
        import.graph.nodes[node].op_as(),
        Some(
            Activation::Relu
                | Activation::Relu6
                | Activation::ClippedRelu(_)
                | Activation::SquaredRelu
                | Activation::Sigmoid
                | Activation::Hardsigmoid
                | Activation::HardsigmoidOf { .. }
        )
    )
}

fn global(import: &mut Import, ctx: &NodeContext, reduction: Reduction) -> Result<Vec<Value>> {
    let (view, is_row) = as_map(ctx.view(0)?)?;
    let op = Pool {
        reduction,
        windows: Windows::Adaptive { output: (1, 1) },
    };
    let pooled = |import: &mut Import, node: usize| import.graph.emit(ctx.name, op, &[node]);
    computed(import.on_feature_maps((&view, is_row), ctx.name, pooled)?)
}
