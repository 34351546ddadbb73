//! Writes every case of the tests as an ONNX file, and its inputs and logits beside it, for
//! `tests/converted_networks.py` to compare with ONNX Runtime: `exported_ops FOLDER`.

use std::collections::BTreeMap;
use std::path::Path;

use dvm_engine::weights::to_safetensors;
use dvm_onnx::{Export, to_onnx};
use dvm_testing::every_op;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("give a folder")?;
    std::fs::create_dir_all(&folder)?;
    let metadata = BTreeMap::new();
    for case in every_op::all() {
        let export = Export {
            name: case.name,
            size: every_op::SIZE,
            metadata: &metadata,
        };
        let file = Path::new(&folder).join(case.name);
        std::fs::write(file.with_extension("onnx"), to_onnx(&case.graph, &export)?)?;
        let pictures = every_op::pictures();
        let logits = case.graph.logits(&pictures)?;
        let both = [("input".to_owned(), &pictures), ("logits".into(), &logits)];
        let bytes = to_safetensors(both, &metadata);
        std::fs::write(file.with_extension("safetensors"), bytes)?;
    }
    Ok(())
}
