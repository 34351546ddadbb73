//! All that shapes a training, as a configuration file and the command line say it.

use std::path::PathBuf;

use dvm_data::augment::Augment;
use dvm_data::{LoaderOptions, OnBroken};
use dvm_image::{Limits, Preprocess, Range};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::tensorboard::Names;
use crate::{Criterion, Error, Normalisation, Settings, optimisers, schedules};

/// All that shapes a training but the number of threads and where results go: the same
/// configuration, data and program give the same weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The folder of pictures, as `dvm prepare` leaves it.
    pub data: PathBuf,
    /// Name of the architecture.
    pub model: String,
    /// Where weights begin: `pretrained`, `none`, or a weight file.
    pub weights: String,
    /// Which layers learn.
    pub train: Part,
    /// How often every training picture is seen.
    pub epochs: u64,
    /// Epochs that were done when the schedule began: above 0 only where a run was given more
    /// epochs later, and the schedule depends on their number.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub schedule_from: u64,
    /// Pictures per forward pass.
    pub batch: usize,
    /// Forward passes per step of the optimiser.
    pub accumulate: usize,
    /// Where all random numbers begin.
    pub seed: u64,
    /// Share of the target that is spread over all classes, 0 … 1 (arXiv 1512.00567).
    pub label_smoothing: f32,
    /// How much the classes count.
    pub class_weights: ClassWeights,
    /// Largest norm of all gradients together; 0 for no limit.
    pub clip: f64,
    /// Decay of the moving average of weights, 0 … 1; 0 for none.
    pub ema: f64,
    /// Alpha of mixup (arXiv 1710.09412); 0 for none.
    pub mixup: f64,
    /// What makes an epoch the best: `accuracy`, `balanced_accuracy` or `loss` of validation.
    pub best_by: String,
    /// Epochs without a better validation after which training stops; 0 for never.
    pub patience: u64,
    /// What happens when a picture cannot be read.
    pub on_broken: OnBroken,
    /// Which values of picture files become black and white, if not those that the weights were
    /// trained with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<Range>,
    /// Most pixels of a picture, if not those of [`Limits::default`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_pixels: Option<u64>,
    /// How pictures are prepared, if not as the architecture's published weights want it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preprocess: Option<Preprocess>,
    /// Rows and columns of the random crops that are trained on, if not those that are used: a
    /// network that learns from smaller ones learns faster, and sees things as large as in use, where
    /// random crops enlarge them (arXiv 1906.06423). 0 for those that are used.
    pub train_side: usize,
    /// The optimiser.
    pub optimiser: OptimiserChoice,
    /// The schedule of the learning rate.
    pub schedule: Choice,
    /// How training pictures are changed at random.
    pub augment: Augment,
    /// What TensorBoard is told.
    pub tensorboard: TensorBoard,
}

/// Which layers learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// All of them.
    All,
    /// The last layer only.
    Head,
    /// The layers at the coarsest resolution, and the last one.
    LastStage,
}

/// How much the classes count in the loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ClassWeights {
    /// `none`: each picture the same; `balanced`: each class the same.
    Named(Balance),
    /// A weight for each class, in the order of the classes.
    Each(Vec<f32>),
}

/// A rule for class weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Balance {
    /// Each picture counts the same.
    None,
    /// Each class counts the same: pictures / (classes · pictures of the class).
    Balanced,
}

/// An optimiser by name, with its learning rate and options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OptimiserChoice {
    /// Its name in [`optimisers::ALL`].
    pub name: String,
    /// The learning rate; the optimiser's own default if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// Its options.
    #[serde(flatten)]
    pub options: Settings,
}

/// An entry of a registry by name, with its options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// Its name.
    pub name: String,
    /// Its options.
    #[serde(flatten)]
    pub options: Settings,
}

/// What TensorBoard is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorBoard {
    /// Names of the scalars.
    pub names: Names,
    /// Epochs from one set of pictures to the next; 0 for no pictures.
    pub images_every: u64,
    /// How many validation pictures are followed.
    pub images: usize,
}

