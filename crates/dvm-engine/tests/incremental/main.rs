//! Incremental computation of changed pictures gives the same logits as full forward passes.

mod random;

use std::ops::Range;

use dvm_engine::incremental::{Change, Incremental, Rectangle};
use dvm_engine::ops::conv2d::{Border, Conv2d, Padding};
use dvm_engine::ops::pool::Pool;
use dvm_engine::ops::resample::{Continuation, Resample};
use dvm_engine::{Arithmetic, Blueprint, Graph, Keep, Mode, Network, Stopwatch, Tensor, seeded};

use self::random::{Draw, changed, network};

fn picture(name: &str, (height, width): (usize, usize)) -> Tensor {
    let values = seeded::uniform(name, 3 * height * width, -1.0, 1.0);
    Tensor::from_nchw(&[1, 3, height, width], &values)
}

/// A change of a rectangle of a picture to other values.
fn change(name: &str, rectangle: Rectangle) -> Change {
    let (rows, columns) = rectangle.size();
    Change {
        rectangle,
        values: seeded::uniform(name, 3 * rows * columns, -1.5, 1.5),
    }
}

/// The logits of each changed picture, by full forward passes.
fn recomputed(graph: &Graph, picture: &Tensor, changes: &[Change]) -> Vec<f32> {
    let logits = |change| graph.logits(&changed(picture, change)).unwrap();
    let all = changes.iter().map(logits);
    all.flat_map(|logits| logits.data().to_vec()).collect()
}

fn largest(values: impl Iterator<Item = f32>) -> f32 {
    values.fold(0.0, |largest, value| largest.max(value.abs()))
}

/// A random network with its picture and some changes of it.
fn drawn(seed: usize) -> (Graph, Tensor, Vec<Change>) {
    let mut draw = Draw::new(seed);
    let size = (12 + draw.below(30), 12 + draw.below(30));
    let graph = network(&mut draw, size);
    let changes = (0..1 + draw.below(5))
        .map(|i| change(&format!("change {seed} {i}"), draw.rectangle(size)))
        .collect();
    (graph, picture(&format!("picture {seed}"), size), changes)
}

fn kinds(graph: &Graph) -> String {
    let nodes = graph.nodes().iter().skip(1);
    let described: Vec<String> = nodes.map(|n| format!("{} {:?}", n.name, n.op)).collect();
    described.join("\n")
}

#[test]
fn changes_of_random_networks_equal_full_passes() {
    for seed in 0..300 {
        let (graph, picture, changes) = drawn(seed);
        let network = Network::new(graph);
        let expected = recomputed(network.graph(), &picture, &changes);
        for graph in [network.graph(), network.fused()] {
            let incremental = Incremental::new(graph, &picture).unwrap();
            let found = incremental.logits(&[&changes], usize::MAX).unwrap();
            let off = largest(found.data().iter().zip(&expected).map(|(a, b)| a - b));
            let range = largest(expected.iter().copied()).max(1.0);
            assert!(
                off <= 1e-5 * range,
                "seed {seed}: off by {off} of {range}\n{}",
                kinds(graph)
            );
        }
    }
}

#[test]
fn in_exact_arithmetic_changes_equal_full_passes_exactly() {
    for seed in 0..300 {
        let (graph, picture, changes) = drawn(seed);
        let network = Network::new(graph).with_arithmetic(Arithmetic::Exact);
        let graph = network.fused();
        let incremental = Incremental::new(graph, &picture).unwrap();
        let found = incremental.logits(&[&changes], usize::MAX).unwrap();
        let expected = recomputed(graph, &picture, &changes);
        assert!(
            found.data() == expected,
            "seed {seed}: {:?} instead of {expected:?}\n{}",
            found.data(),
            kinds(graph)
        );
    }
}

#[test]
fn groups_of_changes_equal_single_changes() {
    for seed in 0..100 {
        let (graph, picture, changes) = drawn(seed);
        let network = Network::new(graph).with_arithmetic(Arithmetic::Exact);
        let incremental = Incremental::new(network.fused(), &picture).unwrap();
        let groups: Vec<&[Change]> = changes.chunks(2).collect();
        let together = incremental.logits(&groups, usize::MAX).unwrap();
        let one_at_a_time = incremental.logits(&groups, 0).unwrap();
        let alone = groups
            .iter()
            .map(|group| incremental.logits(&[group], usize::MAX));
        let alone: Vec<f32> = alone.flat_map(|l| l.unwrap().data().to_vec()).collect();
        assert!(together.data() == alone, "seed {seed}");
        assert!(one_at_a_time.data() == alone, "seed {seed}, one at a time");
    }
}

