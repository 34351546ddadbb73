//! An ONNX file, before it becomes a network.

use std::collections::BTreeMap;
use std::path::Path;

use dvm_engine::weights::{Array, Weights};

use crate::import::{failure, tensor};
use crate::{Imported, OnnxError, Options, imported, read};

/// An ONNX file with its external weights.
pub struct OnnxFile {
    name: String,
    decoded: read::Decoded,
}

impl OnnxFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`OnnxError`] names the file. A file that declares more than its length justifies is an error before memory is
    /// allocated.
    pub fn open(path: &Path) -> Result<Self, OnnxError> {
        Ok(Self {
            name: path.display().to_string(),
            decoded: read::file(path)?,
        })
    }

    /// Whether dvm wrote it.
    pub fn is_own(&self) -> bool {
        self.decoded.model.producer_name == crate::export::PRODUCER
    }

    /// Its metadata.
    pub fn metadata(&self) -> BTreeMap<String, String> {
        self.decoded.model.metadata()
    }

    /// Its initializers of floats by name, and its metadata: the weights of a network whose architecture is known.
    ///
    /// # Errors
    /// [`OnnxError::Invalid`] if the number of values differs from the shape's.
    pub fn weights(&self) -> Result<Weights, OnnxError> {
        let graph = self.decoded.model.graph.iter();
        let mut arrays = BTreeMap::new();
        for initializer in graph.flat_map(|graph| &graph.initializer) {
            if !tensor::is_float(initializer.data_type) {
                continue;
            }
            let read = tensor::array(initializer, false);
            let read =
                read.and_then(|array| Ok((array.shape.clone(), array.as_floats()?.to_vec())));
            let (shape, values) = read.map_err(|error| {
                let place = format!("initializer `{}` ", initializer.name);
                failure(&self.name, place, error)
            })?;
            arrays.insert(initializer.name.clone(), Array { shape, values });
        }
        let sha256 = self.decoded.sha256.clone();
        Ok(Weights::from_arrays(
            &self.name,
            sha256,
            self.metadata(),
            arrays,
        ))
    }

    /// The network.
    ///
    /// # Errors
    /// [`OnnxError`] names the file and the node.
    pub fn import(&self, options: Options) -> Result<Imported, OnnxError> {
        imported(&self.name, &self.decoded, options, None)
    }
}
