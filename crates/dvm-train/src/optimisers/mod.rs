//! How weights move: the optimisers, one file each, and what they share. A new one is a file here
//! and a line in [`ALL`].

mod adam;
mod adamw;
mod rmsprop;
mod sgd;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};

use dvm_engine::{Graph, Parameter, Role, Tensor};
use dvm_options::{OptionSpec, Resolved, Settings, Takes};

use crate::Error;
use crate::option::resolve;

/// An optimiser: what people see of it, and how it is made.
#[derive(Debug)]
pub struct Entry {
    /// The name to ask for it by.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// Where it was published: title, and arXiv id where there is one.
    pub paper: &'static str,
    /// The learning rate if none is given.
    pub learning_rate: f64,
    /// Whether it divides gradients by their size, so that the learning rate alone says how long a
    /// step is.
    pub adaptive: bool,
    /// Its options; `decay_all` comes on top.
    pub options: &'static [OptionSpec],
    /// Makes its rule from its options.
    build: fn(&Resolved) -> Result<Box<dyn Rule>, Error>,
}

/// All optimisers.
pub static ALL: &[Entry] = &[sgd::ENTRY, adam::ENTRY, adamw::ENTRY, rmsprop::ENTRY];

/// The option that every optimiser has besides its own and `weight_decay`.
const DECAY_ALL: OptionSpec = OptionSpec {
    name: "decay_all",
    default: "false",
    takes: Takes::Flag,
    help: "weight decay on biases and scales of normalisations too",
};

/// The optimiser of this name.
///
/// # Errors
/// [`Error::Unknown`] with the names there are.
pub fn find(name: &str) -> Result<&'static Entry, Error> {
    ALL.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let names: Vec<&str> = ALL.iter().map(|entry| entry.name).collect();
        Error::Unknown {
            kind: "optimiser",
            name: name.into(),
            known: names.join(", "),
        }
    })
}

/// The formula of an optimiser: what one step does to values that all move alike.
trait Rule: Send + Sync + Debug {
    /// Names of what it remembers of every value, PyTorch's; all zero before the first step.
    fn slots(&self) -> &'static [&'static str];

    /// Moves `values` against `gradients`. `slots` are those of [`Rule::slots`], in order, each as
    /// long as `values`. Every value is computed from its own gradient and slots alone, so that any
    /// part of a parameter may be computed anywhere.
    fn update(&self, step: &Step, slots: &mut [&mut [f32]], values: &mut [f32], gradients: &[f32]);
}

/// What a step is like for one parameter.
struct Step {
    /// Which step of the training this is, from 1.
    number: u64,
    learning_rate: f64,
    /// 0 for parameters that do not decay.
    weight_decay: f64,
}

/// Moves the weights of one network step by step, and remembers what it must between steps.
pub struct Optimiser {
    entry: &'static Entry,
    rule: Box<dyn Rule>,
    options: Settings,
    weight_decay: f64,
    decay_all: bool,
    steps: u64,
    /// Per parameter of the graph: its slots, empty before its first gradient.
    slots: Vec<Mutex<Vec<Tensor>>>,
}

/// What an optimiser remembers: with the same weights and this, training goes on to the same bits as
/// if it had never stopped.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Steps done.
    pub steps: u64,
    /// By the name `optimiser.<slot>.<parameter>`, in the parameter's shape.
    pub slots: BTreeMap<String, Tensor>,
}

impl Entry {
    /// All options: its own, `weight_decay` and `decay_all`.
    pub fn all_options(&self) -> impl Iterator<Item = &'static OptionSpec> + Clone {
        self.options.iter().chain([&DECAY_ALL])
    }

    /// An optimiser of this kind that has not made a step. Options that are not given have their
    /// defaults.
    ///
    /// # Errors
    /// [`Error::UnknownOption`], [`Error::OptionValue`].
    pub fn optimiser(&'static self, options: &Settings) -> Result<Optimiser, Error> {
        let owner = format!("optimiser {}", self.name);
        let resolved = resolve(&owner, self.all_options(), options)?;
        Ok(Optimiser {
            entry: self,
            rule: (self.build)(&resolved)?,
            weight_decay: resolved.number("weight_decay"),
            decay_all: resolved.flag(DECAY_ALL.name),
            options: resolved.settings().clone(),
            steps: 0,
            slots: Vec::new(),
        })
    }
}

/// Prefix of the names of slots.
const PREFIX: &str = "optimiser";

