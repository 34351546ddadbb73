//! Networks with their own graph: ONNX files, and checkpoints of networks from ONNX files.

use std::collections::BTreeSet;
use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine};
use dvm_engine::weights::Weights;
use dvm_engine::{Network, Output, Parameter, Tensor};
use dvm_image::PreprocessField;
use dvm_onnx::{Imported, OnnxFile, Options};

use crate::known_preprocess::KnownPreprocess;
use crate::output;
use crate::pretrained::{IMAGENET_CLASSES, LoadError, Origin, Pretrained, imagenet_classes};
use crate::stated::ConfigFiles;
use crate::{ARCHITECTURE_KEY, Architecture, CLASSES_KEY, NAME_KEY, check_class_names};

/// Remarks about a network, for the user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remarks {
    /// What was ignored or selected while reading, without effect on results.
    pub notes: Vec<String>,
    /// What changes results, or may change them.
    pub warnings: Vec<String>,
    /// The assumed fields of the preprocessing, which neither the file nor a file beside it gives. See
    /// [`Pretrained::preprocess_assumption`].
    pub assumed: BTreeSet<PreprocessField>,
    /// The assumption about class names, if the file has none.
    pub classes: Option<String>,
    /// The assumption about the network's output, if its meaning is not known.
    pub output: Option<String>,
    /// Which of several networks in the file is used, and why.
    pub part: Option<String>,
}

impl Pretrained {
    /// Reads an ONNX file. If its input size is dynamic, it is `size` (rows and columns), or the size of the
    /// preprocessing, or 224 × 224.
    ///
    /// # Errors
    /// [`LoadError`] names the file and the problem.
    pub(crate) fn read_onnx(
        path: &Path,
        opened: &OnnxFile,
        size: Option<(usize, usize)>,
    ) -> Result<Self, LoadError> {
        let file = path.display().to_string();
        let mut imported = opened.import(Options { size })?;
        let beside = ConfigFiles::of(path);
        let known = KnownPreprocess::of(&imported, &beside, &file)?;
        // The preprocessing is known only now, and may have another size than the default.
        if let (Some(crop), None, None, None) =
            (known.crop(), size, imported.height, imported.width)
            && crop != imported.size
        {
            imported = opened.import(Options { size: Some(crop) })?;
        }
        imported.classes = imported
            .classes
            .or_else(|| beside.class_names(imported.outputs));
        let stem = path.file_stem().unwrap_or_default();
        let name = imported.metadata.get(NAME_KEY).cloned();
        let name = name.unwrap_or_else(|| stem.to_string_lossy().into_owned());
        Self::of_imported(imported, known, name, file)
    }

    /// The architecture of an ONNX file that dvm wrote (`asked`, if given). `None` if another program wrote the
    /// file, if it names no known architecture, or if names or shapes do not match it.
    ///
    /// # Errors
    /// [`LoadError`] for damaged weights and metadata, and for another architecture than `asked`.
    pub(crate) fn of_own_file(
        file: &OnnxFile,
        asked: Option<&'static Architecture>,
    ) -> Result<Option<Self>, LoadError> {
        let metadata = file.metadata();
        let said = metadata.get(ARCHITECTURE_KEY);
        let said = said.and_then(|name| crate::find(name));
        if !file.is_own() || said.is_none() {
            return Ok(None);
        }
        match Self::of_weights(file.weights()?, asked.or(said), None) {
            Err(LoadError::Mismatch { .. }) if asked.is_none() => Ok(None),
            read => read.map(Some),
        }
    }

