//! Boxes and arrows from top to bottom, as SVG: what is computed from what.
//!
//! Boxes lie in layers, each below all that lead to it; an arrow past other boxes goes down a lane of
//! its own beside them. A tall drawing is broken into columns. Sizes follow from the texts in the
//! embedded font, and every coordinate is rounded, so that the same diagram is the same bytes
//! everywhere.

mod layers;
mod placement;
mod positions;
mod svg;
#[cfg(test)]
mod tests;

use self::layers::Layers;
use self::placement::Placement;

/// A drawing of boxes and the arrows between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagram {
    /// The line above all.
    pub title: String,
    /// Names of the kinds of boxes, in the order of their colours; those that there are make the
    /// legend.
    pub kinds: Vec<String>,
    /// Names of stretches of boxes from top to bottom; each gets a band behind its boxes, if their
    /// layers do not mix.
    pub bands: Vec<String>,
    /// The boxes, each behind all that lead to it.
    pub boxes: Vec<DiagramBox>,
    /// From which box to which: positions in `boxes`, the first before the second.
    pub arrows: Vec<(usize, usize)>,
}

/// One box.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiagramBox {
    /// Its first line.
    pub title: String,
    /// Further lines.
    pub lines: Vec<String>,
    /// What a pointer on it shows.
    pub tip: String,
    /// Which of [`Diagram::kinds`] it is.
    pub kind: usize,
    /// Which of [`Diagram::bands`] it is in.
    pub band: Option<usize>,
}

/// The most boxes of a diagram.
pub const MOST_BOXES: usize = 400;

/// The most arrows of a diagram.
const MOST_ARROWS: usize = 4000;

/// Why something cannot be drawn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiagramError {
    /// It would be too large to look at, and to compute.
    #[error(
        "{boxes} boxes with {arrows} arrows are too many: {MOST_BOXES} and {MOST_ARROWS} are drawn at most"
    )]
    TooLarge {
        /// How many boxes.
        boxes: usize,
        /// How many arrows.
        arrows: usize,
    },
    /// An arrow leads to a box that does not come after its own, or to none.
    #[error("an arrow leads from box {from} to box {to}, which does not come after it")]
    Backwards {
        /// Where it begins.
        from: usize,
        /// Where it ends.
        to: usize,
    },
}

/// Draws a diagram as the text of an SVG file.
///
/// # Errors
/// [`DiagramError`], if it is too large or goes in circles.
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
