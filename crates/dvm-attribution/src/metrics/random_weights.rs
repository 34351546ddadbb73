//! Copies of a network whose weights are drawn at random, layer after layer.
//!
//! What a parameter becomes is what PyTorch's `reset_parameters` draws for its layer ([`Spread::Pytorch`]):
//!
//! | parameter | becomes |
//! |---|---|
//! | weight and bias of a convolution or linear layer | uniform in ±1 / √fan-in; fan-in is the product of all sides of the weight but the first |
//! | the same by [`Spread::He`] | weight uniform in ±√(6 / fan-in), bias 0 |
//! | factor and running variance of a normalisation | 1 |
//! | shift and running mean of a normalisation | 0 |
//! | any other factor, such as a layer scale | 1 |
//! | slopes of a leaky ReLU | 0.25 |
//! | all else: positions, class tokens, summands that no layer took in | normal, deviation 0.02 |
//!
//! Constants of a graph that are no parameters stay. A parameter's numbers are those of the stream
//! `"randomised <name>"` and the seed, row-major in the order of the state dict, so that they depend on
//! nothing else: not on threads, other layers, or the order of layers. A parameter that several layers
//! share belongs to the one nearest to the output.

use dvm_engine::ops::batch_norm::BatchNorm;
use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::ops::layer_norm::LayerNorm;
use dvm_engine::ops::linear::Linear;
use dvm_engine::ops::prelu::PRelu;
use dvm_engine::{Graph, Network, Node, Role, Tensor, seeded};
use dvm_options::{OptionSpec, Takes, words};

use super::Candidate;
use super::agreement::is_plain;
use crate::random::Stream;
use crate::{Error, Subject, Target};

words! {
    /// Which layers are randomised together.
    pub(super) enum Together {
        /// All of them at once.
        Whole = "whole",
        /// Those of a stage: blocks of one resolution.
        Stages = "stages",
        /// Those of a block, such as a residual block.
        Blocks = "blocks",
        /// None: each layer with parameters alone, a normalisation among them.
        Single = "single",
    }
}

/// How the weights of convolutions and linear layers are drawn.
pub(super) const WEIGHTS: OptionSpec = OptionSpec {
    name: "weights",
    takes: Takes::Text("pytorch|he"),
    default: "he",
    help: "how random weights are drawn: after He et al. 2015 (uniform in ±√(6/fan-in), biases 0), so that \
           signals keep their size in deep networks, or as PyTorch begins a layer (uniform in ±1/√fan-in)",
};

words! {
    /// How the weights of convolutions and linear layers are drawn.
    pub(super) enum Spread {
        /// Weight and bias uniform in ±1 / √fan-in. Signals fade by 1/√6 with every rectified layer, so that
        /// the answer of a deep network hardly depends on the picture any more.
        Pytorch = "pytorch",
        /// Weights uniform in ±√(6 / fan-in), biases 0 (arXiv 1502.01852): signals keep their size.
        He = "he",
    }
}

/// What random networks follow from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Draw {
    /// How weights are drawn.
    pub spread: Spread,
    /// Where the random numbers begin.
    pub seed: u64,
}

/// Layers that are randomised together.
pub(super) struct Group {
    /// Its layer with parameters, or its first and last.
    pub name: String,
    /// Each parameter, and what it becomes.
    parameters: Vec<(usize, Fresh)>,
}

/// What a parameter becomes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fresh {
    /// Uniform in ± this.
    Uniform(f64),
    /// Normal of this standard deviation.
    Normal(f64),
    /// This number everywhere.
    Value(f32),
}

