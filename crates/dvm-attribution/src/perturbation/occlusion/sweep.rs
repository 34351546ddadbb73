//! Asking the network about every window, in batches.

use dvm_engine::Tensor;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use dvm_engine::ops::softmax::probabilities;
use dvm_image::{Grid, Picture};
use rayon::prelude::*;

use super::fill::{Cover, Fill};
use crate::method::finite;
use crate::settings::words;
use crate::{Error, Scene};

words! {
    /// Which answer of the network is looked at.
    pub(super) enum Score {
        /// Softmax over the classes, 0 … 1.
        Probability = "probability",
        /// The logit itself.
        Logit = "logit",
    }
}

impl Score {
    /// The scores `[K]` of logits `[K]`.
    pub fn of(self, logits: &[f32]) -> Vec<f32> {
        match self {
            Self::Probability => probabilities(logits),
            Self::Logit => logits.to_vec(),
        }
    }
}

/// Every window of a grid over one picture, and how to make the covered versions of it.
pub(super) struct Sweep<'a> {
    grid: Grid,
    covering: Covering<'a>,
}

enum Covering<'a> {
    /// Windows on the network's input: the normalised cover, stored as the input is, `H, W, 3`.
    Input { cover: Vec<f32> },
    /// Windows on the original picture: the cover is rounded to whole colours.
    Image {
        original: &'a Picture,
        cover: Cover,
        /// Copies of the original to draw windows on, as many as threads ask for one at a time.
        canvases: Mutex<Vec<Picture>>,
    },
}

impl<'a> Sweep<'a> {
    /// Windows on the crop that the network sees.
    pub fn over_input(scene: &'a Scene, grid: Grid, fill: Fill, noise_seed: u64) -> Self {
        let crop = scene.input.crop();
        let normalised = |colour: [f32; 3]| match fill {
            // Exactly zero, not the rounded difference of two equal numbers.
            Fill::Zero => [0.0; 3],
            _ => scene.preprocess.normalise_colour(colour),
        };
        let cover = match fill.over(crop, scene.preprocess, grid.window, noise_seed) {
            Cover::Colour(colour) => normalised(colour).repeat(grid.height * grid.width),
            Cover::Picture(values) => {
                let pixels = values.as_chunks::<3>().0;
                pixels
                    .iter()
                    .flat_map(|&colour| normalised(colour))
                    .collect()
            }
        };
        Self {
            grid,
            covering: Covering::Input { cover },
        }
    }

    /// Windows on the original picture, before it is resized and cropped.
    pub fn over_image(scene: &'a Scene, grid: Grid, fill: Fill, noise_seed: u64) -> Self {
        let original = scene.input.original();
        Self {
            grid,
            covering: Covering::Image {
                original,
                cover: fill.over(original, scene.preprocess, grid.window, noise_seed),
                canvases: Mutex::new(Vec::new()),
            },
        }
    }

