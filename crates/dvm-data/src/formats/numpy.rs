//! Pickled arrays, in every protocol of Python 2 and 3.

use std::io::BufRead;

use dvm_pickle::{Document, DocumentError, Limits, Node, Reference};

use super::FormatError;
use super::array::{Array, Content, ReadError};
use super::dtype::{DType, Plain, TEXT, text_of, unsupported};
use super::element::Element;
use super::nested::NestedValues;

const FORMAT: &str = "pickle";

/// Most opcodes. Arrays need a few dozen, a list of a million numbers a million.
const STEPS: u64 = 4_000_000;

/// Most axes of an array: depth of nested lists.
pub(super) const AXES: usize = 8;

/// The globals in pickles of arrays. All others are an error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum ArrayGlobal {
    /// Makes an empty array, which then gets its state.
    Reconstruct,
    /// The class of arrays.
    NdArray,
    /// An element type.
    DType,
    /// Makes a NumPy scalar.
    Scalar,
    /// Makes an array from bytes.
    FromBuffer,
    /// Makes bytes from text, as Python 3 writes for Python 2.
    Encode,
    /// Makes bytes, empty or from bytes.
    Bytes,
}

fn resolve(module: &str, name: &str) -> Option<ArrayGlobal> {
    Some(match (module, name) {
        ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => {
            ArrayGlobal::Reconstruct
        }
        ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => ArrayGlobal::Scalar,
        ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => ArrayGlobal::FromBuffer,
        ("numpy", "ndarray") => ArrayGlobal::NdArray,
        ("numpy", "dtype") => ArrayGlobal::DType,
        ("_codecs", "encode") => ArrayGlobal::Encode,
        ("__builtin__" | "builtins", "bytes" | "bytearray") => ArrayGlobal::Bytes,
        _ => return None,
    })
}

/// The array in a pickle of `length` bytes.
pub(super) fn read(mut reader: impl BufRead, length: u64) -> Result<Array, ReadError> {
    let document = Document::read(&mut reader, Limits { steps: STEPS }, resolve);
    let mut document = document.map_err(|error| match error {
        dvm_pickle::Error::Io(error) => ReadError::Io(error),
        dvm_pickle::Error::Broken { at, reason } => damaged(format!("{reason} (after {at} bytes)")),
        dvm_pickle::Error::Refused(DocumentError::UnknownGlobal { module, name }) => {
            let name = format!("{module}.{name}");
            FormatError::Code { name }.into()
        }
        dvm_pickle::Error::Refused(DocumentError::TooManySteps(steps)) => excessive(format!(
            "its pickle has more than {steps} steps; save large lists as arrays: numpy.asarray(…)"
        )),
        dvm_pickle::Error::Refused(DocumentError::Unsupported(what)) => {
            unsupported(what.to_owned())
        }
    })?;
    let root = document.root();
    if let Some(plain) = plain(&document, root)? {
        return plain.array(&mut document);
    }
    let mut collected = NestedValues::within(length.saturating_mul(4).saturating_add(1 << 20));
    let shape = collected.add(&document, root, 0)?;
    let content = match (collected.numbers, collected.texts) {
        (numbers, texts) if texts.is_empty() => Content::Numbers {
            element: Element::F64,
            big_endian: false,
            first_axis_fastest: false,
            bytes: numbers.into_iter().flat_map(f64::to_le_bytes).collect(),
        },
        (numbers, texts) if numbers.is_empty() => Content::Texts(texts),
        _ => return Err(unsupported("numbers and texts in one list".into())),
    };
    Ok(Array { shape, content })
}

pub(super) fn damaged(detail: String) -> ReadError {
    FormatError::Damaged {
        format: FORMAT,
        detail,
    }
    .into()
}

pub(super) fn excessive(claim: String) -> ReadError {
    FormatError::Excessive { claim }.into()
}

impl Plain<Reference> {
    /// Moves the bytes out of the document.
    fn array(self, document: &mut Document<ArrayGlobal>) -> Result<Array, ReadError> {
        let place = encoded(document, self.bytes).unwrap_or(self.bytes);
        let bytes = match document.take(place) {
            Node::Bytes(bytes) => Some(bytes),
            Node::Text(text) => latin_1(text),
            Node::Container(_, items) if items.is_empty() => Some(Vec::new()),
            _ => None,
        };
        self.with(bytes)
    }

    /// The array with these bytes.
    pub(super) fn with(self, bytes: Option<Vec<u8>>) -> Result<Array, ReadError> {
        let bytes = bytes.ok_or_else(|| damaged("an array has no bytes".into()))?;
        Plain {
            shape: self.shape,
            dtype: self.dtype,
            big_endian: self.big_endian,
            first_axis_fastest: self.first_axis_fastest,
            bytes,
        }
        .array()
    }
}

/// The text that Python 3 wrote for bytes, for Python 2.
pub(super) fn encoded(document: &Document<ArrayGlobal>, reference: Reference) -> Option<Reference> {
    let (function, arguments, _) = object(document, reference)?;
    match (function, document.items(arguments)?) {
        (ArrayGlobal::Encode, [text, ..]) | (ArrayGlobal::Bytes, [text]) => Some(*text),
        // `bytes()` has an empty tuple of arguments and means empty bytes.
        (ArrayGlobal::Bytes, []) => Some(arguments),
        _ => None,
    }
}

/// A copy of bytes, decoded as Latin-1 if they were written as text.
pub(super) fn bytes_at(document: &Document<ArrayGlobal>, reference: Reference) -> Option<Vec<u8>> {
    match document.node(encoded(document, reference).unwrap_or(reference)) {
        Node::Bytes(bytes) => Some(bytes.clone()),
        Node::Text(text) => latin_1(text.clone()),
        Node::Container(_, items) if items.is_empty() => Some(Vec::new()),
        _ => None,
    }
}

