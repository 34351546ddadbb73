//! Clusters of a class's maps: different strategies of the network.
//!
//! Spectral relevance analysis (Lapuschkin et al. 2019, arXiv 1902.10178): maps are reduced in size, a graph
//! connects each with its nearest ones, and the eigenvectors of its normalised Laplacian with the smallest
//! eigenvalues separate the clusters. The largest gap between eigenvalues gives the number of clusters.

use dvm_attribution::random::Stream;
use nalgebra::DMatrix;

use super::state::drawn;

/// The maximum number of maps in the graph of a class; other maps join the cluster of the nearest one.
pub const MOST_IN_GRAPH: usize = 600;

/// Fewer maps form one cluster: their graph would be too small.
pub const FEWEST: usize = 12;

/// The number of nearest maps that each map is connected with, if there are enough.
const NEIGHBOURS: usize = 10;

/// The maximum number of clusters.
pub const MOST_CLUSTERS: usize = 8;

/// The number of starts of k-means; the best is used.
const STARTS: u64 = 10;

/// The maximum number of rounds of k-means.
const ROUNDS: usize = 300;

/// Maps in clusters.
#[derive(Clone, Debug, PartialEq)]
pub struct Clusters {
    /// The cluster of each map: the largest cluster is 0.
    pub labels: Vec<usize>,
    /// The smallest eigenvalues of the graph's normalised Laplacian, 0 … 2, ascending; none for fewer than
    /// [`FEWEST`] maps.
    pub eigenvalues: Vec<f64>,
    /// Positions of the maps in the graph, ascending.
    pub in_graph: Vec<usize>,
    /// The number of nearest maps that each is connected with.
    pub neighbours: usize,
}

impl Clusters {
    /// Clusters of these maps, `[maps][cells]`. The choice of maps for a large graph and the starts of k-means
    /// depend on the seed.
    pub fn of(maps: &[&[f32]], seed: u64) -> Self {
        let in_graph = chosen(maps.len(), seed);
        let mut clusters = Self {
            labels: vec![0; maps.len()],
            eigenvalues: Vec::new(),
            neighbours: 0,
            in_graph,
        };
        let count = clusters.in_graph.len();
        if count < FEWEST {
            return clusters;
        }
        let in_graph: Vec<&[f32]> = clusters.in_graph.iter().map(|&index| maps[index]).collect();
        clusters.neighbours = NEIGHBOURS.min((count - 1) / 2);
        let affinity = affinity(&in_graph, clusters.neighbours);
        let (eigenvalues, vectors) = smallest(&affinity, MOST_CLUSTERS + 1);
        let kinds = by_largest_gap(&eigenvalues);
        let labels = match kinds {
            1 => vec![0; count],
            _ => k_means(&embedded(&affinity, &vectors, kinds), kinds, seed),
        };
        clusters.eigenvalues = eigenvalues;
        clusters.labels = if count == maps.len() {
            labels
        } else {
            let nearest = |map: &&[f32]| {
                let distances = in_graph.iter().map(|other| squared(map, other));
                let nearest = distances.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
                labels[nearest.expect("the graph has maps").0]
            };
            maps.iter().map(nearest).collect()
        };
        by_size(&mut clusters.labels);
        clusters
    }

    /// Number of clusters.
    pub fn count(&self) -> usize {
        self.labels.iter().max().map_or(0, |last| last + 1)
    }
}

/// The maps in the graph: all, or [`MOST_IN_GRAPH`] chosen at random by the seed.
pub(super) fn chosen(count: usize, seed: u64) -> Vec<usize> {
    drawn("maps of the graph", count, MOST_IN_GRAPH, seed)
}

/// The squared Euclidean distance.
pub(super) fn squared(a: &[f32], b: &[f32]) -> f64 {
    let both = a.iter().zip(b);
    both.map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2))
        .sum()
}

/// The affinity of each pair of maps, `[N, N]`: 1 if each is one of the `neighbours` nearest of the other, ½ if
/// this is true in one direction only, else 0. Ties go to the first.
pub fn affinity(maps: &[&[f32]], neighbours: usize) -> DMatrix<f64> {
    let count = maps.len();
    let mut affinity = DMatrix::zeros(count, count);
    for (row, map) in maps.iter().enumerate() {
        let others = (0..count).filter(|&other| other != row);
        let mut others: Vec<(f64, usize)> = others
            .map(|other| (squared(map, maps[other]), other))
            .collect();
        others.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        for &(_, other) in others.iter().take(neighbours) {
            affinity[(row, other)] += 0.5;
            affinity[(other, row)] += 0.5;
        }
    }
    affinity
}

/// The square roots of the degrees of a graph's nodes.
fn roots_of_degrees(affinity: &DMatrix<f64>) -> Vec<f64> {
    let degrees = affinity.row_iter().map(|row| row.sum());
    degrees
        .map(|degree| if degree > 0.0 { degree.sqrt() } else { 1.0 })
        .collect()
}

