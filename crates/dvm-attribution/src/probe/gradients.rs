//! Gradients of a target's score at nodes of the network, with the activations there.

use dvm_engine::rules::Composite;
use dvm_engine::{Activations, GradientCheck, Graph, NodeId, Request, Segments, Tensor};
use rayon::prelude::*;

use super::LARGEST_BATCH_BACK;
use crate::subject::{ALWAYS_ALLOWED_BACK, finite};
use crate::{Error, Score, Subject, Target};

/// What is to be found by a walk back.
#[derive(Clone, Copy)]
pub struct Ask<'q> {
    /// Whose score.
    pub target: &'q Target,
    /// Which score.
    pub score: Score,
    /// By which rules.
    pub composite: &'q Composite,
    /// The form of the network that is walked, usually [`dvm_engine::Network::folded`].
    pub graph: &'q Graph,
    /// The nodes of it whose activations and gradients are wanted, such as its input.
    pub nodes: &'q [NodeId],
}

/// What was found of one picture.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The network's numbers, `[K]`.
    pub numbers: Vec<f32>,
    /// The target's score.
    pub score: f32,
    /// For each node asked for its value, a batch of one.
    pub activations: Vec<Tensor>,
    /// For each node the gradient of the score with respect to its value, of the same shape; zero where
    /// the node has no influence.
    pub gradients: Vec<Tensor>,
}

/// What a walk back begins with, for the network's numbers `[K]`: as many.
pub(crate) type Slopes<'s> = dyn Fn(&[f32]) -> Result<Vec<f32>, Error> + 's;

/// The slopes of the score itself.
fn slopes_of<'s>(
    subject: &Subject,
    ask: &'s Ask,
) -> impl Fn(&[f32]) -> Result<Vec<f32>, Error> + use<'s> {
    let output = subject.output();
    move |numbers| ask.target.slopes(ask.score, output, numbers)
}

