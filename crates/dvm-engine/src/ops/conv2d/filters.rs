//! The packed forms of a convolution's weights, each made at first use.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::super::panels::Panels;
use super::super::transpose::transposed;
use super::backward::Phase;
use super::{Conv2d, winograd};
use crate::Tensor;
use crate::runtime::instruction_set::InstructionSet;
use crate::runtime::lazy::get_or_make;

/// The forms of one convolution's weights.
pub(super) struct Filters {
    set: InstructionSet,
    direct: OnceLock<Vec<Panels>>,
    transformed: OnceLock<Panels>,
    turned: OnceLock<Panels>,
    phases: Mutex<Option<Phases>>,
    by_tap: OnceLock<Vec<f32>>,
}

/// The phases for a border with this many rows above and columns to the left.
type Phases = ((usize, usize), Arc<Vec<Phase>>);

/// Number of groups of `filters` filters each that are computed as one: as many as fill a vector.
fn together(groups: usize, filters: usize, lanes: usize) -> usize {
    let fits = |&joined: &usize| joined * filters <= lanes && groups.is_multiple_of(joined);
    (1..=lanes.min(groups)).filter(fits).max().unwrap_or(1)
}

impl Filters {
    /// No forms yet; they are made for these instructions.
    pub fn new(set: InstructionSet) -> Self {
        Self {
            set,
            direct: OnceLock::new(),
            transformed: OnceLock::new(),
            turned: OnceLock::new(),
            phases: Mutex::new(None),
            by_tap: OnceLock::new(),
        }
    }

    /// The instructions that the kernels use.
    pub fn set(&self) -> InstructionSet {
        self.set
    }

    /// `[kh·kw·I, O / groups]` for each group. Small groups are combined into one, with zeros where an output
    /// does not read an input: this fills a vector, and runs of inputs are longer.
    pub fn direct(&self, conv: &Conv2d, weight: &Tensor) -> &Vec<Panels> {
        get_or_make(&self.direct, || {
            let filters = weight.shape()[0] / conv.groups;
            let depth = weight.len() / weight.shape()[0];
            let joined = together(conv.groups, filters, self.set.lanes());
            let channels = weight.shape()[1];
            let pack = |first_group: usize| {
                let weight = &weight.data()[first_group * filters * depth..];
                let weight = &weight[..joined * filters * depth];
                let by_product = transposed(weight, joined * filters, depth);
                let size = (1, joined * depth, joined * filters);
                Panels::pack(self.set, size, |k, first, row| {
                    // The order is taps, then groups, then channels.
                    let (tap, k) = (k / (joined * channels), k % (joined * channels));
                    let (group, channel) = (k / channels, k % channels);
                    let line = (tap * channels + channel) * joined * filters;
                    let own = group * filters..(group + 1) * filters;
                    for (filter, value) in (first..).zip(row) {
                        *value = match own.contains(&filter) {
                            true => by_product[line + filter],
                            false => 0.0,
                        };
                    }
                })
            };
            (0..conv.groups).step_by(joined).map(pack).collect()
        })
    }

    /// The transformed filters for Winograd.
    pub fn transformed(&self, weight: &Tensor) -> &Panels {
        get_or_make(&self.transformed, || {
            let &[filters, channels, ..] = weight.shape() else {
                unreachable!("output_shape checked the rank");
            };
            let by_tap = transposed(weight.data(), filters, 9 * channels);
            winograd::transformed(self.set, (channels, filters), |i, tap, first| {
                let row = tap * channels + i;
                &by_tap[row * filters..(row + 1) * filters][first..]
            })
        })
    }

    /// The filters for Winograd in the backward pass: each rotated by 180°, with outputs and inputs swapped.
    pub fn turned(&self, weight: &Tensor) -> &Panels {
        get_or_make(&self.turned, || {
            let &[filters, channels, ..] = weight.shape() else {
                unreachable!("output_shape checked the rank");
            };
            winograd::transformed(self.set, (filters, channels), |o, tap, first| {
                let row = o * 9 + 8 - tap;
                &weight.data()[row * channels..(row + 1) * channels][first..]
            })
        })
    }

    /// The filters for the backward pass with any stride, for an input with this many rows above and columns
    /// to the left. These depend on the input size if the padding does.
    pub fn phases(
        &self,
        border: (usize, usize),
        make: impl FnOnce() -> Vec<Phase>,
    ) -> Arc<Vec<Phase>> {
        let known = || self.phases.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known().clone().filter(|(of, _)| *of == border);
        let (_, phases) = found.unwrap_or_else(|| {
            let made = (border, Arc::new(make()));
            *known() = Some(made.clone());
            made
        });
        phases
    }

    /// Depthwise filters `[kh·kw, C]`.
    pub fn by_tap(&self, weight: &Tensor) -> &Vec<f32> {
        get_or_make(&self.by_tap, || {
            let channels = weight.shape()[0];
            let taps = weight.len() / channels;
            let mut by_tap = vec![0.0; weight.len()];
            for (channel, filter) in weight.data().chunks_exact(taps).enumerate() {
                for (tap, value) in filter.iter().enumerate() {
                    by_tap[tap * channels + channel] = *value;
                }
            }
            by_tap
        })
    }
}
