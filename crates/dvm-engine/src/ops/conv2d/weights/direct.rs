//! Tap by tap: the input pixel of each window times the gradient, summed over all windows.

use std::ops::Range;

use rayon::prelude::*;

use super::super::super::outer::{self, Outer};
use super::super::super::simd::Shared;
use super::super::direct::Lattice;
use crate::runtime::buffer::Buffer;
use crate::runtime::instruction_set::InstructionSet;

/// Windows that are multiplied at a time, so that their pixels stay in cache while all tiles of the result
/// read them.
const STRETCH: usize = 128;

/// The fewest windows of one partial sum.
const SHORTEST: usize = 1024;

/// The most partial sums: enough tasks for any number of cores without a second way to split.
const PARTIAL: usize = 16;

/// The most values of all partial sums together.
const VALUES: usize = 1 << 21;

/// The gradient `[O, taps, I]` of the weights, summed over the windows of a lattice; `gradient` is that of
/// the results, as stored.
pub(super) fn weight_gradient(
    set: InstructionSet,
    lattice: &Lattice,
    groups: usize,
    gradient: &[f32],
) -> Buffer {
    let work = |lattice: &Lattice| {
        let channels = lattice.maps.3 / groups;
        let (runs, taps) = lattice.runs(channels);
        let outputs = lattice.results.2 / groups;
        let seen = taps * channels;
        let by_output = outer::cost(set, (outputs, seen)) <= outer::cost(set, (seen, outputs));
        Weights {
            set,
            lattice,
            gradient,
            groups,
            channels,
            outputs,
            runs: &runs,
            seen,
            by_output,
        }
        .compute()
    };
    if lattice.is_shallow() {
        lattice.padded(work)
    } else {
        work(lattice)
    }
}

struct Weights<'a> {
    set: InstructionSet,
    lattice: &'a Lattice<'a>,
    gradient: &'a [f32],
    groups: usize,
    /// Channels of the input and of the output in a group.
    channels: usize,
    outputs: usize,
    /// Where each run of values starts, and the number of values in a run.
    runs: &'a [(isize, isize)],
    seen: usize,
    /// Whether a row of the sums belongs to an output and a column to an input, or the reverse.
    by_output: bool,
}

/// A part of the result: these columns of one group and run.
struct Part {
    group: usize,
    run: usize,
    columns: Range<usize>,
}

