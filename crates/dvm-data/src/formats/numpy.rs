//! Arrays as `pickle.dump` writes them, in every protocol and by Python 2 and 3.

use std::io::BufRead;

use dvm_pickle::{Document, Limits, Node, Reference, Unread};

use super::FormatError;
use super::array::{Array, Content, Stop, count};
use super::element::Element;

const FORMAT: &str = "pickle";

/// Most opcodes that are followed. Arrays take a few dozen, a list of a million numbers as many.
const STEPS: u64 = 4_000_000;

/// Lists within lists within lists: most axes of an array.
const AXES: usize = 8;

/// Longest text of an array of texts, in bytes.
const TEXT: usize = 4096;

/// What the pickles of arrays name. All else is refused.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Known {
    /// An array, empty until it gets its state.
    Reconstruct,
    /// The class of arrays.
    NdArray,
    /// A type of elements.
    DType,
    /// A number by itself.
    Scalar,
    /// An array on bytes that stand beside it.
    FromBuffer,
    /// Bytes written as text, by Python 3 for Python 2.
    Encode,
    /// Bytes, of nothing or of bytes.
    Bytes,
}

fn resolve(module: &str, name: &str) -> Option<Known> {
    Some(match (module, name) {
        ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Known::Reconstruct,
        ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Known::Scalar,
        ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => Known::FromBuffer,
        ("numpy", "ndarray") => Known::NdArray,
        ("numpy", "dtype") => Known::DType,
        ("_codecs", "encode") => Known::Encode,
        ("__builtin__" | "builtins", "bytes" | "bytearray") => Known::Bytes,
        _ => return None,
    })
}

/// The array in a pickle of `length` bytes.
pub(super) fn read(mut reader: impl BufRead, length: u64) -> Result<Array, Stop> {
    let document = Document::read(&mut reader, Limits { steps: STEPS }, resolve);
    let mut document = document.map_err(|error| match error {
        dvm_pickle::Error::Io(error) => Stop::Io(error),
        dvm_pickle::Error::Broken { at, reason } => damaged(format!("{reason} (after {at} bytes)")),
        dvm_pickle::Error::Refused(Unread::Stranger { module, name }) => {
            let name = format!("{module}.{name}");
            FormatError::Code { name }.into()
        }
        dvm_pickle::Error::Refused(Unread::Long(steps)) => excessive(format!(
            "its pickle has more than {steps} steps; save large lists as arrays: numpy.asarray(…)"
        )),
        dvm_pickle::Error::Refused(Unread::Strange(what)) => unsupported(what.to_owned()),
    })?;
    let root = document.root();
    if let Some(plain) = plain(&document, root)? {
        return plain.array(&mut document);
    }
    let mut collected = Collected {
        numbers: Vec::new(),
        texts: Vec::new(),
        budget: length.saturating_mul(4).saturating_add(1 << 20),
    };
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

fn damaged(detail: String) -> Stop {
    FormatError::Damaged {
        format: FORMAT,
        detail,
    }
    .into()
}

fn excessive(claim: String) -> Stop {
    FormatError::Excessive { claim }.into()
}

fn unsupported(what: String) -> Stop {
    FormatError::Unsupported {
        what,
        advice: "save it as a plain array of numbers or texts: numpy.asarray(…)",
    }
    .into()
}

/// The type of an array's elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum DType {
    Number(Element),
    /// Latin-1 or UTF-8 of so many bytes, filled up with zeros.
    Bytes(usize),
    /// UTF-32 of so many characters, filled up with zeros.
    Text(usize),
    Object,
}

impl DType {
    /// By NumPy's name without the byte order, such as `f4`.
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

/// An array of numbers or texts whose bytes lie in one piece.
pub(super) struct Plain<B> {
    pub shape: Vec<usize>,
    pub dtype: DType,
    pub big_endian: bool,
    pub first_axis_fastest: bool,
    pub bytes: B,
}

impl Plain<Reference> {
    /// Takes the bytes out of the document.
    fn array(self, document: &mut Document<Known>) -> Result<Array, Stop> {
        let place = encoded(document, self.bytes).unwrap_or(self.bytes);
        let bytes = match document.take(place) {
            Node::Bytes(bytes) => Some(bytes),
            Node::Text(text) => latin_1(text),
            Node::Container(_, items) if items.is_empty() => Some(Vec::new()),
            _ => None,
        };
        self.with(bytes)
    }

