//! The pictures in the arguments, and the folders of their results.

mod list;
mod naming;
mod table;
mod walk;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use dvm::data::formats::Wanted;
use dvm::data::{Dataset, Split};
use dvm::{Limits, Source};

use crate::failure::in_words_about;

pub use naming::{Folders, class_folder};
pub use table::Columns;

/// A picture from the arguments, or why there is none.
#[derive(Debug, PartialEq)]
pub enum Image {
    /// A picture, not opened yet.
    Picture {
        /// Its file or bytes.
        source: Source,
        /// The folder for its results, within the folder of all results: the folders in which it was found,
        /// and its name without the extension. [`Folders`] makes it unique.
        result_folder: PathBuf,
        /// Its true class, from a table of pictures.
        label: Option<String>,
    },
    /// A folder or a list without pictures, or a file that cannot be opened.
    Nothing {
        /// The folder, the list or the file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl Image {
    /// The file or folder.
    pub fn path(&self) -> &Path {
        match self {
            Self::Picture { source, .. } => source.path(),
            Self::Nothing { path, .. } => path,
        }
    }

    /// The name in messages.
    pub fn name(&self) -> String {
        let name = self.path().file_name().unwrap_or(self.path().as_os_str());
        let name = name.to_string_lossy();
        match self.slice() {
            Some(slice) => format!("{name}, slice {slice}"),
            None => name.into_owned(),
        }
    }

    /// The slice, of a file with several.
    pub fn slice(&self) -> Option<usize> {
        match self {
            Self::Picture { source, .. } => source.slice(),
            Self::Nothing { .. } => None,
        }
    }
}

/// All pictures from the arguments.
#[derive(Debug, Default)]
pub struct Images {
    /// In the order of the arguments, and by name in each folder.
    pub all: Vec<Image>,
    /// Notes on what was left out.
    pub notes: Vec<String>,
}

/// Largest list that is read, in bytes.
const LONGEST_LIST: u64 = 256 << 20;

/// The pictures of all arguments: files; folders with their subfolders; data sets from `dvm prepare`, also
/// with `--link manifest`; lists of paths; `-`, standard input. Of volumes, the slices in `wanted`.
pub fn expand(given: &[PathBuf], wanted: &Wanted) -> Images {
    expand_with(given, wanted, &Columns::default())
}

/// Like [`expand`], with the columns to read from tables.
pub fn expand_with(given: &[PathBuf], wanted: &Wanted, columns: &Columns) -> Images {
    let mut images = Images::default();
    let mut stdin_is_read = false;
    for path in given {
        let is_again = path.as_os_str() == "-" && std::mem::replace(&mut stdin_is_read, true);
        if is_again {
            let why = "standard input is given twice; give `-` once";
            images.nothing(path, why.into());
        } else if path.as_os_str() == "-" {
            images.add(path, |images| {
                images.standard_input(io::stdin().lock(), wanted)
            });
        } else if path.is_dir() {
            images.add_folder(path, Path::new(""), wanted);
        } else if let Some(list) = list::named(path) {
            images.add(&list, |images| images.list(&list, wanted));
        } else if let Some(kind) = table::kind(path) {
            images.add(path, |images| images.table(path, kind, wanted, columns));
        } else if is_record(path) {
            let folder = path.parent().unwrap_or(Path::new(""));
            images.add_folder(folder, Path::new(""), wanted);
        } else {
            images.add_file(path, Path::new(""), wanted);
        }
    }
    images
}

/// Whether a file is the record of a data set.
fn is_record(path: &Path) -> bool {
    let name = path.file_name();
    name.is_some_and(|name| name == dvm::data::prepare::RECORD)
}

/// Whether an argument is a folder, list or table, which may hold any number of pictures.
pub fn means_many(path: &Path) -> bool {
    path.is_dir() || list::named(path).is_some() || table::kind(path).is_some() || is_record(path)
}

impl Images {
    fn nothing(&mut self, path: &Path, why: String) {
        let path = path.into();
        self.all.push(Image::Nothing { path, why });
    }

