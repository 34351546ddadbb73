//! From a picture to its explanations.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dvm_attribution::metrics::Candidate;
use dvm_attribution::registry::Entry;
use dvm_attribution::{Kept, Method, Observation, Settings, Subject, Target, Walks};
use dvm_engine::incremental::Rectangle;
use dvm_engine::passes::read_out;
use dvm_engine::{Network, Output};
use dvm_image::{Input, Picture};
use dvm_render::ColourMap;
use serde_json::Value;

use crate::checks::Checks;
use crate::chosen::{check_settings, named, own_settings};
use crate::drawing::{FigureFormat, OverlayStyle};
use crate::explanation::{Explained, Map};
use crate::files::FileKind;
use crate::regions::{Located, Regions, locate};
use crate::{
    ClassChoice, Classifier, DEFAULT_METHODS, Error, Explanation, Prediction, Source, Unit,
};

/// What to explain, and how.
pub struct Explain {
    pub(crate) methods: Vec<(&'static Entry, Box<dyn Method>)>,
    /// The classes to explain, each once.
    pub classes: Vec<ClassChoice>,
    /// If a class is given here, each of `classes` is explained against it: what speaks for the one and
    /// against the other.
    pub against: Option<ClassChoice>,
    /// If a channel of a layer is given here, it is explained and not a class.
    pub unit: Option<Unit>,
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
    /// The kinds of files that are saved.
    pub files: Vec<FileKind>,
    /// How every map is tested.
    pub checks: Checks,
    /// Where the objects of the picture are, for checks that need to know.
    pub objects: Option<Objects>,
    /// Told what the network answers while a method covers windows of the picture.
    pub answered: Option<Arc<Answered>>,
    /// Called before every walk over the network, from any thread: who wants no more can end the work there, by a
    /// panic of their own.
    pub walking: Option<Arc<dyn Fn() + Send + Sync>>,
}

/// Called with the name of a method, a window of the network's input, and the numbers `[K]` that the network
/// answered while the window was covered. In any order, from any thread.
pub type Answered = dyn Fn(&'static str, &Rectangle, &[f32]) + Send + Sync;

/// Where the objects of a picture are.
#[derive(Clone)]
pub struct Objects {
    /// Boxes or masks of many pictures.
    pub regions: Arc<Regions>,
    /// The picture: boxes and masks name it by its file.
    pub picture: Source,
}

/// Told what is how far: the title of a method (its windows) or of a check, or `classes`; steps done, all steps.
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

    /// These methods, separated by commas, each with those of the settings that it has. A setting
    /// `method.option` is for one method alone, and wins.
    ///
    /// # Errors
    /// [`Error::Usage`] for a method that does not exist or is named twice, or a setting that none
    /// of the methods has; [`Error::Setting`] for a value that a setting does not take.
    pub fn with_settings(names: &str, settings: &Settings) -> Result<Self, Error> {
        let chosen = named::<Entry>(names)?;
        check_settings(&chosen, settings)?;
        let method = |entry: &'static Entry| {
            let method = entry.method(&own_settings(entry, settings))?;
            Ok::<_, Error>((entry, method))
        };
        let methods = chosen.into_iter().map(method).collect::<Result<_, _>>()?;
        Ok(Self {
            methods,
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
            answered: None,
            walking: None,
        })
    }
}

impl Explain {
    /// No method: its explanation has no maps and says what the network sees.
    pub fn nothing() -> Self {
        Self {
            methods: Vec::new(),
            ..Self::default()
        }
    }

    /// The same for each method alone, without checks.
    pub fn one_by_one(self) -> Vec<Self> {
        let one = |method| Self {
            methods: vec![method],
            classes: self.classes.clone(),
            against: self.against.clone(),
            unit: self.unit.clone(),
            memory: self.memory,
            incremental: self.incremental,
            overlay: self.overlay,
            colours: self.colours,
            figures: self.figures.clone(),
            files: self.files.clone(),
            checks: Checks::default(),
            objects: self.objects.clone(),
            answered: self.answered.clone(),
            walking: self.walking.clone(),
        };
        self.methods.into_iter().map(one).collect()
    }

    /// Its methods by name, each with every setting that shapes its map.
    pub fn parameters(&self) -> Vec<(&'static str, serde_json::Map<String, Value>)> {
        let methods = self.methods.iter();
        methods
            .map(|(entry, method)| (entry.name, method.parameters()))
            .collect()
    }

    /// Whether the maps of all classes come from the same walks over the network, so that more classes cost nearly
    /// nothing.
    pub fn shares_walks(&self) -> bool {
        self.methods.iter().all(|(_, method)| method.shares_walks())
    }

    /// The first of its methods, with its settings.
    pub(crate) fn first(&self) -> (&'static Entry, &dyn Method) {
        let (entry, method) = &self.methods[0];
        (entry, &**method)
    }

