//! Matrix products.

use dvm_engine::ops::batched_product::BatchedProduct;
use dvm_engine::ops::binary::Function;
use dvm_engine::ops::linear::Linear;

use super::{Operator, computed, constant};
use crate::import::builder::evaluate;
use crate::import::elementwise::{Broadcast, in_order, view_of};
use crate::import::value::array::broadcast;
use crate::import::{
    Array, Import, NodeContext, Result, Value, Values, View, invalid, unsupported,
};

pub(super) const TABLE: &[(&str, Operator)] = &[("Gemm", gemm), ("MatMul", mat_mul)];

/// An array times a number, under the same name.
fn times(array: &Array, factor: f32) -> Result<Array> {
    if factor == 1.0 {
        return Ok(array.clone());
    }
    let values = array
        .as_floats()?
        .iter()
        .map(|value| value * factor)
        .collect();
    Ok(Array {
        name: array.name.clone(),
        ..Array::floats(&array.shape, values)
    })
}

fn gemm(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let (alpha, beta) = (ctx.float("alpha", 1.0), ctx.float("beta", 1.0));
    let mut x = ctx.view(0)?.clone();
    if x.rank() != 2 {
        return Err(invalid(format!(
            "needs a matrix, but its input has {} axes",
            x.rank()
        )));
    }
    if ctx.int("transA", 0) != 0 {
        x = x.transposed(&[1, 0]);
    }
    if let Value::Computed(other) = ctx.value(1)? {
        if alpha != 1.0 || ctx.optional(2).is_some() {
            return Err(unsupported(
                "multiplies two computed matrices and scales or adds to the product",
            ));
        }
        let other = match ctx.int("transB", 0) {
            0 => other.clone(),
            _ => other.transposed(&[1, 0]),
        };
        return computed(import.product(&x, &other, ctx.name)?);
    }
    let weight = ctx.constant(1)?;
    if weight.rank() != 2 {
        return Err(invalid(format!(
            "has weights of shape {:?} instead of a matrix",
            weight.shape
        )));
    }
    // [O, I], as the engine and PyTorch have them.
    let weight = match ctx.int("transB", 0) {
        0 => weight.transposed(&[1, 0]),
        _ => weight.clone(),
    };
    let weight = times(&weight, alpha)?;
    let outputs = weight.shape[0];
    let (mut bias, mut rest) = (None, None);
    match ctx.optional(2) {
        Some(Value::Constant(array)) if array.len() == outputs || array.len() == 1 => {
            let row = array.reshaped(&[array.len()])?.broadcast_to(&[outputs])?;
            bias = Some(times(&row, beta)?);
        }
        Some(other) => rest = Some(other.clone()),
        None => {}
    }
    let product = import.linear(ctx, &x, &weight, bias)?;
    let Some(rest) = rest else {
        return computed(product);
    };
    if beta != 1.0 {
        return Err(unsupported(format!(
            "adds a matrix with a `beta` of {beta}"
        )));
    }
    let name = format!("{}.sum", ctx.name);
    let sum = import.binary(&name, Function::Add, &Value::Computed(product), &rest)?;
    Ok(vec![sum])
}

fn mat_mul(import: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    match (ctx.value(0)?.clone(), ctx.value(1)?.clone()) {
        (Value::Constant(a), Value::Constant(b)) => {
            let (a, b) = (&a, &b);
            if a.rank() < 2 || b.rank() < 2 {
                return Err(unsupported("multiplies constant vectors"));
            }
            let mut shape = broadcast(&a.shape[..a.rank() - 2], &b.shape[..b.rank() - 2])?;
            shape.extend([a.shape[a.rank() - 2], b.shape[b.rank() - 1]]);
            import.graph.check_array(&shape)?;
            let work = a.len().saturating_mul(b.shape[b.rank() - 1]);
            import.graph.count_work(work / 64)?;
            constant(evaluate(&BatchedProduct, &[a, b], &[])?)
        }
        (Value::Computed(x), Value::Constant(weight)) if is_stack(&weight) => {
            let weight = import.stack_per_picture(&weight, &x, ctx.name)?;
            computed(import.product(&x, &weight, ctx.name)?)
        }
        (Value::Constant(weight), Value::Computed(x)) if is_stack(&weight) => {
            let weight = import.stack_per_picture(&weight, &x, ctx.name)?;
            computed(import.product(&weight, &x, ctx.name)?)
        }
        (Value::Computed(x), Value::Constant(weight)) => {
            let weight = matrix(&weight)?;
            let weight = weight.transposed(&[1, 0]);
            computed(import.linear(ctx, &x, &weight, None)?)
        }
        (Value::Constant(weight), Value::Computed(x)) => {
            // (xᵀ · Wᵀ)ᵀ; transposing a view moves no numbers.
            let rank = x.rank();
            if rank < 2 {
                return Err(unsupported("multiplies a constant matrix by a vector"));
            }
            let mut turned: Vec<usize> = (0..rank).collect();
            turned.swap(rank - 1, rank - 2);
            let weight = matrix(&weight)?;
            let product = import.linear(ctx, &x.transposed(&turned), &weight, None)?;
            computed(product.transposed(&turned))
        }
        (Value::Computed(a), Value::Computed(b)) => computed(import.product(&a, &b, ctx.name)?),
        _ => Err(unsupported("multiplies booleans")),
    }
}

/// Whether a constant is a stack of matrices.
fn is_stack(array: &Array) -> bool {
    let outer = array.rank().saturating_sub(2);
    array.shape[..outer].iter().any(|&side| side != 1)
}

