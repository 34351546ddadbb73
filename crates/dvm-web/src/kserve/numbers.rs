//! Tensors as JSON, parsed directly into numbers: a long list takes no more memory than its text.

use std::fmt;

use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, Engine, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// Base64 with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The maximum number of axes.
const AXES: usize = 4;

/// The maximum number of files while parsing; the server's limit may be lower.
const FILES: usize = 4096;

/// Numbers in nested lists of equal lengths, or files in base64.
#[derive(Debug, Default, PartialEq)]
pub struct Tensor {
    /// The shape: the number of elements of the lists, outermost first.
    pub shape: Vec<usize>,
    /// The numbers, row-major.
    pub values: Vec<f32>,
    /// The bytes of the files.
    pub files: Vec<Vec<u8>>,
}

/// One list of a tensor.
struct Level<'a> {
    tensor: &'a mut Tensor,
    /// The known lengths of the axes.
    lengths: &'a mut Vec<Option<usize>>,
    axis: usize,
}

impl Level<'_> {
    /// Checks an element that is not a list.
    fn leaf<E: Error>(&self) -> Result<(), E> {
        match self.lengths.len() == self.axis {
            true => Ok(()),
            false => Err(E::custom(
                "a list must not contain both lists and other elements",
            )),
        }
    }

    fn number<E: Error>(self, value: f64) -> Result<(), E> {
        self.leaf()?;
        if !self.tensor.files.is_empty() {
            return Err(E::custom(
                "a tensor must not contain both numbers and texts",
            ));
        }
        self.tensor.values.push(value as f32);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Level<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a number, a file in base64, or a list of these")
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.number(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.number(value as f64)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.number(value as f64)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.leaf()?;
        if !self.tensor.values.is_empty() {
            return Err(E::custom(
                "a tensor must not contain both numbers and texts",
            ));
        }
        if self.tensor.files.len() == FILES {
            return Err(E::custom("there are too many files"));
        }
        self.tensor.files.push(file(text)?);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self {
            tensor,
            lengths,
            axis,
        } = self;
        if axis == AXES {
            return Err(Error::custom("the lists are nested too deeply"));
        }
        if lengths.len() == axis {
            if !tensor.values.is_empty() || !tensor.files.is_empty() {
                return Err(Error::custom(
                    "a list must not contain both lists and other elements",
                ));
            }
            lengths.push(None);
        }
        let mut length = 0;
        loop {
            let inner = Level {
                tensor: &mut *tensor,
                lengths: &mut *lengths,
                axis: axis + 1,
            };
            if list.next_element_seed(inner)?.is_none() {
                break;
            }
            length += 1;
        }
        match lengths[axis].replace(length) {
            Some(before) if before != length => Err(Error::custom(format!(
                "lists of one axis must have the same length, but have {before} and {length} elements"
            ))),
            _ => Ok(()),
        }
    }
}

impl<'de> Deserialize<'de> for Tensor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut tensor = Self::default();
        let mut lengths = Vec::new();
        deserializer.deserialize_any(Level {
            tensor: &mut tensor,
            lengths: &mut lengths,
            axis: 0,
        })?;
        tensor.shape = lengths.into_iter().map(Option::unwrap_or_default).collect();
        Ok(tensor)
    }
}

/// The bytes of a file in base64.
fn file<E: Error>(text: &str) -> Result<Vec<u8>, E> {
    let bytes = BASE64.decode(text);
    bytes.map_err(|error| {
        E::custom(format!(
            "a file must be in base64, but the text is not: {error}"
        ))
    })
}

/// One instance of a request in V1.
#[derive(Debug, PartialEq)]
pub enum Instance {
    /// The bytes of a picture file.
    File(Vec<u8>),
    /// The numbers that the network expects, `[C, H, W]`.
    Numbers(Tensor),
}

/// The accepted names of an instance's file.
const NAMES: [&str; 4] = ["b64", "image", "image_bytes", "data"];

struct InstanceVisitor;

