//! Saves explained pictures: files, printed lines, manifest, report. Runs in another thread while the next pictures
//! are explained.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;

use bytesize::ByteSize;
use dvm::{Classifier, Explanation, Ranked, ResultFolder, Size};
use serde::Serialize;
use serde_json::Value;

use super::checks::{CheckLine, checks_of};
use super::loading::{About, Problem};
use super::reporting::Reporting;
use crate::images;
use crate::manifest::{ClassResult, Line, Manifest};
use crate::preprocess_options;
use crate::report::{self, Progress};

/// Size of results from which a note announces it, in bytes.
const LARGE: u64 = 100_000_000;

/// The progress of a picture. An explained picture sends [`Message::Begin`], then its classes, then
/// [`Message::End`].
pub enum Message {
    /// Its explanation begins; the folder of its files, if any are written.
    Begin(Box<About>, Option<Box<ResultFolder>>),
    /// One class is explained.
    Class(Box<Explanation>),
    /// All classes are explained, or why not.
    End(Result<(), Problem>),
    /// It could not be loaded.
    Failed(Box<About>, Problem),
    /// An earlier run explained it; the manifest lacks these lines.
    Existing(Box<About>, Vec<Line>),
}

/// Messages from the thread that saves to the others.
#[derive(Default)]
pub struct Signals {
    /// Pictures explained and saved.
    pub explained: AtomicUsize,
    /// Pictures that an earlier run explained.
    pub existing: AtomicUsize,
    /// Position of the last picture that could not be saved, plus 1.
    unsaved: AtomicUsize,
    /// Whether nothing more can be computed or saved.
    is_stopped: AtomicBool,
}

impl Signals {
    /// Whether the other classes of the picture at this position are still needed.
    pub fn is_wanted(&self, position: usize) -> bool {
        !self.is_stopped() && self.unsaved.load(Ordering::Relaxed) != position + 1
    }

    /// Whether nothing more can be computed or saved.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    /// The number of pictures done: `explained: 3 of 10`.
    pub fn so_far(&self, all: usize) -> String {
        let explained = self.explained.load(Ordering::Relaxed);
        match self.existing.load(Ordering::Relaxed) {
            0 => format!("explained: {explained} of {all}"),
            existing => {
                format!("explained: {explained} of {all}; skipped: {existing}")
            }
        }
    }
}

/// The result of one class of a picture, or of a picture, as JSON.
#[derive(Serialize)]
#[serde(untagged)]
pub enum JsonResult {
    Explained {
        image: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        slice: Option<usize>,
        #[serde(skip_serializing_if = "Option::is_none")]
        folder: Option<String>,
        class: Ranked,
        top: Vec<Ranked>,
        files: Vec<String>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        checks: Vec<CheckLine>,
        warnings: Vec<String>,
    },
    Existing {
        image: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        slice: Option<usize>,
        #[serde(skip_serializing_if = "Option::is_none")]
        folder: Option<String>,
        existing: bool,
    },
    Failed {
        image: String,
        error: String,
    },
}

/// What to save and to print.
pub struct Saver<'a> {
    pub classifier: &'a Classifier,
    pub progress: &'a Progress,
    pub signals: &'a Signals,
    /// Whether each class gets its own folder.
    pub several_classes: bool,
    pub json: bool,
    pub quiet: bool,
    /// The file that the printed line names, if one is written.
    pub shown: Option<String>,
    /// Whether files are written.
    pub has_files: bool,
    pub manifest: Option<Manifest>,
    pub reporting: Option<Reporting>,
    /// Number of classes and of pictures to explain.
    pub classes: usize,
    pub pictures: usize,
}

/// The state after the last picture.
#[derive(Default)]
pub struct Ended {
    pub manifest: Option<Manifest>,
    pub reporting: Option<Reporting>,
    /// Empty without `--json`: for a million pictures it would take much memory.
    pub results: Vec<JsonResult>,
    /// Whether a picture failed.
    pub has_failed: bool,
    /// Why nothing more can be computed or saved.
    pub stopped: Option<String>,
    /// The first error of printing.
    pub printed: Option<io::Error>,
}

/// The picture being saved.
struct Current {
    about: Box<About>,
    results: Option<Box<ResultFolder>>,
    text: String,
    explained: Vec<JsonResult>,
    lines: Vec<Line>,
    /// Its entries in the report's list.
    entries: Vec<dvm_web::report::PictureEntry>,
    /// Warnings already printed.
    noted: Vec<String>,
    /// Why it cannot be saved.
    problem: Option<Problem>,
}

/// A running [`Saver`].
struct Work<'a> {
    saver: Saver<'a>,
    ended: Ended,
    /// Whether the size of all results was printed.
    is_size_told: bool,
}

impl Saver<'_> {
    /// Saves until no more messages can come.
    pub fn run(mut self, messages: Receiver<Message>) -> Ended {
        let ended = Ended {
            manifest: self.manifest.take(),
            reporting: self.reporting.take(),
            ..Ended::default()
        };
        let mut work = Work {
            saver: self,
            ended,
            is_size_told: false,
        };
        let mut current = None;
        for message in messages {
            // Other threads may send a few more pictures after the one that ends the run.
            if work.ended.stopped.is_none() {
                work.receive(message, &mut current);
            }
        }
        work.ended
    }
}

