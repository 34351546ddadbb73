//! Reads weight files as networks with class names and preprocessing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use dvm_engine::weights::{Mismatch, Weights, WeightsError};
use dvm_engine::{Graph, Initialisation, Initialiser, Network, Output, Parameter, Tensor, seeded};
use dvm_image::Preprocess;
use dvm_onnx::OnnxFile;

use crate::choice::{choose, of_parameters};
use crate::foreign::Foreign;
use crate::graphs::Remarks;
use crate::output;
use crate::recognition::{architecture_of, behind_prefix};
use crate::{Architecture, GRAPH_KEY, Published, all};

/// Metadata key of the architecture's name.
pub const ARCHITECTURE_KEY: &str = "dvm.architecture";
/// Metadata key of the class names, a JSON list of strings.
pub const CLASSES_KEY: &str = "dvm.classes";
/// Metadata key of the preprocessing, as JSON of [`Preprocess`].
pub const PREPROCESS_KEY: &str = "dvm.preprocess";

/// Metadata key of the part of the original file that was converted.
pub const PART_KEY: &str = "weights_part";

/// Prefix of the tensors of a checkpoint that are only needed to resume training (state of the optimiser, moving
/// averages).
pub const TRAINING_PREFIX: &str = "dvm.training.";

/// How to export a network of PyTorch as ONNX.
pub(crate) const EXPORT: &str =
    "torch.onnx.export(model.eval(), torch.randn(1, 3, 224, 224), \"model.onnx\")";

/// A network with weights, class names and preprocessing.
pub struct Pretrained {
    /// Its architecture or graph.
    pub origin: Origin,
    /// The network; [`Network::output`] is the meaning of its output.
    pub network: Network,
    /// The output as defined by its file, if it is: logits, if a softmax or sigmoid at the end was removed.
    pub told_output: Option<Output>,
    /// Names of the classes, by index.
    pub classes: Vec<String>,
    /// Its preprocessing.
    pub preprocess: Preprocess,
    /// The file of the weights; `embedded` for a network of this crate, `random` for random weights.
    pub file: String,
    /// SHA-256 of that file; empty if there is none.
    pub sha256: String,
    /// The source of the weights, from its metadata.
    pub source: Option<String>,
    /// The licence, from its metadata.
    pub licence: Option<String>,
    /// The part of the file with the weights, if it contains more: `state_dict_ema`.
    pub part: Option<String>,
    /// Remarks for the user.
    pub remarks: Remarks,
}

/// The origin of a network's graph.
#[derive(Clone)]
pub enum Origin {
    /// A known architecture.
    Zoo(&'static Architecture),
    /// The graph of an ONNX file.
    Onnx {
        /// The file's name without folders and extension.
        name: String,
    },
}

impl Origin {
    /// The architecture's name, or the file's.
    pub fn name(&self) -> &str {
        match self {
            Self::Zoo(architecture) => architecture.name,
            Self::Onnx { name } => name,
        }
    }

    /// The architecture, if it is a known one.
    pub fn architecture(&self) -> Option<&'static Architecture> {
        match self {
            Self::Zoo(architecture) => Some(architecture),
            Self::Onnx { .. } => None,
        }
    }

    /// The initialisation of its weights.
    pub fn initialisation(&self) -> Initialisation {
        match self {
            Self::Zoo(architecture) => architecture.initialisation,
            // The default of PyTorch's layers, with convolutions as in ResNets.
            Self::Onnx { .. } => Initialisation {
                convolutions: Initialiser::KaimingNormal,
                linear: Initialiser::UniformFanIn,
                head: Initialiser::UniformFanIn,
                others: &[],
            },
        }
    }
}

