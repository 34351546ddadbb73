//! Where objects are in pictures: boxes, outlines and masks that people drew.
//!
//! [`Regions::open`] reads a file or a folder of one of the formats in [`ALL`], told from its content;
//! [`Regions::locate`] says which pixels of a network's input show the objects of one picture. A new format
//! is one file and one line in [`ALL`].
//!
//! All of them take files from strangers: what a file claims is bounded before memory or time is spent on it.

mod coco;
mod files;
mod key;
mod located;
mod masks;
mod shape;
mod store;
mod voc;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use dvm_image::Placement;

use crate::Error;
use key::Key;
pub use located::{Located, Region};
pub use shape::{Object, Shape};
use store::{Described, Store};

/// A format in which people say where objects are.
pub struct Format {
    /// Its name, such as `Pascal VOC`.
    pub name: &'static str,
    /// What it looks like, in one line.
    pub summary: &'static str,
    /// Whether a file that begins with these bytes, spaces left out, is one of it.
    is_begun_by: fn(&[u8]) -> bool,
    /// For a format with one file per picture, how the names of these files end.
    ending: Option<&'static str>,
    /// Opens these files of a folder.
    open: Open,
}

type Open = fn(folder: &Path, files: Vec<PathBuf>) -> Result<(Vec<Key>, Box<dyn Store>), Error>;

/// All formats. If a folder has files of several, the first of them counts.
pub static ALL: &[Format] = &[coco::COCO, voc::VOC, masks::MASKS];

/// Where objects are in some pictures.
pub struct Regions {
    path: PathBuf,
    format: &'static Format,
    keys: Vec<Key>,
    by_name: HashMap<String, Vec<u32>>,
    store: Box<dyn Store>,
}

