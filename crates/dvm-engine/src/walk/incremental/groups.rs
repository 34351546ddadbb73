//! Which changes are computed together: those whose rectangles have nearly the same size at every node.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;

use super::Rectangle;
use super::plan::Layout;
use crate::Graph;

/// The most changes in a group: more do not make it faster.
const LARGEST: usize = 32;

/// The fixed cost of a group, relative to the cost of one of its changes: a group reads all weights, and
/// small products use a processor badly.
const BEGINNING: f64 = 0.6;

/// For each node, how many rows (or columns) of its map can differ. Compared from the last node to the first:
/// where maps are small and channels many, one row more costs most.
type Profile = Vec<usize>;

/// The positions in `rectangles`, group by group.
pub(super) fn groups(graph: &Graph, layout: &Layout, rectangles: &[Rectangle]) -> Vec<Vec<usize>> {
    let profiles = Profiles::new(graph, layout, rectangles);
    let profile = |index: usize| profiles.of(&rectangles[index]);
    let mut order: Vec<usize> = (0..rectangles.len()).collect();
    order.sort_by(|&a, &b| by_size(profile(a), profile(b)));

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

/// Splits `rectangles`, in their order, so that the total cost is smallest.
pub(super) fn stretches(
    graph: &Graph,
    layout: &Layout,
    rectangles: &[Rectangle],
) -> Vec<Range<usize>> {
    let profiles = Profiles::new(graph, layout, rectangles);
    // For each number of first rectangles: the least cost, and where the last stretch begins.
    let mut least = vec![(0.0, 0)];
    for end in 1..=rectangles.len() {
        let mut best = (f64::INFINITY, 0);
        let mut largest: (Profile, Profile) = Default::default();
        for start in (end.saturating_sub(LARGEST)..end).rev() {
            let (rows, columns) = profiles.of(&rectangles[start]);
            if start + 1 == end {
                largest = (rows.clone(), columns.clone());
            } else {
                largest = (larger(&largest.0, rows), larger(&largest.1, columns));
            }
            let each = multiply_adds(layout, &largest.0, &largest.1);
            let cost = least[start].0 + each * ((end - start) as f64 + BEGINNING);
            if cost < best.0 {
                best = (cost, start);
            }
        }
        least.push(best);
    }
    let mut stretches = Vec::new();
    let mut end = rectangles.len();
    while end > 0 {
        let start = least[end].1;
        stretches.push(start..end);
        end = start;
    }
    stretches.reverse();
    stretches
}

/// The profiles of rectangles.
struct Profiles {
    along_rows: BTreeMap<(usize, usize), Profile>,
    along_columns: BTreeMap<(usize, usize), Profile>,
}

impl Profiles {
    fn new(graph: &Graph, layout: &Layout, rectangles: &[Rectangle]) -> Self {
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
        Self {
            along_rows,
            along_columns,
        }
    }

    /// Along rows and along columns.
    fn of(&self, Rectangle { rows, columns }: &Rectangle) -> (&Profile, &Profile) {
        (
            &self.along_rows[&(rows.start, rows.end)],
            &self.along_columns[&(columns.start, columns.end)],
        )
    }
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