/// Why a network could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file is a network of another framework.
    #[error("{file} is {what}; to use it with dvm: {conversion}")]
    Foreign {
        /// The file or folder.
        file: String,
        /// Its format, with its article.
        what: &'static str,
        /// The commands that convert it.
        conversion: String,
    },
    /// The file cannot be read.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The weights do not match the architecture.
    #[error("the weights do not match {architecture}: {mismatch}")]
    Mismatch {
        /// Name of the architecture.
        architecture: &'static str,
        /// What is missing, unexpected or of another shape.
        mismatch: Box<Mismatch>,
    },
    /// The file does not name its architecture, and none matches.
    #[error(
        "{file} does not name an architecture, and its {tensors} tensors match none that dvm knows{}; export the \
         network as ONNX where it is defined: {}",
        .nearest.as_ref().map(|nearest| format!(" ({nearest})")).unwrap_or_default(),
        EXPORT
    )]
    Unrecognised {
        /// The file.
        file: String,
        /// Number of its tensors.
        tensors: usize,
        /// The nearest architecture, if nearly all of it is there.
        nearest: Option<String>,
    },
    /// The file names another network with the same parameter names and shapes.
    #[error(
        "{file} has the parameters of {architecture}, but names its network `{said}`, which dvm does not have: \
         {difference}; export the network as ONNX where it is defined: {}; or choose the architecture \
         {architecture} if that is right",
        EXPORT
    )]
    LookAlike {
        /// The file.
        file: String,
        /// The name in the file.
        said: String,
        /// The architecture with the same names and shapes.
        architecture: &'static str,
        /// The difference of the other network.
        difference: String,
    },
    /// The file contains several networks, and the default is not clear.
    #[error(
        "{file} contains several networks with different weights, {parts}; choose one by its name"
    )]
    Parts {
        /// The file.
        file: String,
        /// Their names.
        parts: String,
    },
    /// The file does not contain the requested part.
    #[error("{file} has no network named `{asked}`; it has {parts}")]
    Part {
        /// The file.
        file: String,
        /// The requested part.
        asked: String,
        /// Names of its parts.
        parts: String,
    },
    /// The file does not name its architecture, and matches several with the same parameters.
    #[error(
        "{file} does not name its architecture, and its weights match several: {fitting}; choose one of them \
         together with the weight file"
    )]
    Ambiguous {
        /// The file.
        file: String,
        /// Names of the architectures.
        fitting: String,
    },
    /// The file names another architecture than requested, or an unknown one.
    #[error("{file} contains a network of the architecture `{found}`, not {expected}")]
    Architecture {
        /// The file.
        file: String,
        /// The architecture in its metadata.
        found: String,
        /// The expected architecture.
        expected: String,
    },
    /// The ONNX file cannot be used.
    #[error(transparent)]
    Onnx(#[from] dvm_onnx::OnnxError),
    /// The input has a number of channels that is not supported.
    #[error(
        "{file}: its input `{input}` has {channels} channels; dvm supports three (red, green, blue) and one \
         (grey); {}",
        channels_advice(*channels)
    )]
    Channels {
        /// The file.
        file: String,
        /// Its input.
        input: String,
        /// Channels of its input.
        channels: usize,
    },
    /// The requested output contradicts the file.
    #[error("{file}: its output cannot be {}, because the file ends with {end}", asked.meaning())]
    Output {
        /// The file.
        file: String,
        /// The requested output.
        asked: Output,
        /// The end of the network.
        end: String,
    },
    /// The graph cannot be run.
    #[error("{file}: {source}")]
    Graph {
        /// The file.
        file: String,
        /// The reason.
        source: dvm_engine::Error,
    },
    /// The file's metadata is damaged.
    #[error("{file}: its metadata `{key}` {detail}")]
    Metadata {
        /// The file.
        file: String,
        /// The metadata key.
        key: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// The architecture has no embedded weights.
    #[error(
        "{architecture} has no embedded weights; give a weight file, such as the published {published}, or use \
         {embedded}, whose weights are embedded"
    )]
    NoWeights {
        /// Name of the architecture.
        architecture: &'static str,
        /// The published file's name.
        published: &'static str,
        /// The embedded networks.
        embedded: String,
    },
}

impl LoadError {
    /// Damaged metadata of a file.
    pub(crate) fn metadata(file: &str, key: &'static str, detail: String) -> Self {
        Self::Metadata {
            file: file.into(),
            key,
            detail,
        }
    }
}

/// What to do about this number of channels.
fn channels_advice(channels: usize) -> &'static str {
    match channels {
        4 => {
            "export it with three, and the fourth (the alpha channel, if it has one) as a constant inside \
             the graph"
        }
        _ => "export it with three, and the others as constants inside the graph",
    }
}

impl Architecture {
    /// The embedded network.
    ///
    /// # Errors
    /// [`LoadError::NoWeights`] if there is none.
    pub fn embedded(&'static self) -> Result<Pretrained, LoadError> {
        let Some(bytes) = self.embedded else {
            let embedded: Vec<&str> = all()
                .filter(|a| a.embedded.is_some())
                .map(|a| a.name)
                .collect();
            return Err(LoadError::NoWeights {
                architecture: self.name,
                published: self.usual().source.file(),
                embedded: embedded.join(" or "),
            });
        };
        let weights = Weights::from_safetensors(bytes, "embedded")?;
        Pretrained::of_weights(weights, Some(self), None)
    }

    /// The network for ImageNet's classes with random weights ([`dvm_engine::seeded`]), for measuring time.
    pub fn random(&'static self) -> Pretrained {
        let graph = seeded::graph((self.build)(IMAGENET_CLASSES));
        self.without_file("random", graph, imagenet_classes())
    }

