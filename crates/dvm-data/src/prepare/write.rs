//! Writing a planned data set completely or not at all.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::prepare::staging::{Staging, is_free};
use crate::prepare::{Content, Plan, Planned, RECORD, Record, Transfer};
use crate::{Error, Split};

/// How a data set is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct WriteOptions {
    /// How pictures are transferred.
    pub transfer: Transfer,
    /// Whether dvm may replace another data set that it prepared.
    pub replace: bool,
}

/// A written data set.
#[derive(Clone, Debug)]
pub struct PreparedDataset {
    /// What dvm did.
    pub outcome: PrepareOutcome,
    /// Its record.
    pub record: Record,
}

/// What [`Plan::write`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrepareOutcome {
    /// It made the data set.
    Made,
    /// It replaced another data set.
    Replaced,
    /// Nothing: the data set existed already.
    AlreadyThere,
}

/// Called with the number of pictures done and of all pictures, from any thread.
pub type Progress<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// As [`Progress`]; an error stops the work.
type Step<'a> = &'a (dyn Fn(usize, usize) -> Result<(), Error> + Sync);

impl Plan {
    /// Writes the data set into the folder `destination`.
    ///
    /// The pictures are written into a hidden folder beside it, `.<name>.part`, which is renamed at the end:
    /// a folder with the final name is always complete. If the same data set exists already, nothing is
    /// written. Files that dvm did not write are never removed.
    ///
    /// # Errors
    /// [`Error::Layout`] if the plan is invalid, or if the folder contains other files, [`Error::Exists`] if
    /// it contains another data set, [`Error::Full`] if the disk is full, [`Error::File`] for a file that
    /// cannot be read or written, and errors of [`Content::Made`]. The unfinished data set is removed.
    pub fn write(
        &self,
        destination: &Path,
        how: &WriteOptions,
        progress: Progress<'_>,
    ) -> Result<PreparedDataset, Error> {
        self.write_unless(&|| false, destination, how, progress)
    }

    /// As [`Plan::write`], and stops when `stops` returns true. It is called after each picture, from any
    /// thread.
    ///
    /// # Errors
    /// As [`Plan::write`], and [`Error::Stopped`]. The unfinished data set is removed.
    pub fn write_unless(
        &self,
        stops: &(dyn Fn() -> bool + Sync),
        destination: &Path,
        how: &WriteOptions,
        progress: Progress<'_>,
    ) -> Result<PreparedDataset, Error> {
        let step = |done, all| {
            progress(done, all);
            match stops() {
                true => Err(Error::Stopped {
                    path: destination.into(),
                }),
                false => Ok(()),
            }
        };
        let step: Step = &step;
        let pictures = self.sorted()?;
        let destination = fs::canonicalize(destination).unwrap_or_else(|_| destination.into());
        self.check_apart(&destination)?;
        Staging::recover(&destination)?;
        let free = is_free(&destination)?;
        if !free {
            let there = self.check_existing(&destination, &pictures, how, step)?;
            if let Some(record) = there {
                return Ok(PreparedDataset {
                    outcome: PrepareOutcome::AlreadyThere,
                    record,
                });
            }
        }
        let staging = Staging::begin(&destination)?;
        let prints = self
            .fill(&staging.folder(), &pictures, how.transfer, step)
            .map_err(|error| full_if_full(error, &destination))?;
        let record = self.record(&pictures, &prints, how.transfer)?;
        let path = staging.folder().join(RECORD);
        dvm_image::write_atomic(&path, &record.bytes())
            .map_err(|error| full_if_full(Error::file(path)(error), &destination))?;
        staging.publish(!free)?;
        Ok(PreparedDataset {
            outcome: if free {
                PrepareOutcome::Made
            } else {
                PrepareOutcome::Replaced
            },
            record,
        })
    }

    /// Refuses a destination within the source: the data set would be part of the source in the next run.
    fn check_apart(&self, destination: &Path) -> Result<(), Error> {
        let Ok(source) = fs::canonicalize(&self.source) else {
            return Ok(());
        };
        let whole = std::path::absolute(destination).map_err(Error::file(destination))?;
        // The existing part of the destination's path.
        let real = whole
            .ancestors()
            .find_map(|path| fs::canonicalize(path).ok());
        if source.is_dir() && real.is_some_and(|real| real.starts_with(&source)) {
            return Err(Error::Layout {
                path: destination.into(),
                detail: format!(
                    "is within the source {}; choose a folder outside it",
                    self.source.display()
                ),
            });
        }
        Ok(())
    }

