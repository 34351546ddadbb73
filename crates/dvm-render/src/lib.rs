//! Draws maps, charts and diagrams. A map is a grid of numbers. To draw it, choose the colours
//! ([`ColourMap`]), the range of values ([`Scale`]) and what is around the coloured pixels
//! ([`Panel`], [`figure`]).
//! - [`heat_picture`] colours a map, one pixel per value.
//! - [`overlay_grey`] draws it over the grey picture, [`overlay_colour`] over the coloured picture.
//! - [`figure`] draws panels side by side, with pixel axes and colour bars; [`with_bar`] draws one
//!   panel. The result is a [`Page`]: pixels, SVG or PDF.
//! - [`bar_chart`], [`line_charts`], [`confusion_matrix`] and [`reliability`] draw charts.
//! - [`dot_charts`] draws values with confidence intervals, [`labelled_matrices`] numbers for pairs
//!   of names.
//! - [`contact_sheet`] draws many small pictures in a grid, each with a caption.
//! - [`diagram()`] draws boxes and arrows as SVG. This crate does not depend on networks. Drawing
//!   uses scalar arithmetic on one thread, so the same input gives the same bytes on every machine.
//!   The exception is characters that the embedded font lacks: they are drawn with fonts of the
//!   machine ([`font_warning`], [`add_font`], [`without_installed_fonts`]).
//!
//! ```
//! use dvm_render::{ColourMap, Panel, Scale, figure, heat_picture};
//!
//! let values = [0.0, 0.1, 0.2, 0.4];
//! let scale = Scale::sequential(&values, ColourMap::Inferno, 100.0);
//! let panel = Panel {
//!     title: "saliency · daisy 0.97".into(),
//!     note: None,
//!     picture: heat_picture(&values, 2, 2, &scale),
//!     bar: Some(scale),
//!     bar_label: Some("largest |gradient|".into()),
//!     pixel_axes: (2, 2),
//!     region: None,
//! };
//! assert!(figure(None, &[panel]).width() > 400);
//! ```

mod axes;
mod bar_chart;
mod canvas;
mod chart_grid;
mod colour_bar;
mod colour_map;
mod confusion_matrix;
mod contact_sheet;
mod diagram;
mod dot_chart;
mod figure;
mod heat;
mod labelled_matrix;
mod line_chart;
mod marks;
mod overlay;
mod page;
mod panel;
mod reliability;
mod resample;
mod scale;
mod square_matrix;
mod stroke;
mod style;
mod text;
mod ticks;
mod value_summary;
mod xml;

pub use bar_chart::{Bar, bar_chart};
pub use colour_map::{ColourMap, UnknownColourMap};
pub use confusion_matrix::confusion_matrix;
pub use contact_sheet::contact_sheet;
pub use diagram::{Diagram, DiagramBox, DiagramError, MOST_BOXES, diagram};
pub use dot_chart::{Dot, DotChart, DotKind, dot_charts};
pub use figure::{Heading, figure, with_bar};
pub use heat::heat_picture;
pub use labelled_matrix::{LabelledMatrix, labelled_matrices};
pub use line_chart::{LineChart, Series, line_charts};
pub use overlay::{overlay_colour, overlay_grey};
pub use page::Page;
pub use panel::{Panel, Region};
pub use reliability::{ReliabilityBin, reliability};
pub use scale::{NOT_FINITE, Neutral, Scale};
pub use text::{FontError, add_font, font_warning, without_installed_fonts};
pub use ticks::{Tick, fixed};
