//! Ops that move values, pad or resize.

use dvm_engine::ops::channel_shuffle::ChannelShuffle;
use dvm_engine::ops::concat::Concat;
use dvm_engine::ops::conv2d::Border;
use dvm_engine::ops::flatten::Flatten;
use dvm_engine::ops::pad::{Amount, CropLike, Pad};
use dvm_engine::ops::permute::Permute;
use dvm_engine::ops::repeat::Repeat;
use dvm_engine::ops::resample::{
    Beyond, Continuation, Coordinates, Interpolation, Kernel, Resample, Rounding, Sampling,
};
use dvm_engine::ops::reshape::Reshape;
use dvm_engine::ops::slice::Slice;
use dvm_engine::ops::tokens::{Grid, Tokens};

use super::Purpose;
use super::attribute::{float, int, ints, text};
use super::writer::{ExportContext, Writer, Written};

pub(super) fn write(writer: &mut Writer, ctx: &ExportContext) -> Written {
    let node = ctx.node;
    if let Some(concat) = node.op_as::<Concat>() {
        let axis = int("axis", concat.axis as i64);
        return writer.last(ctx, "Concat", &ctx.inputs, vec![axis]);
    }
    if node.op_as::<Flatten>().is_some() {
        return writer.last(ctx, "Flatten", &ctx.inputs, vec![int("axis", 1)]);
    }
    if let Some(reshape) = node.op_as::<Reshape>() {
        let side = |side: &Option<usize>| side.map_or(-1, |side| side as i64);
        let sides: Vec<i64> = reshape.sides.iter().map(side).collect();
        let sides = writer.integers(&sides);
        return writer.last(ctx, "Reshape", &[ctx.inputs[0], &sides], vec![]);
    }
    if let Some(permute) = node.op_as::<Permute>() {
        let order = ints("perm", &permute.axes);
        return writer.last(ctx, "Transpose", &ctx.inputs, vec![order]);
    }
    if node.op_as::<Tokens>().is_some() {
        let [_, c, h, w] = ctx.map()?;
        let sides = [-1, c as i64, (h * w) as i64];
        let pixels = writer.reshape(ctx, "pixels", ctx.inputs[0], &sides);
        let order = ints("perm", &[0, 2, 1]);
        return writer.last(ctx, "Transpose", &[&pixels], vec![order]);
    }
    if let Some(grid) = node.op_as::<Grid>() {
        let order = [0, 2, 1];
        let turned = writer.transpose(ctx, "channels_first", ctx.inputs[0], &order);
        let [_, c, ..] = ctx.output else {
            return Err(format!("computes shape {:?}", ctx.output));
        };
        let sides = [*c, grid.rows, grid.columns].map(|side| side as i64);
        let sides = writer.integers(&[&[-1], &sides[..]].concat());
        return writer.last(ctx, "Reshape", &[&turned, &sides], vec![]);
    }
    if let Some(slice) = node.op_as::<Slice>() {
        return part(writer, ctx, slice);
    }
    if let Some(pad) = node.op_as::<Pad>() {
        return border(writer, ctx, pad);
    }
    if let Some(resample) = node.op_as::<Resample>() {
        return resampled(writer, ctx, resample);
    }
    if node.op_as::<CropLike>().is_some() {
        let [_, _, h, w] = ctx.output_map()?;
        let start = writer.integers(&[0, 0]);
        let end = writer.integers(&[h as i64, w as i64]);
        let axes = writer.integers(&[2, 3]);
        let inputs = [ctx.inputs[0], &start, &end, &axes];
        return writer.last(ctx, "Slice", &inputs, vec![]);
    }
    if let Some(shuffle) = node.op_as::<ChannelShuffle>() {
        return shuffled(writer, ctx, shuffle.groups);
    }
    if node.op_as::<Repeat>().is_some() {
        return repeated(writer, ctx);
    }
    Ok(None)
}

fn part(writer: &mut Writer, ctx: &ExportContext, slice: &Slice) -> Written {
    // An end past the last value means up to the last.
    let end = slice.count.map_or(i64::MAX, |count| {
        let last = count.saturating_sub(1) * slice.step;
        (slice.start + last + usize::from(count > 0)) as i64
    });
    let start = writer.integers(&[slice.start as i64]);
    let end = writer.integers(&[end]);
    let axis = writer.integers(&[slice.axis as i64]);
    let step = writer.integers(&[slice.step as i64]);
    let inputs = [ctx.inputs[0], &start, &end, &axis, &step];
    writer.last(ctx, "Slice", &inputs, vec![])
}

fn border(writer: &mut Writer, ctx: &ExportContext, pad: &Pad) -> Written {
    let [_, _, h, w] = ctx.map()?;
    let border = match (pad.amount, ctx.output) {
        (Amount::Fixed(border), _) => border,
        (Amount::ToMultiple(_), &[_, _, rows, columns]) => Border {
            bottom: rows - h,
            right: columns - w,
            ..Border::default()
        },
        _ => return Err(format!("computes shape {:?}", ctx.output)),
    };
    let sides = around(border);
    let sides = writer.integers(&sides);
    let value = writer.scalar(pad.value);
    writer.last(ctx, "Pad", &[ctx.inputs[0], &sides, &value], vec![])
}

/// A border as ONNX's `pads` of a feature map.
pub(super) fn around(border: Border) -> [i64; 8] {
    let [top, left] = [border.top, border.left].map(|side| side as i64);
    let [bottom, right] = [border.bottom, border.right].map(|side| side as i64);
    [0, 0, top, left, 0, 0, bottom, right]
}

