//! DICOM files with uncompressed grey pictures: <https://dicom.nema.org/medical/dicom/current/output/html/part05.html>.
//!
//! Read by `dicom-parser`'s tokens, not into a `dicom-object`: that one builds sequences within
//! sequences by calling itself, and takes the memory that a value declares, so that a small file can
//! overflow the stack or ask for 4 GiB. Of the tokens, a dozen values are kept and all else is read
//! over.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::Path;

use dicom_core::Tag;
use dicom_encoding::transfer_syntax::{Codec, TransferSyntax, TransferSyntaxIndex};
use dicom_parser::dataset::LazyDataToken;
use dicom_parser::dataset::lazy_read::LazyDataSetReader;
use dicom_transfer_syntax_registry::{TransferSyntaxRegistry, entries};

use super::FormatError;
use super::array::Stop;
use super::grey::Slice;
use super::slices::{MOST_BYTES, Wanted};

const FORMAT: &str = "DICOM";

/// Longest file meta information that is read; it is some 200 bytes.
const META: u32 = 1 << 16;

/// Longest value that is kept, but for the pixels.
const VALUE: u32 = 1024;

/// How many bytes one byte of a deflated data set can become, at most.
const DEFLATION: u64 = 1032;

const TRANSFER_SYNTAX: Tag = Tag(0x0002, 0x0010);
const SAMPLES: Tag = Tag(0x0028, 0x0002);
const PHOTOMETRIC: Tag = Tag(0x0028, 0x0004);
const FRAMES: Tag = Tag(0x0028, 0x0008);
const ROWS: Tag = Tag(0x0028, 0x0010);
const COLUMNS: Tag = Tag(0x0028, 0x0011);
const BITS_ALLOCATED: Tag = Tag(0x0028, 0x0100);
const BITS_STORED: Tag = Tag(0x0028, 0x0101);
const HIGH_BIT: Tag = Tag(0x0028, 0x0102);
const REPRESENTATION: Tag = Tag(0x0028, 0x0103);
const INTERCEPT: Tag = Tag(0x0028, 0x1052);
const SLOPE: Tag = Tag(0x0028, 0x1053);
const MODALITY_LUT: Tag = Tag(0x0028, 0x3000);
const PIXELS: Tag = Tag(0x7fe0, 0x0010);

const KEPT: [Tag; 13] = [
    TRANSFER_SYNTAX,
    SAMPLES,
    PHOTOMETRIC,
    FRAMES,
    ROWS,
    COLUMNS,
    BITS_ALLOCATED,
    BITS_STORED,
    HIGH_BIT,
    REPRESENTATION,
    INTERCEPT,
    SLOPE,
    PIXELS,
];

/// How many frames the file says it has.
pub(super) fn slice_count(path: &Path) -> Result<usize, Stop> {
    Ok(Image::of(&Elements::read(path)?)?.frames)
}

/// The frames as they are stored.
pub(super) fn read_slices(path: &Path, wanted: &Wanted) -> Result<Vec<Slice>, Stop> {
    let elements = Elements::read(path)?;
    let image = Image::of(&elements)?;
    let slice = |index| {
        let values: Vec<f64> = image.frame(index).collect();
        Slice::scaled(index, image.rows, image.columns, &values)
    };
    let slices: Result<Vec<Slice>, FormatError> = wanted.of(image.frames).map(slice).collect();
    Ok(slices?)
}

fn damaged(detail: impl Into<String>) -> Stop {
    FormatError::Damaged {
        format: FORMAT,
        detail: detail.into(),
    }
    .into()
}

fn unsupported(what: impl Into<String>, advice: &'static str) -> Stop {
    let what = what.into();
    FormatError::Unsupported { what, advice }.into()
}

const SAVE_GREY: &str = "save it as an uncompressed grey picture of 8 or 16 bits";

/// The values kept of a file, undecoded.
#[derive(Default)]
struct Elements {
    values: Vec<(Tag, Vec<u8>)>,
    big_endian: bool,
}

impl Elements {
    fn read(path: &Path) -> Result<Self, Stop> {
        let file = File::open(path).map_err(Stop::Io)?;
        let length = file.metadata().map_err(Stop::Io)?.len();
        let mut file = BufReader::with_capacity(1 << 16, file);
        let uid = transfer_syntax(&mut file)?;
        let syntax = TransferSyntaxRegistry.get(&uid).ok_or_else(|| {
            let advice = "save it in explicit little endian, the usual form";
            unsupported(format!("a data set in the transfer syntax {uid:?}"), advice)
        })?;
        let mut elements = Self {
            big_endian: uid == entries::EXPLICIT_VR_BIG_ENDIAN.uid(),
            ..Self::default()
        };
        match syntax.codec() {
            Codec::None => elements.collect(file, syntax, length)?,
            Codec::Dataset(Some(adapter)) => {
                let most = length
                    .saturating_mul(DEFLATION)
                    .min(MOST_BYTES + (64 << 20));
                let mut bytes = Vec::new();
                let inflated = adapter.adapt_reader(Box::new(file));
                let read = inflated.take(most).read_to_end(&mut bytes);
                read.map_err(Stop::reading(FORMAT))?;
                let length = bytes.len() as u64;
                elements.collect(Cursor::new(bytes), syntax, length)?;
            }
            _ => return Err(compressed(syntax)),
        }
        Ok(elements)
    }

