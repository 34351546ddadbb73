//! Feature maps of another size.

use dvm_engine::ops::resample::{
    Beyond, Coordinates, Interpolation, Kernel, Resample, Rounding, Sampling,
};

use super::super::Import;
use super::super::integer::Integer;
use super::super::site::{Site, Value, axis};
use super::super::trouble::{Trouble, invalid, unsupported};
use super::{Operator, computed};

pub(super) const TABLE: &[(&str, Operator)] = &[("Resize", resize), ("Upsample", resize)];

/// What a node says of an axis that changes.
#[derive(Clone, Copy)]
enum Asked {
    Size(Integer),
    Factor(f32),
}

/// What the node says of each axis, if anything.
fn asked(site: &Site, rank: usize) -> Result<Vec<Option<Asked>>, Trouble> {
    // Before opset 11 factors come second, and before opset 9 as an attribute.
    let is_early = is_early(site);
    let factors = site.optional_constant(if is_early { 1 } else { 2 })?;
    let sizes = match is_early {
        true => None,
        false => site.optional_constant(3)?,
    };
    let axes: Vec<usize> = match site.ints("axes") {
        Some(axes) => axes
            .iter()
            .map(|&a| axis(a, rank))
            .collect::<Result<_, _>>()?,
        None => (0..rank).collect(),
    };
    let given: Vec<Asked> = match (sizes, factors) {
        (Some(sizes), _) if sizes.len() > 0 => {
            let sizes = sizes.as_integers()?;
            sizes.iter().map(|&size| Asked::Size(size)).collect()
        }
        (_, Some(factors)) if factors.len() > 0 => {
            let factors = factors.as_floats()?;
            factors.iter().map(|&f| Asked::Factor(f)).collect()
        }
        _ => {
            let factors = match site.floats("scales") {
                Some(factors) => factors.to_vec(),
                // Opset 1.
                None if site.has("height_scale") && site.has("width_scale") && rank == 4 => {
                    let along = |name| site.float(name, 1.0);
                    vec![1.0, 1.0, along("height_scale"), along("width_scale")]
                }
                None => return Err(invalid("does not say how large a map it makes")),
            };
            factors.into_iter().map(Asked::Factor).collect()
        }
    };
    if given.len() != axes.len() {
        return Err(invalid(format!(
            "resizes {} axes by {} numbers",
            axes.len(),
            given.len()
        )));
    }
    let mut all = vec![None; rank];
    for (axis, asked) in axes.into_iter().zip(given) {
        all[axis] = Some(asked);
    }
    Ok(all)
}

fn is_early(site: &Site) -> bool {
    site.node.op_type == "Upsample" || site.opset < 11
}

/// How an axis changes; nothing if it does not.
fn scale(
    asked: Option<Asked>,
    side: Integer,
    file_batch: Option<i64>,
) -> Result<Option<Sampling>, Trouble> {
    let (output, factor) = match (asked, side.known()) {
        (None, _) => return Ok(None),
        (Some(Asked::Factor(1.0)), _) => return Ok(None),
        (Some(Asked::Size(size)), _) if size == side => return Ok(None),
        (Some(Asked::Size(size)), None) if size.known() == file_batch => return Ok(None),
        (Some(Asked::Factor(factor)), Some(side)) => ((side as f32 * factor) as i64, factor),
        (Some(Asked::Size(size)), Some(side)) => {
            let size = size.known();
            let size = size.ok_or_else(|| unsupported("makes as many pixels as pictures"))?;
            (size, size as f32 / side as f32)
        }
        (_, None) => return Err(unsupported("makes other pictures of a batch")),
    };
    let output = usize::try_from(output);
    let output = output.map_err(|_| invalid("makes a map of an impossible size"))?;
    Ok(Some(Sampling { output, factor }))
}

fn interpolation(site: &Site) -> Result<Interpolation, Trouble> {
    let beyond = match site.int("exclude_outside", 0) {
        0 => Beyond::Edge,
        _ => Beyond::Nothing,
    };
    let widened = |kernel| Interpolation::Antialiased { kernel, beyond };
    let is_antialiased = site.int("antialias", 0) != 0;
    let a = site.float("cubic_coeff_a", -0.75);
    match site.text("mode").unwrap_or("nearest") {
        "nearest" => {
            let default = match is_early(site) {
                true => "floor",
                false => "round_prefer_floor",
            };
            let rounding = match site.text("nearest_mode").unwrap_or(default) {
                "floor" => Rounding::Floor,
                "ceil" => Rounding::Ceil,
                "round_prefer_floor" => Rounding::PreferFloor,
                "round_prefer_ceil" => Rounding::PreferCeil,
                other => return Err(unsupported(format!("rounds by {other}"))),
            };
            Ok(Interpolation::Nearest(rounding))
        }
        "linear" | "bilinear" if is_antialiased => Ok(widened(Kernel::Triangle)),
        "cubic" if is_antialiased => Ok(widened(Kernel::Cubic(a))),
        "linear" | "bilinear" => Ok(Interpolation::Linear),
        "cubic" if beyond == Beyond::Nothing => Err(unsupported("leaves out what lies outside")),
        "cubic" => Ok(Interpolation::Cubic(a)),
        other => Err(unsupported(format!("resizes by {other}"))),
    }
}

fn coordinates(site: &Site) -> Result<Coordinates, Trouble> {
    let default = match is_early(site) {
        true => "asymmetric",
        false => "half_pixel",
    };
    let mode = site.text("coordinate_transformation_mode");
    match mode.unwrap_or(default) {
        "half_pixel" => Ok(Coordinates::HalfPixel),
        "pytorch_half_pixel" => Ok(Coordinates::PytorchHalfPixel),
        "align_corners" => Ok(Coordinates::AlignCorners),
        "asymmetric" => Ok(Coordinates::Asymmetric),
        other => Err(unsupported(format!("places pixels by {other}"))),
    }
}

fn resize(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let (interpolation, coordinates) = (interpolation(site)?, coordinates(site)?);
    if !matches!(
        site.text("keep_aspect_ratio_policy"),
        None | Some("stretch")
    ) {
        return Err(unsupported("keeps the ratio of the sides"));
    }
    let view = site.view(0)?.clone();
    let sides = import.draft.sides(&view);
    let asked = asked(site, sides.len())?;
    let mut scales = Vec::new();
    for (asked, &side) in asked.into_iter().zip(&sides) {
        scales.push(scale(asked, side, import.file_batch)?);
    }
    if scales.iter().all(Option::is_none) {
        return computed(view);
    }
    let &[None, None, rows, columns] = &scales[..] else {
        return Err(unsupported("resizes other axes than rows and columns"));
    };
    let node = import.draft.plain(&view, site.name)?;
    let shape = &import.draft.nodes[node].shape;
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
    let node = import.draft.emit(site.name, op, &[node], &[])?;
    computed(import.draft.whole(node))
}
