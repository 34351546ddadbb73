//! A network as boxes and arrows.

mod grouping;
mod wording;

use dvm_engine::Graph;
use dvm_engine::passes::without_auxiliaries;
use dvm_render::{Diagram, MOST_BOXES, diagram};

use self::grouping::Grouping;
use crate::Error;

/// As many boxes as a drawing has at most if nobody says how deep it goes.
const LEGIBLE: usize = 80;

/// Draws a network for inputs `[N, C, H, W]` of this shape, as the text of an SVG file: a box for every
/// layer, with what normalises and activates it, in bands by stage.
///
/// With a `depth`, layers whose names begin with the same so many parts (`layer1.0` has two) are one
/// box. Without one the drawing goes as deep as about eighty boxes allow.
///
/// # Errors
/// As [`Graph::shapes`]; [`Error::Usage`], if there are too many boxes to draw.
pub fn draw_network(
    graph: &Graph,
    title: &str,
    input: &[usize],
    depth: Option<usize>,
) -> Result<String, Error> {
    // Heads that only training looks at are no part of the network in use.
    let graph = &without_auxiliaries(graph);
    let grouping = match depth {
        Some(depth) => Grouping::by_names(graph, depth, MOST_BOXES),
        None => legible(graph, input)?,
    };
    let grouping = grouping.map_err(|boxes| {
        let advice = match depth {
            Some(2..) => "choose a smaller depth",
            Some(_) => "leave the depth out, and it is drawn by block",
            None => "its layers are in no order that fewer could stand for, so it cannot be drawn",
        };
        Error::Usage(format!(
            "a drawing of {title} would have {boxes} boxes, and {MOST_BOXES} are drawn at most; \
             {advice}"
        ))
    })?;
    let drawing = drawing(graph, title, input, &grouping)?;
    diagram(&drawing).map_err(|error| Error::Usage(format!("{title} cannot be drawn: {error}")))
}

/// The finest grouping that is legible: by name, else by block, else by stage; if none is, the coarsest
/// by name. Or else how many boxes that would have.
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
        // A box that a stage ends in belongs to that stage.
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

    /// Convolutions one behind the other, whose names say nothing of modules.
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
    fn what_is_too_long_to_be_drawn_by_layer_is_drawn_by_stage() {
        let input = [1, 1, 32, 32];
        let short = draw_network(&chain(20), "short", &input, None).unwrap();
        assert_eq!(boxes(&short), 1 + 20 + 2);
        // Three stages, the picture, and the head.
        let long = draw_network(&chain(500), "long", &input, None).unwrap();
        assert_eq!(boxes(&long), 5);
    }

    #[test]
    fn more_boxes_than_are_drawn_are_refused_with_advice() {
        let error = draw_network(&chain(500), "long", &[1, 1, 32, 32], Some(1)).unwrap_err();
        let words = error.to_string();
        assert!(words.contains("long would have 503 boxes"), "{words}");
        assert!(words.contains("leave the depth out"), "{words}");
    }

    #[test]
    fn names_cannot_break_out_of_the_file() {
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
