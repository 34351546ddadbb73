//! A network with its classes and its preprocessing.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use dvm_attribution::Subject;
use dvm_engine::device::Device;
use dvm_engine::{Arithmetic, Network, Output, Stopwatch, Tensor};
use dvm_image::{Input, Limits, Picture, Preprocess, PreprocessField, Range, Reading};
use dvm_zoo::{Architecture, Pretrained};
use serde::Serialize;

use crate::device::{left_to_cpu, refuse_exact};
use crate::gradient_check::KnownChecks;
use crate::nearest::{about_model, architecture};
use crate::{DEFAULT_MODEL, Error, weights};

/// A network with its classes and its preprocessing.
pub struct Classifier {
    pretrained: Pretrained,
    limits: Limits,
    /// Results of checking the network's gradient.
    pub(crate) checks: Arc<KnownChecks>,
}

/// Choices for opening a network's file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Opening<'a> {
    /// Rows and columns of the input, for a graph whose input size is dynamic.
    pub size: Option<(usize, usize)>,
    /// Which of several networks in the file to use: its prefix, such as `state_dict_ema`, a word of the
    /// prefix, or `ema`, `raw`, `teacher` or `student`.
    pub part: Option<&'a str>,
}

/// The prediction of a network for one picture.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// The output of the network, `[K]`; [`Prediction::output`] says what the numbers are.
    pub outputs: Vec<f32>,
    /// What the numbers are: logits, probabilities.
    pub output: Output,
    /// One logit per class ([`Output::logits`]).
    pub logits: Vec<f32>,
    /// One probability per class ([`Output::probabilities`]). Their sum is 1, except for a network with
    /// several labels.
    pub probabilities: Vec<f32>,
    /// Why the assumption about the output may be wrong, if there is a reason.
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
    /// The `count` most probable classes, most probable first; ties are in the order of indices.
    pub fn top(&self, count: usize) -> &[Ranked] {
        &self.ranked[..count.min(self.ranked.len())]
    }
}

impl Classifier {
    /// The default network, which is embedded: [`DEFAULT_MODEL`], trained on ImageNet.
    ///
    /// # Errors
    /// None in practice: the embedded file is checked like any other.
    pub fn embedded() -> Result<Self, Error> {
        Self::open(DEFAULT_MODEL, None)
    }

    /// Opens a network by name, with the weights on this machine (embedded or downloaded), with those of a
    /// file, or with published weights by their tag (`IMAGENET1K_V2`); or opens a weight file alone, whose
    /// architecture is in its metadata or is recognised. Never downloads anything.
    ///
    /// # Errors
    /// [`Error::Usage`] for an unknown name, [`Error::NoWeights`] if there are no weights on this machine,
    /// [`Error::Damaged`] for downloaded weights that have changed, [`Error::Load`] for weights that do not
    /// fit.
    pub fn open(model: &str, weights: Option<&Path>) -> Result<Self, Error> {
        Self::open_with(model, weights, &Opening::default())
    }

    /// As [`Classifier::open`], with these choices.
    ///
    /// # Errors
    /// As [`Classifier::open`].
    pub fn open_with(
        model: &str,
        weights: Option<&Path>,
        &Opening { size, part }: &Opening,
    ) -> Result<Self, Error> {
        let pretrained = match (dvm_zoo::find(model), weights) {
            (Some(architecture), None) => weights::on_this_machine(architecture)?,
            (Some(architecture), Some(file)) => weights::read(architecture, file, part)?,
            (None, None) if Path::new(model).exists() => {
                let path = Path::new(model);
                weights::with_publication(Pretrained::read_part(path, None, size, part)?)
            }
            (None, Some(weights)) if Path::new(model).exists() => {
                return Err(Error::Usage(format!(
                    "both {model} and {} contain weights; name an architecture, or give one file only",
                    weights.display()
                )));
            }
            (None, _) => {
                return Err(Error::Usage(format!(
                    "there is no model and no file named `{model}`; {}",
                    about_model(model)
                )));
            }
        };
        Ok(Self::of(pretrained))
    }

    /// The classifier of a network in memory.
    pub(crate) fn of(pretrained: Pretrained) -> Self {
        Self {
            pretrained,
            limits: Limits::default(),
            checks: Arc::default(),
        }
    }

    /// A network by name, with 1000 classes and random weights, the same each time. For measuring speed, which
    /// does not depend on weights.
    ///
    /// # Errors
    /// [`Error::Usage`] for a name that is not in the zoo.
    pub fn random(model: &str) -> Result<Self, Error> {
        Ok(Self::of(architecture(model)?.random()))
    }

    /// Opens a weight file whose architecture is in its metadata or is recognised by its tensors.
    ///
    /// # Errors
    /// [`Error::Load`] for a file that cannot be read as a network.
    pub fn read(weights: &Path) -> Result<Self, Error> {
        let pretrained = weights::with_publication(Pretrained::read(weights, None)?);
        Ok(Self::of(pretrained))
    }

