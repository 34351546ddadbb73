//! Explaining a picture.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dvm_attribution::metrics::Candidate;
use dvm_attribution::registry::MethodEntry;
use dvm_attribution::{Method, Observation, PictureCache, Settings, Subject, Target, Walks};
use dvm_engine::incremental::Rectangle;
use dvm_engine::passes::read_out;
use dvm_engine::{Network, Output};
use dvm_image::{Input, Picture};
use dvm_render::ColourMap;
use serde_json::Value;

use crate::checks::Checks;
use crate::chosen::{Chosen, built, named};
use crate::drawing::{FigureFormat, OverlayStyle};
use crate::explanation::{Explained, Map};
use crate::files::FileKind;
use crate::lock::lock;
use crate::regions::{Located, Regions, locate};
use crate::{
    ClassChoice, Classifier, DEFAULT_METHODS, Error, Explanation, Prediction, Source, Unit,
};

/// What to explain, and with which methods and settings.
#[derive(Clone)]
pub struct Explain {
    pub(crate) methods: Chosen<MethodEntry>,
    /// The classes to explain, each once.
    pub classes: Vec<ClassChoice>,
    /// If set, each of `classes` is explained against this class: the target is the difference of the two.
    pub against: Option<ClassChoice>,
    /// If set, this channel of a layer is explained instead of a class.
    pub unit: Option<Unit>,
    /// Memory limit for activations, in bytes.
    pub memory: usize,
    /// Whether occlusion computes only the part that a window can change. If not, it computes every covered
    /// input in full; that takes longer, and results differ by rounding only.
    pub incremental: bool,
    /// How maps are drawn over the picture.
    pub overlay: OverlayStyle,
    /// The colour map for maps of its kind (diverging for signed maps); others keep the default.
    pub colours: Option<ColourMap>,
    /// The files that the figure is saved as.
    pub figures: Vec<FigureFormat>,
    /// The kinds of files that are saved.
    pub files: Vec<FileKind>,
    /// The metrics that test every map.
    pub checks: Checks,
    /// Where the objects are, for the metrics that need it.
    pub objects: Option<Objects>,
    /// Called with the output of the network for each window that a method covers.
    pub window_output: Option<Arc<WindowOutput>>,
    /// Called before every walk over the network, from any thread. It may cancel the work with a panic.
    pub before_walk: Option<Arc<dyn Fn() + Send + Sync>>,
}

/// Called with the name of a method, a window of the network's input, and the output `[K]` of the network while
/// the window is covered. In any order, from any thread.
pub type WindowOutput = dyn Fn(&'static str, &Rectangle, &[f32]) + Send + Sync;

/// Where the objects of a picture are.
#[derive(Clone)]
pub struct Objects {
    /// The boxes or masks of many pictures.
    pub regions: Arc<Regions>,
    /// The picture, which `regions` names by its file.
    pub picture: Source,
}

/// Called with the progress: the title of a method or of a metric, or `classes`; steps done; all steps. From any
/// thread.
pub type Progress<'a> = dyn Fn(&'static str, usize, usize) + Sync + 'a;

impl Default for Explain {
    /// [`DEFAULT_METHODS`] (occlusion 20/10) of the most probable class, within 1 GiB.
    fn default() -> Self {
        Self::methods(DEFAULT_METHODS).expect("the default methods are registered")
    }
}

/// The default size of the window that occlusion covers, in pixels.
const USUAL_WINDOW: usize = 20;

impl Explain {
    /// [`DEFAULT_METHODS`] for a crop of this size, rows and columns. If the default window is too large for it,
    /// the window is a quarter of the shorter side, and the stride half of that.
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
        Self::with_settings(DEFAULT_METHODS, &settings)
            .expect("the default methods are registered and the windows fit")
    }

    /// These methods, separated by commas, with their default settings.
    ///
    /// # Errors
    /// As [`Explain::with_settings`].
    pub fn methods(names: &str) -> Result<Self, Error> {
        Self::with_settings(names, &Settings::new())
    }

    /// These methods, separated by commas, each with the settings of its options. A setting `method.option` is
    /// for one method and overrides `option`.
    ///
    /// # Errors
    /// [`Error::Usage`] for a method that does not exist or is named twice, or a setting that none
    /// of the methods has; [`Error::Setting`] for an invalid value.
    pub fn with_settings(names: &str, settings: &Settings) -> Result<Self, Error> {
        Ok(Self {
            methods: built(named(names)?, settings)?,
            classes: vec![ClassChoice::Top],
            against: None,
            unit: None,
            memory: 1 << 30,
            incremental: true,
            overlay: OverlayStyle::Grey,
            colours: None,
            figures: vec![FigureFormat::Png],
            files: FileKind::USUAL.to_vec(),
            checks: Checks::default(),
            objects: None,
            window_output: None,
            before_walk: None,
        })
    }
}