/// A set of values to begin with, by name.
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// What it is, in one sentence.
    pub summary: &'static str,
    text: &'static str,
}

/// All presets; the first holds the defaults, and the others say what they have otherwise.
pub static PRESETS: &[Preset] = &[
    Preset {
        name: "fine-tune",
        summary: "the default: a pretrained network, all layers, SGD in one cycle",
        text: include_str!("presets/fine-tune.toml"),
    },
    Preset {
        name: "from-scratch",
        summary: "a network that knows nothing: higher learning rate, more epochs, wider crops",
        text: include_str!("presets/from-scratch.toml"),
    },
    Preset {
        name: "seed",
        summary: "as the scripts that this program grew from: Adam, a tenth every 30 epochs",
        text: include_str!("presets/seed.toml"),
    },
];

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

    /// The configuration of a preset (the first, if none is named), then a file's, then single
    /// values as (`optimiser.learning_rate`, `0.02`). Each overrides what comes earlier. A preset may
    /// have other values for networks without batch normalisation. Another optimiser or schedule
    /// than before comes without the options of the one before. Where only the last layer learns,
    /// pictures are not augmented unless the file or a value says how.
    ///
    /// # Errors
    /// [`Error::Config`] for what is not TOML, not known or missing; [`Error::Unknown`],
    /// [`Error::UnknownOption`], [`Error::OptionValue`] for values that make no sense.
    pub fn resolve_for(
        preset: Option<&str>,
        file: Option<&str>,
        values: &[(String, String)],
        normalisation: Normalisation,
    ) -> Result<Self, Error> {
        let mut table = under(preset, file, normalisation)?;
        let mut given = Table::new();
        for (key, text) in values {
            set(&mut given, key, value_of(text))?;
        }
        let augments = |table: &Table| table.contains_key("augment");
        let asked =
            augments(&given) || file.is_some_and(|text| parse(text).is_ok_and(|t| augments(&t)));
        merge(&mut table, given);
        let mut config: Self = table.try_into().map_err(wrong)?;
        if config.train == Part::Head && !asked {
            // Features of pictures that stay the same are computed once.
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

    /// The model that a preset, a file and values name together, and the crop of pictures if they say
    /// one: what must be known before [`Config::resolve_for`].
    ///
    /// # Errors
    /// [`Error::Config`] for what is not TOML, [`Error::Unknown`] for another preset.
    pub fn model_of(
        preset: Option<&str>,
        file: Option<&str>,
        values: &[(String, String)],
    ) -> Result<(String, Option<(usize, usize)>), Error> {
        let mut table = under(preset, file, Normalisation::Batch)?;
        let mut given = Table::new();
        for (key, text) in values {
            set(&mut given, key, value_of(text))?;
        }
        merge(&mut table, given);
        let crop = table.get("preprocess").and_then(|p| p.get("crop"));
        let crop = crop.and_then(|crop| crop.clone().try_into().ok());
        match table.get("model") {
            Some(Value::String(model)) => Ok((model.clone(), crop)),
            _ => Err(Error::Config("`model` is a name or a file".into())),
        }
    }

    /// The configuration that a run keeps: every value said.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("numbers and words can be written")
    }

    /// Reads what [`Config::to_toml`] wrote.
    ///
    /// # Errors
    /// As [`Config::resolve`].
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        let config: Self = toml::from_str(text).map_err(wrong)?;
        config.checked()
    }

    /// The learning rate that the schedule takes its shares of.
    pub fn learning_rate(&self) -> f64 {
        self.optimiser.learning_rate.unwrap_or_else(|| {
            let entry = optimisers::find(&self.optimiser.name);
            entry.expect("it was checked").learning_rate
        })
    }

    /// How training pictures are loaded, for networks that are used with this preprocessing.
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

    /// What picture files may ask for.
    pub fn limits(&self) -> Limits {
        self.max_pixels.map_or_else(Limits::default, Limits::up_to)
    }

    /// Whether maps of validation pictures are drawn for TensorBoard after this epoch, from 1: after
    /// the first, the last, and each few between.
    pub fn draws_maps(&self, epoch: u64) -> bool {
        let every = self.tensorboard.images_every;
        every > 0 && (epoch.is_multiple_of(every) || epoch == 1 || epoch == self.epochs)
    }

    /// What makes an epoch the best.
    pub fn criterion(&self) -> Criterion {
        Criterion::find(&self.best_by).expect("it was checked")
    }

    /// The same with every option of optimiser and schedule said, if all values make sense.
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
            return refuse("`data` is missing: name the folder of pictures");
        }
        if self.epochs == 0 || self.batch == 0 || self.accumulate == 0 {
            return refuse("`epochs`, `batch` and `accumulate` are 1 or more");
        }
        if self.schedule_from >= self.epochs {
            return refuse("`schedule_from` is less than `epochs`");
        }
        if self.batch == 1 && self.train == Part::All {
            return refuse("`batch` is 1, but batch normalisation needs two pictures or more");
        }
        if Criterion::find(&self.best_by).is_none() {
            let words = Criterion::WORDS.join("`, `");
            return refuse(&format!("`best_by` is one of `{words}`"));
        }
        if self.train_side > 0 && self.augment.random_resized_crop.is_none() {
            return refuse(
                "`train_side` is of random resized crops; turn those on, or leave it out",
            );
        }
        if self.train_side > Preprocess::MAX_SIDE {
            let most = Preprocess::MAX_SIDE;
            return refuse(&format!("`train_side` is {most} or less"));
        }
        if !(0.0..1.0).contains(&self.label_smoothing) {
            return refuse("`label_smoothing` is from 0 to below 1");
        }
        if !(0.0..1.0).contains(&self.ema) {
            return refuse("`ema` is from 0 to below 1");
        }
        if !(self.clip >= 0.0 && self.clip.is_finite()) {
            return refuse("`clip` is 0 (no limit) or more");
        }
        if !(self.mixup >= 0.0 && self.mixup.is_finite()) {
            return refuse("`mixup` is 0 (none) or more");
        }
        if !self.learning_rate().is_finite() || self.learning_rate() <= 0.0 {
            return refuse("`optimiser.learning_rate` is above 0");
        }
        if let ClassWeights::Each(weights) = &self.class_weights
            && weights.iter().any(|w| !w.is_finite() || *w < 0.0)
        {
            return refuse("`class_weights` are numbers, none below 0");
        }
        self.augment
            .validate()
            .map_err(|error| Error::Config(error.to_string()))?;
        if let Some(preprocess) = &self.preprocess {
            preprocess
                .validate()
                .map_err(|error| Error::Config(error.to_string()))?;
        }
        Ok(self)
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Where and what, on one line: the lines between draw the place in the file.
fn wrong(error: toml::de::Error) -> Error {
    let text = error.to_string();
    let mut lines = text.trim_end().lines();
    let (place, what) = (lines.next().unwrap_or_default(), lines.next_back());
    Error::Config(what.map_or(place.into(), |what| format!("{place}: {what}")))
}

