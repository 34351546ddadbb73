//! Pascal VOC: one XML file per picture.
//!
//! As in the development kit of Pascal VOC, corners of boxes are pixels counted from 1, and both belong to the
//! box: a box from 1 to 1 is the first pixel. A box that starts at 0 is read as if it started at 1.
//!
//! The file is read as a stream of events (`quick-xml`), without attributes. `roxmltree`, a dependency already,
//! compares each attribute of an element with all others, so 40,000 attributes take seconds.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::key::Key;
use super::shape::{Object, Shape};
use super::store::{Described, Files, Store};
use super::{Format, files};
use crate::Error;

/// Pascal VOC's XML.
pub(super) const VOC: Format = Format {
    name: "Pascal VOC",
    summary: "a folder of Pascal VOC files (XML, one per picture with its name)",
    recognises: |bytes| bytes.starts_with(b"<"),
    ending: Some("xml"),
    open,
};

/// Longest file. 10,000 objects need less.
const LONGEST: u64 = 8 << 20;

/// Deepest nesting of elements. Parts of objects are five deep.
const DEEPEST: usize = 32;

fn open(folder: &Path, files: Vec<PathBuf>) -> Result<(Vec<Key>, Box<dyn Store>), Error> {
    Files::open(folder, files, read)
}

fn read(path: &Path, _: (usize, usize)) -> Result<Described<'static>, Error> {
    let bytes = files::bytes_of(path, LONGEST)?;
    parsed(&bytes).map_err(|(entry, detail)| Error::Region {
        path: path.into(),
        entry,
        detail,
    })
}

/// An error, with its position.
type Wrong = (String, String);

/// An object, as far as it has been read.
#[derive(Default)]
struct Unfinished {
    name: Option<String>,
    corners: [Option<f64>; 4],
    has_box: bool,
}

/// The names of the corners, and their axes.
const CORNERS: [&str; 4] = ["xmin", "ymin", "xmax", "ymax"];

fn parsed(bytes: &[u8]) -> Result<Described<'static>, Wrong> {
    let source = std::str::from_utf8(bytes).map_err(|error| {
        let detail = "the file is not UTF-8; save it as UTF-8".to_owned();
        (format!("byte {}", error.valid_up_to()), detail)
    })?;
    let source = source.trim_start_matches('\u{feff}');
    let mut reader = Reader::from_str(source);
    let mut found = Annotation::default();
    // The names of the open elements, from the outermost, and the text of the innermost.
    let mut around: Vec<String> = Vec::new();
    let mut text = String::new();
    let mut is_closed = false;
    loop {
        let position = reader.buffer_position();
        let broken = |detail: String| (format!("byte {position}"), detail);
        let event = reader.read_event();
        match event.map_err(|error| broken(format!("the XML is invalid: {error}")))? {
            Event::Start(_) | Event::Empty(_) if is_closed => {
                return Err(broken("there is more than one `annotation`".into()));
            }
            Event::Start(start) => {
                around.push(name(&start));
                text.clear();
                if around.len() > DEEPEST {
                    let detail = format!("elements are nested more than {DEEPEST} deep");
                    return Err(broken(detail));
                }
                found.begin(&around).map_err(broken)?;
            }
            Event::End(_) => {
                found.end(&around, text.trim())?;
                text.clear();
                around.pop();
                is_closed = around.is_empty();
            }
            Event::Empty(start) => {
                around.push(name(&start));
                found.begin(&around).map_err(broken)?;
                found.end(&around, "")?;
                around.pop();
                is_closed = around.is_empty();
            }
            Event::Text(part) => text += &part,
            Event::CData(part) => text += &part,
            Event::GeneralRef(reference) => {
                let known = character(&reference.into_inner());
                text.push(
                    known
                        .ok_or_else(|| broken("references to entities are not supported".into()))?,
                );
            }
            Event::DocType(_) => {
                return Err(broken(
                    "a document type (`<!DOCTYPE`) is not supported".into(),
                ));
            }
            Event::Eof if around.is_empty() && is_closed => return Ok(found.described()),
            Event::Eof => {
                let open = around.last().map_or("annotation", |name| name);
                return Err(broken(format!("the file ends before the end of `{open}`")));
            }
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
        }
    }
}

