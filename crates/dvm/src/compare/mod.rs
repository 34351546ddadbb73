//! Comparing methods on many pictures: which method should I use on my network?
//!
//! A [`Compare`] has the methods, metrics and settings. [`Classifier::compare`] measures them picture by picture
//! and writes each picture at once, so that a run can be resumed. A [`Summary`] has the results over all pictures:
//! means with intervals, ranks, seconds, agreement, and an [`Answer`].
//!
//! Data flows one way: plan → one line for each picture → summary → tables, plots and the answer. The summary is
//! made from the file of lines only, so the result of a resumed run is identical to that of an uninterrupted run.

mod agreement;
mod answer;
mod journal;
mod lines;
mod measure;
mod page;
mod pictures;
mod plan;
mod statistics;
mod summary;
mod tables;
#[cfg(test)]
mod tests;

use std::path::Path;

use dvm_image::{encode_png, write_atomic};
use dvm_render::Page;
use dvm_train::metrics::Bootstrap;

pub use answer::{Answer, FEWEST, HEADLINE, Next};
pub use journal::{Earlier, MEASUREMENTS};
pub use pictures::{Compared, chosen};
pub use plan::{Compare, ExplainedClass, USUAL_METHODS, usual_metrics};
pub use statistics::{Difference, Score};
pub use summary::{MethodSummary, MetricSummary, PictureFailure, Seconds, Similarity, Summary};

use crate::{Classifier, Error};
use journal::Journal;

/// What happens while methods are compared.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The comparison starts.
    Begun {
        /// Pictures of the comparison.
        pictures: usize,
        /// Pictures that the resumed run has already measured.
        measured: usize,
    },
    /// A picture begins.
    Picture {
        /// Its number, from 0.
        number: usize,
        /// Its name.
        name: &'a str,
    },
    /// A map is made and measured.
    Map {
        /// Maps so far, in this run.
        done: usize,
        /// Maps to make in this run.
        all: usize,
    },
    /// A picture is measured and its line is written.
    Measured {
        /// Its number, from 0.
        number: usize,
    },
    /// A picture cannot be used.
    Failed {
        /// Its file.
        file: &'a str,
        /// Why.
        why: &'a str,
    },
    /// A method cannot make a map of the first picture.
    NoMap {
        /// Name of the method.
        method: &'a str,
        /// Why.
        why: &'a str,
    },
}

/// The files of a comparison beside [`MEASUREMENTS`].
pub const FILES: [&str; 5] = [
    "compare.csv",
    "compare.json",
    "compare.png",
    "compare.svg",
    "compare.pdf",
];

impl Classifier {
    /// Compares methods on pictures. Each picture is written into `folder` as soon as it is measured; at the
    /// end dvm writes a table, a summary and a page of plots ([`FILES`]).
    ///
    /// # Errors
    /// [`Error::Usage`] if there are no pictures, a class is unknown, a metric lacks regions, the run to resume
    /// has other settings, or no picture can be measured; [`Error::Occupied`] if the folder contains a comparison
    /// and it is to be kept; [`Error::Save`]. A picture that cannot be used is not an error.
    pub fn compare(
        &self,
        pictures: &[Compared],
        compare: &Compare,
        folder: &Path,
        earlier: Earlier,
        watch: &mut dyn FnMut(Event),
    ) -> Result<Summary, Error> {
        let plan = compare.plan(self, pictures)?;
        let mut journal = Journal::begin(folder, &plan, earlier)?;
        let first = journal.measured();
        watch(Event::Begun {
            pictures: pictures.len(),
            measured: first,
        });
        let each = plan.methods.len();
        let all = each * (pictures.len() - first);
        let mut told = Vec::new();
        for (number, picture) in pictures.iter().enumerate().skip(first) {
            let name = &picture.name();
            watch(Event::Picture { number, name });
            let before = each * (number - first);
            let mut done = |maps| {
                watch(Event::Map {
                    done: before + maps,
                    all,
                });
            };
            let line = compare.measure(self, picture, number, &mut done)?;
            journal.add(&line)?;
            if let Some(why) = &line.failed {
                let file = &line.file;
                watch(Event::Failed { file, why });
            }
            for map in &line.maps {
                if let Some(why) = &map.failed
                    && !told.contains(&map.method)
                {
                    told.push(map.method.clone());
                    let method = &map.method;
                    watch(Event::NoMap { method, why });
                }
            }
            watch(Event::Measured { number });
        }
        let bootstrap = compare.bootstrap();
        finished(folder, &bootstrap)
    }
}

/// Makes the summary of the measurements in a folder, and writes its files.
fn finished(folder: &Path, bootstrap: &Bootstrap) -> Result<Summary, Error> {
    let (plan, lines) = journal::read(folder)?;
    let summary = Summary::new(&plan, &lines, bootstrap)?;
    let page: Page = summary.page();
    let mut json = serde_json::to_string_pretty(&summary).expect("a summary is plain data");
    json.push('\n');
    let contents = [
        tables::long(&plan, &lines).into_bytes(),
        json.into_bytes(),
        encode_png(&page.picture()),
        page.svg().into_bytes(),
        page.pdf(),
    ];
    for (name, bytes) in FILES.iter().zip(contents) {
        let path = folder.join(name);
        write_atomic(&path, &bytes).map_err(Error::save(&path))?;
    }
    Ok(summary)
}
