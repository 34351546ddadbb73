//! Which changes are computed together: those whose rectangles are nearly alike at every node.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;

use super::Rectangle;
use super::plan::Layout;
use crate::Graph;

/// Changes of one group at most: more make nothing faster.
const LARGEST: usize = 32;

/// What it costs to begin a group, in parts of what one of its changes costs: a group reads all
/// weights, and small products use a processor badly.
const BEGINNING: f64 = 0.6;

/// For each node, how many rows (or columns) of its map can differ. Compared from the last node to
/// the first: where maps are small and channels many, a row more or less costs most.
type Profile = Vec<usize>;

/// In which order changes may be grouped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// In any: those that are alike come together.
    Any,
    /// One after the other.
    AsTheyCome,
}

/// The positions in `rectangles`, group by group.
pub(super) fn groups(
    graph: &Graph,
    layout: &Layout,
    rectangles: &[Rectangle],
    kept: Order,
) -> Vec<Vec<usize>> {
    let whole = Rectangle::whole(layout.nodes[graph.input().0].extent());
    let along_rows = profiles(rectangles.iter().map(|r| &r.rows), &|rows| {
        let columns = whole.columns.clone();
        let exact = layout.exact(graph, &[Rectangle { rows, columns }]);
        exact.iter().rev().map(|node| node[0].rows.len()).collect()
    });
    let along_columns = profiles(rectangles.iter().map(|r| &r.columns), &|columns| {
        let rows = whole.rows.clone();
        let exact = layout.exact(graph, &[Rectangle { rows, columns }]);
        let columns = exact.iter().rev().map(|node| node[0].columns.len());
        columns.collect()
    });
    let profile = |index: usize| {
        let Rectangle { rows, columns } = &rectangles[index];
        (
            &along_rows[&(rows.start, rows.end)],
            &along_columns[&(columns.start, columns.end)],
        )
    };
    let mut order: Vec<usize> = (0..rectangles.len()).collect();
    if kept == Order::Any {
        order.sort_by(|&a, &b| by_size(profile(a), profile(b)));
    }

    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut largest: (Profile, Profile) = Default::default();
    let mut cost = 0.0;
    for index in order {
        let (rows, columns) = profile(index);
        let own = multiply_adds(layout, rows, columns);
        if let Some(group) = groups.last_mut().filter(|group| group.len() < LARGEST) {
            let joined = (larger(&largest.0, rows), larger(&largest.1, columns));
            let with = multiply_adds(layout, &joined.0, &joined.1);
            let more = with * (group.len() + 1) as f64 - cost * group.len() as f64;
            if more <= own * (1.0 + BEGINNING) {
                group.push(index);
                (largest, cost) = (joined, with);
                continue;
            }
        }
        groups.push(vec![index]);
        (largest, cost) = ((rows.clone(), columns.clone()), own);
    }
    groups
}

/// The profile of each stretch of rows (or columns) that occurs.
fn profiles<'a>(
    stretches: impl Iterator<Item = &'a Range<usize>>,
    profile: &dyn Fn(Range<usize>) -> Profile,
) -> BTreeMap<(usize, usize), Profile> {
    let mut profiles = BTreeMap::new();
    for stretch in stretches {
        profiles
            .entry((stretch.start, stretch.end))
            .or_insert_with(|| profile(stretch.clone()));
    }
    profiles
}

/// In the order of rows and columns at the last node, then at the one before it, and so on.
fn by_size(a: (&Profile, &Profile), b: (&Profile, &Profile)) -> Ordering {
    a.0.iter().zip(a.1).cmp(b.0.iter().zip(b.1))
}

fn larger(a: &[usize], b: &[usize]) -> Profile {
    a.iter().zip(b).map(|(&a, &b)| a.max(b)).collect()
}

/// What one change costs with patches of this many rows and columns.
fn multiply_adds(layout: &Layout, rows: &[usize], columns: &[usize]) -> f64 {
    let sizes = rows.iter().copied().zip(columns.iter().copied());
    let places = layout.nodes.iter().rev();
    places
        .zip(sizes)
        .map(|(place, size)| place.multiply_adds(place.computed(size)) as f64)
        .sum()
}
