//! A network in the part that stays and the part that learns.

use std::collections::BTreeMap;
use std::sync::Arc;

use dvm_engine::passes::{cut, fuse_for_training, last_cut, without_auxiliaries};
use dvm_engine::{Graph, Network, Parameter, Tensor};

use crate::{Error, Part};

/// A network of which a part learns. What comes before that part is computed as in use: its
/// batch-norms keep their statistics, and nothing of it is remembered for a backward walk.
pub(super) struct Learner {
    whole: Graph,
    /// The part that stays; none if everything learns.
    pub front: Option<Arc<Network>>,
    /// The part that learns, in the form in which it is trained.
    pub back: Graph,
    /// The same in the form in which it is used.
    used: Graph,
    /// Of each parameter of `back`, its place in `whole`.
    places: Vec<usize>,
    /// Whether each parameter of `back` learns: a last layer may have others around it.
    learns: BTreeMap<String, bool>,
}

impl Learner {
    /// Divides a network for inputs of this shape. `is_head` knows the parameters of the last layer.
    pub fn new(
        whole: Graph,
        part: Part,
        is_head: impl Fn(&str) -> bool,
        input: &[usize],
    ) -> Result<Self, Error> {
        // Auxiliary heads help the layers before them, so they learn where those do.
        let learning = match part {
            Part::All => whole.clone(),
            Part::Head | Part::LastStage => without_auxiliaries(&whole),
        };
        let at = match part {
            Part::All => learning.input(),
            Part::Head => last_cut(&learning, input, |parameter| is_head(&parameter.name))?,
            Part::LastStage => learning.before_last_stage(input)?,
        };
        let (front, back) = cut(&learning, at, input)?;
        let place = |parameter: &Parameter| {
            let mut all = whole.parameters().iter();
            let place = all.position(|other| other.name == parameter.name);
            place.expect("it is a part of the whole")
        };
        let learns = |parameter: &Parameter| {
            let learns = part != Part::Head || is_head(&parameter.name);
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

    /// Whether this parameter of the back learns.
    pub fn learns(&self, parameter: &Parameter) -> bool {
        self.learns[&parameter.name]
    }

    /// The whole network as it is now, or with these values in place of those of the back.
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

    /// The back in the form in which it is used, as it is now or with these values.
    pub fn back_with(&self, values: Option<&[Tensor]>) -> Result<Graph, Error> {
        let values = values.unwrap_or(self.back.values());
        Ok(self.used.with_values(|index, _| values[index].clone())?)
    }
}

/// What pictures become before they reach the part that learns.
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

    fn learner(part: Part) -> Learner {
        let is_head = |name: &str| name.starts_with("fc.");
        Learner::new(network(), part, is_head, &[1, 3, 4, 4]).unwrap()
    }

    #[test]
    fn only_the_last_layer_learns_though_another_lies_behind_the_dropout() {
        let learner = learner(Part::Head);
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
    fn the_whole_has_what_the_back_has_learnt_and_the_front_as_it_was() {
        let mut learner = learner(Part::Head);
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
    fn nothing_stays_behind_where_everything_learns() {
        let learner = learner(Part::All);
        assert!(learner.front.is_none());
        assert_eq!(learner.back.parameters(), network().parameters());
        assert_eq!(learner.used.parameters(), learner.back.parameters());
    }
}
