//! A step of training.

use dvm_engine::rules::TRUE_GRADIENT;
use dvm_engine::{Error, Graph, Keep, Mode, Request, Tensor, passes};
use dvm_train::{CrossEntropy, Optimiser, Settings, Targets, optimisers};

use crate::Classifier;

/// A network under training on one batch.
pub(super) struct Training {
    graph: Graph,
    pictures: Tensor,
    multiply_adds: u64,
    /// Picture `i` has class `i mod K`.
    targets: Targets,
    adam: Optimiser,
}

impl Training {
    /// Copies the classifier's network.
    pub fn new(classifier: &Classifier, pictures: Tensor) -> Result<Self, Error> {
        let graph = passes::fuse_for_training(classifier.network().graph());
        let classes = classifier.classes().len();
        let adam = optimisers::find("adam").expect("it is registered");
        Ok(Self {
            multiply_adds: graph.training_multiply_adds(pictures.shape())?,
            targets: Targets::Classes((0..pictures.shape()[0]).map(|i| i % classes).collect()),
            adam: adam
                .optimiser(&Settings::new())
                .expect("the defaults are valid"),
            graph,
            pictures,
        })
    }

    /// Runs one step; returns its multiply-adds.
    pub fn step(&mut self) -> Result<u64, crate::Error> {
        let seed = self.adam.steps();
        let activations =
            self.graph
                .forward(&self.pictures, Mode::Training { seed }, Keep::Backward)?;
        let statistics = activations.statistics().to_vec();
        let loss = CrossEntropy::default();
        let loss = loss.value_and_gradient(activations.output(), &self.targets)?;
        let seeds = vec![(self.graph.output(), loss.gradient)];
        let request = Request {
            nodes: &[],
            parameters: &|_| true,
            rules: &TRUE_GRADIENT,
        };
        let gradients = self
            .graph
            .backward_releasing(activations, seeds, &request)?;
        for (index, value) in statistics {
            self.graph.set_value(index, value)?;
        }
        let gradient = |index| gradients.parameter(index);
        self.adam.step(&mut self.graph, gradient, 1e-3);
        Ok(self.multiply_adds)
    }
}
