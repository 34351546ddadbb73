//! Measurements as they come, one line for each picture, and how a run that was interrupted goes on.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::FILES;
use super::lines::{Line, Plan};
use crate::Error;

/// The file of measurements in the folder of a comparison: JSON Lines, the plan first, then each picture.
pub const MEASUREMENTS: &str = "measurements.jsonl";

/// What becomes of an earlier comparison in the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// It is kept, and there is no new one. A comparison without a measured picture is replaced all the same.
    Kept,
    /// It is replaced.
    Replaced,
    /// It is resumed; if there is none, a new one begins.
    Resumed,
}

/// Longest line that is read, in bytes: a plan of a million pictures is shorter.
const LONGEST: u64 = 1 << 30;

/// The file of measurements, open to be added to. No other process writes to it meanwhile.
pub(super) struct Journal {
    file: File,
    path: PathBuf,
    measured: usize,
}

impl Journal {
    /// Opens the file, or makes it with the plan as its first line.
    ///
    /// # Errors
    /// [`Error::Occupied`] if a comparison is there that is to be kept, or another process writes to it;
    /// [`Error::Usage`] if it is to be resumed and was made in another way; [`Error::File`] for one that is
    /// damaged; [`Error::Save`].
    pub fn begin(folder: &Path, plan: &Plan, earlier: Earlier) -> Result<Self, Error> {
        let path = folder.join(MEASUREMENTS);
        let failed = |source| Error::Save {
            path: path.clone(),
            source,
        };
        fs::create_dir_all(folder).map_err(|source| Error::Save {
            path: folder.into(),
            source,
        })?;
        let mut open = OpenOptions::new();
        let open = open.create(true).truncate(false).read(true).write(true);
        let mut file = open.open(&path).map_err(failed)?;
        // File systems without locks are let through: a lock is a help, not a promise.
        if let Err(fs::TryLockError::WouldBlock) = file.try_lock() {
            return Err(Error::Occupied {
                path: folder.into(),
                detail: "is the folder of a comparison that is running now".into(),
            });
        }
        if !is_ours(&mut file).map_err(failed)? {
            return Err(Error::Occupied {
                path: folder.into(),
                detail: format!(
                    "holds a file {MEASUREMENTS} that is not of a comparison; move it away, or choose another \
                     folder"
                ),
            });
        }
        let mut reader = Lines::new(&file, &path);
        let header = reader.next_line()?;
        let measured = match (header, earlier) {
            (None, _) | (_, Earlier::Replaced) => None,
            (Some(header), Earlier::Resumed) => {
                check_alike(&header, plan, folder)?;
                Some(reader.pictures(plan)?)
            }
            (Some(_), Earlier::Kept) => match reader.next_line()? {
                None => None,
                Some(_) => {
                    return Err(Error::Occupied {
                        path: folder.into(),
                        detail: "holds a comparison already; resume it, replace it, or choose another folder"
                            .into(),
                    });
                }
            },
        };
        let end = reader.end;
        match measured {
            // A line that was not written to its end is written again.
            Some(_) => file.set_len(end).map_err(failed)?,
            None => {
                for name in FILES {
                    let path = folder.join(name);
                    match fs::remove_file(&path) {
                        Err(source) if source.kind() != io::ErrorKind::NotFound => {
                            return Err(Error::Save { path, source });
                        }
                        _ => {}
                    }
                }
                file.set_len(0).map_err(failed)?;
            }
        }
        file.seek(io::SeekFrom::End(0)).map_err(failed)?;
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

    /// How many pictures are measured.
    pub fn measured(&self) -> usize {
        self.measured
    }

    /// Adds what was measured of the next picture.
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
        written.map_err(|source| Error::Save {
            path: self.path.clone(),
            source,
        })
    }
}

/// The plan and all pictures of a comparison.
///
/// # Errors
/// [`Error::File`] if the file is missing or damaged.
pub(super) fn read(folder: &Path) -> Result<(Plan, Vec<Line>), Error> {
    let path = folder.join(MEASUREMENTS);
    let file = File::open(&path).map_err(|error| damaged(&path, &error))?;
    let mut lines = Lines::new(&file, &path);
    let header = lines.next_line()?;
    let header = header.ok_or_else(|| damaged(&path, &"it is empty"))?;
    let plan: Plan = serde_json::from_str(&header).map_err(|error| damaged(&path, &error))?;
    let mut all = Vec::new();
    while let Some(line) = lines.next_line()? {
        all.push(lines.picture(&line, all.len(), &plan)?);
    }
    Ok((plan, all))
}