    /// The map with what the checks found of it, given where its objects are.
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
        let subject = subject.reporting_to(&tell);
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
        each: impl FnMut(Explanation) -> Result<(), E>,
    ) -> Result<(), E> {
        self.explain_input(self.prepare(picture)?, options, progress, each)
    }

    /// As [`Classifier::explain_each`], for a picture that is prepared already: by [`Classifier::prepare`], or by
    /// another program ([`Preprocess::input_of`](dvm_image::Preprocess::input_of)).
    ///
    /// # Errors
    /// As [`Classifier::explain_each`].
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

    /// As [`Classifier::explain_input`], with what was computed of the input before; what is now known of it is
    /// put in its place.
    pub(crate) fn explain_kept<E: From<Error>>(
        &self,
        input: &Arc<Input>,
        options: &Explain,
        (progress, kept): (&Progress, &Mutex<Kept>),
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
            let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            subject = subject.with_kept(kept.clone());
        }
        let walking = || {
            if let Some(walking) = &options.walking {
                walking();
            }
        };
        let subject = subject.telling_of_walks(&walking);
        // The picture is walked once for all methods and checks.
        subject.expect(walks(&options.methods, &options.checks));
        let numbers = subject.numbers().map_err(|error| self.failed(error))?;
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
        let tell: Vec<_> = options
            .methods
            .iter()
            .map(|(entry, _)| move |done, all| progress(entry.title, done, all))
            .collect();
        let answered: Vec<_> = options
            .methods
            .iter()
            .map(|(entry, _)| {
                move |changed: &Rectangle, numbers: &[f32]| {
                    if let Some(answered) = &options.answered {
                        answered(entry.name, changed, numbers);
                    }
                }
            })
            .collect();
        let told = tell.iter().zip(&answered);
        let subjects: Vec<Subject> = told
            .map(|(tell, answered)| match &options.answered {
                None => subject.reporting_to(tell),
                Some(_) => subject.reporting_to(tell).showing(answered),
            })
            .collect();
        let with_subjects = || options.methods.iter().zip(&subjects);
        if let [target] = &targets[..] {
            let located = self.located(options, input, target)?;
            // What a method observed is given back before the next one observes.
            let mut maps = Vec::new();
            for (index, ((entry, method), own)) in with_subjects().enumerate() {
                subject.expect(walks(&options.methods[index..], &options.checks));
                let map = Observed::new(entry, &**method, own, &targets)?.map(target)?;
                let about = (&subject, located.as_ref());
                maps.push(options.checked(map, &**method, about, progress)?);
            }
            keep(kept, &subject, layer.is_some());
            return each(Explanation::new(explained, target.clone(), maps));
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
            each(Explanation::new(explained.clone(), target.clone(), maps))?;
            progress("classes", done + 1, count);
        }
        Ok(())
    }

    /// Where the objects that a target is about are, if a check needs to know.
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

    /// The network up to the layer of a unit, whose numbers are its channels.
    fn layer(&self, unit: &Unit, input: &Input) -> Result<Network, Error> {
        let graph = self.network().graph();
        let at = graph.find(&unit.layer)?;
        let [c, h, w] = input.shape();
        let read = read_out(graph, at, &[1, c, h, w], unit.place)?;
        Ok(Network::new(read).with_output(Output::Activations))
    }

    /// What is explained, each once, in the order asked for.
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
            let sum = "a sum of classes cannot be explained against a class".into();
            return Err(Error::Usage(sum));
        }
        let classes = self.targeted(&options.classes, prediction)?;
        let &[other] = &self.targeted(std::slice::from_ref(other), prediction)?[..] else {
            let all = "a class is explained against one other class, not against all".into();
            return Err(Error::Usage(all));
        };
        let differs = |&class: &usize| class != other;
        if let Some(same) = classes.iter().find(|class| !differs(class)) {
            return Err(Error::Usage(format!(
                "`{}` cannot be explained against itself",
                self.classes()[*same]
            )));
        }
        let against = |class| Target::Difference(class, other);
        Ok(classes.into_iter().map(against).collect())
    }

    /// The classes meant, each once, in the order asked for.
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

/// What these methods and checks will ask of a picture.
fn walks(methods: &[(&'static Entry, Box<dyn Method>)], checks: &Checks) -> Walks {
    let walks = methods.iter().map(|(_, method)| method.walks());
    walks.fold(checks.walks(), Walks::or)
}

/// Keeps what is known of a picture for later questions; that of a layer is not of use to any.
fn keep(kept: &Mutex<Kept>, subject: &Subject, is_of_layer: bool) {
    if !is_of_layer {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = subject.kept().or(&kept);
    }
}

/// What one method knows of one picture.
struct Observed<'a> {
    entry: &'static Entry,
    method: &'a dyn Method,
    observation: Observation<'a>,
    took: Duration,
}

impl<'a> Observed<'a> {
    fn new(
        entry: &'static Entry,
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

fn failed(entry: &'static Entry, source: dvm_attribution::Error) -> Error {
    Error::Method {
        method: entry.name,
        source,
    }
}