/// The layers of the subject's network in groups, from the output to the input.
///
/// # Errors
/// [`Error::Unfit`] if there is no parameter to randomise; those of the network's shapes.
pub(super) fn groups(
    subject: &Subject,
    together: Together,
    spread: Spread,
) -> Result<Vec<Group>, Error> {
    let graph = subject.network().graph();
    let ends: Vec<usize> = match together {
        Together::Whole => Vec::new(),
        Together::Single => (0..graph.nodes().len()).collect(),
        Together::Stages | Together::Blocks => {
            let all = graph.block_outputs(&subject.shape())?.into_iter();
            all.filter(|block| together == Together::Blocks || block.ends_stage)
                .map(|block| block.map.node.index())
                .collect()
        }
    };
    // For each node the number of its group.
    let group_of = |node: usize| ends.partition_point(|&end| end < node);
    let mut taken = vec![false; graph.parameters().len()];
    let mut groups: Vec<(usize, Vec<&str>, Group)> = Vec::new();
    for (index, node) in graph.nodes().iter().enumerate().rev() {
        let fresh = (0..node.parameters.len())
            .map(|slot| (node.parameters[slot], fresh(graph, node, slot, spread)));
        let fresh: Vec<_> = fresh
            .filter(|(parameter, _)| !std::mem::replace(&mut taken[*parameter], true))
            .collect();
        if fresh.is_empty() {
            continue;
        }
        let number = group_of(index);
        if groups.last().is_none_or(|(last, ..)| *last != number) {
            let group = Group {
                name: String::new(),
                parameters: Vec::new(),
            };
            groups.push((number, Vec::new(), group));
        }
        let (_, names, group) = groups.last_mut().expect("one was just made");
        names.push(&node.name);
        group.parameters.extend(fresh);
    }
    if groups.is_empty() {
        let what = "the network has no parameters, so they cannot be randomised";
        return Err(Error::Unfit(what.into()));
    }
    let named = groups.into_iter().map(|(_, names, group)| {
        let name = match names[..] {
            [only] => only.into(),
            [last, .., first] => format!("{first} … {last}"),
            [] => unreachable!("a group has a layer"),
        };
        Group { name, ..group }
    });
    Ok(named.collect())
}

/// What the parameter of a node in this place becomes.
fn fresh(graph: &Graph, node: &Node, slot: usize, spread: Spread) -> Fresh {
    let parameter = |slot: usize| &graph.parameters()[node.parameters[slot]];
    if node.op_as::<Conv2d>().is_some() || node.op_as::<Linear>().is_some() {
        let fan_in: usize = parameter(0).shape.iter().skip(1).product();
        let fan_in = fan_in.max(1) as f64;
        return match spread {
            Spread::Pytorch => Fresh::Uniform(1.0 / fan_in.sqrt()),
            Spread::He if slot == 0 => Fresh::Uniform((6.0 / fan_in).sqrt()),
            Spread::He => Fresh::Value(0.0),
        };
    }
    if node.op_as::<BatchNorm>().is_some() {
        // Factor, shift, running mean, running variance.
        return Fresh::Value([1.0, 0.0, 0.0, 1.0][slot]);
    }
    if node.op_as::<LayerNorm>().is_some() {
        return Fresh::Value([1.0, 0.0][slot]);
    }
    match parameter(slot).role {
        _ if node.op_as::<PRelu>().is_some() => Fresh::Value(0.25),
        Role::Scale => Fresh::Value(1.0),
        Role::Weight | Role::Bias | Role::Statistic => Fresh::Normal(0.02),
    }
}

/// A network of which some layers are randomised. The original is never changed.
pub(super) struct Randomised<'a> {
    network: &'a Network,
    seed: u64,
    /// Values of all parameters, in their order.
    values: Vec<Tensor>,
}

impl<'a> Randomised<'a> {
    /// Nothing is randomised yet.
    pub fn new(network: &'a Network, seed: u64) -> Self {
        Self {
            network,
            seed,
            values: network.graph().values().to_vec(),
        }
    }

    /// Randomises these layers, too.
    pub fn randomise(&mut self, group: &Group) {
        for &(index, fresh) in &group.parameters {
            let parameter = &self.network.graph().parameters()[index];
            let count = parameter.shape.iter().product();
            let name = format!("randomised {}", parameter.name);
            let values = match fresh {
                Fresh::Uniform(bound) => {
                    seeded::uniform(&format!("{name} {}", self.seed), count, -bound, bound)
                }
                Fresh::Normal(deviation) => {
                    let mut values = Stream::new(&name, self.seed).normal(count);
                    for value in &mut values {
                        *value = (f64::from(*value) * deviation) as f32;
                    }
                    values
                }
                Fresh::Value(value) => vec![value; count],
            };
            self.values[index] = Tensor::from_nchw(&parameter.shape, &values);
        }
    }

