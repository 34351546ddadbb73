//! Segments of a picture: superpixels, a grid, or a label file; the option that all methods over segments share.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use dvm_engine::incremental::Rectangle;
use dvm_image::Input;
use dvm_options::Takes;

use super::{label_file, slic};
use crate::{Array, Error, OptionSpec};

/// The option of all methods over segments.
pub(super) const SEGMENTS: OptionSpec = OptionSpec {
    name: "segments",
    takes: Takes::Text("slic:N|grid:N|grid:ROWSxCOLUMNS|file:PATH"),
    default: "slic:50",
    help: "the segments: about N superpixels (SLIC, Achanta et al. 2012), the cells of a grid, or \
           the labels in a PNG or .npy file of the size of the picture or of the network's input",
};

/// How a picture is divided into segments.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Segmentation {
    /// About this number of superpixels.
    Slic(usize),
    /// Rows and columns of cells.
    Grid(usize, usize),
    /// The labels of a file.
    File(PathBuf),
}

impl FromStr for Segmentation {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = "it must be slic:N, grid:N, grid:ROWSxCOLUMNS or file:PATH, such as \
                        slic:50, with numbers greater than 0";
        let above_zero = |text: &str| text.parse().ok().filter(|&number: &usize| number > 0);
        let (kind, value) = text.split_once(':').ok_or(expected)?;
        let found = match kind {
            "slic" => above_zero(value).map(Self::Slic),
            "grid" => {
                let (rows, columns) = value.split_once('x').unwrap_or((value, value));
                above_zero(rows)
                    .zip(above_zero(columns))
                    .map(|(rows, columns)| Self::Grid(rows, columns))
            }
            "file" if !value.is_empty() => Some(Self::File(value.into())),
            _ => None,
        };
        found.ok_or(expected)
    }
}

impl fmt::Display for Segmentation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slic(count) => write!(f, "slic:{count}"),
            Self::Grid(rows, columns) if rows == columns => write!(f, "grid:{rows}"),
            Self::Grid(rows, columns) => write!(f, "grid:{rows}x{columns}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

/// The segments of one picture.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Segments {
    /// Labels `[H, W]` of the network's input, row-major, from 0 without gaps.
    pub labels: Arc<Vec<u32>>,
    /// Rows and columns.
    pub size: (usize, usize),
    /// Number of segments.
    pub count: usize,
}

impl Segmentation {
    /// The segments of the network's input.
    ///
    /// # Errors
    /// [`Error::Unfit`] for a grid with more cells than pixels, and for a file that cannot be read or does not fit.
    pub fn of(&self, input: &Input) -> Result<Segments, Error> {
        let [_, height, width] = input.shape();
        let labels = match self {
            Self::Slic(count) => slic::slic(input.crop(), *count),
            &Self::Grid(rows, columns) if rows > height || columns > width => {
                return Err(Error::Unfit(format!(
                    "the network's input has {height}×{width} pixels, fewer than the {rows}×{columns} cells \
                     of the option `segments`; choose fewer cells"
                )));
            }
            &Self::Grid(rows, columns) => grid((height, width), rows, columns),
            Self::File(path) => {
                let file = label_file::read(path).map_err(Error::Unfit)?;
                let labels = file.on(input).ok_or_else(|| {
                    let original = input.placement().original_size();
                    Error::Unfit(format!(
                        "{}: the labels have {}×{} pixels, but the network's input has \
                         {height}×{width} and the picture {}×{}; use labels of one of these sizes",
                        path.display(),
                        file.size.0,
                        file.size.1,
                        original.0,
                        original.1,
                    ))
                })?;
                without_gaps(&labels)
            }
        };
        Ok(Segments::new(labels, (height, width)))
    }
}

impl Segments {
    fn new(labels: Vec<u32>, size: (usize, usize)) -> Self {
        Self {
            count: labels.iter().max().map_or(0, |&last| last as usize + 1),
            labels: Arc::new(labels),
            size,
        }
    }

    /// The smallest rectangle around each segment.
    pub fn rectangles(&self) -> Vec<Rectangle> {
        let (height, width) = self.size;
        let none = || Rectangle {
            rows: height..0,
            columns: width..0,
        };
        let mut found: Vec<Rectangle> = (0..self.count).map(|_| none()).collect();
        for (at, &label) in self.labels.iter().enumerate() {
            let (y, x) = (at / width, at % width);
            let Rectangle { rows, columns } = &mut found[label as usize];
            *rows = rows.start.min(y)..rows.end.max(y + 1);
            *columns = columns.start.min(x)..columns.end.max(x + 1);
        }
        found
    }

