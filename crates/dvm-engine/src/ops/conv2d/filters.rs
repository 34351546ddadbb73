//! The weights of a convolution as its kernels want them, each form made when it is first asked for.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::super::panels::Panels;
use super::super::simd::InstructionSet;
use super::super::transpose::transposed;
use super::backward::Phase;
use super::{Conv2d, winograd};
use crate::Tensor;
use crate::made_once::made_once;

/// The forms of one convolution's weights.
pub(super) struct Filters {
    set: InstructionSet,
    direct: OnceLock<Vec<Panels>>,
    transformed: OnceLock<Panels>,
    turned: OnceLock<Panels>,
    phases: Mutex<Option<Phases>>,
    by_tap: OnceLock<Vec<f32>>,
}

/// The phases for a border of so many rows above and columns to the left.
type Phases = ((usize, usize), Arc<Vec<Phase>>);

impl Filters {
    /// Nothing yet; everything will be made for these instructions.
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

    /// For each group `[kh·kw·I, O / groups]`.
    pub fn direct(&self, conv: &Conv2d, weight: &Tensor) -> &Vec<Panels> {
        made_once(&self.direct, || {
            let filters = weight.shape()[0] / conv.groups;
            let depth = weight.len() / weight.shape()[0];
            let pack = |group: usize| {
                let weight = &weight.data()[group * filters * depth..][..filters * depth];
                let by_product = transposed(weight, filters, depth);
                Panels::pack(self.set, (1, depth, filters), |k, first, row| {
                    row.copy_from_slice(&by_product[k * filters + first..][..row.len()]);
                })
            };
            (0..conv.groups).map(pack).collect()
        })
    }

    /// For Winograd.
    pub fn transformed(&self, weight: &Tensor) -> &Panels {
        made_once(&self.transformed, || {
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

    /// For Winograd on the way back: each filter turned by half a turn, outputs in the place of
    /// inputs.
    pub fn turned(&self, weight: &Tensor) -> &Panels {
        made_once(&self.turned, || {
            let &[filters, channels, ..] = weight.shape() else {
                unreachable!("output_shape checked the rank");
            };
            winograd::transformed(self.set, (filters, channels), |o, tap, first| {
                let row = o * 9 + 8 - tap;
                &weight.data()[row * channels..(row + 1) * channels][first..]
            })
        })
    }

    /// For the way back through any stride, where the input has so many rows above and columns to
    /// the left of it: these depend on its size, if the padding does.
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
        made_once(&self.by_tap, || {
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
