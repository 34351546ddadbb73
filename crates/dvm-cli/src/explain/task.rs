//! A request, as it is understood.

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
use crate::failure::Failure;
use crate::html_report::ReportOption;
use crate::manifest::{self, Index, Manifest, Trouble};
use crate::report::{self, Progress};

/// What is done with each picture, besides [`Explain`].
pub struct Task {
    pub classifier: Classifier,
    out: PathBuf,
    /// Whether each class gets a folder of its own.
    several_classes: bool,
    pub json: bool,
    pub quiet: bool,
    pub progress: Progress,
    /// The class that all pictures show, if the user says so.
    true_class: Option<String>,
    /// Where the objects of the pictures are.
    pub regions: Option<Arc<Regions>>,
    /// What else decides what results are.
    asked_besides: String,
    /// How many classes are explained, and pictures.
    classes: usize,
    pictures: usize,
    skips: bool,
    pub shard: Option<Shard>,
    pub report: ReportOption,
    /// Bytes that activations may take at once.
    pub memory: usize,
    has_manifest: bool,
    /// Whether the manifest is written as a Parquet file, too.
    pub has_parquet: bool,
}

impl Task {
    /// Turns arguments into what they mean; all that is wrong with the request is found here. `has_many` tells
    /// whether pictures come from a folder or a list.
    pub fn new(
        arguments: Arguments,
        pictures: usize,
        has_many: bool,
    ) -> Result<(Self, Explain), Failure> {
        let (of_methods, of_metrics) = Checks::split(&arguments.method_options.settings);
        let mut explain = Explain::with_settings(&arguments.methods.join(","), &of_methods)?;
        explain.checks = Checks::with_settings(&arguments.checks.join(","), &of_metrics)?;
        let regions = checks::regions(arguments.regions.as_deref(), &explain.checks)?;
        explain.memory = usize::try_from(arguments.memory.as_u64()).unwrap_or(usize::MAX);
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
            let why =
                "--formats none and --manifest none leave nothing to write (but --report does)";
            return Err(Failure::Request(why.into()));
        }
        dvm::check_output(&arguments.out)?;
        arguments.run.start_engine()?;
        let classifier = arguments.model.open(&arguments.run)?;
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
        let asked_besides = format!("{:?} {true_class:?}", arguments.regions);
        let task = Self {
            classifier,
            out: arguments.out,
            several_classes,
            json: arguments.run.json,
            quiet: arguments.quiet,
            progress: Progress::new(pictures, !arguments.quiet),
            true_class,
            regions,
            asked_besides,
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

    /// The manifest, if there is to be one, and what it holds.
    pub fn open_manifest(&self) -> Result<(Option<Manifest>, Index), Failure> {
        if !self.has_manifest {
            return Ok((None, Index::default()));
        }
        let path = self.out.join(manifest::file_name(self.shard));
        match Manifest::open(&path) {
            Ok((manifest, index)) => Ok((Some(manifest), index)),
            Err(Trouble::Disk(error)) => Err(Failure::Request(format!(
                "cannot write {}: {error}",
                path.display()
            ))),
            Err(Trouble::Occupied(why)) => Err(Failure::Request(format!(
                "{}: {why}; choose another folder, or leave the manifest out (--manifest none)",
                path.display()
            ))),
        }
    }

    pub fn loader<'a>(&'a self, explain: &Explain, index: &'a Index) -> Loader<'a> {
        let request = explain.request(&self.classifier);
        Loader {
            classifier: &self.classifier,
            out: &self.out,
            request: checksum(&format!("{request} {}", self.asked_besides)),
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
        // The first figure is the one to look at.
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

    /// The report, if there is to be one, of so many pictures.
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

/// The name of the class that `choice` means; `top` and `all` mean none.
fn true_class(choice: &ClassChoice, classes: &[String]) -> Result<String, Failure> {
    match choice {
        ClassChoice::Top | ClassChoice::Sum(_) | ClassChoice::All => Err(Failure::Request(
            "--true-class wants the name or index of one class".into(),
        )),
        choice => Ok(classes[choice.resolve(classes, 0)?[0]].clone()),
    }
}
