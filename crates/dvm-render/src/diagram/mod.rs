//! Diagrams of boxes and arrows, as SVG. Boxes are in layers from top to bottom. An arrow that
//! passes other layers has a lane beside their boxes. A tall diagram is split into columns. Sizes
//! follow from the texts in the embedded font, and coordinates are rounded: the same diagram gives
//! the same bytes on every machine.

mod layers;
mod placement;
mod positions;
mod svg;
#[cfg(test)]
mod tests;

use self::layers::Layers;
use self::placement::Placement;

/// A diagram of boxes and arrows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagram {
    /// The title.
    pub title: String,
    /// Names of the kinds of boxes, for the legend.
    pub kinds: Vec<String>,
    /// Names of groups of boxes from top to bottom. Each gets a band behind its boxes, if no layer
    /// has boxes of two groups.
    pub bands: Vec<String>,
    /// The boxes, each after its predecessors.
    pub boxes: Vec<DiagramBox>,
    /// Arrows as pairs of indices of `boxes`; the first is less than the second.
    pub arrows: Vec<(usize, usize)>,
}

/// One box.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiagramBox {
    /// Its first line.
    pub title: String,
    /// More lines.
    pub lines: Vec<String>,
    /// The tooltip.
    pub tip: String,
    /// Index in [`Diagram::kinds`].
    pub kind: usize,
    /// Index in [`Diagram::bands`].
    pub band: Option<usize>,
}

/// Maximum number of boxes.
pub const MOST_BOXES: usize = 400;

/// Maximum number of arrows.
const MOST_ARROWS: usize = 4000;

/// Why a diagram cannot be drawn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiagramError {
    /// There are too many boxes or arrows.
    #[error(
        "the diagram has {boxes} boxes and {arrows} arrows; the limits are {MOST_BOXES} and {MOST_ARROWS}"
    )]
    TooLarge {
        /// Number of boxes.
        boxes: usize,
        /// Number of arrows.
        arrows: usize,
    },
    /// An arrow leads to an earlier box, or to a box that does not exist.
    #[error("an arrow leads from box {from} to box {to}, which does not come after it")]
    Backwards {
        /// Index of its first box.
        from: usize,
        /// Index of its second box.
        to: usize,
    },
}

/// Draws a diagram as SVG.
///
/// # Errors
/// [`DiagramError`] if it is too large or has a cycle.
pub fn diagram(diagram: &Diagram) -> Result<String, DiagramError> {
    let placement = placed(diagram)?;
    Ok(svg::written(diagram, &placement))
}

fn placed(diagram: &Diagram) -> Result<Placement, DiagramError> {
    let (boxes, arrows) = (diagram.boxes.len(), diagram.arrows.len());
    if boxes > MOST_BOXES || arrows > MOST_ARROWS {
        return Err(DiagramError::TooLarge { boxes, arrows });
    }
    let backwards = diagram
        .arrows
        .iter()
        .find(|(from, to)| from >= to || *to >= boxes);
    if let Some(&(from, to)) = backwards {
        return Err(DiagramError::Backwards { from, to });
    }
    let sizes: Vec<(f64, f64)> = diagram.boxes.iter().map(svg::size).collect();
    let layers = Layers::new(boxes, &diagram.arrows);
    Ok(Placement::new(diagram, &sizes, &layers))
}
