//! The HTML report of explanations, which grows while they are saved.

use dvm::Explanation;
use dvm_web::report::{Entry, Kind, Section, Writer};
use serde_json::Value;

use super::loading::{About, Problem};
use super::task::Task;
use crate::failure::{Failure, in_words};
use crate::html_report;

/// A report that is being written, and what it will say of all pictures.
pub struct Reporting {
    writer: Writer,
    /// Pictures that were explained.
    pictures: usize,
    /// Those of them whose class is known, and those that were recognised.
    known: usize,
    right: usize,
    /// Pictures that an earlier run had explained.
    existing: usize,
    /// The only picture, if there is no other.
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
    ) -> Result<Entry, Problem> {
        let written = self
            .writer
            .explanation(explanation, &name(about), record, None);
        written.map_err(|error| problem(&error))
    }

    /// Lists the classes of a picture, all of which are written and saved; `title` is its name for people.
    pub fn picture(&mut self, title: &str, entries: &[Entry]) -> Result<(), Problem> {
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

    /// A picture that an earlier run had explained.
    pub fn existing(&mut self) {
        self.existing += 1;
    }

    /// A picture that could not be explained.
    pub fn failed(&mut self, about: &About, why: &str) {
        self.writer.failed(name(about), why);
    }

    /// Writes all else: `request` is what decides the results, `notes` what people were told of the pictures. The
    /// line that says where the report is.
    pub fn finish(self, task: &Task, request: &Value, notes: &[String]) -> Result<String, Failure> {
        let network = task.classifier.name();
        let title = match &self.only {
            Some(name) if self.existing == 0 => format!("{name} by {network}"),
            _ => format!("{} by {network}", counted(self.pictures)),
        };
        let sections = vec![
            Section::Text {
                title: None,
                paragraphs: self.words(task, notes),
            },
            Section::Pictures {
                title: None,
                paragraphs: Vec::new(),
                group: None,
            },
        ];
        let mut head = html_report::head(Kind::Explain, title, &task.classifier, sections);
        // What the network's record does not say already.
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

    fn words(&self, task: &Task, notes: &[String]) -> Vec<String> {
        let mut words = vec![format!("{} explained.", counted(self.pictures))];
        if self.known > 0 {
            words.push(format!(
                "The class of {} is known: {} recognised.",
                counted(self.known),
                self.right
            ));
        }
        if self.existing > 0 {
            words.push(format!(
                "Not in this report: {}, which an earlier run had explained.",
                counted(self.existing)
            ));
        }
        if let Some(shard) = task.shard {
            words.push(format!(
                "These are the pictures of part {} of {}.",
                shard.number, shard.of
            ));
        }
        words.extend(notes.iter().map(|note| format!("Note: {note}")));
        words
    }
}

fn counted(pictures: usize) -> String {
    match pictures {
        1 => "1 picture".into(),
        count => format!("{count} pictures"),
    }
}

/// The picture as the report names it.
fn name(about: &About) -> String {
    let file = about.file.display();
    match about.slice {
        Some(slice) => format!("{file}, slice {slice}"),
        None => file.to_string(),
    }
}

/// An error of the report's file, which ends the work: half of an element may be in it.
fn problem(error: &dvm::Error) -> Problem {
    Problem {
        why: in_words(error),
        is_of_disk: true,
    }
}
