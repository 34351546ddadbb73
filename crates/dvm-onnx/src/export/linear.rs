//! Fully connected layers and matrix products.

use dvm_engine::ops::batched_product::BatchedProduct;
use dvm_engine::ops::linear::Linear;

use super::Purpose;
use super::attribute::{int, ints};
use super::writer::{ExportContext, Writer, Written};

pub(super) fn write(writer: &mut Writer, ctx: &ExportContext) -> Written {
    if ctx.node.op_as::<BatchedProduct>().is_some() {
        return writer.last(ctx, "MatMul", &ctx.inputs, vec![]);
    }
    if ctx.node.op_as::<Linear>().is_none() {
        return Ok(None);
    }
    let (x, shape) = ctx.input();
    match shape.len() {
        2 => {
            let inputs = [&ctx.inputs[..], &ctx.parameters].concat();
            writer.last(ctx, "Gemm", &inputs, vec![int("transB", 1)])
        }
        4 if writer.purpose == Purpose::Use => convolution(writer, ctx, x),
        // In a structure it stays a fully connected layer.
        4 => {
            let pixels = writer.transpose(ctx, "channels_last", x, &[0, 2, 3, 1]);
            let (op, inputs) = of_last_axis(writer, ctx, &pixels);
            let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
            let pixels = writer.step(ctx, "layer", op, &inputs, vec![]);
            let order = ints("perm", &[0, 3, 1, 2]);
            writer.last(ctx, "Transpose", &[&pixels], vec![order])
        }
        _ => {
            let (op, inputs) = of_last_axis(writer, ctx, x);
            let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
            writer.last(ctx, op, &inputs, vec![])
        }
    }
}

/// The last operator of a layer along the last axis, and its inputs.
fn of_last_axis(writer: &mut Writer, ctx: &ExportContext, x: &str) -> (&'static str, [String; 2]) {
    let weight = writer.transpose(ctx, "transposed", ctx.parameters[0], &[1, 0]);
    let Some(&bias) = ctx.parameters.get(1) else {
        return ("MatMul", [x.to_owned(), weight]);
    };
    let product = writer.step(ctx, "product", "MatMul", &[x, &weight], vec![]);
    ("Add", [product, bias.to_owned()])
}

/// A layer on the pixels of a feature map as a 1×1 convolution, which is faster.
fn convolution(writer: &mut Writer, ctx: &ExportContext, x: &str) -> Written {
    let &[outputs, inputs] = ctx.parameter_shapes[0] else {
        return Err("has a weight that is not a matrix".into());
    };
    let sides = [outputs as i64, inputs as i64, 1, 1];
    let weight = writer.reshape(ctx, "filters", ctx.parameters[0], &sides);
    let all = [&[x, &weight][..], &ctx.parameters[1..]].concat();
    writer.last(ctx, "Conv", &all, vec![ints("kernel_shape", &[1, 1])])
}