impl Explain {
    /// No methods: the explanation has the prediction and no maps.
    pub fn nothing() -> Self {
        Self {
            methods: Vec::new(),
            ..Self::default()
        }
    }

    /// One for each method, without checks.
    pub fn one_by_one(mut self) -> Vec<Self> {
        self.checks = Checks::default();
        let methods = std::mem::take(&mut self.methods).into_iter();
        let one = |method| Self {
            methods: vec![method],
            ..self.clone()
        };
        methods.map(one).collect()
    }

    /// The methods by name, each with all its settings.
    pub fn parameters(&self) -> Vec<(&'static str, serde_json::Map<String, Value>)> {
        let methods = self.methods.iter();
        methods
            .map(|(entry, method)| (entry.name, method.parameters()))
            .collect()
    }

    /// Whether all methods make the maps of all classes from the same walks over the network, so that more classes
    /// take hardly more time.
    pub fn shares_walks(&self) -> bool {
        self.methods.iter().all(|(_, method)| method.shares_walks())
    }

    /// The first method.
    pub(crate) fn first(&self) -> (&'static MethodEntry, &dyn Method) {
        let (entry, method) = &self.methods[0];
        (entry, &**method)
    }

    /// Adds the results of the checks to a map; `located` is where its objects are.
    fn checked(
        &self,
        mut map: Map,
        method: &dyn Method,
        (subject, located): (&Subject, Option<&Located>),
        progress: &Progress,
    ) -> Result<Map, Error> {
        if self.checks.is_empty() {
            return Ok(map);
        }
        let titles: Vec<&'static str> = self.checks.entries().map(|entry| entry.title).collect();
        let current = AtomicUsize::new(0);
        let tell = |done, all| progress(titles[current.load(Ordering::Relaxed)], done, all);
        let subject = subject.with_progress(&tell);
        let candidate = Candidate::new(&subject, &map.attribution)
            .map_err(|error| failed(map.entry, error))?
            .made_by(method);
        let candidate = match located {
            None => candidate,
            Some(Located::Seen(region)) => candidate.with_region(&region.pixels),
            Some(Located::Unseen(why) | Located::Unknown(why)) => candidate.without_region(why),
        };
        let checked = self.checks.measure(&candidate, |_, index| {
            current.store(index, Ordering::Relaxed);
        });
        map.checked = checked;
        if let Some(Located::Seen(region)) = located {
            let warnings = region.warnings.iter().cloned();
            map.attribution.warnings.extend(warnings);
        }
        Ok(map)
    }
}

impl Classifier {
    /// Explains one picture: one explanation for each chosen class, in that order.
    ///
    /// # Errors
    /// [`Error`]; unsupported input is an error.
    pub fn explain(&self, picture: Picture, options: &Explain) -> Result<Vec<Explanation>, Error> {
        let mut explanations = Vec::new();
        let input = self.prepare(picture)?;
        self.explain_input(input, options, &|_, _, _| {}, |explanation| {
            explanations.push(explanation);
            Ok::<_, Error>(())
        })?;
        Ok(explanations)
    }

    /// As [`Classifier::explain`], for a picture that is already prepared: by [`Classifier::prepare`] or by another
    /// program ([`Preprocess::input_of`](dvm_image::Preprocess::input_of)). Calls `each` with each explanation when it
    /// is made, so that many classes take no more memory than one, and reports its progress.
    ///
    /// # Errors
    /// As [`Classifier::explain`], and the errors of `each`.
    pub fn explain_input<E: From<Error>>(
        &self,
        input: Input,
        options: &Explain,
        progress: &Progress,
        each: impl FnMut(Explanation) -> Result<(), E>,
    ) -> Result<(), E> {
        let kept = &Mutex::default();
        self.explain_kept(&Arc::new(input), options, (progress, kept), each)
    }

