//! FullGrad.

use dvm_engine::ops::batch_norm::BatchNorm;
use dvm_engine::ops::binary::{Binary, Function, Other};
use dvm_engine::ops::channel_affine::ChannelAffine;
use dvm_engine::rules::Composite;
use dvm_engine::{FeatureMap, Graph, NodeId};
use dvm_options::{OptionSpec, Takes, words};

use super::layer::by_channel;
use crate::options::SCORE;
use crate::probe::GradientRequest;
use crate::registry::{Family, MethodEntry, Published, Reference};
use crate::subject::finite;
use crate::upsample::bilinear;
use crate::{Array, Attribution, Check, Error, Method, Observation, Score, Subject, Target};

/// How the parts are scaled before they are added up.
const RESCALE: OptionSpec = OptionSpec {
    name: "rescale",
    takes: Takes::OneOf(Rescale::WORDS),
    default: "none",
    help: "scaling of the absolute parts before they are added up: none, to 0 … 1 in each layer \
           (the authors' code) or in each channel (pytorch-grad-cam)",
};

words! {
    /// How the parts are scaled.
    enum Rescale {
        /// Not at all: the map has the unit of the score.
        None = "none",
        /// Each layer from 0 to 1.
        Layer = "layer",
        /// Each channel from 0 to 1.
        Channel = "channel",
    }
}

/// Input times gradient, plus every bias times its gradient at each position, in absolute values.
///
/// Biases are those of convolutions and linear layers, a sum with one parameter per channel, and of
/// a batch-norm `β − γ·μ/√(σ² + ε)`, all in the original network, before batch-norms are folded
/// into convolutions. Biases of layers without positions (a linear layer after the pool) are part
/// of the check and of the array `biases`, not of the map. The contributions of activations other
/// than ReLU, and of norms over channels, are missing: the gap of the check shows how much that is.
pub const FULL_GRAD: MethodEntry = MethodEntry {
    name: "full-grad",
    title: "FullGrad",
    summary: "input × gradient plus bias × gradient of all layers; in ReLU networks this accounts \
              for the whole score",
    reference: Reference {
        authors: "Srinivas, Fleuret",
        year: 2019,
        title: "Full-Gradient Representation for Neural Network Visualization",
        published: Published::Arxiv("1905.00780"),
    },
    family: Family::Cam,
    cost: "1 pass forward, 1 back; more if memory does not hold all layers",
    networks: "all; complete for ReLU networks",
    options: &[SCORE, RESCALE],
    presets: &[],
    build: |options| {
        Ok(Box::new(FullGrad {
            score: options.word(&SCORE)?,
            rescale: options.word(&RESCALE)?,
        }))
    },
};

struct FullGrad {
    score: Score,
    rescale: Rescale,
}

/// The bias of a node.
struct Bias {
    node: NodeId,
    /// One number per channel or feature.
    values: Vec<f64>,
    /// Its spatial layout; `None` if it has none.
    map: Option<FeatureMap>,
}

/// All biases of a graph, in the order of its nodes.
fn biases(graph: &Graph, shape: &[usize]) -> Result<Vec<Bias>, Error> {
    let mut all = Vec::new();
    for (id, map) in graph.ids().zip(graph.feature_maps(shape)?) {
        let Some(values) = bias(graph, id) else {
            continue;
        };
        // A sum with values along rows or columns is no bias.
        if map.is_none_or(|map| map.channels == values.len()) {
            all.push(Bias {
                node: id,
                values,
                map,
            });
        }
    }
    Ok(all)
}

/// The bias of a node, one number per channel or feature.
fn bias(graph: &Graph, id: NodeId) -> Option<Vec<f64>> {
    let node = graph.node(id);
    let parameter = |index: usize| {
        let values = graph.values()[*node.parameters.get(index)?].data();
        Some(values.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>())
    };
    if node.op.class().is_layer() {
        return parameter(1);
    }
    if let Some(norm) = node.op_as::<BatchNorm>() {
        let parameters: Vec<_> = node
            .parameters
            .iter()
            .map(|&p| &graph.values()[p])
            .collect();
        let affine = norm.affine(&parameters);
        return Some(affine.into_iter().map(|(_, shift)| shift).collect());
    }
    if let Some(affine) = node.op_as::<ChannelAffine>() {
        return Some(affine.shift.iter().map(|&v| f64::from(v)).collect());
    }
    let binary = node.op_as::<Binary>()?;
    if binary.function != Function::Add || binary.other != Other::Parameter {
        return None;
    }
    let shape = &graph.parameters()[node.parameters[0]].shape[..];
    let sides = shape.iter().filter(|side| **side > 1).count();
    // `[D]` for rows of features, `[C, 1, 1]` for feature maps; position embeddings have two sides.
    let is_bias = matches!(shape, [_] | [_, 1, 1] | [1, _, 1, 1]) && sides == 1;
    parameter(0).filter(|_| is_bias)
}

/// The sums of the parts for one target.
struct Parts {
    /// Input × gradient, `[C, H, W]`.
    input: Vec<f32>,
    /// The map, without the part of the input.
    map: Vec<f64>,
    /// The sum of bias × gradient for each bias.
    totals: Vec<f64>,
    /// The sum of the network's outputs, each times the gradient of the score with respect to it.
    linear: f64,
}