/// The `count` smallest eigenvalues of the normalised Laplacian `I − D^−½ W D^−½` of a graph with these
/// affinities, ascending, and their eigenvectors as columns. Computes the full decomposition, because a graph of
/// several components has a repeated eigenvalue 0, and iterative methods miss repeated ones.
pub fn smallest(affinity: &DMatrix<f64>, count: usize) -> (Vec<f64>, DMatrix<f64>) {
    let nodes = affinity.nrows();
    let roots = roots_of_degrees(affinity);
    let laplacian = DMatrix::from_fn(nodes, nodes, |i, j| {
        f64::from(i == j) - affinity[(i, j)] / (roots[i] * roots[j])
    });
    let eigen = laplacian.symmetric_eigen();
    let mut order: Vec<usize> = (0..nodes).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[a].total_cmp(&eigen.eigenvalues[b]));
    order.truncate(count);
    let values = order.iter().map(|&at| eigen.eigenvalues[at]).collect();
    (values, eigen.eigenvectors.select_columns(&order))
}

/// The number of clusters before the largest gap between ascending eigenvalues; ties go to the first.
pub fn by_largest_gap(eigenvalues: &[f64]) -> usize {
    let gaps = eigenvalues.windows(2).map(|pair| pair[1] - pair[0]);
    let best = gaps
        .enumerate()
        .fold((0, f64::NEG_INFINITY), |best, (at, gap)| {
            // A gap of the size of rounding errors is no gap.
            if gap > best.1 + 1e-12 {
                (at, gap)
            } else {
                best
            }
        });
    best.0 + 1
}

/// The nodes as points, `[N][kinds]`: the first eigenvectors divided by the roots of the degrees.
fn embedded(affinity: &DMatrix<f64>, vectors: &DMatrix<f64>, kinds: usize) -> Vec<Vec<f64>> {
    let roots = roots_of_degrees(affinity).into_iter().enumerate();
    let point = |(node, root)| (0..kinds).map(|k| vectors[(node, k)] / root).collect();
    roots.map(point).collect()
}

