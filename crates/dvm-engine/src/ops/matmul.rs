//! Matrix products with the `gemm` crate.

/// A matrix inside a slice: element `(i, j)` is `values[i * row_stride + j * column_stride]`.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub values: &'a [f32],
    pub row_stride: usize,
    pub column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Row-major values with `columns` values per row.
    pub fn rows(values: &'a [f32], columns: usize) -> Self {
        Self {
            values,
            row_stride: columns,
            column_stride: 1,
        }
    }

    /// All rows from this one on.
    pub fn starting_at(self, row: usize) -> Self {
        Self {
            values: &self.values[row * self.row_stride..],
            ..self
        }
    }

    /// The transpose.
    pub fn transposed(self) -> Self {
        Self {
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    fn holds(&self, rows: usize, columns: usize) -> bool {
        (rows - 1) * self.row_stride + (columns - 1) * self.column_stride < self.values.len()
    }
}

/// `c = a · b`, or `c += a · b` with `accumulate`, on the calling thread. `a` is `[m, k]`, `b` is
/// `[k, n]`, `c` is `[m, n]` with `c_stride` values from row to row.
///
/// The order in which the `k` products are summed depends on `k` only.
///
/// # Panics
/// If a matrix does not fit its slice.
pub(super) fn matmul(
    (m, n, k): (usize, usize, usize),
    a: Matrix,
    b: Matrix,
    c: &mut [f32],
    c_stride: usize,
    accumulate: bool,
) {
    if m == 0 || n == 0 {
        return;
    }
    assert!(
        n <= c_stride && (m - 1) * c_stride + n <= c.len(),
        "c is too small"
    );
    if k == 0 {
        if !accumulate {
            for row in c.chunks_mut(c_stride).take(m) {
                row[..n].fill(0.0);
            }
        }
        return;
    }
    assert!(a.holds(m, k), "a is too small");
    assert!(b.holds(k, n), "b is too small");
    if m < ROWS {
        // `gemm` sums a product of a single row in another order, so rows of zeros are added.
        let mut rows = vec![0.0; ROWS * k];
        for (i, row) in rows.chunks_exact_mut(k).take(m).enumerate() {
            for (j, value) in row.iter_mut().enumerate() {
                *value = a.values[i * a.row_stride + j * a.column_stride];
            }
        }
        let mut product = vec![0.0; ROWS * n];
        let row_of = |i: usize| i * c_stride..i * c_stride + n;
        for (i, row) in product.chunks_exact_mut(n).take(m).enumerate() {
            row.copy_from_slice(&c[row_of(i)]);
        }
        matmul(
            (ROWS, n, k),
            Matrix::rows(&rows, k),
            b,
            &mut product,
            n,
            accumulate,
        );
        for (i, row) in product.chunks_exact(n).take(m).enumerate() {
            c[row_of(i)].copy_from_slice(row);
        }
        return;
    }
    let strides = (a, b);
    for first in (0..k).step_by(DEPTH) {
        let depth = DEPTH.min(k - first);
        let a = &a.values[first * a.column_stride..];
        let b = &b.values[first * b.row_stride..];
        let accumulate = accumulate || first > 0;
        let (a, b) = (
            Operand::new(a, strides.0.row_stride, strides.0.column_stride),
            Operand::new(b, strides.1.row_stride, strides.1.column_stride),
        );
        // Kernels store columns: if rows are further apart than columns, the transpose is computed.
        let (m, n, a, b, strides_of_c) = if c_stride > 1 {
            (n, m, b.transposed(), a.transposed(), (c_stride, 1))
        } else {
            (m, n, a, b, (1, c_stride))
        };
        let multiply = gemm_f32::gemm::f32::get_gemm_fn();
        // SAFETY: the assertions above bound every element that the strides can reach from the
        // first of this stretch; `c` is borrowed mutably, so it overlaps neither `a` nor `b`;
        // slices of f32 are aligned, and their lengths keep the strides within isize. With
        // `accumulate` false, `c` is only written.
        unsafe {
            multiply(
                m,
                n,
                depth,
                c.as_mut_ptr(),
                strides_of_c.0 as isize,
                strides_of_c.1 as isize,
                accumulate,
                a.first,
                a.column_stride,
                a.row_stride,
                b.first,
                b.column_stride,
                b.row_stride,
                1.0,
                1.0,
                false,
                false,
                false,
                gemm_common::Parallelism::None,
            );
        }
    }
}

/// A matrix in the form that `gemm` expects.
struct Operand {
    first: *const f32,
    row_stride: isize,
    column_stride: isize,
}

impl Operand {
    fn new(values: &[f32], row_stride: usize, column_stride: usize) -> Self {
        Self {
            first: values.as_ptr(),
            row_stride: row_stride as isize,
            column_stride: column_stride as isize,
        }
    }

    fn transposed(self) -> Self {
        Self {
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// The fewest rows of a product that is passed to `gemm`.
const ROWS: usize = 8;

/// Products that are summed in one stretch. By default `gemm` chooses the stretch by the number of rows, and
/// an input's logits would differ in their last bits between batch sizes.
const DEPTH: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_the_sum_of_products() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]; // [2, 3]
        let b = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0]; // [3, 2]
        let mut c = [10.0; 4];
        matmul(
            (2, 2, 3),
            Matrix::rows(&a, 3),
            Matrix::rows(&b, 2),
            &mut c,
            2,
            false,
        );
        assert_eq!(c, [4.0, 5.0, 10.0, 11.0]);
        matmul(
            (2, 2, 3),
            Matrix::rows(&a, 3),
            Matrix::rows(&b, 2),
            &mut c,
            2,
            true,
        );
        assert_eq!(c, [8.0, 10.0, 20.0, 22.0]);
    }

    #[test]
    fn a_row_has_the_same_bits_for_any_number_of_rows() {
        for (n, k) in [(1, 700), (3, 27), (16, 256), (70, 300), (512, 1100)] {
            let a = crate::seeded::uniform("a", 90 * k, -1.0, 1.0);
            let b = crate::seeded::uniform("b", k * n, -1.0, 1.0);
            let product = |m: usize| {
                let mut c = vec![0.5; m * n];
                let (a, b) = (Matrix::rows(&a, k), Matrix::rows(&b, n));
                matmul((m, n, k), a, b, &mut c, n, true);
                c
            };
            let all = product(90);
            for m in [1, 2, 5, 7, 8, 9, 33, 64] {
                assert!(product(m) == all[..m * n], "{m} rows of [{k}, {n}]");
            }
        }
    }

    #[test]
    fn a_transposed_matrix_is_read_by_columns() {
        let a = [1.0, 2.0, 3.0, 4.0]; // [2, 2]
        let one = [1.0, 0.0, 0.0, 1.0];
        let mut c = [0.0; 4];
        matmul(
            (2, 2, 2),
            Matrix::rows(&a, 2).transposed(),
            Matrix::rows(&one, 2),
            &mut c,
            2,
            false,
        );
        assert_eq!(c, [1.0, 3.0, 2.0, 4.0]);
    }

    #[test]
    #[should_panic(expected = "b is too small")]
    fn a_matrix_beyond_its_slice_is_refused() {
        matmul(
            (1, 2, 2),
            Matrix::rows(&[1.0, 2.0], 2),
            Matrix::rows(&[1.0, 2.0, 3.0], 2),
            &mut [0.0; 2],
            2,
            false,
        );
    }
}
