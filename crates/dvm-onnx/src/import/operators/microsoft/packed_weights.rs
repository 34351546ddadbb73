//! Layers whose weights are packed in blocks of a few bits.

use super::super::super::Import;
use super::super::super::array::Array;
use super::super::super::site::{Site, Value};
use super::super::super::trouble::{Trouble, invalid, unsupported};
use super::super::Table;

pub(super) const TABLE: Table = &[("MatMulNBits", mat_mul)];

/// `A · Bᵀ + bias`, where B `[N, K]` lies in blocks along K, each with a step and a zero point.
fn mat_mul(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    import.is_quantised = true;
    if site.optional(4).is_some() {
        return Err(unsupported("has its weights in blocks of another order"));
    }
    let packed = Packed::of(site)?;
    import.draft.spend_on(&[packed.rows, packed.columns])?;
    let mut weight = packed.unpacked(site)?;
    weight.name = site.constant(1)?.name.clone();
    let weight = Value::Constant(weight.transposed(&[1, 0]));
    let inputs = vec![Some(site.value(0)?.clone()), Some(weight)];
    let product = import.ordinary("MatMul", site.name, inputs, &[])?;
    let Some(bias) = site.optional(5) else {
        return Ok(vec![product]);
    };
    let inputs = vec![Some(product), Some(bias.clone())];
    let name = format!("{}.bias", site.name);
    Ok(vec![import.ordinary("Add", &name, inputs, &[])?])
}

/// How the weights lie.
struct Packed {
    /// N, the outputs.
    rows: usize,
    /// K, the inputs.
    columns: usize,
    bits: usize,
    block: usize,
    /// Blocks of a row, the last of which may be longer than what is left of it.
    blocks: usize,
}

impl Packed {
    fn of(site: &Site) -> Result<Self, Trouble> {
        let [rows, columns, bits, block] = [("N", 0), ("K", 0), ("bits", 4), ("block_size", 32)]
            .map(|(name, default)| usize::try_from(site.int(name, default)).unwrap_or(0));
        if !matches!(bits, 2 | 4 | 8) {
            return Err(unsupported(format!("has weights of {bits} bits")));
        }
        let most = 1 << 24;
        let fits = |side: usize| (1..=most).contains(&side);
        if !fits(rows) || !fits(columns) || !fits(block) || !block.is_multiple_of(8 / bits) {
            return Err(invalid(format!(
                "has weights [{rows}, {columns}] in blocks of {block}"
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

    /// Number `index` of several that lie in bytes, the lowest bits first.
    fn number(&self, bytes: &[i64], index: usize) -> i64 {
        let each = 8 / self.bits;
        (bytes[index / each] >> (index % each * self.bits)) & ((1 << self.bits) - 1)
    }

    /// The numbers that the weights stand for, `[N, K]`.
    fn unpacked(&self, site: &Site) -> Result<Array, Trouble> {
        let bytes = site.constant(1)?.as_known()?;
        let steps = site.constant(2)?.as_floats()?;
        let wrong = |what: &str| invalid(format!("has not as many {what} as blocks of weights"));
        let per_row = self.blocks * self.block;
        if bytes.len() != self.rows * per_row * self.bits / 8 {
            return Err(wrong("bytes"));
        }
        if steps.len() != self.rows * self.blocks {
            return Err(wrong("steps"));
        }
        // Zero points lie in bytes as the weights do, row by row; or they are floats.
        let bytes_per_row = (self.blocks * self.bits).div_ceil(8);
        let zeros = match site.optional_constant(3)? {
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
                if zeros.len() != steps.len() {
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
                values.push((whole - zero) * steps[row * self.blocks + block]);
            }
        }
        Ok(Array::floats(&[self.rows, self.columns], values))
    }
}

/// The numbers that stand for 0.
enum Zeros {
    /// The middle of what the bits can tell.
    Middle,
    Packed(Vec<i64>),
    Floats(Vec<f32>),
}
