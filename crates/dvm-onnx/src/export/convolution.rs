//! Convolutions.

use dvm_engine::ops::conv2d::{Border, Conv2d, Padding};

use super::Purpose;
use super::attribute::{int, ints, text};
use super::writer::{ExportContext, Writer, Written};
use crate::proto::Attribute;

pub(super) fn write(writer: &mut Writer, ctx: &ExportContext) -> Written {
    let Some(conv) = ctx.node.op_as::<Conv2d>() else {
        return Ok(None);
    };
    if conv.residual || conv.activation.is_some() {
        return Err(super::FUSED.into());
    }
    let attributes = vec![
        ints("dilations", &[conv.dilation.0, conv.dilation.1]),
        int("group", conv.groups as i64),
        ints("kernel_shape", &[conv.kernel.0, conv.kernel.1]),
        padding(conv, ctx, writer.purpose)?,
        ints("strides", &[conv.stride.0, conv.stride.1]),
    ];
    let inputs = [&ctx.inputs[..], &ctx.parameters].concat();
    writer.last(ctx, "Conv", &inputs, attributes)
}

fn padding(conv: &Conv2d, ctx: &ExportContext, purpose: Purpose) -> Result<Attribute, String> {
    match conv.padding {
        Padding::Fixed(border) => Ok(pads(border)),
        Padding::Same if purpose == Purpose::Structure => Ok(text("auto_pad", "SAME_UPPER")),
        Padding::Same => {
            let [_, _, h, w] = ctx.map()?;
            let [_, _, rows, columns] = ctx.output_map()?;
            let missing = |input: usize, output: usize, kernel: usize, by: usize, stride: usize| {
                ((output - 1) * stride + by * (kernel - 1) + 1).saturating_sub(input)
            };
            let (kernel, by, stride) = (conv.kernel, conv.dilation, conv.stride);
            let above = missing(h, rows, kernel.0, by.0, stride.0);
            let beside = missing(w, columns, kernel.1, by.1, stride.1);
            Ok(pads(Border {
                top: above / 2,
                left: beside / 2,
                bottom: above - above / 2,
                right: beside - beside / 2,
            }))
        }
    }
}

/// The attribute `pads` of convolutions and pools.
pub(super) fn pads(border: Border) -> Attribute {
    let Border {
        top,
        left,
        bottom,
        right,
    } = border;
    ints("pads", &[top, left, bottom, right])
}
