//! Pools.

use dvm_engine::ops::conv2d::Border;
use dvm_engine::ops::pool::{Pool, Reduction, Windows};

use super::Purpose;
use super::attribute::{int, ints};
use super::convolution::pads;
use super::writer::{Site, Writer, Written};

pub(super) fn write(writer: &mut Writer, site: &Site) -> Written {
    let Some(pool) = site.node.op_as::<Pool>() else {
        return Ok(None);
    };
    match pool.windows {
        Windows::Adaptive { output: (1, 1) } => {
            let op = match pool.reduction {
                Reduction::Max => "GlobalMaxPool",
                Reduction::Mean { .. } => "GlobalAveragePool",
            };
            writer.last(site, op, &site.inputs, vec![])
        }
        Windows::Adaptive { output } => adaptive(writer, site, pool.reduction, output),
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
            sliding(writer, site, pool.reduction, window)
        }
    }
}

/// A window that slides.
struct Window {
    kernel: (usize, usize),
    stride: (usize, usize),
    padding: Border,
    ceil: bool,
}

fn sliding(writer: &mut Writer, site: &Site, reduction: Reduction, mut window: Window) -> Written {
    let (x, _) = site.input();
    let [_, _, h, w] = site.map()?;
    let &[_, _, rows, columns] = site.output else {
        return Err(format!("which makes {:?}", site.output));
    };
    let mut own = x.to_owned();
    let mut counts_padding = reduction
        == (Reduction::Mean {
            count_padding: true,
        });
    let mut ceil = window.ceil;
    if ceil && writer.purpose == Purpose::Use {
        // Programs do not agree on which last window is kept, so what hangs over the edge becomes
        // padding below and to the right.
        ceil = false;
        let p = window.padding;
        let over = |outputs: usize, stride: usize, kernel: usize, there: usize| {
            ((outputs - 1) * stride + kernel).saturating_sub(there)
        };
        let (kernel, stride) = (window.kernel, window.stride);
        let below = over(rows, stride.0, kernel.0, h + p.top + p.bottom);
        let beside = over(columns, stride.1, kernel.1, w + p.left + p.right);
        if counts_padding && (below, beside) != (0, 0) {
            // Padding counts but what hangs over it does not: padding becomes pixels.
            let (top, left) = (p.top as i64, p.left as i64);
            let border = [0, 0, top, left, 0, 0, p.bottom as i64, p.right as i64];
            let border = writer.whole(&border);
            own = writer.step(site, "padded", "Pad", &[x, &border], vec![]);
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
    writer.last(site, op, &[&own], attributes)
}

/// Windows that divide the map: equal ones slide, others are cut out row by row, then column by
/// column.
fn adaptive(
    writer: &mut Writer,
    site: &Site,
    reduction: Reduction,
    output: (usize, usize),
) -> Written {
    let [_, _, h, w] = site.map()?;
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
        return sliding(writer, site, reduction, window);
    }
    let bands = cut(writer, site, reduction, (site.inputs[0], 2, h, output.0));
    let bands: Vec<&str> = bands.iter().map(String::as_str).collect();
    let rows = writer.step(site, "rows", "Concat", &bands, vec![int("axis", 2)]);
    let bands = cut(writer, site, reduction, (&rows, 3, w, output.1));
    let bands: Vec<&str> = bands.iter().map(String::as_str).collect();
    writer.last(site, "Concat", &bands, vec![int("axis", 3)])
}

/// What is left of each of `outputs` windows along an axis of this length.
fn cut(
    writer: &mut Writer,
    site: &Site,
    reduction: Reduction,
    (x, axis, length, outputs): (&str, usize, usize, usize),
) -> Vec<String> {
    let op = match reduction {
        Reduction::Max => "ReduceMax",
        Reduction::Mean { .. } => "ReduceMean",
    };
    let axes = writer.whole(&[axis as i64]);
    let mut bands = Vec::with_capacity(outputs);
    for index in 0..outputs {
        let (start, end) = (
            index * length / outputs,
            ((index + 1) * length).div_ceil(outputs),
        );
        let name = format!("window{axis}_{index}");
        let (from, to) = (writer.whole(&[start as i64]), writer.whole(&[end as i64]));
        let band = writer.step(site, &name, "Slice", &[x, &from, &to, &axes], vec![]);
        if end - start == 1 {
            bands.push(band);
            continue;
        }
        let attributes = vec![ints("axes", &[axis]), int("keepdims", 1)];
        let name = format!("reduced{axis}_{index}");
        bands.push(writer.step(site, &name, op, &[&band], attributes));
    }
    bands
}
