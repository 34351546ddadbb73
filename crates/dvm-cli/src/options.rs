//! Options that several commands share, made into what they mean.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueHint};
use dvm::engine::{Arithmetic, InstructionSet, Output};
use dvm::{Classifier, DEFAULT_MODEL, Opening};

use crate::failure::Failure;
use crate::preprocess_options::PreprocessOptions;
use crate::report;

/// Which network, with which classes and preprocessing.
#[derive(Args)]
#[command(next_help_heading = "Network")]
pub struct ModelOptions {
    // A default of clap's would be taken for given, and the file of --weights could not say itself
    // which network it holds.
    #[arg(long, value_name = "NAME|FILE", value_hint = ValueHint::FilePath)]
    #[arg(help = format!(
        "A network by name (see `dvm models list`), or a weight file that says what it is \
         [default: {DEFAULT_MODEL}]"
    ))]
    pub model: Option<String>,
    /// Weights for it: .safetensors, or .pth with a state dict; or the tag of published ones that were
    /// fetched, such as IMAGENET1K_V2 [default: those that come with the program or were fetched]
    #[arg(long, value_name = "FILE|TAG", value_hint = ValueHint::FilePath)]
    pub weights: Option<PathBuf>,
    /// Names of its classes: one per line, or JSON
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub classes: Option<PathBuf>,
    /// Which network of a file that holds several: its prefix in the file, such as state_dict_ema, or
    /// ema, raw, teacher, student [default: the averaged one, or the teacher]
    #[arg(long, value_name = "NAME")]
    pub part: Option<String>,
    #[command(flatten)]
    pub output: OutputOption,
    #[command(flatten)]
    pub preprocess: PreprocessOptions,
}

/// What a network's output means.
#[derive(Args, Clone)]
pub struct OutputOption {
    /// What the numbers at its end mean: `logits` or `probabilities` of classes of which one is right,
    /// their logarithms, or logits or probabilities of `labels` of which several can be right. A single
    /// number is a no or yes [default: found out from the file; shown where it is assumed]
    #[arg(id = "output_meaning", long = "output", value_name = "MEANING")]
    #[arg(value_parser = meanings(), hide_possible_values = true)]
    meaning: Option<Output>,
}

impl OutputOption {
    /// Whether it is given.
    pub fn is_given(&self) -> bool {
        self.meaning.is_some()
    }

    /// The classifier with its output understood like this.
    pub fn apply(&self, classifier: Classifier) -> Result<Classifier, Failure> {
        match self.meaning {
            Some(output) => Ok(classifier.with_output(output)?),
            None => Ok(classifier),
        }
    }
}

/// The words for outputs; `labels` are logits or probabilities, as the network computes them.
fn meanings() -> impl TypedValueParser<Value = Output> {
    let words = Output::ALL.map(|output| match output {
        Output::LabelLogits => PossibleValue::new(output.word()).alias("labels"),
        output => PossibleValue::new(output.word()),
    });
    PossibleValuesParser::new(words).map(|word| match &word[..] {
        "labels" => Output::LabelLogits,
        word => word.parse().expect("only these words pass"),
    })
}

impl ModelOptions {
    /// Loads the network, to be run as `run` says.
    pub fn open(&self, run: &RunOptions) -> Result<Classifier, Failure> {
        let opening = Opening {
            size: self.preprocess.size(),
            part: self.part.as_deref(),
        };
        let mut classifier = match (&self.model, &self.weights) {
            (Some(model), weights) => Classifier::open_with(model, weights.as_deref(), &opening)?,
            // The file alone says which network it is for.
            (None, Some(weights)) => {
                Classifier::open_with(&weights.to_string_lossy(), None, &opening)?
            }
            (None, None) => Classifier::embedded()?,
        };
        if let Some(file) = &self.classes {
            let names = dvm::read_class_names(file)?;
            classifier = classifier
                .with_classes(names)
                .map_err(|error| Failure::Request(format!("{}: {error}", file.display())))?;
        }
        let classifier = self.output.apply(classifier)?;
        let classifier = self.preprocess.apply(classifier)?;
        report::warn_about(&classifier);
        let classifier = classifier.keeping_gradient_checks();
        Ok(classifier.with_arithmetic(run.arithmetic()))
    }

    /// Whether a network is named that needs a weight file, and none is.
    pub fn lacks_weights(&self) -> bool {
        let named = self.model.as_deref().and_then(dvm::models::find);
        self.weights.is_none() && named.is_some_and(|a| a.embedded.is_none())
    }

    /// The network of that name with random weights, to be run as `run` says.
    pub fn random(&self, run: &RunOptions) -> Result<Classifier, Failure> {
        let classifier = Classifier::random(self.model.as_deref().unwrap_or(DEFAULT_MODEL))?;
        let classifier = self.preprocess.apply(classifier)?;
        Ok(classifier.with_arithmetic(run.arithmetic()))
    }
}

/// How the program runs.
#[derive(Args)]
#[command(next_help_heading = "Running")]
pub struct RunOptions {
    /// How many threads compute, at most two per processor; results do not depend on it [default:
    /// one per processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Compute with these vector instructions instead of the best of this machine: to see what another
    /// machine would find, and how fast
    #[arg(long, value_name = "SET", value_parser = instructions)]
    instructions: Option<InstructionSet>,
    /// Direct kernels and one fixed order of summation: slower, same bits in every batch
    #[arg(long)]
    exact: bool,
    /// Print the results as JSON
    #[arg(long)]
    pub json: bool,
}

impl RunOptions {
    /// Which kernels may be used.
    pub fn arithmetic(&self) -> Arithmetic {
        if self.exact {
            Arithmetic::Exact
        } else {
            Arithmetic::Fast
        }
    }

    /// Chooses the instructions and starts the threads; called once, before any network is there.
    pub fn start_engine(&self) -> Result<(), Failure> {
        if let Some(set) = self.instructions {
            InstructionSet::limit(set).map_err(|used| {
                Failure::Request(format!("computes with {} already", used.name()))
            })?;
        }
        let Some(wanted) = self.threads.map(usize::from) else {
            return Ok(());
        };
        let threads = dvm::start_threads(wanted).map_err(Failure::Request)?;
        if threads < wanted {
            report::say(&format!(
                "note: {threads} threads compute instead of {wanted}: more would only wait for each other"
            ));
        }
        Ok(())
    }
}

/// The instructions of this name, if this machine has them.
fn instructions(name: &str) -> Result<InstructionSet, String> {
    let available = InstructionSet::available();
    let found = available.iter().find(|set| set.word() == name).copied();
    found.ok_or_else(|| {
        let words: Vec<&str> = available.iter().map(|set| set.word()).collect();
        format!("this machine has {}", words.join(", "))
    })
}
