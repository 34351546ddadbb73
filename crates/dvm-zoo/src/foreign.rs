//! Recognises network files of other frameworks, with the command that converts them to ONNX.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// A network in a format of another framework, recognised by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Foreign {
    KerasHdf5,
    Keras,
    KerasConfig,
    TfLite,
    SavedModel,
    FrozenGraph,
    TensorFlowCheckpoint,
    LayersModel,
    GraphModel,
    CoreMl,
    TorchScript,
    TorchExport,
    ExecuTorch,
    OnnxRuntime,
    OpenVino,
    Caffe,
    Paddle,
    TensorRt,
    Ncnn,
    Gguf,
}

/// Bytes at the start that are read to recognise the format.
const HEAD: u64 = 4096;

/// Longest list of names in an archive.
const LONGEST_LIST: u64 = 4 << 20;

impl Foreign {
    /// The format of a file or folder, if it is a network of another framework.
    pub fn of(path: &Path) -> Option<Self> {
        let facts = std::fs::metadata(path).ok()?;
        if facts.is_dir() {
            return Self::of_folder(path);
        }
        // Only files are opened: a pipe could block for ever.
        if !facts.is_file() {
            return None;
        }
        let mut file = File::open(path).ok()?;
        let mut head = Vec::new();
        (&mut file).take(HEAD).read_to_end(&mut head).ok()?;
        if head.starts_with(b"PK") {
            return Self::of_archive(&names_of_archive(&mut file, facts.len())?);
        }
        Self::of_head(&head).or_else(|| Self::of_ending(path, &head))
    }

    fn of_folder(path: &Path) -> Option<Self> {
        let has = |name: &str| path.join(name).exists();
        if has("saved_model.pb") || has("saved_model.pbtxt") {
            return Some(Self::SavedModel);
        }
        if has("Data/com.apple.CoreML") {
            return Some(Self::CoreMl);
        }
        if has("inference.pdmodel") || has("inference.pdiparams") {
            return Some(Self::Paddle);
        }
        if has("checkpoint") && !has("saved_model.pb") {
            return Some(Self::TensorFlowCheckpoint);
        }
        let model = path.join("model.json");
        if model.is_file() {
            return Self::of(&model);
        }
        None
    }

    /// The format of an archive with these names.
    fn of_archive(names: &[String]) -> Option<Self> {
        let has = |end: &str| names.iter().any(|name| name.ends_with(end));
        let is_within = |part: &str| names.iter().any(|name| name.contains(part));
        if has("model.weights.h5") && has("config.json") {
            return Some(Self::Keras);
        }
        if is_within("Data/com.apple.CoreML/") {
            return Some(Self::CoreMl);
        }
        if has("serialized_exported_program.json") || has("archive_format") {
            return Some(Self::TorchExport);
        }
        // Files of `torch.save` contain no code, and no constants beside the data.
        if is_within("/code/") && has("data.pkl") {
            return Some(Self::TorchScript);
        }
        None
    }

    fn of_head(head: &[u8]) -> Option<Self> {
        let is_at_4 = |magic: &[u8; 4]| head.get(4..8) == Some(magic);
        match head {
            _ if head.starts_with(b"\x89HDF\r\n\x1a\n") => return Some(Self::KerasHdf5),
            _ if is_at_4(b"TFL3") => return Some(Self::TfLite),
            _ if is_at_4(b"ORTM") => return Some(Self::OnnxRuntime),
            _ if is_at_4(b"ET12") => return Some(Self::ExecuTorch),
            _ if head.starts_with(b"GGUF") => return Some(Self::Gguf),
            _ if head.starts_with(b"ptrt") || head.starts_with(b"ftrt") => {
                return Some(Self::TensorRt);
            }
            // Version of the format, and a description that starts with an input. ONNX has the name of a program
            // there.
            [0x08, 1..=30, 0x12, rest @ ..] if begins_with_message(rest) => {
                let holds = |text: &[u8]| head.windows(text.len()).any(|bytes| bytes == text);
                // A saved model starts with version 1, then its graph with its tags.
                let is_saved = head[1] == 1 || holds(b"serve");
                return Some(match is_saved {
                    true => Self::SavedModel,
                    false => Self::CoreMl,
                });
            }
            // A node with its name, and its kind.
            [0x0a, ..] if is_graph_definition(head) => return Some(Self::FrozenGraph),
            _ => {}
        }
        let text = std::str::from_utf8(head).or_else(|error| {
            // The bytes may end within a character.
            std::str::from_utf8(&head[..error.valid_up_to()])
        });
        Self::of_text(text.ok()?.trim_start_matches('\u{feff}').trim_start())
    }

