//! The entry of a network in records.

use serde_json::{Value, json};

use crate::Classifier;
use crate::explanation::{arithmetic, written};

impl Classifier {
    /// Everything about the network that its results depend on, for records: architecture, weights with their
    /// checksum, kind of output, arithmetic, preprocessing, assumptions, and the device if it is not the CPU.
    pub fn record(&self) -> Value {
        let names = self.classes().join("\n");
        let mut record = json!({
            "architecture": self.name(),
            "weights": self.weights_file(),
            "weights_sha256": self.weights_sha256(),
            "weights_part": self.weights_part(),
            "classes": self.classes().len(),
            "class_names_sha256": dvm_fetch::sha256_of_bytes(names.as_bytes()),
            "output": self.network().output().word(),
            "arithmetic": arithmetic(self),
            "preprocess": written(self.preprocess()),
            "assumptions": self.warnings().collect::<Vec<_>>(),
        });
        if let Some(device) = self.device() {
            record["device"] = device.into();
        }
        record
    }
}
