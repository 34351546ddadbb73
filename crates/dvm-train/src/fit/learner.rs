//! A network, split into a frozen part and a trained part.

use std::collections::BTreeMap;
use std::sync::Arc;

use dvm_engine::passes::{cut, fuse_for_training, last_cut, without_auxiliaries};
use dvm_engine::{Graph, Network, Parameter, Tensor};

use crate::{Error, TrainedLayers};

/// A network of which a part is trained. The part before it is frozen: it runs in inference mode,
/// and its activations are not kept.
pub(super) struct Learner {
    whole: Graph,
    /// The frozen part; `None` if all layers are trained.
    pub front: Option<Arc<Network>>,
    /// The trained part, fused for training.
    pub back: Graph,
    /// The trained part, not fused.
    used: Graph,
    /// For each parameter of `back`, its index in `whole`.
    places: Vec<usize>,
    /// Whether each parameter of `back` is trained: some layers around the last one may be frozen.
    learns: BTreeMap<String, bool>,
}

impl Learner {
    /// Splits a network for inputs of this shape. `is_head` tells the parameters of the last layer.
    pub fn new(
        whole: Graph,
        layers: TrainedLayers,
        is_head: impl Fn(&str) -> bool,
        input: &[usize],
    ) -> Result<Self, Error> {
        // Auxiliary heads help the layers before them: they are trained only with those.
        let learning = match layers {
            TrainedLayers::All => whole.clone(),
            TrainedLayers::Head | TrainedLayers::LastStage => without_auxiliaries(&whole),
        };
        let at = match layers {
            TrainedLayers::All => learning.input(),
            TrainedLayers::Head => {
                last_cut(&learning, input, |parameter| is_head(&parameter.name))?
            }
            TrainedLayers::LastStage => learning.before_last_stage(input)?,
        };
        let (front, back) = cut(&learning, at, input)?;
        let place = |parameter: &Parameter| {
            let mut all = whole.parameters().iter();
            let place = all.position(|other| other.name == parameter.name);
            place.expect("it is a parameter of the whole network")
        };
        let learns = |parameter: &Parameter| {
            let learns = layers != TrainedLayers::Head || is_head(&parameter.name);
            (parameter.name.clone(), learns)
        };
        Ok(Self {
            front: (at != learning.input()).then(|| Arc::new(Network::new(front))),
            places: back.parameters().iter().map(place).collect(),
            learns: back.parameters().iter().map(learns).collect(),
            back: fuse_for_training(&back),
            used: back,
            whole,
        })
    }

    /// Whether this parameter of `back` is trained.
    pub fn learns(&self, parameter: &Parameter) -> bool {
        self.learns[&parameter.name]
    }

    /// The whole network with the current values of `back`, or with these.
    pub fn whole(&self, values: Option<&[Tensor]>) -> Result<Graph, Error> {
        let mut all = self.whole.values().to_vec();
        for (value, &place) in values
            .unwrap_or(self.back.values())
            .iter()
            .zip(&self.places)
        {
            all[place] = value.clone();
        }
        Ok(self.whole.with_values(|index, _| all[index].clone())?)
    }

    /// The trained part, not fused, with its current values or with these.
    pub fn back_with(&self, values: Option<&[Tensor]>) -> Result<Graph, Error> {
        let values = values.unwrap_or(self.back.values());
        Ok(self.used.with_values(|index, _| values[index].clone())?)
    }
}

/// The input of the trained part for these pictures.
pub(super) fn through(front: Option<&Network>, pictures: Tensor) -> Result<Tensor, Error> {
    Ok(match front {
        Some(front) => front.fused().logits(&pictures)?,
        None => pictures,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use dvm_engine::ops::{conv2d::Conv2d, pool::Pool};
    use dvm_engine::{Blueprint, seeded};

    fn network() -> Graph {
        let mut net = Blueprint::new(3);
        let x = net.input();
        let x = net.conv2d("conv", x, Conv2d::square(1), 3, 4, true);
        let x = net.pool("pool", x, Pool::global_mean());
        let x = net.flatten("flatten", x);
        let x = net.dropout("dropout", x, 0.5);
        let x = net.linear("hidden", x, 4, 4, true);
        let x = net.linear("fc", x, 4, 2, true);
        seeded::graph(net.ending_at(x))
    }

    fn learner(layers: TrainedLayers) -> Learner {
        let is_head = |name: &str| name.starts_with("fc.");
        Learner::new(network(), layers, is_head, &[1, 3, 4, 4]).unwrap()
    }

    #[test]
    fn only_the_last_layer_is_trained_though_the_cut_is_earlier() {
        let learner = learner(TrainedLayers::Head);
        assert!(learner.front.is_some());
        let learns: Vec<&str> = learner
            .back
            .parameters()
            .iter()
            .filter(|p| learner.learns(p))
            .map(|p| p.name.as_str())
            .collect();
        assert_eq!(learns, ["fc.weight", "fc.bias"]);
        assert_eq!(learner.back.parameters().len(), 4);
    }

    #[test]
    fn the_whole_network_has_the_trained_values_and_the_frozen_ones() {
        let mut learner = learner(TrainedLayers::Head);
        learner.back.update(|_, parameter, values| {
            if parameter.name == "fc.bias" {
                values.fill(7.0);
            }
        });
        let whole = learner.whole(None).unwrap();
        for ((parameter, value), old) in whole
            .parameters()
            .iter()
            .zip(whole.values())
            .zip(network().values())
        {
            if parameter.name == "fc.bias" {
                assert_eq!(value.data(), [7.0; 2]);
            } else {
                assert_eq!(value, old, "{}", parameter.name);
            }
        }
    }

    #[test]
    fn there_is_no_frozen_part_if_all_layers_are_trained() {
        let learner = learner(TrainedLayers::All);
        assert!(learner.front.is_none());
        assert_eq!(learner.back.parameters(), network().parameters());
        assert_eq!(learner.used.parameters(), learner.back.parameters());
    }
}