    /// Checks a folder that is not empty: returns its record if it is this data set, none if it may be
    /// replaced, else an error.
    fn check_existing(
        &self,
        destination: &Path,
        pictures: &[&Planned],
        how: &WriteOptions,
        step: Step<'_>,
    ) -> Result<Option<Record>, Error> {
        let fail = |detail: String| {
            Err(Error::Layout {
                path: destination.into(),
                detail,
            })
        };
        let Some(record) = Record::read(destination)? else {
            return fail(
                "contains files that dvm did not write; choose another folder or empty this one"
                    .into(),
            );
        };
        let prints = each(pictures, step, |picture| picture.fingerprint())?;
        let planned = self.record(pictures, &prints, how.transfer)?;
        let same = record.transfer == planned.transfer
            && record.sha256 == planned.sha256
            && record.splits == planned.splits;
        let foreign = foreign_file(destination, &record)?;
        let missing = missing(destination, &record);
        if same
            && foreign.is_none()
            && missing.is_none()
            && !is_cut(destination, pictures, &prints, &record)
        {
            return Ok(Some(record));
        }
        if let Some(foreign) = foreign {
            return fail(format!(
                "contains {}, which dvm did not write, so dvm does not replace the folder; move that file \
                 away, or choose another folder",
                foreign.display()
            ));
        }
        if how.replace {
            return Ok(None);
        }
        if same {
            let example = missing.map_or(String::new(), |m| format!(" ({})", m.display()));
            return Err(Error::Exists {
                path: destination.into(),
                detail: format!(
                    "is the same data set, but pictures have been removed or changed since it was \
                     prepared{example}"
                ),
            });
        }
        let settings = record.settings.iter().map(|(k, v)| format!("{k} {v}"));
        let settings: Vec<String> = settings.collect();
        Err(Error::Exists {
            path: destination.into(),
            detail: format!(
                "contains another data set, of the corpus `{}` ({}) with {} pictures",
                record.corpus,
                settings.join(", "),
                record.pictures(),
            ),
        })
    }

    /// Writes all pictures below `folder`.
    fn fill(
        &self,
        folder: &Path,
        pictures: &[&Planned],
        transfer: Transfer,
        step: Step<'_>,
    ) -> Result<Vec<Fingerprint>, Error> {
        if transfer == Transfer::Manifest {
            if let Some(made) = pictures.iter().find(|p| p.origin_file().is_none()) {
                return Err(Error::Layout {
                    path: self.source.clone(),
                    detail: format!(
                        "pictures such as {} are made while the data set is written, so a manifest cannot list \
                         them; copy them instead",
                        made.name
                    ),
                });
            }
            return each(pictures, step, |picture| picture.fingerprint());
        }
        for picture in pictures {
            let folder = picture.folder(folder);
            fs::create_dir_all(&folder).map_err(Error::file(folder))?;
        }
        each(pictures, step, |picture| {
            let path = picture.folder(folder).join(&picture.name);
            match (&picture.content, transfer) {
                (Content::File(from), Transfer::Hard) => link(from, &path),
                (Content::File(from), _) => copy(from, Some(&path)),
                (Content::Made(make), _) => {
                    let bytes = make()?;
                    put(&path, &bytes)?;
                    Ok(Fingerprint::of(&bytes))
                }
            }
        })
    }

    fn record(
        &self,
        pictures: &[&Planned],
        prints: &[Fingerprint],
        transfer: Transfer,
    ) -> Result<Record, Error> {
        let mut whole = Sha256::new();
        let mut splits: BTreeMap<Split, BTreeMap<String, Vec<String>>> = BTreeMap::new();
        for (picture, print) in pictures.iter().zip(prints) {
            // No name contains a zero byte, so different lists of names have different bytes.
            let place = [picture.split.name(), &picture.class, &picture.name, ""];
            whole.update(place.join("\0"));
            whole.update(print.sha256);
            let name = match (transfer, &picture.content) {
                (Transfer::Manifest, Content::File(path)) => absolute(path)?,
                _ => picture.name.clone(),
            };
            let classes = splits.entry(picture.split).or_default();
            classes.entry(picture.class.clone()).or_default().push(name);
        }
        let mut record = Record::new(self.corpus, transfer, hexadecimal(&whole.finalize()));
        record.settings = self.settings.clone();
        record.left_out = self.left_out.clone();
        record.classes = splits[&Split::Train].keys().cloned().collect();
        record.splits = splits;
        Ok(record)
    }
}

impl Planned {
    fn folder(&self, base: &Path) -> PathBuf {
        base.join(self.split.name()).join(&self.class)
    }

    fn origin_file(&self) -> Option<&Path> {
        match &self.content {
            Content::File(path) => Some(path),
            Content::Made(_) => None,
        }
    }

    fn fingerprint(&self) -> Result<Fingerprint, Error> {
        match &self.content {
            Content::File(path) => copy(path, None),
            Content::Made(make) => Ok(Fingerprint::of(&make()?)),
        }
    }
}

/// Checksum and length of a picture's bytes.
struct Fingerprint {
    sha256: [u8; 32],
    length: u64,
}

impl Fingerprint {
    fn of(bytes: &[u8]) -> Self {
        Self {
            sha256: Sha256::digest(bytes).into(),
            length: bytes.len() as u64,
        }
    }
}

