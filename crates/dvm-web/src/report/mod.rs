//! A report: one HTML file with the results of a command, which needs no other files.
//!
//! The file is the front end's `report.html` with data at its mark: an element for each explained class, and at the
//! end one with everything else. A [`Writer`] writes it while pictures are explained and keeps none of them in
//! memory; [`document`] makes a small report in memory.

mod comparison;
mod evaluation;
mod head;
mod markup;
mod survey;
mod training;
mod writer;

pub use comparison::comparison;
pub use evaluation::{evaluation, predictions, where_it_looks};
pub use head::{Cell, Chart, Column, Failed, Head, Kind, PictureEntry, Section, Table};
pub use survey::{MOST_SHOWN, notable_pictures, survey};
pub use training::training;
pub use writer::{Writer, document};