    /// Adds what `add` finds in this file or folder, or why there is nothing.
    fn add(&mut self, path: &Path, add: impl FnOnce(&mut Self) -> Result<(), String>) {
        if let Err(why) = add(self) {
            self.nothing(path, why);
        }
    }

    /// Adds one of many files, found in the folders `within`. A file with the extension of a picture is not opened:
    /// opening a million takes long.
    fn add_one_of_many(
        &mut self,
        path: &Path,
        within: &Path,
        wanted: &Wanted,
        label: Option<String>,
    ) {
        if dvm::is_named_as_picture(path) {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            self.all.push(Image::Picture {
                source: Source::File(path.into()),
                result_folder: within.join(folder_name(&stem)),
                label,
            });
            return;
        }
        let before = self.all.len();
        self.add_file(path, within, wanted);
        for image in &mut self.all[before..] {
            if let Image::Picture { label: own, .. } = image {
                own.clone_from(&label);
            }
        }
    }

    /// Adds a file found in the folders `within`.
    fn add_file(&mut self, path: &Path, within: &Path, wanted: &Wanted) {
        self.add(path, |images| images.file(path, within, wanted));
    }

    fn file(&mut self, path: &Path, within: &Path, wanted: &Wanted) -> Result<(), String> {
        let sources = Source::of(path, wanted).map_err(|error| in_words_about(path, &error))?;
        let stem = dvm::data::formats::volume_name(path).map(Into::into);
        let stem = stem.unwrap_or_else(|| path.file_stem().unwrap_or_default().to_string_lossy());
        for source in sources {
            let name = match source.slice() {
                Some(index) => format!("{stem}-{index}"),
                None => stem.to_string(),
            };
            self.all.push(Image::Picture {
                source,
                result_folder: within.join(folder_name(&name)),
                label: None,
            });
        }
        Ok(())
    }

    /// Adds the pictures of a folder; their results go to folders in `outer`.
    fn add_folder(&mut self, folder: &Path, outer: &Path, wanted: &Wanted) {
        self.add(folder, |images| images.folder(folder, outer, wanted));
    }

    fn folder(&mut self, folder: &Path, outer: &Path, wanted: &Wanted) -> Result<(), String> {
        // A data set made with `--link manifest` is one file with the paths of its pictures.
        let record = dvm::data::prepare::Record::read(folder);
        let record = record.map_err(|error| in_words_about(folder, &error))?;
        if record.is_some_and(|record| record.transfer == dvm::data::prepare::Transfer::Manifest) {
            return self.data_set(folder, wanted);
        }
        let unreadable =
            |error| format!("the folder cannot be read: {}", dvm::system_words(&error));
        let found = walk::search(folder).map_err(unreadable)?;
        for (path, error) in found.unreadable {
            self.nothing(&path, unreadable(error));
        }
        if let Some(first) = found.foreign.first() {
            self.notes.push(format!(
                "{}: {} dvm does not read the format: {}{}; run dvm on one of them to see how to convert it",
                folder.display(),
                counted(found.foreign.len()),
                first.display(),
                if found.foreign.len() > 1 { ", …" } else { "" },
            ));
        }
        if found.pictures.is_empty() {
            return Err(format!(
                "no picture in this folder or its subfolders; dvm reads {}",
                dvm::ENDINGS.join(", ")
            ));
        }
        for path in found.pictures {
            let within = outer.join(path.parent().unwrap_or(Path::new("")));
            self.add_one_of_many(&folder.join(&path), &within, wanted, None);
        }
        Ok(())
    }

    fn data_set(&mut self, folder: &Path, wanted: &Wanted) -> Result<(), String> {
        let data = Dataset::open(folder).map_err(|error| in_words_about(folder, &error))?;
        for split in Split::ALL {
            for sample in data.samples(split) {
                let within = Path::new(split.name()).join(&data.classes[sample.class]);
                self.add_one_of_many(&sample.path, &within, wanted, None);
            }
        }
        Ok(())
    }

    fn list(&mut self, list: &Path, wanted: &Wanted) -> Result<(), String> {
        let text = text_of(list)
            .map_err(|error| format!("the list cannot be read: {}", dvm::system_words(&error)))?;
        self.lines(&text, list.parent(), wanted)
    }

