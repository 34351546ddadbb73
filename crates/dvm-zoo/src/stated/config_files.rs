//! Configuration files beside a model, as on the Hugging Face hub: `preprocessor_config.json` of transformers
//! and `config.json` of timm and transformers.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use super::{StatedFields, config};

/// Longest file. Names of about ten thousand classes fit.
const MOST_BYTES: u64 = 16 << 20;

/// The configurations beside a file.
#[derive(Debug, Default)]
pub(crate) struct ConfigFiles {
    preprocessor: Option<Map<String, Value>>,
    model: Option<Map<String, Value>>,
}

impl ConfigFiles {
    /// The configurations in the folder of a file, or above a folder `onnx`, where hubs put exports. Unreadable
    /// ones are ignored.
    pub fn of(file: &Path) -> Self {
        let folder = file.parent().unwrap_or(Path::new(""));
        let is_onnx = folder.file_name().is_some_and(|name| name == "onnx");
        let above = folder.parent().filter(|_| is_onnx);
        let read = |name: &str| {
            let mut folders = [Some(folder), above].into_iter().flatten();
            folders.find_map(|folder| object(&folder.join(name)))
        };
        Self {
            preprocessor: read(PREPROCESSOR),
            model: read(MODEL).filter(|own| SIGNS.iter().any(|sign| own.contains_key(*sign))),
        }
    }

    /// Their statements.
    pub fn stated(&self) -> impl Iterator<Item = StatedFields> {
        let preprocessor = self.preprocessor.iter().map(|own| (PREPROCESSOR, own));
        let model = self.model.iter().map(|own| (MODEL, own));
        let both = preprocessor.chain(model);
        both.filter_map(|(name, own)| config::stated(own, &format!("{name} beside the file")))
    }

    /// The names of `count` classes, if the files contain them.
    pub fn class_names(&self, count: usize) -> Option<Vec<String>> {
        let model = self.model.as_ref()?;
        let named = ["id2label", "label_names"].into_iter();
        let mut named = named.filter_map(|key| {
            let text = model.get(key)?.to_string();
            dvm_onnx::class_names(&text, count)
        });
        named.next()
    }
}

/// Keys that only configurations of networks have.
const SIGNS: [&str; 4] = [
    "architectures",
    "architecture",
    "model_type",
    "pretrained_cfg",
];

const PREPROCESSOR: &str = "preprocessor_config.json";
const MODEL: &str = "config.json";

fn object(path: &Path) -> Option<Map<String, Value>> {
    // Only files are opened: a pipe could block for ever.
    if !std::fs::metadata(path).is_ok_and(|facts| facts.is_file()) {
        return None;
    }
    let mut text = String::new();
    let file = File::open(path).ok()?;
    let length = file.take(MOST_BYTES + 1).read_to_string(&mut text).ok()?;
    if length as u64 > MOST_BYTES {
        return None;
    }
    serde_json::from_str(&text).ok()
}
