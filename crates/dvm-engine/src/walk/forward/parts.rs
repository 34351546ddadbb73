//! Computes a batch in parts. Where feature maps are large and filters few, inputs pass through the first
//! layers one by one, each on a separate core, so that a layer finds the output of the previous layer in the
//! cache. Later, where filters are larger than maps, the batch is joined, so that each filter is read once
//! for the whole batch.

use rayon::prelude::*;

use super::{Keep, Pass};
use crate::runtime::buffer::Buffer;
use crate::{Error, Graph, Mode, NodeId, Tensor};

/// Values that a layer may read and write for one part, so that they stay in a core's cache.
const CLOSE: usize = 1 << 18;

/// Computes the first layers of a batch in parts, and returns the next node; 0 if the whole batch should
/// be computed from the start.
pub(super) fn start(pass: &mut Pass, pictures: &Tensor) -> Result<usize, Error> {
    let graph = pass.graph;
    let batch = pictures.shape().first().copied().unwrap_or(0);
    if batch < 2 || pictures.shape().len() != 4 {
        return Ok(0);
    }
    let mut one = pictures.shape().to_vec();
    one[0] = 1;
    let Some((joint, size)) = joint(graph, &one)? else {
        return Ok(0);
    };
    let part = (CLOSE / size).clamp(1, batch);
    if part == batch {
        return Ok(0);
    }
    let values = pictures.len() / batch;
    let compute = |pictures: &[f32]| -> Result<Tensor, Error> {
        let mut shape = one.clone();
        shape[0] = pictures.len() / values;
        let mut copy = Buffer::unspecified(pictures.len());
        copy.copy_from_slice(pictures);
        let nodes = [NodeId(joint)];
        let mut pass = Pass::new(graph, Mode::Inference, Keep::Nodes(&nodes));
        pass.run(0..joint + 1, &Tensor::from_buffer(&shape, copy))?;
        Ok(pass.values[joint].take().expect("it is kept"))
    };
    // The first part runs alone, so that packed parameters exist for all others.
    let (first, rest) = pictures.data().split_at(part * values);
    let mut results = vec![compute(first)?];
    let rest: Result<Vec<Tensor>, Error> = rest.par_chunks(part * values).map(compute).collect();
    results.extend(rest?);
    let mut shape = results[0].shape().to_vec();
    shape[0] = batch;
    let mut joined = Buffer::unspecified(shape.iter().product());
    let mut at = 0;
    for result in &results {
        joined[at..at + result.len()].copy_from_slice(result.data());
        at += result.len();
    }
    pass.values[joint] = Some(Tensor::from_buffer(&shape, joined));
    Ok(joint + 1)
}

/// The last node that separates the graph such that all blocks before it have maps larger than their
/// parameters; and the most values that one of these layers reads and writes for one picture.
///
/// A block is the part between two such nodes. In a block with squeeze-and-excitation, the gating layers
/// have many parameters and few values, and are counted with the rest of the block.
fn joint(graph: &Graph, picture: &[usize]) -> Result<Option<(usize, usize)>, Error> {
    let shapes = graph.shapes(picture)?;
    let are_batches = graph.are_batches(picture)?;
    let values = |id: usize| shapes[id].iter().product::<usize>();
    let last_use = graph.last_use(Keep::Output);
    let (mut found, mut open_until) = (None, 0);
    let (mut largest, mut moved, mut parameters) = (1, 0, 0);
    for (id, node) in graph.nodes().iter().enumerate().skip(1) {
        if !are_batches[id] {
            break;
        }
        let own = values(id) + node.inputs.iter().map(|i| values(i.0)).sum::<usize>();
        let sizes = node.parameters.iter().map(|&p| graph.values()[p].len());
        parameters += sizes.sum::<usize>();
        moved += own;
        largest = largest.max(own);
        open_until = open_until.max(last_use[id - 1]);
        // No later node reads a value before this one.
        if open_until <= id && shapes[id].len() == 4 {
            if parameters > moved {
                break;
            }
            found = Some((id, largest));
            (moved, parameters) = (0, 0);
        }
    }
    Ok(found)
}
