//! A network that knows its classes and how to prepare a picture.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use dvm_engine::{Arithmetic, Network, Output, Stopwatch, Tensor};
use dvm_image::{Input, Limits, Picture, Preprocess, PreprocessField, Range, Reading};
use dvm_zoo::{Architecture, Pretrained};
use serde::Serialize;

use crate::gradient_check::KnownChecks;
use crate::nearest::about_model;
use crate::{DEFAULT_MODEL, Error, weights};

/// A network with its classes and its preprocessing.
pub struct Classifier {
    pretrained: Pretrained,
    limits: Limits,
    /// What was found of the network's gradient.
    pub(crate) checks: Arc<KnownChecks>,
}

/// What is known of a network's file before it is opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Opening<'a> {
    /// Rows and columns of the pictures, for a graph that leaves them open.
    pub size: Option<(usize, usize)>,
    /// Which of several networks in the file is meant: by its prefix, such as `state_dict_ema`, by a
    /// word of that, or `ema`, `raw`, `teacher` or `student`.
    pub part: Option<&'a str>,
}

/// What a network says of one picture.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// The network's numbers, `[K]`, as it computes them; [`Prediction::output`] says what they mean.
    pub outputs: Vec<f32>,
    /// What the numbers mean.
    pub output: Output,
    /// One logit per class ([`Output::logits`]).
    pub logits: Vec<f32>,
    /// One probability per class ([`Output::probabilities`]). They add up to 1 unless the network has
    /// several labels.
    pub probabilities: Vec<f32>,
    /// What makes it doubtful that the numbers mean what is assumed of them.
    pub doubt: Option<String>,
    ranked: Vec<Ranked>,
}

/// A class with its probability.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ranked {
    /// Index of the class.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Its probability, 0 … 1.
    pub probability: f32,
}

impl Prediction {
    /// The `count` most probable classes, most probable first; of equal ones the first by index.
    pub fn top(&self, count: usize) -> &[Ranked] {
        &self.ranked[..count.min(self.ranked.len())]
    }
}

impl Classifier {
    /// The default network, which comes with the program: [`DEFAULT_MODEL`], trained on ImageNet.
    ///
    /// # Errors
    /// None in practice; the embedded file is checked like any other.
    pub fn embedded() -> Result<Self, Error> {
        Self::open(DEFAULT_MODEL, None)
    }

    /// A network by name, with the weights that are at hand (embedded ones, or published ones that
    /// were fetched) or those of a file, or with published ones by their tag (`IMAGENET1K_V2`); or a
    /// weight file alone, whose metadata or names say what it is. Nothing is ever fetched here.
    ///
    /// # Errors
    /// [`Error::Usage`] for a name that is neither, [`Error::NoWeights`] if none are at hand,
    /// [`Error::Damaged`] for fetched ones that are not what they were, [`Error::Load`] for weights
    /// that do not fit.
    pub fn open(model: &str, weights: Option<&Path>) -> Result<Self, Error> {
        Self::open_for(model, weights, None)
    }

    /// As [`Classifier::open`]; a graph of a file that leaves the size of its pictures open is made for
    /// pictures of `size`, rows and columns.
    ///
    /// # Errors
    /// As [`Classifier::open`].
    pub fn open_for(
        model: &str,
        weights: Option<&Path>,
        size: Option<(usize, usize)>,
    ) -> Result<Self, Error> {
        let opening = Opening { size, part: None };
        Self::open_with(model, weights, &opening)
    }

    /// As [`Classifier::open`], with what is known of the file.
    ///
    /// # Errors
    /// As [`Classifier::open`].
    pub fn open_with(
        model: &str,
        weights: Option<&Path>,
        &Opening { size, part }: &Opening,
    ) -> Result<Self, Error> {
        let pretrained = match (dvm_zoo::find(model), weights) {
            (Some(architecture), None) => weights::at_hand(architecture)?,
            (Some(architecture), Some(file)) => weights::read(architecture, file, part)?,
            (None, None) if Path::new(model).exists() => {
                let path = Path::new(model);
                weights::as_published(Pretrained::read_part(path, None, size, part)?)
            }
            (None, Some(weights)) if Path::new(model).exists() => {
                return Err(Error::Usage(format!(
                    "both {model} and {} hold weights; name the architecture, or give one file",
                    weights.display()
                )));
            }
            (None, _) => {
                return Err(Error::Usage(format!(
                    "there is neither a model nor a file named `{model}`; {}",
                    about_model(model)
                )));
            }
        };
        Ok(Self::of(pretrained))
    }

