//! COCO: one JSON file for all pictures: <https://cocodataset.org/#format-data>.

mod document;
mod runs;

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io::{BufReader, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use runs::Runs;

use self::document::{Annotation, Category, Document, Image};
use super::key::Key;
use super::shape::Object;
use super::store::{Described, Store};
use super::{Format, files};
use crate::Error;

/// COCO's JSON.
pub(super) const COCO: Format = Format {
    name: "COCO",
    summary: "a COCO file (JSON with `images`, `annotations` and `categories`)",
    recognises: |bytes| bytes.starts_with(b"{"),
    ending: None,
    open,
};

/// Longest file. COCO's 118,287 training pictures have 448 MB.
const LONGEST: u64 = 512 << 20;

/// The contents of a file, with the objects in the order of the pictures.
struct Contents {
    objects: Vec<Object>,
    images: Vec<Pictured>,
}

/// Rows and columns of a picture, if given, and the range of its objects.
type Pictured = (Option<(usize, usize)>, Range<u32>);

impl Store for Contents {
    fn describe(&self, index: usize, _: (usize, usize)) -> Result<Described<'_>, Error> {
        let (size, objects) = &self.images[index];
        let objects = &self.objects[objects.start as usize..objects.end as usize];
        Ok(Described {
            size: *size,
            objects: Cow::Borrowed(objects),
        })
    }

    fn name(&self, index: usize) -> String {
        format!("images[{index}]")
    }

    fn name_of_object(&self, _: usize, object: &Object) -> String {
        format!("annotations[{}]", object.index)
    }
}

fn open(folder: &Path, files: Vec<PathBuf>) -> Result<(Vec<Key>, Box<dyn Store>), Error> {
    let path = folder.join(&files[0]);
    let file = File::open(&path).map_err(Error::file(&path))?;
    let length = file.metadata().map_err(Error::file(&path))?.len();
    if length > LONGEST {
        return Err(files::too_large(&path, LONGEST));
    }
    let mut reader = BufReader::with_capacity(1 << 16, file.take(LONGEST));
    skip_mark(&mut reader).map_err(Error::file(&path))?;
    let document: Document = serde_json::from_reader(reader).map_err(|error| {
        if error.is_io() {
            return Error::file(&path)(error.into());
        }
        Error::Layout {
            path: path.clone(),
            detail: format!("is not a COCO file: {error}"),
        }
    })?;
    let wrong = |(entry, detail)| Error::Region {
        path: path.clone(),
        entry,
        detail,
    };
    let (keys, contents) = arranged(document).map_err(wrong)?;
    Ok((keys, Box::new(contents)))
}

/// Skips the UTF-8 byte order mark.
fn skip_mark(reader: &mut impl std::io::BufRead) -> std::io::Result<()> {
    if reader.fill_buf()?.starts_with(b"\xEF\xBB\xBF") {
        reader.consume(3);
    }
    Ok(())
}

/// An entry, and its error.
type Wrong = (String, String);

fn arranged(document: Document) -> Result<(Vec<Key>, Contents), Wrong> {
    let classes = classes(&document.categories.0)?;
    let mut keys = Vec::with_capacity(document.images.0.len());
    let mut sizes = Vec::with_capacity(document.images.0.len());
    let mut by_id = HashMap::with_capacity(document.images.0.len());
    for (index, image) in document.images.0.iter().enumerate() {
        let entry = || format!("images[{index}]");
        keys.push(Key::named(&image.file_name).ok_or_else(|| {
            let detail = format!(
                "has the file name `{}`, which is not a file name",
                image.file_name
            );
            (entry(), detail)
        })?);
        sizes.push(size(image).map_err(|detail| (entry(), detail))?);
        match by_id.entry(image.id) {
            Entry::Vacant(place) => drop(place.insert(index)),
            Entry::Occupied(place) => {
                let detail = format!("has the same id as images[{}]: {}", place.get(), image.id);
                return Err((entry(), detail));
            }
        }
    }
    let mut objects = Vec::with_capacity(document.annotations.0.len());
    for (index, annotation) in document.annotations.0.into_iter().enumerate() {
        let of_image = by_id.get(&annotation.image_id).copied();
        let made = match of_image {
            None => Err(format!(
                "is for an image with id {}, which `images` does not contain",
                annotation.image_id
            )),
            Some(image) => object(annotation, index as u32, sizes[image], &classes)
                .map(|object| (image, object)),
        };
        objects.push(made.map_err(|detail| (format!("annotations[{index}]"), detail))?);
    }
    // The objects of one picture keep their order.
    objects.sort_by_key(|(image, _)| *image);
    let mut images: Vec<Pictured> = sizes.into_iter().map(|size| (size, 0..0)).collect();
    for (place, (image, _)) in objects.iter().enumerate() {
        let range = &mut images[*image].1;
        if range.start == range.end {
            range.start = place as u32;
        }
        range.end = place as u32 + 1;
    }
    let objects = objects.into_iter().map(|(_, object)| object).collect();
    Ok((keys, Contents { objects, images }))
}

fn classes(categories: &[Category]) -> Result<HashMap<i64, (Arc<str>, usize)>, Wrong> {
    let mut classes = HashMap::new();
    for (index, category) in categories.iter().enumerate() {
        let class = (category.name.as_str().into(), index);
        if let Some((_, other)) = classes.insert(category.id, class) {
            return Err((
                format!("categories[{index}]"),
                format!("has the same id as categories[{other}]: {}", category.id),
            ));
        }
    }
    Ok(classes)
}

fn size(image: &Image) -> Result<Option<(usize, usize)>, String> {
    match (image.height, image.width) {
        (None, None) => Ok(None),
        (Some(height), Some(width)) if height > 0 && width > 0 => {
            Ok(Some((height as usize, width as usize)))
        }
        (height, width) => {
            let side =
                |side: Option<u32>| side.map_or("no value".to_owned(), |side| side.to_string());
            Err(format!(
                "has {} for `height` and {} for `width`",
                side(height),
                side(width)
            ))
        }
    }
}

fn object(
    annotation: Annotation,
    index: u32,
    size: Option<(usize, usize)>,
    classes: &HashMap<i64, (Arc<str>, usize)>,
) -> Result<Object, String> {
    let class = match annotation.category_id {
        None => None,
        Some(id) => match classes.get(&id) {
            Some((name, _)) => Some(name.clone()),
            None => {
                return Err(format!(
                    "has a category with id {id}, which `categories` does not contain"
                ));
            }
        },
    };
    let shape = annotation.shape(size)?;
    Ok(Object {
        class,
        shape,
        index,
    })
}
