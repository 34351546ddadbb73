//! The HTML report of explanations, written picture by picture.

use dvm::Explanation;
use dvm_web::report::{Kind, PictureEntry, Section, Writer};
use serde_json::Value;

use super::loading::{About, Problem};
use super::task::Task;
use crate::failure::{Failure, in_words};
use crate::html_report;
use crate::report::pictures;

/// A report that is being written, and counts for its text.
pub struct Reporting {
    writer: Writer,
    /// Pictures explained.
    pictures: usize,
    /// Pictures with a known class, and those of them that the network recognised.
    known: usize,
    right: usize,
    /// Pictures that an earlier run explained.
    existing: usize,
    /// The only picture, if there is just one.
    only: Option<String>,
}

impl Reporting {
    pub fn new(writer: Writer) -> Self {
        Self {
            writer,
            pictures: 0,
            known: 0,
            right: 0,
            existing: 0,
            only: None,
        }
    }

    /// Writes one class of a picture.
    pub fn class(
        &mut self,
        explanation: &Explanation,
        about: &About,
        record: Value,
    ) -> Result<PictureEntry, Problem> {
        let written = self
            .writer
            .explanation(explanation, &name(about), record, None);
        written.map_err(|error| problem(&error))
    }

    /// Lists the classes of a picture, after all of them were written; `title` is its name in messages.
    pub fn picture(&mut self, title: &str, entries: &[PictureEntry]) -> Result<(), Problem> {
        for entry in entries {
            self.writer.list(entry).map_err(|error| problem(&error))?;
        }
        self.pictures += 1;
        let Some(first) = entries.first() else {
            return Ok(());
        };
        self.only = (self.pictures == 1).then(|| title.to_owned());
        if let Some(is_right) = first.right() {
            self.known += 1;
            self.right += usize::from(is_right);
        }
        Ok(())
    }

    /// Counts a picture that an earlier run explained.
    pub fn existing(&mut self) {
        self.existing += 1;
    }

    /// Lists a picture that could not be explained.
    pub fn failed(&mut self, about: &About, why: &str) {
        self.writer.failed(name(about), why);
    }

    /// Writes the rest of the report: the settings in `request`, and the `notes` about pictures. Returns the line
    /// that names the report.
    pub fn finish(self, task: &Task, request: &Value, notes: &[String]) -> Result<String, Failure> {
        let network = task.classifier.name();
        let title = match &self.only {
            Some(name) if self.existing == 0 => format!("{name} by {network}"),
            _ => format!("{} by {network}", pictures(self.pictures)),
        };
        let sections = vec![
            Section::Text {
                title: None,
                paragraphs: self.paragraphs(task, notes),
            },
            Section::Pictures {
                title: None,
                paragraphs: Vec::new(),
                group: None,
            },
        ];
        let mut head = html_report::head(Kind::Explain, title, &task.classifier, sections);
        // What the network's record does not hold.
        let own = [
            "methods",
            "checks",
            "explained",
            "against",
            "unit",
            "incremental",
            "overlay",
            "colours",
        ];
        html_report::add(&mut head, own.map(|name| (name, request[name].clone())));
        html_report::add(&mut head, [("memory", task.memory.into())]);
        task.report.finish(self.writer, &head)
    }

    fn paragraphs(&self, task: &Task, notes: &[String]) -> Vec<String> {
        let mut paragraphs = vec![format!("{} explained.", pictures(self.pictures))];
        if self.known > 0 {
            paragraphs.push(format!(
                "{} with a known class: {} recognised.",
                pictures(self.known),
                self.right
            ));
        }
        if self.existing > 0 {
            paragraphs.push(format!(
                "Not in this report: {} explained by an earlier run.",
                pictures(self.existing)
            ));
        }
        if let Some(shard) = task.shard {
            paragraphs.push(format!(
                "These are the pictures of shard {} of {}.",
                shard.number, shard.of
            ));
        }
        paragraphs.extend(notes.iter().map(|note| format!("Note: {note}")));
        paragraphs
    }
}

/// The picture's name in the report.
fn name(about: &About) -> String {
    let file = about.file.display();
    match about.slice {
        Some(slice) => format!("{file}, slice {slice}"),
        None => file.to_string(),
    }
}

/// An error in the report's file, which stops all work: the file may hold half an element.
fn problem(error: &dvm::Error) -> Problem {
    Problem {
        why: in_words(error),
        ends_run: true,
    }
}
