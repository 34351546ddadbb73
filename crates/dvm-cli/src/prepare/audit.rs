//! `dvm prepare audit`: checks a data set for problems in training.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use dvm::Reading;
use dvm::data::audit::{self, Finding, Group, Place, Report, Severity};

use crate::failure::{Failure, unless_failed};
use crate::picture_options::PictureOptions;
use crate::report::{self, Align, Progress, escaped, shown, table};

#[derive(Args)]
#[command(about = "Check a data set for problems in training, such as leaks between splits")]
#[command(after_help = "\
Exit status:
  0  no serious problem found
  1  a serious problem found
  2  the command could not be carried out

Example:
  dvm prepare audit scans --group '(patient\\d+)'")]
pub struct Arguments {
    /// Data set: prepared, or a folder with one folder of pictures per class
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    folder: PathBuf,
    /// Regular expression for the group of a picture, such as the patient
    ///
    /// Its one pair of parentheses matches the group in the file name. A group in two splits is a
    /// leak.
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    group: Option<String>,
    /// List all pictures of each finding, not only the first
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    pictures: PictureOptions,
    /// Print the findings as JSON
    #[arg(long, help_heading = "Running")]
    json: bool,
    /// Print serious findings only
    #[arg(long, short, help_heading = "Running")]
    quiet: bool,
}

/// Number of pictures, or sets of pictures, listed for a finding.
const FIRST: usize = 4;

/// Audits a data set and prints the findings.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let progress = Progress::new(1, !arguments.quiet);
    progress.picture(0, &arguments.folder.display().to_string());
    let update = |done, all| progress.update("reading pictures", done, all);
    let reading = Reading {
        limits: arguments.pictures.limits(),
        range: arguments.pictures.range().unwrap_or_default(),
    };
    let group = arguments.group.as_deref();
    let mut report = audit::audit_as(&arguments.folder, group, &reading, &update)?;
    drop(progress);
    let is_serious = |finding: &Finding| finding.severity == Severity::Serious;
    if arguments.quiet {
        report.findings.retain(is_serious);
    }
    if arguments.json {
        report::print_json(&report)?;
    } else if !arguments.quiet || !report.findings.is_empty() {
        let most = if arguments.all { usize::MAX } else { FIRST };
        report::print(&as_text(&report, most))?;
    }
    unless_failed(report.findings.iter().any(is_serious))
}

fn as_text(report: &Report, most: usize) -> String {
    let mut text = format!(
        "{}: {} pictures of {} classes, {}\n",
        shown(&report.folder),
        report.pictures,
        report.classes.len(),
        match report.findings.len() {
            0 => "nothing found".into(),
            1 => "1 finding".to_owned(),
            count => format!("{count} findings"),
        }
    );
    if report.findings.is_empty() {
        return text;
    }
    let rows: Vec<[String; 3]> = report
        .findings
        .iter()
        .map(|f| [f.severity.name().into(), f.kind.into(), f.what.clone()])
        .collect();
    text += "\n";
    text += &table([Align::Left; 3], &rows);
    for finding in &report.findings {
        text += &format!(
            "\n{}: {}\n→ {}\n",
            finding.kind,
            escaped(&finding.what),
            escaped(finding.advice)
        );
        for group in finding.groups.iter().take(most) {
            text += &lines(group, most);
        }
        let more = finding.groups.len().saturating_sub(most);
        if more > 0 {
            text += &format!("  … and {more} more; --all lists them\n");
        }
    }
    text
}

/// A group with one line per picture.
fn lines(group: &Group, most: usize) -> String {
    let detail = match group.detail.as_str() {
        "" => String::new(),
        detail => format!("  ({})", escaped(detail)),
    };
    match group.pictures.as_slice() {
        [one] => format!("  {}{detail}\n", shown(&one.path)),
        several => {
            // The last picture may be in another split than the first ones.
            let mut first: Vec<&Place> = several.iter().take(most).collect();
            if let (Some(last), true) = (several.last(), several.len() > most) {
                first.pop();
                first.push(last);
            }
            let mut text = String::new();
            for (position, place) in first.into_iter().enumerate() {
                let mark = if position == 0 { "-" } else { " " };
                let detail = if position == 0 { detail.as_str() } else { "" };
                text += &format!("  {mark} {}{detail}\n", shown(&place.path));
            }
            if several.len() > most {
                text += &format!("    … {} in all\n", several.len());
            }
            text
        }
    }
}
