//! The training configuration: presets, configuration files and single values.

use std::path::PathBuf;

use dvm_data::augment::Augment;
use dvm_data::{LoaderOptions, OnBroken};
use dvm_image::{Limits, Preprocess, Range};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::class_weights::ClassWeights;
use crate::presets::PRESETS;
use crate::serde_words::toml_words;
use crate::tensorboard::TagNames;
use crate::{Criterion, Error, Normalisation, Settings, optimisers, option, schedules};

/// Everything that affects the result of a training: the same configuration, data and version of
/// dvm give the same weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The data set folder, as `dvm prepare` writes it.
    pub data: PathBuf,
    /// The architecture.
    pub model: String,
    /// The initial weights: `pretrained`, `none`, or a weight file.
    pub weights: String,
    /// Which layers are trained.
    pub train: TrainedLayers,
    /// Number of epochs.
    pub epochs: u64,
    /// Epochs completed before the schedule starts. Greater than 0 only if a run was extended and
    /// its schedule depends on the number of epochs.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub schedule_from: u64,
    /// Pictures per forward pass.
    pub batch: usize,
    /// Forward passes per step of the optimiser.
    pub accumulate: usize,
    /// The seed of all random numbers.
    pub seed: u64,
    /// Label smoothing, 0 … 1 (arXiv 1512.00567).
    pub label_smoothing: f32,
    /// Class weights in the loss.
    pub class_weights: ClassWeights,
    /// Maximum norm of all gradients; 0 for no limit.
    pub clip: f64,
    /// Decay of the moving average of weights, 0 … 1; 0 for none.
    pub ema: f64,
    /// Alpha of mixup (arXiv 1710.09412); 0 for none.
    pub mixup: f64,
    /// How the best epoch is chosen: by `accuracy`, `balanced_accuracy` or `loss` on the validation
    /// split.
    pub best_by: String,
    /// Early stopping: epochs without improvement before training stops; 0 for never.
    pub patience: u64,
    /// What happens when a picture cannot be read.
    pub on_broken: OnBroken,
    /// Which pixel values become black and white; `None` for the range of the weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<Range>,
    /// Maximum pixels of a picture; `None` for [`Limits::default`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_pixels: Option<u64>,
    /// The preprocessing; `None` for that of the architecture's published weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preprocess: Option<Preprocess>,
    /// Rows and columns of the random crops during training; 0 for the crop of the preprocessing.
    /// Smaller crops train faster, and show objects at the size that they have later, because
    /// random crops enlarge them (arXiv 1906.06423).
    pub train_side: usize,
    /// The optimiser.
    pub optimiser: OptimiserChoice,
    /// The schedule of the learning rate.
    pub schedule: Choice,
    /// Augmentation of training pictures.
    pub augment: Augment,
    /// What is logged to TensorBoard.
    pub tensorboard: TensorBoard,
}

/// Which layers are trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrainedLayers {
    /// All layers.
    All,
    /// The last layer only.
    Head,
    /// The layers at the lowest resolution, and the last layer.
    LastStage,
}

/// An optimiser by name, with its learning rate and options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OptimiserChoice {
    /// A name in [`optimisers::ALL`].
    pub name: String,
    /// The learning rate; `None` for the optimiser's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// Its options.
    #[serde(flatten)]
    pub options: Settings,
}

/// A schedule by name, with its options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// Its name.
    pub name: String,
    /// Its options.
    #[serde(flatten)]
    pub options: Settings,
}

/// What is logged to TensorBoard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorBoard {
    /// TagNames of the scalars.
    pub names: TagNames,
    /// Pictures are logged every so many epochs; 0 for never.
    pub images_every: u64,
    /// Number of validation pictures to log.
    pub images: usize,
}

impl Config {
    /// The configuration for a network with batch normalisation: [`Config::resolve_for`] with
    /// [`Normalisation::Batch`].
    ///
    /// # Errors
    /// As there.
    pub fn resolve(
        preset: Option<&str>,
        file: Option<&str>,
        values: &[(String, String)],
    ) -> Result<Self, Error> {
        Self::resolve_for(preset, file, values, Normalisation::Batch)
    }

