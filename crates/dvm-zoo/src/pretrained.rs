//! A weight file becomes a network that knows its classes and how to prepare pictures.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use dvm_engine::weights::{Mismatch, Weights, WeightsError};
use dvm_engine::{Graph, Initialisation, Initialiser, Network, Output, Parameter, Tensor, seeded};
use dvm_image::Preprocess;
use dvm_onnx::OnnxFile;

use crate::choice::choose;
use crate::foreign::Foreign;
use crate::graphs::Remarks;
use crate::output;
use crate::recognition::{architecture_of, behind_prefix};
use crate::{Architecture, GRAPH_KEY, Published, all};

/// Metadata keys of a `.safetensors` file that carries all it needs: the architecture's name.
pub const ARCHITECTURE_KEY: &str = "dvm.architecture";
/// The class names, a JSON list of strings.
pub const CLASSES_KEY: &str = "dvm.classes";
/// The preprocessing, in the JSON form of [`Preprocess`].
pub const PREPROCESS_KEY: &str = "dvm.preprocess";

/// Where in another file the weights were, before they were converted.
pub const PART_KEY: &str = "weights_part";

/// What the names of tensors begin with that a checkpoint holds for training to go on (the state of
/// the optimiser, moving averages): they are no weights of the network.
pub const TRAINING_PREFIX: &str = "dvm.training.";

/// How PyTorch writes a network as ONNX.
pub(crate) const EXPORT: &str =
    "torch.onnx.export(model.eval(), torch.randn(1, 3, 224, 224), \"model.onnx\")";

/// A network with its weights and all that belongs to them.
pub struct Pretrained {
    /// What it is built after.
    pub origin: Origin,
    /// The network; [`Network::output`] says what its numbers mean.
    pub network: Network,
    /// What its file itself tells of its numbers, if it does: logits, where a softmax or sigmoid at its
    /// end was left out.
    pub told_output: Option<Output>,
    /// Names of the classes, by index.
    pub classes: Vec<String>,
    /// How its pictures are prepared.
    pub preprocess: Preprocess,
    /// The file that the weights came from; `embedded` names a network of this crate, `random` weights
    /// of no file.
    pub file: String,
    /// SHA-256 of that file; empty if there is none.
    pub sha256: String,
    /// Where its metadata says that the weights were published.
    pub source: Option<String>,
    /// Under which licence, by its metadata.
    pub licence: Option<String>,
    /// Where in the file the weights were, if it holds more than them: `state_dict_ema`.
    pub part: Option<String>,
    /// What its user has to know.
    pub remarks: Remarks,
}

/// What a network is built after.
#[derive(Clone)]
pub enum Origin {
    /// An architecture of the zoo.
    Zoo(&'static Architecture),
    /// The graph of an ONNX file.
    Onnx {
        /// The file's name without folders and ending.
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

    /// The architecture, if it is one of the zoo.
    pub fn architecture(&self) -> Option<&'static Architecture> {
        match self {
            Self::Zoo(architecture) => Some(architecture),
            Self::Onnx { .. } => None,
        }
    }

    /// How weights begin when nothing is learnt yet.
    pub fn initialisation(&self) -> Initialisation {
        match self {
            Self::Zoo(architecture) => architecture.initialisation,
            // What PyTorch's layers begin with, convolutions as in ResNets.
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
    #[error("{file}: this is {what}; to use it here: {conversion}")]
    Foreign {
        /// The file or folder.
        file: String,
        /// What it is, with its article.
        what: &'static str,
        /// The commands that convert it.
        conversion: String,
    },
    /// The file cannot be read.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The file does not fit the architecture.
    #[error("these weights do not fit {architecture}: {mismatch}")]
    Mismatch {
        /// Name of the architecture.
        architecture: &'static str,
        /// What is missing, unexpected or of another shape.
        mismatch: Box<Mismatch>,
    },
    /// The file does not say its architecture and fits none.
    #[error(
        "{file}: the names and shapes of its {tensors} tensors are of no architecture that this program \
         knows{}; export the network as ONNX where it is defined: {}",
        .nearest.as_ref().map(|nearest| format!(" ({nearest})")).unwrap_or_default(),
        EXPORT
    )]
    Unrecognised {
        /// The file.
        file: String,
        /// How many tensors it has.
        tensors: usize,
        /// The architecture that it has most of, and how much, if that is nearly all.
        nearest: Option<String>,
    },
    /// The file says that it is another network than its names and shapes are of.
    #[error(
        "{file}: its names and shapes are those of {architecture}, but it says that it is `{said}`, which \
         this program does not have: {difference}; export the network as ONNX where it is defined: {}; or \
         name the architecture {architecture} if that is what it is",
        EXPORT
    )]
    LookAlike {
        /// The file.
        file: String,
        /// What it says.
        said: String,
        /// What its names and shapes are of.
        architecture: &'static str,
        /// What the other network does otherwise.
        difference: String,
    },
    /// The file holds several networks, and no convention says which is meant.
    #[error(
        "{file}: holds several networks with these names, {parts}, with different values; choose one of \
         them by its name"
    )]
    Parts {
        /// The file.
        file: String,
        /// Their names.
        parts: String,
    },
    /// The file does not hold the part that was asked for.
    #[error("{file}: has no network named `{asked}`; there is {parts}")]
    Part {
        /// The file.
        file: String,
        /// What was asked for.
        asked: String,
        /// Names of those that it has.
        parts: String,
    },
    /// The file does not say its architecture and fits several that differ in what no weights show.
    #[error(
        "{file}: names and shapes of its weights are those of more than one network ({fitting}); name \
         one of these with the file as its weights"
    )]
    Ambiguous {
        /// The file.
        file: String,
        /// Names of the architectures.
        fitting: String,
    },
    /// The file says another architecture than was asked for, or one that does not exist.
    #[error("{file}: holds a network of architecture `{found}`, not {expected}")]
    Architecture {
        /// The file.
        file: String,
        /// What its metadata says.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// The file is no ONNX file that can be used.
    #[error(transparent)]
    Onnx(#[from] dvm_onnx::OnnxError),
    /// The network takes pictures of other channels than red, green and blue.
    #[error(
        "{file}: its input `{input}` takes pictures of {channels} channels, but pictures are prepared with \
         three (red, green, blue) or one (grey); {}",
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
    /// Its user says of the output what the file contradicts.
    #[error("{file}: its output cannot be {}, because the file ends with {end}", asked.meaning())]
    Output {
        /// The file.
        file: String,
        /// What its user says.
        asked: Output,
        /// What is at its end.
        end: String,
    },
    /// The graph cannot be run.
    #[error("{file}: {source}")]
    Graph {
        /// The file.
        file: String,
        /// Why.
        source: dvm_engine::Error,
    },
    /// The file's metadata is damaged.
    #[error("{file}: its metadata `{key}` {detail}")]
    Metadata {
        /// The file.
        file: String,
        /// Which entry.
        key: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// No weights are at hand for this architecture.
    #[error(
        "{architecture} has no weights of its own here; give a weight file, such as the published \
         {published}, or choose {embedded}, which come with the program"
    )]
    NoWeights {
        /// Name of the architecture.
        architecture: &'static str,
        /// The published file's name.
        published: &'static str,
        /// Networks that are embedded.
        embedded: String,
    },
}