    /// A network for these classes that is not from a file, which is called `file`.
    pub(crate) fn without_file(
        &'static self,
        file: &str,
        graph: Graph,
        classes: Vec<String>,
    ) -> Pretrained {
        Pretrained {
            origin: Origin::Zoo(self),
            network: Network::new(graph),
            told_output: Some(Output::Logits),
            classes,
            preprocess: self.usual().preprocess.clone(),
            file: file.into(),
            sha256: String::new(),
            source: None,
            licence: None,
            part: None,
            remarks: Remarks::default(),
        }
    }
}

impl Pretrained {
    /// Reads a weight file. Without `architecture`, it is recognised from the metadata or the tensors' names
    /// and shapes.
    ///
    /// # Errors
    /// [`LoadError`] names the file and the problem.
    pub fn read(
        path: &Path,
        architecture: Option<&'static Architecture>,
    ) -> Result<Self, LoadError> {
        Self::read_for(path, architecture, None)
    }

    /// As [`Pretrained::read`]; `size` (rows and columns) is the input size of an ONNX file with dynamic size.
    ///
    /// # Errors
    /// As [`Pretrained::read`].
    pub fn read_for(
        path: &Path,
        architecture: Option<&'static Architecture>,
        size: Option<(usize, usize)>,
    ) -> Result<Self, LoadError> {
        Self::read_part(path, architecture, size, None)
    }

    /// As [`Pretrained::read_for`]. `part` selects one of several networks in the file: by its prefix
    /// (`state_dict_ema`), a word of it, or `ema`, `raw`, `teacher`, `student`.
    ///
    /// # Errors
    /// As [`Pretrained::read`]; [`LoadError::Part`] if there is no such part.
    pub fn read_part(
        path: &Path,
        architecture: Option<&'static Architecture>,
        size: Option<(usize, usize)>,
        part: Option<&str>,
    ) -> Result<Self, LoadError> {
        if let Some(foreign) = Foreign::of(path) {
            let (what, conversion) = foreign.described(path);
            return Err(LoadError::Foreign {
                file: path.display().to_string(),
                what,
                conversion,
            });
        }
        if !is_onnx(path) {
            return Self::of_weights(Weights::read(path)?, architecture, part);
        }
        if let Some(asked) = part {
            return Err(LoadError::Part {
                file: path.display().to_string(),
                asked: asked.into(),
                parts: "one network, like every ONNX file".into(),
            });
        }
        let opened = OnnxFile::open(path)?;
        if let Some(known) = Self::of_own_file(&opened, architecture)? {
            return Ok(known);
        }
        match architecture {
            None => Self::read_onnx(path, &opened, size),
            Some(architecture) => Err(LoadError::Architecture {
                file: path.display().to_string(),
                found: "of its own graph".into(),
                expected: format!("`{}`; give only the ONNX file", architecture.name),
            }),
        }
    }

    pub(crate) fn of_weights(
        weights: Weights,
        architecture: Option<&'static Architecture>,
        part: Option<&str>,
    ) -> Result<Self, LoadError> {
        let (_, weights) = weights.split_off(TRAINING_PREFIX);
        if let (None, Some(graph)) = (architecture, weights.metadata().get(GRAPH_KEY).cloned()) {
            return Self::of_structure(weights, &graph);
        }
        let recognised = architecture_of(&weights, architecture)?;
        let architecture = recognised.architecture;
        let usual = architecture.published_like(&weights);
        let weights = match architecture.other_names {
            Some(here) => weights.renamed(|name| behind_prefix(name, here)),
            None => weights,
        };
        let file = weights.file().to_owned();
        let sha256 = weights.sha256().to_owned();
        let metadata = weights.metadata().clone();
        let chosen = choose(weights, architecture, part)?;
        let mut remarks = chosen.remarks;
        remarks.warnings.splice(0..0, recognised.warnings);
        // If the file has no such layer, the mismatch below is reported.
        let outputs = outputs_of(&chosen.weights, architecture.head).unwrap_or(IMAGENET_CLASSES);
        let network = network(chosen.weights, architecture, outputs)?;
        let (output, told_output) = output::of_weights(&metadata, outputs, &file, &mut remarks)?;
        Ok(Self {
            classes: classes(&metadata, &file, outputs)?,
            preprocess: preprocess(&metadata, &file, usual)?,
            origin: Origin::Zoo(architecture),
            network: network.with_output(output),
            told_output,
            file,
            sha256,
            source: metadata.get("source").cloned(),
            licence: metadata.get("licence").cloned(),
            part: chosen.part.or_else(|| metadata.get(PART_KEY).cloned()),
            remarks,
        })
    }
}

/// Whether a file is an ONNX model, by its extension or its first bytes.
fn is_onnx(path: &Path) -> bool {
    if path
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("onnx"))
    {
        return true;
    }
    // Only files are opened: a pipe could block for ever.
    if !std::fs::metadata(path).is_ok_and(|facts| facts.is_file()) {
        return false;
    }
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(16).read_to_end(&mut head));
    read.is_ok() && dvm_onnx::is_onnx(&head)
}

