//! The file of measurements, one line for each picture, from which an interrupted run is resumed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::FILES;
use super::lines::{Line, Plan};
use crate::{Error, system_words};

/// The file of measurements in the folder of a comparison: JSON Lines, the plan first, then a line per picture.
pub const MEASUREMENTS: &str = "measurements.jsonl";

/// What to do with an earlier comparison in the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// Keep it and return an error. A comparison without a measured picture is replaced.
    Kept,
    /// Replace it.
    Replaced,
    /// Resume it, or begin a new one if there is none.
    Resumed,
}

/// The longest line that is read, in bytes. A plan of a million pictures is shorter.
const LONGEST: u64 = 1 << 30;

/// The file of measurements, open for appending and locked.
pub(super) struct Journal {
    file: File,
    path: PathBuf,
    measured: usize,
}

impl Journal {
    /// Opens the file, or creates it with the plan as its first line.
    ///
    /// # Errors
    /// [`Error::Occupied`] if there is a comparison to keep, or if another process writes to it;
    /// [`Error::Usage`] if the run to resume has another plan; [`Error::File`] for a damaged file;
    /// [`Error::Save`].
    pub fn begin(folder: &Path, plan: &Plan, earlier: Earlier) -> Result<Self, Error> {
        let path = folder.join(MEASUREMENTS);
        let failed = || Error::save(&path);
        let occupied = |detail: &str| {
            Err(Error::Occupied {
                path: folder.into(),
                detail: detail.into(),
            })
        };
        fs::create_dir_all(folder).map_err(Error::save(folder))?;
        let mut open = OpenOptions::new();
        let open = open.create(true).truncate(false).read(true).write(true);
        let mut file = open.open(&path).map_err(failed())?;
        // Not all file systems have locks, so only a held lock is an error.
        if let Err(fs::TryLockError::WouldBlock) = file.try_lock() {
            return occupied(
                "is used by another comparison that is running; wait for it, or choose another folder",
            );
        }
        if !is_comparison(&mut file).map_err(failed())? {
            return occupied(&format!(
                "contains a file {MEASUREMENTS} that is not a comparison; move it away, or choose another folder"
            ));
        }
        let mut reader = Lines::new(&file, &path);
        let header = reader.next_line()?;
        let measured = match (header, earlier) {
            (None, _) | (_, Earlier::Replaced) => None,
            (Some(header), Earlier::Resumed) => {
                check_same_plan(&header, plan, folder)?;
                Some(reader.pictures(plan)?)
            }
            (Some(_), Earlier::Kept) => match reader.next_line()? {
                None => None,
                Some(_) => {
                    return occupied(
                        "already contains a comparison; resume it, replace it, or choose another folder",
                    );
                }
            },
        };
        let end = reader.end;
        match measured {
            // Removes an incomplete last line.
            Some(_) => file.set_len(end).map_err(failed())?,
            None => {
                for name in FILES {
                    let path = folder.join(name);
                    match fs::remove_file(&path) {
                        Err(error) if error.kind() != io::ErrorKind::NotFound => {
                            return Err(Error::save(path)(error));
                        }
                        _ => {}
                    }
                }
                file.set_len(0).map_err(failed())?;
            }
        }
        file.seek(io::SeekFrom::End(0)).map_err(failed())?;
        let mut journal = Self {
            file,
            path: path.clone(),
            measured: measured.unwrap_or(0),
        };
        if measured.is_none() {
            journal.write(plan)?;
        }
        Ok(journal)
    }

    /// The number of measured pictures.
    pub fn measured(&self) -> usize {
        self.measured
    }

    /// Appends the line of the next picture.
    pub fn add(&mut self, line: &Line) -> Result<(), Error> {
        debug_assert_eq!(line.picture, self.measured);
        self.write(line)?;
        self.measured += 1;
        Ok(())
    }

    fn write(&mut self, line: &impl serde::Serialize) -> Result<(), Error> {
        let mut text = serde_json::to_string(line).expect("it is plain data");
        text.push('\n');
        let written = self.file.write_all(text.as_bytes());
        let written = written.and_then(|()| self.file.flush());
        written.map_err(Error::save(&self.path))
    }
}

/// The plan and all pictures of a comparison.
///
/// # Errors
/// [`Error::File`] if the file is missing or damaged.
pub(super) fn read(folder: &Path) -> Result<(Plan, Vec<Line>), Error> {
    let path = folder.join(MEASUREMENTS);
    let file = File::open(&path).map_err(|error| damaged(&path, &system_words(&error)))?;
    let mut lines = Lines::new(&file, &path);
    let header = lines.next_line()?;
    let header = header.ok_or_else(|| damaged(&path, &"it is empty"))?;
    let plan: Plan = serde_json::from_str(&header).map_err(|error| damaged_plan(&path, &error))?;
    let mut all = Vec::new();
    while let Some(line) = lines.next_line()? {
        all.push(lines.picture(&line, all.len(), &plan)?);
    }
    Ok((plan, all))
}

fn damaged(path: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::File {
        file: path.into(),
        detail: format!(
            "cannot be read as measurements: {why}; replace the comparison, or choose another folder"
        ),
    }
}

fn damaged_plan(path: &Path, error: &serde_json::Error) -> Error {
    let why = format!("line 1 is not valid JSON of a plan ({error})");
    damaged(path, &why)
}

