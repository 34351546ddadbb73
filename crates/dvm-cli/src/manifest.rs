//! The manifest of many pictures: a file of JSON Lines in the folder of results, with one line for each class of each
//! picture.
//!
//! The lines of a picture are added together, after its files are written. Lines that a later run replaces stay until
//! that run ends: of several lines with one `name`, the last ones count.

mod line;
mod parquet;

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

pub use line::{ClassResult, Line, Map};

use crate::explain::Shard;

/// Longest line, in bytes.
const LONGEST: u64 = 64 << 20;

/// The manifest of a shard, or of all pictures.
pub fn file_name(shard: Option<Shard>) -> String {
    match shard {
        None => "manifest.jsonl".into(),
        Some(Shard { number, of }) => format!("manifest-{number:05}-of-{of:05}.jsonl"),
    }
}

/// The manifests in a folder of results, sorted.
///
/// # Errors
/// If the folder cannot be read.
pub fn all_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name == file_name(None) || name.starts_with("manifest-") && name.ends_with(".jsonl") {
            all.push(entry.path());
        }
    }
    all.sort();
    Ok(all)
}

/// What a manifest held about a picture when it was opened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Earlier {
    /// Start of its lines in the file.
    offset: u64,
    /// Checksums of the request and of the picture; zero if there are none.
    request: u64,
    sha256: u64,
    /// Size and time of the picture's file.
    bytes: Option<u64>,
    modified: Option<u64>,
    /// Whether it was explained.
    is_done: bool,
}

impl Earlier {
    fn of(line: &Line, offset: u64) -> Self {
        let sum = |text: &Option<String>| text.as_ref().map_or(0, |text| checksum(text));
        Self {
            offset,
            request: sum(&line.request),
            sha256: sum(&line.sha256),
            bytes: line.bytes,
            modified: line.modified,
            is_done: line.error.is_none(),
        }
    }

    /// Whether the picture was explained by this request.
    pub fn is_of_request(&self, request: &str) -> bool {
        self.is_done && self.request == checksum(request)
    }

    /// Whether the picture's file had this size and time.
    pub fn is_of_file(&self, (bytes, modified): (u64, u64)) -> bool {
        self.bytes == Some(bytes) && self.modified == Some(modified)
    }

    /// Whether the picture had this SHA-256.
    pub fn is_of_picture(&self, sha256: &str) -> bool {
        self.sha256 == checksum(sha256)
    }
}

fn checksum(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// The pictures of a manifest when it was opened, by the checksums of their names.
#[derive(Debug, Default)]
pub struct Index(HashMap<u64, Earlier>);

impl Index {
    /// The picture of this name.
    pub fn get(&self, name: &str) -> Option<&Earlier> {
        self.0.get(&checksum(name))
    }
}

/// An open manifest, locked against other processes.
pub struct Manifest {
    file: File,
    path: PathBuf,
    /// Starts of the lines that this run replaced.
    replaced: Vec<u64>,
    /// Starts of the lines that earlier runs replaced.
    replaced_before: Vec<u64>,
}

/// Why a manifest cannot be opened.
#[derive(Debug)]
pub enum OpenError {
    /// It cannot be written.
    Disk(io::Error),
    /// Another process writes it, or it is not a manifest.
    Occupied(String),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

impl Manifest {
    /// Opens or creates a manifest, and returns the pictures in it. Removes a half-written line of a killed process,
    /// with the other lines of that picture.
    pub fn open(path: &Path) -> Result<(Self, Index), OpenError> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut open = OpenOptions::new();
        let open = open.create(true).truncate(false).read(true).write(true);
        let mut file = open.open(path)?;
        // File systems without locks are accepted.
        if let Err(fs::TryLockError::WouldBlock) = file.try_lock() {
            return Err(OpenError::Occupied("another run writes it now".into()));
        }
        let mut index = HashMap::new();
        let mut replaced_before = Vec::new();
        let mut lines = Lines::new(&file);
        let mut whole = 0;
        while let Some(group) = lines.next_picture().map_err(OpenError::Occupied)? {
            let picture = Earlier::of(&group.lines[0], group.offset);
            if let Some(before) = index.insert(checksum(&group.lines[0].name), picture) {
                replaced_before.push(before.offset);
            }
            whole = group.end;
        }
        file.set_len(whole)?;
        file.seek(SeekFrom::End(0))?;
        let path = path.to_owned();
        let manifest = Self {
            file,
            path,
            replaced: Vec::new(),
            replaced_before,
        };
        Ok((manifest, Index(index)))
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds the lines of a picture, which replace its `earlier` lines.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn add(&mut self, lines: &[Line], earlier: Option<&Earlier>) -> io::Result<()> {
        let mut text = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut text, line).expect("it is plain data");
            text.push(b'\n');
        }
        self.file.write_all(&text)?;
        self.replaced.extend(earlier.map(|earlier| earlier.offset));
        Ok(())
    }

    /// Removes replaced lines.
    ///
    /// # Errors
    /// If the file cannot be written; then it keeps all lines.
    pub fn close(mut self) -> io::Result<()> {
        self.replaced.append(&mut self.replaced_before);
        if self.replaced.is_empty() {
            return self.file.sync_all();
        }
        self.replaced.sort_unstable();
        let wrong = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let mut new = BufWriter::new(unfinished().tempfile_in(folder)?);
        let mut lines = Lines::new(&self.file);
        while let Some(group) = lines.next_picture().map_err(wrong)? {
            if self.replaced.binary_search(&group.offset).is_err() {
                new.write_all(&group.text)?;
            }
        }
        let new = new.into_inner().map_err(io::IntoInnerError::into_error)?;
        new.as_file().sync_all()?;
        new.persist(&self.path).map_err(|error| error.error)?;
        Ok(())
    }
}

