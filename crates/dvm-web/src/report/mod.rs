//! A report: one HTML file that shows what a command found, and needs nothing else.
//!
//! The file is the front end's `report.html` with data in the place of its mark: an element for each explained
//! class, and at the end one with everything else. A [`Writer`] writes it while pictures are explained and holds
//! none of them; [`document`] makes a small one in memory.

mod comparison;
mod evaluation;
mod head;
mod markup;
mod survey;
mod training;
mod writer;

pub use comparison::comparison;
pub use evaluation::{answered, evaluation, where_it_looks};
pub use head::{Cell, Chart, Column, Entry, Failed, Head, Kind, Section, Table};
pub use survey::{MOST_SHOWN, standing_out, survey};
pub use training::training;
pub use writer::{Writer, document};
