//! `Conv`, and the padding of convolutions and pools.

use dvm_engine::ops::conv2d::{Border, Conv2d, Padding};
use dvm_engine::ops::pad::{Amount, Pad};

use super::maps::as_map;
use super::{Operator, computed};
use crate::import::{Import, NodeContext, Result, Value, invalid, unsupported};

pub(super) const TABLE: &[(&str, Operator)] = &[("Conv", conv)];

/// The largest kernel, stride or padding.
const LARGEST: i64 = 1 << 14;

/// An attribute with a number for rows and one for columns; a single number is for columns.
///
/// # Errors
/// If there are more numbers, or they are out of range.
pub(super) fn pair(
    ctx: &NodeContext,
    attribute: &str,
    default: Option<usize>,
) -> Result<(usize, usize)> {
    let Some(given) = ctx.ints(attribute) else {
        let default = default.ok_or_else(|| invalid(format!("has no `{attribute}`")))?;
        return Ok((default, default));
    };
    match *given {
        [rows, columns] if (1..=LARGEST).contains(&rows) && (1..=LARGEST).contains(&columns) => {
            Ok((rows as usize, columns as usize))
        }
        [columns] if (1..=LARGEST).contains(&columns) => Ok((1, columns as usize)),
        [_, _] | [_] => Err(invalid(format!(
            "has `{attribute}` of {given:?}, but each must be 1 to {LARGEST}"
        ))),
        _ => Err(unsupported(format!(
            "works along {} axes; dvm supports rows and columns",
            given.len()
        ))),
    }
}

/// The padding of `pads` and `auto_pad`.
///
/// # Errors
/// For negative or unknown padding.
pub(super) fn padding(
    ctx: &NodeContext,
    (height, width): (usize, usize),
    kernel: (usize, usize),
    stride: (usize, usize),
    dilation: (usize, usize),
) -> Result<Padding> {
    let along = |length: usize, kernel: usize, stride: usize, dilation: usize| {
        let reach = (kernel - 1) * dilation + 1;
        let needed =
            (length.div_ceil(stride).saturating_sub(1) * stride + reach).saturating_sub(length);
        // The odd pixel is before.
        (needed.div_ceil(2), needed / 2)
    };
    match ctx.text("auto_pad").unwrap_or("NOTSET") {
        "SAME_UPPER" => Ok(Padding::Same),
        "SAME_LOWER" => {
            let (top, bottom) = along(height, kernel.0, stride.0, dilation.0);
            let (left, right) = along(width, kernel.1, stride.1, dilation.1);
            Ok(Padding::Fixed(Border {
                top,
                left,
                bottom,
                right,
            }))
        }
        "VALID" => Ok(Padding::Fixed(Border::default())),
        "NOTSET" | "" => {
            let pads = ctx.ints("pads").unwrap_or(&[0, 0, 0, 0]);
            let (top, left, bottom, right) = match *pads {
                [top, left, bottom, right] => (top, left, bottom, right),
                [left, right] => (0, left, 0, right),
                _ => return Err(invalid(format!("has `pads` of {pads:?} instead of four"))),
            };
            if !pads.iter().all(|pad| (0..=LARGEST).contains(pad)) {
                return Err(unsupported(format!(
                    "has `pads` of {pads:?}, but each must be 0 to {LARGEST}"
                )));
            }
            Ok(Padding::Fixed(Border {
                top: top as usize,
                left: left as usize,
                bottom: bottom as usize,
                right: right as usize,
            }))
        }
        other => Err(invalid(format!("has the unknown `auto_pad` {other}"))),
    }
}

/// Merges a `Pad` before a node into the node's padding, if `value` accepts what it pads with. Returns the node to read
/// and the padding.
pub(super) fn with_border_before(
    import: &Import,
    node: usize,
    padding: Border,
    value: impl Fn(f32, usize) -> bool,
) -> (usize, Border) {
    let made = &import.graph.nodes[node];
    match made.op_as::<Pad>() {
        Some(Pad {
            amount: Amount::Fixed(before),
            value: with,
        }) if value(*with, made.inputs[0]) => {
            let sum = Border {
                top: padding.top + before.top,
                left: padding.left + before.left,
                bottom: padding.bottom + before.bottom,
                right: padding.right + before.right,
            };
            (made.inputs[0], sum)
        }
        _ => (node, padding),
    }
}

fn conv(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let stride = pair(ctx, "strides", Some(1))?;
    let dilation = pair(ctx, "dilations", Some(1))?;
    let (view, is_row) = as_map(ctx.view(0)?)?;
    let weight = match (is_row, ctx.constant(1)?) {
        (true, weight) if weight.rank() == 3 => {
            let shape = &weight.shape;
            weight.reshaped(&[shape[0], shape[1], 1, shape[2]])?
        }
        (_, weight) => weight.clone(),
    };
    let bias = ctx.optional_constant(2)?.cloned();
    let &[outputs, per_group, kh, kw] = &weight.shape[..] else {
        return Err(invalid(format!(
            "has weights of shape {:?}, which is not that of a convolution",
            weight.shape
        )));
    };
    let groups = ctx.int("group", 1);
    let groups = usize::try_from(groups)
        .ok()
        .filter(|&g| g > 0 && outputs.is_multiple_of(g));
    let groups = groups.ok_or_else(|| {
        let given = ctx.int("group", 1);
        invalid(format!(
            "has {given} groups, which do not divide its {outputs} outputs"
        ))
    })?;
    if kh * kw * outputs * per_group == 0 || kh.max(kw) as i64 > LARGEST {
        return Err(invalid(format!(
            "has weights of shape {:?}, which is not that of a convolution",
            weight.shape
        )));
    }
    let kernel = (kh, kw);
    let name = import.layer_name(ctx, &weight);
    let parameters = import
        .graph
        .layer_parameters(&weight, bias.as_ref(), &name)?;
    let convolved = |import: &mut Import, mut node: usize| {
        let shape = &import.graph.nodes[node].shape;
        let mut padding = padding(ctx, (shape[2], shape[3]), kernel, stride, dilation)?;
        if let Padding::Fixed(own) = padding {
            let (before, border) = with_border_before(import, node, own, |value, _| value == 0.0);
            (node, padding) = (before, Padding::Fixed(border));
        }
        let op = Conv2d {
            kernel,
            stride,
            padding,
            dilation,
            groups,
            residual: false,
            activation: None,
        };
        import.graph.emit_layer(&name, op, &[node], &parameters)
    };
    computed(import.on_feature_maps((&view, is_row), ctx.name, convolved)?)
}
