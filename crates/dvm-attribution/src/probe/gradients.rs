//! Gradients of a target's score at nodes of the network, and the activations there.

use dvm_engine::rules::Composite;
use dvm_engine::{Activations, GradientCheck, Graph, NodeId, Request, Segments, Tensor};

use super::batches::BatchSize;
use super::{made, of_one};
use crate::subject::{ALWAYS_ALLOWED_BACK, finite};
use crate::{Error, Score, Subject, Target};

/// What a backward pass computes.
#[derive(Clone)]
pub struct GradientRequest<'q> {
    /// The target.
    pub target: &'q Target,
    /// Which score.
    pub score: Score,
    /// The rules of the backward pass.
    pub composite: &'q Composite,
    /// The form of the network, usually [`dvm_engine::Network::folded`].
    pub graph: &'q Graph,
    /// The nodes whose activations and gradients are returned, such as its input.
    pub nodes: Vec<NodeId>,
}

impl<'q> GradientRequest<'q> {
    /// The gradient with respect to the picture, in [`dvm_engine::Network::folded`].
    pub fn of_picture(
        subject: &Subject<'q>,
        target: &'q Target,
        score: Score,
        composite: &'q Composite,
    ) -> Self {
        let graph = subject.network().folded();
        Self {
            target,
            score,
            composite,
            graph,
            nodes: vec![graph.input()],
        }
    }
}

/// The result for one picture.
#[derive(Clone, Debug)]
pub struct GradientResult {
    /// The network's outputs, `[K]`.
    pub numbers: Vec<f32>,
    /// The target's score.
    pub score: f32,
    /// The value of each requested node, a batch of one.
    pub activations: Vec<Tensor>,
    /// For each node the gradient of the score with respect to its value, of the same shape; zero
    /// if the node has no influence.
    pub gradients: Vec<Tensor>,
}

/// Returns the gradient `[K]` that a backward pass starts with, for the outputs `[K]`.
pub(crate) type OutputGradient<'s> = dyn Fn(&[f32]) -> Result<Vec<f32>, Error> + 's;

/// The gradient of the score with respect to the outputs.
fn output_gradient_of<'s>(
    subject: &Subject,
    ask: &'s GradientRequest,
) -> impl Fn(&[f32]) -> Result<Vec<f32>, Error> + use<'s> {
    let output = subject.output();
    move |numbers| ask.target.output_gradient(ask.score, output, numbers)
}

