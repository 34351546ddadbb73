//! Copies of a network with random weights, layer after layer.
//!
//! The random values are those of PyTorch's `reset_parameters` for each layer ([`Initialisation::Pytorch`]):
//!
//! | parameter | becomes |
//! |---|---|
//! | weight and bias of a convolution or linear layer | uniform in ±1 / √fan-in; fan-in is the
//! product of all sides of the weight but the first |
//! | the same with [`Initialisation::He`] | weight uniform in ±√(6 / fan-in), bias 0 |
//! | factor and running variance of a normalisation | 1 |
//! | shift and running mean of a normalisation | 0 |
//! | any other factor, such as a layer scale | 1 |
//! | slopes of a leaky ReLU | 0.25 |
//! | everything else: positions, class tokens, summands outside of layers | normal, standard
//! deviation 0.02 |
//!
//! Constants of a graph are not changed. The values of a parameter are the stream `"randomised <name>"` with the
//! seed, row-major in the order of the state dict, so they depend neither on threads nor on other layers or their
//! order. A parameter that several layers share belongs to the one nearest to the output.

use dvm_engine::ops::batch_norm::BatchNorm;
use dvm_engine::ops::layer_norm::LayerNorm;
use dvm_engine::ops::prelu::PRelu;
use dvm_engine::{Graph, Network, Node, Role, Tensor, seeded};
use dvm_options::{OptionSpec, Takes, words};

use super::Candidate;
use super::agreement::is_plain;
use crate::random::Stream;
use crate::{Error, Subject, Target};

words! {
    /// Which layers are randomised together.
    pub(super) enum LayerGrouping {
        /// All of them at once.
        Whole = "whole",
        /// Those of a stage: blocks of one resolution.
        Stages = "stages",
        /// Those of a block, such as a residual block.
        Blocks = "blocks",
        /// Each layer with parameters alone, normalisations included.
        Single = "single",
    }
}

/// How the weights of convolutions and linear layers are drawn.
pub(super) const WEIGHTS: OptionSpec = OptionSpec {
    name: "weights",
    takes: Takes::Text(Initialisation::FORM),
    default: "he",
    help: "initialisation of the random weights: he (He et al. 2015: uniform in ±√(6/fan-in), \
           biases 0; signals keep their size in deep networks) or pytorch (the initial values of a \
           PyTorch layer: uniform in ±1/√fan-in)",
};

words! {
    /// How the weights of convolutions and linear layers are drawn.
    pub(super) enum Initialisation {
        /// Weight and bias uniform in ±1 / √fan-in. Every layer with a ReLU shrinks signals by
        /// 1/√6, so the output of a deep network hardly depends on the picture.
        Pytorch = "pytorch",
        /// Weights uniform in ±√(6 / fan-in), biases 0 (arXiv 1502.01852): signals keep their size.
        He = "he",
    }
}

/// How random weights are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RandomWeights {
    /// The distribution.
    pub initialisation: Initialisation,
    /// Seed of the random numbers.
    pub seed: u64,
}

/// Layers that are randomised together.
pub(super) struct Group {
    /// The name of its layer with parameters, or of its first and last.
    pub name: String,
    /// Each parameter with its random values.
    parameters: Vec<(usize, RandomValues)>,
}