    /// A checkpoint with its graph: weights and structure.
    ///
    /// # Errors
    /// [`LoadError`] names the file and the problem.
    pub(crate) fn of_structure(weights: Weights, graph: &str) -> Result<Self, LoadError> {
        let file = weights.file().to_owned();
        let damaged = |detail: String| LoadError::metadata(&file, crate::GRAPH_KEY, detail);
        let bytes = BASE64_STANDARD
            .decode(graph)
            .map_err(|error| damaged(format!("is not Base64: {error}")))?;
        // A damaged structure may declare parameters of any size, so missing ones are found before memory is
        // allocated.
        let mut lacks = None;
        let value = |parameter: &Parameter| match weights.get(&parameter.name) {
            Some(array) if array.shape == parameter.shape => {
                Tensor::from_nchw(&array.shape, &array.values)
            }
            _ => {
                let Parameter { name, shape, .. } = parameter;
                lacks.get_or_insert_with(|| format!("`{name}` of shape {shape:?}"));
                Tensor::zeros(&[0])
            }
        };
        let imported = dvm_onnx::from_structure(&bytes, value);
        if let Some(tensor) = lacks {
            let detail = format!("needs the tensor {tensor}, which the file does not contain");
            return Err(damaged(detail));
        }
        let imported = imported?;
        let parameters = imported.graph.parameters().iter();
        let used: BTreeSet<&str> = parameters.map(|parameter| &parameter.name[..]).collect();
        if let Some(name) = weights.names().find(|name| !used.contains(name)) {
            return Err(damaged(format!("does not use the tensor `{name}`")));
        }
        let metadata = weights.metadata().clone();
        let sha256 = weights.sha256().to_owned();
        let name = metadata
            .get(NAME_KEY)
            .cloned()
            .unwrap_or_else(|| "network".into());
        let imported = Imported {
            metadata,
            classes: None,
            sha256,
            ..imported
        };
        let known = KnownPreprocess::of(&imported, &ConfigFiles::default(), &file)?;
        Self::of_imported(imported, known, name, file)
    }

    fn of_imported(
        imported: Imported,
        known: KnownPreprocess,
        name: String,
        file: String,
    ) -> Result<Self, LoadError> {
        if !matches!(imported.channels, 1 | 3) {
            return Err(LoadError::Channels {
                file,
                input: imported.input,
                channels: imported.channels,
            });
        }
        let (height, width) = imported.size;
        let graph = &imported.graph;
        let shapes = graph.shapes(&[1, imported.channels, height, width]);
        let shapes = shapes.map_err(|error| LoadError::Graph {
            file: file.clone(),
            source: error,
        })?;
        let outputs: usize = shapes[graph.output().index()].iter().skip(1).product();
        let count = Output::classes(outputs);
        let mut remarks = Remarks {
            notes: imported.notes.clone(),
            warnings: imported.warnings.clone(),
            ..Remarks::default()
        };
        let classes = match imported.metadata.get(CLASSES_KEY) {
            Some(_) => crate::pretrained::classes(&imported.metadata, &file, count)?,
            None => {
                let found = imported.classes.clone();
                let fit = found.filter(|names| check_class_names(names).is_ok());
                fit.unwrap_or_else(|| {
                    let (names, why) = assumed_classes(&file, count);
                    remarks.classes = Some(why);
                    names
                })
            }
        };
        let preprocess = known.settle(&imported, &mut remarks);
        let output = output::of_graph(&imported, &preprocess, &file, &mut remarks)?;
        Ok(Self {
            origin: Origin::Onnx { name },
            network: Network::new(imported.graph).with_output(output),
            told_output: imported.output,
            classes,
            preprocess,
            file,
            sha256: imported.sha256,
            source: imported.metadata.get("source").cloned(),
            licence: imported.metadata.get("licence").cloned(),
            part: imported.metadata.get(crate::PART_KEY).cloned(),
            remarks,
        })
    }
}

fn assumed_classes(file: &str, count: usize) -> (Vec<String>, String) {
    if count == IMAGENET_CLASSES {
        let why = format!(
            "{file} has no class names; the {count} classes of ImageNet in torchvision's order are assumed"
        );
        return (imagenet_classes(), why);
    }
    let why = format!("{file} has no class names; its {count} classes are named by their index");
    let names = (0..count).map(|index| format!("class {index}"));
    (names.collect(), why)
}
