//! Reads and decodes a file and its external weights.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use dvm_engine::weights::hexadecimal;
use prost::Message;
use sha2::{Digest, Sha256};

use crate::error::OnnxError;
use crate::proto;
use crate::size_check;

/// The most bytes of a file, by the limit of protocol buffers, and of one external tensor.
const MOST: u64 = 1 << 31;

/// A decoded file.
pub(crate) struct Decoded {
    pub model: proto::Model,
    /// Of the file without external weights.
    pub sha256: String,
    /// Bytes of the file and its external weights.
    pub bytes: usize,
}

/// Reads and decodes a file and its external weights.
///
/// # Errors
/// [`OnnxError`] names the file.
pub(crate) fn file(path: &Path) -> Result<Decoded, OnnxError> {
    let name = path.display().to_string();
    let failed = |source| OnnxError::Io {
        file: name.clone(),
        source,
    };
    let opened = open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    opened
        .take(MOST + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    let mut decoded = decode(&bytes, &name)?;
    drop(bytes);
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut external = ExternalData {
        folder,
        name: &name,
        read: 0,
        opened: BTreeMap::new(),
    };
    if let Some(graph) = &mut decoded.model.graph {
        external.graph(graph)?;
    }
    for function in &mut decoded.model.functions {
        external.nodes(&mut function.node)?;
    }
    decoded.bytes = decoded.bytes.saturating_add(external.read as usize);
    Ok(decoded)
}

/// Decodes the bytes of a file, called `name` in messages.
///
/// # Errors
/// [`OnnxError`] if they are not an ONNX file, or too large.
pub(crate) fn decode(bytes: &[u8], name: &str) -> Result<Decoded, OnnxError> {
    let file = name.to_owned();
    if bytes.len() as u64 > MOST {
        let detail = "is larger than 2 GiB; export it with its weights in a separate file".into();
        return Err(OnnxError::TooLarge { file, detail });
    }
    if let Err((detail, is_size)) = size_check::check(bytes) {
        return Err(if is_size {
            OnnxError::TooLarge { file, detail }
        } else {
            OnnxError::Damaged { file, detail }
        });
    }
    let model = proto::Model::decode(bytes).map_err(|error| OnnxError::Damaged {
        file: file.clone(),
        detail: format!("it cannot be decoded ({error})"),
    })?;
    if model.graph.is_none() {
        let detail = "it contains no graph".into();
        return Err(OnnxError::Damaged { file, detail });
    }
    let digest = Sha256::digest(bytes);
    Ok(Decoded {
        model,
        sha256: hexadecimal(&digest),
        bytes: bytes.len(),
    })
}

/// Opens a regular file, because others may block.
fn open(path: &Path) -> std::io::Result<File> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("not a file"));
    }
    File::open(path)
}

/// The external files of a model, in its folder.
struct ExternalData<'a> {
    folder: &'a Path,
    name: &'a str,
    read: u64,
    opened: BTreeMap<String, (File, u64)>,
}

impl ExternalData<'_> {
    fn graph(&mut self, graph: &mut proto::Graph) -> Result<(), OnnxError> {
        for tensor in &mut graph.initializer {
            self.tensor(tensor)?;
        }
        self.nodes(&mut graph.node)
    }

    fn nodes(&mut self, nodes: &mut [proto::Node]) -> Result<(), OnnxError> {
        for attribute in nodes.iter_mut().flat_map(|node| &mut node.attribute) {
            if let Some(tensor) = &mut attribute.t {
                self.tensor(tensor)?;
            }
            if let Some(graph) = &mut attribute.g {
                self.graph(graph)?;
            }
        }
        Ok(())
    }

    /// Reads the numbers of a tensor from its external file.
    fn tensor(&mut self, tensor: &mut proto::Tensor) -> Result<(), OnnxError> {
        if tensor.data_location != 1 {
            return Ok(());
        }
        let wrong = |detail: String| OnnxError::Invalid {
            file: self.name.to_owned(),
            place: format!("tensor `{}` ", tensor.name),
            detail,
        };
        let entry = |key: &str| {
            let mut entries = tensor.external_data.iter();
            entries.find(|e| e.key == key).map(|e| &e.value[..])
        };
        let number = |key: &str| match entry(key) {
            None => Ok(None),
            Some(text) => text
                .parse::<u64>()
                .map(Some)
                .map_err(|_| wrong(format!("has the {key} `{text}`, which is not a number"))),
        };
        let location = entry("location").ok_or_else(|| {
            wrong("has its numbers in another file, but does not name that file".into())
        })?;
        let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
        if !self.opened.contains_key(location) {
            let path = external_path(self.folder, location).map_err(wrong)?;
            let opened = open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
            let (size, file) = opened.map_err(|source| OnnxError::Io {
                file: format!("{}, the weights of {}", path.display(), self.name),
                source,
            })?;
            self.opened.insert(location.to_owned(), (file, size));
        }
        let location = location.to_owned();
        let (file, size) = self.opened.get_mut(&location).expect("it was opened");
        let rest = size.checked_sub(offset);
        let length = length.or(rest).unwrap_or(0);
        if rest.is_none_or(|rest| length > rest) {
            return Err(wrong(format!(
                "needs {length} bytes at offset {offset} of {location}, which has only {size} bytes"
            )));
        }
        // Tensors that all point to the same bytes must not read a file many times.
        if length > MOST || self.read + length > size.saturating_mul(2).saturating_add(MOST) {
            return Err(OnnxError::TooLarge {
                file: self.name.to_owned(),
                detail: format!(
                    "tensor `{}` reads more bytes of {location} than the limit",
                    tensor.name
                ),
            });
        }
        let mut bytes = vec![0; length as usize];
        let read = file
            .seek(SeekFrom::Start(offset))
            .and_then(|_| file.read_exact(&mut bytes));
        read.map_err(|source| OnnxError::Io {
            file: location,
            source,
        })?;
        self.read += length;
        tensor.raw_data = bytes;
        tensor.data_location = 0;
        tensor.external_data.clear();
        Ok(())
    }
}

/// The path of an external file. It must be in the model's folder, without links.
fn external_path(folder: &Path, location: &str) -> Result<PathBuf, String> {
    let relative = Path::new(location);
    let is_plain = |part: Component| matches!(part, Component::Normal(_) | Component::CurDir);
    let odd = location.is_empty() || location.contains(['\\', ':', '\0']);
    if odd || !relative.components().all(is_plain) {
        return Err(format!(
            "has its numbers in `{location}`, but dvm reads only files in the model's own folder"
        ));
    }
    let mut path = folder.to_owned();
    for part in relative.components() {
        path.push(part);
        let link = std::fs::symlink_metadata(&path).is_ok_and(|facts| facts.is_symlink());
        if link {
            return Err(format!(
                "has its numbers in `{location}`, which is a link; replace it by the file itself"
            ));
        }
    }
    Ok(path)
}
