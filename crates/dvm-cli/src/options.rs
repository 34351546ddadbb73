//! Options that several commands share.

use std::path::PathBuf;

use bytesize::ByteSize;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueHint};
use dvm::data::Split;
use dvm::engine::{Arithmetic, InstructionSet, Output};
use dvm::{Classifier, DEFAULT_MODEL, Opening};

use crate::device_option::Engine;
use crate::failure::{Failure, in_words};
use crate::preprocess_options::PreprocessOptions;
use crate::report;

/// The network, its class names and its preprocessing.
#[derive(Args)]
#[command(next_help_heading = "Network")]
pub struct ModelOptions {
    // Without a default in clap: with --weights alone, the file names its architecture.
    #[arg(long, value_name = "NAME|FILE", value_hint = ValueHint::FilePath)]
    #[arg(help = model_help(""), long_help = model_help(MODEL_DETAILS))]
    pub model: Option<String>,
    /// Weights for the network: a file, or a tag such as IMAGENET1K_V2
    ///
    /// A file is .safetensors, or .pth with a state dict. A tag names published weights that
    /// `dvm models fetch` has fetched [default: the weights that come with dvm, or the fetched ones]
    #[arg(long, value_name = "FILE|TAG", value_hint = ValueHint::FilePath)]
    pub weights: Option<PathBuf>,
    #[command(flatten)]
    pub network: NetworkOptions,
}

/// Class names, part, output and preprocessing of a network.
#[derive(Args, Clone)]
#[command(next_help_heading = "Network")]
pub struct NetworkOptions {
    /// Class names: a text file with one name per line, or JSON
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub classes: Option<PathBuf>,
    /// Network in a file that holds several: ema, raw, teacher, student or a prefix
    ///
    /// A prefix is the start of the names in the file, such as state_dict_ema [default: the averaged
    /// network, or the teacher]
    #[arg(long, value_name = "NAME")]
    pub part: Option<String>,
    #[command(flatten)]
    pub output: OutputOption,
    #[command(flatten)]
    pub preprocess: PreprocessOptions,
}

impl NetworkOptions {
    /// Whether any of them is given.
    pub fn is_given(&self) -> bool {
        self.classes.is_some()
            || self.part.is_some()
            || self.output.meaning.is_some()
            || self.preprocess != PreprocessOptions::default()
    }
}

/// The meaning of a network's outputs.
#[derive(Args, Clone)]
#[command(next_help_heading = "Network")]
pub struct OutputOption {
    #[arg(id = "output_meaning", long = "output", value_name = "MEANING")]
    #[arg(help = "Meaning of the network's outputs, such as logits or labels [default: detected]")]
    #[arg(long_help = meanings_help(), value_parser = meanings(), hide_possible_values = true)]
    meaning: Option<Output>,
}

impl OutputOption {
    /// The classifier with this meaning of its outputs.
    pub fn apply(&self, classifier: Classifier) -> Result<Classifier, Failure> {
        match self.meaning {
            Some(output) => Ok(classifier.with_output(output)?),
            None => Ok(classifier),
        }
    }
}

/// The help of `--model`, with `details` before the default.
pub fn model_help(details: &str) -> String {
    format!("Network: a name (see `dvm models list`) or a file{details} [default: {DEFAULT_MODEL}]")
}

/// What [`model_help`] says of files.
pub const MODEL_DETAILS: &str = "\n\nA file is an ONNX file or a weight file that names its architecture. For other \
     weight files, give the name of the network here and the file with --weights.";

fn meanings_help() -> String {
    let all = Output::ALL.map(|output| format!("\n  {}: {}", output.word(), output.meaning()));
    format!(
        "Meaning of the network's outputs:{}\n\n`labels` means label-logits or label-probabilities, as the network \
         computes them. A single output means yes or no [default: detected from the file; dvm warns if it has to \
         assume it]",
        all.concat()
    )
}

/// The names of [`Output`]s; `labels` are logits or probabilities, as the network computes them.
fn meanings() -> impl TypedValueParser<Value = Output> {
    let words = Output::ALL.map(|output| match output {
        Output::LabelLogits => PossibleValue::new(output.word()).alias("labels"),
        output => PossibleValue::new(output.word()),
    });
    PossibleValuesParser::new(words).map(|word| match &word[..] {
        "labels" => Output::LabelLogits,
        word => word.parse().expect("clap has checked the word"),
    })
}

impl ModelOptions {
    /// Loads the network, to be computed by the engine.
    pub fn open(&self, engine: &Engine) -> Result<Classifier, Failure> {
        let opening = Opening {
            size: self.network.preprocess.size(),
            part: self.network.part.as_deref(),
        };
        let mut classifier = match (&self.model, &self.weights) {
            (Some(model), weights) => Classifier::open_with(model, weights.as_deref(), &opening)?,
            // The file names its architecture.
            (None, Some(weights)) => {
                Classifier::open_with(&weights.to_string_lossy(), None, &opening)?
            }
            (None, None) => Classifier::embedded()?,
        };
        if let Some(file) = &self.network.classes {
            let names = dvm::read_class_names(file)?;
            classifier = classifier.with_classes(names).map_err(|error| {
                Failure::Request(format!("{}: {}", file.display(), in_words(&error)))
            })?;
        }
        let classifier = self.network.output.apply(classifier)?;
        let classifier = self.network.preprocess.apply(classifier)?;
        report::warn_about(&classifier);
        engine.apply(classifier.keeping_gradient_checks())
    }