/// What to do about a network of so many channels.
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
    /// The network that comes with this crate.
    ///
    /// # Errors
    /// [`LoadError::NoWeights`] if none does.
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

    /// The network for ImageNet's classes with weights that follow from their names
    /// ([`dvm_engine::seeded`]): they know nothing, but take as long to compute with as any.
    pub fn random(&'static self) -> Pretrained {
        Pretrained {
            origin: Origin::Zoo(self),
            network: Network::new(seeded::graph((self.build)(IMAGENET_CLASSES))),
            told_output: Some(Output::Logits),
            classes: imagenet_classes(),
            preprocess: self.usual().preprocess.clone(),
            file: "random".into(),
            sha256: String::new(),
            source: None,
            licence: None,
            part: None,
            remarks: Remarks::default(),
        }
    }
}

impl Pretrained {
    /// Reads a weight file. Without `architecture`, the file's metadata says it, or else the names
    /// of its tensors do.
    ///
    /// # Errors
    /// [`LoadError`] names the file and what does not fit.
    pub fn read(
        path: &Path,
        architecture: Option<&'static Architecture>,
    ) -> Result<Self, LoadError> {
        Self::read_for(path, architecture, None)
    }

    /// As [`Pretrained::read`]; an ONNX file that leaves the size of its pictures open becomes a network
    /// for pictures of `size`, rows and columns.
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

    /// As [`Pretrained::read_for`]. Of several networks in the file, `part` is taken: by its prefix
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
            return Err(LoadError::Foreign {
                file: path.display().to_string(),
                what: foreign.name(),
                conversion: foreign.conversion(path),
            });
        }
        if !is_onnx(path) {
            return Self::of_weights(Weights::read(path)?, architecture, part);
        }
        if let Some(asked) = part {
            return Err(LoadError::Part {
                file: path.display().to_string(),
                asked: asked.into(),
                parts: "one network, as an ONNX file has".into(),
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
                found: "its own, which an ONNX file brings along".into(),
                expected: format!("`{}`; name the file alone", architecture.name),
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
        // Where the file has no such layer, the mismatch below says so.
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

/// Whether a file is an ONNX model: by its ending, or by how it begins.
fn is_onnx(path: &Path) -> bool {
    if path
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("onnx"))
    {
        return true;
    }
    // Nothing but a file is opened, for a pipe could block for ever.
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

/// Whether class names can be shown in tables, figures and folder names: each has 1 to 200
/// characters, none of which is a control character.
///
/// # Errors
/// Which one is not fit, as the end of a sentence.
pub fn check_class_names(names: &[String]) -> Result<(), String> {
    for (index, name) in names.iter().enumerate() {
        if name.is_empty() {
            return Err(format!("has no name for class {index}"));
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
    // Some files lack the heads that only training has.
    let blueprint = if has_heads || used.len() == whole.parameters().len() {
        whole
    } else {
        in_use
    };
    let wanted: Vec<(String, Vec<usize>)> = blueprint
        .parameters()
        .iter()
        .map(|p| (p.name.clone(), p.shape.clone()))
        .collect();
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
    let damaged = |detail: String| LoadError::Metadata {
        file: file.into(),
        key: CLASSES_KEY,
        detail,
    };
    let names: Vec<String> = serde_json::from_str(text)
        .map_err(|error| damaged(format!("is not a JSON list of names: {error}")))?;
    check_class_names(&names).map_err(damaged)?;
    let classes = Output::classes(outputs);
    if names.len() != classes {
        return Err(damaged(format!(
            "names {} classes, the network has {classes}",
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

/// The preprocessing that this program wrote into a file.
pub(crate) fn own_preprocess(
    metadata: &BTreeMap<String, String>,
    file: &str,
) -> Result<Option<Preprocess>, LoadError> {
    let Some(text) = metadata.get(PREPROCESS_KEY) else {
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
