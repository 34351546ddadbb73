//! The feature maps that a class activation map uses, and the layout of their values.

use std::fmt;
use std::str::FromStr;

use dvm_engine::ops::layer_norm::LayerNorm;
use dvm_engine::{Arrangement, FeatureMap, Graph, NodeId, Tensor};
use strsim::damerau_levenshtein;

use crate::{Error, Subject};

/// Names of layers; none for the default layer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layers(Vec<String>);

/// Feature maps of one form of the network.
pub(crate) struct CamLayers<'n> {
    /// The form that has all of them as nodes.
    pub graph: &'n Graph,
    /// In the order of the names.
    pub maps: Vec<FeatureMap>,
}

/// Largest number of layers: each has its own array.
pub(crate) const MOST: usize = 8;

/// Largest number of names in an error.
const PROPOSED: usize = 4;

impl FromStr for Layers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = text.split(',').map(str::trim);
        let names: Vec<String> = names.filter(|n| !n.is_empty()).map(Into::into).collect();
        if names.len() > MOST {
            return Err(format!(
                "it must be at most {MOST} names, separated by commas"
            ));
        }
        Ok(Self(names))
    }
}

impl fmt::Display for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

impl Layers {
    /// The feature maps of these names in the subject's network. The name of a module (`layer4`)
    /// selects the last of its layers that has a feature map.
    ///
    /// # Errors
    /// [`Error::Unfit`] for an unknown name, with similar names; for a value without rows and
    /// columns; and if the network has no default layer.
    pub fn find<'n>(&self, subject: &Subject<'n>) -> Result<CamLayers<'n>, Error> {
        let (whole, folded) = (subject.network().graph(), subject.network().folded());
        let shape = subject.shape();
        if self.0.is_empty() {
            let maps = vec![usual_layer(folded, &shape)?];
            return Ok(CamLayers {
                graph: folded,
                maps,
            });
        }
        let known = whole.feature_maps(&shape)?;
        let named = |name: &String| named(whole, (&shape, &known), name);
        let maps: Vec<FeatureMap> = self.0.iter().map(named).collect::<Result<_, _>>()?;
        // The forward pass of the folded form is shared with other methods; but it has no node for
        // a convolution with a folded batch-norm.
        let in_folded = |map: &FeatureMap| {
            let node = folded.find(&whole.node(map.node).name).ok()?;
            Some(FeatureMap { node, ..*map })
        };
        Ok(match maps.iter().map(in_folded).collect() {
            Some(maps) => CamLayers {
                graph: folded,
                maps,
            },
            None => CamLayers { graph: whole, maps },
        })
    }
}

impl CamLayers<'_> {
    /// The nodes.
    pub fn nodes(&self) -> Vec<NodeId> {
        self.maps.iter().map(|map| map.node).collect()
    }

    /// The name of a layer.
    pub fn name(&self, index: usize) -> &str {
        &self.graph.node(self.maps[index].node).name
    }

    /// The names of all layers, separated by commas.
    pub fn names(&self) -> String {
        let names: Vec<&str> = (0..self.maps.len()).map(|index| self.name(index)).collect();
        names.join(", ")
    }
}

/// The default layer of class activation maps for inputs of this shape: the network's last feature map
/// ([`Graph::last_feature_map`]). If that is the norm after the last block of a transformer that averages its tokens
/// (Swin), it is the last norm inside that block, as in pytorch-grad-cam's example.
///
/// # Errors
/// [`Error::Unfit`] if there is none; [`Error::Network`].
pub fn usual_layer(graph: &Graph, shape: &[usize]) -> Result<FeatureMap, Error> {
    let last = graph.last_feature_map(shape)?.ok_or_else(|| {
        Error::Unfit(
            "the network has no feature map that its whole output depends on; choose a layer with \
             the option `layer`"
                .into(),
        )
    })?;
    let is_norm = |id: NodeId| graph.node(id).op_as::<LayerNorm>().is_some();
    let ends_blocks = |id: NodeId| {
        let before = graph.node(id).inputs.first();
        before.is_some_and(|&input| graph.node(input).inputs.len() > 1)
    };
    let has_class_token = matches!(
        last.layout.arrangement,
        Arrangement::Tokens { before } | Arrangement::TokensLast { before } if before > 0
    );
    if !is_norm(last.node) || !ends_blocks(last.node) || has_class_token {
        return Ok(last);
    }
    let sides = |map: &FeatureMap| (map.channels, map.layout.rows, map.layout.columns);
    let maps = graph.feature_maps(shape)?.into_iter().flatten();
    let mut inside = maps
        .filter(|map| map.node < last.node && is_norm(map.node))
        .filter(|map| sides(map) == sides(&last));
    Ok(inside.next_back().unwrap_or(last))
}

