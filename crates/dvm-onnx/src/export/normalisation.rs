//! Normalisations, and factors and shifts of channels.

use dvm_engine::ops::batch_norm::BatchNorm;
use dvm_engine::ops::channel_affine::ChannelAffine;
use dvm_engine::ops::layer_norm::LayerNorm;
use dvm_engine::ops::local_response_norm::LocalResponseNorm;
use dvm_engine::ops::scale::Scale;

use super::attribute::{float, int, ints};
use super::writer::{Site, Writer, Written};

pub(super) fn write(writer: &mut Writer, site: &Site) -> Written {
    if let Some(norm) = site.node.op_as::<BatchNorm>() {
        if norm.residual || norm.activation.is_some() {
            return Err("into which other nodes were merged".into());
        }
        // What ONNX calls momentum is the share that stays.
        let attributes = vec![
            float("epsilon", norm.eps),
            float("momentum", 1.0 - norm.momentum),
        ];
        let inputs = [&site.inputs[..], &site.parameters].concat();
        return writer.last(site, "BatchNormalization", &inputs, attributes);
    }
    if let Some(norm) = site.node.op_as::<LayerNorm>() {
        return layer_norm(writer, site, norm.eps);
    }
    if let Some(norm) = site.node.op_as::<LocalResponseNorm>() {
        return local_response_norm(writer, site, norm);
    }
    if site.node.op_as::<Scale>().is_some() {
        return writer.last(site, "Mul", &[site.inputs[0], site.parameters[0]], vec![]);
    }
    if let Some(affine) = site.node.op_as::<ChannelAffine>() {
        let shape = [1, affine.factor.len(), 1, 1];
        let factor = writer.floats(&shape, &affine.factor);
        let shift = writer.floats(&shape, &affine.shift);
        let product = writer.step(site, "product", "Mul", &[site.inputs[0], &factor], vec![]);
        return writer.last(site, "Add", &[&product, &shift], vec![]);
    }
    Ok(None)
}

fn local_response_norm(writer: &mut Writer, site: &Site, norm: &LocalResponseNorm) -> Written {
    if norm
        .after
        .checked_sub(norm.before)
        .is_none_or(|more| more > 1)
    {
        return Err(format!(
            "whose window of {} channels before and {} after is not around its middle",
            norm.before, norm.after
        ));
    }
    let attributes = vec![
        int("size", norm.size() as i64),
        float("alpha", norm.alpha),
        float("beta", norm.beta),
        float("bias", norm.bias),
    ];
    let (x, shape) = site.input();
    if shape.len() == 4 {
        return writer.last(site, "LRN", &[x], attributes);
    }
    // Only maps can be normalised.
    let channels = shape[1] as i64;
    let map = writer.reshape(site, "map", x, &[-1, channels, 1, 1]);
    let map = writer.step(site, "norm", "LRN", &[&map], attributes);
    let sides = writer.whole(&[-1, channels]);
    writer.last(site, "Reshape", &[&map, &sides], vec![])
}

fn layer_norm(writer: &mut Writer, site: &Site, eps: f32) -> Written {
    let (x, shape) = site.input();
    let attributes = vec![int("axis", -1), float("epsilon", eps)];
    let is_map = shape.len() == 4;
    let (weight, bias) = (site.parameters[0], site.parameters[1]);
    if !is_map {
        return writer.last(site, "LayerNormalization", &[x, weight, bias], attributes);
    }
    // Only last axes can be normalised.
    let pixels = writer.transpose(site, "channels_last", x, &[0, 2, 3, 1]);
    let inputs = [&pixels[..], weight, bias];
    let pixels = writer.step(site, "norm", "LayerNormalization", &inputs, attributes);
    let order = ints("perm", &[0, 3, 1, 2]);
    writer.last(site, "Transpose", &[&pixels], vec![order])
}