    /// Merges a preset (by default the first), a configuration file and single values such as
    /// (`optimiser.learning_rate`, `0.02`); each overrides the ones before. A preset may have other
    /// values for networks without batch normalisation. Another optimiser or schedule discards the
    /// options of the one before. If only the last layer is trained, there is no augmentation
    /// unless the file or a value sets it.
    ///
    /// # Errors
    /// [`Error::Config`] for invalid TOML, unknown or missing keys and invalid values;
    /// [`Error::Unknown`], [`Error::UnknownOption`], [`Error::OptionValue`] for the optimiser and
    /// the schedule.
    pub fn resolve_for(
        preset: Option<&str>,
        file: Option<&str>,
        values: &[(String, String)],
        normalisation: Normalisation,
    ) -> Result<Self, Error> {
        let mut table = under(preset, file, normalisation)?;
        let given = given(values)?;
        let augments = |table: &Table| table.contains_key("augment");
        let asked =
            augments(&given) || file.is_some_and(|text| parse(text).is_ok_and(|t| augments(&t)));
        merge(&mut table, given);
        let mut config: Self = table
            .try_into()
            .map_err(|error| Error::Config(toml_words(&error)))?;
        if config.train == TrainedLayers::Head && !asked {
            // Without augmentation the features of all pictures are computed only once.
            config.augment = Augment::none();
        }
        if config.optimiser.learning_rate.is_none() {
            let entry = optimisers::find(&config.optimiser.name)?;
            let share = if entry.adaptive {
                normalisation.adaptive_share()
            } else {
                1.0
            };
            config.optimiser.learning_rate = Some(entry.learning_rate * share);
        }
        config.checked()
    }

    /// The model and the crop, if set, of a preset, a file and values. Both are needed before
    /// [`Config::resolve_for`].
    ///
    /// # Errors
    /// [`Error::Config`] for invalid TOML, [`Error::Unknown`] for an unknown preset.
    pub fn model_of(
        preset: Option<&str>,
        file: Option<&str>,
        values: &[(String, String)],
    ) -> Result<(String, Option<(usize, usize)>), Error> {
        let mut table = under(preset, file, Normalisation::Batch)?;
        merge(&mut table, given(values)?);
        let crop = table.get("preprocess").and_then(|p| p.get("crop"));
        let crop = crop.and_then(|crop| crop.clone().try_into().ok());
        match table.get("model") {
            Some(Value::String(model)) => Ok((model.clone(), crop)),
            _ => Err(Error::Config(
                "`model` must be the name of an architecture or a file".into(),
            )),
        }
    }

