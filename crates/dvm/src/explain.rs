//! From a picture to its explanations.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dvm_attribution::registry::{self, Entry};
use dvm_attribution::{Method, Observation, Settings, Subject, Target, Walks};
use dvm_engine::passes::read_out;
use dvm_engine::{Network, Output};
use dvm_image::{Input, Picture};
use dvm_render::ColourMap;

use crate::drawing::{FigureFormat, OverlayStyle};
use crate::explanation::{Explained, Map};
use crate::nearest::did_you_mean;
use crate::{ClassChoice, Classifier, DEFAULT_METHODS, Error, Explanation, Prediction, Unit};

/// What to explain, and how.
pub struct Explain {
    methods: Vec<(&'static Entry, Box<dyn Method>)>,
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

    /// These methods, separated by commas, each with those of the settings that it has. A setting
    /// `method.option` is for one method alone, and wins.
    ///
    /// # Errors
    /// [`Error::Usage`] for a method that does not exist or is named twice, or a setting that none
    /// of the methods has; [`Error::Setting`] for a value that a setting does not take.
    pub fn with_settings(names: &str, settings: &Settings) -> Result<Self, Error> {
        let mut methods: Vec<(&'static Entry, Box<dyn Method>)> = Vec::new();
        for name in names.split(',').map(str::trim) {
            let entry = registry::find(name).ok_or_else(|| no_method(name))?;
            if methods.iter().any(|(known, _)| known.name == entry.name) {
                return Err(Error::Usage(format!("method `{name}` is named twice")));
            }
            methods.push((entry, entry.method(&own_settings(entry, settings))?));
        }
        for option in settings.names() {
            let (owner, name) = split(option);
            if let Some(owner) = owner {
                let entry = registry::find(owner).ok_or_else(|| no_method(owner))?;
                if !entry.takes(name) {
                    return Err(no_option(&format!("method `{owner}`"), name, &[entry]));
                }
            }
            let is_meant = |entry: &Entry| owner.is_none_or(|owner| owner == entry.name);
            let takes = |entry: &Entry| is_meant(entry) && entry.takes(name);
            if methods.iter().any(|(entry, _)| takes(entry)) {
                continue;
            }
            let owners: Vec<&Entry> = registry::ALL.iter().filter(|e| takes(e)).collect();
            return Err(if owners.is_empty() {
                no_option("no method", name, &registry::ALL.iter().collect::<Vec<_>>())
            } else {
                let owners: Vec<&str> = owners.iter().map(|entry| entry.name).collect();
                Error::Usage(format!(
                    "`{name}` is an option of {}, which is not among the methods asked for",
                    owners.join(", ")
                ))
            });
        }
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
        })
    }
}

/// The method and the option that a setting `method.option` is about; all methods, if it names none.
fn split(setting: &str) -> (Option<&str>, &str) {
    match setting.split_once('.') {
        Some((method, option)) => (Some(method), option),
        None => (None, setting),
    }
}

/// What of the settings is meant for a method: those for all, and those for it alone, which win.
fn own_settings(entry: &Entry, settings: &Settings) -> Settings {
    let given = |is_own: bool| {
        settings.names().fold(Settings::new(), |own, setting| {
            let (owner, option) = split(setting);
            let is_meant = match is_own {
                true => owner == Some(entry.name),
                false => owner.is_none(),
            };
            match settings.text(setting).filter(|_| is_meant) {
                Some(value) => own.with(option, value),
                None => own,
            }
        })
    };
    given(true).or(&given(false))
}

fn no_method(name: &str) -> Error {
    let known: Vec<&str> = registry::ALL.iter().map(|e| e.name).collect();
    let all = || format!("methods are {}", known.join(", "));
    let near = did_you_mean(name, known.iter().copied()).unwrap_or_else(all);
    Error::Usage(format!("there is no method named `{name}`; {near}"))
}

/// That `who` of these methods has no option of this name.
fn no_option(who: &str, name: &str, among: &[&Entry]) -> Error {
    let all = among.iter().flat_map(|entry| entry.options);
    let near = did_you_mean(name, all.map(|option| option.name));
    let near = near.map(|near| format!("; {near}")).unwrap_or_default();
    let has = if who == "no method" { "has" } else { "has no" };
    let an = if who == "no method" {
        "an option"
    } else {
        "option"
    };
    Error::Usage(format!("{who} {has} {an} `{name}`{near}"))
}

impl Explain {
    /// The first of its methods, with its settings.
    pub(crate) fn first(&self) -> (&'static Entry, &dyn Method) {
        let (entry, method) = &self.methods[0];
        (entry, &**method)
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
        mut each: impl FnMut(Explanation) -> Result<(), E>,
    ) -> Result<(), E> {
        let input = Arc::new(self.prepare(picture)?);
        self.allow(&input)?;
        let layer = match &options.unit {
            None => None,
            Some(unit) => Some(self.layer(unit, &input)?),
        };
        let network = layer.as_ref().unwrap_or(self.network());
        let subject = Subject::new(network, &input, self.preprocess())
            .with_memory(options.memory)
            .incremental(options.incremental);
        // The picture is walked once for all methods.
        subject.expect(walks(&options.methods));
        let numbers = subject.numbers().map_err(|error| self.failed(error))?;
        let (prediction, targets) = match &options.unit {
            None => {
                let prediction = self.prediction(&numbers)?;
                let targets = self.targets(options, &prediction)?;
                (prediction, targets)
            }
            Some(unit) => {
                unit.check(options, numbers.len())?;
                (self.classify(&input)?, vec![Target::Class(unit.channel)])
            }
        };
        let gradient =
            self.gradient_record(&subject, walks(&options.methods), options.unit.as_ref())?;
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
        let subjects: Vec<Subject> = tell.iter().map(|tell| subject.reporting_to(tell)).collect();
        let with_subjects = || options.methods.iter().zip(&subjects);
        if let [target] = &targets[..] {
            // What a method observed is given back before the next one observes.
            let mut maps = Vec::new();
            for (index, ((entry, method), own)) in with_subjects().enumerate() {
                subject.expect(walks(&options.methods[index..]));
                maps.push(Observed::new(entry, &**method, own, &targets)?.map(target)?);
            }
            return each(Explanation::new(explained, target.clone(), maps));
        }
        let observed = with_subjects()
            .map(|((entry, method), own)| Observed::new(entry, &**method, own, &targets))
            .collect::<Result<Vec<_>, Error>>()?;
        let count = targets.len();
        for (done, target) in targets.iter().enumerate() {
            let maps = observed
                .iter()
                .map(|observed| observed.map(target))
                .collect::<Result<_, Error>>()?;
            each(Explanation::new(explained.clone(), target.clone(), maps))?;
            progress("classes", done + 1, count);
        }
        Ok(())
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

/// What these methods will ask of a picture.
fn walks(methods: &[(&'static Entry, Box<dyn Method>)]) -> Walks {
    let walks = methods.iter().map(|(_, method)| method.walks());
    walks.fold(Walks::default(), Walks::or)
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
        })
    }
}

fn failed(entry: &'static Entry, source: dvm_attribution::Error) -> Error {
    Error::Method {
        method: entry.name,
        source,
    }
}