impl Weights<'_> {
    /// Rows and columns of the sums of one run.
    fn size(&self) -> (usize, usize) {
        if self.by_output {
            (self.outputs, self.seen)
        } else {
            (self.seen, self.outputs)
        }
    }

    fn compute(&self) -> Buffer {
        let (n, ..) = self.lattice.maps;
        let windows = n * self.lattice.windows.0 * self.lattice.windows.1;
        let size = self.size();
        let of_run = size.0 * size.1;
        let values = self.groups * self.runs.len() * of_run;
        let partial = (VALUES / values.max(1)).min(windows / SHORTEST);
        let partial = partial.clamp(1, PARTIAL);
        // If there are few partial sums, each is computed in parts.
        let panel = outer::panel_columns(self.set);
        let panels = size.1.div_ceil(panel);
        let wanted = PARTIAL.div_ceil(partial * self.groups * self.runs.len());
        let step = panels.div_ceil(wanted.min(panels).max(1)) * panel;
        let mut parts = Vec::new();
        for group in 0..self.groups {
            for run in 0..self.runs.len() {
                let starts = (0..size.1).step_by(step);
                parts.extend(starts.map(|first| Part {
                    group,
                    run,
                    columns: first..(first + step).min(size.1),
                }));
            }
        }
        // One task computes several parts that read the same values, as long as there are enough tasks.
        let together = (partial * parts.len())
            .div_ceil(4 * PARTIAL)
            .min(parts.len());
        let tasks_per_sum = parts.len().div_ceil(together);
        let mut sums = Buffer::unspecified(partial * values);
        let place = Shared::new(&mut sums);
        (0..partial * tasks_per_sum)
            .into_par_iter()
            .for_each(|task| {
                let (sum, first) = (task / tasks_per_sum, task % tasks_per_sum * together);
                let windows = sum * windows / partial..(sum + 1) * windows / partial;
                let parts = &parts[first..(first + together).min(parts.len())];
                let mut pixels = Vec::with_capacity(STRETCH);
                let mut start = windows.start;
                loop {
                    let stretch = start..(start + STRETCH).min(windows.end);
                    let mut looked = None;
                    for part in parts {
                        if looked.replace((part.group, part.run)) != Some((part.group, part.run)) {
                            self.look(part, stretch.clone(), &mut pixels);
                        }
                        let of = (sum * self.groups + part.group) * self.runs.len() + part.run;
                        let outer = Outer {
                            pixels: &pixels,
                            size,
                            target: (place.from(of * of_run), size.1),
                            accumulate: start > windows.start,
                        };
                        // SAFETY: `look` returned valid rows of both arrays; only this task writes the
                        // columns of this part of this partial sum.
                        unsafe { outer.compute(self.set, part.columns.clone()) };
                    }
                    start = stretch.end;
                    if start >= windows.end {
                        break;
                    }
                }
            });
        self.joined(&sums, partial, values)
    }

    /// Collects pairs of rows: the input values that the run reads in each of these windows, where it is
    /// inside the maps, and the gradient of the window.
    fn look(&self, part: &Part, windows: Range<usize>, pixels: &mut Vec<(*const f32, *const f32)>) {
        let (_, h, w, c) = self.lattice.maps;
        let (rows, columns) = self.lattice.windows;
        let outputs = self.lattice.results.2;
        let (dy, dx) = self.runs[part.run];
        pixels.clear();
        let mut first = windows.start;
        while first < windows.end {
            let (x, y) = (first % columns, first / columns % rows);
            let map = first / (rows * columns);
            let count = (columns - x).min(windows.end - first);
            let iy = (y * self.lattice.step.0) as isize + dy;
            if iy >= 0 && iy < h as isize {
                let row = &self.lattice.input[(map * h + iy as usize) * w * c..][..w * c];
                let gradient = &self.gradient[first * outputs..][..count * outputs];
                for (index, gradient) in gradient.chunks_exact(outputs).enumerate() {
                    let ix = ((x + index) * self.lattice.step.1) as isize + dx;
                    if ix < 0 || ix >= w as isize {
                        continue;
                    }
                    let seen = &row[ix as usize * c + part.group * self.channels..][..self.seen];
                    let gradient = &gradient[part.group * self.outputs..][..self.outputs];
                    let (seen, gradient) = (seen.as_ptr(), gradient.as_ptr());
                    pixels.push(if self.by_output {
                        (gradient, seen)
                    } else {
                        (seen, gradient)
                    });
                }
            }
            first += count;
        }
    }

    /// The total of the partial sums, added in order, in the layout of the weights.
    fn joined(&self, sums: &[f32], partial: usize, values: usize) -> Buffer {
        let mut joined = Buffer::unspecified(values);
        let (seen, outputs) = (self.seen, self.outputs);
        let filter = self.runs.len() * seen;
        joined
            .par_chunks_mut(filter)
            .with_min_len(1 + 4096 / filter)
            .enumerate()
            .for_each(|(filter, weights)| {
                let (group, output) = (filter / outputs, filter % outputs);
                for (run, weights) in weights.chunks_exact_mut(seen).enumerate() {
                    for sum in 0..partial {
                        let of = (sum * self.groups + group) * self.runs.len() + run;
                        let sums = &sums[of * seen * outputs..][..seen * outputs];
                        if self.by_output {
                            let row = &sums[output * seen..][..seen];
                            add(weights, row.iter(), sum == 0);
                        } else {
                            let column = sums[output..].iter().step_by(outputs);
                            add(weights, column, sum == 0);
                        }
                    }
                }
            });
        joined
    }
}

fn add<'a>(weights: &mut [f32], sums: impl Iterator<Item = &'a f32>, is_first: bool) {
    for (weight, &sum) in weights.iter_mut().zip(sums) {
        *weight = if is_first { sum } else { *weight + sum };
    }
}
