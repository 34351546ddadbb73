//! `Resize` and `Upsample`.

use dvm_engine::ops::resample::{
    Beyond, Coordinates, Interpolation, Kernel, Resample, Rounding, Sampling,
};

use super::{Operator, computed};
use crate::import::{Import, NodeContext, Result, SymInt, Value, axes, invalid, unsupported};

pub(super) const TABLE: &[(&str, Operator)] = &[("Resize", resize), ("Upsample", resize)];

/// The new length of an axis.
#[derive(Clone, Copy)]
enum Requested {
    Size(SymInt),
    Factor(f32),
}

/// The new length that the node gives for each axis, if any.
fn requested(ctx: &NodeContext, rank: usize) -> Result<Vec<Option<Requested>>> {
    // Before opset 11, factors are the second input; before opset 9, an attribute.
    let is_early = is_early(ctx);
    let factors = ctx.optional_constant(if is_early { 1 } else { 2 })?;
    let sizes = match is_early {
        true => None,
        false => ctx.optional_constant(3)?,
    };
    let axes: Vec<usize> = match ctx.ints("axes") {
        Some(given) => axes(given, rank)?,
        None => (0..rank).collect(),
    };
    let given: Vec<Requested> = match (sizes, factors) {
        (Some(sizes), _) if sizes.len() > 0 => {
            let sizes = sizes.as_integers()?;
            sizes.iter().map(|&size| Requested::Size(size)).collect()
        }
        (_, Some(factors)) if factors.len() > 0 => {
            let factors = factors.as_floats()?;
            factors.iter().map(|&f| Requested::Factor(f)).collect()
        }
        _ => {
            let factors = match ctx.floats("scales") {
                Some(factors) => factors.to_vec(),
                // Opset 1.
                None if ctx.has("height_scale") && ctx.has("width_scale") && rank == 4 => {
                    let along = |name| ctx.float(name, 1.0);
                    vec![1.0, 1.0, along("height_scale"), along("width_scale")]
                }
                None => return Err(invalid("has neither sizes nor scales")),
            };
            factors.into_iter().map(Requested::Factor).collect()
        }
    };
    if given.len() != axes.len() {
        return Err(invalid(format!(
            "has {} axes to resize, but {} sizes or scales",
            axes.len(),
            given.len()
        )));
    }
    let mut all = vec![None; rank];
    for (axis, requested) in axes.into_iter().zip(given) {
        all[axis] = Some(requested);
    }
    Ok(all)
}

fn is_early(ctx: &NodeContext) -> bool {
    ctx.node.op_type == "Upsample" || ctx.opset < 11
}

/// How an axis is resampled; `None` if it does not change.
fn scale(
    requested: Option<Requested>,
    side: SymInt,
    file_batch: Option<i64>,
) -> Result<Option<Sampling>> {
    let (output, factor) = match (requested, side.known()) {
        (None, _) => return Ok(None),
        (Some(Requested::Factor(1.0)), _) => return Ok(None),
        (Some(Requested::Size(size)), _) if size == side => return Ok(None),
        (Some(Requested::Size(size)), None) if size.known() == file_batch => return Ok(None),
        (Some(Requested::Factor(factor)), Some(side)) => ((side as f32 * factor) as i64, factor),
        (Some(Requested::Size(size)), Some(side)) => {
            let size = size.known();
            let size = size
                .ok_or_else(|| unsupported("resizes to a side that depends on the batch size"))?;
            (size, size as f32 / side as f32)
        }
        (_, None) => return Err(unsupported("resizes the batch")),
    };
    let output = usize::try_from(output);
    let output = output.map_err(|_| invalid("resizes to a negative side"))?;
    Ok(Some(Sampling { output, factor }))
}

fn interpolation(ctx: &NodeContext) -> Result<Interpolation> {
    let beyond = match ctx.int("exclude_outside", 0) {
        0 => Beyond::Edge,
        _ => Beyond::Nothing,
    };
    let widened = |kernel| Interpolation::Antialiased { kernel, beyond };
    let is_antialiased = ctx.int("antialias", 0) != 0;
    let a = ctx.float("cubic_coeff_a", -0.75);
    match ctx.text("mode").unwrap_or("nearest") {
        "nearest" => {
            let default = match is_early(ctx) {
                true => "floor",
                false => "round_prefer_floor",
            };
            let rounding = match ctx.text("nearest_mode").unwrap_or(default) {
                "floor" => Rounding::Floor,
                "ceil" => Rounding::Ceil,
                "round_prefer_floor" => Rounding::PreferFloor,
                "round_prefer_ceil" => Rounding::PreferCeil,
                other => return Err(unsupported(format!("has the rounding `{other}`"))),
            };
            Ok(Interpolation::Nearest(rounding))
        }
        "linear" | "bilinear" if is_antialiased => Ok(widened(Kernel::Triangle)),
        "cubic" if is_antialiased => Ok(widened(Kernel::Cubic(a))),
        "linear" | "bilinear" => Ok(Interpolation::Linear),
        "cubic" if beyond == Beyond::Nothing => Err(unsupported(
            "has `exclude_outside` with cubic interpolation",
        )),
        "cubic" => Ok(Interpolation::Cubic(a)),
        other => Err(unsupported(format!("has the interpolation `{other}`"))),
    }
}

fn coordinates(ctx: &NodeContext) -> Result<Coordinates> {
    let default = match is_early(ctx) {
        true => "asymmetric",
        false => "half_pixel",
    };
    let mode = ctx.text("coordinate_transformation_mode");
    match mode.unwrap_or(default) {
        "half_pixel" => Ok(Coordinates::HalfPixel),
        "pytorch_half_pixel" => Ok(Coordinates::PytorchHalfPixel),
        "align_corners" => Ok(Coordinates::AlignCorners),
        "asymmetric" => Ok(Coordinates::Asymmetric),
        other => Err(unsupported(format!("has the coordinates `{other}`"))),
    }
}

fn resize(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let (interpolation, coordinates) = (interpolation(ctx)?, coordinates(ctx)?);
    if !matches!(ctx.text("keep_aspect_ratio_policy"), None | Some("stretch")) {
        return Err(unsupported("keeps the aspect ratio"));
    }
    let view = ctx.view(0)?.clone();
    let sides = import.graph.sides(&view);
    let requested = requested(ctx, sides.len())?;
    let mut scales = Vec::new();
    for (requested, &side) in requested.into_iter().zip(&sides) {
        scales.push(scale(requested, side, import.file_batch)?);
    }
    if scales.iter().all(Option::is_none) {
        return computed(view);
    }
    let &[None, None, rows, columns] = &scales[..] else {
        return Err(unsupported("resizes other axes than rows and columns"));
    };
    let node = import.graph.batch_first(&view, ctx.name)?;
    let shape = &import.graph.nodes[node].shape;
    let same = |side: usize| Sampling {
        output: side,
        factor: 1.0,
    };
    let op = Resample::Scaled {
        rows: rows.unwrap_or_else(|| same(shape[2])),
        columns: columns.unwrap_or_else(|| same(shape[3])),
        interpolation,
        coordinates,
    };
    let node = import.graph.emit(ctx.name, op, &[node])?;
    computed(import.graph.view(node))
}
