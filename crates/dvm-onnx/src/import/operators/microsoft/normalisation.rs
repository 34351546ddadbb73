//! Sums that are normalised.

use super::super::super::Import;
use super::super::super::site::{Site, Value};
use super::super::super::trouble::Trouble;
use super::super::Table;
use super::super::expansion::float;

pub(super) const TABLE: Table = &[
    ("SkipLayerNormalization", |i, s| {
        let (weight, bias) = (s.optional(2).cloned(), s.optional(3).cloned());
        normalised_sum(
            i,
            s,
            s.optional(4),
            "LayerNormalization",
            vec![weight, bias],
        )
    }),
    ("SkipSimplifiedLayerNormalization", |i, s| {
        let weight = s.optional(2).cloned();
        normalised_sum(i, s, s.optional(3), "RMSNormalization", vec![weight])
    }),
];

/// The normalised sum of the first two inputs and a bias. The sum itself is the fourth output; mean and
/// deviation, the second and third, are for training.
fn normalised_sum(
    import: &mut Import,
    site: &Site,
    bias: Option<&Value>,
    operator: &str,
    weights: Vec<Option<Value>>,
) -> Result<Vec<Value>, Trouble> {
    let name = site.name;
    let mut sum = site.value(0)?.clone();
    // The bias first: it is that of the layer before.
    let others = [("bias", bias), ("sum", Some(site.value(1)?))];
    for (what, other) in others {
        if let Some(other) = other {
            let inputs = vec![Some(sum), Some(other.clone())];
            sum = import.ordinary("Add", &format!("{name}.{what}"), inputs, &[])?;
        }
    }
    let inputs = [vec![Some(sum.clone())], weights].concat();
    let epsilon = float("epsilon", site.float("epsilon", 1e-12));
    let made = import.ordinary(operator, name, inputs, &[epsilon])?;
    Ok(vec![made, Value::Unknown, Value::Unknown, sum])
}