/// Calls `work` for every picture, in parallel. The results are in the order of the pictures.
fn each<T: Send>(
    pictures: &[&Planned],
    step: Step<'_>,
    work: impl Fn(&Planned) -> Result<T, Error> + Sync,
) -> Result<Vec<T>, Error> {
    let done = AtomicUsize::new(0);
    let one = |picture: &&Planned| {
        let result = work(picture)?;
        step(done.fetch_add(1, Ordering::Relaxed) + 1, pictures.len())?;
        Ok(result)
    };
    pictures.par_iter().map(one).collect()
}

/// Reads a file and, if `to` is given, copies it.
fn copy(from: &Path, to: Option<&Path>) -> Result<Fingerprint, Error> {
    let read = Error::file(from);
    // Reading a named pipe would block for ever.
    match fs::metadata(from) {
        Ok(kind) if !kind.is_file() => return Err(read(std::io::Error::other("it is not a file"))),
        Ok(_) => {}
        Err(error) => return Err(read(error)),
    }
    let mut source = File::open(from).map_err(Error::file(from))?;
    let mut target = to
        .map(|to| File::create_new(to).map_err(Error::file(to)))
        .transpose()?;
    let written = || Error::file(to.unwrap_or(from));
    let (mut hash, mut length) = (Sha256::new(), 0);
    let mut chunk = vec![0; 1 << 16];
    loop {
        let count = match source.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(Error::file(from)(error)),
        };
        hash.update(&chunk[..count]);
        length += count as u64;
        if let Some(target) = &mut target {
            target.write_all(&chunk[..count]).map_err(written())?;
        }
    }
    if let Some(target) = target {
        target.sync_all().map_err(written())?;
    }
    Ok(Fingerprint {
        sha256: hash.finalize().into(),
        length,
    })
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    File::create_new(path)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .map_err(Error::file(path))
}

fn link(from: &Path, to: &Path) -> Result<Fingerprint, Error> {
    // A hard link to a relative symbolic link would point to another place.
    let real = fs::canonicalize(from).map_err(Error::file(from))?;
    let print = copy(&real, None)?;
    fs::hard_link(&real, to).map_err(|error| match error.kind() {
        ErrorKind::CrossesDevices | ErrorKind::Unsupported | ErrorKind::PermissionDenied => {
            Error::Layout {
                path: from.into(),
                detail: format!(
                    "cannot be hard-linked ({error}): source and destination must be on the same disk, and \
                     the files must be yours; copy them, or write a manifest"
                ),
            }
        }
        _ => Error::file(to)(error),
    })?;
    Ok(print)
}

fn absolute(path: &Path) -> Result<String, Error> {
    let real = fs::canonicalize(path).map_err(Error::file(path))?;
    real.into_os_string()
        .into_string()
        .map_err(|path| Error::Layout {
            path: path.into(),
            detail:
                "has a name that is not UTF-8, so a manifest cannot list it; copy or hard-link it"
                    .into(),
        })
}

fn full_if_full(error: Error, destination: &Path) -> Error {
    match error {
        Error::File { source, .. }
            if matches!(
                source.kind(),
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded
            ) =>
        {
            Error::Full {
                path: destination.into(),
            }
        }
        error => error,
    }
}

/// Files that operating systems write into folders.
const SYSTEM_FILES: [&str; 3] = [".DS_Store", "Thumbs.db", "desktop.ini"];

/// A file in the folder that its record does not list.
fn foreign_file(folder: &Path, record: &Record) -> Result<Option<PathBuf>, Error> {
    let mut known: HashSet<PathBuf> = HashSet::from([folder.join(RECORD)]);
    let mut folders = vec![folder.to_owned()];
    if record.transfer != Transfer::Manifest {
        for (split, classes) in &record.splits {
            folders.push(folder.join(split.name()));
            for class in classes.keys() {
                folders.push(folder.join(split.name()).join(class));
                known.extend(record.paths(folder, *split, class));
            }
        }
    }
    let within: HashSet<PathBuf> = folders.iter().cloned().collect();
    for folder in folders {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let entry = entry.map_err(Error::file(&folder))?;
            let path = entry.path();
            let is_system = SYSTEM_FILES.iter().any(|name| entry.file_name() == *name);
            if !is_system && !known.contains(&path) && !within.contains(&path) {
                return Ok(Some(path));
            }
        }
    }
    Ok(None)
}

/// A picture that the record lists, but that does not exist.
fn missing(folder: &Path, record: &Record) -> Option<PathBuf> {
    let mut lists = record.splits.iter();
    lists.find_map(|(split, classes)| {
        let mut paths = classes
            .keys()
            .flat_map(|class| record.paths(folder, *split, class));
        paths.find(|path| !path.is_file())
    })
}

/// Whether a file of the folder has a wrong length.
fn is_cut(folder: &Path, pictures: &[&Planned], prints: &[Fingerprint], record: &Record) -> bool {
    record.transfer != Transfer::Manifest
        && pictures.iter().zip(prints).any(|(picture, print)| {
            let path = picture.folder(folder).join(&picture.name);
            fs::metadata(path).map_or(true, |file| file.len() != print.length)
        })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