impl<'de> Visitor<'de> for InstanceVisitor {
    type Value = Instance;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(
            "{\"b64\": \"…\"}, {\"image\": {\"b64\": \"…\"}} or {\"image_bytes\": {\"b64\": \"…\"}} with a picture \
             file, or the network's numbers as lists [C, H, W]",
        )
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Instance, A::Error> {
        let tensor = Tensor::deserialize(serde::de::value::SeqAccessDeserializer::new(list))?;
        match tensor.files.is_empty() {
            true => Ok(Instance::Numbers(tensor)),
            false => Err(Error::custom("an instance must be numbers, not texts")),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Instance, A::Error> {
        let mut given = None;
        while let Some(name) = map.next_key::<String>()? {
            if !NAMES.contains(&&name[..]) {
                return Err(Error::unknown_field(&name, &NAMES));
            }
            if given.replace(map.next_value::<File>()?.0).is_some() {
                return Err(Error::custom("an instance must be one picture"));
            }
        }
        let file = given.ok_or_else(|| Error::missing_field("b64"))?;
        Ok(Instance::File(file))
    }
}

impl<'de> Deserialize<'de> for Instance {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(InstanceVisitor)
    }
}

/// A file as text in base64, or as `{"b64": text}`.
struct File(Vec<u8>);

struct FileVisitor;

impl<'de> Visitor<'de> for FileVisitor {
    type Value = File;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a file in base64, or {\"b64\": \"…\"} with one")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<File, E> {
        file(text).map(File)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<File, A::Error> {
        let mut given = None;
        while let Some(name) = map.next_key::<String>()? {
            if name != "b64" {
                return Err(Error::unknown_field(&name, &["b64"]));
            }
            given = Some(map.next_value::<Text>()?.0);
        }
        given.map(File).ok_or_else(|| Error::missing_field("b64"))
    }
}

impl<'de> Deserialize<'de> for File {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FileVisitor)
    }
}

/// A file as text in base64 only.
struct Text(Vec<u8>);

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a file in base64")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        file(text).map(Text)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

/// Numbers `[rows, columns]`, written as nested lists.
pub struct Rows<'a> {
    /// The numbers, row-major.
    pub values: &'a [f32],
    /// The number of columns.
    pub columns: usize,
}

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.values.chunks(self.columns.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(text: &str) -> Result<Tensor, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn nested_lists_become_numbers_with_a_shape() {
        let read = tensor("[[[1, 2.5, -3]], [[4, 5, 6e-1]]]").unwrap();
        assert_eq!(read.shape, [2, 1, 3]);
        assert_eq!(read.values, [1.0, 2.5, -3.0, 4.0, 5.0, 0.6]);
        assert_eq!(tensor("[]").unwrap().shape, [0]);
        assert_eq!(tensor("[[], []]").unwrap().shape, [2, 0]);
    }

    #[test]
    fn texts_become_files() {
        let read = tensor(r#"["AQI=", "AQI"]"#).unwrap();
        assert_eq!(read.files, [vec![1, 2], vec![1, 2]]);
        assert_eq!(read.shape, [2]);
    }

    #[test]
    fn invalid_tensors_are_errors() {
        for (text, why) in [
            ("[[1, 2], [3]]", "have 2 and 1 elements"),
            ("[[1, 2], 3]", "both lists and"),
            ("[1, [2]]", "both lists and"),
            ("[[[[[1]]]]]", "too deeply"),
            ("[1, \"AQI=\"]", "both numbers and"),
            ("[\"AQI=\", 1]", "both numbers and"),
            ("[null]", "expected a number"),
            ("[NaN]", "expected"),
            ("[1e999]", "out of range"),
            ("[\"%\"]", "base64"),
            ("[{\"a\": 1}]", "expected a number"),
        ] {
            let error = tensor(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn deep_nesting_is_an_error_at_once() {
        let text = "[".repeat(1 << 20);
        assert!(tensor(&text).unwrap_err().contains("too deeply"));
        let text = "{\"image\":".repeat(1 << 20);
        assert!(serde_json::from_str::<Instance>(&text).is_err());
    }

    #[test]
    fn an_instance_is_parsed_in_all_its_forms() {
        for text in [
            r#"{"b64": "AQI="}"#,
            r#"{"image": {"b64": "AQI="}}"#,
            r#"{"image_bytes": {"b64": "AQI="}}"#,
            r#"{"data": "AQI="}"#,
        ] {
            let instance: Instance = serde_json::from_str(text).unwrap();
            assert_eq!(instance, Instance::File(vec![1, 2]), "{text}");
        }
        for text in [
            r#"{"b64": 3}"#,
            r#"{}"#,
            r#"{"url": "http://x"}"#,
            r#""AQI=""#,
            "3",
        ] {
            assert!(serde_json::from_str::<Instance>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rows_are_written_as_nested_lists() {
        let rows = Rows {
            values: &[0.1, 2.0, -3.5, 4.0],
            columns: 2,
        };
        let text = serde_json::to_string(&rows).unwrap();
        assert_eq!(text, "[[0.1,2.0],[-3.5,4.0]]");
    }
}