impl Optimiser {
    /// Which optimiser this is.
    pub fn entry(&self) -> &'static Entry {
        self.entry
    }

    /// Its options, the defaults filled in.
    pub fn options(&self) -> &Settings {
        &self.options
    }

    /// Steps done.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Moves every parameter of `graph` that has a gradient, in place. `gradient` says it for the
    /// index of a parameter in [`Graph::parameters`], as [`dvm_engine::Gradients::parameter`] does;
    /// parameters without one, and running statistics, stay. The same bits come out on any number
    /// of threads.
    ///
    /// # Panics
    /// If a gradient has not its parameter's shape, or the graph is not the one of the steps before.
    pub fn step<'g>(
        &mut self,
        graph: &mut Graph,
        gradient: impl Fn(usize) -> Option<&'g Tensor> + Sync,
        learning_rate: f64,
    ) {
        let count = graph.parameters().len();
        if self.slots.is_empty() {
            self.slots.resize_with(count, Mutex::default);
        }
        assert_eq!(self.slots.len(), count, "an optimiser belongs to one graph");
        self.steps += 1;
        graph.update(|index, parameter, values| {
            let Some(gradient) = gradient(index) else {
                return;
            };
            if parameter.role == Role::Statistic {
                return;
            }
            assert_eq!(gradient.shape(), parameter.shape, "{}", parameter.name);
            let step = Step {
                number: self.steps,
                learning_rate,
                weight_decay: self.decay_of(parameter),
            };
            // The lock is not held while threads share the work.
            let mut slots = std::mem::take(&mut *lock(&self.slots[index]));
            if slots.is_empty() {
                let zeros = |_: &&str| Tensor::zeros(&parameter.shape);
                slots = self.rule.slots().iter().map(zeros).collect();
            }
            let mut parts: Vec<&mut [f32]> = slots.iter_mut().map(Tensor::data_mut).collect();
            in_parts(&*self.rule, &step, &mut parts, values, gradient.data());
            *lock(&self.slots[index]) = slots;
        });
    }

    fn decay_of(&self, parameter: &Parameter) -> f64 {
        if self.decay_all || parameter.role == Role::Weight {
            self.weight_decay
        } else {
            0.0
        }
    }

    /// What a checkpoint must keep. Cheap: tensors are shared until the next step.
    ///
    /// # Panics
    /// If the graph is not the one of the steps before.
    pub fn state(&self, graph: &Graph) -> State {
        let mut slots = BTreeMap::new();
        for (parameter, values) in graph.parameters().iter().zip(&self.slots) {
            for (slot, value) in self.rule.slots().iter().zip(&*lock(values)) {
                slots.insert(name_of(slot, parameter), value.clone());
            }
        }
        State {
            steps: self.steps,
            slots,
        }
    }

    /// Goes on from a state that the same kind of optimiser had.
    ///
    /// # Errors
    /// [`Error::State`] if a tensor belongs to no parameter or has another shape, or if a parameter
    /// has some of its slots only; nothing is changed then.
    pub fn restore(&mut self, graph: &Graph, state: State) -> Result<(), Error> {
        let refuse = |detail: String| {
            Err(Error::State {
                owner: "optimiser",
                detail,
            })
        };
        let State { steps, mut slots } = state;
        let mut restored = Vec::with_capacity(graph.parameters().len());
        for parameter in graph.parameters() {
            let names = self.rule.slots().iter();
            let found: Vec<Option<Tensor>> = names
                .map(|slot| slots.remove(&name_of(slot, parameter)))
                .collect();
            if let Some(other) = found
                .iter()
                .flatten()
                .find(|value| value.shape() != parameter.shape)
            {
                return refuse(format!(
                    "what belongs to `{}` {:?} is {:?}; was the network changed?",
                    parameter.name,
                    parameter.shape,
                    other.shape()
                ));
            }
            let present = found.iter().flatten().count();
            if present != 0 && present != found.len() {
                return refuse(format!(
                    "`{}` has {present} of {}: {}",
                    parameter.name,
                    found.len(),
                    self.rule.slots().join(", ")
                ));
            }
            restored.push(Mutex::new(found.into_iter().flatten().collect()));
        }
        if let Some(name) = slots.keys().next() {
            return refuse(format!(
                "nothing in a network trained by {} is called `{name}`; was it another optimiser or \
                 network?",
                self.entry.name
            ));
        }
        self.steps = steps;
        self.slots = restored;
        Ok(())
    }
}

fn name_of(slot: &str, parameter: &Parameter) -> String {
    format!("{PREFIX}.{slot}.{}", parameter.name)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Values that one thread updates at a time: enough to be worth a task, few enough to stay in cache.
const PART: usize = 1 << 15;

/// Updates a parameter by halves until they are small, the halves in parallel.
fn in_parts(
    rule: &dyn Rule,
    step: &Step,
    slots: &mut [&mut [f32]],
    values: &mut [f32],
    gradients: &[f32],
) {
    if values.len() <= PART {
        return rule.update(step, slots, values, gradients);
    }
    let middle = values.len() / 2;
    let (values, more_values) = values.split_at_mut(middle);
    let (gradients, more_gradients) = gradients.split_at(middle);
    let halves = slots.iter_mut().map(|slot| slot.split_at_mut(middle));
    let (mut slots, mut more_slots): (Vec<_>, Vec<_>) = halves.unzip();
    rayon::join(
        || in_parts(rule, step, &mut slots, values, gradients),
        || in_parts(rule, step, &mut more_slots, more_values, more_gradients),
    );
}

/// The option `weight_decay` with this default.
const fn weight_decay(default: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec {
        name: "weight_decay",
        default,
        takes: Takes::AtLeast(0.0),
        help,
    }
}

/// What `weight_decay` does in optimisers that add it to the gradient.
const DECAYS_GRADIENT: &str = "times the weights is added to their gradients (L2)";
