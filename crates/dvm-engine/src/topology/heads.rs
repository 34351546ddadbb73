//! The layers whose outputs are the classes, and how they are replaced for others.

use crate::ops::binary::{Binary, Other};
use crate::ops::reduce::Reduce;
use crate::{Error, Graph, NodeId, Parameter, Tensor};

impl Graph {
    /// The last layers with weights before the logits and before those of auxiliary heads, with one
    /// filter or row of weights per class. A head whose logits come from several layers has none.
    pub fn heads(&self) -> Vec<NodeId> {
        let ends = [self.output()].into_iter();
        let ends = ends.chain(self.auxiliaries().iter().map(|&(head, _)| head));
        ends.filter_map(|end| self.head_before(end)).collect()
    }

    /// The layer whose outputs are the classes that end at this node.
    pub(crate) fn head_before(&self, end: NodeId) -> Option<NodeId> {
        let mut id = end;
        loop {
            let node = self.node(id);
            if node.op.class().is_layer() {
                return Some(id);
            }
            // A constant per class is made for this number of classes.
            let each = match node.op_as::<Binary>().map(|binary| &binary.other) {
                Some(Other::Constant(constant)) => constant.len() > 1,
                _ => false,
            };
            // A sum over classes mixes them.
            let mixes = |reduce: &Reduce| reduce.axes.contains(&1);
            if each || node.op_as::<Reduce>().is_some_and(mixes) {
                return None;
            }
            // Pools, activations and similar ops keep classes apart.
            match (&node.inputs[..], &node.parameters[..]) {
                (&[input], []) => id = input,
                _ => return None,
            }
        }
    }

    /// Whether the parameter of this name is one of [`Graph::heads`].
    pub fn is_in_head(&self, parameter: &str) -> bool {
        let of = |id: &NodeId| self.node(*id).parameters.iter();
        let heads = self.heads();
        let mut all = heads.iter().flat_map(of);
        all.any(|&index| self.parameters()[index].name == parameter)
    }

    /// The same network for another number of classes: [`Graph::heads`] get as many filters, with the
    /// values that `fresh` returns; everything else stays.
    ///
    /// # Errors
    /// [`Error::Node`] if the logits are not the output of a layer that can be replaced.
    pub fn for_classes(
        &self,
        classes: usize,
        mut fresh: impl FnMut(&Parameter) -> Tensor,
    ) -> Result<Self, Error> {
        if self.head_before(self.output()).is_none() {
            let node = self.node(self.output());
            return Err(Error::Node {
                node: node.name.clone(),
                kind: node.op.kind(),
                detail:
                    "does not follow a convolution or linear layer whose outputs are the classes, \
                         so the network cannot be given other classes"
                        .into(),
            });
        }
        let mut parameters = self.parameters().to_vec();
        let mut values = self.values().to_vec();
        for head in self.heads() {
            for &index in &self.node(head).parameters {
                parameters[index].shape[0] = classes;
                values[index] = fresh(&parameters[index]);
            }
        }
        Ok(
            Self::from_parts(self.nodes().to_vec(), self.output(), parameters, values)
                .with_auxiliaries(self.auxiliaries().to_vec())
                .run_like(self),
        )
    }
}