    /// Writes the network with its classes and preprocessing to a file. The extension gives the format
    /// ([`dvm_zoo::FileFormat`]).
    ///
    /// # Errors
    /// [`Error::Usage`] for an unknown extension, [`Error::Export`] for a network that the format cannot
    /// express, [`Error::Save`] if the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let format = dvm_zoo::FileFormat::of(path).ok_or_else(|| {
            let endings = dvm_zoo::FileFormat::endings();
            let path = path.display();
            Error::Usage(format!(
                "{path}: the extension of a network file must be {endings}"
            ))
        })?;
        let bytes = self.pretrained.to_bytes(format)?;
        dvm_image::write_atomic(path, &bytes).map_err(Error::save(path))
    }

    /// Sets the names of the classes.
    ///
    /// # Errors
    /// [`Error::Usage`] if their number is not that of the network's classes, or if a name cannot be shown
    /// ([`dvm_zoo::check_class_names`]). A network with one output takes two names, *no* and *yes*, or that
    /// of *yes* alone.
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

    /// Sets what the output is.
    ///
    /// # Errors
    /// [`Error::Load`] if the network's file contradicts it.
    pub fn with_output(self, output: Output) -> Result<Self, Error> {
        Ok(Self {
            pretrained: self.pretrained.with_output(output)?,
            ..self
        })
    }

    /// What dvm assumes about the output because the file does not say; set it with
    /// [`Classifier::with_output`].
    pub fn assumed_output(&self) -> Option<&str> {
        self.pretrained.remarks.output.as_deref()
    }

    /// What dvm assumes about the class names because the file does not say; set them with
    /// [`Classifier::with_classes`].
    pub fn assumed_classes(&self) -> Option<&str> {
        self.pretrained.remarks.classes.as_deref()
    }

    /// Sets the preprocessing; none of it is then assumed.
    ///
    /// # Errors
    /// [`Error::Usage`] for an invalid preprocessing or one that does not fit the network's input.
    pub fn with_preprocess(self, preprocess: Preprocess) -> Result<Self, Error> {
        self.with_known_preprocess(preprocess, PreprocessField::ALL)
    }

    /// Sets the preprocessing, of which these fields are known. Assumptions about the other fields stay in
    /// the warnings.
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
                "the network expects {} channels ({channels}), but the preprocessing makes `{}`",
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

    /// The fields of the preprocessing that dvm assumes because the file does not say.
    pub fn assumed(&self) -> &BTreeSet<PreprocessField> {
        &self.pretrained.remarks.assumed
    }

    /// What dvm assumes about the preprocessing, as a sentence; one of [`Classifier::warnings`].
    pub fn preprocess_assumption(&self) -> Option<String> {
        self.pretrained.preprocess_assumption()
    }

    /// Warnings about the network: what dvm assumes because the file does not say, and what it changed.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        let remarks = &self.pretrained.remarks;
        let warnings = remarks.warnings.iter().cloned();
        let assumed = remarks.part.clone().into_iter();
        let assumed = assumed.chain(self.preprocess_assumption());
        let assumed = assumed.chain(remarks.classes.clone());
        warnings.chain(assumed).chain(remarks.output.clone())
    }

    /// What was left out or chosen when the network was read, without an effect on results.
    pub fn notes(&self) -> &[String] {
        &self.pretrained.remarks.notes
    }

    /// Sets the arithmetic: [`Arithmetic::Exact`] is slower, and its results do not depend on the batch. It is
    /// possible only on the CPU, so it replaces the device ([`Classifier::with_device`]).
    #[must_use]
    pub fn with_arithmetic(mut self, arithmetic: Arithmetic) -> Self {
        let mut network = self.pretrained.network.with_arithmetic(arithmetic);
        if arithmetic == Arithmetic::Exact {
            network = network.with_device(None);
        }
        self.pretrained.network = network;
        self
    }

    /// Computes the network on this device ([`DeviceChoice::open`](crate::DeviceChoice::open)), or on the CPU if
    /// there is none. Results differ from those of the CPU by rounding.
    ///
    /// # Errors
    /// [`Error::Device`] for a network with exact arithmetic, which is possible only on the CPU.
    pub fn with_device(mut self, device: Option<Arc<dyn Device>>) -> Result<Self, Error> {
        refuse_exact(self.network().graph().arithmetic(), device.as_ref())?;
        self.pretrained.network = self.pretrained.network.with_device(device);
        Ok(self)
    }

    /// The name of the device that computes the network; `None` for the CPU.
    pub fn device(&self) -> Option<&str> {
        self.network().device().map(Device::name)
    }

    /// A warning that names what the CPU computed so far because the device cannot; `None` if there is nothing.
    pub fn left_to_cpu(&self) -> Option<String> {
        self.network().device().and_then(left_to_cpu)
    }

    /// Adds a stopwatch that measures every walk over the network.
    #[must_use]
    pub fn with_stopwatch(mut self, stopwatch: Stopwatch) -> Self {
        self.pretrained.network = self.pretrained.network.with_stopwatch(stopwatch);
        self
    }

    /// The name of the architecture or of the ONNX file.
    pub fn name(&self) -> &str {
        self.pretrained.origin.name()
    }

    /// The architecture, if it is one of the zoo and not the graph of a file.
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

    /// The preprocessing.
    pub fn preprocess(&self) -> &Preprocess {
        &self.pretrained.preprocess
    }

    /// The weight file, or `embedded`.
    pub fn weights_file(&self) -> &str {
        &self.pretrained.file
    }

    /// SHA-256 of the weight file, in hexadecimal.
    pub fn weights_sha256(&self) -> &str {
        &self.pretrained.sha256
    }

    /// The prefix of the weights in the file, if the file contains more: `state_dict_ema`.
    pub fn weights_part(&self) -> Option<&str> {
        self.pretrained.part.as_deref()
    }

    /// Which of several networks in the file dvm chose, and why; `None` if there was only one, or if it was
    /// named.
    pub fn assumed_part(&self) -> Option<&str> {
        self.pretrained.remarks.part.as_deref()
    }

    /// Where the weights were published, by the file's metadata.
    pub fn weights_source(&self) -> Option<&str> {
        self.pretrained.source.as_deref()
    }

    /// The licence of the weights, by the file's metadata.
    pub fn weights_licence(&self) -> Option<&str> {
        self.pretrained.licence.as_deref()
    }

    /// Sets the range of values; the rest of the preprocessing stays.
    #[must_use]
    pub fn with_range(mut self, range: Range) -> Self {
        self.pretrained.preprocess.range = range;
        self
    }

    /// Sets the limits for picture files.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How picture files are read for this network: within its [`Limits`], with the range of values of its
    /// training or of [`Classifier::with_range`].
    pub fn reading(&self) -> Reading {
        Reading {
            limits: self.limits.clone(),
            range: self.preprocess().range,
        }
    }

    /// Resizes, crops and normalises a picture.
    ///
    /// # Errors
    /// [`Error::Usage`] for a preprocessing that cannot be applied.
    pub fn prepare(&self, picture: Picture) -> Result<Input, Error> {
        self.preprocess()
            .apply(picture)
            .map_err(|error| Error::Usage(error.to_string()))
    }

    /// Classifies a prepared picture.
    ///
    /// # Errors
    /// [`Error::Network`] if the input does not fit, [`Error::TooLarge`] if it needs too much memory,
    /// [`Error::NotFinite`] if the output contains NaN or infinity.
    pub fn classify(&self, input: &Input) -> Result<Prediction, Error> {
        self.allow(input)?;
        let [c, h, w] = input.shape();
        let picture = Tensor::from_nchw(&[1, c, h, w], input.values());
        let outputs = self.network().fused().logits(&picture)?;
        self.prediction(outputs.data())
    }

    /// Returns an error for an input that needs too much memory.
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

    /// The error for a failed walk over the network.
    pub(crate) fn failed(&self, error: dvm_attribution::Error) -> Error {
        match error {
            dvm_attribution::Error::NotFinite { .. } => self.not_finite(),
            dvm_attribution::Error::Output(detail) => self.wrong_output(detail),
            dvm_attribution::Error::Network(error) => error.into(),
            other => Error::Usage(other.to_string()),
        }
    }

    /// The network with an input.
    pub(crate) fn subject<'a>(
        &'a self,
        input: &'a Input,
        memory: usize,
        incremental: bool,
    ) -> Subject<'a> {
        let subject = Subject::new(self.network(), input, self.preprocess());
        subject.with_memory(memory).incremental(incremental)
    }

    /// The outputs for the input of a subject.
    pub(crate) fn numbers(&self, subject: &Subject) -> Result<Arc<Vec<f32>>, Error> {
        subject.numbers().map_err(|error| self.failed(error))
    }

    /// The prediction of the outputs `[K]`.
    pub(crate) fn prediction(&self, outputs: &[f32]) -> Result<Prediction, Error> {
        if outputs.iter().any(|number| !number.is_finite()) {
            return Err(self.not_finite());
        }
        let output = self.network().output();
        let checked = output.check(outputs);
        checked.map_err(|detail| self.wrong_output(detail))?;
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
    fn not_finite(&self) -> Error {
        Error::NotFinite {
            weights: self.weights_file().into(),
            model: self.name().into(),
        }
    }

    fn wrong_output(&self, detail: String) -> Error {
        Error::Output {
            weights: self.weights_file().into(),
            detail,
        }
    }

    /// A warning if outputs that are assumed to be logits look like probabilities.
    fn doubt(&self, outputs: &[f32]) -> Option<String> {
        let looks_like = |output: Output| output.check(outputs).is_ok();
        let is_doubtful = self.assumed_output().is_some()
            && outputs.len() > 1
            && looks_like(Output::Probabilities);
        is_doubtful.then(|| {
            format!(
                "the outputs are between 0 and 1 and their sum is 1, as for probabilities, but dvm \
                 treats them as {}",
                self.network().output().meaning()
            )
        })
    }
}

/// The limit of memory for classifying one picture: 4 GiB, so that a malicious weight file with a large crop
/// cannot use up the memory.
pub(crate) const MOST: usize = 4 << 30;
