//! A network in the three forms that walks use.

use std::sync::{Arc, OnceLock};

use crate::device::Device;
use crate::runtime::lazy::get_or_make;
use crate::{Arithmetic, Graph, Output, Stopwatch, passes};

/// A network with its weights. Its rewritten forms are made at first use and kept.
pub struct Network {
    graph: Graph,
    /// The graph with its auxiliary heads, if it has any.
    whole: Option<Graph>,
    folded: OnceLock<Graph>,
    fused: OnceLock<Graph>,
    output: Output,
}

impl Network {
    /// A network from the graph of its architecture, whose output is logits ([`Network::with_output`]).
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

    /// The same network with another meaning of its output.
    #[must_use]
    pub fn with_output(self, output: Output) -> Self {
        Self { output, ..self }
    }

    /// The meaning of its output.
    pub fn output(&self) -> Output {
        self.output
    }

    /// The same network with another arithmetic in every form.
    #[must_use]
    pub fn with_arithmetic(self, arithmetic: Arithmetic) -> Self {
        let output = self.output;
        Self::new(self.into_whole().with_arithmetic(arithmetic)).with_output(output)
    }

    /// The same network with a stopwatch that measures all walks of all forms.
    #[must_use]
    pub fn with_stopwatch(self, stopwatch: Stopwatch) -> Self {
        let output = self.output;
        Self::new(self.into_whole().with_stopwatch(Some(stopwatch))).with_output(output)
    }

    /// The same network computed on this device in every form; on the CPU if there is none.
    #[must_use]
    pub fn with_device(self, device: Option<Arc<dyn Device>>) -> Self {
        let output = self.output;
        Self::new(self.into_whole().with_device(device)).with_output(output)
    }

    /// The device that computes the network; `None` for the CPU.
    pub fn device(&self) -> Option<&dyn Device> {
        self.graph.device()
    }

    /// The stopwatch, if there is one.
    pub fn stopwatch(&self) -> Option<&Stopwatch> {
        self.graph.stopwatch()
    }

    /// The graph with auxiliary heads, if the architecture has any: this is trained and saved.
    pub fn whole(&self) -> &Graph {
        self.whole.as_ref().unwrap_or(&self.graph)
    }

    fn into_whole(self) -> Graph {
        self.whole.unwrap_or(self.graph)
    }

    /// The graph as the architecture defines it, without auxiliary heads; parameters are those of the
    /// weight file.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The graph with batch-norms folded into convolutions; activations remain nodes. For backward passes.
    pub fn folded(&self) -> &Graph {
        get_or_make(&self.folded, || {
            passes::fold_batch_norm(&self.graph, &|_| false)
        })
    }

    /// The graph with sums and activations fused into convolutions and linear layers, and without tokens
    /// that are never read. For forward passes.
    pub fn fused(&self) -> &Graph {
        get_or_make(&self.fused, || {
            let graph = passes::only_read_tokens(self.folded(), &|_| false);
            passes::fuse(&graph, &|_| false)
        })
    }
}
