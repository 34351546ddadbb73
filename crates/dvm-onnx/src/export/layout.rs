//! What moves values without changing them, or makes maps of another size of them.

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
use super::writer::{Site, Writer, Written};

pub(super) fn write(writer: &mut Writer, site: &Site) -> Written {
    let node = site.node;
    if let Some(concat) = node.op_as::<Concat>() {
        let axis = int("axis", concat.axis as i64);
        return writer.last(site, "Concat", &site.inputs, vec![axis]);
    }
    if node.op_as::<Flatten>().is_some() {
        return writer.last(site, "Flatten", &site.inputs, vec![int("axis", 1)]);
    }
    if let Some(reshape) = node.op_as::<Reshape>() {
        let side = |side: &Option<usize>| side.map_or(-1, |side| side as i64);
        let sides: Vec<i64> = reshape.sides.iter().map(side).collect();
        let sides = writer.whole(&sides);
        return writer.last(site, "Reshape", &[site.inputs[0], &sides], vec![]);
    }
    if let Some(permute) = node.op_as::<Permute>() {
        let order = ints("perm", &permute.axes);
        return writer.last(site, "Transpose", &site.inputs, vec![order]);
    }
    if node.op_as::<Tokens>().is_some() {
        let [_, c, h, w] = site.map()?;
        let sides = [-1, c as i64, (h * w) as i64];
        let pixels = writer.reshape(site, "pixels", site.inputs[0], &sides);
        let order = ints("perm", &[0, 2, 1]);
        return writer.last(site, "Transpose", &[&pixels], vec![order]);
    }
    if let Some(grid) = node.op_as::<Grid>() {
        let order = [0, 2, 1];
        let turned = writer.transpose(site, "channels_first", site.inputs[0], &order);
        let [_, c, ..] = site.output else {
            return Err(format!("which makes {:?}", site.output));
        };
        let sides = [*c, grid.rows, grid.columns].map(|side| side as i64);
        let sides = writer.whole(&[&[-1], &sides[..]].concat());
        return writer.last(site, "Reshape", &[&turned, &sides], vec![]);
    }
    if let Some(slice) = node.op_as::<Slice>() {
        return part(writer, site, slice);
    }
    if let Some(pad) = node.op_as::<Pad>() {
        return border(writer, site, pad);
    }
    if let Some(resample) = node.op_as::<Resample>() {
        return resampled(writer, site, resample);
    }
    if node.op_as::<CropLike>().is_some() {
        let &[_, _, h, w] = site.output else {
            return Err(format!("which makes {:?}", site.output));
        };
        let start = writer.whole(&[0, 0]);
        let end = writer.whole(&[h as i64, w as i64]);
        let axes = writer.whole(&[2, 3]);
        let inputs = [site.inputs[0], &start, &end, &axes];
        return writer.last(site, "Slice", &inputs, vec![]);
    }
    if let Some(shuffle) = node.op_as::<ChannelShuffle>() {
        return shuffled(writer, site, shuffle.groups);
    }
    if node.op_as::<Repeat>().is_some() {
        return repeated(writer, site);
    }
    Ok(None)
}

fn part(writer: &mut Writer, site: &Site, slice: &Slice) -> Written {
    // Past the end means up to the end.
    let end = slice.count.map_or(i64::MAX, |count| {
        let last = count.saturating_sub(1) * slice.step;
        (slice.start + last + usize::from(count > 0)) as i64
    });
    let start = writer.whole(&[slice.start as i64]);
    let end = writer.whole(&[end]);
    let axis = writer.whole(&[slice.axis as i64]);
    let step = writer.whole(&[slice.step as i64]);
    let inputs = [site.inputs[0], &start, &end, &axis, &step];
    writer.last(site, "Slice", &inputs, vec![])
}

