//! Fully connected layers and products of matrices.

use dvm_engine::ops::batched_product::BatchedProduct;
use dvm_engine::ops::linear::Linear;

use super::Purpose;
use super::attribute::{int, ints};
use super::writer::{Site, Writer, Written};

pub(super) fn write(writer: &mut Writer, site: &Site) -> Written {
    if site.node.op_as::<BatchedProduct>().is_some() {
        return writer.last(site, "MatMul", &site.inputs, vec![]);
    }
    if site.node.op_as::<Linear>().is_none() {
        return Ok(None);
    }
    let (x, shape) = site.input();
    match shape.len() {
        2 => {
            let inputs = [&site.inputs[..], &site.parameters].concat();
            writer.last(site, "Gemm", &inputs, vec![int("transB", 1)])
        }
        4 if writer.purpose == Purpose::Use => convolution(writer, site, x),
        // What is read again is to be a fully connected layer.
        4 => {
            let pixels = writer.transpose(site, "channels_last", x, &[0, 2, 3, 1]);
            let (op, inputs) = of_last_axis(writer, site, &pixels);
            let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
            let pixels = writer.step(site, "layer", op, &inputs, vec![]);
            let order = ints("perm", &[0, 3, 1, 2]);
            writer.last(site, "Transpose", &[&pixels], vec![order])
        }
        _ => {
            let (op, inputs) = of_last_axis(writer, site, x);
            let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
            writer.last(site, op, &inputs, vec![])
        }
    }
}

/// The last operator of a layer along the last axis, and what it reads.
fn of_last_axis(writer: &mut Writer, site: &Site, x: &str) -> (&'static str, [String; 2]) {
    let weight = writer.transpose(site, "transposed", site.parameters[0], &[1, 0]);
    let Some(&bias) = site.parameters.get(1) else {
        return ("MatMul", [x.to_owned(), weight]);
    };
    let product = writer.step(site, "product", "MatMul", &[x, &weight], vec![]);
    ("Add", [product, bias.to_owned()])
}

/// Over the pixels of feature maps: a convolution of one pixel, which is faster.
fn convolution(writer: &mut Writer, site: &Site, x: &str) -> Written {
    let &[outputs, inputs] = site.parameter_shapes[0] else {
        return Err("whose weight is no matrix".into());
    };
    let sides = [outputs as i64, inputs as i64, 1, 1];
    let weight = writer.reshape(site, "filters", site.parameters[0], &sides);
    let all = [&[x, &weight][..], &site.parameters[1..]].concat();
    writer.last(site, "Conv", &all, vec![ints("kernel_shape", &[1, 1])])
}