    /// As [`Classifier::explain_input`], reusing the activations in `kept`; afterwards `kept` has those that are
    /// now known.
    pub(crate) fn explain_kept<E: From<Error>>(
        &self,
        input: &Arc<Input>,
        options: &Explain,
        (progress, kept): (&Progress, &Mutex<PictureCache>),
        mut each: impl FnMut(Explanation) -> Result<(), E>,
    ) -> Result<(), E> {
        self.allow(input)?;
        let layer = match &options.unit {
            None => None,
            Some(unit) => Some(self.layer(unit, input)?),
        };
        let network = layer.as_ref().unwrap_or(self.network());
        let mut subject = Subject::new(network, input, self.preprocess())
            .with_memory(options.memory)
            .incremental(options.incremental);
        if layer.is_none() {
            subject = subject.with_cache(lock(kept).clone());
        }
        let before_walk = || {
            if let Some(before_walk) = &options.before_walk {
                before_walk();
            }
        };
        let subject = subject.before_each_walk(&before_walk);
        // Methods and checks share the walks over the network.
        subject.expect_walks(walks(&options.methods, &options.checks));
        let numbers = self.numbers(&subject)?;
        let (prediction, targets) = match &options.unit {
            None => {
                let prediction = self.prediction(&numbers)?;
                let targets = self.targets(options, &prediction)?;
                (prediction, targets)
            }
            Some(unit) => {
                unit.check(options, numbers.len())?;
                (self.classify(input)?, vec![Target::Class(unit.channel)])
            }
        };
        let gradient = self.gradient_record(
            &subject,
            walks(&options.methods, &options.checks),
            options.unit.as_ref(),
        )?;
        let mut explained = Explained::new(self, input.clone(), prediction, options, gradient);
        if let Some(unit) = &options.unit {
            explained = explained.of_unit(unit.clone(), numbers[unit.channel]);
        }
        let explained = Arc::new(explained);
        // Each method reports under its own name.
        let observers = options.methods.iter().map(|(entry, _)| {
            let observe = move |changed: &Rectangle, numbers: &[f32]| {
                if let Some(window_output) = &options.window_output {
                    window_output(entry.name, changed, numbers);
                }
            };
            (move |done, all| progress(entry.title, done, all), observe)
        });
        let observers: Vec<_> = observers.collect();
        let subjects = observers.iter().map(|(tell, observe)| {
            let subject = subject.with_progress(tell);
            match &options.window_output {
                None => subject,
                Some(_) => subject.with_window_observer(observe),
            }
        });
        let subjects: Vec<Subject> = subjects.collect();
        let with_subjects = || options.methods.iter().zip(&subjects);
        if let [target] = &targets[..] {
            let located = self.located(options, input, target)?;
            // Frees the memory of each method before the next one begins.
            let mut maps = Vec::new();
            for (index, ((entry, method), own)) in with_subjects().enumerate() {
                subject.expect_walks(walks(&options.methods[index..], &options.checks));
                let map = Observed::new(entry, &**method, own, &targets)?.map(target)?;
                let about = (&subject, located.as_ref());
                maps.push(options.checked(map, &**method, about, progress)?);
            }
            keep(kept, &subject, layer.is_some());
            let explanation = Explanation::new(explained, target.clone(), maps);
            return each(explanation.with_device_warning(self.left_to_cpu()));
        }
        let observed = with_subjects()
            .map(|((entry, method), own)| Observed::new(entry, &**method, own, &targets))
            .collect::<Result<Vec<_>, Error>>()?;
        keep(kept, &subject, layer.is_some());
        let count = targets.len();
        for (done, target) in targets.iter().enumerate() {
            let located = self.located(options, input, target)?;
            let maps = observed
                .iter()
                .map(|observed| {
                    let map = observed.map(target)?;
                    let about = (&subject, located.as_ref());
                    options.checked(map, observed.method, about, progress)
                })
                .collect::<Result<_, Error>>()?;
            let explanation = Explanation::new(explained.clone(), target.clone(), maps);
            each(explanation.with_device_warning(self.left_to_cpu()))?;
            progress("classes", done + 1, count);
        }
        Ok(())
    }

