//! From a picture to its explanations.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dvm_attribution::registry::{self, Entry};
use dvm_attribution::{Method, Observation, Scene, Settings};
use dvm_image::Picture;
use dvm_render::ColourMap;

use crate::drawing::{FigureFormat, OverlayStyle};
use crate::explanation::{Map, Subject};
use crate::nearest::did_you_mean;
use crate::{ClassChoice, Classifier, DEFAULT_METHODS, Error, Explanation, Prediction};

/// What to explain, and how.
pub struct Explain {
    methods: Vec<(&'static Entry, Box<dyn Method>)>,
    /// The classes to explain, each once.
    pub classes: Vec<ClassChoice>,
    /// Bytes that activations may take at once.
    pub memory: usize,
    /// Whether occlusion computes only what a window can change; otherwise it computes every covered
    /// picture as a whole, which takes longer and, but for rounding, gives the same.
    pub incremental: bool,
    /// How maps are laid over the picture.
    pub overlay: OverlayStyle,
    /// Colours for the maps that they suit (a diverging map for signed ones), instead of the usual.
    pub colours: Option<ColourMap>,
    /// The files that the figure is saved as.
    pub figures: Vec<FigureFormat>,
}

/// Told what is how far: the title of a method (its windows), or `classes`; steps done, all steps.
/// Called from any thread.
pub type Progress<'a> = dyn Fn(&'static str, usize, usize) + Sync + 'a;

impl Default for Explain {
    /// [`DEFAULT_METHODS`] (occlusion 20/10) of the most probable class, within 1 GiB.
    fn default() -> Self {
        Self::methods(DEFAULT_METHODS).expect("these are registered")
    }
}

/// Rows and columns of the window that occlusion covers, unless told otherwise.
const USUAL_WINDOW: usize = 20;

impl Explain {
    /// [`DEFAULT_METHODS`] for pictures of this crop, rows and columns: with smaller windows, a quarter of
    /// the shorter side in steps of half of that, where the usual ones do not fit.
    pub fn fitting((height, width): (usize, usize)) -> Self {
        let side = height.min(width);
        if side >= USUAL_WINDOW {
            return Self::default();
        }
        let window = side.div_ceil(4).max(1);
        let stride = window.div_ceil(2);
        let settings = Settings::new()
            .with("window", window)
            .with("stride", stride);
        Self::with_settings(DEFAULT_METHODS, &settings).expect("these are registered, and fit")
    }

    /// These methods, separated by commas, with their default settings.
    ///
    /// # Errors
    /// As [`Explain::with_settings`].
    pub fn methods(names: &str) -> Result<Self, Error> {
        Self::with_settings(names, &Settings::new())
    }

    /// These methods, separated by commas, each with those of the settings that it has.
    ///
    /// # Errors
    /// [`Error::Usage`] for a method that does not exist or is named twice, or a setting that none
    /// of the methods has; [`Error::Setting`] for a value that a setting does not take.
    pub fn with_settings(names: &str, settings: &Settings) -> Result<Self, Error> {
        let mut methods: Vec<(&'static Entry, Box<dyn Method>)> = Vec::new();
        for name in names.split(',').map(str::trim) {
            let entry = registry::find(name).ok_or_else(|| {
                let known: Vec<&str> = registry::ALL.iter().map(|e| e.name).collect();
                let all = || format!("methods are {}", known.join(", "));
                let near = did_you_mean(name, known.iter().copied()).unwrap_or_else(all);
                Error::Usage(format!("there is no method named `{name}`; {near}"))
            })?;
            if methods.iter().any(|(known, _)| known.name == entry.name) {
                return Err(Error::Usage(format!("method `{name}` is named twice")));
            }
            methods.push((entry, entry.method(settings)?));
        }
        for option in settings.names() {
            let takes = |entry: &Entry| {
                entry.options.iter().any(|o| o.name == option)
                    || option == "preset" && !entry.presets.is_empty()
            };
            if !methods.iter().any(|(entry, _)| takes(entry)) {
                let owners: Vec<&str> = registry::ALL
                    .iter()
                    .filter(|e| takes(e))
                    .map(|e| e.name)
                    .collect();
                return Err(Error::Usage(if owners.is_empty() {
                    let all = registry::ALL.iter().flat_map(|entry| entry.options);
                    let near = did_you_mean(option, all.map(|option| option.name));
                    let near = near.map(|near| format!("; {near}")).unwrap_or_default();
                    format!("no method has an option `{option}`{near}")
                } else {
                    format!(
                        "--{option} is an option of {}, which is not among the methods asked for",
                        owners.join(", ")
                    )
                }));
            }
        }
        Ok(Self {
            methods,
            classes: vec![ClassChoice::Top],
            memory: 1 << 30,
            incremental: true,
            overlay: OverlayStyle::Grey,
            colours: None,
            figures: vec![FigureFormat::Png],
        })
    }
}

impl Explain {
    /// One of its methods, with its settings.
    pub(crate) fn method(&self, entry: &Entry) -> Option<&dyn Method> {
        let mut methods = self.methods.iter();
        let (_, method) = methods.find(|(known, _)| known.name == entry.name)?;
        Some(&**method)
    }
}

impl Classifier {
    /// Explains one picture: one explanation per class asked for, in that order.
    ///
    /// # Errors
    /// [`Error`]; rather none than a wrong map.
    pub fn explain(&self, picture: Picture, options: &Explain) -> Result<Vec<Explanation>, Error> {
        let mut explanations = Vec::new();
        self.explain_each(picture, options, &|_, _, _| {}, |explanation| {
            explanations.push(explanation);
            Ok::<_, Error>(())
        })?;
        Ok(explanations)
    }