    /// A network that training has at hand.
    pub(crate) fn of(pretrained: Pretrained) -> Self {
        Self {
            pretrained,
            limits: Limits::default(),
            checks: Arc::default(),
        }
    }

    /// A network by name, of 1000 classes, with weights that mean nothing but are always the same: to
    /// time it, for speed does not depend on them.
    ///
    /// # Errors
    /// [`Error::Usage`] for a name that is not in the zoo.
    pub fn random(model: &str) -> Result<Self, Error> {
        let Some(architecture) = dvm_zoo::find(model) else {
            return Err(Error::Usage(format!(
                "there is no model named `{model}`; {}",
                about_model(model)
            )));
        };
        Ok(Self::of(architecture.random()))
    }

    /// A weight file whose metadata or names say which network it is.
    ///
    /// # Errors
    /// [`Error::Load`] for a file that is no such thing.
    pub fn read(weights: &Path) -> Result<Self, Error> {
        let pretrained = weights::as_published(Pretrained::read(weights, None)?);
        Ok(Self::of(pretrained))
    }

    /// Writes the network with its classes and preprocessing to a file, whose ending says in what
    /// format ([`dvm_zoo::FileFormat`]).
    ///
    /// # Errors
    /// [`Error::Usage`] for an ending that says none, [`Error::Export`] for a network that the format
    /// has no words for, [`Error::Save`] where the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let format = dvm_zoo::FileFormat::of(path).ok_or_else(|| {
            let endings = dvm_zoo::FileFormat::ENDINGS;
            let path = path.display();
            Error::Usage(format!(
                "{path}: networks are written as files that end in {endings}"
            ))
        })?;
        let bytes = self.pretrained.to_bytes(format)?;
        dvm_image::write_atomic(path, &bytes).map_err(|source| Error::Save {
            path: path.to_owned(),
            source,
        })
    }

    /// The same with other names for the classes.
    ///
    /// # Errors
    /// [`Error::Usage`] if there are fewer or more than the network has, or if one is not fit to be
    /// shown ([`dvm_zoo::check_class_names`]). A network with a single number takes two names, *no* and
    /// *yes*, or that of *yes* alone.
    pub fn with_classes(mut self, mut names: Vec<String>) -> Result<Self, Error> {
        dvm_zoo::check_class_names(&names).map_err(Error::Usage)?;
        let classes = self.classes().len();
        if let ([yes], 1) = (&names[..], self.pretrained.outputs()) {
            names = vec![format!("not {yes}"), yes.clone()];
        }
        if names.len() != classes {
            return Err(Error::Usage(format!(
                "{} class names were given, but the network has {classes} classes",
                names.len()
            )));
        }
        self.pretrained.classes = names;
        self.pretrained.remarks.classes = None;
        Ok(self)
    }

    /// The same whose output means this.
    ///
    /// # Errors
    /// [`Error::Load`] if the network's file says something else.
    pub fn with_output(self, output: Output) -> Result<Self, Error> {
        Ok(Self {
            pretrained: self.pretrained.with_output(output)?,
            ..self
        })
    }

    /// What is assumed of the network's output because nothing tells; [`Classifier::with_output`] settles
    /// it.
    pub fn assumed_output(&self) -> Option<&str> {
        self.pretrained.remarks.output.as_deref()
    }

    /// What is assumed of the names of the classes because nothing tells; [`Classifier::with_classes`] settles
    /// it.
    pub fn assumed_classes(&self) -> Option<&str> {
        self.pretrained.remarks.classes.as_deref()
    }

    /// The same with another preprocessing, all of which is known.
    ///
    /// # Errors
    /// [`Error::Usage`] for one that no picture can go through or that the network cannot take.
    pub fn with_preprocess(self, preprocess: Preprocess) -> Result<Self, Error> {
        self.with_known_preprocess(preprocess, PreprocessField::ALL)
    }

    /// The same with another preprocessing, of which these fields are known. What was assumed of the
    /// others stays among the warnings.
    ///
    /// # Errors
    /// As [`Classifier::with_preprocess`].
    pub fn with_known_preprocess(
        mut self,
        preprocess: Preprocess,
        known: impl IntoIterator<Item = PreprocessField>,
    ) -> Result<Self, Error> {
        preprocess
            .validate()
            .map_err(|error| Error::Usage(error.to_string()))?;
        let channels = self.preprocess().channels;
        if channels.count() != preprocess.channels.count() {
            return Err(Error::Usage(format!(
                "the network takes {} channels ({channels}), so its pictures cannot be prepared as `{}`",
                channels.count(),
                preprocess.channels
            )));
        }
        let (height, width) = preprocess.crop;
        let input = [1, channels.count(), height, width];
        self.network().graph().shapes(&input)?;
        self.pretrained = self.pretrained.with_preprocess(preprocess, known);
        Ok(self)
    }

    /// The fields of the preprocessing that were assumed, because nothing says them.
    pub fn assumed(&self) -> &BTreeSet<PreprocessField> {
        &self.pretrained.remarks.assumed
    }

    /// What was assumed of how pictures are prepared, as a sentence; one of [`Classifier::warnings`].
    pub fn preprocess_assumption(&self) -> Option<String> {
        self.pretrained.preprocess_assumption()
    }

    /// What a user has to know of the network: what was assumed because its file does not say it, and
    /// where it differs from what it was.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        let remarks = &self.pretrained.remarks;
        let warnings = remarks.warnings.iter().cloned();
        let assumed = remarks.part.clone().into_iter();
        let assumed = assumed.chain(self.preprocess_assumption());
        let assumed = assumed.chain(remarks.classes.clone());
        warnings.chain(assumed).chain(remarks.output.clone())
    }

    /// What was left out or chosen when the network was read, and changes nothing.
    pub fn notes(&self) -> &[String] {
        &self.pretrained.remarks.notes
    }

    /// The same computed with these kernels: [`Arithmetic::Exact`] is slower and gives the same bits
    /// in every batch.
    #[must_use]
    pub fn with_arithmetic(mut self, arithmetic: Arithmetic) -> Self {
        self.pretrained.network = self.pretrained.network.with_arithmetic(arithmetic);
        self
    }

    /// The same with a stopwatch that every walk over the network reports to.
    #[must_use]
    pub fn with_stopwatch(mut self, stopwatch: Stopwatch) -> Self {
        self.pretrained.network = self.pretrained.network.with_stopwatch(stopwatch);
        self
    }

    /// Name of the architecture, or of the ONNX file.
    pub fn name(&self) -> &str {
        self.pretrained.origin.name()
    }

    /// The architecture, if it is one of the zoo and not an ONNX file's graph.
    pub fn architecture(&self) -> Option<&'static Architecture> {
        self.pretrained.origin.architecture()
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.pretrained.network
    }

    /// Names of the classes, by index.
    pub fn classes(&self) -> &[String] {
        &self.pretrained.classes
    }

    /// How pictures are prepared.
    pub fn preprocess(&self) -> &Preprocess {
        &self.pretrained.preprocess
    }

    /// The file that the weights came from, `embedded` for those that come with the program.
    pub fn weights_file(&self) -> &str {
        &self.pretrained.file
    }

    /// SHA-256 of the weight file, in hexadecimal.
    pub fn weights_sha256(&self) -> &str {
        &self.pretrained.sha256
    }

    /// Where in the weight file the weights are, if it holds more than them: `state_dict_ema`.
    pub fn weights_part(&self) -> Option<&str> {
        self.pretrained.part.as_deref()
    }

    /// Which of several networks in the file was taken, and by which convention; `None` if there was no
    /// choice, or it was made by name.
    pub fn assumed_part(&self) -> Option<&str> {
        self.pretrained.remarks.part.as_deref()
    }

    /// Where the weight file's metadata says that its weights were published.
    pub fn weights_source(&self) -> Option<&str> {
        self.pretrained.source.as_deref()
    }

    /// The licence of the weights, by the file's metadata.
    pub fn weights_licence(&self) -> Option<&str> {
        self.pretrained.licence.as_deref()
    }

    /// The same with another range of values, all else of its preprocessing being kept.
    #[must_use]
    pub fn with_range(mut self, range: Range) -> Self {
        self.pretrained.preprocess.range = range;
        self
    }

    /// The same with other limits for picture files.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How picture files are read for this network: within [`Limits`], with the range of values
    /// that it was trained with or was given ([`Classifier::with_range`]).
    pub fn reading(&self) -> Reading {
        Reading {
            limits: self.limits.clone(),
            range: self.preprocess().range,
        }
    }

    /// Resizes, crops and normalises a picture.
    ///
    /// # Errors
    /// [`Error::Usage`] for a preprocessing that no picture can go through.
    pub fn prepare(&self, picture: Picture) -> Result<Input, Error> {
        self.preprocess()
            .apply(picture)
            .map_err(|error| Error::Usage(error.to_string()))
    }

    /// What the network says of a prepared picture.
    ///
    /// # Errors
    /// [`Error::Network`] if it cannot take the picture, [`Error::TooLarge`] if that would take too
    /// much memory, [`Error::NotFinite`] if its answer is not a number.
    pub fn classify(&self, input: &Input) -> Result<Prediction, Error> {
        self.allow(input)?;
        let [c, h, w] = input.shape();
        let picture = Tensor::from_nchw(&[1, c, h, w], input.values());
        let outputs = self.network().fused().logits(&picture)?;
        self.prediction(outputs.data())
    }

    /// Refuses a picture that would take too much memory.
    pub(crate) fn allow(&self, input: &Input) -> Result<(), Error> {
        let [c, height, width] = input.shape();
        let peak = self.network().fused().peak_values(&[1, c, height, width])?;
        let bytes = peak.saturating_mul(size_of::<f32>());
        if bytes <= MOST {
            return Ok(());
        }
        Err(Error::TooLarge {
            height,
            width,
            mebibytes: bytes >> 20,
        })
    }

    /// That the numbers of a picture are no answer.
    pub(crate) fn failed(&self, error: dvm_attribution::Error) -> Error {
        match error {
            dvm_attribution::Error::NotFinite { .. } => Error::NotFinite {
                weights: self.weights_file().into(),
                model: self.name().into(),
            },
            dvm_attribution::Error::Output(detail) => Error::Output {
                weights: self.weights_file().into(),
                detail,
            },
            dvm_attribution::Error::Network(error) => error.into(),
            other => Error::Usage(other.to_string()),
        }
    }

    /// What the numbers `[K]` that the network answered say.
    pub(crate) fn prediction(&self, outputs: &[f32]) -> Result<Prediction, Error> {
        if outputs.iter().any(|number| !number.is_finite()) {
            return Err(Error::NotFinite {
                weights: self.weights_file().into(),
                model: self.name().into(),
            });
        }
        let output = self.network().output();
        output.check(outputs).map_err(|detail| Error::Output {
            weights: self.weights_file().into(),
            detail,
        })?;
        let (logits, probabilities) = (output.logits(outputs), output.probabilities(outputs));
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]).then(a.cmp(&b)));
        let ranked = order
            .into_iter()
            .map(|index| Ranked {
                index,
                name: self.classes()[index].clone(),
                probability: probabilities[index],
            })
            .collect();
        Ok(Prediction {
            doubt: self.doubt(outputs),
            outputs: outputs.to_vec(),
            output,
            logits,
            probabilities,
            ranked,
        })
    }
}

impl Classifier {
    /// Whether numbers that are taken for logits for want of anything better look like probabilities.
    fn doubt(&self, outputs: &[f32]) -> Option<String> {
        let looks_like = |output: Output| output.check(outputs).is_ok();
        let is_doubtful = self.assumed_output().is_some()
            && outputs.len() > 1
            && looks_like(Output::Probabilities);
        is_doubtful.then(|| {
            format!(
                "the network's numbers lie between 0 and 1 and add up to 1, as probabilities do, but they \
                 are taken for {}",
                self.network().output().meaning()
            )
        })
    }
}

/// Bytes that the activations of one picture may take to classify it: 4 GiB, so that a crop that a
/// hostile weight file asks for cannot exhaust the machine.
const MOST: usize = 4 << 30;
