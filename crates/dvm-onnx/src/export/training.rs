//! What does something in training only.

use dvm_engine::ops::dropout::Dropout;
use dvm_engine::ops::stochastic_depth::StochasticDepth;

use super::Purpose;
use super::writer::{Site, Writer, Written};

pub(super) fn write(writer: &mut Writer, site: &Site) -> Written {
    if let (Some(dropout), Purpose::Structure) = (site.node.op_as::<Dropout>(), writer.purpose) {
        let share = writer.scalar(dropout.p);
        return writer.last(site, "Dropout", &[site.inputs[0], &share], vec![]);
    }
    let idle =
        site.node.op_as::<Dropout>().is_some() || site.node.op_as::<StochasticDepth>().is_some();
    Ok(idle.then(|| site.inputs[0].to_owned()))
}
