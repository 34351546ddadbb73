//! `WindowAttention`, this crate's operator, which only the structures beside checkpoints have.

use dvm_engine::Role;
use dvm_engine::ops::window_attention::WindowAttention;

use super::{Operator, computed};
use crate::import::{Import, NodeContext, Result, Value, invalid};

pub(super) const TABLE: &[(&str, Operator)] = &[("WindowAttention", window_attention)];

fn window_attention(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let number = |name: &str| {
        let number = usize::try_from(ctx.int(name, -1));
        number.map_err(|_| invalid(format!("has no `{name}`")))
    };
    let op = WindowAttention {
        heads: number("heads")?,
        window: number("window")?,
        shift: number("shift")?,
    };
    let view = ctx.view(0)?.clone();
    let map = import.graph.batch_first(&view, ctx.name)?;
    let table = ctx.constant(1)?.clone();
    let table =
        import
            .graph
            .parameter(&table, ctx.name, "relative_position_bias_table", Role::Bias)?;
    let node = import.graph.emit_layer(ctx.name, op, &[map], &[table])?;
    computed(import.graph.view(node))
}