/// Converts a text of characters up to U+00FF to bytes, in the text's memory.
fn latin_1(text: String) -> Option<Vec<u8>> {
    let mut bytes = text.into_bytes();
    let (mut read, mut write) = (0, 0);
    while let Some(&first) = bytes.get(read) {
        (bytes[write], read) = match first {
            0..0x80 => (first, read + 1),
            // The two bytes of a character up to U+00FF.
            0xc2 | 0xc3 => (first << 6 | bytes.get(read + 1)? & 0x3f, read + 2),
            _ => return None,
        };
        write += 1;
    }
    bytes.truncate(write);
    Some(bytes)
}

/// A call: the function, its arguments, and the state of the result.
pub(super) fn object(
    document: &Document<ArrayGlobal>,
    reference: Reference,
) -> Option<(ArrayGlobal, Reference, Option<Reference>)> {
    let Node::Object {
        function,
        arguments,
        state,
    } = document.node(reference)
    else {
        return None;
    };
    match document.node(*function) {
        Node::Global(known) => Some((*known, *arguments, *state)),
        _ => None,
    }
}

/// A short text, as Python 2 or 3 writes it.
pub(super) fn text_at(document: &Document<ArrayGlobal>, reference: Reference) -> Option<String> {
    match document.node(reference) {
        Node::Text(text) if text.len() <= TEXT => Some(text.clone()),
        Node::Bytes(bytes) if bytes.len() <= TEXT => Some(text_of(bytes)),
        Node::Object { .. } => {
            let inner = encoded(document, reference)?;
            match document.node(inner) {
                Node::Text(text) if text.len() <= TEXT => {
                    Some(text_of(&bytes_at(document, reference)?))
                }
                Node::Bytes(bytes) if bytes.len() <= TEXT => Some(text_of(bytes)),
                _ => None,
            }
        }
        _ => None,
    }
}

pub(super) fn sides(document: &Document<ArrayGlobal>, reference: Reference) -> Option<Vec<usize>> {
    let side = |&reference: &Reference| match document.node(reference) {
        Node::Int(side) => usize::try_from(*side).ok(),
        _ => None,
    };
    let items = document.items(reference)?;
    (items.len() <= AXES).then(|| items.iter().map(side).collect())?
}

/// `dtype('f4', …)` with its state `(3, '<', …)`; the second value is whether it is big-endian.
fn dtype_at(
    document: &Document<ArrayGlobal>,
    reference: Reference,
) -> Result<(DType, bool), ReadError> {
    let strange = || damaged("the element type of an array is not in NumPy's format".into());
    let (ArrayGlobal::DType, arguments, state) = object(document, reference).ok_or_else(strange)?
    else {
        return Err(strange());
    };
    let arguments = document.items(arguments).ok_or_else(strange)?;
    let name = arguments.first().and_then(|&name| text_at(document, name));
    let name = name.ok_or_else(strange)?;
    let mut big_endian = name.starts_with('>');
    let plain = name.trim_start_matches(['<', '>', '|', '=']);
    if let Some(state) = state {
        let order = document.items(state).and_then(|state| state.get(1));
        let order = order.and_then(|&order| text_at(document, order));
        big_endian = order.ok_or_else(strange)? == ">";
    }
    let dtype = DType::of(plain).ok_or_else(|| {
        unsupported(format!(
            "an array of elements of type {:?}",
            shortened(&name)
        ))
    })?;
    Ok((dtype, big_endian))
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

/// The array at `reference`; `None` if it is not an array, or one of objects.
pub(super) fn plain(
    document: &Document<ArrayGlobal>,
    reference: Reference,
) -> Result<Option<Plain<Reference>>, ReadError> {
    let strange = || damaged("an array is not in NumPy's format".into());
    let (shape, dtype, first_axis_fastest, bytes) = match object(document, reference) {
        Some((ArrayGlobal::Reconstruct, _, state)) => {
            let Some([_, shape, dtype, fortran, bytes]) =
                state.and_then(|state| document.items(state))
            else {
                return Err(strange());
            };
            let fortran = match document.node(*fortran) {
                Node::Bool(fortran) => *fortran,
                Node::Int(fortran) => *fortran != 0,
                _ => return Err(strange()),
            };
            (*shape, *dtype, fortran, *bytes)
        }
        Some((ArrayGlobal::FromBuffer, arguments, _)) => {
            let Some([bytes, dtype, shape, order]) = document.items(arguments) else {
                return Err(strange());
            };
            let order = text_at(document, *order).ok_or_else(strange)?;
            (*shape, *dtype, order == "F", *bytes)
        }
        Some((ArrayGlobal::Scalar, arguments, _)) => {
            let Some([dtype, bytes]) = document.items(arguments) else {
                return Err(strange());
            };
            let (dtype, big_endian) = dtype_at(document, *dtype)?;
            return Ok(Some(Plain {
                shape: Vec::new(),
                dtype,
                big_endian,
                first_axis_fastest: false,
                bytes: *bytes,
            }));
        }
        _ => return Ok(None),
    };
    let (dtype, big_endian) = dtype_at(document, dtype)?;
    if dtype == DType::Object {
        return Ok(None);
    }
    Ok(Some(Plain {
        shape: sides(document, shape).ok_or_else(strange)?,
        dtype,
        big_endian,
        first_axis_fastest,
        bytes,
    }))
}
