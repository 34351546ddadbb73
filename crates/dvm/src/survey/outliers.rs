//! Outliers: pictures whose map differs from all others of their class.

use super::clusters::{chosen, squared};
use crate::numbers::median;

/// The number of nearest maps in the mean distance.
const NEAREST: usize = 5;

/// The modified z-score from which a map is an outlier (Iglewicz and Hoaglin 1993).
pub const OUTLIER: f64 = 3.5;

/// The minimum of the median deviation as a part of the median distance: otherwise, rounding errors would make
/// outliers of maps that are nearly equally far apart.
const LEAST_DEVIATION: f64 = 0.05;

/// Fewer maps have no outliers.
const FEWEST: usize = 10;

/// The modified z-score of each map: the mean distance to its five nearest maps, in median absolute deviations
/// (times 0.6745) from the median of the class. Zero for fewer than ten maps. In a large class, maps are compared
/// with those in the graph.
pub(super) fn scores(maps: &[&[f32]], seed: u64) -> Vec<f64> {
    if maps.len() < FEWEST {
        return vec![0.0; maps.len()];
    }
    let among = chosen(maps.len(), seed);
    let far = |(index, map): (usize, &&[f32])| {
        let others = among.iter().filter(|&&other| other != index);
        let mut distances: Vec<f64> = others.map(|&other| squared(map, maps[other])).collect();
        distances.sort_by(f64::total_cmp);
        let near = &distances[..NEAREST.min(distances.len())];
        near.iter().map(|squared| squared.sqrt()).sum::<f64>() / near.len() as f64
    };
    let distances: Vec<f64> = maps.iter().enumerate().map(far).collect();
    let middle = median(distances.clone());
    let deviations = distances.iter().map(|d| (d - middle).abs());
    let deviation = median(deviations.collect()).max(LEAST_DEVIATION * middle);
    let score = |distance: &f64| match deviation > 0.0 {
        true => 0.6745 * (distance - middle) / deviation,
        false => 0.0,
    };
    distances.iter().map(score).collect()
}

#[cfg(test)]
mod tests {
    use dvm_attribution::random::Stream;

    use super::*;

    #[test]
    fn a_map_with_its_relevance_elsewhere_is_an_outlier() {
        let noise = Stream::new("noise", 0).uniform(30 * 16);
        let mut maps: Vec<Vec<f32>> = noise.chunks(16).map(<[f32]>::to_vec).collect();
        maps[17][3] += 3.0;
        let maps: Vec<&[f32]> = maps.iter().map(|map| &map[..]).collect();
        let scores = scores(&maps, 0);
        for (index, score) in scores.iter().enumerate() {
            assert_eq!(*score > OUTLIER, index == 17, "{index}: {score}");
        }
    }

    #[test]
    fn equal_maps_have_no_outlier() {
        let map = [0.5f32, 0.5];
        assert!(scores(&[&map[..]; 20], 0).iter().all(|&score| score == 0.0));
    }
}
