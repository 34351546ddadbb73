//! What people and programs read: lines, notes, errors, tables, JSON, progress.

mod escape;
mod progress;
mod table;
mod training;

use std::io::{self, Write};

use dvm::Classifier;
use serde::Serialize;

pub use escape::{escaped, escaped_lines, shown};
pub use progress::Progress;
pub use table::{Align, table, table_of};
pub use training::Watch;

use crate::failure::Failure;
use escape::escaped_json;

use crate::preprocess_options;

/// Prints a line for people who watch. If nobody can read it, the work goes on all the same.
pub fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{}", escaped(line));
}

/// The same for several lines at once, each of which ends with a line break.
pub fn say_lines(lines: &str) {
    let _ = write!(io::stderr(), "{}", escaped_lines(lines));
}

/// Tells what is to be known of a network before it is used.
pub fn warn_about(classifier: &Classifier) {
    for note in classifier.notes() {
        say(&format!("note: {note}"));
    }
    let assumption = classifier.preprocess_assumption();
    for warning in classifier.warnings() {
        let remedy = if assumption.as_ref() == Some(&warning) {
            format!(" ({})", preprocess_options::hint(classifier.assumed()))
        } else if classifier.assumed_output() == Some(&warning) {
            " (--output says what they mean)".into()
        } else if classifier.assumed_part() == Some(&warning) {
            " (choose with --part)".into()
        } else if classifier.assumed_classes() == Some(&warning) {
            " (name them with --classes)".into()
        } else {
            String::new()
        };
        say(&format!("warning: {warning}{remedy}"));
    }
}

/// Tells which characters of the classes' names appear as boxes in pictures, and what to install.
pub fn warn_about_fonts<'a>(classes: impl IntoIterator<Item = &'a str>) {
    if let Some(warning) = dvm::font_warning(classes) {
        say(&format!("warning: {warning}"));
    }
}

/// Prints the result. Names within a line must have been [`escaped`]: a line break in one would
/// pass for the end of the line.
///
/// # Errors
/// What the system says, a closed pipe among it.
pub fn print(text: &str) -> io::Result<()> {
    print_raw(&escaped_lines(text))
}

fn print_raw(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Prints the result as JSON.
pub fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(value).expect("results are plain data");
    text.push('\n');
    Ok(print_raw(&escaped_json(&text))?)
}