fn name(start: &BytesStart) -> String {
    start.local_name().as_ref().to_owned()
}

/// The character of a predefined entity or a character reference.
fn character(reference: &str) -> Option<char> {
    match reference {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "apos" => Some('\''),
        "quot" => Some('"'),
        number => {
            let number = number.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}

/// A file, as far as it has been read.
#[derive(Default)]
struct Annotation {
    objects: Vec<Object>,
    object: Unfinished,
    sides: [Option<usize>; 2],
}

impl Annotation {
    /// The last of these elements starts.
    fn begin(&mut self, around: &[String]) -> Result<(), String> {
        let names: Vec<&str> = around.iter().map(String::as_str).collect();
        match names[..] {
            ["annotation"] => {}
            [other] => {
                return Err(format!("starts with `{other}`, not with `annotation`"));
            }
            ["annotation", "object"] => self.object = Unfinished::default(),
            ["annotation", "object", "bndbox"] => {
                if self.object.has_box {
                    return Err(format!("{} has two boxes", self.current()));
                }
                self.object.has_box = true;
            }
            [.., "object"] if names.len() > 2 => {
                return Err("an `object` is not directly inside `annotation`".into());
            }
            _ => {}
        }
        Ok(())
    }

    /// The last of these elements ends, with this text.
    fn end(&mut self, around: &[String], text: &str) -> Result<(), Wrong> {
        let names: Vec<&str> = around.iter().map(String::as_str).collect();
        match names[..] {
            ["annotation", "size", side @ ("height" | "width")] => {
                let side = usize::from(side == "width");
                let pixels = text.parse().map_err(|_| {
                    let detail = format!("`{text}` is not a number of pixels");
                    (format!("size, {}", names[2]), detail)
                })?;
                self.sides[side] = Some(pixels);
            }
            ["annotation", "object", "name"] => self.object.name = Some(text.to_owned()),
            ["annotation", "object", "bndbox", corner] => {
                if let Some(place) = CORNERS.iter().position(|known| *known == corner) {
                    let value = text.parse().ok().filter(|value: &f64| value.is_finite());
                    let value = value.ok_or_else(|| {
                        (
                            self.current(),
                            format!("`{corner}` is `{text}`, which is not a number"),
                        )
                    })?;
                    if self.object.corners[place].replace(value).is_some() {
                        return Err((self.current(), format!("has two values of `{corner}`")));
                    }
                }
            }
            ["annotation", "object"] => {
                let object = self.finished();
                let object = object.map_err(|detail| (self.current(), detail))?;
                self.objects.push(object);
            }
            _ => {}
        }
        Ok(())
    }

    fn current(&self) -> String {
        format!("object {}", self.objects.len() + 1)
    }

    fn finished(&mut self) -> Result<Object, String> {
        let Unfinished {
            name,
            corners,
            has_box,
        } = std::mem::take(&mut self.object);
        if !has_box {
            return Err("has no box (`bndbox`)".into());
        }
        let missing = CORNERS.iter().zip(corners).find(|(_, c)| c.is_none());
        if let Some((corner, _)) = missing {
            return Err(format!("its box has no `{corner}`"));
        }
        let [left, top, right, bottom] = corners.map(Option::unwrap_or_default);
        if left < 0.0 || top < 0.0 || right < left || bottom < top {
            return Err(format!(
                "its box is from ({left}, {top}) to ({right}, {bottom}) (x, y); corners are counted from 1, and \
                 the second must be right of and below the first"
            ));
        }
        let name = name.filter(|name| !name.is_empty());
        Ok(Object {
            class: Some(name.ok_or("has no class (`name`)")?.into()),
            shape: Shape::Box {
                rows: (top - 1.0).max(0.0)..bottom,
                columns: (left - 1.0).max(0.0)..right,
            },
            index: self.objects.len() as u32,
        })
    }

    fn described(self) -> Described<'static> {
        // Some programs write a size of 0 if they do not know it.
        let size = match self.sides {
            [Some(height), Some(width)] if height > 0 && width > 0 => Some((height, width)),
            _ => None,
        };
        Described {
            size,
            objects: Cow::Owned(self.objects),
        }
    }
}
