//! `Trilu` of constants, such as attention masks.

use super::{Operator, constant};
use crate::import::{Array, Import, NodeContext, Result, SymInt, Value, Values, invalid};

pub(super) const TABLE: &[(&str, Operator)] = &[("Trilu", trilu)];

/// A constant with zeros above or below a diagonal.
fn trilu(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let array = ctx.constant(0)?.clone();
    let k = match ctx.optional_constant(1)? {
        Some(k) => k.as_known()?.first().copied().unwrap_or(0),
        None => 0,
    };
    let is_upper = ctx.int("upper", 1) != 0;
    let [.., rows, columns] = array.shape[..] else {
        return Err(invalid(format!(
            "needs a matrix, but its input has shape {:?}",
            array.shape
        )));
    };
    import.graph.check_array(&array.shape)?;
    let stays = |index: usize| {
        let (row, column) = (index / columns % rows, index % columns);
        let distance = column as i64 - row as i64;
        if is_upper {
            distance >= k
        } else {
            distance <= k
        }
    };
    constant(match &array.values {
        Values::Integers(values) => {
            let zero = SymInt::from(0);
            let kept = values.iter().enumerate();
            let kept = kept.map(|(i, &value)| if stays(i) { value } else { zero });
            Array::integers(&array.shape, kept.collect())
        }
        _ => {
            let values = array.as_floats()?;
            let kept = values.iter().enumerate();
            let kept = kept.map(|(i, &value)| if stays(i) { value } else { 0.0 });
            Array::floats(&array.shape, kept.collect())
        }
    })
}