fn damaged(path: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::File {
        file: path.into(),
        detail: format!("is not a file of measurements: {why}"),
    }
}

/// How the first line of every comparison begins.
const BEGIN: &[u8] = b"{\"dvm\":\"";

/// Whether a file is empty, or begins as those of comparisons do.
fn is_ours(file: &mut File) -> io::Result<bool> {
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
    /// Lines so far.
    count: usize,
    /// Where the last complete line ends.
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

    /// The next line; none at the end of the file, where the last line is left out if it does not end.
    fn next_line(&mut self) -> Result<Option<String>, Error> {
        let mut bytes = Vec::new();
        let mut bounded = Read::take(&mut self.reader, LONGEST);
        let read = bounded.read_until(b'\n', &mut bytes);
        read.map_err(|error| damaged(self.path, &error))?;
        if bytes.last() != Some(&b'\n') {
            return Ok(None);
        }
        self.end += bytes.len() as u64;
        self.count += 1;
        let line = String::from_utf8(bytes);
        line.map(Some).map_err(|error| self.wrong(&error))
    }

    fn wrong(&self, why: &dyn std::fmt::Display) -> Error {
        damaged(self.path, &format!("line {}: {why}", self.count))
    }

    /// A line as that of this picture.
    fn picture(&self, line: &str, number: usize, plan: &Plan) -> Result<Line, Error> {
        let line: Line = serde_json::from_str(line).map_err(|error| self.wrong(&error))?;
        let metrics = plan.metrics.len();
        let is_whole = line.failed.is_some()
            || line.maps.len() == plan.methods.len()
                && line.maps.iter().zip(&plan.methods).all(|(map, method)| {
                    map.method == method.name
                        && (map.failed.is_some() || map.metrics.len() == metrics)
                });
        if line.picture != number || number >= plan.pictures.len() || !is_whole {
            return Err(self.wrong(&"it is not the line of the next picture"));
        }
        Ok(line)
    }

    /// How many pictures follow.
    fn pictures(&mut self, plan: &Plan) -> Result<usize, Error> {
        let mut number = 0;
        while let Some(line) = self.next_line()? {
            self.picture(&line, number, plan)?;
            number += 1;
        }
        Ok(number)
    }
}

/// Refuses to resume a comparison that was made in another way, and says what differs.
fn check_alike(header: &str, plan: &Plan, folder: &Path) -> Result<(), Error> {
    let there: Value = serde_json::from_str(header)
        .map_err(|error| damaged(&folder.join(MEASUREMENTS), &error))?;
    let text = serde_json::to_string(plan).expect("it is plain data");
    let here: Value = serde_json::from_str(&text).expect("it was just written");
    let names = |plan: &Value, field: &str| {
        let all = plan[field].as_array().into_iter().flatten();
        let names = all.filter_map(|one| one["name"].as_str());
        names.collect::<Vec<_>>().join(",")
    };
    let fields = [
        ("dvm", "the version of the program"),
        ("model", "the network"),
        ("class", "the class that is explained"),
        ("seed", "the seed"),
        ("memory", "the memory"),
        ("incremental", "whether only changed parts are computed"),
        ("regions", "where objects are"),
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
                format!(": {} there, {} now", there[field], here[field])
            }
            "model" => differing(&there[field], &here[field])
                .map_or_else(String::new, |key| format!(" (its {key})")),
            "methods" | "metrics" if names(&there, field) == names(&here, field) => {
                " with their settings".into()
            }
            "methods" | "metrics" => {
                let (there, here) = (names(&there, field), names(&here, field));
                format!(": {there} there, {here} now")
            }
            "pictures" => {
                let count = |plan: &Value| plan[field].as_array().map_or(0, Vec::len);
                format!(": {} there, {} now", count(&there), count(&here))
            }
            _ => String::new(),
        };
        return Err(Error::Usage(format!(
            "{}: the comparison there cannot be resumed by this command: it differs in {what}{detail}",
            folder.display()
        )));
    }
    Ok(())
}

/// The first key under which two objects differ.
fn differing(there: &Value, here: &Value) -> Option<String> {
    let keys = here.as_object()?.keys();
    let mut keys = keys.filter(|key| there[key.as_str()] != here[key.as_str()]);
    keys.next().map(|key| key.replace('_', " "))
}
