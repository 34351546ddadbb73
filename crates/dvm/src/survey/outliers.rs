//! Pictures whose map is far from all others of their class.

use super::clusters::{chosen, squared};

/// Nearest maps whose mean distance counts.
const NEAREST: usize = 5;

/// From here on a map is an outlier: a robust z of the modified kind (Iglewicz and Hoaglin 1993).
pub const OUTLIER: f64 = 3.5;

/// The median deviation counts as this part of the median distance at least: maps that are nearly all equally
/// far apart would make outliers of rounding errors.
const LEAST_DEVIATION: f64 = 0.05;

/// Fewer maps have no outliers.
const FEWEST: usize = 10;

/// How far each map is from the others of its class: the mean distance to its five nearest ones, in
/// median absolute deviations (times 0.6745) from the median of the class. Zero where there are fewer than ten
/// maps. Large classes are compared with the maps of their graph.
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
    let middle = median(&distances);
    let deviations: Vec<f64> = distances.iter().map(|d| (d - middle).abs()).collect();
    let deviation = median(&deviations).max(LEAST_DEVIATION * middle);
    let score = |distance: &f64| match deviation > 0.0 {
        true => 0.6745 * (distance - middle) / deviation,
        false => 0.0,
    };
    distances.iter().map(score).collect()
}

/// The middle of some numbers, or the mean of the two in the middle.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match sorted.len() % 2 {
        0 => f64::midpoint(sorted[half - 1], sorted[half]),
        _ => sorted[half],
    }
}

#[cfg(test)]
mod tests {
    use dvm_attribution::random::Stream;

    use super::*;

    #[test]
    fn the_one_map_that_is_elsewhere_is_the_outlier() {
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
    fn maps_that_are_all_alike_have_no_outlier() {
        let map = [0.5f32, 0.5];
        assert!(scores(&[&map[..]; 20], 0).iter().all(|&score| score == 0.0));
    }

    #[test]
    fn the_median_of_an_even_number_is_between_the_two_in_the_middle() {
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median(&[4.0, 1.0, 3.0]), 3.0);
    }
}
