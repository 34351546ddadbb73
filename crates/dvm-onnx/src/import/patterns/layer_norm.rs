//! Layer norms that files write as several operators.

use dvm_engine::ops::binary::{Binary, Function, Other};
use dvm_engine::ops::mul::Mul;
use dvm_engine::ops::reduce::{How, Reduce};
use dvm_engine::ops::unary::Unary;

use crate::import::{Import, Result};

impl Import<'_> {
    /// The layer norm that `a / b` computes, if it does: `a` is x minus its mean, `b` the root of the mean of its squares.
    ///
    /// # Errors
    /// As `GraphBuilder::emit`.
    pub fn layer_norm_of(&mut self, name: &str, a: usize, b: usize) -> Result<Option<usize>> {
        let nodes = &self.graph.nodes;
        let mean_of = |node: usize| match nodes[node].op_as::<Reduce>() {
            Some(Reduce {
                how: How::Mean,
                axes,
                keeps: true,
            }) if axes.len() == 1 => Some((nodes[node].inputs[0], axes[0])),
            _ => None,
        };
        let is = |node: usize, function: Function| {
            let binary = nodes[node].op_as::<Binary>();
            let fits =
                |binary: &&Binary| binary.function == function && binary.other == Other::Input;
            binary.filter(fits).is_some()
        };
        let constant = |node: usize, function: Function| {
            let binary = nodes[node].op_as::<Binary>()?;
            match &binary.other {
                Other::Constant(constant)
                    if binary.function == function && !binary.swapped && constant.len() == 1 =>
                {
                    Some((nodes[node].inputs[0], constant.data()[0]))
                }
                _ => None,
            }
        };
        let found = || {
            if !is(a, Function::Sub) || nodes[b].op_as::<Unary>() != Some(&Unary::Sqrt) {
                return None;
            }
            let &[x, mean] = &nodes[a].inputs[..] else {
                return None;
            };
            let (source, axis) = mean_of(mean)?;
            let (variance, eps) = constant(nodes[b].inputs[0], Function::Add)?;
            let (squares, same_axis) = mean_of(variance)?;
            let squared = match constant(squares, Function::Pow) {
                Some((base, 2.0)) => base,
                _ if nodes[squares].op_as::<Mul>().is_some()
                    && nodes[squares].inputs[0] == nodes[squares].inputs[1] =>
                {
                    nodes[squares].inputs[0]
                }
                _ => return None,
            };
            // Some files subtract the mean twice.
            let same = squared == a || nodes[squared].inputs == nodes[a].inputs;
            let fits = source == x && same && same_axis == axis;
            (fits && is(squared, Function::Sub) && eps > 0.0).then_some((x, axis, eps))
        };
        let Some((x, axis, eps)) = found() else {
            return Ok(None);
        };
        let made = self.layer_norm(name, x, axis, eps, None, None)?;
        Ok(Some(made))
    }
}
