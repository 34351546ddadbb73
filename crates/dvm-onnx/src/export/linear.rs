//! Fully connected layers and products of matrices.

use dvm_engine::ops::batched_product::BatchedProduct;
use dvm_engine::ops::linear::Linear;

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
        4 => pixels(writer, site, x),
        _ => {
            let weight = writer.transpose(site, "transposed", site.parameters[0], &[1, 0]);
            let Some(bias) = site.parameters.get(1) else {
                return writer.last(site, "MatMul", &[x, &weight], vec![]);
            };
            let product = writer.step(site, "product", "MatMul", &[x, &weight], vec![]);
            writer.last(site, "Add", &[&product, bias], vec![])
        }
    }
}

/// Over the pixels of feature maps: a convolution of one pixel.
fn pixels(writer: &mut Writer, site: &Site, x: &str) -> Written {
    let &[outputs, inputs] = site.parameter_shapes[0] else {
        return Err("whose weight is no matrix".into());
    };
    let sides = [outputs as i64, inputs as i64, 1, 1];
    let weight = writer.reshape(site, "filters", site.parameters[0], &sides);
    let all = [&[x, &weight][..], &site.parameters[1..]].concat();
    writer.last(site, "Conv", &all, vec![ints("kernel_shape", &[1, 1])])
}