/// The feature map of the layer or module of this name, among those of all nodes.
fn named(
    graph: &Graph,
    (shape, maps): (&[usize], &[Option<FeatureMap>]),
    name: &str,
) -> Result<FeatureMap, Error> {
    let unfit = |id: NodeId| {
        let shapes = graph.shapes(shape)?;
        Err(Error::Unfit(format!(
            "the layer `{}` has a value of shape {:?}, without rows and columns; choose a layer with a feature map",
            graph.node(id).name,
            shapes[id.index()]
        )))
    };
    let exact = graph.ids().find(|&id| graph.node(id).name == name);
    if let Some(id) = exact {
        return maps[id.index()].map_or_else(|| unfit(id), Ok);
    }
    // `layer4.1.relu2`, or as exporters name nodes: `/layer4/layer4.1/relu_1/Relu`.
    let beginnings = [format!("{name}."), format!("{name}/"), format!("/{name}/")];
    let inside = |id: &NodeId| {
        let own = &graph.node(*id).name;
        beginnings
            .iter()
            .any(|beginning| own.starts_with(beginning))
    };
    let module: Vec<NodeId> = graph.ids().filter(inside).collect();
    let with_map = module.iter().rev().find_map(|id| maps[id.index()]);
    match (with_map, module.last()) {
        (Some(map), _) => Ok(map),
        (None, Some(&id)) => unfit(id),
        (None, None) => Err(Error::Unfit(unknown(graph, name))),
    }
}

/// The error for an unknown name.
fn unknown(graph: &Graph, name: &str) -> String {
    let mut near: Vec<(usize, usize, &str)> = Vec::new();
    for (index, node) in graph.nodes().iter().enumerate().skip(1) {
        let own = &node.name[..];
        // The layer itself, and its modules.
        let ends = own.match_indices(['.', '/']).map(|(end, _)| end);
        for known in ends.chain([own.len()]).map(|end| &own[..end]) {
            let distance = damerau_levenshtein(name, known);
            let is_near = distance <= (name.len() / 3).max(1);
            let is_known = near.iter().any(|(_, _, other)| *other == known);
            if is_near && !known.is_empty() && !is_known {
                near.push((distance, index, known));
            }
        }
    }
    near.sort_unstable();
    let near: Vec<String> = near
        .iter()
        .take(PROPOSED)
        .map(|(_, _, known)| format!("`{known}`"))
        .collect();
    let last = &graph.node(graph.output()).name;
    if near.is_empty() {
        return format!(
            "the network has no layer or module `{name}`; its layers have names like `{}` and `{last}`",
            graph.nodes()[graph.nodes().len() / 2].name
        );
    }
    format!(
        "the network has no layer or module `{name}`; similar names are {}",
        near.join(", ")
    )
}

/// The values of a feature map, a batch of one, channel by channel: `[C, rows · columns]`.
pub(crate) fn by_channel(map: &FeatureMap, value: &Tensor) -> Vec<f32> {
    let (channels, places) = (map.channels, map.layout.count());
    let values = value.to_nchw();
    let turned = |first: usize| {
        let mut turned = Vec::with_capacity(channels * places);
        for channel in 0..channels {
            let own = values[first * channels + channel..]
                .iter()
                .step_by(channels);
            turned.extend(own.take(places));
        }
        turned
    };
    match map.layout.arrangement {
        Arrangement::Map => values,
        Arrangement::ChannelsLast => turned(0),
        Arrangement::Tokens { before } => turned(before),
        Arrangement::TokensLast { before } => {
            let tokens = values.len() / channels;
            let rows = values.chunks_exact(tokens);
            rows.flat_map(|row| &row[before..before + places])
                .copied()
                .collect()
        }
    }
}

