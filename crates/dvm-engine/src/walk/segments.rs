//! Backward passes with a part of the activations in memory; the rest is computed again (gradient
//! checkpointing).
//!
//! The nodes are cut into segments. The forward pass keeps the values that are read across a cut. The
//! backward pass recomputes each segment from them, computes its gradients and releases it (Chen et al. 2016,
//! arXiv 1604.06174). Results are identical to those with all activations kept.

use std::ops::Range;

use crate::graph::{Graph, NodeId};
use crate::ops::Mode;
use crate::walk::forward::SavedActivations;
use crate::{Activations, Error, Gradients, Keep, Request, Tensor};

/// How the nodes of a graph are cut for the backward pass.
#[derive(Clone, Debug)]
pub struct Segments {
    /// In the order of the nodes.
    ranges: Vec<Range<usize>>,
    /// Nodes whose values are read across a cut, and the output.
    kept: Vec<NodeId>,
    values: usize,
}

/// The numbers of segments to try.
const COUNTS: [usize; 13] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96];

impl Segments {
    /// The most activations and gradients that are in memory at once, in f32 values.
    pub fn values(&self) -> usize {
        self.values
    }

    /// The number of segments; with one, nothing is computed again.
    pub fn count(&self) -> usize {
        self.ranges.len()
    }
}

impl Graph {
    /// The fewest segments with which the passes on inputs `[N, C, H, W]` keep at most `allowed` values in
    /// memory; if there are none, those that keep the fewest values.
    ///
    /// # Errors
    /// As [`Graph::shapes`].
    pub fn segments(&self, input: &[usize], allowed: usize) -> Result<Segments, Error> {
        let shapes = self.shapes(input)?;
        let sizes: Vec<usize> = shapes.iter().map(|s| s.iter().product()).collect();
        // Between two nodes, the backward pass holds as many values as the forward pass.
        let between = self.peak_values(input)?;
        let last_use = self.last_use(Keep::Output);
        let mut best: Option<Segments> = None;
        for count in COUNTS {
            let segments = self.cut_into(count, &sizes, &last_use, between);
            let fits = segments.values <= allowed;
            if best.as_ref().is_none_or(|b| segments.values < b.values) {
                best = Some(segments);
            }
            if fits {
                break;
            }
        }
        Ok(best.expect("one segment is always tried"))
    }

    /// About this many segments of similar size.
    fn cut_into(
        &self,
        count: usize,
        sizes: &[usize],
        last_use: &[usize],
        between: usize,
    ) -> Segments {
        let nodes = sizes.len();
        let share = sizes.iter().sum::<usize>().div_ceil(count).max(1);
        let crossing = |cut: usize| (0..cut).filter(move |&id| last_use[id] >= cut);
        let cost = |cut: usize| crossing(cut).map(|id| sizes[id]).sum::<usize>();
        let mut ranges = Vec::new();
        let (mut start, mut sum) = (0, 0);
        // The cheapest cut since the segment was nearly full.
        let mut cheapest: Option<(usize, usize)> = None;
        for id in 0..nodes {
            sum += sizes[id];
            let cut = id + 1;
            if count == 1 || cut == nodes || 4 * sum < 3 * share {
                continue;
            }
            let found = (cost(cut), cut);
            cheapest = Some(cheapest.map_or(found, |known| known.min(found)));
            if sum >= share {
                let (_, cut) = cheapest.take().expect("it was just found");
                ranges.push(start..cut);
                start = cut;
                sum = sizes[start..=id].iter().sum();
            }
        }
        ranges.push(start..nodes);
        let mut kept: Vec<usize> = ranges[1..].iter().flat_map(|r| crossing(r.start)).collect();
        kept.push(self.output().0);
        kept.sort_unstable();
        kept.dedup();
        let held: usize = kept.iter().map(|&id| sizes[id]).sum();
        let largest = ranges.iter().map(|r| sizes[r.clone()].iter().sum());
        let largest: usize = largest.max().unwrap_or(0);
        Segments {
            ranges,
            kept: kept.into_iter().map(NodeId).collect(),
            values: held + largest.max(between) + between,
        }
    }

    /// Computes the forward pass in inference mode and keeps the values that [`Graph::backward_in_segments`]
    /// needs.
    ///
    /// # Errors
    /// As [`Graph::forward`].
    pub fn forward_in_segments(
        &self,
        pictures: &Tensor,
        segments: &Segments,
    ) -> Result<Activations, Error> {
        self.forward_in_segments_keeping(pictures, segments, &[])
    }

    /// The same, and keeps the values of these nodes.
    ///
    /// # Errors
    /// As [`Graph::forward`].
    pub fn forward_in_segments_keeping(
        &self,
        pictures: &Tensor,
        segments: &Segments,
        nodes: &[NodeId],
    ) -> Result<Activations, Error> {
        if segments.count() == 1 {
            return self.forward(pictures, Mode::Inference, Keep::All);
        }
        let kept = [&segments.kept[..], nodes].concat();
        self.forward(pictures, Mode::Inference, Keep::Nodes(&kept))
    }

    /// As [`Graph::backward`] after [`Graph::forward_in_segments`] of the same input.
    ///
    /// # Errors
    /// As [`Graph::backward`].
    pub fn backward_in_segments(
        &self,
        (pictures, segments): (&Tensor, &Segments),
        activations: &Activations,
        seeds: &[(NodeId, Tensor)],
        request: &Request,
    ) -> Result<Gradients, Error> {
        if segments.count() == 1 {
            return self.backward(activations, seeds, request);
        }
        let mut held = SavedActivations::of(activations);
        self.walking_back(|| {
            let mut way = self.begin_back(&held, seeds.to_vec(), request)?;
            for range in segments.ranges.iter().rev() {
                self.compute_again(range.clone(), pictures, &mut held)?;
                self.back_over(range.clone(), &mut held, &mut way)?;
            }
            Ok(way.found)
        })
    }
}
