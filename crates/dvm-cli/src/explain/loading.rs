//! Loads pictures before they are explained: skips those already explained, computes checksums, decodes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use dvm::data::formats::Study;
use dvm::{Caption, ClassChoice, Classifier, Input, ResultFolder, Source};
use serde_json::Value;

use super::shard::{Shard, slashed};
use crate::failure::in_words_about;
use crate::images::{Folders, Image};
use crate::manifest::{ClassResult, Earlier, Index, Line};
use crate::picture_options::range_hint;

/// A picture to explain.
pub struct Job {
    image: Image,
    /// Whether its folder has another name than it, because another picture has that name.
    is_renamed: bool,
}

/// The pictures of one shard, or all, with the folders of their results. Folders do not depend on the shard.
pub fn jobs(images: Vec<Image>, shard: Option<Shard>) -> Vec<Job> {
    let mut folders = Folders::of(&images);
    let named = images.into_iter().map(|mut image| {
        let mut is_renamed = false;
        if let Image::Picture { result_folder, .. } = &mut image {
            (*result_folder, is_renamed) = folders.next(result_folder);
        }
        Job { image, is_renamed }
    });
    let is_ours = |job: &Job| match &job.image {
        Image::Picture { result_folder, .. } => {
            shard.is_none_or(|shard| shard.holds(result_folder))
        }
        // Every shard reports a list that cannot be read: each lacks pictures.
        Image::Nothing { .. } => true,
    };
    named.filter(is_ours).collect()
}

impl Job {
    /// The picture.
    pub fn image(&self) -> &Image {
        &self.image
    }
}

/// What is known about a picture besides its pixels.
pub struct About {
    /// Its position among all pictures, from 0.
    pub position: usize,
    /// Its file.
    pub file: PathBuf,
    /// Its name in messages.
    pub title: String,
    /// Its name among all results: its folder.
    pub name: String,
    /// Where its files go.
    pub folder: PathBuf,
    /// The slice, of a file with several.
    pub slice: Option<usize>,
    /// Its number in its file, from 1.
    pub number: usize,
    /// Checksum of the request.
    pub request: String,
    /// Size and time of its file.
    pub stamp: Option<(u64, u64)>,
    /// SHA-256 of its file.
    pub sha256: Option<String>,
    /// Its caption in the figure.
    pub caption: Caption,
    /// Its study, if it is from a DICOM file.
    pub study: Option<Arc<Study>>,
    /// The option that sets the range of its values, if that is doubtful.
    pub hint: Option<String>,
    /// Notes for the user.
    pub notes: Vec<String>,
    /// What the manifest held about it.
    pub earlier: Option<Earlier>,
}

/// Why a picture was not explained.
pub struct Problem {
    /// The message, without the picture's name.
    pub why: String,
    /// Whether it ends the run: no other picture can be computed or saved either.
    pub ends_run: bool,
}

impl Problem {
    /// An error about this file.
    pub fn of(file: &Path, error: &dvm::Error) -> Self {
        Self {
            why: in_words_about(file, error),
            ends_run: error.is_of_disk() || error.is_of_lost_device(),
        }
    }
}

/// A picture ready to be explained, or why it is not.
pub enum Loaded {
    /// A picture to explain.
    Picture {
        about: Box<About>,
        source: Box<Source>,
        input: Box<Input>,
        /// The folder of its files, if any are written.
        results: Option<Box<ResultFolder>>,
    },
    /// Already explained; the manifest lacks these lines.
    Existing(Box<About>, Vec<Line>),
    /// It cannot be explained.
    Failed(Box<About>, Problem),
}

/// Loads pictures, in any thread.
pub struct Loader<'a> {
    pub classifier: &'a Classifier,
    /// The folder of all results.
    pub out: &'a Path,
    /// Checksum of the request.
    pub request: String,
    /// Whether pictures that are already explained are skipped.
    pub skips: bool,
    /// Whether files are written.
    pub has_files: bool,
    /// What the manifest held at the start.
    pub index: &'a Index,
    /// True class of all pictures.
    pub true_class: Option<String>,
}