#[test]
fn layers_with_many_parameters_read_them_once_for_all_groups() {
    // The fully connected layer has many more parameters than the map has values.
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("conv", x, Conv2d::square(3).stride(4), 3, 4, true);
    let x = net.flatten("flatten", x);
    let x = net.linear("wide", x, 4 * 6 * 6, 512, true);
    let x = net.linear("logits", x, 512, 10, true);
    let stopwatch = Stopwatch::default();
    let network = Network::new(seeded::graph(net.ending_at(x))).with_stopwatch(stopwatch.clone());
    let graph = network.graph();
    let picture = picture("read once", (24, 24));
    let incremental = Incremental::new(graph, &picture).unwrap();
    let window = |at: usize| Rectangle {
        rows: at..at + 4,
        columns: at..at + 4,
    };
    let changes: Vec<Change> = (0..5)
        .map(|at| change(&format!("read once {at}"), window(4 * at)))
        .collect();
    let groups: Vec<&[Change]> = changes.iter().map(std::slice::from_ref).collect();
    stopwatch.reset();
    let found = incremental.logits(&groups, usize::MAX).unwrap();
    assert_eq!(found.shape(), [5, 10]);
    let calls = |node: &str| -> usize {
        let laps = stopwatch.laps();
        let own = laps.iter().filter(|lap| lap.node == node);
        own.map(|lap| lap.calls).sum()
    };
    assert_eq!((calls("conv"), calls("wide"), calls("logits")), (5, 1, 1));
    let expected = recomputed(graph, &picture, &changes);
    let off = largest(found.data().iter().zip(&expected).map(|(a, b)| a - b));
    assert!(off <= 1e-5 * largest(expected.iter().copied()), "{off}");
}

#[test]
fn results_do_not_depend_on_threads_or_in_exact_arithmetic_on_the_batch() {
    for seed in 0..40 {
        let (graph, picture, changes) = drawn(seed);
        let exact = drawn(seed).0.with_arithmetic(Arithmetic::Exact);
        let logits = |graph: &Graph, threads, values| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            pool.build().unwrap().install(|| {
                let incremental = Incremental::new(graph, &picture).unwrap();
                incremental.logits(&[&changes], values).unwrap()
            })
        };
        let expected = logits(&exact, 1, usize::MAX);
        assert!(
            logits(&exact, 1, 0) == expected,
            "seed {seed}, one at a time"
        );
        for graph in [&graph, &exact] {
            let one = logits(graph, 1, usize::MAX);
            assert!(logits(graph, 3, usize::MAX) == one, "seed {seed}, threads");
        }
    }
}

/// The logits after each of `changes`, each made on top of those before it, by full forward passes.
fn recomputed_after_each(graph: &Graph, picture: &Tensor, changes: &[Change]) -> Vec<f32> {
    let mut picture = picture.clone();
    let logits = changes.iter().map(|change| {
        picture = changed(&picture, change);
        graph.logits(&picture).unwrap()
    });
    logits.flat_map(|logits| logits.data().to_vec()).collect()
}

/// The same incrementally, stretch by stretch.
fn after_each(graph: &Graph, picture: &Tensor, changes: &[Change], values: usize) -> Vec<f32> {
    let mut incremental = Incremental::new(graph, picture).unwrap();
    let rectangles: Vec<Rectangle> = changes.iter().map(|c| c.rectangle.clone()).collect();
    let mut logits = Vec::new();
    for stretch in incremental.stretches(&rectangles) {
        let found = incremental.logits_after_each(&changes[stretch], values);
        logits.extend_from_slice(found.unwrap().data());
    }
    logits
}

/// A random network with its picture and a series of changes.
fn drawn_series(seed: usize) -> (Graph, Tensor, Vec<Change>) {
    let (graph, picture, _) = drawn(seed);
    let mut draw = Draw::new(seed + 1_000_000);
    let size = (picture.shape()[2], picture.shape()[3]);
    let changes = (0..8).map(|i| change(&format!("series {seed} {i}"), draw.rectangle(size)));
    (graph, picture, changes.collect())
}

