//! The picture with one window covered.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use dvm_engine::Tensor;
use dvm_engine::incremental::Rectangle;
use dvm_image::{Grid, Picture};

use crate::baseline::{Baseline, Cover};
use crate::probe::{Variants, replace, rows_of};
use crate::{Error, Subject};

/// Standard deviation of the fill `blur` in parts of the window's longer side: at half the window,
/// nothing that fits in it is visible.
pub const BLUR: f64 = 0.5;

/// All windows of a grid over one picture.
pub(super) struct Windows<'a> {
    subject: &'a Subject<'a>,
    grid: Grid,
    covering: Covering<'a>,
}

enum Covering<'a> {
    /// Windows on the network's input: the normalised fill, stored as the input is, `H, W, C`.
    Input { cover: Vec<f32> },
    /// Windows on the original picture: the fill is rounded to whole colours.
    Image {
        original: &'a Picture,
        cover: Cover,
        /// The normalised values of the crop without a window, as stored: equal to the input,
        /// unless noise was added to that.
        uncovered: Vec<f32>,
        /// Copies of the original to draw windows on, one for each thread that works.
        canvases: Mutex<Vec<Picture>>,
    },
}

impl<'a> Windows<'a> {
    /// Windows on the crop that the network sees.
    pub fn over_input(
        subject: &'a Subject<'a>,
        grid: Grid,
        fill: &Baseline,
        noise_seed: u64,
    ) -> Result<Self, Error> {
        let (sigma, noise) = Self::blur_and_noise(&grid, noise_seed);
        Ok(Self {
            subject,
            grid,
            covering: Covering::Input {
                cover: fill.input(subject, sigma, &noise)?,
            },
        })
    }

    /// Windows on the original picture, before it is resized and cropped. Values of the input that differ from the
    /// prepared original, such as those with noise, are kept where a window has no influence.
    pub fn over_image(
        subject: &'a Subject<'a>,
        grid: Grid,
        fill: &Baseline,
        noise_seed: u64,
    ) -> Result<Self, Error> {
        let original = subject.input().original();
        let (sigma, noise) = Self::blur_and_noise(&grid, noise_seed);
        let crop = subject.preprocess().crop_of(original);
        let uncovered = subject.preprocess().normalise(&crop);
        let uncovered = Tensor::from_nchw(&subject.shape(), &uncovered);
        Ok(Self {
            subject,
            grid,
            covering: Covering::Image {
                uncovered: uncovered.data().to_vec(),
                original,
                cover: fill.over(original, subject.preprocess(), sigma, &noise)?,
                canvases: Mutex::new(Vec::new()),
            },
        })
    }

    fn blur_and_noise(grid: &Grid, noise_seed: u64) -> (f64, String) {
        let sigma = grid.window.0.max(grid.window.1) as f64 * BLUR;
        (sigma, format!("occlusion noise {noise_seed}"))
    }

    /// Rows and columns of the picture under a window.
    fn pixels_of(&self, window: usize) -> Rectangle {
        let columns = self.grid.columns();
        let (rows, columns) = self.grid.pixels_of(window / columns, window % columns);
        Rectangle { rows, columns }
    }
}

impl Variants for Windows<'_> {
    fn count(&self) -> usize {
        self.grid.rows() * self.grid.columns()
    }

    fn rectangle(&self, window: usize) -> Option<Rectangle> {
        let pixels = self.pixels_of(window);
        Some(match &self.covering {
            Covering::Input { .. } => pixels,
            Covering::Image { .. } => influence_on_crop(self.subject, &pixels),
        })
    }

    fn are_windows(&self) -> bool {
        true
    }

    /// The picture with one window covered.
    fn variant(&self, picture: &[f32], window: usize) -> Option<Vec<f32>> {
        let subject = self.subject;
        let window = self.pixels_of(window);
        let channels = match &self.covering {
            Covering::Input { .. } => subject.preprocess().channels.count(),
            // A picture has three channels, even if the network has another number.
            Covering::Image { .. } => 3,
        };
        let spans = rows_of(&window, self.grid.width, channels);
        let values = match &self.covering {
            Covering::Input { cover } => {
                let mut values = picture.to_vec();
                replace(&mut values, cover, spans);
                values
            }
            Covering::Image {
                original,
                cover,
                uncovered,
                canvases,
            } => {
                let influenced = influence_on_crop(subject, &window);
                if influenced.is_empty() {
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
                let part = subject.preprocess().part_of_crop(
                    &canvas,
                    influenced.rows.clone(),
                    influenced.columns.clone(),
                );
                for span in spans {
                    canvas.rgb_mut()[span.clone()].copy_from_slice(&original.rgb()[span]);
                }
                lock().push(canvas);
                let mut values = picture.to_vec();
                self.put(&part, &influenced, uncovered, &mut values);
                values
            }
        };
        (values != picture).then_some(values)
    }
}

impl Windows<'_> {
    /// Copies a part of a covered crop into the input's values, wherever it differs from `uncovered`.
    fn put(&self, part: &Picture, at: &Rectangle, uncovered: &[f32], values: &mut [f32]) {
        let (rows, columns) = at.size();
        let channels = self.subject.preprocess().channels.count();
        let normalised = self.subject.preprocess().normalise(part);
        let part = Tensor::from_nchw(&[1, channels, rows, columns], &normalised);
        let width = self.subject.size().1;
        for (y, row) in at.rows.clone().zip(part.data().chunks(columns * channels)) {
            let own = (y * width + at.columns.start) * channels..;
            let own = values[own.clone()].iter_mut().zip(&uncovered[own]);
            for ((value, &uncovered), &covered) in own.zip(row) {
                if covered != uncovered {
                    *value = covered;
                }
            }
        }
    }
}

/// The part of the crop that these pixels of the original influence, which depends on the resizing
/// filter. Empty if they are outside of the crop.
fn influence_on_crop(subject: &Subject, pixels: &Rectangle) -> Rectangle {
    let placement = subject.input().placement();
    let scale = placement.scale();
    let widened = |pixels: &Range<usize>, scale: f64| {
        // Shrinking widens the filter; one pixel is added for rounding.
        let reach = subject.preprocess().interpolation.support() * (1.0 / scale).max(1.0) + 1.0;
        pixels.start as f64 - reach..pixels.end as f64 + reach
    };
    let (rows, columns) = placement.crop_rectangle(
        widened(&pixels.rows, scale.0),
        widened(&pixels.columns, scale.1),
    );
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