impl Loader<'_> {
    /// The picture, and the bytes that it takes in memory.
    pub fn load(&self, position: usize, job: &Job) -> (usize, Loaded) {
        let mut about = Box::new(self.about(position, job));
        let source = match &job.image {
            Image::Picture { source, .. } => source,
            Image::Nothing { why, .. } => {
                let why = why.clone();
                let problem = Problem {
                    why,
                    ends_run: false,
                };
                return (0, Loaded::Failed(about, problem));
            }
        };
        if self.skips
            && let Some(lines) = self.existing(&mut about, source)
        {
            return (0, Loaded::Existing(about, lines));
        }
        match self.read(&mut about, source) {
            Ok((input, results)) => {
                let original = input.original();
                let values: usize = input.shape().iter().product();
                let bytes = 3 * original.height() * original.width() + 8 * values;
                let loaded = Loaded::Picture {
                    about,
                    source: Box::new(source.clone()),
                    input: Box::new(input),
                    results: results.map(Box::new),
                };
                (bytes, loaded)
            }
            Err(error) => {
                let problem = Problem::of(&about.file, &error);
                (0, Loaded::Failed(about, problem))
            }
        }
    }

    fn about(&self, position: usize, job: &Job) -> About {
        let file = job.image.path();
        let classes = self.classifier.classes();
        let (name, label, number) = match &job.image {
            Image::Picture {
                source,
                result_folder,
                label,
            } => {
                let number = source.slice().map_or(1, |slice| slice + 1);
                (slashed(result_folder), label.as_deref(), number)
            }
            Image::Nothing { path, .. } => (path.to_string_lossy().into_owned(), None, 1),
        };
        let label = label.map(|label| class_of(label, classes));
        let true_class = self.true_class.as_ref().or(label.as_ref());
        let caption = match true_class {
            Some(class) => Caption::labelled(file, class),
            None => Caption::of_file(file, classes),
        };
        let request = match &label {
            Some(label) => checksum(&format!("{} {label}", self.request)),
            None => self.request.clone(),
        };
        let folder = self.out.join(&name);
        let mut notes = Vec::new();
        if job.is_renamed {
            notes.push(format!(
                "{}: another picture has the same name; the results go to {}",
                file.display(),
                folder.display()
            ));
        }
        About {
            position,
            title: job.image.name(),
            earlier: self.index.get(&name).copied(),
            name,
            folder,
            slice: job.image.slice(),
            number,
            request,
            stamp: match &job.image {
                Image::Picture {
                    source: Source::Bytes { .. },
                    ..
                } => None,
                _ => stamp(file),
            },
            sha256: None,
            caption,
            study: None,
            hint: None,
            notes,
            file: file.to_owned(),
        }
    }

    fn read(
        &self,
        about: &mut About,
        source: &Source,
    ) -> Result<(Input, Option<ResultFolder>), dvm::Error> {
        let picture = source.read(&self.classifier.reading())?;
        let sha256 = match about.sha256.take() {
            Some(sha256) => sha256,
            None => source.sha256()?,
        };
        let results = match self.has_files {
            true => Some(ResultFolder::begin(&about.folder)?),
            false => None,
        };
        let replaces = results.as_ref();
        let replaces = replaces.and_then(|results| results.replaces_other_than(&sha256));
        about.notes.extend(replaces.map(|other| {
            format!(
                "{}: {} holds the explanation of another picture, {other}; it will be replaced",
                about.title,
                about.folder.display()
            )
        }));
        about.sha256 = Some(sha256);
        about.hint = range_hint(&picture);
        about.study = source.study()?.map(Arc::new);
        Ok((self.classifier.prepare(picture)?, results))
    }

    /// The lines that the manifest lacks, if an earlier run made the same results. The picture is the same if its
    /// file has the same size and time, or the same content.
    fn existing(&self, about: &mut About, source: &Source) -> Option<Vec<Line>> {
        if !self.has_files {
            let earlier = about
                .earlier
                .filter(|earlier| earlier.is_of_request(&about.request))?;
            let is_same = about.stamp.is_some_and(|stamp| earlier.is_of_file(stamp))
                || earlier.is_of_picture(sha256(about, source)?);
            return is_same.then(Vec::new);
        }
        let records = records(&about.folder);
        let is_asked_for = |record: &&(String, Value)| record.1["request"] == about.request;
        if records.is_empty() || records.iter().filter(is_asked_for).count() < records.len() {
            return None;
        }
        let image = &records[0].1["image"];
        let is_of_file = about.stamp.is_some_and(|(bytes, modified)| {
            image["bytes"] == bytes && image["modified"] == modified
        });
        if !is_of_file && image["sha256"] != sha256(about, source)? {
            return None;
        }
        let known = image["sha256"].as_str()?;
        let is_listed = |earlier: &Earlier| {
            earlier.is_of_request(&about.request) && earlier.is_of_picture(known)
        };
        if about.earlier.as_ref().is_some_and(is_listed) {
            return Some(Vec::new());
        }
        let line = |(folder, record): &(String, Value)| {
            let folder = match folder.as_str() {
                "" => about.name.clone(),
                class => format!("{}/{class}", about.name),
            };
            Some(Line {
                lines: records.len(),
                sha256: Some(known.to_owned()),
                result: Some(ClassResult::of_record(record, Some(folder))?),
                ..about.line()
            })
        };
        records.iter().map(line).collect()
    }
}

