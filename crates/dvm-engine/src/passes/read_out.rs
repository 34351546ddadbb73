//! A network that ends at a layer: its output is the activations there.

use std::sync::Arc;

use crate::ops::Op;
use crate::ops::layout::Arrangement;
use crate::ops::reduce::{How, Reduce};
use crate::ops::slice::Slice;
use crate::topology::geometry::Geometry;
use crate::{Error, Graph, Node, NodeId};

/// The graph up to the node `at`, whose output `[N, C]` is, for each channel of the node, the mean over
/// all positions, or the value at one position (row, column), for inputs `[N, C, H, W]` of this shape.
/// Tokens without a position do not count.
///
/// # Errors
/// [`Error::Node`] if the value of the node is not a feature map, tokens or a row of numbers, or does
/// not have this position.
pub fn read_out(
    graph: &Graph,
    at: NodeId,
    input: &[usize],
    place: Option<(usize, usize)>,
) -> Result<Graph, Error> {
    let geometry = Geometry::new(graph, input)?;
    let node = graph.node(at);
    let refuse = |detail: String| Error::Node {
        node: node.name.clone(),
        kind: node.op.kind(),
        detail,
    };
    let mut nodes = graph.nodes()[..=at.index()].to_vec();
    let mut then = |part: &str, op: Arc<dyn Op>| {
        let before = NodeId(nodes.len() - 1);
        nodes.push(Node {
            name: format!("{}: {part}", node.name),
            op,
            inputs: vec![before],
            parameters: Vec::new(),
            merged: Vec::new(),
        });
    };
    let part = |axis, start, count| {
        Arc::new(Slice {
            axis,
            start,
            step: 1,
            count: Some(count),
        })
    };
    let Some(places) = geometry.layouts[at.index()] else {
        return match (&geometry.shapes[at.index()][..], place) {
            ([_, _], None) => Ok(graph.part(nodes, at)),
            (shape, _) => Err(refuse(format!(
                "gives {shape:?}, which has no rows and columns of places"
            ))),
        };
    };
    let (rows, columns) = (places.rows, places.columns);
    if let Some((row, column)) = place.filter(|&(y, x)| y >= rows || x >= columns) {
        return Err(refuse(format!(
            "has {rows} rows and {columns} columns, none at ({row}, {column})"
        )));
    }
    let axes = match places.arrangement {
        Arrangement::Map | Arrangement::ChannelsLast => {
            let first = usize::from(places.arrangement == Arrangement::Map) + 1;
            if let Some((row, column)) = place {
                then("row", part(first, row, 1));
                then("column", part(first + 1, column, 1));
            }
            vec![first, first + 1]
        }
        Arrangement::Tokens { before } | Arrangement::TokensLast { before } => {
            let is_last = matches!(places.arrangement, Arrangement::TokensLast { .. });
            let axis = 1 + usize::from(is_last);
            let (start, count) = match place {
                Some((row, column)) => (before + row * columns + column, 1),
                None => (before, places.count()),
            };
            then("tokens", part(axis, start, count));
            vec![axis]
        }
    };
    let mean = Reduce {
        how: How::Mean,
        axes,
        keeps: false,
    };
    then("mean", Arc::new(mean));
    let end = NodeId(nodes.len() - 1);
    Ok(graph.part(nodes, end))
}
