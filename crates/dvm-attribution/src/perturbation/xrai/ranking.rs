//! Ranks segments by the mean attribution of the new pixels that each adds (Kapishnikov, Bolukbasi,
//! Viégas, Terry 2019, arXiv 1906.02825, algorithm 1).

/// The result for one picture.
pub(super) struct Ranking {
    /// `[H, W]`: the mean attribution of the segment of each pixel when it was taken; pixels
    /// without a segment share the mean of theirs.
    pub map: Vec<f32>,
    /// `[H, W]`: the rank of each pixel, 1 for the first; pixels without a segment come last.
    pub ranks: Vec<u32>,
}

/// Takes `segments`, lists of pixels that may overlap, one after another: always the one whose new pixels have the
/// largest mean of `attribution` `[H, W]`. Those with fewer than `smallest` new pixels are left out.
pub(super) fn ranked(attribution: &[f64], segments: &[Vec<u32>], smallest: usize) -> Ranking {
    let mut members: Vec<Vec<u32>> = vec![Vec::new(); attribution.len()];
    for (segment, pixels) in segments.iter().enumerate() {
        for &pixel in pixels {
            members[pixel as usize].push(segment as u32);
        }
    }
    let sum = |pixels: &Vec<u32>| pixels.iter().map(|&p| attribution[p as usize]).sum::<f64>();
    let mut sums: Vec<f64> = segments.iter().map(sum).collect();
    let mut new: Vec<usize> = segments.iter().map(Vec::len).collect();
    let mut waiting: Vec<usize> = (0..segments.len()).collect();
    let mut map = vec![0.0f32; attribution.len()];
    let mut taken: Vec<Option<u32>> = vec![None; attribution.len()];
    let mut gains: Vec<f64> = Vec::new();
    loop {
        waiting.retain(|&segment| new[segment] >= smallest.max(1));
        let density = |segment: usize| sums[segment] / new[segment] as f64;
        let mut best: Option<(usize, f64)> = None;
        for &segment in &waiting {
            let density = density(segment);
            // The first of equal ones.
            if best.is_none_or(|(_, most)| density > most) {
                best = Some((segment, density));
            }
        }
        let Some((segment, gain)) = best else { break };
        for &pixel in &segments[segment] {
            let pixel = pixel as usize;
            if taken[pixel].is_none() {
                taken[pixel] = Some(gains.len() as u32);
                map[pixel] = gain as f32;
                for &other in &members[pixel] {
                    sums[other as usize] -= attribution[pixel];
                    new[other as usize] -= 1;
                }
            }
        }
        gains.push(gain);
        waiting.retain(|&other| other != segment);
    }
    fill_the_rest(attribution, &taken, &mut map);
    Ranking {
        map,
        ranks: ranks(&taken, &gains),
    }
}

/// Pixels without a segment share the mean of their attribution.
fn fill_the_rest(attribution: &[f64], taken: &[Option<u32>], map: &mut [f32]) {
    let rest = || (0..taken.len()).filter(|&pixel| taken[pixel].is_none());
    let sum: f64 = rest().map(|pixel| attribution[pixel]).sum();
    let mean = sum / rest().count().max(1) as f64;
    for pixel in rest() {
        map[pixel] = mean as f32;
    }
}

/// Ranks by gain, the largest first.
fn ranks(taken: &[Option<u32>], gains: &[f64]) -> Vec<u32> {
    let mut order: Vec<usize> = (0..gains.len()).collect();
    order.sort_by(|&a, &b| gains[b].total_cmp(&gains[a]));
    let mut places = vec![0; gains.len()];
    for (place, &segment) in (1u32..).zip(&order) {
        places[segment] = place;
    }
    let last = gains.len() as u32 + 1;
    let place = |taken: &Option<u32>| taken.map_or(last, |at| places[at as usize]);
    taken.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_densest_segment_comes_first_and_others_count_with_their_new_pixels() {
        let attribution = [5.0, 1.0, 4.0, 0.0, 2.0];
        // The second shares its best pixel with the first.
        let segments = [vec![0], vec![0, 1], vec![2, 3]];
        let ranking = ranked(&attribution, &segments, 1);
        assert_eq!(ranking.map, [5.0, 1.0, 2.0, 2.0, 2.0]);
        assert_eq!(ranking.ranks, [1, 3, 2, 2, 4]);
    }

    #[test]
    fn segments_that_add_too_little_are_left_out() {
        let ranking = ranked(&[9.0, 1.0, 2.0], &[vec![0], vec![1, 2]], 2);
        assert_eq!(ranking.map, [9.0, 1.5, 1.5]);
        assert_eq!(ranking.ranks, [2, 1, 1]);
    }
}

#[cfg(test)]
mod against_pair {
    //! The ranking of `references/perturbations.py`.

    use std::path::Path;

    use dvm_engine::seeded;
    use dvm_engine::weights::Weights;

    use super::super::{members, widened};
    use super::*;

    #[test]
    fn segments_are_taken_in_the_same_order_as_in_pair_saliency() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/references");
        let references = Weights::read(&folder.join("segments.safetensors")).unwrap();
        let values = |name: &str| references.get(name).unwrap().values.clone();
        let size = (56, 72);
        let drawn = seeded::uniform("attribution", size.0 * size.1, -1.0, 1.0);
        let attribution: Vec<f64> = drawn.into_iter().map(f64::from).collect();
        let mut segments = Vec::new();
        for name in ["slic", "felzenszwalb.50.40", "felzenszwalb.2000.5"] {
            let labels: Vec<u32> = values(name).iter().map(|&label| label as u32).collect();
            segments.extend(
                members(&labels)
                    .iter()
                    .map(|pixels| widened(pixels, size, 2)),
            );
        }
        let ranking = ranked(&attribution, &segments, 50);
        let ranks: Vec<f32> = ranking.ranks.iter().map(|&rank| rank as f32).collect();
        assert_eq!(ranks, values("xrai_ranks"));
        for (found, expected) in ranking.map.iter().zip(values("xrai_map")) {
            assert!((found - expected).abs() < 1e-6);
        }
    }
}
