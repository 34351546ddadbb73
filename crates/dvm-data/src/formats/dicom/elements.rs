//! The needed elements of a DICOM file.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::Path;

use dicom_core::Tag;
use dicom_encoding::transfer_syntax::{Codec, TransferSyntax, TransferSyntaxIndex};
use dicom_parser::dataset::LazyDataToken;
use dicom_parser::dataset::lazy_read::LazyDataSetReader;
use dicom_transfer_syntax_registry::{TransferSyntaxRegistry, entries};

use super::super::array::ReadError;
use super::super::slices::MOST_BYTES;
use super::compressed::Compression;
use super::{DECOMPRESS, FORMAT, SAVE_GREY, damaged, tags, unsupported};

/// Longest file meta information. Usually it has about 200 bytes.
const META: u32 = 1 << 16;

/// Longest value, except for pixels.
const VALUE: u32 = 1024;

/// Most bytes that one byte of a deflated data set can become.
const DEFLATION: u64 = 1032;

/// Values of a file, not decoded.
#[derive(Default)]
pub(super) struct Elements {
    values: Vec<(Tag, Vec<u8>)>,
    pub big_endian: bool,
    /// The compression of the pixels, if any.
    pub compression: Option<Compression>,
    /// The offset table and the fragments of compressed pixels.
    pub items: Vec<Vec<u8>>,
}

impl Elements {
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let file = File::open(path).map_err(ReadError::Io)?;
        let length = file.metadata().map_err(ReadError::Io)?.len();
        let mut file = BufReader::with_capacity(1 << 16, file);
        let uid = transfer_syntax(&mut file)?;
        let syntax = TransferSyntaxRegistry.get(&uid).ok_or_else(|| {
            let advice = "save it in explicit little endian, the usual transfer syntax";
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
                read.map_err(ReadError::reading(FORMAT))?;
                let length = bytes.len() as u64;
                elements.collect(Cursor::new(bytes), syntax, length)?;
            }
            _ => {
                let compression = Compression::of(syntax);
                elements.compression = Some(compression.ok_or_else(|| compressed(syntax))?);
                elements.collect(file, syntax, length)?;
            }
        }
        Ok(elements)
    }

    /// Keeps the values of [`tags::KEPT`], except those in sequences.
    fn collect(
        &mut self,
        source: impl Read + Seek,
        syntax: &TransferSyntax,
        length: u64,
    ) -> Result<(), ReadError> {
        let broken = |error: &dyn std::fmt::Display| damaged(error.to_string());
        let mut reader =
            LazyDataSetReader::new_with_ts(source, syntax).map_err(|error| broken(&error))?;
        let mut depth = 0usize;
        let mut is_in_pixels = false;
        // Icons in sequences may be compressed, too.
        let mut is_in_icon = false;
        while let Some(token) = reader.advance() {
            match token.map_err(|error| broken(&error))? {
                LazyDataToken::SequenceStart { tag, .. } => {
                    if depth == 0 && tag == tags::MODALITY_LUT {
                        return Err(unsupported("a modality lookup table", SAVE_GREY));
                    }
                    depth += 1;
                }
                LazyDataToken::SequenceEnd if is_in_pixels => break,
                LazyDataToken::SequenceEnd if is_in_icon => is_in_icon = false,
                LazyDataToken::PixelSequenceStart if depth > 0 => is_in_icon = true,
                LazyDataToken::SequenceEnd => depth = depth.saturating_sub(1),
                LazyDataToken::PixelSequenceStart => {
                    if self.compression.is_none() {
                        return Err(compressed(syntax));
                    }
                    is_in_pixels = true;
                }
                LazyDataToken::ItemStart { .. } if is_in_pixels => self.items.push(Vec::new()),
                LazyDataToken::LazyItemValue { len, decoder } if is_in_pixels => {
                    let token = LazyDataToken::LazyItemValue { len, decoder };
                    if u64::from(len) > length {
                        let lie = format!("a fragment of its pixels declares {len} bytes");
                        return Err(damaged(lie));
                    }
                    let mut value = Vec::new();
                    let read = token.read_value_into(&mut value);
                    read.map_err(|error| broken(&error))?;
                    if value.len() < len as usize {
                        return Err(damaged("it ends within its pixels"));
                    }
                    if let Some(item) = self.items.last_mut() {
                        *item = value;
                    }
                }
                LazyDataToken::LazyValue { header, decoder } => {
                    let (tag, declared) = (header.tag, header.len.0);
                    let token = LazyDataToken::LazyValue { header, decoder };
                    let is_identity = tags::IDENTITY.iter().any(|(known, ..)| *known == tag);
                    let is_kept = tags::KEPT.contains(&tag) || is_identity && declared <= VALUE;
                    if depth > 0 || !is_kept {
                        token.skip().map_err(|error| broken(&error))?;
                        continue;
                    }
                    let most = match tag {
                        tags::PIXELS => length.min(MOST_BYTES),
                        _ => VALUE.into(),
                    };
                    if u64::from(declared) > most {
                        return Err(damaged(format!(
                            "its element {tag} declares {declared} bytes"
                        )));
                    }
                    let mut value = Vec::new();
                    let read = token.read_value_into(&mut value);
                    read.map_err(|error| broken(&error))?;
                    if value.len() < declared as usize {
                        return Err(damaged(format!("it ends within its element {tag}")));
                    }
                    self.values.push((tag, value));
                    if tag == tags::PIXELS {
                        break;
                    }
                }
                token => token.skip().map_err(|error| broken(&error))?,
            }
        }
        Ok(())
    }

    pub fn value(&self, tag: Tag) -> Option<&[u8]> {
        let found = self.values.iter().find(|(found, _)| *found == tag);
        found.map(|(_, value)| value.as_slice())
    }

    /// A number of two bytes.
    pub fn short(&self, tag: Tag) -> Option<u16> {
        let bytes = *self.value(tag)?.first_chunk()?;
        Some(if self.big_endian {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        })
    }

    /// A text without its padding.
    pub fn text(&self, tag: Tag) -> Option<String> {
        let text = String::from_utf8_lossy(self.value(tag)?);
        Some(text.trim_matches(['\0', ' ']).to_owned())
    }

    /// A number written as text, or `default` if the element is missing.
    pub fn number(&self, tag: Tag, default: f64) -> Result<f64, ReadError> {
        let Some(text) = self.text(tag).filter(|text| !text.is_empty()) else {
            return Ok(default);
        };
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| damaged(format!("its element {tag} is {text:?}, not a number")))
    }
}