impl About {
    /// A line of the manifest without results.
    pub fn line(&self) -> Line {
        Line {
            sha256: self.sha256.clone(),
            bytes: self.stamp.map(|(bytes, _)| bytes),
            modified: self.stamp.map(|(_, modified)| modified),
            request: Some(self.request.clone()),
            ..Line::of(&self.name, &self.file, self.slice)
        }
    }
}

/// The SHA-256 of the picture's file; computed once.
fn sha256<'a>(about: &'a mut About, source: &Source) -> Option<&'a str> {
    if about.sha256.is_none() {
        about.sha256 = source.sha256().ok();
    }
    about.sha256.as_deref()
}

/// Size and time of a file: nanoseconds since 1970.
fn stamp(file: &Path) -> Option<(u64, u64)> {
    let kind = fs::metadata(file).ok()?;
    let since = kind.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some((kind.len(), u64::try_from(since.as_nanos()).ok()?))
}

/// The records in a folder of results: its own, or those of its classes' folders, by the classes' indices.
fn records(folder: &Path) -> Vec<(String, Value)> {
    let record = |folder: &Path| -> Option<Value> {
        serde_json::from_slice(&fs::read(folder.join("explanation.json")).ok()?).ok()
    };
    if let Some(own) = record(folder) {
        return vec![(String::new(), own)];
    }
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let of_class = entries.filter_map(|entry| {
        let name = entry.file_name().to_str()?.to_owned();
        Some((name, record(&entry.path())?))
    });
    let mut all: Vec<_> = of_class.collect();
    all.sort_by_key(|(_, record)| record["class"]["index"].as_u64());
    all
}

/// The network's name of the class in a table's label column; an unknown label is kept.
fn class_of(label: &str, classes: &[String]) -> String {
    let choice = ClassChoice::Named(label.to_owned());
    match choice.resolve(classes, 0).as_deref() {
        Ok(&[class]) => classes[class].clone(),
        _ => label.to_owned(),
    }
}

/// A short checksum of a request.
pub fn checksum(text: &str) -> String {
    let mut sum = dvm::fetch::sha256_of_bytes(text.as_bytes());
    sum.truncate(16);
    sum
}

#[cfg(test)]
mod tests {
    use std::io;

    use dvm::engine;

    use super::*;

    #[test]
    fn a_lost_device_or_a_full_disk_ends_the_run_and_one_bad_picture_does_not() {
        let save = |kind: io::ErrorKind| dvm::Error::Save {
            path: "out".into(),
            source: kind.into(),
        };
        let device = String::from("a device");
        let lost = engine::Error::Device {
            device: device.clone(),
            detail: "it is gone".into(),
        };
        let full = engine::Error::DeviceMemory {
            device,
            detail: String::new(),
        };
        let problem = |error: dvm::Error| Problem::of(Path::new("photo.jpg"), &error);
        let lost = problem(dvm::Error::Network(lost));
        assert!(lost.ends_run);
        assert!(
            lost.why.ends_with("the same work (--device cpu)"),
            "{}",
            lost.why
        );
        assert!(problem(save(io::ErrorKind::StorageFull)).ends_run);
        assert!(!problem(save(io::ErrorKind::NotFound)).ends_run);
        // Smaller pictures may fit.
        assert!(!problem(dvm::Error::Network(full)).ends_run);
    }
}