    /// The configuration with all values, as a run folder keeps it.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("numbers and words can be written")
    }

    /// Reads what [`Config::to_toml`] wrote.
    ///
    /// # Errors
    /// As [`Config::resolve`].
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        let config: Self =
            toml::from_str(text).map_err(|error| Error::Config(toml_words(&error)))?;
        config.checked()
    }

    /// The base learning rate, which the schedule scales.
    pub fn learning_rate(&self) -> f64 {
        self.optimiser.learning_rate.unwrap_or_else(|| {
            let entry = optimisers::find(&self.optimiser.name);
            entry.expect("it was checked").learning_rate
        })
    }

    /// How training pictures are loaded, for this preprocessing.
    pub fn loading(&self, preprocess: &Preprocess) -> LoaderOptions {
        let mut preprocess = preprocess.clone();
        if self.train_side > 0 {
            preprocess.crop = (self.train_side, self.train_side);
        }
        LoaderOptions {
            augment: (self.augment != Augment::none()).then(|| self.augment.clone()),
            on_broken: self.on_broken,
            limits: self.limits(),
            ..LoaderOptions::training(preprocess, self.batch, self.seed)
        }
    }

    /// The patience in words, such as `3 epochs`.
    pub(crate) fn patience_in_words(&self) -> String {
        match self.patience {
            1 => "1 epoch".into(),
            count => format!("{count} epochs"),
        }
    }

    /// Limits for picture files.
    pub fn limits(&self) -> Limits {
        self.max_pixels.map_or_else(Limits::default, Limits::up_to)
    }

    /// Whether maps of validation pictures are logged to TensorBoard after this epoch (from 1).
    pub fn draws_maps(&self, epoch: u64) -> bool {
        let every = self.tensorboard.images_every;
        every > 0 && (epoch.is_multiple_of(every) || epoch == 1 || epoch == self.epochs)
    }

    /// How the best epoch is chosen.
    pub fn criterion(&self) -> Criterion {
        Criterion::find(&self.best_by).expect("it was checked")
    }

    /// Checks all values and fills in the options of optimiser and schedule.
    fn checked(mut self) -> Result<Self, Error> {
        let optimiser = optimisers::find(&self.optimiser.name)?;
        self.optimiser.options = optimiser
            .optimiser(&self.optimiser.options)?
            .options()
            .clone();
        self.optimiser.learning_rate = Some(self.learning_rate());
        let schedule = schedules::find(&self.schedule.name)?;
        self.schedule.options = schedule.schedule(&self.schedule.options)?.1;
        let refuse = |detail: &str| Err(Error::Config(detail.into()));
        if self.data.as_os_str().is_empty() {
            return refuse("`data` is missing: set it to the data set folder");
        }
        if self.epochs == 0 || self.batch == 0 || self.accumulate == 0 {
            return refuse("`epochs`, `batch` and `accumulate` must be at least 1");
        }
        if self.schedule_from >= self.epochs {
            return refuse("`schedule_from` must be less than `epochs`");
        }
        if self.batch == 1 && self.train == TrainedLayers::All {
            return refuse("`batch` is 1, but batch normalisation needs at least 2 pictures");
        }
        if Criterion::find(&self.best_by).is_none() {
            let words = Criterion::WORDS.join("`, `");
            return refuse(&format!(
                "`best_by` must be one of `{words}`, but is `{}`",
                self.best_by
            ));
        }
        if self.train_side > 0 && self.augment.random_resized_crop.is_none() {
            return refuse(
                "`train_side` needs random resized crops: turn on `augment.random_resized_crop`, \
                 or remove `train_side`",
            );
        }
        if self.train_side > Preprocess::MAX_SIDE {
            let most = Preprocess::MAX_SIDE;
            return refuse(&format!(
                "`train_side` must be at most {most}, but is {}",
                self.train_side
            ));
        }
        if !(0.0..1.0).contains(&self.label_smoothing) {
            return refuse("`label_smoothing` must be at least 0 and less than 1");
        }
        if !(0.0..1.0).contains(&self.ema) {
            return refuse("`ema` must be at least 0 and less than 1");
        }
        if !(self.clip >= 0.0 && self.clip.is_finite()) {
            return refuse("`clip` must be at least 0 (0 for no limit)");
        }
        if !(self.mixup >= 0.0 && self.mixup.is_finite()) {
            return refuse("`mixup` must be at least 0 (0 for none)");
        }
        if !self.learning_rate().is_finite() || self.learning_rate() <= 0.0 {
            return refuse("`optimiser.learning_rate` must be greater than 0");
        }
        if let ClassWeights::Each(weights) = &self.class_weights
            && weights.iter().any(|w| !w.is_finite() || *w < 0.0)
        {
            return refuse("`class_weights` must be numbers of at least 0");
        }
        let invalid = |error: &dyn std::error::Error| Error::Config(error.to_string());
        let augment = self.augment.validate();
        augment.map_err(|error| invalid(&error))?;
        if let Some(preprocess) = &self.preprocess {
            let checked = preprocess.validate();
            checked.map_err(|error| invalid(&error))?;
        }
        Ok(self)
    }
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The values of a preset for such a network, overridden by a file.
fn under(
    preset: Option<&str>,
    file: Option<&str>,
    normalisation: Normalisation,
) -> Result<Table, Error> {
    let mut table = parse(PRESETS[0].text)?;
    let mut networks = table.remove("networks");
    if let Some(name) = preset {
        let preset = option::find("preset", PRESETS, |preset| preset.name, name)?;
        if preset.name != PRESETS[0].name {
            let mut text = parse(preset.text)?;
            // The learning rates in `networks` are for the optimiser of the same preset.
            networks = text.remove("networks");
            merge(&mut table, text);
        }
    }
    if let Some(Value::Table(mut networks)) = networks
        && let Some(Value::Table(values)) = networks.remove(normalisation.key())
    {
        merge(&mut table, values);
    }
    if let Some(text) = file {
        merge(&mut table, parse(text)?);
    }
    Ok(table)
}