fn compressed(syntax: &TransferSyntax) -> ReadError {
    let what = format!("pixels in the transfer syntax {}", syntax.name());
    unsupported(what, DECOMPRESS)
}

/// Reads the file meta information, which names the encoding.
fn transfer_syntax(file: &mut impl Read) -> Result<String, ReadError> {
    let none = || damaged("it has no `DICM` at byte 128");
    let mut start = [0; 132];
    let read = file.read_exact(&mut start);
    read.map_err(ReadError::reading(FORMAT))?;
    if &start[128..] != b"DICM" {
        return Err(none());
    }
    // The length of the group is its first element: (0002,0000) UL, four bytes.
    let mut first = [0; 12];
    let read = file.read_exact(&mut first);
    read.map_err(ReadError::reading(FORMAT))?;
    let [head @ .., a, b, c, d] = first;
    let length = u32::from_le_bytes([a, b, c, d]);
    if &head != b"\x02\0\0\0UL\x04\0" || length > META {
        return Err(damaged("its file meta information has no length"));
    }
    let mut group = Vec::new();
    let read = file.take(length.into()).read_to_end(&mut group);
    read.map_err(ReadError::reading(FORMAT))?;
    let mut meta = Elements::default();
    let explicit = TransferSyntaxRegistry.get(entries::EXPLICIT_VR_LITTLE_ENDIAN.uid());
    let explicit = explicit.ok_or_else(none)?;
    meta.collect(Cursor::new(group), explicit, length.into())?;
    meta.text(tags::TRANSFER_SYNTAX)
        .ok_or_else(|| damaged("it does not name its transfer syntax"))
}
