//! `MatMulNBits`: layers whose weights are packed in a few bits each.

use super::super::Table;
use crate::import::{Array, Import, NodeContext, Result, Value, invalid, unsupported};

pub(super) const TABLE: Table = &[("MatMulNBits", mat_mul)];

/// `A · Bᵀ + bias`, where B `[N, K]` is stored in blocks along K, each with a scale and a zero point.
fn mat_mul(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    import.is_quantised = true;
    if ctx.optional(4).is_some() {
        return Err(unsupported("has reordered blocks of weights (`g_idx`)"));
    }
    let packed = Packed::of(ctx)?;
    import.graph.check_array(&[packed.rows, packed.columns])?;
    let mut weight = packed.unpacked(ctx)?;
    weight.name = ctx.constant(1)?.name.clone();
    let weight = Value::Constant(weight.transposed(&[1, 0]));
    let inputs = vec![Some(ctx.value(0)?.clone()), Some(weight)];
    let product = import.standard_op("MatMul", ctx.name, inputs, &[])?;
    let name = format!("{}.bias", ctx.name);
    Ok(vec![import.plus(product, ctx.optional(5), &name)?])
}

/// How the weights are packed.
struct Packed {
    /// N, the outputs.
    rows: usize,
    /// K, the inputs.
    columns: usize,
    bits: usize,
    block: usize,
    /// Blocks per row; the last may be padded.
    blocks: usize,
}

impl Packed {
    fn of(ctx: &NodeContext) -> Result<Self> {
        let [rows, columns, bits, block] = [("N", 0), ("K", 0), ("bits", 4), ("block_size", 32)]
            .map(|(name, default)| usize::try_from(ctx.int(name, default)).unwrap_or(0));
        if !matches!(bits, 2 | 4 | 8) {
            return Err(unsupported(format!("has weights of {bits} bits")));
        }
        let most = 1 << 24;
        let fits = |side: usize| (1..=most).contains(&side);
        if !fits(rows) || !fits(columns) || !fits(block) || !block.is_multiple_of(8 / bits) {
            return Err(invalid(format!(
                "has weights of shape [{rows}, {columns}] in blocks of {block}, which is out of range"
            )));
        }
        Ok(Self {
            rows,
            columns,
            bits,
            block,
            blocks: columns.div_ceil(block),
        })
    }

    /// The number at `index` of those packed in bytes, lowest bits first.
    fn number(&self, bytes: &[i64], index: usize) -> i64 {
        let each = 8 / self.bits;
        (bytes[index / each] >> (index % each * self.bits)) & ((1 << self.bits) - 1)
    }

    /// The dequantised weights, `[N, K]`.
    fn unpacked(&self, ctx: &NodeContext) -> Result<Array> {
        let bytes = ctx.constant(1)?.as_known()?;
        let scales = ctx.constant(2)?.as_floats()?;
        let wrong = |what: &str| {
            invalid(format!(
                "has a number of {what} that does not fit its blocks of weights"
            ))
        };
        let per_row = self.blocks * self.block;
        if bytes.len() != self.rows * per_row * self.bits / 8 {
            return Err(wrong("bytes"));
        }
        if scales.len() != self.rows * self.blocks {
            return Err(wrong("scales"));
        }
        // Zero points are packed like the weights, row by row, or floats.
        let bytes_per_row = (self.blocks * self.bits).div_ceil(8);
        let zeros = match ctx.optional_constant(3)? {
            None => Zeros::Middle,
            Some(zeros) if zeros.as_integers().is_ok() => {
                let zeros = zeros.as_known()?;
                if zeros.len() != self.rows * bytes_per_row {
                    return Err(wrong("zero points"));
                }
                Zeros::Packed(zeros)
            }
            Some(zeros) => {
                let zeros = zeros.as_floats()?;
                if zeros.len() != scales.len() {
                    return Err(wrong("zero points"));
                }
                Zeros::Floats(zeros.to_vec())
            }
        };
        let mut values = Vec::with_capacity(self.rows * self.columns);
        for row in 0..self.rows {
            for column in 0..self.columns {
                let block = column / self.block;
                let zero = match &zeros {
                    Zeros::Middle => (1 << (self.bits - 1)) as f32,
                    Zeros::Packed(zeros) => {
                        let own = &zeros[row * bytes_per_row..][..bytes_per_row];
                        self.number(own, block) as f32
                    }
                    Zeros::Floats(zeros) => zeros[row * self.blocks + block],
                };
                let whole = self.number(&bytes, row * per_row + column) as f32;
                values.push((whole - zero) * scales[row * self.blocks + block]);
            }
        }
        Ok(Array::floats(&[self.rows, self.columns], values))
    }
}

/// The zero points.
enum Zeros {
    /// The middle of the range of the bits.
    Middle,
    Packed(Vec<i64>),
    Floats(Vec<f32>),
}