/// Single values as a table.
fn given(values: &[(String, String)]) -> Result<Table, Error> {
    let mut given = Table::new();
    for (key, text) in values {
        set(&mut given, key, value_of(text))?;
    }
    Ok(given)
}

fn parse(text: &str) -> Result<Table, Error> {
    text.parse()
        .map_err(|error| Error::Config(toml_words(&error)))
}

/// Tables that are replaced as a whole if their name changes.
const CHOICES: [&str; 2] = ["optimiser", "schedule"];

/// Overrides the values of `table` with those of `over`.
fn merge(table: &mut Table, over: Table) {
    for (key, value) in over {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => {
                let other = |name: &Value| below.get("name").is_some_and(|old| old != name);
                if CHOICES.contains(&key.as_str()) && above.get("name").is_some_and(other) {
                    *below = above;
                } else {
                    merge(below, above);
                }
            }
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}

/// Sets the value of a dotted key.
fn set(table: &mut Table, path: &str, value: Value) -> Result<(), Error> {
    let Some((first, rest)) = path.split_once('.') else {
        table.insert(path.into(), value);
        return Ok(());
    };
    let below = table
        .entry(first)
        .or_insert_with(|| Value::Table(Table::new()));
    match below {
        Value::Table(below) => set(below, rest, value),
        _ => Err(Error::Config(format!(
            "`{path}` cannot be set, because `{first}` is not a table"
        ))),
    }
}

/// A single value as TOML; a word needs no quotes.
fn value_of(text: &str) -> Value {
    let line = format!("value = {text}");
    match line.parse::<Table>() {
        Ok(mut table) if table.len() == 1 => table.remove("value").expect("it is the only one"),
        _ => Value::String(text.into()),
    }
}

/// Values of a configuration for a data set `flowers`.
#[cfg(test)]
pub(crate) fn of_flowers(values: &[(&str, &str)]) -> Vec<(String, String)> {
    let all = [("data", "flowers")].iter().chain(values);
    all.map(|&(key, value)| (key.into(), value.into()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Balance;

    fn resolve(values: &[(&str, &str)]) -> Result<Config, Error> {
        Config::resolve(None, None, &of_flowers(values))
    }

    #[test]
    fn every_preset_is_valid_and_read_back_as_written() {
        for preset in PRESETS {
            let config = Config::resolve(Some(preset.name), None, &of_flowers(&[])).unwrap();
            assert_eq!(Config::from_toml(&config.to_toml()).unwrap(), config);
        }
    }

    #[test]
    fn single_values_override_the_file_and_the_file_overrides_the_preset() {
        let file = "data = \"a\"\nepochs = 3\nbatch = 7\n";
        let values = [("epochs".to_owned(), "4".to_owned())];
        let config = Config::resolve(Some("seed"), Some(file), &values).unwrap();
        assert_eq!((config.epochs, config.batch), (4, 7));
        assert_eq!(config.optimiser.name, "adam");
    }

    #[test]
    fn another_optimiser_discards_the_options_of_the_one_before() {
        let before = resolve(&[]).unwrap();
        assert_eq!(before.optimiser.name, "sgd");
        let after = resolve(&[("optimiser.name", "rmsprop")]).unwrap();
        let entry = optimisers::find("rmsprop").unwrap();
        assert_eq!(after.learning_rate(), entry.learning_rate);
        let same = resolve(&[("optimiser.name", "sgd")]).unwrap();
        assert_eq!(same.optimiser, before.optimiser);
    }

    #[test]
    fn networks_without_batch_normalisation_have_other_defaults() {
        let resolve = |normalisation, values: &[(&str, &str)]| {
            Config::resolve_for(None, None, &of_flowers(values), normalisation).unwrap()
        };
        let facts = |config: &Config| {
            (
                config.optimiser.name.clone(),
                config.learning_rate(),
                config.clip,
            )
        };
        let batch = resolve(Normalisation::Batch, &[]);
        assert_eq!(facts(&batch), ("sgd".into(), 0.02, 0.0));
        let none = resolve(Normalisation::None, &[]);
        assert_eq!(facts(&none), ("sgd".into(), 0.01, 1.0));
        let layer = resolve(Normalisation::Layer, &[]);
        assert_eq!(facts(&layer), ("adamw".into(), 1e-4, 1.0));
        let given = resolve(
            Normalisation::None,
            &[("optimiser.learning_rate", "0.3"), ("clip", "0")],
        );
        assert_eq!(facts(&given), ("sgd".into(), 0.3, 0.0));
        // The learning rate of another optimiser is lower, too.
        let adam = resolve(Normalisation::None, &[("optimiser.name", "adam")]);
        assert_eq!(facts(&adam), ("adam".into(), 1e-4, 1.0));
    }

    #[test]
    fn a_preset_of_another_tool_is_the_same_for_every_network() {
        let data = of_flowers(&[]);
        let seed = |n| Config::resolve_for(Some("seed"), None, &data, n).unwrap();
        assert_eq!(seed(Normalisation::None), seed(Normalisation::Batch));
    }

    #[test]
    fn training_the_last_layer_has_no_augmentation_by_default() {
        let head = resolve(&[("train", "head")]).unwrap();
        assert_eq!(head.augment, Augment::none());
        let asked = resolve(&[("train", "head"), ("augment.vertical_flip", "true")]).unwrap();
        let augment = asked.augment;
        assert!(augment.vertical_flip.is_some() && augment.horizontal_flip.is_some());
    }

    #[test]
    fn lists_numbers_and_words_need_no_quotes() {
        let config = resolve(&[
            ("augment.random_resized_crop.scale", "[0.5, 1]"),
            ("class_weights", "balanced"),
            ("optimiser.learning_rate", "1e-3"),
            ("train", "last-stage"),
        ])
        .unwrap();
        assert_eq!(
            config.augment.random_resized_crop.clone().unwrap().scale,
            (0.5, 1.0)
        );
        assert_eq!(config.class_weights, ClassWeights::Named(Balance::Balanced));
        assert_eq!(config.learning_rate(), 1e-3);
        assert_eq!(config.train, TrainedLayers::LastStage);
    }

    #[test]
    fn unknown_keys_and_invalid_values_are_errors_that_name_the_key() {
        for (key, value, expected) in [
            ("epoch", "3", "epoch"),
            ("epochs", "0", "`epochs`"),
            ("optimiser.name", "sdg", "unknown optimiser `sdg`"),
            (
                "class_weights",
                "inverse",
                "`class_weights`: must be `none`, `balanced` or a list with one number per class, \
                 but is the text \"inverse\"",
            ),
            (
                "batch",
                "many",
                "`batch`: must be a whole number, but is the text \"many\"",
            ),
            (
                "optimiser.momentum",
                "[0.9]",
                "must be true, false, a number or a word, but is a list",
            ),
            ("optimiser.momentun", "0.5", "momentun"),
            ("schedule.name", "cosinus", "cosinus"),
            ("label_smoothing", "1", "label_smoothing"),
            ("augment.zoom", "true", "zoom"),
            ("ema", "nan", "`ema`"),
            ("epochs.more", "1", "epochs"),
        ] {
            let error = resolve(&[(key, value)]).unwrap_err().to_string();
            assert!(error.contains(expected), "{key}: {error}");
        }
    }
}
