//! Writing a report while pictures are explained.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use dvm::{Error, Explanation, Interpolation, Picture, StagedFile, encode_jpeg, resize};
use serde::Serialize;
use serde_json::{Map, Value};

use super::head::{Failed, Head, Kind, PictureEntry, Section};
use super::markup::{write_element, write_json};
use crate::view::{Colours, Detail, ExplanationView, Warning, colours, data_url};

/// The front end's page.
const PAGE: &str = include_str!("../../embedded/report.html");

/// The mark at which the data is inserted.
const MARK: &str = "<!--data-->";

/// A text at the beginning of every report.
const SIGN: &str = "<title>dvm report</title>";

/// The number of bytes in which the sign must be.
const BEGINNING: u64 = 4096;

/// Longer side of a thumbnail, in pixels.
const THUMBNAIL: usize = 128;

/// JPEG quality of thumbnails, of 100.
const THUMBNAIL_QUALITY: u8 = 80;

/// A report that is written under a hidden name and moved to its place when it is finished. If it is dropped before,
/// nothing is left. Pictures are written at once, so memory does not grow with their number.
pub struct Writer {
    path: PathBuf,
    file: StagedFile,
    /// The list of pictures, which is written after the last picture.
    list: BufWriter<File>,
    detail: Detail,
    elements: usize,
    listed: usize,
    failed: Vec<Failed>,
}

impl Writer {
    /// Begins a report in this file. An earlier report is replaced at the end.
    ///
    /// # Errors
    /// [`Error::Occupied`] if the file is not a report, [`Error::Save`] if it cannot be written.
    pub fn begin(path: &Path, detail: Detail) -> Result<Self, Error> {
        let failed = |source| Error::Save {
            path: path.into(),
            source,
        };
        if !may_be_replaced(path).map_err(failed)? {
            return Err(Error::Occupied {
                path: path.into(),
                detail: "is not a report and is not replaced; choose another name".into(),
            });
        }
        let mut file = StagedFile::begin(path).map_err(failed)?;
        let list = BufWriter::new(file.scratch().map_err(failed)?);
        file.write_all(halves().0.as_bytes()).map_err(failed)?;
        Ok(Self {
            path: path.into(),
            file,
            list,
            detail,
            elements: 0,
            listed: 0,
            failed: Vec::new(),
        })
    }

    /// How exact pictures and numbers are.
    pub fn detail(&self) -> Detail {
        self.detail
    }

    /// Writes the explanation of one class of a picture. `record` is its [`Explanation::record`], possibly with
    /// additions; `name` is that of the picture. Returns the entry for the list ([`Writer::list`]).
    ///
    /// # Errors
    /// [`Error::Save`].
    pub fn explanation(
        &mut self,
        explanation: &Explanation,
        name: &str,
        record: Value,
        group: Option<&str>,
    ) -> Result<PictureEntry, Error> {
        let view = ExplanationView::new(explanation, name, record, self.detail);
        let entry = PictureEntry {
            group: group.map(Into::into),
            ..entry(self.elements, &view, explanation)
        };
        self.element(&view)?;
        Ok(entry)
    }

    fn element(&mut self, view: &ExplanationView) -> Result<(), Error> {
        let written = write_picture(&mut self.file, self.elements, view);
        self.elements += 1;
        self.saved(written)
    }

    /// Appends an entry to the list of pictures.
    ///
    /// # Errors
    /// [`Error::Save`].
    pub fn list(&mut self, entry: &PictureEntry) -> Result<(), Error> {
        let comma: &[u8] = if self.listed == 0 { b"" } else { b"," };
        self.listed += 1;
        let written = self.list.write_all(comma);
        let written = written.and_then(|()| write_json(&mut self.list, entry));
        self.saved(written)
    }

    /// Adds a picture that could not be used.
    pub fn failed(&mut self, name: impl Into<String>, error: impl Into<String>) {
        self.failed.push(Failed {
            name: name.into(),
            error: error.into(),
        });
    }

    /// Writes the rest and moves the file to its place. Returns its size in bytes.
    ///
    /// # Errors
    /// [`Error::Save`].
    pub fn finish(mut self, head: &Head) -> Result<u64, Error> {
        let head = HeadData::new(head, &self.failed, self.detail);
        let written = self.list.flush().and_then(|()| {
            let list = self.list.get_mut();
            list.rewind()?;
            write_end(&mut self.file, &head, |out| io::copy(list, out).map(drop))
        });
        self.saved(written)?;
        let Self { path, file, .. } = self;
        file.publish()
            .map_err(|source| Error::Save { path, source })
    }

    fn saved(&self, written: io::Result<()>) -> Result<(), Error> {
        written.map_err(|source| Error::Save {
            path: self.path.clone(),
            source,
        })
    }
}