impl Regions {
    /// Reads a COCO file, a folder of Pascal VOC files or a folder of masks. Of folders only the names are
    /// looked at; each file is read when its picture is asked for.
    ///
    /// # Errors
    /// [`Error::File`] for what cannot be read, [`Error::Layout`] for what is none of these,
    /// [`Error::Region`] for an entry that makes no sense, or two of the same picture.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let (format, folder, files) = found(path)?;
        let (keys, store) = (format.open)(&folder, files)?;
        let mut by_name: HashMap<String, Vec<u32>> = HashMap::with_capacity(keys.len());
        for (index, key) in keys.iter().enumerate() {
            let same_name = by_name.entry(key.name().to_owned()).or_default();
            // Looked through one by one: a file with a million pictures of one name is no data set.
            if same_name.len() >= MOST_OF_ONE_NAME {
                return Err(Error::Layout {
                    path: path.into(),
                    detail: format!(
                        "names more than {MOST_OF_ONE_NAME} pictures `{}`",
                        key.name()
                    ),
                });
            }
            if let Some(&other) = same_name
                .iter()
                .find(|&&other| keys[other as usize] == *key)
            {
                return Err(Error::Region {
                    path: path.into(),
                    entry: store.name(index),
                    detail: format!(
                        "is about the same picture as {}: `{key}`",
                        store.name(other as usize)
                    ),
                });
            }
            same_name.push(index as u32);
        }
        Ok(Self {
            path: path.into(),
            format,
            keys,
            by_name,
            store,
        })
    }

    /// The file or folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its format.
    pub fn format(&self) -> &'static Format {
        self.format
    }

    /// How many pictures it is about.
    pub fn pictures(&self) -> usize {
        self.keys.len()
    }

    /// Which pixels of a network's input show the objects of a picture: those whose centres are on an object,
    /// where `placement` says where the input is on the picture. Only the objects of `class` count, if one
    /// is given; names are compared without regard to case, and `_` is a space. Objects without a class, such
    /// as masks, count for every class.
    ///
    /// # Errors
    /// [`Error::Region`] if the entry of the picture makes no sense, is about a picture of another size, or
    /// several entries fit; [`Error::File`] and [`Error::Layout`] for files that cannot be read.
    pub fn locate(
        &self,
        picture: &Path,
        class: Option<&str>,
        placement: &Placement,
    ) -> Result<Located, Error> {
        let Some(index) = self.entry(picture)? else {
            return Ok(Located::Unknown(self.nothing_about(picture)));
        };
        let size = placement.original_size();
        let described = self.store.describe(index, size)?;
        let entry = self.store.name(index);
        self.check(&entry, &described, size)?;
        located::locate(&described.objects, class, placement, entry).map_err(|(object, detail)| {
            self.wrong(self.store.name_of_object(index, object), detail)
        })
    }

    /// Refuses pictures of which two have the same entry: of `a/x.jpg` and `b/x.jpg`, one is not the picture
    /// that a file means by `x.jpg`.
    ///
    /// # Errors
    /// [`Error::Region`] with the two pictures, and as [`Regions::locate`].
    pub fn check_pictures<'p>(
        &self,
        pictures: impl IntoIterator<Item = &'p Path>,
    ) -> Result<(), Error> {
        let mut used: HashMap<usize, &Path> = HashMap::new();
        for picture in pictures {
            let Some(index) = self.entry(picture)? else {
                continue;
            };
            match used.insert(index, picture) {
                Some(other) if other != picture => {
                    let (other, this) = (other.display(), picture.display());
                    return Err(self.wrong(
                        self.store.name(index),
                        format!(
                            "does not say whether it is about {other} or {this}: give the folder of one of \
                             them alone, or name pictures with their folders"
                        ),
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The entry of a picture: the one that names it with the most of its folders.
    fn entry(&self, picture: &Path) -> Result<Option<usize>, Error> {
        let whole = std::path::absolute(picture).map_err(Error::file(picture))?;
        let mut fitting: Vec<usize> = key::names_of(&whole)
            .filter_map(|name| self.by_name.get(&name))
            .flatten()
            .map(|&index| index as usize)
            .filter(|&index| self.keys[index].fits(&whole))
            .collect();
        fitting.sort_unstable();
        fitting.dedup();
        let depth = |index: &usize| self.keys[*index].depth();
        let deepest = fitting.iter().map(depth).max().unwrap_or(0);
        fitting.retain(|index| depth(index) == deepest);
        match fitting[..] {
            [] => Ok(None),
            [index] => Ok(Some(index)),
            [first, second, ..] => Err(self.wrong(
                self.store.name(second),
                format!(
                    "is about {} as much as {} is: remove one of them",
                    picture.display(),
                    self.store.name(first)
                ),
            )),
        }
    }

    /// That no entry is about this picture, and which come near.
    fn nothing_about(&self, picture: &Path) -> String {
        let near = key::names_of(picture)
            .filter_map(|name| self.by_name.get(&name))
            .flatten()
            .map(|&index| format!("`{}`", self.keys[index as usize]))
            .next();
        let near = near.map(|near| format!("; {near} is in another folder or has another ending"));
        format!(
            "{} says nothing about {}{}",
            self.path.display(),
            picture.display(),
            near.unwrap_or_default()
        )
    }

    /// Refuses an entry about a picture of another size, and more objects than any picture has.
    fn check(&self, entry: &str, described: &Described, size: (usize, usize)) -> Result<(), Error> {
        let wrong = |detail| Err(self.wrong(entry.into(), detail));
        if let Some(stated) = described.size.filter(|&stated| stated != size) {
            return wrong(another_size(stated, size));
        }
        if described.objects.len() > MOST_OBJECTS {
            let objects = described.objects.len();
            return wrong(format!(
                "has {objects} objects; the most that are read of one picture are {MOST_OBJECTS}"
            ));
        }
        let numbers: usize = described.objects.iter().map(|o| o.shape.numbers()).sum();
        if numbers > MOST_NUMBERS {
            return wrong(format!(
                "has outlines of {numbers} numbers; the most that are read of one picture are {MOST_NUMBERS}"
            ));
        }
        Ok(())
    }

    fn wrong(&self, entry: String, detail: String) -> Error {
        Error::Region {
            path: self.path.clone(),
            entry,
            detail,
        }
    }
}

/// Pictures of one name in different folders.
const MOST_OF_ONE_NAME: usize = 10_000;
/// Objects of one picture.
const MOST_OBJECTS: usize = 10_000;
/// Coordinates and run lengths of the objects of one picture.
const MOST_NUMBERS: usize = 500_000;

fn another_size(stated: (usize, usize), size: (usize, usize)) -> String {
    let turned = match stated == (size.1, size.0) {
        true => ", upright",
        false => "",
    };
    format!(
        "is about a picture of {}×{} pixels (rows × columns), but this one has {}×{}{turned}; boxes and masks \
         must be those of the picture itself, not of a resized one",
        stated.0, stated.1, size.0, size.1
    )
}

/// The format of a file or folder, and the files that are of it, from the folder that they are in.
fn found(path: &Path) -> Result<(&'static Format, PathBuf, Vec<PathBuf>), Error> {
    let layout = |detail: String| Error::Layout {
        path: path.into(),
        detail,
    };
    let known = || {
        let known: Vec<&str> = ALL.iter().map(|format| format.summary).collect();
        known.join("; ")
    };
    let kind = std::fs::metadata(path).map_err(Error::file(path))?;
    if kind.is_dir() {
        let files = files::look_through(path)?;
        for format in ALL {
            let Some(ending) = format.ending else {
                continue;
            };
            let of_it: Vec<PathBuf> = files
                .iter()
                .filter(|file| files::ends_with(file, ending))
                .cloned()
                .collect();
            if !of_it.is_empty() {
                return Ok((format, path.into(), of_it));
            }
        }
        let json = files.iter().find(|file| files::ends_with(file, "json"));
        let hint = json.map(|file| format!("; for COCO, give the file itself: {}", file.display()));
        return Err(layout(format!(
            "holds no boxes or masks: {}{}",
            known(),
            hint.unwrap_or_default()
        )));
    }
    if !kind.is_file() {
        return Err(layout("is neither a file nor a folder".into()));
    }
    let beginning = files::beginning(path)?;
    let format = ALL.iter().find(|format| (format.is_begun_by)(&beginning));
    let format = format.ok_or_else(|| {
        let list = match beginning.first() {
            Some(b'[') => "is a list; a COCO file is an object with `images` and `annotations`. ",
            _ => "",
        };
        layout(format!("{list}is none of these: {}", known()))
    })?;
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let name = path.file_name().unwrap_or_default();
    Ok((format, folder, vec![name.into()]))
}
