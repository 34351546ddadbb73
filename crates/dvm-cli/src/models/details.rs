//! Facts about a network and each of its layers.

use std::path::PathBuf;

use dvm::engine::{self, Arrangement, Graph};
use dvm::models::{self, Architecture};
use dvm::{Classifier, Opening, Preprocess, weights};
use serde::Serialize;

use super::{Summary, graph, trained};
use crate::failure::Failure;
use crate::report;

/// The file name of weights that come with dvm.
const EMBEDDED: &str = "embedded";

/// Facts about a network, as JSON.
#[derive(Serialize)]
pub struct Details {
    #[serde(flatten)]
    pub summary: Summary,
    /// Of a known architecture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<Published>,
    /// The loaded weights, if there are any.
    pub weights: Option<Weights>,
    pub preprocess: Preprocess,
    pub classes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_names: Option<Vec<String>>,
    /// The last feature map that everything passes through, if there is one.
    pub last_feature_map: Option<Output>,
    /// The default layer of class activation maps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usual_layer: Option<String>,
    /// The outputs of its blocks, in order.
    pub block_outputs: Vec<Output>,
    pub nodes: Vec<Layer>,
}

#[derive(Serialize)]
pub struct Published {
    pub tag: &'static str,
    pub file: &'static str,
    pub licence: &'static str,
    pub url: String,
    /// Its file in the cache, if it was fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

impl Published {
    /// The fetched weights, or the default ones.
    fn of(architecture: &'static Architecture) -> Self {
        let (published, cached) = weights::fetched(architecture)
            .map_or((architecture.usual(), None), |(p, cached)| {
                (p, Some(cached))
            });
        let address = weights::address(published);
        Self {
            tag: published.tag,
            file: address.file(),
            licence: published.licence,
            url: address.url(None),
            path: cached.map(|cached| cached.path),
        }
    }
}

#[derive(Serialize)]
pub struct Weights {
    pub file: String,
    pub sha256: String,
    pub source: Option<String>,
    pub licence: Option<String>,
    /// Their part of the file, if it holds more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
}

/// A node that everything passes through.
#[derive(Serialize)]
pub struct Output {
    pub node: String,
    /// From 1.
    pub stage: usize,
    pub ends_stage: bool,
    /// Pixels of the input per position, down and to the right.
    pub stride: (usize, usize),
    pub channels: usize,
    pub rows: usize,
    pub columns: usize,
    /// The axes of its value.
    pub axes: &'static str,
    /// Tokens before those with a position, such as the class token.
    pub tokens_before: usize,
}

#[derive(Serialize)]
pub struct Layer {
    pub name: String,
    pub kind: &'static str,
    pub shape: Vec<usize>,
    /// Rows and columns of positions, for layers that class activation maps can use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub places: Option<(usize, usize)>,
    pub parameters: usize,
    pub multiply_adds: u64,
    /// Its receptive field; none if it is not known.
    pub receptive_field: Option<Field>,
}

/// A receptive field.
#[derive(Clone, Copy, Serialize)]
pub struct Field {
    /// Along rows and columns, for layers with sliding windows.
    pub rows: Option<FieldAxis>,
    pub columns: Option<FieldAxis>,
    /// Whether the layer also depends on the whole picture.
    pub whole: bool,
}

/// A receptive field along one axis, in pixels of the input.
#[derive(Clone, Copy, Serialize)]
pub struct FieldAxis {
    pub size: u64,
    /// Distance between the fields of neighbouring positions.
    pub stride: u64,
    /// First pixel of the field of the first position; negative in the padding.
    pub start: i64,
}

impl From<engine::FieldAxis> for FieldAxis {
    fn from(extent: engine::FieldAxis) -> Self {
        Self {
            size: extent.size,
            stride: extent.stride,
            start: extent.start,
        }
    }
}

impl From<engine::ReceptiveField> for Field {
    fn from(field: engine::ReceptiveField) -> Self {
        Self {
            rows: field.local.map(|(rows, _)| rows.into()),
            columns: field.local.map(|(_, columns)| columns.into()),
            whole: field.whole,
        }
    }
}

impl Output {
    fn of(graph: &Graph, output: &engine::BlockOutput) -> Self {
        let map = output.map;
        let (axes, tokens_before) = match map.layout.arrangement {
            Arrangement::Map => ("N, channels, rows, columns", 0),
            Arrangement::ChannelsLast => ("N, rows, columns, channels", 0),
            Arrangement::Tokens { before } => ("N, tokens, channels", before),
            Arrangement::TokensLast { before } => ("N, channels, tokens", before),
        };
        Self {
            node: graph.node(map.node).name.clone(),
            stage: output.stage,
            ends_stage: output.ends_stage,
            stride: output.stride,
            channels: map.channels,
            rows: map.layout.rows,
            columns: map.layout.columns,
            axes,
            tokens_before,
        }
    }
}

impl Details {
    /// For a network by name or file. The returned graph has zeros as weights if there are none.
    pub fn of(
        name: &str,
        part: Option<&str>,
        with_class_names: bool,
    ) -> Result<(Self, Graph), Failure> {
        let unweighted = models::find(name).filter(|a| a.embedded.is_none());
        let (mut details, classes, graph) = if let Some(architecture) = unweighted {
            let published = weights::fetched(architecture).map(|(published, _)| published);
            let published = published.unwrap_or(architecture.usual());
            let preprocess = published.preprocess.clone();
            let graph = graph(architecture)?;
            let name = architecture.name;
            let details = Self::with(Some(architecture), name, &graph, preprocess)?;
            (details, models::imagenet_classes(), graph)
        } else {
            let opening = Opening { part, size: None };
            let model = Classifier::open_with(name, None, &opening)?;
            report::warn_about(&model);
            let graph = model.network().graph();
            let details = Self::with(
                model.architecture(),
                model.name(),
                graph,
                model.preprocess().clone(),
            )?;
            let weights = Weights {
                file: model.weights_file().into(),
                sha256: model.weights_sha256().into(),
                source: model.weights_source().map(Into::into),
                licence: model.weights_licence().map(Into::into),
                part: model.weights_part().map(Into::into),
            };
            let mut details = Self {
                weights: Some(weights),
                ..details
            };
            if model.weights_file() != EMBEDDED {
                // The published accuracy is for other weights.
                details.summary.top1 = None;
            }
            (details, model.classes().to_vec(), graph.clone())
        };
        details.classes = classes.len();
        details.class_names = with_class_names.then_some(classes);
        Ok((details, graph))
    }