/// Number of classes of ImageNet-1k.
pub(crate) const IMAGENET_CLASSES: usize = 1000;

/// The class names of ImageNet-1k, in torchvision's order.
pub fn imagenet_classes() -> Vec<String> {
    serde_json::from_str(include_str!("imagenet_classes.json")).expect("a list of strings")
}

/// Checks that class names can be used in tables, figures and folder names: each must have 1 to 200 characters,
/// without control characters.
///
/// # Errors
/// The first invalid name, as the end of a sentence.
pub fn check_class_names(names: &[String]) -> Result<(), String> {
    for (index, name) in names.iter().enumerate() {
        if name.is_empty() {
            return Err(format!("has an empty name for class {index}"));
        }
        if name.chars().count() > 200 {
            return Err(format!(
                "has a name of more than 200 characters for class {index}"
            ));
        }
        if name.chars().any(char::is_control) {
            return Err(format!(
                "has a control character in the name of class {index}: {name:?}"
            ));
        }
    }
    Ok(())
}

/// Number of outputs of the layer `head`.
fn outputs_of(weights: &Weights, head: &str) -> Option<usize> {
    let array = weights.get(&format!("{head}.weight"))?;
    array.shape.first().copied().filter(|&outputs| outputs > 0)
}

fn network(
    weights: Weights,
    architecture: &'static Architecture,
    outputs: usize,
) -> Result<Network, LoadError> {
    let whole = (architecture.build)(outputs);
    let in_use = whole.clone().without_auxiliaries();
    let used: BTreeSet<&str> = in_use.parameters().iter().map(|p| &p.name[..]).collect();
    let is_there = |wanted: &Parameter| weights.get(&wanted.name).is_some();
    let mut heads = whole.parameters().iter();
    let has_heads = heads.any(|p| !used.contains(&p.name[..]) && is_there(p));
    // Some files lack the auxiliary heads.
    let blueprint = if has_heads || used.len() == whole.parameters().len() {
        whole
    } else {
        in_use
    };
    let wanted = of_parameters(&blueprint);
    let weights = match architecture.other_names {
        Some(_) => weights.shaped_like(&wanted),
        None => weights,
    };
    let mut arrays = weights
        .matched(&wanted)
        .map_err(|mismatch| LoadError::Mismatch {
            architecture: architecture.name,
            mismatch: Box::new(mismatch),
        })?;
    let value = |parameter: &Parameter| {
        let array = arrays.remove(&parameter.name).expect("all were matched");
        Ok::<_, dvm_engine::Error>(Tensor::from_nchw(&array.shape, &array.values))
    };
    let graph = Graph::new(blueprint, value).expect("shapes were matched");
    Ok(Network::new(graph))
}

pub(crate) fn classes(
    metadata: &BTreeMap<String, String>,
    file: &str,
    outputs: usize,
) -> Result<Vec<String>, LoadError> {
    let Some(text) = metadata.get(CLASSES_KEY) else {
        return Ok(match outputs {
            IMAGENET_CLASSES => imagenet_classes(),
            1 => vec!["no".into(), "yes".into()],
            _ => (0..outputs).map(|index| format!("class {index}")).collect(),
        });
    };
    let damaged = |detail: String| LoadError::metadata(file, CLASSES_KEY, detail);
    let names: Vec<String> = serde_json::from_str(text)
        .map_err(|error| damaged(format!("is not a JSON list of names: {error}")))?;
    check_class_names(&names).map_err(damaged)?;
    let classes = Output::classes(outputs);
    if names.len() != classes {
        return Err(damaged(format!(
            "has {} class names, but the network has {classes} classes",
            names.len()
        )));
    }
    Ok(names)
}

fn preprocess(
    metadata: &BTreeMap<String, String>,
    file: &str,
    usual: &Published,
) -> Result<Preprocess, LoadError> {
    let own = own_preprocess(metadata, file)?;
    Ok(own.unwrap_or_else(|| usual.preprocess.clone()))
}

/// The preprocessing in dvm's metadata of a file.
pub(crate) fn own_preprocess(
    metadata: &BTreeMap<String, String>,
    file: &str,
) -> Result<Option<Preprocess>, LoadError> {
    let Some(text) = metadata.get(PREPROCESS_KEY) else {
        return Ok(None);
    };
    let damaged = |detail: String| LoadError::metadata(file, PREPROCESS_KEY, detail);
    let preprocess: Preprocess =
        serde_json::from_str(text).map_err(|error| damaged(format!("cannot be read: {error}")))?;
    preprocess
        .validate()
        .map_err(|error| damaged(format!("cannot be used: {error}")))?;
    Ok(Some(preprocess))
}
