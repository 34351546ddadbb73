//! Folds batch-norm into convolutions: in inference it is a factor and a shift per channel.

use std::sync::Arc;

use rayon::prelude::*;

use super::KeepNode;
use crate::ops::batch_norm::BatchNorm;
use crate::ops::conv2d::Conv2d;
use crate::runtime::buffer::Buffer;
use crate::{Graph, Node, NodeId, Parameter, Role, Tensor};

/// Merges every batch-norm into the convolution before it, if nothing else reads that convolution and
/// `keep` does not select it. The merged node has the name and value of the batch-norm. The result is
/// for inference only.
pub fn fold_batch_norm(graph: &Graph, keep: &KeepNode) -> Graph {
    let consumers = graph.consumers();
    let mut parameters = graph.parameters().to_vec();
    let mut values = graph.values().to_vec();
    // The new position of each old node.
    let mut moved: Vec<NodeId> = Vec::with_capacity(graph.nodes().len());
    let mut nodes: Vec<Node> = Vec::new();
    for id in graph.ids() {
        let node = graph.node(id);
        let foldable = node.op_as::<BatchNorm>().and_then(|norm| {
            let before = node.inputs[0];
            let conv = graph.node(before).op_as::<Conv2d>()?;
            let private = consumers[before.0].len() == 1 && !keep(graph.node(before));
            (private
                && !norm.is_fused()
                && before != graph.output()
                && !conv.residual
                && conv.activation.is_none())
            .then_some((norm, before))
        });
        if let Some((norm, before)) = foldable {
            let place = moved[before.0];
            let merged = &mut nodes[place.0];
            let conv_parameters = graph.parameters_of(graph.node(before));
            let (weight, bias) = folded(norm, &graph.parameters_of(node), &conv_parameters);
            let mut declare = |name: String, value: Tensor, role| {
                parameters.push(Parameter {
                    name,
                    shape: value.shape().to_vec(),
                    role,
                });
                values.push(value);
                parameters.len() - 1
            };
            merged.parameters = vec![
                declare(
                    format!("{}+folded.weight", merged.name),
                    weight,
                    Role::Weight,
                ),
                declare(format!("{}+folded.bias", merged.name), bias, Role::Bias),
            ];
            let conv_name = std::mem::replace(&mut merged.name, node.name.clone());
            merged.merged.push(conv_name);
            moved.push(place);
        } else {
            let mut copy = node.clone();
            copy.op = Arc::clone(&node.op);
            copy.inputs = node.inputs.iter().map(|i| moved[i.0]).collect();
            nodes.push(copy);
            moved.push(NodeId(nodes.len() - 1));
        }
    }
    let output = moved[graph.output().0];
    let (parameters, values) = used(&mut nodes, parameters, values);
    Graph::from_parts(nodes, output, parameters, values)
        .run_like(graph)
        .checked_like(graph)
}

/// Weight and bias of the convolution with the batch-norm in them, computed in f64.
fn folded(norm: &BatchNorm, norm_parameters: &[&Tensor], conv: &[&Tensor]) -> (Tensor, Tensor) {
    let affine = norm.affine(norm_parameters);
    let weight = conv[0];
    let per_filter = weight.len() / affine.len();
    let mut scaled = Buffer::unspecified(weight.len());
    scaled
        .par_chunks_exact_mut(per_filter)
        .zip(weight.data().par_chunks_exact(per_filter))
        .zip(&affine)
        .for_each(|((scaled, filter), (factor, _))| {
            for (scaled, &w) in scaled.iter_mut().zip(filter) {
                *scaled = (f64::from(w) * factor) as f32;
            }
        });
    let bias = affine
        .iter()
        .enumerate()
        .map(|(o, (factor, shift))| {
            let own = conv.get(1).map_or(0.0, |bias| f64::from(bias.data()[o]));
            (own * factor + shift) as f32
        })
        .collect();
    (
        Tensor::from_buffer(weight.shape(), scaled),
        Tensor::from_stored(&[affine.len()], bias),
    )
}

/// Removes parameters that no node reads.
fn used(
    nodes: &mut [Node],
    parameters: Vec<Parameter>,
    values: Vec<Tensor>,
) -> (Vec<Parameter>, Vec<Tensor>) {
    let mut places = vec![None; parameters.len()];
    let mut count = 0;
    for place in nodes.iter_mut().flat_map(|node| &mut node.parameters) {
        let new = *places[*place].get_or_insert_with(|| {
            count += 1;
            count - 1
        });
        *place = new;
    }
    let mut kept: Vec<_> = parameters
        .into_iter()
        .zip(values)
        .zip(places)
        .filter_map(|(both, place)| Some((place?, both)))
        .collect();
    kept.sort_by_key(|(place, _)| *place);
    kept.into_iter().map(|(_, both)| both).unzip()
}