impl FullGrad {
    /// The absolute, scaled values of channels of `places` values each.
    fn scaled(&self, values: &[f64], places: usize) -> Vec<f64> {
        let mut absolute: Vec<f64> = values.iter().map(|v| v.abs()).collect();
        // As in the two programs.
        let (together, epsilon) = match self.rescale {
            Rescale::None => return absolute,
            Rescale::Layer => (absolute.len(), 1e-6),
            Rescale::Channel => (places, 1e-7),
        };
        for values in absolute.chunks_exact_mut(together) {
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(0.0, f64::max);
            let range = high - low + epsilon;
            values.iter_mut().for_each(|v| *v = (*v - low) / range);
        }
        absolute
    }

    fn parts(&self, subject: &Subject, target: &Target, biases: &[Bias]) -> Result<Parts, Error> {
        let graph = subject.network().graph();
        let shape = subject.shape();
        let size = subject.size();
        let shapes = graph.shapes(&shape)?;
        // Values and gradients of a part of the nodes at a time.
        let values = |id: NodeId| shapes[id.index()].iter().product::<usize>();
        let room = (subject.memory() / size_of::<f32>() / 4).max(1);
        let mut parts = Parts {
            input: Vec::new(),
            map: vec![0.0; size.0 * size.1],
            totals: Vec::with_capacity(biases.len()),
            linear: 0.0,
        };
        let mut from = 0;
        while from < biases.len() || from == 0 {
            let mut until = from;
            let mut held = 0;
            while until < biases.len() {
                held += values(biases[until].node);
                if held > room && until > from {
                    break;
                }
                until += 1;
            }
            let own = &biases[from..until];
            let nodes = own.iter().map(|bias| bias.node);
            let answer = subject.gradients(&GradientRequest {
                target,
                score: self.score,
                composite: &Composite::new(),
                graph,
                nodes: [graph.input()].into_iter().chain(nodes).collect(),
            })?;
            if from == 0 {
                let own = subject.input().values().iter();
                let pairs = own.zip(answer.gradients[0].to_nchw());
                parts.input = pairs.map(|(&x, g)| x * g).collect();
                let slopes =
                    target.output_gradient(self.score, subject.output(), &answer.numbers)?;
                let products = slopes.iter().zip(&answer.numbers);
                parts.linear = products.map(|(&s, &n)| f64::from(s) * f64::from(n)).sum();
            }
            for (bias, gradient) in own.iter().zip(&answer.gradients[1..]) {
                // Without positions, features come last.
                let rows = match bias.map {
                    Some(map) => by_channel(&map, gradient),
                    None => gradient.to_nchw(),
                };
                let places = bias.map.map_or(1, |map| map.layout.count());
                let product = |(index, &g): (usize, &f32)| {
                    bias.values[index / places % bias.values.len()] * f64::from(g)
                };
                let products: Vec<f64> = rows.iter().enumerate().map(product).collect();
                parts.totals.push(products.iter().sum());
                if let Some(map) = bias.map {
                    let mut plane = vec![0.0f64; places];
                    for channel in self.scaled(&products, places).chunks_exact(places) {
                        plane.iter_mut().zip(channel).for_each(|(sum, v)| *sum += v);
                    }
                    let plane: Vec<f32> = plane.into_iter().map(|v| v as f32).collect();
                    let from = (map.layout.rows, map.layout.columns);
                    let upsampled = bilinear(&plane, from, size);
                    let sums = parts.map.iter_mut().zip(upsampled);
                    sums.for_each(|(sum, v)| *sum += f64::from(v));
                }
            }
            from = until.max(1);
        }
        Ok(parts)
    }

    fn attribution(
        &self,
        subject: &Subject,
        target: &Target,
        biases: &[Bias],
    ) -> Result<Attribution, Error> {
        let mut parts = self.parts(subject, target, biases)?;
        let [_, c, h, w] = subject.shape();
        let own: Vec<f64> = parts.input.iter().map(|&v| f64::from(v)).collect();
        for plane in self.scaled(&own, h * w).chunks_exact(h * w) {
            let sums = parts.map.iter_mut().zip(plane);
            sums.for_each(|(sum, v)| *sum += v);
        }
        let map: Vec<f32> = parts.map.iter().map(|&v| v as f32).collect();
        finite("the gradient", &map)?;
        let total: f64 = own.iter().chain(&parts.totals).sum();
        let gap = (total - parts.linear).abs() / parts.linear.abs().max(f64::MIN_POSITIVE);
        let totals: Vec<f32> = parts.totals.iter().map(|&v| v as f32).collect();
        let outputs = subject.numbers()?.len();
        let quantity = match self.rescale {
            Rescale::None => "|picture × gradient| + |bias × gradient|",
            Rescale::Layer => "the parts of all layers, each scaled to 0 … 1",
            Rescale::Channel => "the parts of all channels, each scaled to 0 … 1",
        };
        Ok(Attribution {
            title: "FullGrad".into(),
            quantity: quantity.into(),
            score: self.score.name(subject.output(), outputs),
            arrays: vec![
                Array::new(Array::RAW, &[c, h, w], parts.input),
                Array::new("biases", &[totals.len()], totals),
            ],
            checks: vec![Check {
                name: "completeness gap",
                value: gap,
                meaning:
                    "how far the sum of all parts is from the score, relative to it: 0 within rounding for \
                     networks of convolutions, linear layers, batch-norms, ReLUs and pools; the parts of other \
                     layers are missing, and the gap shows how much they matter"
                        .into(),
            }],
            ..Attribution::new(target, (h, w), map)
        }
        .checked())
    }
}

impl Method for FullGrad {
    fn begin<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        _: &'a [Target],
    ) -> Result<Observation<'a>, Error> {
        let biases = biases(subject.network().graph(), &subject.shape())?;
        Ok(Box::new(move |target| {
            self.attribution(subject, target, &biases)
        }))
    }
}