fn border(writer: &mut Writer, site: &Site, pad: &Pad) -> Written {
    let [_, _, h, w] = site.map()?;
    let border = match (pad.amount, site.output) {
        (Amount::Fixed(border), _) => border,
        (Amount::ToMultiple(_), &[_, _, rows, columns]) => Border {
            bottom: rows - h,
            right: columns - w,
            ..Border::default()
        },
        _ => return Err(format!("which makes {:?}", site.output)),
    };
    let sides = around(border);
    let sides = writer.whole(&sides);
    let value = writer.scalar(pad.value);
    writer.last(site, "Pad", &[site.inputs[0], &sides, &value], vec![])
}

/// A border as ONNX's `pads` of a feature map.
fn around(border: Border) -> [i64; 8] {
    let sides = [
        0,
        0,
        border.top,
        border.left,
        0,
        0,
        border.bottom,
        border.right,
    ];
    sides.map(|side| side as i64)
}

fn resampled(writer: &mut Writer, site: &Site, resample: &Resample) -> Written {
    let x = site.inputs[0];
    let (rows, columns, interpolation, coordinates) = match *resample {
        Resample::Continued { border, by } => {
            let mode = match by {
                Continuation::Mirrored => "reflect",
                Continuation::Repeated => "edge",
            };
            let sides = writer.whole(&around(border));
            return writer.last(site, "Pad", &[x, &sides], vec![text("mode", mode)]);
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
            let start = writer.whole(&all(-1));
            let end = writer.whole(&all(i64::MIN + 1));
            let step = writer.whole(&all(-1));
            let axes = writer.whole(&axes);
            return writer.last(site, "Slice", &[x, &start, &end, &axes, &step], vec![]);
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
        // The attribute is of opset 18; a structure is read by this crate alone.
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
                "which resizes with antialiasing; that takes opset 18, and files are written in {}",
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
    let [_, _, h, w] = site.map()?;
    let follows =
        |scale: Sampling, side: usize| (side as f32 * scale.factor) as usize == scale.output;
    if follows(rows, h) && follows(columns, w) {
        let scales = writer.floats(&[4], &[1.0, 1.0, rows.factor, columns.factor]);
        return writer.last(site, "Resize", &[x, "", &scales], attributes);
    }
    // Factors are the quotients of sides, then; the number of pictures is what it is.
    let pictures = writer.step(site, "sides", "Shape", &[x], vec![int("end", 2)]);
    let sides = writer.whole(&[rows.output as i64, columns.output as i64]);
    let axis = vec![int("axis", 0)];
    let sizes = writer.step(site, "sizes", "Concat", &[&pictures, &sides], axis);
    writer.last(site, "Resize", &[x, "", "", &sizes], attributes)
}

fn shuffled(writer: &mut Writer, site: &Site, groups: usize) -> Written {
    let [_, c, h, w] = site.map()?;
    let sides = [groups, c / groups, h, w].map(|side| side as i64);
    let sides = [&[-1], &sides[..]].concat();
    let x = writer.reshape(site, "groups", site.inputs[0], &sides);
    let x = writer.transpose(site, "dealt", &x, &[0, 2, 1, 3, 4]);
    let sides = writer.whole(&[-1, c as i64, h as i64, w as i64]);
    writer.last(site, "Reshape", &[&x, &sides], vec![])
}

/// A parameter once for each picture, however many there are.
fn repeated(writer: &mut Writer, site: &Site) -> Written {
    let of_pictures = vec![int("end", 1), int("start", 0)];
    let pictures = writer.step(site, "pictures", "Shape", &site.inputs, of_pictures);
    let rest: Vec<i64> = site.output[1..].iter().map(|&side| side as i64).collect();
    let shape = if rest.is_empty() {
        pictures
    } else {
        let rest = writer.whole(&rest);
        let axis = vec![int("axis", 0)];
        writer.step(site, "shape", "Concat", &[&pictures, &rest], axis)
    };
    writer.last(site, "Expand", &[site.parameters[0], &shape], vec![])
}
