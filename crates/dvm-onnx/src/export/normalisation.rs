//! Normalisation layers, and scales and shifts of channels.

use dvm_engine::ops::batch_norm::BatchNorm;
use dvm_engine::ops::channel_affine::ChannelAffine;
use dvm_engine::ops::layer_norm::LayerNorm;
use dvm_engine::ops::local_response_norm::LocalResponseNorm;
use dvm_engine::ops::scale::Scale;

use super::attribute::{float, int, ints};
use super::writer::{ExportContext, Writer, Written};

pub(super) fn write(writer: &mut Writer, ctx: &ExportContext) -> Written {
    if let Some(norm) = ctx.node.op_as::<BatchNorm>() {
        if norm.residual || norm.activation.is_some() {
            return Err(super::FUSED.into());
        }
        // ONNX's momentum is the share of the old value.
        let attributes = vec![
            float("epsilon", norm.eps),
            float("momentum", 1.0 - norm.momentum),
        ];
        let inputs = [&ctx.inputs[..], &ctx.parameters].concat();
        return writer.last(ctx, "BatchNormalization", &inputs, attributes);
    }
    if let Some(norm) = ctx.node.op_as::<LayerNorm>() {
        return layer_norm(writer, ctx, norm.eps);
    }
    if let Some(norm) = ctx.node.op_as::<LocalResponseNorm>() {
        return local_response_norm(writer, ctx, norm);
    }
    if ctx.node.op_as::<Scale>().is_some() {
        return writer.last(ctx, "Mul", &[ctx.inputs[0], ctx.parameters[0]], vec![]);
    }
    if let Some(affine) = ctx.node.op_as::<ChannelAffine>() {
        let shape = [1, affine.factor.len(), 1, 1];
        let factor = writer.floats(&shape, &affine.factor);
        let shift = writer.floats(&shape, &affine.shift);
        let product = writer.step(ctx, "product", "Mul", &[ctx.inputs[0], &factor], vec![]);
        return writer.last(ctx, "Add", &[&product, &shift], vec![]);
    }
    Ok(None)
}

fn local_response_norm(
    writer: &mut Writer,
    ctx: &ExportContext,
    norm: &LocalResponseNorm,
) -> Written {
    if norm
        .after
        .checked_sub(norm.before)
        .is_none_or(|more| more > 1)
    {
        return Err(format!(
            "has a window of {} channels before and {} after, which ONNX cannot express",
            norm.before, norm.after
        ));
    }
    let attributes = vec![
        int("size", norm.size() as i64),
        float("alpha", norm.alpha),
        float("beta", norm.beta),
        float("bias", norm.bias),
    ];
    let (x, shape) = ctx.input();
    if shape.len() == 4 {
        return writer.last(ctx, "LRN", &[x], attributes);
    }
    // LRN supports feature maps only.
    let channels = shape[1] as i64;
    let map = writer.reshape(ctx, "map", x, &[-1, channels, 1, 1]);
    let map = writer.step(ctx, "norm", "LRN", &[&map], attributes);
    let sides = writer.integers(&[-1, channels]);
    writer.last(ctx, "Reshape", &[&map, &sides], vec![])
}

fn layer_norm(writer: &mut Writer, ctx: &ExportContext, eps: f32) -> Written {
    let (x, shape) = ctx.input();
    let attributes = vec![int("axis", -1), float("epsilon", eps)];
    let is_map = shape.len() == 4;
    let (weight, bias) = (ctx.parameters[0], ctx.parameters[1]);
    if !is_map {
        return writer.last(ctx, "LayerNormalization", &[x, weight, bias], attributes);
    }
    // LayerNormalization supports last axes only.
    let pixels = writer.transpose(ctx, "channels_last", x, &[0, 2, 3, 1]);
    let inputs = [&pixels[..], weight, bias];
    let pixels = writer.step(ctx, "norm", "LayerNormalization", &inputs, attributes);
    let order = ints("perm", &[0, 3, 1, 2]);
    writer.last(ctx, "Transpose", &[&pixels], vec![order])
}