    fn lines(&mut self, text: &str, folder: Option<&Path>, wanted: &Wanted) -> Result<(), String> {
        let paths = list::paths(text, folder);
        if !paths.iter().any(|path| path.exists()) {
            let first = paths.first().map_or_else(String::new, |first| {
                format!("; its first line is \"{}\"", first.display())
            });
            return Err(format!(
                "no path in this list of pictures exists; write one path per line{first}"
            ));
        }
        for path in paths {
            self.add_listed(&path, folder, wanted);
        }
        Ok(())
    }

    /// Adds a file or folder from a list. The folders of its path become those of its results.
    fn add_listed(&mut self, path: &Path, list: Option<&Path>, wanted: &Wanted) {
        if !dvm::is_named_as_picture(path) && path.is_dir() {
            self.add_folder(path, &naming::normal(path, list), wanted);
        } else {
            self.add_one_of_many(path, &naming::folders_of(path, list), wanted, None);
        }
    }

    fn table(
        &mut self,
        path: &Path,
        kind: table::Kind,
        wanted: &Wanted,
        columns: &Columns,
    ) -> Result<(), String> {
        let rows = table::read(path, kind, columns)?;
        if rows.is_empty() {
            return Err("the table has no rows with a path".into());
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        for row in rows {
            let within = naming::folders_of(&row.path, Some(folder));
            self.add_one_of_many(&folder.join(&row.path), &within, wanted, row.label);
        }
        Ok(())
    }

    /// Adds standard input: a picture, or a list.
    fn standard_input(&mut self, mut input: impl Read, wanted: &Wanted) -> Result<(), String> {
        let most = Limits::default().file_bytes;
        let mut bytes = Vec::new();
        let read = input.by_ref().take(most + 1).read_to_end(&mut bytes);
        read.map_err(|error| {
            let why = dvm::system_words(&error);
            format!("standard input cannot be read: {why}")
        })?;
        if bytes.is_empty() {
            let why = "standard input is empty; send a picture, or a list of pictures with one path per line";
            return Err(why.into());
        }
        if bytes.len() as u64 > most {
            return Err(format!(
                "standard input is too large; the limit is {most} bytes"
            ));
        }
        match String::from_utf8(bytes) {
            Ok(text) if !dvm::is_recognised(text.as_bytes()) => self.lines(&text, None, wanted),
            bytes => {
                let bytes = bytes.map_or_else(|error| error.into_bytes(), String::into_bytes);
                self.all.push(Image::Picture {
                    source: Source::Bytes {
                        name: "stdin".into(),
                        bytes: bytes.into(),
                    },
                    result_folder: "stdin".into(),
                    label: None,
                });
                Ok(())
            }
        }
    }
}

fn counted(pictures: usize) -> String {
    match pictures {
        1 => "1 picture left out;".into(),
        more => format!("{more} pictures left out;"),
    }
}

fn text_of(list: &Path) -> io::Result<String> {
    let kind = fs::metadata(list)?;
    if !kind.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    if kind.len() > LONGEST_LIST {
        return Err(io::Error::other(format!(
            "it is too large; the limit is {LONGEST_LIST} bytes"
        )));
    }
    String::from_utf8(fs::read(list)?)
        .map_err(|_| io::Error::other("it is not text in UTF-8 with one path per line"))
}

/// A valid name of a folder: the stem of `...png` is `..`, which would leave the folder of results.
fn folder_name(stem: &str) -> &str {
    match stem.trim_matches('.') {
        "" => "picture",
        _ => stem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(given: &[PathBuf]) -> Images {
        expand(given, &Wanted::Middle)
    }

    fn result_folders(images: &Images) -> Vec<String> {
        let mut folders = Folders::of(&images.all);
        let result_folder = |image: &Image| match image {
            Image::Picture { result_folder, .. } => {
                folders.next(result_folder).0.display().to_string()
            }
            Image::Nothing { path, why } => panic!("{}: {why}", path.display()),
        };
        images.all.iter().map(result_folder).collect()
    }

    /// A folder with these empty files.
    pub(super) fn made(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
        folder
    }

    #[test]
    fn a_folder_means_its_pictures_and_results_keep_the_subfolders() {
        let folder = made(&[
            "b.PNG",
            "a.jpeg",
            "notes.txt",
            "._b.png",
            "c",
            "tulip/a.jpeg",
        ]);
        let images = expanded(&[folder.path().to_owned()]);
        let names: Vec<String> = images.all.iter().map(Image::name).collect();
        assert_eq!(names, ["a.jpeg", "b.PNG", "a.jpeg"]);
        assert_eq!(result_folders(&images), ["a", "b", "tulip/a"]);
    }

    #[test]
    fn results_are_never_inside_the_folder_of_another_picture() {
        let folder = made(&["daisy.jpg", "daisy/1.jpg", "daisy/1.png"]);
        let images = expanded(&[folder.path().to_owned()]);
        assert_eq!(result_folders(&images), ["daisy/1", "daisy/1-2", "daisy-2"]);
    }

    #[test]
    fn a_folder_without_pictures_is_an_error() {
        let folder = made(&[]);
        let images = expanded(&[folder.path().to_owned(), "given.txt".into()]).all;
        assert!(matches!(&images[0], Image::Nothing { why, .. } if why.contains("no picture")));
        assert_eq!(images[1].path(), Path::new("given.txt"));
    }

    #[test]
    fn a_list_names_pictures_and_folders() {
        let folder = made(&["a.png", "more/b.png", "more/c/b.png"]);
        let list = folder.path().join("list.txt");
        fs::write(&list, "# two\nmore\na.png\nmissing.png\n").unwrap();
        let at = PathBuf::from(format!("@{}", list.display()));
        for given in [list, at] {
            let images = expanded(&[given]);
            assert_eq!(
                result_folders(&images),
                ["more/b", "more/c/b", "a", "missing"]
            );
        }
    }

    #[test]
    fn paths_in_a_table_start_at_its_folder_and_have_classes() {
        let folder = made(&["a/x.png", "b/x.png"]);
        let table = folder.path().join("list.csv");
        fs::write(&table, "file,label\na/x.png,cat\nb/x.png,\n").unwrap();
        let columns = Columns {
            label: Some("label".into()),
            ..Columns::default()
        };
        let images = expand_with(&[table], &Wanted::Middle, &columns);
        assert_eq!(result_folders(&images), ["a/x", "b/x"]);
        let labels = images.all.iter().map(|image| match image {
            Image::Picture { label, .. } => label.as_deref(),
            Image::Nothing { .. } => None,
        });
        assert_eq!(labels.collect::<Vec<_>>(), [Some("cat"), None]);
        assert_eq!(images.all[0].path(), folder.path().join("a/x.png"));
    }

    #[test]
    fn a_text_that_is_not_a_list_is_one_error() {
        let folder = made(&[]);
        let text = folder.path().join("readme.txt");
        fs::write(&text, "Dear reader,\nthis is prose.\n").unwrap();
        let images = expanded(&[text]).all;
        assert_eq!(images.len(), 1);
        assert!(matches!(&images[0], Image::Nothing { why, .. } if why.contains("Dear reader")));
    }

    #[test]
    fn standard_input_is_a_picture_or_a_list() {
        let of = |bytes: &[u8]| {
            let mut images = Images::default();
            images.add(Path::new("-"), |images| {
                images.standard_input(bytes, &Wanted::Middle)
            });
            images.all
        };
        let png = of(b"\x89PNG\r\n\x1a\n\xff");
        assert!(matches!(
            &png[..],
            [Image::Picture {
                source: Source::Bytes { .. },
                ..
            }]
        ));
        let folder = made(&["a.png", "b.png"]);
        let list = ["a.png", "b.png"].map(|name| folder.path().join(name).display().to_string());
        assert_eq!(of(list.join("\n").as_bytes()).len(), 2);
        for nothing in [&b""[..], b"no such file"] {
            assert!(matches!(&of(nothing)[..], [Image::Nothing { .. }]));
        }
    }

    #[test]
    fn names_of_files_become_names_of_folders() {
        assert_eq!(folder_name(".."), "picture");
        assert_eq!(folder_name("a.b"), "a.b");
    }
}
