//! The arguments of `dvm explain`, checked and resolved.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use dvm::regions::Regions;
use dvm::{Checks, ClassChoice, Classifier, Explain, FileKind};

use super::loading::{Loader, checksum};
use super::reporting::Reporting;
use super::saving::{Saver, Signals};
use super::shard::Shard;
use super::{Arguments, ManifestKind, checks, formats};
use crate::failure::{Failure, cannot_write};
use crate::html_report::ReportOption;
use crate::manifest::{self, Index, Manifest, OpenError};
use crate::report::{self, Progress};

/// Everything for the pictures besides [`Explain`].
pub struct Task {
    pub classifier: Classifier,
    out: PathBuf,
    /// Whether each class gets its own folder.
    several_classes: bool,
    pub json: bool,
    pub quiet: bool,
    pub progress: Progress,
    /// True class of all pictures, if it is given.
    true_class: Option<String>,
    /// Regions of objects in the pictures.
    pub regions: Option<Arc<Regions>>,
    /// Other arguments that the results depend on, for the checksum of the request.
    other_arguments: String,
    /// Number of classes and of pictures to explain.
    classes: usize,
    pictures: usize,
    skips: bool,
    pub shard: Option<Shard>,
    pub report: ReportOption,
    /// Limit of activations in bytes.
    pub memory: usize,
    has_manifest: bool,
    /// Whether the manifest is also written as a Parquet file.
    pub has_parquet: bool,
}

impl Task {
    /// Resolves and checks the arguments. `has_many`: whether pictures come from a folder or a list.
    pub fn new(
        arguments: Arguments,
        pictures: usize,
        has_many: bool,
    ) -> Result<(Self, Explain), Failure> {
        let (of_methods, of_metrics) = Checks::split(&arguments.method_options.settings);
        let mut explain = Explain::with_settings(&arguments.methods.join(","), &of_methods)?;
        explain.checks = Checks::with_settings(&arguments.checks.join(","), &of_metrics)?;
        let regions = checks::regions(arguments.regions.as_deref(), &explain.checks)?;
        explain.memory = arguments.memory.memory;
        explain.incremental = !arguments.no_incremental;
        explain.overlay = arguments.overlay.into();
        explain.colours = arguments.colour_map;
        let many = arguments.many;
        formats::choose(&mut explain, &many.formats, &arguments.figures)?;
        let has_manifest = match many.manifest {
            Some(kind) => kind != ManifestKind::None,
            None => {
                let is_of_many = many.skip_existing || many.shard.is_some();
                let has_nothing_else = explain.files.is_empty() && !arguments.report.is_wanted();
                has_many || is_of_many || has_nothing_else
            }
        };
        if !has_manifest && explain.files.is_empty() && !arguments.report.is_wanted() {
            let why = "--formats none and --manifest none leave nothing to write; leave one of them out, or add --report FILE";
            return Err(Failure::Request(why.into()));
        }
        dvm::check_output(&arguments.out)?;
        let engine = arguments
            .device
            .start_engine(&arguments.run, arguments.quiet)?;
        let classifier = arguments.model.open(&engine)?;
        let classifier = arguments.pictures.apply(classifier);
        let mut classes = BTreeSet::new();
        for class in &arguments.classes {
            classes.extend(class.resolve(classifier.classes(), 0)?);
        }
        let true_class = match &arguments.true_class {
            None => None,
            Some(class) => Some(true_class(class, classifier.classes())?),
        };
        let several_classes =
            arguments.classes.len() > 1 || arguments.classes.contains(&ClassChoice::All);
        explain.classes = arguments.classes;
        explain.unit = arguments.unit;
        if let Some(other) = arguments.against {
            other.resolve(classifier.classes(), 0)?;
            explain.against = Some(other);
        }
        let other_arguments = format!("{:?} {true_class:?}", arguments.regions);
        let task = Self {
            classifier,
            out: arguments.out,
            several_classes,
            json: arguments.run.json,
            quiet: arguments.quiet,
            progress: Progress::new(pictures, !arguments.quiet),
            true_class,
            regions,
            other_arguments,
            classes: classes.len(),
            pictures,
            skips: many.skip_existing,
            shard: many.shard,
            report: arguments.report,
            memory: explain.memory,
            has_manifest,
            has_parquet: many.manifest == Some(ManifestKind::Parquet),
        };
        Ok((task, explain))
    }

    /// The manifest, if one is written, and what it holds.
    pub fn open_manifest(&self) -> Result<(Option<Manifest>, Index), Failure> {
        if !self.has_manifest {
            return Ok((None, Index::default()));
        }
        let path = self.out.join(manifest::file_name(self.shard));
        match Manifest::open(&path) {
            Ok((manifest, index)) => Ok((Some(manifest), index)),
            Err(OpenError::Disk(error)) => Err(cannot_write(&path, &error)),
            Err(OpenError::Occupied(why)) => Err(Failure::Request(format!(
                "{}: {why}; choose another folder with --out, or write no manifest (--manifest none)",
                path.display()
            ))),
        }
    }

    pub fn loader<'a>(&'a self, explain: &Explain, index: &'a Index) -> Loader<'a> {
        let request = explain.request(&self.classifier);
        Loader {
            classifier: &self.classifier,
            out: &self.out,
            request: checksum(&format!("{request} {}", self.other_arguments)),
            skips: self.skips,
            has_files: !explain.files.is_empty(),
            index,
            true_class: self.true_class.clone(),
        }
    }

    pub fn saver<'a>(
        &'a self,
        explain: &Explain,
        signals: &'a Signals,
        manifest: Option<Manifest>,
    ) -> Saver<'a> {
        let has_figure = explain.files.contains(&FileKind::Figure);
        // Printed lines name the first figure.
        let figure = explain.figures.first().filter(|_| has_figure);
        Saver {
            classifier: &self.classifier,
            progress: &self.progress,
            signals,
            several_classes: self.several_classes,
            json: self.json,
            quiet: self.quiet,
            shown: figure.map(|format| format!("figure.{}", format.name())),
            has_files: !explain.files.is_empty(),
            manifest,
            reporting: None,
            classes: self.classes,
            pictures: self.pictures,
        }
    }

    /// The report, if one is written, of this number of pictures.
    pub fn begin_report(&self, pictures: usize) -> Result<Option<Reporting>, Failure> {
        let entries = pictures.saturating_mul(self.classes);
        Ok(self.report.begin(entries)?.map(Reporting::new))
    }

    pub fn note(&self, note: &str) {
        if !self.quiet {
            let say = || report::say(&format!("note: {note}"));
            self.progress.aside(say);
        }
    }
}

/// The name of the class in `--true-class`; `top` and `all` are errors.
fn true_class(choice: &ClassChoice, classes: &[String]) -> Result<String, Failure> {
    match choice {
        ClassChoice::Top | ClassChoice::Sum(_) | ClassChoice::All => Err(Failure::Request(
            "--true-class must be the name or index of one class".into(),
        )),
        choice => Ok(classes[choice.resolve(classes, 0)?[0]].clone()),
    }
}
