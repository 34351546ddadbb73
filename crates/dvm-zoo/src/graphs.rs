//! Networks that come as graphs: ONNX files, and checkpoints of networks that came as such.

use std::collections::BTreeSet;
use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine};
use dvm_engine::weights::Weights;
use dvm_engine::{Network, Output, Parameter, Tensor};
use dvm_image::{Interpolation, Preprocess, Range, Resize};
use dvm_onnx::{Imported, OnnxFile, Options};

use crate::output;
use crate::pretrained::{IMAGENET_CLASSES, LoadError, Origin, Pretrained, imagenet_classes};
use crate::{
    ARCHITECTURE_KEY, Architecture, CLASSES_KEY, NAME_KEY, PREPROCESS_KEY, check_class_names,
};

/// What a user has to know of a network beside its numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remarks {
    /// What was left out or chosen while reading, and changes nothing.
    pub notes: Vec<String>,
    /// What makes answers differ, or could.
    pub warnings: Vec<String>,
    /// Which preprocessing was assumed, if the file does not say any.
    pub preprocess: Option<String>,
    /// Which names of classes were assumed, if the file does not say any.
    pub classes: Option<String>,
    /// What was assumed that the network's output means, if nothing tells.
    pub output: Option<String>,
    /// Which of several networks in the file was taken, and by which convention.
    pub part: Option<String>,
}

/// Channels of the pictures that are prepared for networks.
const CHANNELS: usize = 3;

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
        let said = said(&imported, &file)?;
        // The preprocessing is known only now, and may be for another size than the usual one.
        if let (Some(said), None, None, None) = (&said, size, imported.height, imported.width)
            && said.crop != imported.size
        {
            let size = Some(said.crop);
            imported = opened.import(Options { size })?;
        }
        let stem = path.file_stem().unwrap_or_default();
        let name = imported.metadata.get(NAME_KEY).cloned();
        let name = name.unwrap_or_else(|| stem.to_string_lossy().into_owned());
        Self::of_imported(imported, said, name, file)
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
        let said = said(&imported, &file)?;
        Self::of_imported(imported, said, name, file)
    }

    fn of_imported(
        imported: Imported,
        said: Option<Preprocess>,
        name: String,
        file: String,
    ) -> Result<Self, LoadError> {
        if imported.channels != CHANNELS {
            return Err(LoadError::Channels {
                file,
                channels: imported.channels,
            });
        }
        let (height, width) = imported.size;
        let graph = &imported.graph;
        let shapes = graph.shapes(&[1, CHANNELS, height, width]);
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
        let preprocess = said.unwrap_or_else(|| {
            let (preprocess, why) = assumed(&file, &imported);
            remarks.preprocess = Some(why);
            preprocess
        });
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

/// The preprocessing that a file says.
fn said(imported: &Imported, file: &str) -> Result<Option<Preprocess>, LoadError> {
    let Some(text) = imported.metadata.get(PREPROCESS_KEY) else {
        return Ok(None);
    };
    let damaged = |detail: String| LoadError::Metadata {
        file: file.into(),
        key: PREPROCESS_KEY,
        detail,
    };
    let preprocess: Preprocess =
        serde_json::from_str(text).map_err(|error| damaged(format!("cannot be read: {error}")))?;
    preprocess
        .validate()
        .map_err(|error| damaged(format!("cannot be used: {error}")))?;
    Ok(Some(preprocess))
}

fn assumed_classes(file: &str, count: usize) -> (Vec<String>, String) {
    if count == IMAGENET_CLASSES {
        let why = format!(
            "{file} does not name its {count} classes; those of ImageNet, in torchvision's order, are \
             assumed (name others with --classes)"
        );
        return (imagenet_classes(), why);
    }
    let why = format!(
        "{file} does not name its {count} classes; they are called by their index (name them with \
         --classes)"
    );
    let names = (0..count).map(|index| format!("class {index}"));
    (names.collect(), why)
}

/// The preprocessing of a network whose file says none, and how to tell that.
fn assumed(file: &str, imported: &Imported) -> (Preprocess, String) {
    let (height, width) = imported.size;
    let imagenet = Preprocess::imagenet();
    let (mean, std, how) = match imported.pixel_factor.map(f32::abs) {
        Some(factor) if factor < 0.1 => (
            [0.0; 3],
            [1.0 / 255.0; 3],
            "pixels of 0 to 255, because the network normalises them itself",
        ),
        Some(factor) if factor > 1.0 => (
            [0.0; 3],
            [1.0; 3],
            "pixels of 0 to 1, because the network normalises them itself",
        ),
        _ if imported.is_grey => ([0.0; 3], [1.0; 3], "grey pixels of 0 to 1"),
        _ => (imagenet.mean, imagenet.std, "ImageNet's mean and deviation"),
    };
    let (resize, cut) = if height == width {
        let short = ((height * 256) as f64 / 224.0).round() as usize;
        let cut = format!("the shorter side brought to {short}, the centre {height}×{width}");
        (Resize::ShortSide(short), cut)
    } else {
        let cut = format!("the whole picture brought to {height}×{width}");
        (Resize::Exact(height, width), cut)
    };
    let preprocess = Preprocess {
        range: Range::File,
        resize,
        interpolation: Interpolation::Bilinear,
        crop: (height, width),
        mean,
        std,
    };
    let why = format!(
        "{file} does not say how its pictures are prepared; assumed are {how}, and {cut} (say otherwise \
         with --preprocess, or --size, --resize, --mean, --std, --interpolation)"
    );
    (preprocess, why)
}