    /// Whether the network is named and needs a weight file, but none is given.
    pub fn lacks_weights(&self) -> bool {
        let named = self.model.as_deref().and_then(dvm::models::find);
        self.weights.is_none() && named.is_some_and(|a| a.embedded.is_none())
    }

    /// The network of that name with random weights, to be computed by the engine.
    pub fn random(&self, engine: &Engine) -> Result<Classifier, Failure> {
        let classifier = Classifier::random(self.model.as_deref().unwrap_or(DEFAULT_MODEL))?;
        engine.apply(self.network.preprocess.apply(classifier)?)
    }
}

/// The limit of memory.
#[derive(Args)]
#[command(next_help_heading = "Running")]
pub struct MemoryOption {
    /// Memory for the network's activations, such as 512MB or 2GiB
    ///
    /// With less memory, gradients take longer. Pictures that need more are an error. On a GPU, its own
    /// memory is the limit.
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = size)]
    pub memory: usize,
}

/// Parses a number of bytes, such as 512MB.
pub fn size(text: &str) -> Result<usize, &'static str> {
    let size: ByteSize = text
        .parse()
        .map_err(|_| "must be a number of bytes, or a size such as 512MB or 2GiB")?;
    Ok(usize::try_from(size.as_u64()).unwrap_or(usize::MAX))
}

/// Threads, instructions, arithmetic and JSON.
#[derive(Args)]
#[command(next_help_heading = "Running")]
pub struct RunOptions {
    /// Number of threads [default: one per processor]
    ///
    /// At most two per processor. Results do not depend on the number of threads.
    #[arg(long, value_name = "N", value_parser = whole::<u16>(1, 1024))]
    threads: Option<u16>,
    /// Vector instructions to use, such as avx2 [default: the best of this machine]
    ///
    /// To reproduce the results or the speed of another machine. `portable` works everywhere.
    #[arg(long, value_name = "SET", value_parser = instructions)]
    instructions: Option<InstructionSet>,
    /// Compute with the same bits in every batch; slower
    ///
    /// Uses direct kernels and one fixed order of summation. Only on the CPU.
    #[arg(long)]
    exact: bool,
    /// Print the results as JSON
    #[arg(long)]
    pub json: bool,
}

impl RunOptions {
    /// The kernels to use.
    pub fn arithmetic(&self) -> Arithmetic {
        if self.exact {
            Arithmetic::Exact
        } else {
            Arithmetic::Fast
        }
    }

    /// Chooses the instructions and starts the threads, to compute on the CPU. Call it once, before a network is
    /// loaded.
    pub fn start_engine(&self) -> Result<Engine, Failure> {
        if let Some(set) = self.instructions {
            InstructionSet::limit(set).map_err(|used| {
                Failure::Request(format!(
                    "--instructions: the engine uses {} already; they can be chosen only once",
                    used.name()
                ))
            })?;
        }
        let Some(wanted) = self.threads.map(usize::from) else {
            return Ok(Engine::on_cpu(self.arithmetic()));
        };
        let threads = dvm::start_threads(wanted).map_err(Failure::Request)?;
        if threads < wanted {
            report::say(&format!(
                "note: {threads} threads compute instead of {wanted}: more than two per processor do not help"
            ));
        }
        Ok(Engine::on_cpu(self.arithmetic()))
    }
}

/// Parses a set of instructions that this machine has.
fn instructions(name: &str) -> Result<InstructionSet, String> {
    let available = InstructionSet::available();
    let found = available.iter().find(|set| set.word() == name).copied();
    found.ok_or_else(|| {
        let words: Vec<&str> = available.iter().map(|set| set.word()).collect();
        format!("this machine has {}", words.join(", "))
    })
}

/// Parses the name of one of these values.
pub fn one_of<T: Copy + Send + Sync + 'static, const N: usize>(
    all: [T; N],
    name: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(all.map(name)).map(move |word| {
        let mut all = all.into_iter();
        let found = all.find(|one| name(*one) == word);
        found.expect("clap has checked the word")
    })
}

/// Parses the name of a split.
pub fn split() -> impl TypedValueParser<Value = Split> {
    one_of(Split::ALL, Split::name)
}

/// Parses a whole number from `low` to `high`.
pub fn whole<T: TryFrom<u64>>(
    low: u64,
    high: u64,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text
            .parse()
            .ok()
            .filter(|number| (low..=high).contains(number));
        let number = number.and_then(|number: u64| T::try_from(number).ok());
        number.ok_or_else(|| match high {
            u64::MAX => format!("must be a whole number, {low} or more"),
            _ => format!("must be a whole number from {low} to {high}"),
        })
    }
}