/// The lines of one picture.
pub struct Group {
    /// One line for each class.
    pub lines: Vec<Line>,
    text: Vec<u8>,
    offset: u64,
    end: u64,
}

/// The lines of a manifest, picture by picture.
pub struct Lines<'a> {
    reader: BufReader<&'a File>,
    count: usize,
    /// End of the lines of the last picture.
    end: u64,
}

impl<'a> Lines<'a> {
    /// The lines of a file, from its beginning.
    pub fn new(mut file: &'a File) -> Self {
        // If this fails, so does the first read.
        let _ = file.rewind();
        Self {
            reader: BufReader::with_capacity(1 << 16, file),
            count: 0,
            end: 0,
        }
    }

    /// The next picture; none at the end. Incomplete lines at the end are ignored.
    ///
    /// # Errors
    /// What is wrong with a line.
    pub fn next_picture(&mut self) -> Result<Option<Group>, String> {
        let mut group = Group {
            lines: Vec::new(),
            text: Vec::new(),
            offset: self.end,
            end: self.end,
        };
        loop {
            let mut bytes = Vec::new();
            let mut bounded = Read::take(&mut self.reader, LONGEST);
            let read = bounded.read_until(b'\n', &mut bytes);
            read.map_err(|error| format!("cannot be read: {}", dvm::system_words(&error)))?;
            if bytes.last() != Some(&b'\n') {
                return Ok(None);
            }
            self.count += 1;
            let line: Line = serde_json::from_slice(&bytes)
                .map_err(|_| format!("line {} is not a line of a manifest", self.count))?;
            if line.lines == 0
                || group
                    .lines
                    .first()
                    .is_some_and(|first| first.name != line.name)
            {
                return Err(format!(
                    "line {} does not belong to the picture of the line before",
                    self.count
                ));
            }
            group.end += bytes.len() as u64;
            group.text.append(&mut bytes);
            let all = line.lines;
            group.lines.push(line);
            if group.lines.len() == all {
                self.end = group.end;
                return Ok(Some(group));
            }
        }
    }
}