    /// Where the objects of the target's class are, if a check needs it.
    fn located(
        &self,
        options: &Explain,
        input: &Input,
        target: &Target,
    ) -> Result<Option<Located>, Error> {
        let Some(objects) = &options.objects else {
            return Ok(None);
        };
        if options.checks.needing_regions().is_empty() {
            return Ok(None);
        }
        let class = match (target, &options.unit) {
            (_, Some(_)) | (Target::Sum(_), _) => None,
            (target, None) => Some(&self.classes()[target.class()][..]),
        };
        locate(&objects.regions, &objects.picture, class, input).map(Some)
    }

    /// The network up to the layer of a unit; its outputs are the channels.
    fn layer(&self, unit: &Unit, input: &Input) -> Result<Network, Error> {
        let graph = self.network().graph();
        let at = graph.find(&unit.layer)?;
        let [c, h, w] = input.shape();
        let read = read_out(graph, at, &[1, c, h, w], unit.place)?;
        Ok(Network::new(read).with_output(Output::Activations))
    }

    /// The targets without repetitions, in the order of the choices.
    fn targets(&self, options: &Explain, prediction: &Prediction) -> Result<Vec<Target>, Error> {
        let Some(other) = &options.against else {
            let mut targets = Vec::new();
            for choice in &options.classes {
                let more = match choice {
                    ClassChoice::Sum(count) => {
                        let top = prediction.top(*count).iter();
                        vec![Target::Sum(top.map(|ranked| ranked.index).collect())]
                    }
                    _ => {
                        let classes = self.targeted(std::slice::from_ref(choice), prediction)?;
                        classes.into_iter().map(Target::Class).collect()
                    }
                };
                for target in more {
                    if !targets.contains(&target) {
                        targets.push(target);
                    }
                }
            }
            return Ok(targets);
        };
        if options
            .classes
            .iter()
            .any(|c| matches!(c, ClassChoice::Sum(_)))
        {
            let sum =
                "a sum of classes cannot be explained against another class; choose one class"
                    .into();
            return Err(Error::Usage(sum));
        }
        let classes = self.targeted(&options.classes, prediction)?;
        let &[other] = &self.targeted(std::slice::from_ref(other), prediction)?[..] else {
            let all = "a class can be explained against one class only, not against all".into();
            return Err(Error::Usage(all));
        };
        let differs = |&class: &usize| class != other;
        if let Some(same) = classes.iter().find(|class| !differs(class)) {
            return Err(Error::Usage(format!(
                "`{}` cannot be explained against itself; choose another class",
                self.classes()[*same]
            )));
        }
        let against = |class| Target::Difference(class, other);
        Ok(classes.into_iter().map(against).collect())
    }

    /// The chosen classes without repetitions, in the order of the choices.
    fn targeted(
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

/// The walks over the network that these methods and checks need.
fn walks(methods: &[(&MethodEntry, Arc<dyn Method>)], checks: &Checks) -> Walks {
    let walks = methods.iter().map(|(_, method)| method.walks());
    walks.fold(checks.walks(), Walks::or)
}

/// Keeps the activations of an input for later calls, unless the network ends at a layer.
fn keep(kept: &Mutex<PictureCache>, subject: &Subject, is_of_layer: bool) {
    if !is_of_layer {
        let mut kept = lock(kept);
        *kept = subject.cache().or(&kept);
    }
}

/// One method with its observation of one input.
struct Observed<'a> {
    entry: &'static MethodEntry,
    method: &'a dyn Method,
    observation: Observation<'a>,
    took: Duration,
}

impl<'a> Observed<'a> {
    fn new(
        entry: &'static MethodEntry,
        method: &'a dyn Method,
        subject: &'a Subject<'a>,
        targets: &'a [Target],
    ) -> Result<Self, Error> {
        let start = Instant::now();
        let observation = method.begin(subject, targets);
        Ok(Self {
            entry,
            method,
            observation: observation.map_err(|e| failed(entry, e))?,
            took: start.elapsed(),
        })
    }

    fn map(&self, target: &Target) -> Result<Map, Error> {
        let start = Instant::now();
        let attribution = (self.observation)(target);
        Ok(Map {
            entry: self.entry,
            parameters: self.method.parameters(),
            attribution: attribution.map_err(|e| failed(self.entry, e))?,
            seconds: (self.took + start.elapsed()).as_secs_f64(),
            checked: Vec::new(),
        })
    }
}

fn failed(entry: &'static MethodEntry, source: dvm_attribution::Error) -> Error {
    Error::Method {
        method: entry.name,
        source,
    }
}