impl Work<'_> {
    fn receive(&mut self, message: Message, current: &mut Option<Current>) {
        match message {
            Message::Begin(about, results) => {
                about.notes.iter().for_each(|note| self.note(note));
                *current = Some(Current {
                    about,
                    results,
                    text: String::new(),
                    explained: Vec::new(),
                    lines: Vec::new(),
                    entries: Vec::new(),
                    noted: Vec::new(),
                    problem: None,
                });
            }
            Message::Class(explanation) => {
                let current = current.as_mut().expect("a picture was begun");
                if current.problem.is_none()
                    && let Err(problem) = self.class(*explanation, current)
                {
                    let position = current.about.position + 1;
                    self.saver
                        .signals
                        .unsaved
                        .store(position, Ordering::Relaxed);
                    current.problem = Some(problem);
                }
            }
            Message::End(result) => {
                let current = current.take().expect("a picture was begun");
                self.end(current, result);
            }
            Message::Failed(about, problem) => {
                about.notes.iter().for_each(|note| self.note(note));
                self.failed(&about, problem);
            }
            Message::Existing(about, lines) => {
                self.saver.signals.existing.fetch_add(1, Ordering::Relaxed);
                if let Some(reporting) = &mut self.ended.reporting {
                    reporting.existing();
                }
                if !lines.is_empty() {
                    self.list(&about, &lines);
                }
                if self.saver.json {
                    self.ended.results.push(JsonResult::Existing {
                        image: about.file.display().to_string(),
                        slice: about.slice,
                        folder: self
                            .saver
                            .has_files
                            .then(|| about.folder.display().to_string()),
                        existing: true,
                    });
                }
            }
        }
    }

    /// Writes the files of one class.
    fn class(&mut self, explanation: Explanation, current: &mut Current) -> Result<(), Problem> {
        let about = &current.about;
        let explanation = explanation.with_caption(about.caption.clone());
        let class = Ranked {
            index: explanation.class(),
            name: explanation.class_name().to_owned(),
            probability: explanation.probability(),
        };
        let own = self
            .saver
            .several_classes
            .then(|| images::class_folder(class.index, &explanation.title()));
        let (folder, listed) = match &own {
            Some(own) => (about.folder.join(own), format!("{}/{own}", about.name)),
            None => (about.folder.clone(), about.name.clone()),
        };
        let explanation = match &about.study {
            Some(study) => explanation.with_study(study.clone(), about.number),
            None => explanation,
        };
        let mut result = None;
        let mut recorded = None;
        let is_reported = self.ended.reporting.is_some();
        let complete = |record: &mut Value| {
            let image = &mut record["image"];
            image["file"] = about.file.display().to_string().into();
            image["sha256"] = about.sha256.as_deref().into();
            if let Some((bytes, modified)) = about.stamp {
                image["bytes"] = bytes.into();
                image["modified"] = modified.into();
            }
            if let Some(slice) = about.slice {
                image["slice"] = slice.into();
            }
            record["request"] = about.request.as_str().into();
            let listed = self.saver.has_files.then_some(listed);
            result = ClassResult::of_record(record, listed);
            recorded = is_reported.then(|| record.clone());
        };
        let written = match &current.results {
            Some(results) => {
                let written = explanation.write(results, own.as_deref(), complete);
                let written = written.map_err(|error| Problem::of(&about.file, &error))?;
                if !self.is_size_told {
                    self.is_size_told = true;
                    self.note_size(results.written());
                }
                written
            }
            None => {
                complete(&mut explanation.record());
                Vec::new()
            }
        };
        current.lines.push(Line {
            result,
            ..about.line()
        });
        if let (Some(reporting), Some(record)) = (&mut self.ended.reporting, recorded) {
            let entry = reporting.class(&explanation, about, record)?;
            current.entries.push(entry);
        }
        let warnings: Vec<String> = explanation
            .warnings()
            .map(|(method, warning)| format!("{method}: {warning}"))
            .collect();
        self.warn(&explanation, &warnings, about, &mut current.noted);
        let shown = self.saver.shown.as_ref().map(|file| folder.join(file));
        let shown = shown.or_else(|| self.saver.has_files.then(|| folder.clone()));
        current.text += &format!(
            "{}: {} {}{}\n",
            report::escaped(&about.title),
            report::escaped(&explanation.title()),
            explanation.score(),
            shown.map_or_else(String::new, |path| format!(" → {}", report::shown(&path)))
        );
        let (checks, checked) = checks_of(&explanation);
        current.text += &checked;
        if self.saver.json {
            current.explained.push(JsonResult::Explained {
                image: about.file.display().to_string(),
                slice: about.slice,
                files: written.iter().map(|path| name_in(&folder, path)).collect(),
                folder: self.saver.has_files.then(|| folder.display().to_string()),
                class,
                top: explanation.prediction().top(5).to_vec(),
                checks,
                warnings,
            });
        }
        Ok(())
    }

    /// Prints each warning of a picture once.
    fn warn(
        &self,
        explanation: &Explanation,
        warnings: &[String],
        about: &About,
        noted: &mut Vec<String>,
    ) {
        // Warnings about the network were printed when it was loaded; those about the device follow at the end.
        let is_of_picture = |warning: &&String| {
            !warning.starts_with("network: ") && !warning.starts_with("device: ")
        };
        for warning in warnings.iter().filter(is_of_picture) {
            if noted.contains(warning) {
                continue;
            }
            noted.push(warning.clone());
            let of_crop = explanation.crop_warning();
            let is_of_crop = of_crop.is_some_and(|crop| warning.ends_with(crop));
            let preprocess = self.saver.classifier.preprocess();
            let remedy = match is_of_crop {
                true => format!(" ({})", preprocess_options::whole_picture(preprocess)),
                false => String::new(),
            };
            self.note(&format!("{}: {warning}{remedy}", about.title));
            if let (true, Some(hint)) = (warning.starts_with("picture: its "), &about.hint) {
                self.note(&format!("{}: {hint}", about.title));
            }
        }
    }

    /// Gives the folder its final name and prints the lines of the picture.
    fn end(&mut self, current: Current, result: Result<(), Problem>) {
        let Current {
            about,
            results,
            text,
            mut explained,
            mut lines,
            entries,
            problem,
            ..
        } = current;
        let published = match (problem, result) {
            (Some(problem), _) | (None, Err(problem)) => Err(problem),
            (None, Ok(())) => results
                .map_or(Ok(()), |results| results.publish())
                .map_err(|error| Problem::of(&about.file, &error)),
        };
        if let Err(problem) = published {
            return self.failed(&about, problem);
        }
        self.is_size_told = true;
        let count = lines.len();
        lines.iter_mut().for_each(|line| line.lines = count);
        self.saver.signals.explained.fetch_add(1, Ordering::Relaxed);
        self.ended.results.append(&mut explained);
        self.list(&about, &lines);
        if let Some(reporting) = &mut self.ended.reporting
            && let Err(problem) = reporting.picture(&about.title, &entries)
        {
            self.stop(problem.why);
        }
        self.line(&text);
    }

    fn failed(&mut self, about: &About, problem: Problem) {
        let image = about.file.display().to_string();
        if self.saver.json {
            self.ended.results.push(JsonResult::Failed {
                image: image.clone(),
                error: problem.why.clone(),
            });
        }
        if problem.ends_run {
            return self.stop(problem.why);
        }
        self.ended.has_failed = true;
        if let Some(reporting) = &mut self.ended.reporting {
            reporting.failed(about, &problem.why);
        }
        let line = format!("error: {image}: {}", problem.why);
        self.saver.progress.aside(|| report::say(&line));
        let line = Line {
            error: Some(problem.why),
            ..about.line()
        };
        self.list(about, &[line]);
    }

    /// Adds lines to the manifest, if there is one.
    fn list(&mut self, about: &About, lines: &[Line]) {
        let Some(manifest) = &mut self.ended.manifest else {
            return;
        };
        if let Err(error) = manifest.add(lines, about.earlier.as_ref()) {
            let why = format!(
                "cannot write {}: {}",
                manifest.path().display(),
                dvm::system_words(&error)
            );
            self.stop(why);
        }
    }

    fn stop(&mut self, why: String) {
        self.ended.stopped = Some(why);
        self.saver.signals.is_stopped.store(true, Ordering::Relaxed);
    }

    /// Prints the size of all results, estimated from the first class.
    fn note_size(&self, [shared, of_class]: [Size; 2]) {
        let pictures = self.saver.pictures as u64;
        let all = |shared: u64, of_class: u64| {
            let classes = self.saver.classes as u64;
            let of_picture = shared.saturating_add(of_class.saturating_mul(classes));
            of_picture.saturating_mul(pictures)
        };
        let bytes = all(shared.bytes, of_class.bytes);
        if self.saver.several_classes && bytes >= LARGE {
            self.note(&format!(
                "{} classes of {pictures} {} will take about {} in {} files",
                self.saver.classes,
                if pictures == 1 { "picture" } else { "pictures" },
                ByteSize(bytes).display().si(),
                all(shared.files, of_class.files),
            ));
        }
    }

    fn note(&self, note: &str) {
        if !self.saver.quiet {
            let say = || report::say(&format!("note: {note}"));
            self.saver.progress.aside(say);
        }
    }

    /// Prints lines. If they cannot be printed, the work continues and the program fails at its end.
    fn line(&mut self, lines: &str) {
        if !self.saver.quiet
            && !self.saver.json
            && let Err(error) = self.saver.progress.aside(|| report::print(lines))
        {
            self.ended.printed.get_or_insert(error);
        }
    }
}

/// A file's path from its class's folder: a file that classes share is one folder up.
fn name_in(folder: &Path, path: &Path) -> String {
    let name = path.file_name().expect("each is a file").to_string_lossy();
    match path.parent() == Some(folder) {
        true => name.into_owned(),
        false => format!("../{name}"),
    }
}