/// The first bytes of every comparison.
const BEGIN: &[u8] = b"{\"dvm\":\"";

/// Whether a file is empty or a comparison.
fn is_comparison(file: &mut File) -> io::Result<bool> {
    let mut first = Vec::new();
    let most = BEGIN.len() as u64;
    Read::take(&mut *file, most).read_to_end(&mut first)?;
    file.rewind()?;
    Ok(BEGIN.starts_with(&first))
}

/// The complete lines of a file.
struct Lines<'a> {
    reader: BufReader<&'a File>,
    path: &'a Path,
    /// The number of lines so far.
    count: usize,
    /// The end of the last complete line, in bytes.
    end: u64,
}

impl<'a> Lines<'a> {
    fn new(file: &'a File, path: &'a Path) -> Self {
        Self {
            reader: BufReader::new(file),
            path,
            count: 0,
            end: 0,
        }
    }

    /// The next line; `None` at the end of the file or before an incomplete line.
    fn next_line(&mut self) -> Result<Option<String>, Error> {
        let mut bytes = Vec::new();
        let mut bounded = Read::take(&mut self.reader, LONGEST);
        let read = bounded.read_until(b'\n', &mut bytes);
        read.map_err(|error| damaged(self.path, &system_words(&error)))?;
        if bytes.last() != Some(&b'\n') {
            return Ok(None);
        }
        self.end += bytes.len() as u64;
        self.count += 1;
        let line = String::from_utf8(bytes);
        line.map(Some)
            .map_err(|_| self.wrong(&"is not text in UTF-8"))
    }

    fn wrong(&self, why: &dyn std::fmt::Display) -> Error {
        damaged(self.path, &format!("line {} {why}", self.count))
    }

    /// Parses the line of this picture.
    fn picture(&self, line: &str, number: usize, plan: &Plan) -> Result<Line, Error> {
        let invalid = |error| self.wrong(&format!("is not valid JSON of a picture ({error})"));
        let line: Line = serde_json::from_str(line).map_err(invalid)?;
        let metrics = plan.metrics.len();
        let is_whole = line.failed.is_some()
            || line.maps.len() == plan.methods.len()
                && line.maps.iter().zip(&plan.methods).all(|(map, method)| {
                    map.method == method.name
                        && (map.failed.is_some() || map.metrics.len() == metrics)
                });
        if line.picture != number || number >= plan.pictures.len() || !is_whole {
            return Err(self.wrong(&"does not fit the plan of the comparison"));
        }
        Ok(line)
    }

    /// The number of pictures that follow.
    fn pictures(&mut self, plan: &Plan) -> Result<usize, Error> {
        let mut number = 0;
        while let Some(line) = self.next_line()? {
            self.picture(&line, number, plan)?;
            number += 1;
        }
        Ok(number)
    }
}

/// Returns an error with the difference if the comparison in the file has another plan.
fn check_same_plan(header: &str, plan: &Plan, folder: &Path) -> Result<(), Error> {
    let there: Value = serde_json::from_str(header)
        .map_err(|error| damaged_plan(&folder.join(MEASUREMENTS), &error))?;
    let text = serde_json::to_string(plan).expect("it is plain data");
    let here: Value = serde_json::from_str(&text).expect("it was just written");
    let names = |plan: &Value, field: &str| {
        let all = plan[field].as_array().into_iter().flatten();
        let names = all.filter_map(|one| one["name"].as_str());
        names.collect::<Vec<_>>().join(",")
    };
    let fields = [
        ("dvm", "the version of dvm"),
        ("model", "the network"),
        ("class", "the explained class"),
        ("seed", "the seed"),
        ("memory", "the memory"),
        ("incremental", "the incremental computation"),
        ("regions", "the boxes or masks"),
        ("methods", "the methods"),
        ("metrics", "the metrics"),
        ("pictures", "the pictures"),
    ];
    for (field, what) in fields {
        if there[field] == here[field] {
            continue;
        }
        let detail = match field {
            "dvm" | "class" | "seed" | "memory" => {
                format!(" from {} to {}", there[field], here[field])
            }
            "model" => differing(&there[field], &here[field])
                .map_or_else(String::new, |key| format!(" ({key})")),
            "methods" | "metrics" if names(&there, field) == names(&here, field) => {
                " in their settings".into()
            }
            "methods" | "metrics" => {
                let (there, here) = (names(&there, field), names(&here, field));
                format!(" from {there} to {here}")
            }
            "pictures" => {
                let count = |plan: &Value| plan[field].as_array().map_or(0, Vec::len);
                format!(" (it has {} pictures, now {})", count(&there), count(&here))
            }
            _ => String::new(),
        };
        return Err(Error::Usage(format!(
            "{}: the comparison cannot be resumed, because {what} changed{detail}; repeat its command, replace it, or choose another folder",
            folder.display()
        )));
    }
    Ok(())
}

/// The first key whose values differ in two objects.
fn differing(there: &Value, here: &Value) -> Option<String> {
    let keys = here.as_object()?.keys().chain(there.as_object()?.keys());
    let mut keys = keys.filter(|key| there[key.as_str()] != here[key.as_str()]);
    keys.next().map(|key| key.replace('_', " "))
}