/// The distance, as stored, of two channels of a feature map.
fn step(map: &FeatureMap, shape: &[usize]) -> usize {
    match (map.layout.arrangement, shape) {
        // Tensors of rank 4 are stored with axis 1 last.
        (Arrangement::ChannelsLast, &[_, rows, _, _]) => rows,
        (Arrangement::TokensLast { .. }, &[_, _, tokens]) => tokens,
        _ => 1,
    }
}

/// The channels that are not 0 everywhere, extra tokens included.
pub(crate) fn active_channels(map: &FeatureMap, value: &Tensor) -> Vec<usize> {
    let step = step(map, value.shape());
    let mut is_active = vec![false; map.channels];
    for (index, &v) in value.data().iter().enumerate() {
        is_active[index / step % map.channels] |= v != 0.0;
    }
    (0..map.channels)
        .filter(|&channel| is_active[channel])
        .collect()
}

/// The same value with one channel set to 0, also in extra tokens, as stored.
pub(crate) fn without_channel(map: &FeatureMap, value: &Tensor, channel: usize) -> Vec<f32> {
    let step = step(map, value.shape());
    let mut values = value.data().to_vec();
    for block in values.chunks_exact_mut(step * map.channels) {
        block[channel * step..][..step].fill(0.0);
    }
    values
}

#[cfg(test)]
mod tests {
    use dvm_engine::SpatialLayout;

    use super::*;

    fn map(arrangement: Arrangement) -> FeatureMap {
        let layout = SpatialLayout {
            rows: 1,
            columns: 2,
            arrangement,
        };
        FeatureMap {
            node: Graph::new::<dvm_engine::Error>(
                {
                    let net = dvm_engine::Blueprint::new(3);
                    let input = net.input();
                    net.ending_at(input)
                },
                |_| unreachable!(),
            )
            .unwrap()
            .input(),
            channels: 3,
            layout,
        }
    }

    /// Channel c has the value 10·c + place at each place, and 90 + c in the extra token.
    fn values(arrangement: Arrangement) -> (Vec<usize>, Vec<f32>) {
        match arrangement {
            Arrangement::Map => (vec![1, 3, 1, 2], vec![0.0, 1.0, 10.0, 11.0, 20.0, 21.0]),
            Arrangement::ChannelsLast => (vec![1, 1, 2, 3], vec![0.0, 10.0, 20.0, 1.0, 11.0, 21.0]),
            Arrangement::Tokens { .. } => (
                vec![1, 3, 3],
                vec![90.0, 91.0, 92.0, 0.0, 10.0, 20.0, 1.0, 11.0, 21.0],
            ),
            Arrangement::TokensLast { .. } => (
                vec![1, 3, 3],
                vec![90.0, 0.0, 1.0, 91.0, 10.0, 11.0, 92.0, 20.0, 21.0],
            ),
        }
    }

    const ALL: [Arrangement; 4] = [
        Arrangement::Map,
        Arrangement::ChannelsLast,
        Arrangement::Tokens { before: 1 },
        Arrangement::TokensLast { before: 1 },
    ];

    #[test]
    fn values_are_ordered_by_channel_in_every_layout() {
        for arrangement in ALL {
            let (shape, values) = values(arrangement);
            let value = Tensor::from_nchw(&shape, &values);
            let found = by_channel(&map(arrangement), &value);
            assert_eq!(found, [0.0, 1.0, 10.0, 11.0, 20.0, 21.0], "{arrangement:?}");
        }
    }

    #[test]
    fn a_channel_is_set_to_0_in_every_place_and_token() {
        for arrangement in ALL {
            let (shape, values) = values(arrangement);
            let value = Tensor::from_nchw(&shape, &values);
            let changed = without_channel(&map(arrangement), &value, 1);
            let changed = Tensor::from_stored(&shape, changed).to_nchw();
            let is_of_channel = |v: f32| (10.0..=11.0).contains(&v) || v == 91.0;
            let expected: Vec<f32> = values
                .iter()
                .map(|&v| if is_of_channel(v) { 0.0 } else { v })
                .collect();
            assert_eq!(changed, expected, "{arrangement:?}");
        }
    }
}
