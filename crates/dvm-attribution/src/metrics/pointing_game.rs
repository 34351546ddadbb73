//! Pointing game: is the highest point of the map on the object?

use dvm_options::{OptionSpec, Takes};

use super::object::Object;
use super::registry::{Better, MetricEntry, Needs, Question};
use super::{Candidate, Measurement, Metric};
use crate::Error;
use crate::registry::{Published, Reference};

/// How far the highest point may be from the object.
const TOLERANCE: OptionSpec = OptionSpec {
    name: "tolerance",
    takes: Takes::Text("PIXELS"),
    default: "15",
    help: "largest distance from the highest point to the object, in pixels of a picture whose \
           shorter side has 224 pixels; scaled for other sizes",
};

/// The side of the pictures that the tolerance refers to.
const SIDE: f64 = 224.0;

/// Whether the highest point of the map is on the object.
pub const POINTING_GAME: MetricEntry = MetricEntry {
    name: "pointing-game",
    title: "pointing game",
    summary: "1 if the highest point of the map is on the object or within the tolerance, \
              otherwise 0; if several points are equally high, the share of them for which it is",
    reference: Reference {
        authors: "Zhang, Lin, Brandt, Shen, Sclaroff",
        year: 2016,
        title: "Top-down Neural Attention by Excitation Backprop",
        published: Published::Arxiv("1608.00507"),
    },
    question: Question::Localisation,
    better: Better::Higher,
    needs: Needs::Region,
    cost: "none",
    options: &[TOLERANCE],
    build: |options| {
        let tolerance = options.positive(&TOLERANCE)?;
        Ok(Box::new(PointingGame { tolerance }))
    },
};

struct PointingGame {
    /// Pixels, in a picture whose shorter side has [`SIDE`].
    tolerance: f64,
}

impl Metric for PointingGame {
    fn measure(&self, candidate: &Candidate) -> Result<Measurement, Error> {
        let object = Object::of(candidate)?;
        let (height, width) = candidate.subject().size();
        let tolerance = self.tolerance * height.min(width) as f64 / SIDE;
        let points = highest(candidate.relevance());
        let distances = Distances::new(object.pixels, width);
        let mut hits = 0;
        let mut nearest = f64::INFINITY;
        for &point in &points {
            let distance = distances.of(point);
            hits += usize::from(distance <= tolerance);
            nearest = nearest.min(distance);
        }
        let finding = (hits == 0).then(|| {
            format!("the highest point of the map is {nearest:.0} pixels away from the object")
        });
        Ok(Measurement::of(hits as f64 / points.len() as f64)
            .with_figure("pixels to the object", nearest)
            .with_figure("tolerance in pixels", tolerance)
            .with_finding(finding))
    }
}

/// The pixels with the largest value.
fn highest(values: &[f32]) -> Vec<usize> {
    let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let is_highest = |pixel: &usize| values[*pixel] == largest;
    (0..values.len()).filter(is_highest).collect()
}

/// How far pixels are from an object.
struct Distances {
    width: usize,
    /// Rows from each pixel to the nearest pixel of the object in its column, `[H, W]`;
    /// `usize::MAX` if there is none.
    rows: Vec<u32>,
}

impl Distances {
    fn new(object: &[bool], width: usize) -> Self {
        let mut rows: Vec<u32> = object
            .iter()
            .map(|&is_object| if is_object { 0 } else { u32::MAX })
            .collect();
        for pixel in width..rows.len() {
            rows[pixel] = rows[pixel].min(rows[pixel - width].saturating_add(1));
        }
        for pixel in (width..rows.len()).rev() {
            rows[pixel - width] = rows[pixel - width].min(rows[pixel].saturating_add(1));
        }
        Self { width, rows }
    }

    /// The distance from the centre of a pixel to that of the nearest pixel of the object.
    fn of(&self, pixel: usize) -> f64 {
        let column = pixel % self.width;
        let row = &self.rows[pixel - column..][..self.width];
        let mut nearest = u64::MAX;
        for (other, &rows) in row.iter().enumerate() {
            let columns = other.abs_diff(column) as u64;
            let squared = u64::from(rows).pow(2).saturating_add(columns.pow(2));
            if rows != u32::MAX {
                nearest = nearest.min(squared);
            }
        }
        (nearest as f64).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_equal_a_search_over_all_pixels() {
        let (height, width) = (7, 9);
        let mut object = vec![false; height * width];
        for pixel in [3, 29, 30, 44] {
            object[pixel] = true;
        }
        let distances = Distances::new(&object, width);
        for pixel in 0..object.len() {
            let (y, x) = (pixel / width, pixel % width);
            let slow = (0..object.len())
                .filter(|&other| object[other])
                .map(|other| {
                    let (dy, dx) = ((other / width).abs_diff(y), (other % width).abs_diff(x));
                    ((dy * dy + dx * dx) as f64).sqrt()
                })
                .fold(f64::INFINITY, f64::min);
            assert_eq!(distances.of(pixel), slow, "{pixel}");
        }
    }

    #[test]
    fn all_of_several_highest_points_are_found() {
        assert_eq!(highest(&[1.0, -3.0, 1.0, 0.5]), [0, 2]);
        assert_eq!(highest(&[-1.0, -3.0]), [0]);
    }
}
