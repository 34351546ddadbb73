//! The optimisers, one file each. To add one, add a file here and a line in [`ALL`].

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
use crate::option::{self, resolve};

/// The description of an optimiser.
#[derive(Debug)]
pub struct OptimiserEntry {
    /// The name.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// The paper: title, and arXiv id if there is one.
    pub paper: &'static str,
    /// The default learning rate.
    pub learning_rate: f64,
    /// Whether it normalises gradients, so that the step size depends on the learning rate alone.
    pub adaptive: bool,
    /// Its options, except `decay_all`.
    pub options: &'static [OptionSpec],
    /// Creates the update rule from the options.
    build: fn(&Resolved) -> Result<Box<dyn Rule>, Error>,
}

/// All optimisers.
pub static ALL: &[OptimiserEntry] = &[sgd::ENTRY, adam::ENTRY, adamw::ENTRY, rmsprop::ENTRY];

/// An option of every optimiser.
const DECAY_ALL: OptionSpec = OptionSpec {
    name: "decay_all",
    default: "false",
    takes: Takes::Flag,
    help: "apply weight decay to biases and normalisation scales too",
};

/// The optimiser of this name.
///
/// # Errors
/// [`Error::Unknown`] with the known names.
pub fn find(name: &str) -> Result<&'static OptimiserEntry, Error> {
    option::find("optimiser", ALL, |entry| entry.name, name)
}

/// The update rule of an optimiser.
trait Rule: Send + Sync + Debug {
    /// Names of the state tensors, as in PyTorch; all zero before the first step.
    fn slots(&self) -> &'static [&'static str];

    /// Updates `values` with `gradients`. `slots` are the state tensors in the order of
    /// [`Rule::slots`], each as long as `values`. Each value depends only on its own gradient and
    /// state, so a parameter can be split among threads.
    fn update(&self, step: &Step, slots: &mut [&mut [f32]], values: &mut [f32], gradients: &[f32]);
}

/// The settings of a step for one parameter.
struct Step {
    /// The number of the step, from 1.
    number: u64,
    learning_rate: f64,
    /// Weight decay; 0 for parameters without it.
    weight_decay: f64,
}

/// Updates the weights of one network, and keeps the state between steps.
pub struct Optimiser {
    entry: &'static OptimiserEntry,
    rule: Box<dyn Rule>,
    options: Settings,
    weight_decay: f64,
    decay_all: bool,
    steps: u64,
    /// The state tensors of each parameter; empty before its first gradient.
    slots: Vec<Mutex<Vec<Tensor>>>,
}

/// The state of an optimiser, for a checkpoint. A resumed training continues with the same bits.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Number of steps.
    pub steps: u64,
    /// State tensors by name, `optimiser.<slot>.<parameter>`, in the parameter's shape.
    pub slots: BTreeMap<String, Tensor>,
}

impl OptimiserEntry {
    /// All options, including `decay_all`.
    pub fn all_options(&self) -> impl Iterator<Item = &'static OptionSpec> + Clone {
        self.options.iter().chain([&DECAY_ALL])
    }

    /// Creates the optimiser.
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

/// Prefix of the names in a checkpoint.
const PREFIX: &str = "optimiser";

impl Optimiser {
    /// The description.
    pub fn entry(&self) -> &'static OptimiserEntry {
        self.entry
    }

    /// The options with defaults filled in.
    pub fn options(&self) -> &Settings {
        &self.options
    }

    /// Number of steps.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Updates every parameter of `graph` that has a gradient, in place. `gradient` gives the
    /// gradient for the index of a parameter in [`Graph::parameters`], as
    /// [`dvm_engine::Gradients::parameter`] does. Parameters without a gradient and running
    /// statistics do not change. Results do not depend on the number of threads.
    ///
    /// # Panics
    /// If a gradient has another shape than its parameter, or if `graph` is another network.
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
            // The lock is not held while threads work.
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

    /// The state, for a checkpoint. Cheap: tensors are shared until the next step.
    ///
    /// # Panics
    /// If `graph` is another network than in the steps before.
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

    /// Restores a saved state.
    ///
    /// # Errors
    /// [`Error::State`] if a tensor belongs to no parameter or has another shape, or if a parameter
    /// has only some of its tensors. Nothing is changed then.
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
                    "the state of `{}` has the shape {2:?}, but the parameter has {1:?}; was the \
                     network changed?",
                    parameter.name,
                    parameter.shape,
                    other.shape()
                ));
            }
            let present = found.iter().flatten().count();
            if present != 0 && present != found.len() {
                return refuse(format!(
                    "`{}` has {present} of {} state tensors: {}",
                    parameter.name,
                    found.len(),
                    self.rule.slots().join(", ")
                ));
            }
            restored.push(Mutex::new(found.into_iter().flatten().collect()));
        }
        if let Some(name) = slots.keys().next() {
            return refuse(format!(
                "{} does not know the tensor `{name}`; was the run made with another optimiser or network?",
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

/// Values that one thread updates at a time; they fit into the cache.
const PART: usize = 1 << 15;

/// Updates a parameter in parallel, splitting it in halves until they are small.
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

/// The help text for optimisers that add weight decay to the gradient.
const DECAYS_GRADIENT: &str = "weight decay (L2): this times the weights is added to the gradients";