    fn of_text(text: &str) -> Option<Self> {
        let squeezed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let has = |part: &str| squeezed.contains(part);
        if squeezed.starts_with('{') {
            if has("\"weightsManifest\"") || has("\"modelTopology\"") {
                let is_graph = has("\"graph-model\"") || has("\"modelTopology\":{\"node\"");
                return Some(match is_graph {
                    true => Self::GraphModel,
                    false => Self::LayersModel,
                });
            }
            let is_keras = has("\"keras_version\"")
                || has("\"class_name\":\"Functional\"")
                || has("\"class_name\":\"Sequential\"");
            return is_keras.then_some(Self::KerasConfig);
        }
        if text.starts_with("<?xml") || text.starts_with("<net") {
            return text.contains("<net ").then_some(Self::OpenVino);
        }
        if text.starts_with("7767517") {
            return Some(Self::Ncnn);
        }
        if text.starts_with("model_checkpoint_path") {
            return Some(Self::TensorFlowCheckpoint);
        }
        (has("layer{") || has("layers{")).then_some(Self::Caffe)
    }

    /// Formats without magic bytes.
    fn of_ending(path: &Path, head: &[u8]) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
        let ends = |ending: &str| name.ends_with(ending);
        match head.first() {
            Some(0x0a) if ends(".caffemodel") => Some(Self::Caffe),
            Some(_) if ends(".pdmodel") || ends(".pdiparams") => Some(Self::Paddle),
            Some(_) if ends(".index") || name.contains(".data-00000-of-") => {
                Some(Self::TensorFlowCheckpoint)
            }
            _ => None,
        }
    }

    /// A description with its article, and how to convert it to ONNX: the command, with the file's name.
    pub fn described(self, path: &Path) -> (&'static str, String) {
        let name = path.file_name().unwrap_or(path.as_os_str());
        let name = name.to_string_lossy();
        let stem = path.file_stem().unwrap_or(path.as_os_str());
        let stem = stem.to_string_lossy();
        let folder = match path.is_dir() {
            true => name.to_string(),
            false => match path.parent().and_then(Path::file_name) {
                Some(parent) => parent.to_string_lossy().into_owned(),
                None => "FOLDER".into(),
            },
        };
        let one_way = || {
            "export the network as ONNX where it was trained; this format cannot be converted back"
                .into()
        };
        match self {
            Self::KerasHdf5 => ("a Keras model or its weights (HDF5)", format!(
                "`python -m tf2onnx.convert --keras {name} --output {stem}.onnx`; if it contains only weights, build \
                 the model in Python, load them with load_weights and save the complete model first"
            )),
            Self::Keras => ("a Keras model", format!(
                "in Python, `keras.saving.load_model(\"{name}\").export(\"{stem}.onnx\", format=\"onnx\")` or \
                 `.export(\"saved\")`, then `python -m tf2onnx.convert --saved-model saved --output {stem}.onnx`"
            )),
            Self::KerasConfig => ("the description of a Keras model, without its weights",
                "build it in Python with keras.models.model_from_json, load its weights, save it as \
                 model.h5, then `python -m tf2onnx.convert --keras model.h5 --output model.onnx`"
                .into()),
            Self::TfLite => ("a TensorFlow Lite model", format!(
                "`python -m tf2onnx.convert --tflite {name} --output {stem}.onnx`"
            )),
            Self::SavedModel => ("a TensorFlow SavedModel", format!(
                "`python -m tf2onnx.convert --saved-model {folder} --output model.onnx`"
            )),
            Self::FrozenGraph => ("a frozen TensorFlow graph", format!(
                "`python -m tf2onnx.convert --graphdef {name} --output {stem}.onnx --inputs INPUT:0 --outputs OUTPUT:0`, \
                 with the names of its input and output"
            )),
            Self::TensorFlowCheckpoint => ("a TensorFlow checkpoint",
                "`python -m tf2onnx.convert --checkpoint model.meta --output model.onnx --inputs \
                 INPUT:0 --outputs OUTPUT:0` if it has a .meta file; else build the model in Python, load the weights \
                 and save it"
                .into()),
            Self::LayersModel => ("a TensorFlow.js layers model", format!(
                "`tensorflowjs_converter --input_format=tfjs_layers_model --output_format=keras {name} model.h5`, then \
                 `python -m tf2onnx.convert --keras model.h5 --output model.onnx`"
            )),
            Self::GraphModel => ("a TensorFlow.js graph model", format!(
                "`python -m tf2onnx.convert --tfjs {name} --output model.onnx`"
            )),
            Self::CoreMl => ("a Core ML model", format!(
                "export the network as ONNX where it was trained; a neural network of Core ML 4 or older can be \
                 converted in Python with onnxmltools.convert_coreml(coremltools.utils.load_spec(\"{name}\"))"
            )),
            Self::TorchScript => ("a TorchScript program", format!(
                "in Python, `torch.onnx.export(torch.jit.load(\"{name}\"), (torch.zeros(1, 3, 224, 224),), \
                 \"{stem}.onnx\", dynamo=False)`; for an architecture that dvm knows, the weights are enough: \
                 `torch.save(torch.jit.load(\"{name}\").state_dict(), \"{stem}.pth\")`"
            )),
            Self::TorchExport => ("a program saved by torch.export", format!(
                "in Python, `torch.onnx.export(torch.export.load(\"{name}\"), dynamo=True).save(\"{stem}.onnx\")`"
            )),
            Self::OnnxRuntime => ("a model in ONNX Runtime's own format", "use the .onnx file that it was made from".into()),
            Self::Caffe => ("a Caffe model",
                "`python -m caffe2onnx.convert --prototxt deploy.prototxt --caffemodel net.caffemodel --onnx \
                 net.onnx`"
                .into()),
            Self::Paddle => ("a PaddlePaddle model", format!(
                "`paddle2onnx --model_dir {folder} --model_filename inference.pdmodel --params_filename \
                 inference.pdiparams --save_file model.onnx`"
            )),
            Self::ExecuTorch => ("an ExecuTorch program", one_way()),
            Self::OpenVino => ("an OpenVINO model", one_way()),
            Self::TensorRt => ("a TensorRT engine", one_way()),
            Self::Ncnn => ("an ncnn model", one_way()),
            Self::Gguf => ("a GGUF file, a format for language models", "use an image classifier".into()),
        }
    }
}