    /// Keeps the values of [`KEPT`] that stand in no sequence.
    fn collect(
        &mut self,
        source: impl Read + Seek,
        syntax: &TransferSyntax,
        length: u64,
    ) -> Result<(), Stop> {
        let broken = |error: &dyn std::fmt::Display| damaged(error.to_string());
        let mut reader =
            LazyDataSetReader::new_with_ts(source, syntax).map_err(|error| broken(&error))?;
        let mut depth = 0usize;
        while let Some(token) = reader.advance() {
            match token.map_err(|error| broken(&error))? {
                LazyDataToken::SequenceStart { tag, .. } => {
                    if depth == 0 && tag == MODALITY_LUT {
                        return Err(unsupported("values in a table of their own", SAVE_GREY));
                    }
                    depth += 1;
                }
                LazyDataToken::SequenceEnd => depth = depth.saturating_sub(1),
                LazyDataToken::PixelSequenceStart => return Err(compressed(syntax)),
                LazyDataToken::LazyValue { header, decoder } => {
                    let (tag, declared) = (header.tag, header.len.0);
                    let token = LazyDataToken::LazyValue { header, decoder };
                    if depth > 0 || !KEPT.contains(&tag) {
                        token.skip().map_err(|error| broken(&error))?;
                        continue;
                    }
                    let most = match tag {
                        PIXELS => length.min(MOST_BYTES),
                        _ => VALUE.into(),
                    };
                    if u64::from(declared) > most {
                        return Err(damaged(format!(
                            "its element {tag} is said to have {declared} bytes"
                        )));
                    }
                    let mut value = Vec::new();
                    let read = token.read_value_into(&mut value);
                    read.map_err(|error| broken(&error))?;
                    if value.len() < declared as usize {
                        return Err(damaged(format!("it ends within its element {tag}")));
                    }
                    self.values.push((tag, value));
                    if tag == PIXELS {
                        break;
                    }
                }
                token => token.skip().map_err(|error| broken(&error))?,
            }
        }
        Ok(())
    }

    fn value(&self, tag: Tag) -> Option<&[u8]> {
        let found = self.values.iter().find(|(found, _)| *found == tag);
        found.map(|(_, value)| value.as_slice())
    }

    /// A number of two bytes.
    fn short(&self, tag: Tag) -> Option<u16> {
        let bytes = *self.value(tag)?.first_chunk()?;
        Some(if self.big_endian {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        })
    }

    /// A text without what fills it up.
    fn text(&self, tag: Tag) -> Option<String> {
        let text = String::from_utf8_lossy(self.value(tag)?);
        Some(text.trim_matches(['\0', ' ']).to_owned())
    }

    /// A number in digits, or `default` if there is none.
    fn number(&self, tag: Tag, default: f64) -> Result<f64, Stop> {
        let Some(text) = self.text(tag).filter(|text| !text.is_empty()) else {
            return Ok(default);
        };
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| damaged(format!("its element {tag} is {text:?}, not a number")))
    }
}

fn compressed(syntax: &TransferSyntax) -> Stop {
    unsupported(
        format!("pixels in the transfer syntax {}", syntax.name()),
        "decompress it first: gdcmconv --raw IN.dcm OUT.dcm, or in Python: file = \
         pydicom.dcmread(…); file.decompress(); file.save_as(…)",
    )
}

/// Reads what stands before the data set, which says how it is encoded.
fn transfer_syntax(file: &mut impl Read) -> Result<String, Stop> {
    let none = || damaged("it has no `DICM` where DICOM files have it");
    let mut start = [0; 132];
    let read = file.read_exact(&mut start);
    read.map_err(Stop::reading(FORMAT))?;
    if &start[128..] != b"DICM" {
        return Err(none());
    }
    // The length of the group is its first element: (0002,0000) UL, four bytes.
    let mut first = [0; 12];
    let read = file.read_exact(&mut first);
    read.map_err(Stop::reading(FORMAT))?;
    let [head @ .., a, b, c, d] = first;
    let length = u32::from_le_bytes([a, b, c, d]);
    if &head != b"\x02\0\0\0UL\x04\0" || length > META {
        return Err(damaged("its file meta information has no length"));
    }
    let mut group = Vec::new();
    let read = file.take(length.into()).read_to_end(&mut group);
    read.map_err(Stop::reading(FORMAT))?;
    let mut meta = Elements::default();
    let explicit = TransferSyntaxRegistry.get(entries::EXPLICIT_VR_LITTLE_ENDIAN.uid());
    let explicit = explicit.ok_or_else(none)?;
    meta.collect(Cursor::new(group), explicit, length.into())?;
    meta.text(TRANSFER_SYNTAX)
        .ok_or_else(|| damaged("it does not name its transfer syntax"))
}