impl Subject<'_> {
    /// The backward pass from the target's score for the unchanged picture. All requests for
    /// [`dvm_engine::Network::folded`] share one forward pass.
    ///
    /// # Errors
    /// [`Error::NotFinite`], [`Error::Class`], [`Error::Network`]; [`Error::Unfit`] if it needs too much memory.
    pub fn gradients(&self, ask: &GradientRequest) -> Result<GradientResult, Error> {
        self.gradients_from(None, ask, &output_gradient_of(self, ask))
    }

    /// As [`Subject::gradients`], for another picture of the same size if `other` is given, and
    /// with another start: `output_gradient` returns it for the network's outputs.
    ///
    /// # Errors
    /// As [`Subject::gradients`], and those of `output_gradient`.
    pub(crate) fn gradients_from(
        &self,
        other: Option<&Tensor>,
        ask: &GradientRequest,
        output_gradient: &OutputGradient,
    ) -> Result<GradientResult, Error> {
        self.check_if_true(ask)?;
        let is_shared = other.is_none() && std::ptr::eq(ask.graph, self.network().folded());
        if is_shared {
            let forward = self.forward()?;
            let has = |id: &NodeId| forward.activations.get(*id).is_some();
            if ask.nodes.iter().all(has) {
                let walk = (&forward.segments, &forward.activations);
                let mut found = self.walked_back(ask, self.picture(), walk, output_gradient)?;
                return Ok(found.remove(0));
            }
        }
        self.before_walk();
        let picture = other.unwrap_or(self.picture());
        let segments = self.segments(ask.graph)?;
        let kept = ask
            .graph
            .forward_in_segments_keeping(picture, &segments, &ask.nodes)?;
        let mut found = self.walked_back(ask, picture, (&segments, &kept), output_gradient)?;
        Ok(found.remove(0))
    }

    /// The same for `count` other pictures of the same size: `make` returns the values of each as stored (`H, W, C`,
    /// normalised), `each` is called with the results in order. Batches are as large as memory allows.
    ///
    /// # Errors
    /// As [`Subject::gradients`], and those of `each`.
    pub fn gradients_of(
        &self,
        count: usize,
        make: &(dyn Fn(usize) -> Vec<f32> + Sync),
        ask: &GradientRequest,
        each: &mut dyn FnMut(usize, GradientResult) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.check_if_true(ask)?;
        let (batch, segments) = self.batch_back(ask, count)?;
        let output_gradient = output_gradient_of(self, ask);
        let walk = |cases| {
            let pictures = made(cases, &self.shape(), make);
            self.before_walk();
            let kept = ask
                .graph
                .forward_in_segments_keeping(&pictures, &segments, &ask.nodes)?;
            self.walked_back(ask, &pictures, (&segments, &kept), &output_gradient)
        };
        BatchSize::new(batch).walk(count, walk, |cases, answers| {
            let mut answers = cases.zip(answers);
            answers.try_for_each(|(case, answer)| each(case, answer))
        })
    }

    /// Checks the gradient of the network ([`dvm_engine::Graph::gradient_check`]), as the first backward pass with
    /// the true rules does; done once for all forms of a network and all subjects. It is always made with
    /// [`dvm_engine::Network::folded`], so that it does not depend on which method is the first.
    ///
    /// # Errors
    /// [`Error::Network`] with [`dvm_engine::Error::Gradient`] if it is certainly wrong.
    pub fn check_gradient(&self) -> Result<GradientCheck, Error> {
        if let Some(&found) = self.gradient_checked().get() {
            return Ok(found);
        }
        let graph = self.network().folded();
        let found = graph.gradient_check(&self.shape(), self.values_of_gradient_check())?;
        Ok(*self.gradient_checked().get_or_init(|| found))
    }

    /// Whether [`Subject::check_gradient`] compares every node: memory allows it.
    ///
    /// # Errors
    /// [`Error::Network`] if the picture does not fit the network.
    pub fn compares_nodes(&self) -> Result<bool, Error> {
        let graph = self.network().folded();
        Ok(graph.compares_nodes(&self.shape(), self.values_of_gradient_check())?)
    }

    fn values_of_gradient_check(&self) -> usize {
        self.walk_memory().max(ALWAYS_ALLOWED_BACK) / size_of::<f32>()
    }

    /// Only the true rules are checked; replaced rules give another gradient on purpose.
    fn check_if_true(&self, ask: &GradientRequest) -> Result<(), Error> {
        if ask.composite.rules().next().is_none() {
            self.check_gradient()?;
        }
        Ok(())
    }

    /// The size of a batch for backward passes, and its segments.
    fn batch_back(&self, ask: &GradientRequest, count: usize) -> Result<(usize, Segments), Error> {
        let mut shape = self.shape();
        let allowed = self.walk_memory() / size_of::<f32>();
        let are_batches = ask.graph.are_batches(&shape)?;
        let splits = |id: &NodeId| are_batches[id.index()];
        let ends = ask.nodes.iter().chain([&ask.graph.output()]).all(splits);
        let mut batch = if ends {
            self.largest_batch_back().min(count.max(1))
        } else {
            1
        };
        while batch > 1 {
            shape[0] = batch;
            let segments = ask.graph.segments(&shape, allowed)?;
            // Recomputing segments takes longer than smaller batches.
            if segments.count() == 1 && segments.values() <= allowed {
                return Ok((batch, segments));
            }
            batch /= 2;
        }
        shape[0] = 1;
        let segments = ask.graph.segments(&shape, allowed)?;
        self.allow_from(segments.values(), ALWAYS_ALLOWED_BACK)?;
        Ok((1, segments))
    }

    /// The backward pass of a batch; one result per picture.
    fn walked_back(
        &self,
        ask: &GradientRequest,
        pictures: &Tensor,
        (segments, activations): (&Segments, &Activations),
        output_gradient: &OutputGradient,
    ) -> Result<Vec<GradientResult>, Error> {
        let (graph, output) = (ask.graph, self.output());
        let outputs = activations.output();
        let count = pictures.shape()[0];
        finite("a picture", outputs.data())?;
        let rows: Vec<&[f32]> = outputs.data().chunks(outputs.len() / count).collect();
        let mut seed = Vec::with_capacity(outputs.len());
        let mut scores = Vec::with_capacity(count);
        for numbers in &rows {
            scores.push(ask.target.score(ask.score, output, numbers)?);
            seed.extend(output_gradient(numbers)?);
        }
        let seed = Tensor::from_stored(outputs.shape(), seed);
        let request = Request {
            nodes: &ask.nodes,
            parameters: &|_| false,
            rules: ask.composite,
        };
        self.before_walk();
        let found = graph.backward_in_segments(
            (pictures, segments),
            activations,
            &[(graph.output(), seed)],
            &request,
        )?;
        let nodes = || ask.nodes.iter();
        let value = |&id: &NodeId| activations.get(id).expect("it was kept");
        let values: Vec<&Tensor> = nodes().map(value).collect();
        values.iter().try_for_each(|value| value.read())?;
        let gradient = |(&id, value): (&NodeId, &&Tensor)| match found.node(id) {
            Some(gradient) => gradient.clone(),
            None => Tensor::zeros(value.shape()),
        };
        let gradients: Vec<Tensor> = nodes().zip(&values).map(gradient).collect();
        for gradient in &gradients {
            finite("the gradient", gradient.data())?;
        }
        let of_one = |tensor: &Tensor, index: usize| of_one(tensor, index, count);
        let answers = rows.iter().zip(scores).enumerate();
        Ok(answers
            .map(|(index, (numbers, score))| GradientResult {
                numbers: numbers.to_vec(),
                score,
                activations: values.iter().map(|value| of_one(value, index)).collect(),
                gradients: gradients.iter().map(|g| of_one(g, index)).collect(),
            })
            .collect())
    }
}
