//! Products of many rows with packed weights, as in convolutions.

use std::sync::OnceLock;

use rayon::prelude::*;

use super::super::panels::{Finish, Panels, Product, TILE, roomy, whole_tiles, with_room};
use super::super::simd::Shared;
use super::super::transpose::transposed;
use crate::Tensor;
use crate::runtime::instruction_set::InstructionSet;
use crate::runtime::lazy::get_or_make;

/// The weights packed into panels for many rows, each form made at first use.
pub(super) struct Packed {
    set: InstructionSet,
    forward: OnceLock<Panels>,
    backward: OnceLock<Panels>,
}

impl Packed {
    /// No packed forms yet; they are made for these instructions.
    pub fn new(set: InstructionSet) -> Self {
        Self {
            set,
            forward: OnceLock::new(),
            backward: OnceLock::new(),
        }
    }

    /// `[I, O]`, of weights `[O, I]`.
    pub fn forward(&self, weight: &Tensor) -> &Panels {
        get_or_make(&self.forward, || {
            let (o, i) = (weight.shape()[0], weight.shape()[1]);
            let turned = transposed(weight.data(), o, i);
            Panels::pack(self.set, (1, i, o), |k, first, row| {
                row.copy_from_slice(&turned[k * o + first..][..row.len()]);
            })
        })
    }

    /// `[O, I]`, as stored.
    pub fn backward(&self, weight: &Tensor) -> &Panels {
        get_or_make(&self.backward, || {
            let (o, i) = (weight.shape()[0], weight.shape()[1]);
            Panels::pack(self.set, (1, o, i), |k, first, row| {
                row.copy_from_slice(&weight.data()[k * i + first..][..row.len()]);
            })
        })
    }
}

/// Rows that one task multiplies with its panels.
const PACKED_ROWS: usize = TILE * 8;

/// The number of tasks that a small number of rows is split into.
const TASKS: usize = 8;

/// `rows · weights` with packed weights and a finish. Every value is one sum in the order of the depth, for
/// any number of rows.
pub(super) fn product(rows: &[f32], weights: &Panels, finish: Finish, output: &mut [f32]) {
    let (depth, columns) = (weights.depth(), weights.columns());
    let count = rows.len() / depth;
    assert_eq!((count * depth, count * columns), (rows.len(), output.len()));
    let output = Shared::new(output);
    let copies = with_room(rows, depth);
    let (rows, apart) = match &copies {
        Some(copies) => (&copies[..], roomy(depth)),
        None => (rows, depth),
    };
    let panels = weights.count();
    let blocks = count.div_ceil(PACKED_ROWS);
    let parts = TASKS.div_ceil(blocks).min(panels);
    (0..blocks * parts).into_par_iter().for_each(|task| {
        let (block, part) = (task / parts, task % parts);
        let block = whole_tiles(block, blocks, count);
        let sources: Vec<*const f32> = block
            .clone()
            .map(|row| rows[row * apart..][..depth].as_ptr())
            .collect();
        let targets: Vec<*mut f32> = block.map(|row| output.at(row * columns)).collect();
        let product = Product {
            weights,
            matrix: 0,
            panels: part * panels / parts..(part + 1) * panels / parts,
            sources: &sources,
            run: depth,
            targets: &targets,
            finish,
        };
        // SAFETY: every source is a row as long as the depth, every target a row of all columns; only this
        // task writes the columns of these panels of these rows.
        unsafe { product.compute() };
    });
}