#[test]
fn series_of_changes_equal_full_passes_exactly_in_exact_arithmetic() {
    for seed in 0..200 {
        let (graph, picture, changes) = drawn_series(seed);
        let network = Network::new(graph).with_arithmetic(Arithmetic::Exact);
        for graph in [network.graph(), network.fused()] {
            let expected = recomputed_after_each(graph, &picture, &changes);
            for values in [usize::MAX, 0] {
                let found = after_each(graph, &picture, &changes, values);
                assert!(found == expected, "seed {seed}\n{}", kinds(graph));
            }
        }
    }
}

#[test]
fn series_of_changes_equal_full_passes_up_to_rounding() {
    for seed in 0..100 {
        let (graph, picture, changes) = drawn_series(seed);
        let network = Network::new(graph);
        let expected = recomputed_after_each(network.graph(), &picture, &changes);
        let found = after_each(network.fused(), &picture, &changes, usize::MAX);
        let off = largest(found.iter().zip(&expected).map(|(a, b)| a - b));
        let range = largest(expected.iter().copied()).max(1.0);
        assert!(off <= 1e-5 * range, "seed {seed}: off by {off} of {range}");
    }
}

#[test]
fn a_series_does_not_change_shared_values() {
    let graph = one_convolution();
    let picture = picture("owners", (20, 20));
    let base = graph.forward(&picture, Mode::Inference, Keep::All).unwrap();
    let before = base.output().data().to_vec();
    let shape = [1, 3, 20, 20];
    let mut incremental = Incremental::on(&graph, base.clone(), &shape).unwrap();
    let whole = change("owners", Rectangle::whole((20, 20)));
    let found = incremental
        .logits_after_each(std::slice::from_ref(&whole), usize::MAX)
        .unwrap();
    assert_eq!(found.data(), recomputed(&graph, &picture, &[whole]));
    assert_eq!(base.output().data(), before);
    assert!(*base.get(graph.input()).unwrap() == picture);
}

#[test]
fn stretches_keep_the_order_and_end_where_rectangles_become_much_larger() {
    let graph = one_convolution();
    let incremental = Incremental::new(&graph, &picture("groups", (64, 64))).unwrap();
    let small = |at: usize| Rectangle {
        rows: at..at + 4,
        columns: 60 - at..64 - at,
    };
    let mut rectangles: Vec<Rectangle> = (0..60).map(small).collect();
    rectangles.insert(40, Rectangle::whole((64, 64)));
    let stretches = incremental.stretches(&rectangles);
    assert!(stretches.contains(&(40..41)), "{stretches:?}");
    assert!(stretches.iter().all(|stretch| stretch.len() <= 32));
    assert!(stretches.len() <= 5, "{stretches:?}");
    let all: Vec<usize> = stretches.into_iter().flatten().collect();
    assert!(all.into_iter().eq(0..61));
}

#[test]
fn stretches_of_growing_rectangles_cost_little_more_than_single_changes() {
    let graph = one_convolution();
    let incremental = Incremental::new(&graph, &picture("growing", (64, 64))).unwrap();
    let grown = |step: usize| Rectangle {
        rows: 32 - step..32 + step,
        columns: 32 - step..32 + step,
    };
    let rectangles: Vec<Rectangle> = (1..=32).map(grown).collect();
    let cost = |stretch: Range<usize>| incremental.multiply_adds(&rectangles[stretch]);
    let alone: u64 = (0..32).map(|at| cost(at..at + 1)).sum();
    let stretches = incremental.stretches(&rectangles);
    assert!(stretches.len() < 20, "{stretches:?}");
    let together: u64 = stretches.into_iter().map(cost).sum();
    assert!(together * 4 <= alone * 5, "{together} instead of {alone}");
}

#[test]
fn random_changes_need_fewer_multiply_adds_than_whole_pictures() {
    let mut fewer = 0;
    for seed in 0..100 {
        let (graph, picture, changes) = drawn(seed);
        let incremental = Incremental::new(&graph, &picture).unwrap();
        let whole = graph.multiply_adds(picture.shape()).unwrap();
        for change in changes {
            let needed = incremental.multiply_adds(&[change.rectangle]);
            assert!(needed <= whole, "seed {seed}");
            fewer += usize::from(needed < whole);
        }
    }
    assert!(fewer > 100, "only {fewer} changes were computed in patches");
}

/// A 3×3 convolution from 3 to 4 channels that keeps the size, its mean, and two classes.
fn one_convolution() -> Graph {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let same = Conv2d::square(3).padding(Padding::Fixed(Border::all(1)));
    let x = net.conv2d("conv", x, same, 3, 4, true);
    let x = net.pool("mean", x, Pool::global_mean());
    let x = net.flatten("flatten", x);
    let x = net.linear("head", x, 4, 2, true);
    seeded::graph(net.ending_at(x))
}

