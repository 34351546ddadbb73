//! One network in the forms in which it is walked.

use std::sync::OnceLock;

use crate::runtime::lazy::get_or_make;
use crate::{Arithmetic, Graph, Output, Stopwatch, passes};

/// A network with its weights, ready for use. The rewritten forms are made when first asked for
/// and then kept.
pub struct Network {
    graph: Graph,
    /// The graph with its auxiliary heads, if it has any.
    whole: Option<Graph>,
    folded: OnceLock<Graph>,
    fused: OnceLock<Graph>,
    output: Output,
}

impl Network {
    /// Takes a graph as its architecture wrote it, whose output is logits ([`Network::with_output`]).
    pub fn new(graph: Graph) -> Self {
        let (graph, whole) = if graph.auxiliaries().is_empty() {
            (graph, None)
        } else {
            (passes::without_auxiliaries(&graph), Some(graph))
        };
        Self {
            graph,
            whole,
            folded: OnceLock::new(),
            fused: OnceLock::new(),
            output: Output::default(),
        }
    }

    /// The same network, whose output means this.
    #[must_use]
    pub fn with_output(self, output: Output) -> Self {
        Self { output, ..self }
    }

    /// What the numbers at its end mean.
    pub fn output(&self) -> Output {
        self.output
    }

    /// The same network computed with these kernels in every form.
    #[must_use]
    pub fn with_arithmetic(self, arithmetic: Arithmetic) -> Self {
        let output = self.output;
        Self::new(self.into_whole().with_arithmetic(arithmetic)).with_output(output)
    }

    /// The same network with a stopwatch that every walk of every form reports to.
    #[must_use]
    pub fn with_stopwatch(self, stopwatch: Stopwatch) -> Self {
        let output = self.output;
        Self::new(self.into_whole().with_stopwatch(Some(stopwatch))).with_output(output)
    }

    /// The stopwatch, if there is one.
    pub fn stopwatch(&self) -> Option<&Stopwatch> {
        self.graph.stopwatch()
    }

    /// All that the architecture wrote, auxiliary heads among it: what is trained and saved.
    pub fn whole(&self) -> &Graph {
        self.whole.as_ref().unwrap_or(&self.graph)
    }

    fn into_whole(self) -> Graph {
        self.whole.unwrap_or(self.graph)
    }

    /// Every layer that leads to the logits a node of its own, parameters as in the weight file.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Batch-norms folded into convolutions, activations still nodes: for backward walks.
    pub fn folded(&self) -> &Graph {
        get_or_make(&self.folded, || {
            passes::fold_batch_norm(&self.graph, &|_| false)
        })
    }

    /// Convolutions with all that follows them in one node, and no token computed that is not read: for
    /// forward walks.
    pub fn fused(&self) -> &Graph {
        get_or_make(&self.fused, || {
            let graph = passes::only_read_tokens(self.folded(), &|_| false);
            passes::fuse(&graph, &|_| false)
        })
    }
}
