//! The output: lines, notes, errors, tables, JSON, progress.

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

/// Prints a line on standard error. Errors of printing are ignored.
pub fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{}", escaped(line));
}

/// Prints several lines, each with a line break at its end, on standard error.
pub fn say_lines(lines: &str) {
    let _ = write!(io::stderr(), "{}", escaped_lines(lines));
}

/// Prints the notes and warnings about a network, with the options that settle them.
pub fn warn_about(classifier: &Classifier) {
    for note in classifier.notes() {
        say(&format!("note: {note}"));
    }
    let assumption = classifier.preprocess_assumption();
    for warning in classifier.warnings() {
        let remedy = if assumption.as_ref() == Some(&warning) {
            format!(" ({})", preprocess_options::hint(classifier.assumed()))
        } else if classifier.assumed_output() == Some(&warning) {
            " (--output sets their meaning)".into()
        } else if classifier.assumed_part() == Some(&warning) {
            " (choose one with --part)".into()
        } else if classifier.assumed_classes() == Some(&warning) {
            " (name them with --classes)".into()
        } else {
            String::new()
        };
        say(&format!("warning: {warning}{remedy}"));
    }
}

/// Prints what the CPU computed because the network's device cannot, unless it is `quiet`.
pub fn say_left_to_cpu(classifier: &Classifier, quiet: bool) {
    if let Some(warning) = classifier.left_to_cpu().filter(|_| !quiet) {
        say(&format!("note: {warning}"));
    }
}

/// Warns of characters in class names that no font has, with the fonts to install.
pub fn warn_about_fonts<'a>(classes: impl IntoIterator<Item = &'a str>) {
    if let Some(warning) = dvm::font_warning(classes) {
        say(&format!("warning: {warning}"));
    }
}

/// A number of pictures in words: `1 picture`.
pub fn pictures(count: usize) -> String {
    match count {
        1 => "1 picture".into(),
        count => format!("{count} pictures"),
    }
}

/// Prints the result on standard output. Names in it must be [`escaped`], because line breaks are kept.
///
/// # Errors
/// If writing fails, also because of a closed pipe.
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
