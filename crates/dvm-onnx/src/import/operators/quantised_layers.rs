//! Layers of whole numbers whose scales are known: the float layer of what the numbers stand for.

use super::super::Import;
use super::super::site::{Site, Value};
use super::super::trouble::Trouble;
use super::Table;

pub(super) const TABLE: Table = &[("QLinearConv", conv), ("QLinearMatMul", mat_mul)];

pub(super) fn conv(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let mut inputs = vec![
        import.dequantised_by(site, 0, 1)?,
        import.dequantised_by(site, 3, 0)?,
    ];
    if let Some(bias) = site.optional(8) {
        let scales = [site.value(1)?, site.value(4)?];
        let bias = import.dequantised_bias(bias, scales, 1.0, site.name)?;
        inputs.push(Some(bias));
    }
    let made = import.ordinary("Conv", site.name, inputs, &site.node.attribute)?;
    import.quantised_by(site, made, 6, 7)
}

fn mat_mul(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let inputs = vec![
        import.dequantised_by(site, 0, -2)?,
        import.dequantised_by(site, 3, -1)?,
    ];
    let made = import.ordinary("MatMul", site.name, inputs, &[])?;
    import.quantised_by(site, made, 6, 7)
}
