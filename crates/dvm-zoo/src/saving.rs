//! Writes networks as files that other programs can read.

use std::collections::BTreeMap;
use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine};
use dvm_engine::weights::{TensorEntry, to_safetensors, to_torch};
use dvm_image::Preprocess;
use dvm_onnx::{Export, ExportError};

use crate::buffers::buffers;
use crate::{
    ARCHITECTURE_KEY, ASSUMED_KEY, CLASSES_KEY, OUTPUT_KEY, Origin, PART_KEY, PREPROCESS_KEY,
    Pretrained,
};

/// Metadata key of the graph of a network that is not a known architecture: an ONNX model in Base64, without the
/// values of its initialisers, which are the tensors of the file.
pub const GRAPH_KEY: &str = "dvm.graph";

/// Metadata key of the name of such a network.
pub const NAME_KEY: &str = "dvm.name";

/// The file formats of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// Safetensors with metadata.
    Safetensors,
    /// A state dict as `torch.save` writes it.
    Torch,
    /// ONNX: a graph with its weights.
    Onnx,
}

impl FileFormat {
    const EXTENSIONS: [(&str, Self); 4] = [
        ("safetensors", Self::Safetensors),
        ("pth", Self::Torch),
        ("pt", Self::Torch),
        ("onnx", Self::Onnx),
    ];

    /// All extensions, for messages: `.safetensors, .pth, …`.
    pub fn endings() -> String {
        Self::EXTENSIONS
            .map(|(extension, _)| format!(".{extension}"))
            .join(", ")
    }

    /// The format of a file by its extension; `None` for other extensions.
    pub fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?;
        let mut all = Self::EXTENSIONS.into_iter();
        all.find(|(known, _)| extension.eq_ignore_ascii_case(known))
            .map(|(_, format)| format)
    }
}

impl Pretrained {
    /// The bytes of a file in this format: weights under the names of the state dict, [`Pretrained::metadata`],
    /// source and licence.
    ///
    /// State dicts have everything that `load_state_dict` of PyTorch requires, including counters. An ONNX file
    /// has the network for inference, without auxiliary heads.
    ///
    /// # Errors
    /// [`ExportError`] for a graph with nodes that ONNX has no operators for.
    pub fn to_bytes(&self, format: FileFormat) -> Result<Vec<u8>, ExportError> {
        let mut metadata = self.metadata()?;
        if !self.remarks.assumed.is_empty() {
            let assumed = serde_json::to_string(&self.remarks.assumed);
            let assumed = assumed.expect("names can be written");
            metadata.insert(ASSUMED_KEY.into(), assumed);
        }
        let facts = [
            ("source", &self.source),
            ("licence", &self.licence),
            (PART_KEY, &self.part),
        ];
        for (key, value) in facts {
            metadata.extend(value.iter().map(|text| (key.to_owned(), text.clone())));
        }
        if format == FileFormat::Onnx {
            metadata.remove(GRAPH_KEY);
            let export = Export {
                name: self.origin.name(),
                size: self.preprocess.crop,
                metadata: &metadata,
            };
            return dvm_onnx::to_onnx(self.network.graph(), &export);
        }
        let graph = self.network.whole();
        let buffers = match self.origin {
            Origin::Zoo(_) => buffers(graph),
            Origin::Onnx { .. } => Vec::new(),
        };
        let names = graph.parameters().iter().map(|p| p.name.clone());
        let tensors = names.zip(graph.values().iter().map(TensorEntry::from));
        let buffers = buffers.iter().map(|(name, all)| (name.clone(), all.into()));
        let tensors = tensors.chain(buffers);
        Ok(match format {
            FileFormat::Torch => to_torch(tensors, &metadata),
            _ => to_safetensors(tensors, &metadata),
        })
    }

    /// The metadata for a file of this network, so that [`Pretrained::read`] can read it.
    ///
    /// # Errors
    /// [`ExportError`] for a network that is not a known architecture and has nodes that ONNX has no operators
    /// for.
    pub fn metadata(&self) -> Result<BTreeMap<String, String>, ExportError> {
        let json = |value: Result<String, serde_json::Error>| {
            value.expect("names and numbers can be written")
        };
        let preprocess: &Preprocess = &self.preprocess;
        let mut metadata = BTreeMap::from([
            (
                CLASSES_KEY.into(),
                json(serde_json::to_string(&self.classes)),
            ),
            (
                PREPROCESS_KEY.into(),
                json(serde_json::to_string(preprocess)),
            ),
            (OUTPUT_KEY.into(), self.output_metadata()),
        ]);
        match &self.origin {
            Origin::Zoo(architecture) => {
                metadata.insert(ARCHITECTURE_KEY.into(), architecture.name.into());
            }
            Origin::Onnx { name } => {
                let graph = self.network.whole();
                let graph = dvm_onnx::structure(graph, name, preprocess.crop)?;
                metadata.insert(GRAPH_KEY.into(), BASE64_STANDARD.encode(graph));
                metadata.insert(NAME_KEY.into(), name.clone());
            }
        }
        Ok(metadata)
    }
}
