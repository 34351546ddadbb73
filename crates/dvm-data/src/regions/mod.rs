//! Annotated objects in pictures: boxes, outlines and masks.
//!
//! [`Regions::open`] reads a file or a folder in one of the formats in [`ALL`], recognised by its content.
//! [`Regions::locate`] finds the pixels of a network's input that show the objects of a picture. A new format
//! is one file and one line in [`ALL`].
//!
//! Files may be hostile: sizes they declare are checked before memory or time is spent.

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

/// A format of boxes or masks.
pub struct Format {
    /// Its name, such as `Pascal VOC`.
    pub name: &'static str,
    /// A summary of one line.
    pub summary: &'static str,
    /// Whether a file that starts with these bytes (after spaces) has this format.
    recognises: fn(&[u8]) -> bool,
    /// The extension of the files, for a format with one file per picture.
    ending: Option<&'static str>,
    /// Opens these files of a folder.
    open: Open,
}

type Open = fn(folder: &Path, files: Vec<PathBuf>) -> Result<(Vec<Key>, Box<dyn Store>), Error>;

/// All formats. If a folder has files of several, the first format is used.
pub static ALL: &[Format] = &[coco::COCO, voc::VOC, masks::MASKS];

/// Annotated objects of some pictures.
pub struct Regions {
    path: PathBuf,
    format: &'static Format,
    keys: Vec<Key>,
    by_name: HashMap<String, Vec<u32>>,
    store: Box<dyn Store>,
}

impl Regions {
    /// Reads a COCO file, a folder of Pascal VOC files or a folder of masks. Files in a folder are read when
    /// their picture is needed.
    ///
    /// # Errors
    /// [`Error::File`] for a file that cannot be read, [`Error::Layout`] for another format, [`Error::Region`]
    /// for an invalid entry, or two entries of the same picture.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let (format, folder, files) = found(path)?;
        let (keys, store) = (format.open)(&folder, files)?;
        let mut by_name: HashMap<String, Vec<u32>> = HashMap::with_capacity(keys.len());
        for (index, key) in keys.iter().enumerate() {
            let same_name = by_name.entry(key.name().to_owned()).or_default();
            // The list is searched linearly; real data sets do not have so many pictures of one name.
            if same_name.len() >= MOST_OF_ONE_NAME {
                return Err(Error::Layout {
                    path: path.into(),
                    detail: format!(
                        "there are more than {MOST_OF_ONE_NAME} pictures named `{}`",
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
                        "is for the same picture as {}: `{key}`",
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

    /// Number of pictures with an entry.
    pub fn pictures(&self) -> usize {
        self.keys.len()
    }

    /// The pixels of a network's input whose centres are on an object of the picture; `placement` is the
    /// position of the input on the picture. With a `class`, only its objects count; names are compared
    /// ignoring case, and `_` is a space. Objects without a class, such as masks, count for every class.
    ///
    /// # Errors
    /// [`Error::Region`] if the entry of the picture is invalid or for a picture of another size, or several
    /// entries match; [`Error::File`] and [`Error::Layout`] for files that cannot be read.
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

    /// Checks that no two pictures have the same entry: `x.jpg` in a file can be `a/x.jpg` or `b/x.jpg`.
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
                            "may be for {other} or {this}: explain the folder of only one of them, or add the \
                             folders to the names in the file"
                        ),
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The entry of a picture: the matching one with the most folders.
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
                    "matches {} as well as {} does: remove one of them",
                    picture.display(),
                    self.store.name(first)
                ),
            )),
        }
    }

    /// The message that no entry matches this picture, with similar entries.
    fn nothing_about(&self, picture: &Path) -> String {
        let near = key::names_of(picture)
            .filter_map(|name| self.by_name.get(&name))
            .flatten()
            .map(|&index| format!("`{}`", self.keys[index as usize]))
            .next();
        let near = near.map(|near| format!("; the entry {near} has another folder or extension"));
        format!(
            "{} has no entry for {}{}",
            self.path.display(),
            picture.display(),
            near.unwrap_or_default()
        )
    }

    /// Refuses an entry for a picture of another size, and too many objects.
    fn check(&self, entry: &str, described: &Described, size: (usize, usize)) -> Result<(), Error> {
        let wrong = |detail| Err(self.wrong(entry.into(), detail));
        if let Some(stated) = described.size.filter(|&stated| stated != size) {
            return wrong(another_size(stated, size));
        }
        if described.objects.len() > MOST_OBJECTS {
            let objects = described.objects.len();
            return wrong(format!(
                "has {objects} objects; the limit per picture is {MOST_OBJECTS}"
            ));
        }
        let numbers: usize = described.objects.iter().map(|o| o.shape.numbers()).sum();
        if numbers > MOST_NUMBERS {
            return wrong(format!(
                "has outlines of {numbers} numbers; the limit per picture is {MOST_NUMBERS}"
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

/// Most pictures of one name in different folders.
const MOST_OF_ONE_NAME: usize = 10_000;
/// Most objects of one picture.
const MOST_OBJECTS: usize = 10_000;
/// Most coordinates and run lengths of the objects of one picture.
const MOST_NUMBERS: usize = 500_000;

fn another_size(stated: (usize, usize), size: (usize, usize)) -> String {
    let turned = match stated == (size.1, size.0) {
        true => " when displayed upright",
        false => "",
    };
    format!(
        "is for a picture of {}×{} pixels (rows × columns), but this one has {}×{}{turned}; boxes and masks must \
         match the picture itself, not a resized copy",
        stated.0, stated.1, size.0, size.1
    )
}

/// The format of a file or folder, and the files with it, relative to the folder.
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
        let files = files::list(path)?;
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
            "contains no boxes or masks: {}{}",
            known(),
            hint.unwrap_or_default()
        )));
    }
    if !kind.is_file() {
        return Err(layout("is neither a file nor a folder".into()));
    }
    let beginning = files::start(path)?;
    let format = ALL.iter().find(|format| (format.recognises)(&beginning));
    let format = format.ok_or_else(|| {
        let list = match beginning.first() {
            Some(b'[') => {
                "is a list, but a COCO file is an object with `images` and `annotations`; it "
            }
            _ => "",
        };
        layout(format!("{list}must be one of these: {}", known()))
    })?;
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let name = path.file_name().unwrap_or_default();
    Ok((format, folder, vec![name.into()]))
}
