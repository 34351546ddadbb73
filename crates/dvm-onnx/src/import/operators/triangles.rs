//! Triangles of constants, such as masks of attention.

use super::super::Import;
use super::super::array::{Array, Values};
use super::super::integer::Integer;
use super::super::site::{Site, Value};
use super::super::trouble::{Trouble, invalid};
use super::{Operator, constant};

pub(super) const TABLE: &[(&str, Operator)] = &[("Trilu", trilu)];

/// A constant without what lies above or below a diagonal.
fn trilu(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let array = site.constant(0)?.clone();
    let k = match site.optional_constant(1)? {
        Some(k) => k.as_known()?.first().copied().unwrap_or(0),
        None => 0,
    };
    let is_upper = site.int("upper", 1) != 0;
    let [.., rows, columns] = array.shape[..] else {
        return Err(invalid("takes a triangle of a row"));
    };
    import.draft.spend_on(&array.shape)?;
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
            let zero = Integer::from(0);
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
