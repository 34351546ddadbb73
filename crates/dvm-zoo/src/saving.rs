//! A network becomes a file that other programs read.

use std::collections::BTreeMap;
use std::path::Path;

use dvm_engine::weights::{to_safetensors, to_torch};
use dvm_image::Preprocess;

use crate::{ARCHITECTURE_KEY, CLASSES_KEY, PREPROCESS_KEY, Pretrained};

/// The kinds of files that a network is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// Safetensors with metadata.
    Safetensors,
    /// A state dict as `torch.save` writes it.
    Torch,
}

impl FileFormat {
    /// All of them, for messages.
    pub const ENDINGS: &'static str = ".safetensors, .pth, .pt";

    /// What the ending of a file's name says; `None` for endings that say nothing.
    pub fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        match &ending[..] {
            "safetensors" => Some(Self::Safetensors),
            "pth" | "pt" => Some(Self::Torch),
            _ => None,
        }
    }
}

impl Pretrained {
    /// The bytes of a file of this format: weights under the names of the state dict, with what the
    /// network knows of itself ([`Pretrained::metadata`]).
    pub fn to_bytes(&self, format: FileFormat) -> Vec<u8> {
        let graph = self.network.whole();
        let names = graph.parameters().iter().map(|p| p.name.clone());
        let tensors = names.zip(graph.values());
        match format {
            FileFormat::Safetensors => to_safetensors(tensors, &self.metadata()),
            FileFormat::Torch => to_torch(tensors, &self.metadata()),
        }
    }

    /// What a file of this network says of itself, so that it can be read again by
    /// [`Pretrained::read`].
    pub fn metadata(&self) -> BTreeMap<String, String> {
        let json = |value: Result<String, serde_json::Error>| {
            value.expect("names and numbers can be written")
        };
        let preprocess: &Preprocess = &self.preprocess;
        BTreeMap::from([
            (ARCHITECTURE_KEY.into(), self.origin.name().into()),
            (
                CLASSES_KEY.into(),
                json(serde_json::to_string(&self.classes)),
            ),
            (
                PREPROCESS_KEY.into(),
                json(serde_json::to_string(preprocess)),
            ),
        ])
    }
}