/// Whether a message starts here: its length, then a field that is a message or a text.
fn begins_with_message(bytes: &[u8]) -> bool {
    let length = bytes.iter().position(|byte| *byte < 0x80);
    matches!(length, Some(0..5)) && bytes.get(length.unwrap_or(0) + 1) == Some(&0x0a)
}

/// Whether a TensorFlow graph starts here: a node with its name and then its kind.
fn is_graph_definition(head: &[u8]) -> bool {
    let kinds: [&[u8]; 2] = [b"\x12\x0bPlaceholder", b"\x12\x05Const"];
    let mut kinds = kinds.iter();
    kinds.any(|kind| head.windows(kind.len()).any(|bytes| bytes == *kind))
}

/// The names in a zip archive of this length, from the list at its end; empty if the list is not complete.
fn names_of_archive(file: &mut File, length: u64) -> Option<Vec<String>> {
    let tail_length = length.min((1 << 16) + 22);
    file.seek(SeekFrom::Start(length - tail_length)).ok()?;
    let mut tail = Vec::new();
    file.take(tail_length).read_to_end(&mut tail).ok()?;
    let end = tail.windows(4).rposition(|bytes| bytes == b"PK\x05\x06")?;
    let number = |bytes: &[u8], at: usize, size: usize| -> Option<u64> {
        let bytes = bytes.get(at..at + size)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0, |n, &byte| n << 8 | u64::from(byte)),
        )
    };
    let mut size = number(&tail, end + 12, 4)?;
    let mut start = number(&tail, end + 16, 4)?;
    // Zip64 archives have another end record before this one.
    let is_long = size == u64::from(u32::MAX) || start == u64::from(u32::MAX);
    if is_long {
        let end = tail.windows(4).rposition(|bytes| bytes == b"PK\x06\x06")?;
        size = number(&tail, end + 40, 8)?;
        start = number(&tail, end + 48, 8)?;
    }
    if size > LONGEST_LIST || start.checked_add(size)? > length {
        return None;
    }
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut list = Vec::new();
    file.take(size).read_to_end(&mut list).ok()?;
    let mut names = Vec::new();
    let mut at = 0;
    while list.get(at..at + 4) == Some(b"PK\x01\x02") {
        let [name, extra, comment] = [28, 30, 32].map(|field| number(&list, at + field, 2));
        let (name, extra, comment) = (name? as usize, extra? as usize, comment? as usize);
        let bytes = list.get(at + 46..at + 46 + name)?;
        names.push(String::from_utf8_lossy(bytes).into_owned());
        at += 46 + name + extra + comment;
    }
    Some(names)
}
