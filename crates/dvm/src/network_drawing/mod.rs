//! Drawing a network as boxes and arrows.

mod grouping;
mod wording;

use dvm_engine::Graph;
use dvm_engine::passes::without_auxiliaries;
use dvm_render::{Diagram, MOST_BOXES, diagram};

use self::grouping::Grouping;
use crate::Error;

/// The maximum number of boxes of a drawing without a given depth.
const LEGIBLE: usize = 80;

/// Draws a network for inputs of this shape, `[N, C, H, W]`, as an SVG file: a box for every layer, together with
/// its normalisation and activation function, in bands by stage.
///
/// With a `depth`, layers whose names start with the same `depth` parts (`layer1.0` has two) share a box. Without
/// it, the drawing is as detailed as 80 boxes allow.
///
/// # Errors
/// As [`Graph::shapes`]; [`Error::Usage`] if there are too many boxes.
pub fn draw_network(
    graph: &Graph,
    title: &str,
    input: &[usize],
    depth: Option<usize>,
) -> Result<String, Error> {
    // Auxiliary heads are used in training only, so they are not drawn.
    let graph = &without_auxiliaries(graph);
    let grouping = match depth {
        Some(depth) => Grouping::by_names(graph, depth, MOST_BOXES),
        None => legible(graph, input)?,
    };
    let grouping = grouping.map_err(|boxes| {
        let advice = match depth {
            Some(2..) => "choose a smaller depth",
            Some(_) => "leave out the depth to draw it by block",
            None => "dvm cannot group its layers into fewer boxes",
        };
        Error::Usage(format!(
            "a drawing of {title} needs {boxes} boxes; the limit is {MOST_BOXES}; {advice}"
        ))
    })?;
    let drawing = drawing(graph, title, input, &grouping)?;
    diagram(&drawing).map_err(|error| Error::Usage(format!("{title} cannot be drawn: {error}")))
}

/// The finest grouping with at most [`LEGIBLE`] boxes: by name, else by block, else by stage, else the coarsest by
/// name. The inner error is the number of boxes, if there are too many.
fn legible(graph: &Graph, input: &[usize]) -> Result<Result<Grouping, usize>, Error> {
    for depth in (1..=grouping::deepest(graph)).rev() {
        let grouping = Grouping::by_names(graph, depth, LEGIBLE);
        if grouping.is_ok() {
            return Ok(grouping);
        }
    }
    let outputs = graph.block_outputs(input)?;
    let blocks = outputs.iter().map(|output| output.map.node);
    let ends = outputs.iter().filter(|output| output.ends_stage);
    let stages = ends.map(|output| output.map.node);
    for cuts in [blocks.collect::<Vec<_>>(), stages.collect()] {
        let grouping = Grouping::between(graph, &cuts, LEGIBLE);
        if !cuts.is_empty() && grouping.is_ok() {
            return Ok(grouping);
        }
    }
    Ok(Grouping::by_names(graph, 1, MOST_BOXES))
}

fn drawing(
    graph: &Graph,
    title: &str,
    input: &[usize],
    grouping: &Grouping,
) -> Result<Diagram, Error> {
    let shapes = graph.shapes(input)?;
    let outputs = graph.block_outputs(input)?;
    let ends: Vec<_> = outputs.iter().filter(|output| output.ends_stage).collect();
    let mut bands: Vec<String> = ends.iter().map(|end| wording::stage(end)).collect();
    bands.push("head".into());
    let boxes = grouping.groups.iter().map(|group| {
        let first = group.first().map_or(0, |id| id.index());
        let mut one = wording::boxed(graph, &shapes, group);
        // A box in which a stage ends belongs to that stage.
        let before = |end: &&&dvm_engine::BlockOutput| end.map.node.index() < first;
        one.band = Some(ends.iter().filter(before).count());
        one
    });
    Ok(Diagram {
        title: title.to_owned(),
        kinds: wording::KINDS.map(String::from).to_vec(),
        bands,
        boxes: boxes.collect(),
        arrows: grouping.arrows.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use dvm_engine::ops::conv2d::Conv2d;
    use dvm_engine::ops::pool::Pool;
    use dvm_engine::{Blueprint, seeded};

    /// A chain of convolutions whose names have no modules.
    fn chain(count: usize) -> Graph {
        let mut net = Blueprint::new(1);
        let mut x = net.input();
        for index in 0..count {
            let stride = if index % 200 == 0 { 2 } else { 1 };
            let conv = Conv2d::square(1).stride(stride);
            x = net.conv2d(&format!("Conv_{index}"), x, conv, 1, 1, true);
        }
        let x = net.pool("mean", x, Pool::global_mean());
        let x = net.conv2d("head", x, Conv2d::square(1), 1, 2, true);
        let x = net.flatten("flatten", x);
        seeded::graph(net.ending_at(x))
    }

    fn boxes(svg: &str) -> usize {
        svg.matches("<title>").count()
    }

    #[test]
    fn a_long_network_is_drawn_by_stage() {
        let input = [1, 1, 32, 32];
        let short = draw_network(&chain(20), "short", &input, None).unwrap();
        assert_eq!(boxes(&short), 1 + 20 + 2);
        // Three stages, the input, and the head.
        let long = draw_network(&chain(500), "long", &input, None).unwrap();
        assert_eq!(boxes(&long), 5);
    }

    #[test]
    fn too_many_boxes_are_an_error_with_advice() {
        let error = draw_network(&chain(500), "long", &[1, 1, 32, 32], Some(1)).unwrap_err();
        let words = error.to_string();
        assert!(words.contains("long needs 503 boxes"), "{words}");
        assert!(words.contains("leave out the depth"), "{words}");
    }

    #[test]
    fn names_are_escaped_in_the_svg() {
        let mut net = Blueprint::new(1);
        let x = net.input();
        let name = "</title></svg><script>alert(1)</script>";
        let x = net.conv2d(name, x, Conv2d::square(1), 1, 2, true);
        let graph = seeded::graph(net.ending_at(x));
        let svg = draw_network(&graph, "<&>", &[1, 1, 8, 8], None).unwrap();
        assert!(
            !svg.contains("<script>") && svg.matches("</svg>").count() == 1,
            "{svg}"
        );
    }
}
