//! `--report`: all results of a command in one HTML file.

use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use clap::{Args, ValueHint};
use dvm::Classifier;
use dvm_web::report::{Head, Kind, Section, Writer};
use dvm_web::view::{Detail, Warning};
use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::report;

/// The file of the report.
#[derive(Args)]
pub struct ReportOption {
    /// HTML file with all results, for a browser
    ///
    /// The file is complete: it needs no other files and no connection, so it can be mailed.
    #[arg(help_heading = "Output", id = "html_report", long = "report", value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
}

/// With more explained classes, pictures are JPEGs and maps have 8 bits.
const MANY: usize = 50;

/// Size in bytes above which browsers take long to open a report.
const LARGE: u64 = 400_000_000;

impl ReportOption {
    /// Whether a report is written.
    pub fn is_wanted(&self) -> bool {
        self.file.is_some()
    }

    /// Begins the report, if one is written, of at most `entries` explained classes.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn begin(&self, entries: usize) -> Result<Option<Writer>, Failure> {
        let Some(file) = &self.file else {
            return Ok(None);
        };
        let detail = match entries {
            0..=MANY => Detail::Full,
            _ => Detail::Small,
        };
        Ok(Some(Writer::begin(file, detail)?))
    }

    /// # Errors
    /// If the report is in `folder`, which the command replaces as a whole.
    pub fn refuse_within(&self, folder: &Path) -> Result<(), Failure> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let absolute = |path: &Path| {
            let absolute = std::path::absolute(path).unwrap_or_else(|_| path.into());
            absolute.canonicalize().unwrap_or(absolute)
        };
        let parent = match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        match absolute(parent).starts_with(absolute(folder)) {
            true => Err(Failure::Request(format!(
                "--report: {1} is in {0}, a folder that the command replaces; choose another place for the report",
                folder.display(),
                file.display()
            ))),
            false => Ok(()),
        }
    }

    /// Finishes the report and returns the line that names it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(&self, writer: Writer, head: &Head) -> Result<String, Failure> {
        let bytes = writer.finish(head)?;
        let size = ByteSize(bytes).display().si();
        if bytes > LARGE {
            report::say(&format!(
                "note: the report has {size}, which browsers take long to open; explain fewer pictures or classes at \
                 once"
            ));
        }
        let file = self.file.as_deref().unwrap_or(Path::new(""));
        Ok(format!("report: {} ({size})\n", report::shown(file)))
    }
}

/// The parts of all reports: the command, the network and its warnings.
pub fn head(kind: Kind, title: String, classifier: &Classifier, sections: Vec<Section>) -> Head {
    let mut parameters = Map::new();
    parameters.insert("network".into(), classifier.record());
    let mut head = Head {
        kind,
        title,
        command: command(),
        parameters,
        warnings: Vec::new(),
        sections,
    };
    warn(&mut head, "network", classifier.warnings());
    head
}

/// Adds warnings of this source.
pub fn warn(head: &mut Head, source: &str, warnings: impl IntoIterator<Item = String>) {
    let warning = |text| Warning {
        source: source.into(),
        text,
    };
    head.warnings.extend(warnings.into_iter().map(warning));
}

/// Adds parameters by name.
pub fn add(head: &mut Head, parameters: impl IntoIterator<Item = (&'static str, Value)>) {
    let parameters = parameters.into_iter();
    head.parameters
        .extend(parameters.map(|(name, value)| (name.to_owned(), value)));
}

/// The command line, quoted for a POSIX shell.
fn command() -> String {
    let words = crate::arguments().map(|word| quoted(&word));
    let words: Vec<String> = ["dvm".to_owned()].into_iter().chain(words).collect();
    words.join(" ")
}

/// A word quoted for a POSIX shell.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "@%_+=:,./-".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_reads_back_the_quoted_words() {
        let words = [
            "photo.jpg",
            "my photo.jpg",
            "it's",
            "",
            "$HOME",
            "`ls`",
            "a\nb",
            "~",
            "*",
            "ä",
            "{a,b}",
            "#x",
            "!",
            "\\",
            "--set=lime.samples=500",
        ];
        let line: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        let script = format!("printf '%s\\0' {}", line.join(" "));
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let found: Vec<&str> = text.trim_end_matches('\0').split('\0').collect();
        assert_eq!(found, words);
        assert_eq!(quoted("photos/a.jpg"), "photos/a.jpg");
    }
}