/// Calls `with` once for each picture in the manifests of a folder, with its lines, in the order of the files. If
/// several manifests have a picture, the newest counts.
///
/// # Errors
/// The file and what is wrong with it.
pub fn each_picture(
    manifests: &[PathBuf],
    mut with: impl FnMut(&Path, Vec<Line>) -> Result<(), String>,
) -> Result<(), String> {
    let of = |path: &Path, why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let mut files = Vec::new();
    for path in manifests {
        let open = || {
            let file = File::open(path)?;
            Ok((file.metadata()?.modified()?, path, file))
        };
        files.push(open().map_err(|error| of(path, &dvm::system_words(&error)))?);
    }
    files.sort_by(|one, other| (one.0, one.1).cmp(&(other.0, other.1)));
    let mut last: HashMap<u64, (usize, u64)> = HashMap::new();
    for (number, (_, path, file)) in files.iter().enumerate() {
        let mut lines = Lines::new(file);
        while let Some(group) = lines.next_picture().map_err(|why| of(path, &why))? {
            last.insert(checksum(&group.lines[0].name), (number, group.offset));
        }
    }
    let mut order: Vec<usize> = (0..files.len()).collect();
    order.sort_by_key(|&number| files[number].1);
    for number in order {
        let (_, path, file) = &files[number];
        let mut lines = Lines::new(file);
        while let Some(group) = lines.next_picture().map_err(|why| of(path, &why))? {
            let key = checksum(&group.lines[0].name);
            if last.get(&key) == Some(&(number, group.offset)) {
                with(path, group.lines)?;
            }
        }
    }
    Ok(())
}

/// A builder of temporary files, with hidden names.
pub fn unfinished() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".dvm-").suffix(".part");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder
}

/// Writes a manifest also as a Parquet file next to it, and returns its path.
///
/// # Errors
/// The file and what is wrong.
pub fn write_parquet(manifest: &Path) -> Result<PathBuf, String> {
    let path = manifest.with_extension("parquet");
    parquet::write(manifest, &path).map_err(|why| format!("{}: {why}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, lines: usize, request: &str) -> Line {
        Line {
            lines,
            request: Some(request.into()),
            ..Line::of(name, Path::new("a.png"), None)
        }
    }

    fn names(path: &Path) -> Vec<String> {
        let mut names = Vec::new();
        each_picture(&[path.to_owned()], |_, lines| {
            names.extend(lines.into_iter().map(|line| line.name));
            Ok(())
        })
        .unwrap();
        names
    }

    #[test]
    fn all_lines_of_a_picture_with_a_half_written_line_are_removed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("manifest.jsonl");
        let (mut manifest, _) = Manifest::open(&path).unwrap();
        manifest.add(&[line("a", 1, "x")], None).unwrap();
        let two = [line("b", 2, "x"), line("b", 2, "x")];
        manifest.add(&two, None).unwrap();
        drop(manifest);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert_eq!(names(&path), ["a"]);
        let (mut manifest, index) = Manifest::open(&path).unwrap();
        assert!(index.get("a").is_some() && index.get("b").is_none());
        manifest.add(&two, None).unwrap();
        manifest.close().unwrap();
        assert_eq!(fs::read(&path).unwrap(), whole);
    }

    #[test]
    fn replaced_lines_are_removed_at_the_end() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("manifest.jsonl");
        for request in ["x", "y"] {
            let (mut manifest, index) = Manifest::open(&path).unwrap();
            manifest
                .add(&[line("a", 1, request)], index.get("a"))
                .unwrap();
            manifest.add(&[line(request, 1, request)], None).unwrap();
            assert_eq!(names(&path).len(), if request == "x" { 2 } else { 3 });
            manifest.close().unwrap();
        }
        assert_eq!(names(&path), ["x", "a", "y"]);
        let (_, index) = Manifest::open(&path).unwrap();
        assert!(index.get("a").unwrap().is_of_request("y"));
        assert!(!index.get("a").unwrap().is_of_request("x"));
    }

    #[test]
    fn two_runs_cannot_write_one_manifest() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("manifest.jsonl");
        let first = Manifest::open(&path).unwrap();
        assert!(matches!(Manifest::open(&path), Err(OpenError::Occupied(_))));
        drop(first);
    }

    #[test]
    fn a_file_that_is_not_a_manifest_is_kept() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("manifest.jsonl");
        fs::write(&path, "{\"mine\": 1}\n").unwrap();
        assert!(matches!(Manifest::open(&path), Err(OpenError::Occupied(_))));
        assert_eq!(fs::read(&path).unwrap(), b"{\"mine\": 1}\n");
    }
}