    fn with(self, bytes: Option<Vec<u8>>) -> Result<Array, Stop> {
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

impl Plain<Vec<u8>> {
    /// The array, if it has as many bytes as its shape says.
    pub fn array(self) -> Result<Array, Stop> {
        let bytes = self.bytes;
        let size = self.dtype.size();
        let values = count(&self.shape);
        let shape = &self.shape;
        if values.and_then(|values| values.checked_mul(size)) != Some(bytes.len()) {
            return Err(damaged(format!(
                "an array of shape {shape:?} with {size} bytes per element is said to have {} \
                 bytes",
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

/// Bytes as text: UTF-8 if they are, else Latin-1, without the zeros that fill up.
fn text_of(bytes: &[u8]) -> String {
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

/// The text that Python 3 wrote for bytes so that Python 2 understands it.
fn encoded(document: &Document<Known>, reference: Reference) -> Option<Reference> {
    let (function, arguments, _) = object(document, reference)?;
    match (function, document.items(arguments)?) {
        (Known::Encode, [text, ..]) | (Known::Bytes, [text]) => Some(*text),
        // `bytes()` is empty, as the empty tuple has no bytes either.
        (Known::Bytes, []) => Some(arguments),
        _ => None,
    }
}

/// Bytes without taking them; Latin-1 where they were written as text.
fn bytes_at(document: &Document<Known>, reference: Reference) -> Option<Vec<u8>> {
    match document.node(encoded(document, reference).unwrap_or(reference)) {
        Node::Bytes(bytes) => Some(bytes.clone()),
        Node::Text(text) => latin_1(text.clone()),
        Node::Container(_, items) if items.is_empty() => Some(Vec::new()),
        _ => None,
    }
}

/// The bytes whose values are the text's characters, in the text's memory.
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

/// A call: what, its arguments, the state its result was given.
fn object(
    document: &Document<Known>,
    reference: Reference,
) -> Option<(Known, Reference, Option<Reference>)> {
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

/// A short text, in whatever form Python 2 and 3 write one.
fn text_at(document: &Document<Known>, reference: Reference) -> Option<String> {
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

fn sides(document: &Document<Known>, reference: Reference) -> Option<Vec<usize>> {
    let side = |&reference: &Reference| match document.node(reference) {
        Node::Int(side) => usize::try_from(*side).ok(),
        _ => None,
    };
    let items = document.items(reference)?;
    (items.len() <= AXES).then(|| items.iter().map(side).collect())?
}

/// `dtype('f4', …)` with its state `(3, '<', …)`; the second value is whether it is big-endian.
fn dtype_at(document: &Document<Known>, reference: Reference) -> Result<(DType, bool), Stop> {
    let strange = || damaged("an array's type of elements is not as NumPy writes it".into());
    let (Known::DType, arguments, state) = object(document, reference).ok_or_else(strange)? else {
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

/// The array at `reference`, unless it is none or one of objects.
fn plain(
    document: &Document<Known>,
    reference: Reference,
) -> Result<Option<Plain<Reference>>, Stop> {
    let strange = || damaged("an array is not as NumPy writes it".into());
    let (shape, dtype, first_axis_fastest, bytes) = match object(document, reference) {
        Some((Known::Reconstruct, _, state)) => {
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
        Some((Known::FromBuffer, arguments, _)) => {
            let Some([bytes, dtype, shape, order]) = document.items(arguments) else {
                return Err(strange());
            };
            let order = text_at(document, *order).ok_or_else(strange)?;
            (*shape, *dtype, order == "F", *bytes)
        }
        Some((Known::Scalar, arguments, _)) => {
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

/// What lists of lists of arrays come to.
struct Collected {
    numbers: Vec<f64>,
    texts: Vec<String>,
    /// How many bytes may still be collected.
    budget: u64,
}

impl Collected {
    fn spend(&mut self, bytes: usize) -> Result<(), Stop> {
        let left = self.budget.checked_sub(bytes as u64 + 8);
        self.budget = left.ok_or_else(|| {
            excessive("its lists repeat values that come to more than the file's length".into())
        })?;
        Ok(())
    }

    /// Adds the value at `reference`; its shape.
    fn add(
        &mut self,
        document: &Document<Known>,
        reference: Reference,
        depth: usize,
    ) -> Result<Vec<usize>, Stop> {
        if depth > AXES {
            return Err(unsupported(format!(
                "lists within lists, more than {AXES} deep"
            )));
        }
        if let Some(plain) = plain(document, reference)? {
            let bytes = encoded(document, plain.bytes).unwrap_or(plain.bytes);
            match document.node(bytes) {
                Node::Bytes(bytes) => self.spend(bytes.len())?,
                Node::Text(text) => self.spend(text.len())?,
                _ => {}
            }
            let bytes = bytes_at(document, plain.bytes);
            return self.add_array(plain.with(bytes)?);
        }
        if let Some((Known::Reconstruct, _, Some(state))) = object(document, reference) {
            // An array of objects: its shape, and its items in a list.
            if let Some([_, shape, _, _, items]) = document.items(state) {
                let shape = sides(document, *shape);
                let shape = shape.ok_or_else(|| damaged("an array has no shape".into()))?;
                let inner = self.add_items(document, *items, depth)?;
                let items = document.items(*items).map(<[_]>::len);
                if count(&shape) != items {
                    return Err(damaged(format!(
                        "an array of shape {shape:?} has another number of objects"
                    )));
                }
                return Ok([shape, inner].concat());
            }
        }
        if let Some(text) = text_at(document, reference) {
            self.spend(text.len())?;
            self.texts.push(text);
            return Ok(Vec::new());
        }
        let number = match document.node(reference) {
            Node::Bool(value) => f64::from(u8::from(*value)),
            Node::Int(value) => *value as f64,
            Node::Float(value) => *value,
            Node::Container(..) => {
                let inner = self.add_items(document, reference, depth)?;
                let items = document.items(reference).map_or(0, <[_]>::len);
                return Ok([vec![items], inner].concat());
            }
            Node::None => return Err(unsupported("None in place of an array".into())),
            Node::Long => return Err(unsupported("integers of more than 64 bits".into())),
            Node::Text(_) | Node::Bytes(_) => {
                return Err(unsupported(format!("a text of more than {TEXT} bytes")));
            }
            Node::Global(_) | Node::Object { .. } => {
                return Err(unsupported("an object that is no array".into()));
            }
        };
        self.spend(8)?;
        self.numbers.push(number);
        Ok(Vec::new())
    }

    /// Adds all items of a list; the shape that each of them has.
    fn add_items(
        &mut self,
        document: &Document<Known>,
        list: Reference,
        depth: usize,
    ) -> Result<Vec<usize>, Stop> {
        let items = document.items(list);
        let items = items.ok_or_else(|| unsupported("a dictionary or a set".into()))?;
        let mut shape: Option<Vec<usize>> = None;
        for &item in items {
            self.spend(0)?;
            let this = self.add(document, item, depth + 1)?;
            match &shape {
                Some(first) if *first != this => {
                    return Err(unsupported(format!(
                        "a list of arrays of unequal shapes ({first:?} and {this:?})"
                    )));
                }
                Some(_) => {}
                None => shape = Some(this),
            }
        }
        Ok(shape.unwrap_or_default())
    }

    fn add_array(&mut self, array: Array) -> Result<Vec<usize>, Stop> {
        match array.content {
            Content::Texts(texts) => self.texts.extend(texts),
            Content::Numbers { .. } if array.shape.is_empty() => {
                let one = Array {
                    shape: vec![1],
                    ..array
                };
                self.numbers.extend(one.row(0).unwrap_or_default());
                return Ok(Vec::new());
            }
            Content::Numbers { .. } => {
                let values = count(&array.shape).unwrap_or(0);
                self.spend(values * 8)?;
                for row in 0..if values == 0 { 0 } else { array.rows() } {
                    self.numbers.extend(array.row(row).unwrap_or_default());
                }
            }
        }
        Ok(array.shape)
    }
}
