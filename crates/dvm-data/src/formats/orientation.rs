//! Directions of a volume's axes.

use nifti::NiftiHeader;

/// The positions of axial slices in a volume in Fortran order.
///
/// Slices go from the patient's feet to the head. In each slice the patient's front is at the top and the
/// right side on the left, the convention of radiology. In nibabel: `as_closest_canonical`, then
/// `canonical[::-1, ::-1, k].T`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Axial {
    pub height: usize,
    pub width: usize,
    pub depth: usize,
    /// Index of the top left voxel of the first slice, and the steps to the next row, column and slice.
    start: usize,
    row: isize,
    column: isize,
    slice: isize,
}

impl Axial {
    /// For a volume of these sides. Its axes point along the columns of `affine`, whose rows are right, front
    /// and up.
    pub fn new(sides: [usize; 3], affine: [[f64; 3]; 3]) -> Self {
        let steps = [1, sides[0], sides[0] * sides[1]];
        let mut axes = [None; 3];
        let mut free = [true; 3];
        let columns = [0, 1, 2].map(|axis| affine.map(|row| row[axis]));
        for (axis, column) in columns.iter().enumerate() {
            // As in nibabel, each axis takes the closest direction that is still free.
            let length = |direction: usize| column[direction].abs();
            let nearest = (0..3)
                .filter(|&direction| free[direction])
                .max_by(|&a, &b| length(a).total_cmp(&length(b)).then(b.cmp(&a)));
            if let Some(direction) = nearest {
                free[direction] = false;
                axes[direction] = Some((axis, column[direction] >= 0.0));
            }
        }
        let mut start = 0;
        let mut along = |direction: usize, forwards: bool| {
            let (axis, towards) = axes[direction].unwrap_or((direction, true));
            let (side, step) = (sides[axis], steps[axis]);
            if towards == forwards {
                (side, step as isize)
            } else {
                start += (side - 1) * step;
                (side, -(step as isize))
            }
        };
        let (width, column) = along(0, false);
        let (height, row) = along(1, false);
        let (depth, slice) = along(2, true);
        Self {
            height,
            width,
            depth,
            start,
            row,
            column,
            slice,
        }
    }

    /// Indices of the voxels of a slice, row by row.
    ///
    /// # Panics
    /// If the slice does not exist.
    pub fn places(&self, slice: usize) -> impl Iterator<Item = usize> {
        assert!(slice < self.depth, "slice {slice} of {}", self.depth);
        let first = self.start as isize + slice as isize * self.slice;
        let (width, row, column) = (self.width as isize, self.row, self.column);
        (0..self.height as isize * width)
            .map(move |at| (first + at / width * row + at % width * column) as usize)
    }
}

/// Directions of a NIfTI volume's axes: from its sform, else its qform, else nibabel's default with x to the
/// left. Columns have length 1.
pub(super) fn directions(header: &NiftiHeader) -> [[f64; 3]; 3] {
    let matrix = if header.sform_code > 0 {
        [header.srow_x, header.srow_y, header.srow_z]
            .map(|row| [row[0], row[1], row[2]].map(f64::from))
    } else if header.qform_code > 0 {
        rotation(header)
    } else {
        [[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    };
    let mut unit = matrix;
    for axis in 0..3 {
        let length = matrix.iter().map(|row| row[axis] * row[axis]).sum::<f64>();
        for row in &mut unit {
            let share = row[axis] / length.sqrt();
            row[axis] = if share.is_finite() { share } else { 0.0 };
        }
    }
    unit
}

/// The rotation of the unit quaternion (a, b, c, d); the third axis turns with `pixdim[0]`. Formula:
/// <https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h>, method 2.
fn rotation(header: &NiftiHeader) -> [[f64; 3]; 3] {
    let [b, c, d] = [header.quatern_b, header.quatern_c, header.quatern_d].map(f64::from);
    let a = (1.0 - (b * b + c * c + d * d)).max(0.0).sqrt();
    let turn = if header.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
    [
        [
            a * a + b * b - c * c - d * d,
            2.0 * (b * c - a * d),
            2.0 * (b * d + a * c) * turn,
        ],
        [
            2.0 * (b * c + a * d),
            a * a + c * c - b * b - d * d,
            2.0 * (c * d - a * b) * turn,
        ],
        [
            2.0 * (b * d - a * c),
            2.0 * (c * d + a * b),
            (a * a + d * d - c * c - b * b) * turn,
        ],
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patients_right_front_is_top_left() {
        // Sides 2 × 3 × 1, axes to the right, front, up: the last voxel of both axes comes first.
        let ras = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        let axial = Axial::new([2, 3, 1], ras);
        assert_eq!((axial.height, axial.width, axial.depth), (3, 2, 1));
        assert_eq!(axial.places(0).collect::<Vec<_>>(), [5, 4, 3, 2, 1, 0]);
        // To the left, back, up, as most scanners write: the order does not change.
        let lps = [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]];
        let axial = Axial::new([2, 3, 1], lps);
        assert_eq!(axial.places(0).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn sagittal_volumes_are_cut_across() {
        // The axes point to the back, down, right: the second is the patient's long axis.
        let matrix = [[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]];
        let axial = Axial::new([2, 3, 4], matrix);
        assert_eq!((axial.height, axial.width, axial.depth), (2, 4, 3));
        // The first slice is the lowest, j = 2; its first row the front, i = 0; its first column
        // the right, k = 3.
        let place = |i: usize, j: usize, k: usize| i + 2 * j + 6 * k;
        let first: Vec<usize> = axial.places(0).collect();
        assert_eq!(first[..4], [3, 2, 1, 0].map(|k| place(0, 2, k)));
        assert_eq!(first[4..], [3, 2, 1, 0].map(|k| place(1, 2, k)));
    }

    #[test]
    fn a_matrix_of_zeros_does_not_panic() {
        let axial = Axial::new([2, 3, 4], [[0.0; 3]; 3]);
        assert_eq!((axial.width, axial.height, axial.depth), (2, 3, 4));
    }
}