/// The values of a preset for such a network, and of a file over them.
fn under(
    preset: Option<&str>,
    file: Option<&str>,
    normalisation: Normalisation,
) -> Result<Table, Error> {
    let mut table = parse(PRESETS[0].text)?;
    let mut networks = table.remove("networks");
    if let Some(name) = preset {
        let preset = PRESETS.iter().find(|preset| preset.name == name);
        let preset = preset.ok_or_else(|| Error::Unknown {
            kind: "preset",
            name: name.into(),
            known: PRESETS
                .iter()
                .map(|p| p.name)
                .collect::<Vec<_>>()
                .join(", "),
        })?;
        if preset.name != PRESETS[0].name {
            let mut text = parse(preset.text)?;
            // A preset's learning rate belongs to its own optimiser.
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

fn parse(text: &str) -> Result<Table, Error> {
    text.parse().map_err(wrong)
}

/// Tables in which another name means that nothing else of the table before holds.
const CHOICES: [&str; 2] = ["optimiser", "schedule"];

/// Lays `over` over `table`.
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

/// Sets the value at a path of names with dots between them.
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
            "`{first}` has a value, so `{path}` cannot be set"
        ))),
    }
}

/// What TOML makes of a value on the command line; a word needs no quotes there.
fn value_of(text: &str) -> Value {
    let line = format!("value = {text}");
    match line.parse::<Table>() {
        Ok(mut table) if table.len() == 1 => table.remove("value").expect("it is the only one"),
        _ => Value::String(text.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(values: &[(&str, &str)]) -> Result<Config, Error> {
        let mut all = vec![("data".to_owned(), "flowers".to_owned())];
        all.extend(values.iter().map(|&(k, v)| (k.into(), v.into())));
        Config::resolve(None, None, &all)
    }

    #[test]
    fn every_preset_makes_sense_and_what_a_run_keeps_reads_as_the_same() {
        for preset in PRESETS {
            let data = [("data".to_owned(), "flowers".to_owned())];
            let config = Config::resolve(Some(preset.name), None, &data).unwrap();
            assert_eq!(Config::from_toml(&config.to_toml()).unwrap(), config);
        }
    }

    #[test]
    fn single_values_go_before_the_file_and_the_file_before_the_preset() {
        let file = "data = \"a\"\nepochs = 3\nbatch = 7\n";
        let values = [("epochs".to_owned(), "4".to_owned())];
        let config = Config::resolve(Some("seed"), Some(file), &values).unwrap();
        assert_eq!((config.epochs, config.batch), (4, 7));
        assert_eq!(config.optimiser.name, "adam");
    }

    #[test]
    fn another_optimiser_comes_without_the_options_of_the_one_before() {
        let before = resolve(&[]).unwrap();
        assert_eq!(before.optimiser.name, "sgd");
        let after = resolve(&[("optimiser.name", "rmsprop")]).unwrap();
        let entry = optimisers::find("rmsprop").unwrap();
        assert_eq!(after.learning_rate(), entry.learning_rate);
        let same = resolve(&[("optimiser.name", "sgd")]).unwrap();
        assert_eq!(same.optimiser, before.optimiser);
    }

    #[test]
    fn networks_without_batch_normalisation_have_other_defaults_that_values_override() {
        let resolve = |normalisation, values: &[(&str, &str)]| {
            let mut all = vec![("data".to_owned(), "flowers".to_owned())];
            all.extend(values.iter().map(|&(k, v)| (k.into(), v.into())));
            Config::resolve_for(None, None, &all, normalisation).unwrap()
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
        let data = [("data".to_owned(), "flowers".to_owned())];
        let seed = |n| Config::resolve_for(Some("seed"), None, &data, n).unwrap();
        assert_eq!(seed(Normalisation::None), seed(Normalisation::Batch));
    }

    #[test]
    fn pictures_for_the_last_layer_are_augmented_only_where_it_is_said() {
        let head = resolve(&[("train", "head")]).unwrap();
        assert_eq!(head.augment, Augment::none());
        let asked = resolve(&[("train", "head"), ("augment.vertical_flip", "true")]).unwrap();
        let augment = asked.augment;
        assert!(augment.vertical_flip.is_some() && augment.horizontal_flip.is_some());
    }

    #[test]
    fn lists_numbers_and_words_are_taken_as_they_are_typed() {
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
        assert_eq!(config.train, Part::LastStage);
    }

    #[test]
    fn what_is_unknown_or_makes_no_sense_is_refused_by_name() {
        for (key, value, expected) in [
            ("epoch", "3", "epoch"),
            ("epochs", "0", "`epochs`"),
            ("optimiser.name", "sdg", "there is no optimiser `sdg`"),
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
