//! A network becomes a file that other programs read.

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

/// Metadata key of the graph of a network that is no architecture of the zoo: an ONNX model without the
/// values of its initialisers, in Base64. The tensors of the file are its initialisers.
pub const GRAPH_KEY: &str = "dvm.graph";

/// What such a network is called.
pub const NAME_KEY: &str = "dvm.name";

/// The kinds of files that a network is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// Safetensors with metadata.
    Safetensors,
    /// A state dict as `torch.save` writes it.
    Torch,
    /// A graph with its weights.
    Onnx,
}

impl FileFormat {
    /// All of them, for messages.
    pub const ENDINGS: &'static str = ".safetensors, .pth, .pt, .onnx";

    /// What the ending of a file's name says; `None` for endings that say nothing.
    pub fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        match &ending[..] {
            "safetensors" => Some(Self::Safetensors),
            "pth" | "pt" => Some(Self::Torch),
            "onnx" => Some(Self::Onnx),
            _ => None,
        }
    }
}

impl Pretrained {
    /// The bytes of a file of this format: weights under the names of the state dict, with what the
    /// network knows of itself ([`Pretrained::metadata`]), where it came from, and its licence.
    ///
    /// State dicts have all that `load_state_dict` of PyTorch's module asks for, counters among it. An
    /// ONNX file has the network as it is used, without the heads that only training has.
    ///
    /// # Errors
    /// [`ExportError`] for a graph that ONNX has no operators for.
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

    /// What a file of this network says of itself, so that it can be read again by
    /// [`Pretrained::read`].
    ///
    /// # Errors
    /// [`ExportError`] for a network that is no architecture of the zoo and has nodes that ONNX has no
    /// operators for.
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