/// Grey pictures of one size.
struct Image<'a> {
    rows: usize,
    columns: usize,
    frames: usize,
    /// Bytes of a stored value: one or two.
    size: usize,
    big_endian: bool,
    /// Bits of a stored value, of which the lowest is `shift`.
    bits: u32,
    shift: u32,
    signed: bool,
    slope: f64,
    intercept: f64,
    pixels: &'a [u8],
}

impl<'a> Image<'a> {
    fn of(elements: &'a Elements) -> Result<Self, Stop> {
        let need = |tag: Tag| {
            let value = elements.short(tag);
            value.ok_or_else(|| damaged(format!("it has no element {tag}, so it holds no picture")))
        };
        let (rows, columns) = (need(ROWS)?.into(), need(COLUMNS)?.into());
        let photometric = elements.text(PHOTOMETRIC).unwrap_or_default();
        let turned = match (photometric.as_str(), elements.short(SAMPLES).unwrap_or(1)) {
            ("MONOCHROME1", 1) => true,
            ("MONOCHROME2", 1) => false,
            (name, samples) => {
                let what = format!("a picture in {name:?} with {samples} values per pixel");
                return Err(unsupported(what, SAVE_GREY));
            }
        };
        let allocated = need(BITS_ALLOCATED)?;
        if !matches!(allocated, 8 | 16) {
            return Err(unsupported(
                format!("pixels of {allocated} bits"),
                SAVE_GREY,
            ));
        }
        let stored = elements.short(BITS_STORED).unwrap_or(allocated);
        let high = elements.short(HIGH_BIT).unwrap_or(stored.saturating_sub(1));
        if stored == 0 || high >= allocated || stored > high + 1 {
            return Err(damaged(format!(
                "its pixels are said to have {stored} of {allocated} bits, up to bit {high}"
            )));
        }
        if elements.big_endian && allocated == 8 {
            let what = "pixels of 8 bits in big-endian words";
            return Err(unsupported(what, SAVE_GREY));
        }
        let frames = elements.number(FRAMES, 1.0)?;
        let size = usize::from(allocated / 8);
        let pixels = elements.value(PIXELS);
        let pixels = pixels.ok_or_else(|| damaged("it has no pixels"))?;
        let needed = (rows * columns * size) as f64 * frames;
        if rows * columns == 0 || !(1.0..=65536.0).contains(&frames) || frames.fract() != 0.0 {
            return Err(damaged(format!(
                "{frames} pictures of {rows} rows and {columns} columns cannot be"
            )));
        }
        if needed > pixels.len() as f64 {
            return Err(damaged(format!(
                "{frames} pictures of {rows} rows and {columns} columns take {needed} bytes, and it \
                 has {}",
                pixels.len()
            )));
        }
        let (slope, intercept) = (
            elements.number(SLOPE, 1.0)?,
            elements.number(INTERCEPT, 0.0)?,
        );
        // Where 0 means white, the negative is what means black at its least.
        let sign = if turned { -1.0 } else { 1.0 };
        Ok(Self {
            rows,
            columns,
            frames: frames as usize,
            size,
            big_endian: elements.big_endian,
            bits: stored.into(),
            shift: u32::from(high + 1 - stored),
            signed: elements.short(REPRESENTATION) == Some(1),
            slope: sign * slope,
            intercept: sign * intercept,
            pixels,
        })
    }

    fn frame(&self, index: usize) -> impl Iterator<Item = f64> {
        let length = self.rows * self.columns * self.size;
        let frame = &self.pixels[index * length..(index + 1) * length];
        frame.chunks_exact(self.size).map(|bytes| {
            let word = match (bytes, self.big_endian) {
                (&[low, high], false) => u16::from_le_bytes([low, high]),
                (&[high, low], true) => u16::from_be_bytes([high, low]),
                (bytes, _) => u16::from(bytes[0]),
            };
            let unused = 32 - self.bits;
            let stored = u32::from(word >> self.shift) << unused;
            let value = if self.signed {
                f64::from(stored as i32 >> unused)
            } else {
                f64::from(stored >> unused)
            };
            value * self.slope + self.intercept
        })
    }
}