    /// Everything except weights and classes.
    fn with(
        architecture: Option<&'static Architecture>,
        name: &str,
        graph: &Graph,
        preprocess: Preprocess,
    ) -> Result<Self, Failure> {
        let (height, width) = preprocess.crop;
        let input = [1, preprocess.channels.count(), height, width];
        let shapes = graph.shapes(&input).map_err(dvm::Error::from)?;
        let products = graph.multiply_adds_by_node(&shapes);
        let fields = graph.receptive_fields(&input).map_err(dvm::Error::from)?;
        let outputs = graph.block_outputs(&input).map_err(dvm::Error::from)?;
        let maps = graph.feature_maps(&input).map_err(dvm::Error::from)?;
        let usual = dvm::usual_layer(graph, &input).ok();
        let nodes = graph.nodes().iter().zip(shapes).enumerate();
        let nodes = nodes.map(|(index, (node, shape))| Layer {
            name: node.name.clone(),
            kind: node.op.kind(),
            shape,
            places: maps[index].map(|map| (map.layout.rows, map.layout.columns)),
            parameters: trained(graph, node.parameters.iter().copied()),
            multiply_adds: products[index],
            receptive_field: fields[index].map(Field::from),
        });
        Ok(Self {
            summary: Summary::with(architecture, name, graph, &preprocess)?,
            published: architecture.map(Published::of),
            weights: None,
            classes: 0,
            class_names: None,
            last_feature_map: outputs.last().map(|output| Output::of(graph, output)),
            usual_layer: usual.map(|map| graph.node(map.node).name.clone()),
            block_outputs: (outputs.iter())
                .map(|output| Output::of(graph, output))
                .collect(),
            nodes: nodes.collect(),
            preprocess,
        })
    }
}
