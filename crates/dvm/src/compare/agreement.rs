//! Agreement of the maps of one picture.

use dvm_attribution::metrics::agreement::{correlation, ranks, ssim};

use super::lines::Agreement;

/// Spearman's rank correlation and the structural similarity of each pair of relevances `[H, W]`; none if there is
/// no map.
pub(super) fn of(relevances: &[Option<Vec<f32>>], size: (usize, usize)) -> Agreement {
    let places: Vec<Option<Vec<f64>>> = relevances
        .iter()
        .map(|map| map.as_deref().map(ranks))
        .collect();
    let rank = |i: usize, j: usize| Some(correlation(places[i].as_ref()?, places[j].as_ref()?));
    let similarity = |i: usize, j: usize| {
        let (a, b) = (relevances[i].as_ref()?, relevances[j].as_ref()?);
        Some(ssim(a, b, size))
    };
    Agreement {
        rank_correlation: matrix(relevances.len(), rank),
        structural_similarity: matrix(relevances.len(), similarity),
    }
}

/// A symmetric matrix; each pair is computed once.
fn matrix(count: usize, value: impl Fn(usize, usize) -> Option<f64>) -> Vec<Vec<Option<f64>>> {
    let lower: Vec<Vec<Option<f64>>> = (0..count)
        .map(|i| (0..=i).map(|j| value(i, j)).collect())
        .collect();
    let entry = |i: usize, j: usize| lower[i.max(j)][i.min(j)];
    (0..count)
        .map(|i| (0..count).map(|j| entry(i, j)).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agreement_is_symmetric_and_complete_with_itself() {
        let maps = [
            Some(vec![0.1, 0.4, 0.2, 0.9]),
            None,
            // The ranks 2, 1, 4, 3 beside 1, 3, 2, 4: 1 − 6 · (1 + 4 + 4 + 1) / 60 = 0.
            Some(vec![0.2, 0.1, 0.4, 0.3]),
        ];
        let found = of(&maps, (2, 2));
        let rank = &found.rank_correlation;
        assert!((rank[0][0].unwrap() - 1.0).abs() < 1e-12);
        assert!(rank[0][2].unwrap().abs() < 1e-12);
        assert_eq!(rank[0][2], rank[2][0]);
        assert_eq!((rank[1][1], rank[0][1]), (None, None));
        assert!((found.structural_similarity[2][2].unwrap() - 1.0).abs() < 1e-12);
    }
}
