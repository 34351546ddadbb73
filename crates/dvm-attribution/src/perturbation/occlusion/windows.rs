//! The picture with one window covered.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use dvm_engine::Tensor;
use dvm_engine::incremental::Rectangle;
use dvm_image::{Grid, Picture};

use super::fill::{Cover, Fill};
use crate::Scene;

/// Every window of a grid over one picture, and how to make the covered versions of it.
pub(super) struct Windows<'a> {
    pub grid: Grid,
    covering: Covering<'a>,
}

enum Covering<'a> {
    /// Windows on the network's input: the normalised cover, stored as the input is, `H, W, C`.
    Input { cover: Vec<f32> },
    /// Windows on the original picture: the cover is rounded to whole colours.
    Image {
        original: &'a Picture,
        cover: Cover,
        /// Copies of the original to draw windows on, as many as threads ask for one at a time.
        canvases: Mutex<Vec<Picture>>,
    },
}

impl<'a> Windows<'a> {
    /// Windows on the crop that the network sees.
    pub fn over_input(scene: &'a Scene, grid: Grid, fill: Fill, noise_seed: u64) -> Self {
        let crop = scene.input.crop();
        let normalised = |colour: [f32; 3]| {
            // Exactly zero, not the rounded difference of two equal numbers.
            let is_zero = fill == Fill::Zero;
            let values = scene.preprocess.normalise_colour(colour);
            values.map(move |value| if is_zero { 0.0 } else { value })
        };
        let cover = match fill.over(crop, scene.preprocess, grid.window, noise_seed) {
            Cover::Colour(colour) => {
                let pixel: Vec<f32> = normalised(colour).collect();
                pixel.repeat(grid.height * grid.width)
            }
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

    /// How many windows there are.
    pub fn count(&self) -> usize {
        self.grid.rows() * self.grid.columns()
    }

    /// Rows and columns of the picture that the windows are laid on, under one of them.
    fn pixels_of(&self, window: usize) -> (Range<usize>, Range<usize>) {
        let columns = self.grid.columns();
        self.grid.pixels_of(window / columns, window % columns)
    }

    /// The part of the network's input outside which one window changes nothing.
    pub fn influence(&self, scene: &Scene, window: usize) -> Rectangle {
        let (rows, columns) = self.pixels_of(window);
        match &self.covering {
            Covering::Input { .. } => Rectangle { rows, columns },
            Covering::Image { .. } => influence_on_crop(scene, &rows, &columns),
        }
    }

    /// The network's input with one window covered, stored `H, W, C`; `None` if that changes
    /// nothing.
    pub fn covered(&self, scene: &Scene, base: &[f32], window: usize) -> Option<Vec<f32>> {
        let (rows, columns) = self.pixels_of(window);
        let channels = match &self.covering {
            Covering::Input { .. } => scene.preprocess.channels.count(),
            // A picture has three, whatever the network takes.
            Covering::Image { .. } => 3,
        };
        // The same stretch of each covered row, in values.
        let spans = rows.clone().map(|y| {
            let start = (y * self.grid.width + columns.start) * channels;
            start..start + columns.len() * channels
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
                if influence_on_crop(scene, &rows, &columns).is_empty() {
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

/// The part of the crop that these pixels of the original have an influence on: as far as the
/// resizing filter reaches. Empty where they were cut off.
fn influence_on_crop(scene: &Scene, rows: &Range<usize>, columns: &Range<usize>) -> Rectangle {
    let placement = scene.input.placement();
    let scale = placement.scale();
    let widened = |pixels: &Range<usize>, scale: f64| {
        // Shrinking widens the filter; one pixel more covers its rounding.
        let reach = scene.preprocess.interpolation.support() * (1.0 / scale).max(1.0) + 1.0;
        pixels.start as f64 - reach..pixels.end as f64 + reach
    };
    let (rows, columns) =
        placement.crop_rectangle(widened(rows, scale.0), widened(columns, scale.1));
    let pixels = |span: Range<f64>| {
        if span.is_empty() {
            0..0
        } else {
            span.start.floor() as usize..span.end.ceil() as usize
        }
    };
    Rectangle {
        rows: pixels(rows),
        columns: pixels(columns),
    }
}