fn resampled(writer: &mut Writer, ctx: &ExportContext, resample: &Resample) -> Written {
    let x = ctx.inputs[0];
    let (rows, columns, interpolation, coordinates) = match *resample {
        Resample::Continued { border, by } => {
            let mode = match by {
                Continuation::Mirrored => "reflect",
                Continuation::Repeated => "edge",
            };
            let sides = writer.integers(&around(border));
            return writer.last(ctx, "Pad", &[x, &sides], vec![text("mode", mode)]);
        }
        Resample::Flipped { rows, columns } => {
            let axes = [(2, rows), (3, columns)];
            let axes = axes.iter().filter(|(_, is_flipped)| *is_flipped);
            let axes: Vec<i64> = axes.map(|&(axis, _)| axis).collect();
            if axes.is_empty() {
                return Ok(Some(x.to_owned()));
            }
            // From the last position to the first.
            let all = |value: i64| vec![value; axes.len()];
            let start = writer.integers(&all(-1));
            let end = writer.integers(&all(i64::MIN + 1));
            let step = writer.integers(&all(-1));
            let axes = writer.integers(&axes);
            return writer.last(ctx, "Slice", &[x, &start, &end, &axes, &step], vec![]);
        }
        Resample::Scaled {
            rows,
            columns,
            interpolation,
            coordinates,
        } => (rows, columns, interpolation, coordinates),
    };
    let mut attributes = match interpolation {
        Interpolation::Nearest(rounding) => {
            let rounding = match rounding {
                Rounding::Floor => "floor",
                Rounding::Ceil => "ceil",
                Rounding::PreferFloor => "round_prefer_floor",
                Rounding::PreferCeil => "round_prefer_ceil",
            };
            vec![text("mode", "nearest"), text("nearest_mode", rounding)]
        }
        Interpolation::Linear => vec![text("mode", "linear")],
        Interpolation::Cubic(a) => vec![text("mode", "cubic"), float("cubic_coeff_a", a)],
        // The attribute is from opset 18, but structures are read only by this crate.
        Interpolation::Antialiased { kernel, beyond } if writer.purpose == Purpose::Structure => {
            let mut attributes = match kernel {
                Kernel::Triangle => vec![text("mode", "linear")],
                Kernel::Cubic(a) => vec![text("mode", "cubic"), float("cubic_coeff_a", a)],
            };
            let excludes = int("exclude_outside", (beyond == Beyond::Nothing).into());
            attributes.extend([int("antialias", 1), excludes]);
            attributes
        }
        Interpolation::Antialiased { .. } => {
            return Err(format!(
                "resizes with antialiasing, which needs opset 18; dvm writes opset {}",
                super::OPSET
            ));
        }
    };
    let coordinates = match coordinates {
        Coordinates::HalfPixel => "half_pixel",
        Coordinates::PytorchHalfPixel => "pytorch_half_pixel",
        Coordinates::AlignCorners => "align_corners",
        Coordinates::Asymmetric => "asymmetric",
    };
    attributes.push(text("coordinate_transformation_mode", coordinates));
    let [_, _, h, w] = ctx.map()?;
    let follows =
        |scale: Sampling, side: usize| (side as f32 * scale.factor) as usize == scale.output;
    if follows(rows, h) && follows(columns, w) {
        let scales = writer.floats(&[4], &[1.0, 1.0, rows.factor, columns.factor]);
        return writer.last(ctx, "Resize", &[x, "", &scales], attributes);
    }
    // Without scales, sizes are needed for all axes, including the batch.
    let pictures = writer.step(ctx, "sides", "Shape", &[x], vec![int("end", 2)]);
    let sides = writer.integers(&[rows.output as i64, columns.output as i64]);
    let axis = vec![int("axis", 0)];
    let sizes = writer.step(ctx, "sizes", "Concat", &[&pictures, &sides], axis);
    writer.last(ctx, "Resize", &[x, "", "", &sizes], attributes)
}

fn shuffled(writer: &mut Writer, ctx: &ExportContext, groups: usize) -> Written {
    let [_, c, h, w] = ctx.map()?;
    let sides = [groups, c / groups, h, w].map(|side| side as i64);
    let sides = [&[-1], &sides[..]].concat();
    let x = writer.reshape(ctx, "groups", ctx.inputs[0], &sides);
    let x = writer.transpose(ctx, "dealt", &x, &[0, 2, 1, 3, 4]);
    let sides = writer.integers(&[-1, c as i64, h as i64, w as i64]);
    writer.last(ctx, "Reshape", &[&x, &sides], vec![])
}

/// A parameter repeated for each picture.
fn repeated(writer: &mut Writer, ctx: &ExportContext) -> Written {
    let of_pictures = vec![int("end", 1), int("start", 0)];
    let pictures = writer.step(ctx, "pictures", "Shape", &ctx.inputs, of_pictures);
    let rest: Vec<i64> = ctx.output[1..].iter().map(|&side| side as i64).collect();
    let shape = if rest.is_empty() {
        pictures
    } else {
        let rest = writer.integers(&rest);
        let axis = vec![int("axis", 0)];
        writer.step(ctx, "shape", "Concat", &[&pictures, &rest], axis)
    };
    writer.last(ctx, "Expand", &[ctx.parameters[0], &shape], vec![])
}