/// K-means (Lloyd 1982) with starts by k-means++ (Arthur and Vassilvitskii 2007), the best of ten.
fn k_means(points: &[Vec<f64>], kinds: usize, seed: u64) -> Vec<usize> {
    let mut best: Option<(f64, Vec<usize>)> = None;
    for start in 0..STARTS {
        let name = format!("survey: k-means {start}");
        let (inertia, labels) = lloyd(points, first_centres(points, kinds, &name, seed));
        // Ignores improvements of the size of rounding errors.
        if best
            .as_ref()
            .is_none_or(|(known, _)| inertia < known * (1.0 - 1e-9))
        {
            best = Some((inertia, labels));
        }
    }
    best.expect("there are several starts").1
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

/// The nearest centre (ties go to the first) and the squared distance.
fn nearest(point: &[f64], centres: &[Vec<f64>]) -> (usize, f64) {
    let all = centres
        .iter()
        .map(|centre| distance(point, centre))
        .enumerate();
    all.min_by(|a, b| a.1.total_cmp(&b.1))
        .expect("there are centres")
}

fn first_centres(points: &[Vec<f64>], kinds: usize, name: &str, seed: u64) -> Vec<Vec<f64>> {
    let mut stream = Stream::new(name, seed);
    let mut centres = vec![points[stream.below(points.len())].clone()];
    while centres.len() < kinds {
        let distances: Vec<f64> = points
            .iter()
            .map(|point| nearest(point, &centres).1)
            .collect();
        let total: f64 = distances.iter().sum();
        let mut left = f64::from(stream.uniform(1)[0]) * total;
        let drawn = distances.iter().position(|&distance| {
            left -= distance;
            left < 0.0
        });
        centres.push(points[drawn.unwrap_or(points.len() - 1)].clone());
    }
    centres
}

fn lloyd(points: &[Vec<f64>], mut centres: Vec<Vec<f64>>) -> (f64, Vec<usize>) {
    let mut labels = vec![usize::MAX; points.len()];
    for _ in 0..ROUNDS {
        let found: Vec<usize> = points
            .iter()
            .map(|point| nearest(point, &centres).0)
            .collect();
        if found == labels {
            break;
        }
        labels = found;
        for (kind, centre) in centres.iter_mut().enumerate() {
            let own: Vec<&Vec<f64>> = points
                .iter()
                .zip(&labels)
                .filter(|(_, l)| **l == kind)
                .map(|(p, _)| p)
                .collect();
            // A centre without points does not move.
            if !own.is_empty() {
                for (axis, value) in centre.iter_mut().enumerate() {
                    *value = own.iter().map(|point| point[axis]).sum::<f64>() / own.len() as f64;
                }
            }
        }
    }
    let inertia = points.iter().map(|point| nearest(point, &centres).1).sum();
    (inertia, labels)
}

/// Numbers clusters by size, the largest first; ties go to the cluster with the first map.
fn by_size(labels: &mut [usize]) {
    let kinds = labels.iter().max().map_or(0, |last| last + 1);
    let size = |kind: usize| labels.iter().filter(|label| **label == kind).count();
    let first = |kind: usize| labels.iter().position(|label| *label == kind);
    let mut order: Vec<usize> = (0..kinds).filter(|&kind| size(kind) > 0).collect();
    order.sort_by_key(|&kind| (std::cmp::Reverse(size(kind)), first(kind)));
    let mut renamed = vec![0; kinds];
    for (new, &old) in order.iter().enumerate() {
        renamed[old] = new;
    }
    labels.iter_mut().for_each(|label| *label = renamed[*label]);
}

#[cfg(test)]
mod tests {
    use dvm_engine::seeded;
    use serde::Deserialize;

    use super::*;

    /// The results of scikit-learn, by references/survey.py.
    #[derive(Deserialize)]
    struct Reference {
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        name: String,
        noise: f32,
        peaks: Vec<Vec<usize>>,
        counts: Vec<usize>,
        neighbours: usize,
        degrees: Vec<f64>,
        eigenvalues: Vec<f64>,
        clusters: usize,
        labels: Vec<usize>,
    }

    impl Case {
        const CELLS: usize = 16;

        fn maps(&self) -> Vec<Vec<f32>> {
            let total: usize = self.counts.iter().sum();
            let noise = seeded::unit(&format!("survey {}", self.name), total * Self::CELLS);
            let mut maps: Vec<Vec<f32>> = noise
                .chunks(Self::CELLS)
                .map(|map| map.iter().map(|v| self.noise * v).collect())
                .collect();
            let groups = self.peaks.iter().zip(&self.counts);
            let peaks = groups.flat_map(|(cells, &count)| vec![cells; count]);
            for (map, cells) in maps.iter_mut().zip(peaks) {
                cells.iter().for_each(|&cell| map[cell] += 1.0);
            }
            maps
        }
    }

    #[test]
    fn affinities_eigenvalues_and_clusters_match_scikit_learn() {
        let text = include_str!("../../tests/references/survey.json");
        let reference: Reference = serde_json::from_str(text).unwrap();
        assert_eq!(reference.cases.len(), 4);
        for case in reference.cases {
            let maps = case.maps();
            let maps: Vec<&[f32]> = maps.iter().map(|map| &map[..]).collect();
            let found = Clusters::of(&maps, 0);
            assert_eq!(found.neighbours, case.neighbours, "{}", case.name);
            let graph = affinity(&maps, case.neighbours);
            for (row, degree) in graph.row_iter().zip(&case.degrees) {
                assert_eq!(row.sum(), *degree, "{}", case.name);
            }
            for (own, expected) in found.eigenvalues.iter().zip(&case.eigenvalues) {
                assert!(
                    (own - expected).abs() < 1e-10,
                    "{}: {own} {expected}",
                    case.name
                );
            }
            assert_eq!(found.eigenvalues.len(), case.eigenvalues.len());
            assert_eq!(found.count(), case.clusters, "{}", case.name);
            let mut expected = case.labels.clone();
            by_size(&mut expected);
            assert_eq!(found.labels, expected, "{}", case.name);
        }
    }

    #[test]
    fn the_largest_gap_gives_the_number_of_clusters() {
        assert_eq!(by_largest_gap(&[0.0, 0.0, 0.0, 0.6, 0.7]), 3);
        assert_eq!(by_largest_gap(&[0.0, 0.5, 0.6, 1.0]), 1);
        assert_eq!(by_largest_gap(&[0.0, 0.4, 0.8]), 1);
    }

    #[test]
    fn few_maps_form_one_cluster() {
        let map = [1.0; 4];
        let clusters = Clusters::of(&[&map[..]; FEWEST - 1], 0);
        assert_eq!(clusters.count(), 1);
        assert!(clusters.eigenvalues.is_empty());
        assert_eq!(Clusters::of(&[], 0).count(), 0);
    }

    #[test]
    fn clusters_are_numbered_by_size() {
        let mut labels = vec![2, 0, 0, 2, 2, 5];
        by_size(&mut labels);
        assert_eq!(labels, [0, 1, 1, 0, 0, 2]);
    }

    #[test]
    fn maps_outside_the_graph_join_the_nearest_cluster() {
        // A peak in one of two places, and noise; more maps than fit into the graph.
        let noise = Stream::new("noise", 0).uniform(16 * 700);
        let mut maps: Vec<Vec<f32>> = noise.chunks(16).map(<[f32]>::to_vec).collect();
        for (index, map) in maps.iter_mut().enumerate() {
            map[if index % 3 == 0 { 2 } else { 9 }] += 3.0;
        }
        let maps: Vec<&[f32]> = maps.iter().map(|map| &map[..]).collect();
        let clusters = Clusters::of(&maps, 4);
        assert_eq!(clusters.in_graph.len(), MOST_IN_GRAPH);
        assert_eq!(clusters.count(), 2);
        for (index, label) in clusters.labels.iter().enumerate() {
            assert_eq!(*label, usize::from(index % 3 == 0), "{index}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_clusters() {
        let numbers = Stream::new("maps", 1).uniform(40 * 9);
        let maps: Vec<&[f32]> = numbers.chunks(9).collect();
        assert_eq!(Clusters::of(&maps, 3), Clusters::of(&maps, 3));
    }
}
