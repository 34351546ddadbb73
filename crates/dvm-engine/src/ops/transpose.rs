//! Transposition of matrices.

use rayon::prelude::*;

use crate::runtime::buffer::Buffer;

/// Rows and columns of a block that fits in a core's first-level cache.
const SIDE: usize = 32;

/// The matrix `[rows, columns]` as `[columns, rows]`.
pub(super) fn transposed(values: &[f32], rows: usize, columns: usize) -> Buffer {
    assert_eq!(values.len(), rows * columns);
    let mut turned = Buffer::unspecified(values.len());
    if values.is_empty() {
        return turned;
    }
    turned
        .par_chunks_mut(SIDE * rows)
        .enumerate()
        .for_each(|(band, turned)| {
            let first = band * SIDE;
            let count = turned.len() / rows;
            for start in (0..rows).step_by(SIDE) {
                let end = (start + SIDE).min(rows);
                for column in 0..count {
                    let target = &mut turned[column * rows + start..column * rows + end];
                    let source = values[start * columns + first + column..].iter();
                    for (target, &value) in target.iter_mut().zip(source.step_by(columns)) {
                        *target = value;
                    }
                }
            }
        });
    turned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_columns() {
        for (rows, columns) in [(1, 1), (3, 70), (64, 5), (33, 65)] {
            let values: Vec<f32> = (0..rows * columns).map(|v| v as f32).collect();
            let turned = transposed(&values, rows, columns);
            for row in 0..rows {
                for column in 0..columns {
                    assert_eq!(turned[column * rows + row], values[row * columns + column]);
                }
            }
        }
    }
}
