//! A file that was read, before it becomes a network.

use std::collections::BTreeMap;
use std::path::Path;

use dvm_engine::weights::{Array, Weights};

use crate::import::{failure, tensor};
use crate::{Imported, OnnxError, Options, imported, read};

/// An ONNX file with the weights that lie beside it.
pub struct OnnxFile {
    name: String,
    decoded: read::Decoded,
}

impl OnnxFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`OnnxError`] names the file. One that claims more than its length can justify is refused before
    /// memory is spent on it.
    pub fn open(path: &Path) -> Result<Self, OnnxError> {
        Ok(Self {
            name: path.display().to_string(),
            decoded: read::file(path)?,
        })
    }

    /// Whether this program wrote it.
    pub fn is_own(&self) -> bool {
        self.decoded.model.producer_name == crate::export::PRODUCER
    }

    /// What it says of itself.
    pub fn metadata(&self) -> BTreeMap<String, String> {
        let entries = self.decoded.model.metadata_props.iter();
        entries
            .map(|entry| (entry.key.clone(), entry.value.clone()))
            .collect()
    }

    /// Its initialisers as they stand in it, by name, with its metadata: what a network that is known
    /// otherwise takes for its weights. Those that hold no floats are left out.
    ///
    /// # Errors
    /// [`OnnxError::Invalid`] for one that has not as many numbers as its shape says.
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
            let (shape, values) = read.map_err(|trouble| {
                let place = format!("initialiser `{}`: ", initializer.name);
                failure(&self.name, place, trouble)
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