/// A constant as one matrix.
fn matrix(array: &Array) -> Result<Array> {
    let rank = array.rank();
    if rank < 2 {
        return Err(unsupported("multiplies by a constant vector"));
    }
    array.reshaped(&array.shape[rank - 2..])
}

impl Import<'_> {
    /// A constant stack of matrices as a value that is the same for each picture, to multiply with `beside`.
    fn stack_per_picture(&mut self, array: &Array, beside: &View, name: &str) -> Result<View> {
        let rank = beside.rank().max(array.rank());
        let filled = rank - beside.rank();
        let of_pictures = beside.axes.iter().position(|group| group[..] == [0]);
        let shape = [&vec![1; rank - array.rank()][..], &array.shape].concat();
        let at = of_pictures.map(|at| at + filled);
        let Some(at) = at.filter(|&at| at + 2 < rank && shape[at] == 1) else {
            return Err(unsupported(format!(
                "multiplies by a constant stack of matrices of shape {:?}",
                array.shape
            )));
        };
        let node = self.repeat_per_picture(&array.reshaped(&shape)?, name)?;
        let axes = (0..rank).map(|axis| if axis == at { vec![0] } else { vec![axis + 1] });
        let view = View::new(node, axes);
        Ok(self.graph.without_ones(view))
    }

    /// `x · weightᵀ + bias` along the last axis of a view; `weight` is `[O, I]`.
    fn linear(
        &mut self,
        ctx: &NodeContext,
        x: &View,
        weight: &Array,
        bias: Option<Array>,
    ) -> Result<View> {
        let mut weight = weight.clone();
        let name = self.layer_name(ctx, &weight);
        let last = x.rank() - 1;
        let mut view = x.clone();
        let one = |view: &View| view.axes[last].len() == 1 && view.axes[last] != [0];
        let is_last = |import: &Self, view: &View| {
            let rank = import.graph.nodes[view.node].shape.len();
            let features = if rank == 4 { 1 } else { rank - 1 };
            one(view) && view.axes[last][0] == features
        };
        // A row that was flattened after a global pool is not treated as a feature map of one pixel.
        let is_row = view.rank() == 2 && self.graph.nodes[view.node].shape.len() > 2;
        if !is_last(self, &view) || is_row {
            view = self.graph.for_last_axis(&view, &name)?;
        }
        if weight.shape[1] == 1 && view.axes[last].is_empty() {
            return Err(unsupported("multiplies values of one feature"));
        }
        if !one(&view) {
            return Err(unsupported("multiplies across the pictures of a batch"));
        }
        if matches!(weight.values, Values::Integers(_)) {
            return Err(invalid("has integers as weights"));
        }
        weight.repeated = false;
        let parameters = self.graph.layer_parameters(&weight, bias.as_ref(), &name)?;
        let shape = self.graph.nodes[view.node].shape.clone();
        let rank = shape.len();
        let own = view.axes[last][0];
        if rank <= 3 || (rank == 4 && own == 1) {
            let node = self
                .graph
                .emit_layer(&name, Linear, &[view.node], &parameters)?;
            return Ok(self.graph.without_ones(view.of(node)));
        }
        // All axes between the batch and the features are merged.
        let tokens: usize = shape[1..rank - 1].iter().product();
        let rows = self
            .graph
            .reshape_node(view.node, &[1, tokens, shape[rank - 1]], &name)?;
        let rows = self.graph.emit_layer(&name, Linear, &[rows], &parameters)?;
        let mut back = shape;
        back[rank - 1] = weight.shape[0];
        let node = self.graph.reshape_node(rows, &back, &name)?;
        Ok(self.graph.without_ones(view.of(node)))
    }

    /// The product of two computed stacks of matrices.
    ///
    /// # Errors
    /// If the stacks cannot be broadcast.
    pub fn product(&mut self, a: &View, b: &View, name: &str) -> Result<View> {
        if a.rank() < 2 || b.rank() < 2 {
            return Err(unsupported("multiplies computed vectors"));
        }
        // Rows and columns become single axes, so that only the stacks have to be broadcast.
        let whole = |import: &mut Self, view: &View| {
            let matrix = &view.axes[view.rank() - 2..];
            match matrix.iter().all(|group| group.len() == 1 && group[0] != 0) {
                true => Ok(view.clone()),
                false => import.graph.canonical(view, name),
            }
        };
        let (a, b) = (whole(self, a)?, whole(self, b)?);
        let outer = |view: &View| View::new(view.node, view.axes[..view.rank() - 2].to_vec());
        let matrices = [&a, &b].map(|view| view.axes[view.rank() - 2..].to_vec());
        if matrices
            .iter()
            .flatten()
            .any(|group| group.len() > 1 || group.contains(&0))
        {
            return Err(unsupported("multiplies across the pictures of a batch"));
        }
        let parts = self.graph.broadcast_stacks(&outer(&a), &outer(&b))?;
        let Broadcast { views, parts } = parts;
        let slots = in_order(&parts);
        let rank = parts.len();
        let mut placed = Vec::new();
        for (view, matrix) in views.iter().zip(&matrices) {
            let full = View::new(view.node, [view.axes.clone(), matrix.clone()].concat());
            let slots = [&slots[..], &[(rank, 0), (rank + 1, 0)]].concat();
            placed.push(self.graph.with_slots(&full, &slots, name)?);
        }
        let node = self.graph.emit(name, BatchedProduct, &placed)?;
        let slots = [&slots[..], &[(rank, 0), (rank + 1, 0)]].concat();
        let view = view_of(rank + 2, &slots, node);
        Ok(self.graph.without_ones(view))
    }
}