#[test]
fn only_the_part_that_a_window_can_reach_is_computed() {
    let graph = one_convolution();
    let incremental = Incremental::new(&graph, &picture("reach", (20, 20))).unwrap();
    let at = |rows, columns| Rectangle { rows, columns };
    // Inside, two rows and three columns more than the window; one less where it is clipped.
    let inside = at(5..8, 6..10);
    let clipped = at(0..3, 6..10);
    let cost = |rectangles: &[&Rectangle]| {
        let rectangles: Vec<Rectangle> = rectangles.iter().copied().cloned().collect();
        incremental.multiply_adds(&rectangles)
    };
    assert_eq!(cost(&[&inside]), 5 * 6 * 4 * 27 + 8);
    assert_eq!(cost(&[&clipped]), 4 * 6 * 4 * 27 + 8);
    assert_eq!(cost(&[&inside, &clipped]), 2 * (5 * 6 * 4 * 27 + 8));
    assert_eq!(cost(&[&Rectangle::whole((20, 20))]), 400 * 4 * 27 + 8);
}

#[test]
fn groups_contain_every_change_once_with_similar_rectangles() {
    let graph = one_convolution();
    let incremental = Incremental::new(&graph, &picture("groups", (64, 64))).unwrap();
    let rectangles: Vec<Rectangle> = (0..20)
        .flat_map(|y| (0..20).map(move |x| (3 * y, 3 * x)))
        .map(|(y, x)| Rectangle {
            rows: y..(y + 12).min(64),
            columns: x..(x + 12).min(64),
        })
        .collect();
    let groups = incremental.groups(&rectangles);
    let mut all: Vec<usize> = groups.concat();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..400));
    let cost = |group: &[usize]| -> u64 {
        let members: Vec<Rectangle> = group.iter().map(|&i| rectangles[i].clone()).collect();
        incremental.multiply_adds(&members)
    };
    let alone: u64 = (0..400).map(|i| cost(&[i])).sum();
    let together: u64 = groups.iter().map(|group| cost(group)).sum();
    assert!(groups.len() < 60, "{} groups", groups.len());
    assert!(together * 10 <= alone * 11, "{together} instead of {alone}");
}

#[test]
fn a_change_is_the_smallest_rectangle_around_the_pixels_that_differ() {
    let base = [0.0; 4 * 5 * 2];
    let mut changed = base;
    assert_eq!(Change::between(&base, &changed, 5, 2), None);
    // Row 1, column 3, and row 2, column 1.
    changed[(5 + 3) * 2 + 1] = 1.0;
    changed[(2 * 5 + 1) * 2] = 2.0;
    let change = Change::between(&base, &changed, 5, 2).unwrap();
    assert_eq!(change.rectangle.rows, 1..3);
    assert_eq!(change.rectangle.columns, 1..4);
    let expected = [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    assert_eq!(change.values, expected);
}

/// A pool of 3×3 after a border of the map's own pixels, then the layers of [`one_convolution`].
fn behind_a_border(by: Continuation) -> Graph {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let border = Border::all(1);
    let x = net.node("border", Resample::Continued { border, by }, &[x], &[]);
    let x = net.pool("pool", x, Pool::mean(3, 1, 0));
    let x = net.conv2d("conv", x, Conv2d::square(1), 3, 4, true);
    let x = net.pool("mean", x, Pool::global_mean());
    let x = net.flatten("flatten", x);
    let x = net.linear("head", x, 4, 2, true);
    seeded::graph(net.ending_at(x))
}

#[test]
fn borders_that_repeat_or_mirror_cost_no_more_than_zeros() {
    let at = |rows, columns| Rectangle { rows, columns };
    for by in [Continuation::Repeated, Continuation::Mirrored] {
        let graph = behind_a_border(by);
        let incremental = Incremental::new(&graph, &picture("border", (20, 20))).unwrap();
        let cost = |rectangle: Rectangle| incremental.multiply_adds(&[rectangle]);
        // Two rows and columns more than changed; one less for each that is clipped.
        assert_eq!(cost(at(5..8, 6..10)), 5 * 6 * 4 * 3 + 8, "{by:?}");
        assert_eq!(cost(at(0..3, 16..20)), 4 * 5 * 4 * 3 + 8, "{by:?}");
    }
}
