//! `--report`: all that a command found as one HTML file.

use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use clap::{Args, ValueHint};
use dvm::Classifier;
use dvm_web::report::{Head, Kind, Section, Writer};
use dvm_web::view::{Detail, Warning};
use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::report;

/// Where the report goes.
#[derive(Args)]
pub struct ReportOption {
    /// All results as one HTML file, too: it opens in a browser, needs no network and can be mailed
    #[arg(id = "html_report", long = "report", value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
}

/// From so many explained classes on, pictures are JPEGs and maps have 8 bits.
const MANY: usize = 50;

/// A report of more bytes is hard on browsers.
const LARGE: u64 = 400_000_000;

impl ReportOption {
    /// Whether there is to be a report.
    pub fn is_wanted(&self) -> bool {
        self.file.is_some()
    }

    /// Begins the report, if one is wanted, of at most so many explained classes.
    ///
    /// # Errors
    /// If it cannot be written there.
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

    /// Refuses a report in a folder that is replaced as a whole.
    ///
    /// # Errors
    /// If it would be there.
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
                "the report cannot be in {}, a folder that is replaced as a whole: {} (--report)",
                folder.display(),
                file.display()
            ))),
            false => Ok(()),
        }
    }

    /// Finishes the report and gives the line that says where it is.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(&self, writer: Writer, head: &Head) -> Result<String, Failure> {
        let bytes = writer.finish(head)?;
        let size = ByteSize(bytes).display().si();
        if bytes > LARGE {
            report::say(&format!(
                "note: the report has {size}; browsers take long to open so much: explain fewer pictures or classes at \
                 once"
            ));
        }
        let file = self.file.as_deref().unwrap_or(Path::new(""));
        Ok(format!("report: {} ({size})\n", report::shown(file)))
    }
}

/// What all reports say: the command, the network and what is to be known of it.
pub fn head(kind: Kind, title: String, classifier: &Classifier, sections: Vec<Section>) -> Head {
    let warning = |text: String| Warning {
        source: "network".into(),
        text,
    };
    let mut parameters = Map::new();
    parameters.insert("network".into(), classifier.record());
    Head {
        kind,
        title,
        command: command(),
        parameters,
        warnings: classifier.warnings().map(warning).collect(),
        sections,
    }
}

/// Adds parameters, each by its name.
pub fn add(head: &mut Head, parameters: impl IntoIterator<Item = (&'static str, Value)>) {
    let parameters = parameters.into_iter();
    head.parameters
        .extend(parameters.map(|(name, value)| (name.to_owned(), value)));
}

/// The command that was given, for a POSIX shell.
fn command() -> String {
    let words = crate::given().map(|word| quoted(&word));
    let words: Vec<String> = ["dvm".to_owned()].into_iter().chain(words).collect();
    words.join(" ")
}

/// A word that a POSIX shell takes for what it is.
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
    fn a_shell_gets_the_words_that_were_given() {
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
