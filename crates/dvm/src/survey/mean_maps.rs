//! The mean map and the mean picture of a class.

use dvm_image::{Interpolation, Picture, resize};

use super::maps::shares;
use super::places::{GRID, PARTS};

/// The maximum rows and columns of a mean: a mean of many pictures has no finer details, and 1000 classes fit into
/// memory.
const FINEST: usize = 64;

/// Sums over the pictures of a class. Every picture counts the same: its map is divided by its positive sum.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    size: (usize, usize),
    map: Vec<f64>,
    picture: Vec<f64>,
    maps: usize,
}

/// A mean over the pictures of a class.
#[derive(Clone, Debug, PartialEq)]
pub struct MeanMap {
    /// Rows and columns of both.
    pub size: (usize, usize),
    /// Relevance of each cell, `[rows, columns]`, relative to a uniform map: 1 is its share of the area.
    pub map: Vec<f32>,
    /// The mean of the pictures, `[rows, columns]`.
    pub picture: Picture,
}

impl Sums {
    /// No pictures yet; crops have this size.
    pub fn new((height, width): (usize, usize)) -> Self {
        let size = (height.min(FINEST), width.min(FINEST));
        Self {
            size,
            map: vec![0.0; size.0 * size.1],
            picture: vec![0.0; size.0 * size.1 * 3],
            maps: 0,
        }
    }

    /// Adds the map `[H, W]` of a crop, if it has positive values.
    pub fn add(&mut self, relevance: &[f32], crop: &Picture) {
        let (height, width) = (crop.height(), crop.width());
        let Some(map) = shares(relevance, (height, width), self.size) else {
            return;
        };
        self.maps += 1;
        let both = self.map.iter_mut().zip(map);
        both.for_each(|(sum, share)| *sum += f64::from(share));
        let small = resize(crop, self.size.0, self.size.1, Interpolation::Bilinear);
        let both = self.picture.iter_mut().zip(small.rgb());
        both.for_each(|(sum, &value)| *sum += f64::from(value));
    }

    /// The means; `None` if no map had positive values.
    pub fn mean(&self) -> Option<MeanMap> {
        if self.maps == 0 {
            return None;
        }
        let maps = self.maps as f64;
        let cells = self.map.len() as f64;
        let rgb = self.picture.iter().map(|sum| (sum / maps).round() as u8);
        Some(MeanMap {
            size: self.size,
            map: self
                .map
                .iter()
                .map(|sum| (sum / maps * cells) as f32)
                .collect(),
            picture: Picture::new(self.size.0, self.size.1, rgb.collect()),
        })
    }
}

/// The sum of maps of cells, `[16, 16]`.
pub(super) struct CellSums {
    count: usize,
    sums: Vec<f64>,
}

impl CellSums {
    pub fn of<'a>(maps: impl Iterator<Item = &'a [f32]>) -> Self {
        let (mut count, mut sums) = (0, vec![0.0; GRID * GRID]);
        for map in maps {
            count += 1;
            let both = sums.iter_mut().zip(map);
            both.for_each(|(sum, &share)| *sum += f64::from(share));
        }
        Self { count, sums }
    }

    /// The number of the other maps and their mean: all except `maps`, which are some of them.
    pub fn without(&self, maps: &[&[f32]]) -> (usize, Vec<f32>) {
        let count = self.count - maps.len();
        let of_cell = |(cell, sum): (usize, &f64)| {
            let own: f64 = maps.iter().map(|map| f64::from(map[cell])).sum();
            ((sum - own) / count.max(1) as f64) as f32
        };
        (count, self.sums.iter().enumerate().map(of_cell).collect())
    }
}

/// The mean of maps of cells, `[16, 16]`; zero if there are no maps.
pub(super) fn mean_cells<'a>(maps: impl Iterator<Item = &'a [f32]>) -> Vec<f32> {
    CellSums::of(maps).without(&[]).1
}

/// The sum of a map of cells in each of [`PARTS`].
pub(super) fn energies(cells: &[f32]) -> [f64; 9] {
    PARTS.map(|(_, part)| part.of(cells))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_picture_counts_the_same_in_the_mean_map() {
        let mut sums = Sums::new((2, 2));
        let grey = |value| Picture::filled(2, 2, [value; 3]);
        sums.add(&[1.0, 0.0, 0.0, 0.0], &grey(10));
        sums.add(&[0.0, 0.0, 0.0, 900.0], &grey(20));
        sums.add(&[-1.0, 0.0, 0.0, 0.0], &grey(250));
        let mean = sums.mean().unwrap();
        assert_eq!(mean.map, [2.0, 0.0, 0.0, 2.0]);
        assert_eq!(mean.picture.pixel(1, 1), [15; 3]);
    }

    #[test]
    fn without_maps_there_is_no_mean() {
        assert_eq!(Sums::new((30, 30)).mean(), None);
    }

    #[test]
    fn a_uniform_map_has_the_area_of_each_part() {
        let even = vec![1.0 / 256.0; 256];
        let mean = mean_cells([&even[..], &even].into_iter());
        for (energy, (_, part)) in energies(&mean).iter().zip(PARTS) {
            assert_eq!(*energy, part.area());
        }
    }
}
