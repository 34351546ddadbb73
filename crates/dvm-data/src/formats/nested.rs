//! Lists of numbers, texts and arrays as one array.

use dvm_pickle::{Document, Node, Reference};

use super::array::{Array, Content, ReadError, count};
use super::dtype::{TEXT, unsupported};
use super::numpy::{
    AXES, ArrayGlobal, bytes_at, damaged, encoded, excessive, object, plain, sides, text_at,
};

/// The values of nested lists and arrays.
pub(super) struct NestedValues {
    pub numbers: Vec<f64>,
    pub texts: Vec<String>,
    /// Bytes that may still be added.
    budget: u64,
}

impl NestedValues {
    /// An empty collection for at most `budget` bytes.
    pub fn within(budget: u64) -> Self {
        Self {
            numbers: Vec::new(),
            texts: Vec::new(),
            budget,
        }
    }

    fn spend(&mut self, bytes: usize) -> Result<(), ReadError> {
        let left = self.budget.checked_sub(bytes as u64 + 8);
        self.budget = left.ok_or_else(|| {
            excessive("its lists repeat values, so they are larger than the file".into())
        })?;
        Ok(())
    }

    /// Adds the value at `reference`; returns its shape.
    pub fn add(
        &mut self,
        document: &Document<ArrayGlobal>,
        reference: Reference,
        depth: usize,
    ) -> Result<Vec<usize>, ReadError> {
        if depth > AXES {
            return Err(unsupported(format!(
                "lists that are nested more than {AXES} deep"
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
        if let Some((ArrayGlobal::Reconstruct, _, Some(state))) = object(document, reference) {
            // An array of objects: a shape and a list of items.
            if let Some([_, shape, _, _, items]) = document.items(state) {
                let shape = sides(document, *shape);
                let shape = shape.ok_or_else(|| damaged("an array has no shape".into()))?;
                let inner = self.add_items(document, *items, depth)?;
                let items = document.items(*items).map(<[_]>::len);
                if count(&shape) != items {
                    return Err(damaged(format!(
                        "the number of objects of an array does not match its shape {shape:?}"
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
            Node::None => return Err(unsupported("None instead of an array".into())),
            Node::Long => return Err(unsupported("integers of more than 64 bits".into())),
            Node::Text(_) | Node::Bytes(_) => {
                return Err(unsupported(format!("a text of more than {TEXT} bytes")));
            }
            Node::Global(_) | Node::Object { .. } => {
                return Err(unsupported("an object that is not an array".into()));
            }
        };
        self.spend(8)?;
        self.numbers.push(number);
        Ok(Vec::new())
    }

    /// Adds all items of a list; returns the shape that they have in common.
    fn add_items(
        &mut self,
        document: &Document<ArrayGlobal>,
        list: Reference,
        depth: usize,
    ) -> Result<Vec<usize>, ReadError> {
        let items = document.items(list);
        let items = items.ok_or_else(|| unsupported("a dictionary or a set".into()))?;
        let mut shape: Option<Vec<usize>> = None;
        for &item in items {
            self.spend(0)?;
            let this = self.add(document, item, depth + 1)?;
            match &shape {
                Some(first) if *first != this => {
                    return Err(unsupported(format!(
                        "a list of arrays of different shapes ({first:?} and {this:?})"
                    )));
                }
                Some(_) => {}
                None => shape = Some(this),
            }
        }
        Ok(shape.unwrap_or_default())
    }

    fn add_array(&mut self, array: Array) -> Result<Vec<usize>, ReadError> {
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
