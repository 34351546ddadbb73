//! NumPy's element types, and arrays of them.

use super::FormatError;
use super::array::{Array, Content, ReadError, count};
use super::element::Element;

/// Longest text of an array of texts, in bytes.
pub(super) const TEXT: usize = 4096;

/// The type of an array's elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum DType {
    Number(Element),
    /// Latin-1 or UTF-8 of so many bytes, padded with zeros.
    Bytes(usize),
    /// UTF-32 of so many characters, padded with zeros.
    Text(usize),
    Object,
}

impl DType {
    /// The type with NumPy's name, without the byte order, such as `f4`.
    pub fn of(name: &str) -> Option<Self> {
        let size = || name[1..].parse::<usize>().ok();
        Some(Self::Number(match name {
            "b1" | "?" => Element::Bool,
            "i1" => Element::I8,
            "i2" => Element::I16,
            "i4" => Element::I32,
            "i8" => Element::I64,
            "u1" => Element::U8,
            "u2" => Element::U16,
            "u4" => Element::U32,
            "u8" => Element::U64,
            "f2" => Element::F16,
            "f4" => Element::F32,
            "f8" => Element::F64,
            "O" | "O4" | "O8" => return Some(Self::Object),
            _ if name.starts_with(['S', 'a']) => return size().map(Self::Bytes),
            _ if name.starts_with('U') => return size().map(Self::Text),
            _ => return None,
        }))
    }

    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Self::Number(element) => element.size(),
            Self::Bytes(size) => size,
            Self::Text(characters) => characters.saturating_mul(4),
            Self::Object => 0,
        }
    }
}

/// An array of numbers or texts in contiguous bytes.
pub(super) struct Plain<B> {
    pub shape: Vec<usize>,
    pub dtype: DType,
    pub big_endian: bool,
    pub first_axis_fastest: bool,
    pub bytes: B,
}

impl Plain<Vec<u8>> {
    /// The array, if the number of bytes matches the shape.
    pub fn array(self) -> Result<Array, ReadError> {
        let bytes = self.bytes;
        let size = self.dtype.size();
        let values = count(&self.shape);
        let shape = &self.shape;
        if values.and_then(|values| values.checked_mul(size)) != Some(bytes.len()) {
            return Err(damaged(format!(
                "an array of shape {shape:?} with {size} bytes per element has {} bytes",
                bytes.len()
            )));
        }
        let content = match self.dtype {
            DType::Number(element) => Content::Numbers {
                element,
                big_endian: self.big_endian,
                first_axis_fastest: self.first_axis_fastest,
                bytes,
            },
            _ if size == 0 || size > TEXT * 4 => {
                return Err(unsupported(format!("texts of {size} bytes")));
            }
            _ if self.first_axis_fastest && shape.len() > 1 => {
                return Err(unsupported("texts in Fortran order".into()));
            }
            dtype => {
                let texts = bytes.chunks_exact(size).map(|chunk| match dtype {
                    DType::Bytes(_) => Some(text_of(chunk)),
                    _ => utf_32(chunk, self.big_endian),
                });
                let texts: Option<Vec<String>> = texts.collect();
                Content::Texts(texts.ok_or_else(|| damaged("a text is not Unicode".into()))?)
            }
        };
        Ok(Array {
            shape: self.shape,
            content,
        })
    }
}

/// Bytes as text: UTF-8 if valid, else Latin-1, without the padding.
pub(super) fn text_of(bytes: &[u8]) -> String {
    let end = bytes
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |at| at + 1);
    match std::str::from_utf8(&bytes[..end]) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes[..end].iter().map(|&byte| char::from(byte)).collect(),
    }
}

fn utf_32(bytes: &[u8], big_endian: bool) -> Option<String> {
    let (chunks, _) = bytes.as_chunks::<4>();
    let text: Option<String> = chunks
        .iter()
        .map(|&chunk| {
            char::from_u32(if big_endian {
                u32::from_be_bytes(chunk)
            } else {
                u32::from_le_bytes(chunk)
            })
        })
        .collect();
    text.map(|text| text.trim_end_matches('\0').to_owned())
}

fn damaged(detail: String) -> ReadError {
    FormatError::Damaged {
        format: "NumPy",
        detail,
    }
    .into()
}

/// The error for a value that is not an array of numbers or texts.
pub(super) fn unsupported(what: String) -> ReadError {
    FormatError::Unsupported {
        what,
        advice: "save it as a plain array of numbers or texts: numpy.asarray(…)",
    }
    .into()
}