    /// Gives all layers their own values back.
    pub fn restore(&mut self) {
        self.values = self.network.graph().values().to_vec();
    }

    /// The network with the values as they are now, run with the same kernels as the original.
    ///
    /// # Errors
    /// [`Error::Network`]; not for values that were drawn here.
    pub fn network(&self) -> Result<Network, Error> {
        let graph = self.network.graph();
        let graph = graph.with_values(|index, _| self.values[index].clone())?;
        Ok(Network::new(graph).with_output(self.network.output()))
    }
}

/// The map, as relevance `[H, W]`, that the candidate's method makes of another subject.
///
/// # Errors
/// [`Error::Unfit`] if there is no such map, and those of the method.
pub(super) fn relevance_of(
    candidate: &Candidate,
    subject: &Subject,
    target: &Target,
) -> Result<Vec<f32>, Error> {
    let map = candidate.again(subject, target)?;
    Ok(Candidate::new(subject, &map)?.relevance().to_vec())
}

/// The same of a network with random weights.
///
/// # Errors
/// As [`relevance_of`], saying that the weights were random.
pub(super) fn relevance_of_random(
    candidate: &Candidate,
    subject: &Subject,
) -> Result<Vec<f32>, Error> {
    relevance_of(candidate, subject, candidate.target()).map_err(|error| match error {
        Error::NotFinite { .. } => Error::Unfit(
            "with random weights the network answers with NaN or infinity, so there is no map to \
             compare with; try another seed"
                .into(),
        ),
        Error::Unfit(what) => Error::Unfit(format!("of the network with random weights: {what}")),
        error => error,
    })
}

/// How many seeds are tried for a network whose map shows something.
const TRIES: u64 = 4;

/// The map of the network with all weights random, and the draw that it is of.
pub(super) struct FullyRandom {
    pub map: Vec<f32>,
    pub draw: Draw,
}

/// The map, as relevance `[H, W]`, of the network with all weights random: made once for all metrics that
/// ask for it with the same draw.
///
/// A rectifier behind the last layer may shut, or the answer may not depend on the picture within rounding;
/// the map is then the same at every pixel. The next seed is taken instead, up to 4 in all, of which the last
/// counts whatever it shows.
///
/// # Errors
/// As [`relevance_of_random`] and [`groups`].
pub(super) fn fully_random(candidate: &Candidate, draw: Draw) -> Result<FullyRandom, Error> {
    let mut tried = 0;
    loop {
        let seed = draw.seed.wrapping_add(tried);
        let draw = Draw { seed, ..draw };
        let map = candidate.shared(&format!("map of random weights: {draw:?}"), || {
            let subject = candidate.subject();
            let mut randomised = Randomised::new(subject.network(), seed);
            for group in groups(subject, Together::Whole, draw.spread)? {
                randomised.randomise(&group);
            }
            let network = randomised.network()?;
            let subject = subject.asked_of(&network, subject.input());
            let map = relevance_of_random(candidate, &subject)?;
            Ok(map.into_iter().map(f64::from).collect())
        })?;
        tried += 1;
        if !is_plain(&map) || tried == TRIES {
            let map = map.iter().map(|&value| value as f32).collect();
            return Ok(FullyRandom { map, draw });
        }
    }
}

/// What it means that there is nothing to compare with.
pub(super) const NOTHING_TO_COMPARE: &str = "with random weights the map has the same value at every pixel, so this test \
                                             cannot tell whether the map depends on what the network learned; try the \
                                             option `weights` or another seed";

/// Refuses to test a map that shows nothing.
///
/// # Errors
/// [`Error::Unfit`] if all values are alike.
pub(super) fn refuse_plain(map: &[f32]) -> Result<(), Error> {
    if is_plain(map) {
        let what = "the map has the same value at every pixel, so this test says nothing of it";
        return Err(Error::Unfit(what.into()));
    }
    Ok(())
}