    /// As [`Classifier::explain`], but hands each explanation to `each` as it comes, so that a
    /// thousand classes take no more memory than one, and tells `progress` how far it is.
    ///
    /// # Errors
    /// As [`Classifier::explain`], and whatever `each` returns.
    pub fn explain_each<E: From<Error>>(
        &self,
        picture: Picture,
        options: &Explain,
        progress: &Progress,
        mut each: impl FnMut(Explanation) -> Result<(), E>,
    ) -> Result<(), E> {
        let input = self.prepare(picture)?;
        let prediction = self.classify(&input)?;
        let targets = self.targets(&options.classes, &prediction)?;
        let subject = Arc::new(Subject::new(self, input, prediction, options));
        let tell: Vec<_> = options
            .methods
            .iter()
            .map(|(entry, _)| move |done, all| progress(entry.title, done, all))
            .collect();
        let scenes: Vec<Scene> = tell
            .iter()
            .map(|tell| Scene {
                network: self.network(),
                input: subject.input(),
                preprocess: self.preprocess(),
                memory: options.memory,
                incremental: options.incremental,
                progress: tell,
            })
            .collect();
        let with_scenes = || options.methods.iter().zip(&scenes);
        if let [target] = targets[..] {
            // What a method observed is given back before the next one observes.
            let maps = with_scenes()
                .map(|((entry, method), scene)| Observed::new(entry, &**method, scene)?.map(target))
                .collect::<Result<_, Error>>()?;
            return each(Explanation::new(subject.clone(), target, maps));
        }
        let observed = with_scenes()
            .map(|((entry, method), scene)| Observed::new(entry, &**method, scene))
            .collect::<Result<Vec<_>, Error>>()?;
        let count = targets.len();
        for (done, target) in targets.into_iter().enumerate() {
            let maps = observed
                .iter()
                .map(|observed| observed.map(target))
                .collect::<Result<_, Error>>()?;
            each(Explanation::new(subject.clone(), target, maps))?;
            progress("classes", done + 1, count);
        }
        Ok(())
    }

    /// The classes meant, each once, in the order asked for.
    fn targets(
        &self,
        choices: &[ClassChoice],
        prediction: &Prediction,
    ) -> Result<Vec<usize>, Error> {
        let top = prediction.top(1)[0].index;
        let mut targets: Vec<usize> = Vec::new();
        for choice in choices {
            for target in choice.resolve(self.classes(), top)? {
                if !targets.contains(&target) {
                    targets.push(target);
                }
            }
        }
        Ok(targets)
    }
}

/// What one method knows of one picture.
struct Observed<'a> {
    entry: &'static Entry,
    method: &'a dyn Method,
    observation: Box<dyn Observation + 'a>,
    took: Duration,
}

impl<'a> Observed<'a> {
    fn new(
        entry: &'static Entry,
        method: &'a dyn Method,
        scene: &'a Scene<'a>,
    ) -> Result<Self, Error> {
        let start = Instant::now();
        let observation = method.observe(scene).map_err(|e| failed(entry, e))?;
        Ok(Self {
            entry,
            method,
            observation,
            took: start.elapsed(),
        })
    }

    fn map(&self, target: usize) -> Result<Map, Error> {
        let start = Instant::now();
        let attribution = self.observation.attribution(target);
        Ok(Map {
            entry: self.entry,
            parameters: self.method.parameters(),
            attribution: attribution.map_err(|e| failed(self.entry, e))?,
            seconds: (self.took + start.elapsed()).as_secs_f64(),
        })
    }
}

fn failed(entry: &'static Entry, source: dvm_attribution::Error) -> Error {
    Error::Method {
        method: entry.name,
        source,
    }
}
