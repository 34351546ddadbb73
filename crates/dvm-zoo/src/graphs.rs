//! Networks that come as graphs: ONNX files, and checkpoints of networks that came as such.

use std::collections::BTreeSet;
use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine};
use dvm_engine::weights::Weights;
use dvm_engine::{Network, Output, Parameter, Tensor};
use dvm_image::PreprocessField;
use dvm_onnx::{Imported, OnnxFile, Options};

use crate::known::Known;
use crate::output;
use crate::pretrained::{IMAGENET_CLASSES, LoadError, Origin, Pretrained, imagenet_classes};
use crate::stated::Beside;
use crate::{ARCHITECTURE_KEY, Architecture, CLASSES_KEY, NAME_KEY, check_class_names};

/// What a user has to know of a network beside its numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remarks {
    /// What was left out or chosen while reading, and changes nothing.
    pub notes: Vec<String>,
    /// What makes answers differ, or could.
    pub warnings: Vec<String>,
    /// The fields of the preprocessing that were assumed, because neither the file says them nor
    /// anything beside it: [`Pretrained::preprocess_assumption`] tells them.
    pub assumed: BTreeSet<PreprocessField>,
    /// Which names of classes were assumed, if the file does not say any.
    pub classes: Option<String>,
    /// What was assumed that the network's output means, if nothing tells.
    pub output: Option<String>,
    /// Which of several networks in the file was taken, and by which convention.
    pub part: Option<String>,
}

impl Pretrained {
    /// Reads an ONNX file. Where it leaves the size of its pictures open, the network is made for `size`,
    /// rows and columns, or else for what its preprocessing says, or 224 × 224.
    ///
    /// # Errors
    /// [`LoadError`] names the file and what does not fit.
    pub(crate) fn read_onnx(
        path: &Path,
        opened: &OnnxFile,
        size: Option<(usize, usize)>,
    ) -> Result<Self, LoadError> {
        let file = path.display().to_string();
        let mut imported = opened.import(Options { size })?;
        let beside = Beside::of(path);
        let known = Known::of(&imported, &beside, &file)?;
        // The preprocessing is known only now, and may be for another size than the usual one.
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

    /// An ONNX file that this program wrote of an architecture of the zoo (of `asked`, where that is
    /// said): that architecture, with all that is known of it. `None` if the file is another's, or says
    /// no architecture that is known, or has been changed so that names or shapes do not fit it.
    ///
    /// # Errors
    /// [`LoadError`] for damaged weights and metadata, and where the file does not hold what was asked
    /// for.
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

    /// A checkpoint that holds its graph: weights, and the structure that they belong to.
    ///
    /// # Errors
    /// [`LoadError`] names the file and what does not fit.
    pub(crate) fn of_structure(weights: Weights, graph: &str) -> Result<Self, LoadError> {
        let file = weights.file().to_owned();
        let damaged = |detail: String| LoadError::Metadata {
            file: file.clone(),
            key: crate::GRAPH_KEY,
            detail,
        };
        let bytes = BASE64_STANDARD
            .decode(graph)
            .map_err(|error| damaged(format!("is no Base64: {error}")))?;
        // A damaged structure may claim parameters of any size, so what the file does not have is
        // found out before memory is spent on it.
        let mut lacks = None;
        let value = |parameter: &Parameter| match weights.get(&parameter.name) {
            Some(array) if array.shape == parameter.shape => {
                Tensor::from_nchw(&array.shape, &array.values)
            }
            _ => {
                let Parameter { name, shape, .. } = parameter;
                lacks.get_or_insert_with(|| format!("`{name}` of the shape {shape:?}"));
                Tensor::zeros(&[0])
            }
        };
        let imported = dvm_onnx::from_structure(&bytes, value);
        if let Some(tensor) = lacks {
            let detail = format!("needs the tensor {tensor}, which the file does not have");
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
        let known = Known::of(&imported, &Beside::default(), &file)?;
        Self::of_imported(imported, known, name, file)
    }

    fn of_imported(
        imported: Imported,
        known: Known,
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
            "{file} does not name its {count} classes; those of ImageNet, in torchvision's order, are \
             assumed"
        );
        return (imagenet_classes(), why);
    }
    let why = format!("{file} does not name its {count} classes; they are called by their index");
    let names = (0..count).map(|index| format!("class {index}"));
    (names.collect(), why)
}