impl Subject<'_> {
    /// Walks back from the target's score of the picture itself. Its walk forward is shared by all who
    /// ask about [`dvm_engine::Network::folded`].
    ///
    /// # Errors
    /// [`Error::NotFinite`], [`Error::Class`], [`Error::Network`]; [`Error::Unfit`] if it takes more memory
    /// than is allowed.
    pub fn gradients(&self, ask: &Ask) -> Result<Answer, Error> {
        self.gradients_from(None, ask, &slopes_of(self, ask))
    }

    /// As [`Subject::gradients`] for a picture of the same size, or for the subject's own if there is none,
    /// walking back from other numbers `[K]` than the slopes of the score: `slopes` gives them, being told
    /// the network's numbers.
    ///
    /// # Errors
    /// As [`Subject::gradients`], and whatever `slopes` returns.
    pub(crate) fn gradients_from(
        &self,
        other: Option<&Tensor>,
        ask: &Ask,
        slopes: &Slopes,
    ) -> Result<Answer, Error> {
        self.check_if_true(ask)?;
        let is_shared = other.is_none() && std::ptr::eq(ask.graph, self.network().folded());
        if is_shared {
            let forward = self.forward()?;
            let has = |id: &NodeId| forward.activations.get(*id).is_some();
            if ask.nodes.iter().all(has) {
                let walk = (&forward.segments, &forward.activations);
                let mut found = self.walked_back(ask, self.picture(), walk, slopes)?;
                return Ok(found.remove(0));
            }
        }
        self.walking();
        let picture = other.unwrap_or(self.picture());
        let segments = self.segments(ask.graph)?;
        let kept = ask
            .graph
            .forward_in_segments_keeping(picture, &segments, ask.nodes)?;
        let mut found = self.walked_back(ask, picture, (&segments, &kept), slopes)?;
        Ok(found.remove(0))
    }

    /// The same for `count` other pictures of the same size: `make` gives the values of each as stored
    /// (`H, W, C`, normalised), `each` gets what was found of it, in order. They are walked in batches
    /// that memory has room for.
    ///
    /// # Errors
    /// As [`Subject::gradients`], and whatever `each` returns.
    pub fn gradients_of(
        &self,
        count: usize,
        make: &(dyn Fn(usize) -> Vec<f32> + Sync),
        ask: &Ask,
        each: &mut dyn FnMut(usize, Answer) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.check_if_true(ask)?;
        let (batch, segments) = self.batch_back(ask, count)?;
        let mut first = 0;
        while first < count {
            let size = batch.min(count - first);
            let values: Vec<Vec<f32>> = (first..first + size).into_par_iter().map(make).collect();
            let mut shape = self.shape();
            shape[0] = size;
            let pictures = Tensor::from_stored(&shape, values.concat());
            self.walking();
            let kept = ask
                .graph
                .forward_in_segments_keeping(&pictures, &segments, ask.nodes)?;
            for (index, answer) in self
                .walked_back(ask, &pictures, (&segments, &kept), &slopes_of(self, ask))?
                .into_iter()
                .enumerate()
            {
                each(first + index, answer)?;
            }
            first += size;
        }
        Ok(())
    }

    /// Checks the gradient of the network ([`dvm_engine::Graph::gradient_check`]), as the first walk back by
    /// the true rules does; once for all forms of a network and all subjects.
    ///
    /// # Errors
    /// [`Error::Network`] with [`dvm_engine::Error::Gradient`] if it is wrong for certain.
    pub fn check_gradient(&self) -> Result<GradientCheck, Error> {
        self.check_gradient_of(self.network().folded())
    }

    fn check_gradient_of(&self, graph: &Graph) -> Result<GradientCheck, Error> {
        let allowed = self.memory().max(ALWAYS_ALLOWED_BACK) / size_of::<f32>();
        Ok(graph.gradient_check(&self.shape(), allowed)?)
    }

    /// Replaced rules are no gradient on purpose.
    fn check_if_true(&self, ask: &Ask) -> Result<(), Error> {
        if ask.composite.rules().next().is_none() {
            self.check_gradient_of(ask.graph)?;
        }
        Ok(())
    }

    /// How many pictures are walked back at once, and how.
    fn batch_back(&self, ask: &Ask, count: usize) -> Result<(usize, Segments), Error> {
        let mut shape = self.shape();
        let allowed = self.memory() / size_of::<f32>();
        let are_batches = ask.graph.are_batches(&shape)?;
        let splits = |id: &NodeId| are_batches[id.index()];
        let ends = ask.nodes.iter().chain([&ask.graph.output()]).all(splits);
        let mut batch = if ends {
            LARGEST_BATCH_BACK.min(count.max(1))
        } else {
            1
        };
        while batch > 1 {
            shape[0] = batch;
            let segments = ask.graph.segments(&shape, allowed)?;
            // Computing parts again takes longer than smaller batches.
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

    /// One answer for each picture of a batch that was walked forward.
    fn walked_back(
        &self,
        ask: &Ask,
        pictures: &Tensor,
        (segments, activations): (&Segments, &Activations),
        slopes: &Slopes,
    ) -> Result<Vec<Answer>, Error> {
        let (graph, output) = (ask.graph, self.output());
        let outputs = activations.output();
        let count = pictures.shape()[0];
        finite("a picture", outputs.data())?;
        let rows: Vec<&[f32]> = outputs.data().chunks(outputs.len() / count).collect();
        let mut seed = Vec::with_capacity(outputs.len());
        let mut scores = Vec::with_capacity(count);
        for numbers in &rows {
            scores.push(ask.target.score(ask.score, output, numbers)?);
            seed.extend(slopes(numbers)?);
        }
        let seed = Tensor::from_stored(outputs.shape(), seed);
        let request = Request {
            nodes: ask.nodes,
            parameters: &|_| false,
            rules: ask.composite,
        };
        self.walking();
        let found = graph.backward_in_segments(
            (pictures, segments),
            activations,
            &[(graph.output(), seed)],
            &request,
        )?;
        let values: Vec<&Tensor> = ask
            .nodes
            .iter()
            .map(|&id| activations.get(id).expect("it was kept"))
            .collect();
        let gradients: Vec<Tensor> = ask
            .nodes
            .iter()
            .zip(&values)
            .map(|(&id, value)| match found.node(id) {
                Some(gradient) => gradient.clone(),
                None => Tensor::zeros(value.shape()),
            })
            .collect();
        for gradient in &gradients {
            finite("the gradient", gradient.data())?;
        }
        let of_one = |tensor: &Tensor, index: usize| match count {
            1 => tensor.clone(),
            _ => tensor.part(index),
        };
        let answers = rows.iter().zip(scores).enumerate();
        Ok(answers
            .map(|(index, (numbers, score))| Answer {
                numbers: numbers.to_vec(),
                score,
                activations: values.iter().map(|value| of_one(value, index)).collect(),
                gradients: gradients.iter().map(|g| of_one(g, index)).collect(),
            })
            .collect())
    }
}