/// Makes a report of a few explanations in memory, each with the name of its picture and its record.
pub fn document(explanations: &[(&Explanation, &str, Value)], head: &Head) -> Vec<u8> {
    let detail = Detail::Full;
    let mut bytes = halves().0.as_bytes().to_vec();
    let mut entries = Vec::new();
    for (id, (explanation, name, record)) in explanations.iter().enumerate() {
        let view = ExplanationView::new(explanation, name, record.clone(), detail);
        entries.push(entry(id, &view, explanation));
        write_picture(&mut bytes, id, &view).expect("writing to memory does not fail");
    }
    let entries = |out: &mut Vec<u8>| {
        for (index, entry) in entries.iter().enumerate() {
            out.extend(if index == 0 { "" } else { "," }.bytes());
            write_json(out, entry)?;
        }
        Ok(())
    };
    let written = write_end(&mut bytes, &HeadData::new(head, &[], detail), entries);
    written.expect("writing to memory does not fail");
    bytes
}

/// Whether the file does not exist, is empty, or is a report.
fn may_be_replaced(path: &Path) -> io::Result<bool> {
    if !path.is_file() {
        return Ok(true);
    }
    let mut beginning = Vec::new();
    File::open(path)?
        .take(BEGINNING)
        .read_to_end(&mut beginning)?;
    Ok(beginning.is_empty() || String::from_utf8_lossy(&beginning).contains(SIGN))
}

/// The page before and after its mark.
fn halves() -> (&'static str, &'static str) {
    PAGE.split_once(MARK).expect("the page has a mark")
}

fn write_picture(out: &mut impl Write, id: usize, view: &ExplanationView) -> io::Result<()> {
    write_element(out, &format!("class=\"picture\" id=\"picture-{id}\""), view)
}

/// The head as in the file, without the list of pictures.
#[derive(Serialize)]
struct HeadData<'a> {
    kind: Kind,
    title: &'a str,
    command: &'a str,
    version: &'static str,
    parameters: &'a Map<String, Value>,
    warnings: &'a [Warning],
    colours: Colours,
    sections: &'a [Section],
    failed: &'a [Failed],
    small: bool,
}

impl<'a> HeadData<'a> {
    fn new(head: &'a Head, failed: &'a [Failed], detail: Detail) -> Self {
        Self {
            kind: head.kind,
            title: &head.title,
            command: &head.command,
            version: env!("CARGO_PKG_VERSION"),
            parameters: &head.parameters,
            warnings: &head.warnings,
            colours: colours(),
            sections: &head.sections,
            failed,
            small: detail == Detail::Small,
        }
    }
}

/// Writes the head, to which `entries` adds the list of pictures, and the rest of the page.
fn write_end<W: Write>(
    out: &mut W,
    head: &HeadData,
    entries: impl FnOnce(&mut W) -> io::Result<()>,
) -> io::Result<()> {
    let mut text = Vec::new();
    write_json(&mut text, head)?;
    let open = text.strip_suffix(b"}").expect("an object ends like this");
    out.write_all(b"<script type=\"application/json\" id=\"head\">")?;
    out.write_all(open)?;
    out.write_all(b",\"entries\":[")?;
    entries(out)?;
    out.write_all(b"]}</script>\n")?;
    out.write_all(halves().1.as_bytes())
}

/// The entry in the list of pictures for an element.
fn entry(id: usize, view: &ExplanationView, explanation: &Explanation) -> PictureEntry {
    let top = explanation.prediction().top(1).first();
    let right = |class: &String| top.is_some_and(|top| top.name == *class);
    PictureEntry {
        id,
        name: view.name.clone(),
        title: view.title.clone(),
        class: view.class.clone(),
        true_class: view.true_class.clone(),
        right: view.true_class.as_ref().map(right),
        warnings: view.warnings.len(),
        methods: view.maps.iter().map(|map| map.method.clone()).collect(),
        group: None,
        thumbnail: thumbnail(explanation),
    }
}

/// A thumbnail of the first map over the crop.
fn thumbnail(explanation: &Explanation) -> String {
    let first = explanation.maps().next();
    let overlaid = first.and_then(|(method, _)| explanation.overlaid(method));
    let picture = overlaid.as_ref().unwrap_or_else(|| explanation.crop());
    data_url(
        "image/jpeg",
        &encode_jpeg(&shrunk(picture), THUMBNAIL_QUALITY),
    )
}

fn shrunk(picture: &Picture) -> Picture {
    let (height, width) = (picture.height(), picture.width());
    let longer = height.max(width);
    if longer <= THUMBNAIL {
        return picture.clone();
    }
    let side = |length: usize| (length * THUMBNAIL / longer).max(1);
    resize(picture, side(height), side(width), Interpolation::Bilinear)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_one_mark_and_the_sign_at_its_beginning() {
        assert_eq!(PAGE.matches(MARK).count(), 1);
        assert!(PAGE[..BEGINNING as usize].contains(SIGN));
    }

    #[test]
    fn thumbnails_keep_the_aspect_ratio() {
        let size = |height, width| {
            let small = shrunk(&Picture::filled(height, width, [9; 3]));
            (small.height(), small.width())
        };
        assert_eq!(size(224, 448), (64, 128));
        assert_eq!(size(28, 28), (28, 28));
        assert_eq!(size(2000, 1), (128, 1));
    }
}
