//! Pools.

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::{Border, Padding};
use dvm_engine::ops::pool::{Pool, Reduction, Windows};

use super::super::Import;
use super::super::site::{Site, Value};
use super::super::trouble::{Trouble, unsupported};
use super::convolution::{padding, pair, with_border_before};
use super::maps::as_map;
use super::{Operator, computed};

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

fn pool(import: &mut Import, site: &Site, reduction: Reduction) -> Result<Vec<Value>, Trouble> {
    if site
        .node
        .output
        .iter()
        .skip(1)
        .any(|output| !output.is_empty())
    {
        return Err(unsupported("also tells where its largest values are"));
    }
    let (view, is_row) = as_map(site.view(0)?)?;
    let kernel = pair(site, "kernel_shape", None)?;
    let stride = pair(site, "strides", Some(1))?;
    if pair(site, "dilations", Some(1))? != (1, 1) {
        return Err(unsupported("has a dilation"));
    }
    let pooled =
        |import: &mut Import, node: usize| of_one(import, site, node, reduction, (kernel, stride));
    computed(import.of_maps((&view, is_row), site.name, pooled)?)
}

/// The pool of a node that is a map.
fn of_one(
    import: &mut Import,
    site: &Site,
    mut node: usize,
    reduction: Reduction,
    (kernel, stride): ((usize, usize), (usize, usize)),
) -> Result<usize, Trouble> {
    let &[_, _, h, w] = &import.draft.nodes[node].shape[..] else {
        return Err(unsupported("works on values that are no maps [N, C, H, W]"));
    };
    let own = match padding(site, (h, w), kernel, stride, (1, 1))? {
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
    // A border of zeros never wins over values that are not negative, as padding never does; and a mean
    // that counts its padding counts zeros.
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
            ceil: site.int("ceil_mode", 0) != 0,
        },
    };
    import.draft.emit(site.name, op, &[node], &[])
}

fn is_never_negative(import: &Import, node: usize) -> bool {
    let activation = import.draft.nodes[node].op_as::<Activation>();
    activation.is_some_and(|activation| {
        matches!(
            activation,
            Activation::Relu | Activation::Relu6 | Activation::Sigmoid | Activation::Hardsigmoid
        )
    })
}

fn global(import: &mut Import, site: &Site, reduction: Reduction) -> Result<Vec<Value>, Trouble> {
    let (view, is_row) = as_map(site.view(0)?)?;
    let op = Pool {
        reduction,
        windows: Windows::Adaptive { output: (1, 1) },
    };
    let pooled = |import: &mut Import, node: usize| import.draft.emit(site.name, op, &[node], &[]);
    computed(import.of_maps((&view, is_row), site.name, pooled)?)
}