    /// The scores with each window covered, `[K, rows, columns]`; `whole` are those of the picture
    /// itself, which a window keeps that changes nothing.
    pub fn scores(&self, scene: &Scene, score: Score, whole: &[f32]) -> Result<Vec<f32>, Error> {
        let windows = self.grid.rows() * self.grid.columns();
        let needed = windows
            .saturating_mul(whole.len())
            .saturating_mul(size_of::<f32>());
        if needed > scene.memory {
            return Err(Error::Unfit(format!(
                "{windows} windows with {} classes each take {} MiB, more than the {} MiB allowed; \
                 choose a larger --stride or more --memory",
                whole.len(),
                needed.div_ceil(1 << 20),
                scene.memory >> 20
            )));
        }
        let base = scene.batch_of_one();
        let graph = scene.network.fused();
        let batch = scene.batch_size(graph)?;
        let mut scores = vec![0.0; windows * whole.len()];
        let mut keep = |window: usize, values: &[f32]| {
            for (class, &value) in values.iter().enumerate() {
                scores[class * windows + window] = value;
            }
        };
        let all: Vec<usize> = (0..windows).collect();
        for (index, block) in all.chunks(batch).enumerate() {
            let covered: Vec<Option<Vec<f32>>> = block
                .par_iter()
                .map(|&window| self.covered(scene, base.data(), window))
                .collect();
            let changed: Vec<(usize, Vec<f32>)> = block
                .iter()
                .zip(covered)
                .filter_map(|(&window, covered)| match covered {
                    Some(values) => Some((window, values)),
                    None => {
                        keep(window, whole);
                        None
                    }
                })
                .collect();
            if !changed.is_empty() {
                let mut shape = base.shape().to_vec();
                shape[0] = changed.len();
                let (windows, pictures): (Vec<usize>, Vec<Vec<f32>>) = changed.into_iter().unzip();
                let logits = graph.logits(&Tensor::from_stored(&shape, pictures.concat()))?;
                finite("a covered picture", logits.data())?;
                for (&window, logits) in windows.iter().zip(logits.data().chunks(whole.len())) {
                    keep(window, &score.of(logits));
                }
            }
            (scene.progress)((index * batch + block.len()).min(windows), windows);
        }
        Ok(scores)
    }

    /// The network's input with one window covered, stored `H, W, 3`; `None` if that changes
    /// nothing.
    fn covered(&self, scene: &Scene, base: &[f32], window: usize) -> Option<Vec<f32>> {
        let (row, column) = (window / self.grid.columns(), window % self.grid.columns());
        let (rows, columns) = self.grid.pixels_of(row, column);
        // The same stretch of each covered row, in values.
        let spans = rows.clone().map(|y| {
            let start = (y * self.grid.width + columns.start) * 3;
            start..start + columns.len() * 3
        });
        let values = match &self.covering {
            Covering::Input { cover } => {
                let mut values = base.to_vec();
                for span in spans {
                    values[span.clone()].copy_from_slice(&cover[span]);
                }
                values
            }
            Covering::Image {
                original,
                cover,
                canvases,
            } => {
                if is_cut_off(scene, &rows, &columns) {
                    return None;
                }
                let lock = || canvases.lock().unwrap_or_else(PoisonError::into_inner);
                let waiting = lock().pop();
                let mut canvas = waiting.unwrap_or_else(|| (*original).clone());
                for span in spans.clone() {
                    let first = span.start;
                    for (value, at) in canvas.rgb_mut()[span].iter_mut().zip(first..) {
                        let covering = match cover {
                            Cover::Colour(colour) => colour[at % 3],
                            Cover::Picture(values) => values[at],
                        };
                        *value = covering.round() as u8;
                    }
                }
                let crop = scene.preprocess.crop_of(&canvas);
                for span in spans {
                    canvas.rgb_mut()[span.clone()].copy_from_slice(&original.rgb()[span]);
                }
                lock().push(canvas);
                if crop == *scene.input.crop() {
                    return None;
                }
                let normalised = scene.preprocess.normalise(&crop);
                Tensor::from_nchw(&scene.shape_of_one(), &normalised)
                    .data()
                    .to_vec()
            }
        };
        (values != base).then_some(values)
    }
}

/// Whether these pixels of the original have no influence on the crop: they lie beyond its border
/// by more than the resizing filter reaches.
fn is_cut_off(scene: &Scene, rows: &Range<usize>, columns: &Range<usize>) -> bool {
    let placement = scene.input.placement();
    let scale = placement.scale();
    let widened = |pixels: &Range<usize>, scale: f64| {
        // Shrinking widens the filter; one pixel more covers its rounding.
        let reach = scene.preprocess.interpolation.support() * (1.0 / scale).max(1.0) + 1.0;
        pixels.start as f64 - reach..pixels.end as f64 + reach
    };
    let (rows, columns) =
        placement.crop_rectangle(widened(rows, scale.0), widened(columns, scale.1));
    rows.is_empty() || columns.is_empty()
}
