//! Pools.

use dvm_engine::ops::conv2d::Border;
use dvm_engine::ops::pool::{Pool, Reduction, Windows};

use super::Purpose;
use super::attribute::{int, ints};
use super::convolution::pads;
use super::layout::around;
use super::writer::{ExportContext, Writer, Written};

pub(super) fn write(writer: &mut Writer, ctx: &ExportContext) -> Written {
    let Some(pool) = ctx.node.op_as::<Pool>() else {
        return Ok(None);
    };
    match pool.windows {
        Windows::Adaptive { output: (1, 1) } => {
            let op = match pool.reduction {
                Reduction::Max => "GlobalMaxPool",
                Reduction::Mean { .. } => "GlobalAveragePool",
            };
            writer.last(ctx, op, &ctx.inputs, vec![])
        }
        Windows::Adaptive { output } => adaptive(writer, ctx, pool.reduction, output),
        Windows::Sliding {
            kernel,
            stride,
            padding,
            ceil,
        } => {
            let window = Window {
                kernel,
                stride,
                padding,
                ceil,
            };
            sliding(writer, ctx, pool.reduction, window)
        }
    }
}

/// A sliding window.
struct Window {
    kernel: (usize, usize),
    stride: (usize, usize),
    padding: Border,
    ceil: bool,
}

fn sliding(
    writer: &mut Writer,
    ctx: &ExportContext,
    reduction: Reduction,
    mut window: Window,
) -> Written {
    let (x, _) = ctx.input();
    let [_, _, h, w] = ctx.map()?;
    let [_, _, rows, columns] = ctx.output_map()?;
    let mut own = x.to_owned();
    let mut counts_padding = reduction
        == (Reduction::Mean {
            count_padding: true,
        });
    let mut ceil = window.ceil;
    if ceil && writer.purpose == Purpose::Use {
        // Programs differ in which last window they keep, so a partial window gets padding below and to the right.
        ceil = false;
        let p = window.padding;
        let over = |outputs: usize, stride: usize, kernel: usize, there: usize| {
            ((outputs - 1) * stride + kernel).saturating_sub(there)
        };
        let (kernel, stride) = (window.kernel, window.stride);
        let below = over(rows, stride.0, kernel.0, h + p.top + p.bottom);
        let beside = over(columns, stride.1, kernel.1, w + p.left + p.right);
        if counts_padding && (below, beside) != (0, 0) {
            // The padding counts in the mean but the partial window does not, so the padding becomes pixels.
            let border = writer.integers(&around(p));
            own = writer.step(ctx, "padded", "Pad", &[x, &border], vec![]);
            counts_padding = false;
            window.padding = Border::default();
        }
        window.padding.bottom += below;
        window.padding.right += beside;
    }
    let mut attributes = vec![
        ints("kernel_shape", &[window.kernel.0, window.kernel.1]),
        pads(window.padding),
        ints("strides", &[window.stride.0, window.stride.1]),
    ];
    if ceil {
        attributes.push(int("ceil_mode", 1));
    }
    let op = match reduction {
        Reduction::Max => "MaxPool",
        Reduction::Mean { .. } => {
            attributes.push(int("count_include_pad", counts_padding.into()));
            "AveragePool"
        }
    };
    writer.last(ctx, op, &[&own], attributes)
}

/// An adaptive pool. Equal windows slide; others are sliced, first along rows, then along columns.
fn adaptive(
    writer: &mut Writer,
    ctx: &ExportContext,
    reduction: Reduction,
    output: (usize, usize),
) -> Written {
    let [_, _, h, w] = ctx.map()?;
    if h.is_multiple_of(output.0) && w.is_multiple_of(output.1) {
        let kernel = (h / output.0, w / output.1);
        let window = Window {
            kernel,
            stride: kernel,
            padding: Border::default(),
            ceil: false,
        };
        let reduction = match reduction {
            Reduction::Max => Reduction::Max,
            Reduction::Mean { .. } => Reduction::Mean {
                count_padding: false,
            },
        };
        return sliding(writer, ctx, reduction, window);
    }
    let bands = cut(writer, ctx, reduction, (ctx.inputs[0], 2, h, output.0));
    let bands: Vec<&str> = bands.iter().map(String::as_str).collect();
    let rows = writer.step(ctx, "rows", "Concat", &bands, vec![int("axis", 2)]);
    let bands = cut(writer, ctx, reduction, (&rows, 3, w, output.1));
    let bands: Vec<&str> = bands.iter().map(String::as_str).collect();
    writer.last(ctx, "Concat", &bands, vec![int("axis", 3)])
}

/// The reduced slices of `outputs` windows along an axis of this length.
fn cut(
    writer: &mut Writer,
    ctx: &ExportContext,
    reduction: Reduction,
    (x, axis, length, outputs): (&str, usize, usize, usize),
) -> Vec<String> {
    let op = match reduction {
        Reduction::Max => "ReduceMax",
        Reduction::Mean { .. } => "ReduceMean",
    };
    let axes = writer.integers(&[axis as i64]);
    let mut bands = Vec::with_capacity(outputs);
    for index in 0..outputs {
        let start = index * length / outputs;
        let end = ((index + 1) * length).div_ceil(outputs);
        let name = format!("window{axis}_{index}");
        let [from, to] = [start, end].map(|at| writer.integers(&[at as i64]));
        let band = writer.step(ctx, &name, "Slice", &[x, &from, &to, &axes], vec![]);
        if end - start == 1 {
            bands.push(band);
            continue;
        }
        let attributes = vec![ints("axes", &[axis]), int("keepdims", 1)];
        let name = format!("reduced{axis}_{index}");
        bands.push(writer.step(ctx, &name, op, &[&band], attributes));
    }
    bands
}
