//! Copies of rows in any order, given by a table.

use cubecl::prelude::*;

use crate::values::{Gpu, Values};

#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn index_kernel(
    from: &Tensor<f32>,
    table: &Tensor<f32>,
    to: &mut Tensor<f32>,
    width: u32,
    places: u32,
    from_row: u32,
    from_first: u32,
    to_row: u32,
    to_first: u32,
    count: u32,
    #[comptime] scatters: bool,
) {
    let at = ABSOLUTE_POS as u32;
    if at < count {
        let column = at % width;
        let row = at / width;
        let own = (row / places) * places + u32::cast_from(table[(row % places) as usize]);
        if comptime!(scatters) {
            let value = from[(row * from_row + from_first + column) as usize];
            to[(own * to_row + to_first + column) as usize] = value;
        } else {
            let value = from[(own * from_row + from_first + column) as usize];
            to[(row * to_row + to_first + column) as usize] = value;
        }
    }
}

/// A part of each row of an array: the length of the rows, and where the part begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'a> {
    pub values: &'a Values,
    pub row: usize,
    pub first: usize,
}

/// Copies parts of `width` values: row `i` of `to` gets row `table[i]` of `from`, or the other way round if it
/// `scatters`. The table holds one entry for each row of a picture, and is the same for all pictures.
pub(crate) fn indexed(
    gpu: &Gpu,
    (from, to): (Part, Part),
    table: &Values,
    (rows, width): (usize, usize),
    scatters: bool,
) {
    let count = rows * width;
    let (cubes, units) = gpu.units(count);
    index_kernel::launch(
        gpu.client(),
        cubes,
        units,
        from.values.arg(),
        table.arg(),
        to.values.arg(),
        width as u32,
        table.len() as u32,
        from.row as u32,
        from.first as u32,
        to.row as u32,
        to.first as u32,
        count as u32,
        scatters,
    );
}