/// The random values of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
enum RandomValues {
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
    together: LayerGrouping,
    initialisation: Initialisation,
) -> Result<Vec<Group>, Error> {
    let graph = subject.network().graph();
    let ends: Vec<usize> = match together {
        LayerGrouping::Whole => Vec::new(),
        LayerGrouping::Single => (0..graph.nodes().len()).collect(),
        LayerGrouping::Stages | LayerGrouping::Blocks => {
            let all = graph.block_outputs(&subject.shape())?.into_iter();
            all.filter(|block| together == LayerGrouping::Blocks || block.ends_stage)
                .map(|block| block.map.node.index())
                .collect()
        }
    };
    // For each node the index of its group.
    let group_of = |node: usize| ends.partition_point(|&end| end < node);
    let mut taken = vec![false; graph.parameters().len()];
    let mut groups: Vec<(usize, Vec<&str>, Group)> = Vec::new();
    for (index, node) in graph.nodes().iter().enumerate().rev() {
        let fresh = (0..node.parameters.len()).map(|slot| {
            (
                node.parameters[slot],
                fresh(graph, node, slot, initialisation),
            )
        });
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
        let what = "the network has no parameters to randomise";
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

/// The random values of parameter number `slot` of a node.
fn fresh(graph: &Graph, node: &Node, slot: usize, initialisation: Initialisation) -> RandomValues {
    let parameter = |slot: usize| &graph.parameters()[node.parameters[slot]];
    if node.op.class().is_layer() {
        let fan_in: usize = parameter(0).shape.iter().skip(1).product();
        let fan_in = fan_in.max(1) as f64;
        return match initialisation {
            Initialisation::Pytorch => RandomValues::Uniform(1.0 / fan_in.sqrt()),
            Initialisation::He if slot == 0 => RandomValues::Uniform((6.0 / fan_in).sqrt()),
            Initialisation::He => RandomValues::Value(0.0),
        };
    }
    if node.op_as::<BatchNorm>().is_some() {
        // Factor, shift, running mean, running variance.
        return RandomValues::Value([1.0, 0.0, 0.0, 1.0][slot]);
    }
    if node.op_as::<LayerNorm>().is_some() {
        return RandomValues::Value([1.0, 0.0][slot]);
    }
    match parameter(slot).role {
        _ if node.op_as::<PRelu>().is_some() => RandomValues::Value(0.25),
        Role::Scale => RandomValues::Value(1.0),
        Role::Weight | Role::Bias | Role::Statistic => RandomValues::Normal(0.02),
    }
}

/// A network with some layers randomised. The original is never changed.
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

    /// Randomises these layers in addition.
    pub fn randomise(&mut self, group: &Group) {
        for &(index, fresh) in &group.parameters {
            let parameter = &self.network.graph().parameters()[index];
            let count = parameter.shape.iter().product();
            let name = format!("randomised {}", parameter.name);
            let values = match fresh {
                RandomValues::Uniform(bound) => {
                    seeded::uniform(&format!("{name} {}", self.seed), count, -bound, bound)
                }
                RandomValues::Normal(deviation) => {
                    let mut values = Stream::new(&name, self.seed).normal(count);
                    for value in &mut values {
                        *value = (f64::from(*value) * deviation) as f32;
                    }
                    values
                }
                RandomValues::Value(value) => vec![value; count],
            };
            self.values[index] = Tensor::from_nchw(&parameter.shape, &values);
        }
    }

    /// Restores the original values of all layers.
    pub fn restore(&mut self) {
        self.values = self.network.graph().values().to_vec();
    }

    /// The network with the current values, with the same kernels as the original.
    ///
    /// # Errors
    /// [`Error::Network`]; never for values that were drawn here.
    pub fn network(&self) -> Result<Network, Error> {
        let graph = self.network.graph();
        let graph = graph.with_values(|index, _| self.values[index].clone())?;
        Ok(Network::new(graph).with_output(self.network.output()))
    }
}

/// The relevance `[H, W]` by the candidate's method for another subject.
///
/// # Errors
/// [`Error::Unfit`] if there is no such map; those of the method.
pub(super) fn relevance_of(
    candidate: &Candidate,
    subject: &Subject,
    target: &Target,
) -> Result<Vec<f32>, Error> {
    let map = candidate.again(subject, target)?;
    Ok(Candidate::new(subject, &map)?.relevance().to_vec())
}

/// The same for a network with random weights.
///
/// # Errors
/// As [`relevance_of`], with a note that the weights were random.
pub(super) fn relevance_of_random(
    candidate: &Candidate,
    subject: &Subject,
) -> Result<Vec<f32>, Error> {
    relevance_of(candidate, subject, candidate.target()).map_err(|error| match error {
        Error::NotFinite { .. } => Error::Unfit(
            "with random weights the network outputs NaN or infinity, so there is no map to \
             compare with; try another seed"
                .into(),
        ),
        Error::Unfit(what) => Error::Unfit(format!("with random weights: {what}")),
        error => error,
    })
}

/// How many seeds are tried until the map is not constant.
const TRIES: u64 = 4;

/// The map of the network with all weights random, and how the weights were drawn.
pub(super) struct FullyRandom {
    pub map: Vec<f32>,
    pub draw: RandomWeights,
}

/// The relevance `[H, W]` for the network with all weights random, computed once for all metrics
/// with the same `draw`.
///
/// With some seeds the map is the same at every pixel: a ReLU after the last layer is 0, or the
/// output does not depend on the picture within rounding. Then the next seed is tried, up to 4 in
/// all; the last one counts in any case.
///
/// # Errors
/// As [`relevance_of_random`] and [`groups`].
pub(super) fn fully_random(
    candidate: &Candidate,
    draw: RandomWeights,
) -> Result<FullyRandom, Error> {
    let mut tried = 0;
    loop {
        let seed = draw.seed.wrapping_add(tried);
        let draw = RandomWeights { seed, ..draw };
        let map = candidate.shared(&format!("map of random weights: {draw:?}"), || {
            let subject = candidate.subject();
            let mut randomised = Randomised::new(subject.network(), seed);
            for group in groups(subject, LayerGrouping::Whole, draw.initialisation)? {
                randomised.randomise(&group);
            }
            let network = randomised.network()?;
            let subject = subject.with_network(&network, subject.input());
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

/// Why a map cannot be compared with that of random weights.
pub(super) const NOTHING_TO_COMPARE: &str = "with random weights the map has the same value at every pixel, so this test \
                                             cannot tell whether the map depends on what the network learned; try the \
                                             option `weights` or another seed";

/// Refuses to test a constant map.
///
/// # Errors
/// [`Error::Unfit`] if all values are equal.
pub(super) fn refuse_plain(map: &[f32]) -> Result<(), Error> {
    if is_plain(map) {
        let what = "the map has the same value at every pixel, so this test does not apply";
        return Err(Error::Unfit(what.into()));
    }
    Ok(())
}
