//! The split of the output into tiles.

use std::ops::Range;

use super::transform::{LARGEST, NEEDED_BY, POINTS};

/// The tiles along one side: the start and the number of outputs of each.
pub(super) fn sides(length: usize) -> Vec<(usize, usize)> {
    let count = length.div_ceil(LARGEST);
    let mut missing = count * LARGEST - length;
    let mut sizes = vec![LARGEST; count];
    while missing > 0 {
        for size in sizes.iter_mut().rev() {
            if missing > 0 && *size > 2 {
                *size -= 1;
                missing -= 1;
            }
        }
        if sizes.iter().all(|&size| size == 2) {
            break; // A single output is computed as one of two.
        }
    }
    let mut start = 0;
    sizes
        .into_iter()
        .map(|size| {
            start += size;
            (start - size, size)
        })
        .collect()
}

/// One tile of the output.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    pub map: usize,
    /// First row and its number of rows.
    pub rows: (usize, usize),
    /// First column and its number of columns.
    pub columns: (usize, usize),
}

/// All tiles of all maps.
pub(super) struct Tiles {
    pub ys: Vec<(usize, usize)>,
    pub xs: Vec<(usize, usize)>,
    pub maps: usize,
}

impl Tiles {
    pub fn count(&self) -> usize {
        self.maps * self.ys.len() * self.xs.len()
    }

    pub fn get(&self, index: usize) -> Tile {
        let (rows, columns) = (self.ys.len(), self.xs.len());
        Tile {
            map: index / (rows * columns),
            rows: self.ys[index / columns % rows],
            columns: self.xs[index % columns],
        }
    }
}

/// For each pair of points, which tiles need it.
pub(super) struct Rows([[Vec<usize>; 3]; 3]);

impl Rows {
    pub fn of(tiles: &Tiles, range: Range<usize>) -> Self {
        let at_least = |rows: usize, columns: usize| {
            let needs = |tile: &Tile| tile.rows.1 >= rows && tile.columns.1 >= columns;
            let range = range.clone();
            (0..range.len())
                .filter(|offset| needs(&tiles.get(range.start + offset)))
                .collect()
        };
        Self([2, 3, 4].map(|rows| [2, 3, 4].map(|columns| at_least(rows, columns))))
    }

    pub fn of_pair(&self, pair: usize) -> &[usize] {
        &self.0[NEEDED_BY[pair / POINTS] - 2][NEEDED_BY[pair % POINTS] - 2]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_cut_into_tiles_without_a_rest() {
        let sizes = |length| -> Vec<usize> { sides(length).iter().map(|s| s.1).collect() };
        assert_eq!(sizes(8), [4, 4]);
        assert_eq!(sizes(7), [4, 3]);
        assert_eq!(sizes(14), [4, 4, 3, 3]);
        assert_eq!(sizes(5), [3, 2]);
        assert_eq!(sizes(3), [3]);
        assert_eq!(sizes(1), [2]);
        for length in 2..40 {
            assert_eq!(sizes(length).iter().sum::<usize>(), length);
        }
    }
}
