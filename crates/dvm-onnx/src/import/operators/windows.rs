//! Attention within windows, as structures of networks tell it.

use dvm_engine::Role;
use dvm_engine::ops::window_attention::WindowAttention;

use super::super::Import;
use super::super::site::{Site, Value};
use super::super::trouble::{Trouble, invalid};
use super::{Operator, computed};

pub(super) const TABLE: &[(&str, Operator)] = &[("WindowAttention", window_attention)];

fn window_attention(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let number = |name: &str| {
        let number = usize::try_from(site.int(name, -1));
        number.map_err(|_| invalid(format!("lacks its {name}")))
    };
    let op = WindowAttention {
        heads: number("heads")?,
        window: number("window")?,
        shift: number("shift")?,
    };
    let view = site.view(0)?.clone();
    let map = import.draft.plain(&view, site.name)?;
    let table = site.constant(1)?.clone();
    let table = import.draft.parameter(
        &table,
        site.name,
        "relative_position_bias_table",
        Role::Bias,
    )?;
    let node = import.draft.emit(site.name, op, &[map], &[table])?;
    computed(import.draft.whole(node))
}