    /// The labels as an array, for files and figures.
    pub fn array(&self) -> Array {
        let labels = self.labels.iter().map(|&label| label as f32).collect();
        Array {
            is_of_all_classes: true,
            ..Array::new(Array::SEGMENTS, &[self.size.0, self.size.1], labels)
        }
    }

    /// One value per segment as one value per pixel, `[H, W]`.
    pub fn spread(&self, values: &[f32]) -> Vec<f32> {
        let value = |&label: &u32| values[label as usize];
        self.labels.iter().map(value).collect()
    }
}

/// Labels of a grid of cells, row by row; the sizes of cells differ by one pixel at most.
fn grid((height, width): (usize, usize), rows: usize, columns: usize) -> Vec<u32> {
    let label = |y: usize, x: usize| y * rows / height * columns + x * columns / width;
    (0..height)
        .flat_map(|y| (0..width).map(move |x| label(y, x) as u32))
        .collect()
}

/// The same segments with labels from 0 without gaps, in the order of the values.
pub(super) fn without_gaps<T: Ord>(labels: &[T]) -> Vec<u32> {
    let mut places: BTreeMap<&T, u32> = labels.iter().map(|label| (label, 0)).collect();
    for (place, next) in places.values_mut().zip(0..) {
        *place = next;
    }
    labels.iter().map(|label| places[label]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segmentation_is_read_and_written_as_text() {
        for text in ["slic:50", "grid:14", "grid:3x5", "file:a/b:c.npy"] {
            assert_eq!(text.parse::<Segmentation>().unwrap().to_string(), text);
        }
        for text in [
            "slic", "slic:0", "grid:3x", "grid:x3", "file:", "cells:4", "",
        ] {
            assert!(text.parse::<Segmentation>().is_err(), "{text}");
        }
    }

    #[test]
    fn cells_of_a_grid_differ_by_one_pixel_at_most() {
        assert_eq!(grid((3, 4), 2, 3), [0, 0, 1, 2, 0, 0, 1, 2, 3, 3, 4, 5]);
    }

    #[test]
    fn labels_keep_their_order_and_get_no_gaps() {
        assert_eq!(without_gaps(&[7, 300, 7, 0, 12]), [1, 3, 1, 0, 2]);
    }

    #[test]
    fn the_rectangle_of_a_segment_includes_all_its_parts() {
        let segments = Segments::new(vec![0, 1, 0, 1, 1, 1, 2, 1, 1], (3, 3));
        let rectangles = segments.rectangles();
        assert_eq!(
            (rectangles[0].rows.clone(), rectangles[0].columns.clone()),
            (0..1, 0..3)
        );
        assert_eq!(
            (rectangles[1].rows.clone(), rectangles[1].columns.clone()),
            (0..3, 0..3)
        );
        assert_eq!(
            (rectangles[2].rows.clone(), rectangles[2].columns.clone()),
            (2..3, 0..1)
        );
    }
}

#[cfg(test)]
mod against_scikit_image {
    //! Labels of `references/perturbations.py`.

    use std::path::Path;

    use dvm_engine::seeded;
    use dvm_engine::weights::Weights;
    use dvm_image::Picture;

    use super::super::{felzenszwalb::felzenszwalb, slic::slic};

    const SIZE: (usize, usize) = (56, 72);

    /// Blocks of 13×13 pixels of one colour, and noise of every pixel.
    fn picture() -> Picture {
        let (height, width) = SIZE;
        let columns = width.div_ceil(13);
        let blocks = seeded::unit("segments.blocks", height.div_ceil(13) * columns * 3);
        let pixels = seeded::unit("segments.pixels", height * width * 3);
        let value = |at: usize| {
            let (y, x, c) = (at / 3 / width, at / 3 % width, at % 3);
            let block = f64::from(blocks[(y / 13 * columns + x / 13) * 3 + c]);
            (232.0 * block + 24.0 * f64::from(pixels[at])) as u8
        };
        Picture::new(height, width, (0..height * width * 3).map(value).collect())
    }

    fn reference(name: &str) -> Vec<u32> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/references");
        let weights = Weights::read(&folder.join("segments.safetensors")).unwrap();
        let values = &weights.get(name).unwrap().values;
        values.iter().map(|&label| label as u32).collect()
    }

    #[test]
    fn superpixels_equal_those_of_scikit_image() {
        assert_eq!(slic(&picture(), 20), reference("slic"));
    }

    #[test]
    fn segments_by_graph_equal_those_of_scikit_image() {
        for (scale, smallest) in [(50, 40), (2000, 5)] {
            let name = format!("felzenszwalb.{scale}.{smallest}");
            let labels = felzenszwalb(&picture(), f64::from(scale), smallest);
            assert_eq!(labels, reference(&name), "{name}");
        }
    }
}
