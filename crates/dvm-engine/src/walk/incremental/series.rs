//! Changes that are made in sequence: each on top of those before it.
//!
//! A batch of changes is still computed node by node. A change reads the base value of a node, overwritten by
//! the earlier changes of the batch. When the last reader of a node is done, the batch's patches are written
//! into the base value, with which the next batch starts.

use std::ops::Range;

use super::assemble::lay_all;
use super::groups::stretches;
use super::plan::Plan;
use super::{Change, Incremental, Rectangle, Walk};
use crate::runtime::threads::in_thread_pool;
use crate::{Error, NodeId, Tensor};

impl Incremental<'_> {
    /// Splits changes of these rectangles, made in sequence, into stretches to be computed together, whose
    /// rectangles have nearly the same size at every node.
    pub fn stretches(&self, rectangles: &[Rectangle]) -> Vec<Range<usize>> {
        stretches(self.graph, &self.layout, rectangles)
    }

    /// The logits `[N, K]` of the picture after each of `changes`, one stretch (see
    /// [`Incremental::stretches`]), each made on top of those before it. Afterwards `self` holds the picture
    /// after the last change. `values` is as in [`Incremental::logits`].
    ///
    /// # Errors
    /// [`Error::Node`] at a node whose inputs do not fit; the state of `self` is then undefined.
    ///
    /// # Panics
    /// As [`Incremental::logits`].
    pub fn logits_after_each(
        &mut self,
        changes: &[Change],
        values: usize,
    ) -> Result<Tensor, Error> {
        let (plan, at_once) = self.planned(changes, values);
        let classes = self.layout.nodes[self.graph.output().0].channels();
        let mut logits = Vec::with_capacity(changes.len() * classes);
        for first in (0..changes.len()).step_by(at_once) {
            let batch = first..(first + at_once).min(changes.len());
            let walked = in_thread_pool(|| self.walk_on(&plan, changes, batch))?;
            logits.extend_from_slice(walked.data());
        }
        let mut shape = self.base.output().shape().to_vec();
        shape[0] = changes.len();
        Ok(Tensor::from_stored(&shape, logits))
    }

    fn walk_on(
        &mut self,
        plan: &Plan,
        changes: &[Change],
        batch: Range<usize>,
    ) -> Result<Tensor, Error> {
        let mut patches: Vec<Option<Tensor>> = vec![None; plan.nodes.len()];
        for id in 0..plan.nodes.len() {
            let walk = self.series(plan, changes, batch.clone());
            patches[id] = walk.timed(id, &patches)?;
            for done in self.graph.done_after(id, &self.last_use) {
                let patch = patches[done].take();
                self.settle(plan, changes, batch.clone(), done, patch.as_ref());
            }
        }
        let result = self
            .series(plan, changes, batch.clone())
            .whole(self.graph.output(), &patches);
        let output = self.graph.output().0;
        self.settle(plan, changes, batch, output, patches[output].as_ref());
        Ok(result)
    }

    fn series<'a>(
        &'a self,
        plan: &'a Plan,
        changes: &'a [Change],
        batch: Range<usize>,
    ) -> Walk<'a> {
        Walk {
            of: self,
            plan,
            changes,
            batch,
            is_series: true,
        }
    }

    /// Updates the base value of a node to that after the last change of a batch.
    fn settle(
        &mut self,
        plan: &Plan,
        changes: &[Change],
        batch: Range<usize>,
        node: usize,
        computed: Option<&Tensor>,
    ) {
        let Some(patches) = &plan.nodes[node] else {
            return;
        };
        let place = &self.layout.nodes[node];
        let (extent, channels) = (place.extent(), place.channels());
        let mut value = self.base.take(NodeId(node)).expect("all are kept");
        let walk = self.series(plan, changes, batch);
        let pieces = walk.pieces(patches, computed);
        lay_all(&pieces, extent, channels, value.data_mut());
        self.base.put(NodeId(node), value);
    }
}
