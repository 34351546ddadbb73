//! Reductions (`ReduceSum`, `ReduceMean` and so on) and softmax.

use dvm_engine::Tensor;
use dvm_engine::ops::add::Add;
use dvm_engine::ops::binary::{Binary, Function};
use dvm_engine::ops::mul::Mul;
use dvm_engine::ops::pool::{Pool, Reduction, Windows};
use dvm_engine::ops::reduce::{How, Reduce};
use dvm_engine::ops::softmax::Softmax;
use dvm_engine::ops::unary::Unary;

use super::reduced_constants::{ConstantReduction, of_constant};
use super::{Operator, computed, constant};
use crate::import::builder::evaluate;
use crate::import::{Import, NodeContext, Result, SymInt, Value, View, unsupported};

pub(super) const TABLE: &[(&str, Operator)] = &[
    ("ReduceSum", |i, s| reduce(i, s, How::Sum, Variant::Plain)),
    ("ReduceMean", |i, s| reduce(i, s, How::Mean, Variant::Plain)),
    ("ReduceMax", |i, s| reduce(i, s, How::Max, Variant::Plain)),
    ("ReduceMin", |i, s| reduce(i, s, How::Max, Variant::Negated)),
    ("ReduceL1", |i, s| reduce(i, s, How::Sum, Variant::Abs)),
    ("ReduceL2", |i, s| reduce(i, s, How::Sum, Variant::Root)),
    ("ReduceSumSquare", |i, s| {
        reduce(i, s, How::Sum, Variant::Square)
    }),
    ("ReduceLogSum", |i, s| reduce(i, s, How::Sum, Variant::Log)),
    ("ReduceLogSumExp", |i, s| {
        reduce(i, s, How::Sum, Variant::LogSumExp)
    }),
    ("ReduceProd", product),
    ("Softmax", |i, s| softmax(i, s, false)),
    ("LogSoftmax", |i, s| softmax(i, s, true)),
];

/// What is computed before and after a reduction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Variant {
    Plain,
    /// −max(−x) is a minimum.
    Negated,
    /// Σ |x|
    Abs,
    /// Σ x²
    Square,
    /// √(Σ x²)
    Root,
    /// log Σ x
    Log,
    /// log Σ eˣ
    LogSumExp,
}

/// The axes that a node reduces; `None` if it does nothing.
fn reduced_axes(ctx: &NodeContext, rank: usize) -> Result<Option<Vec<usize>>> {
    Ok(match ctx.axes(1, rank)? {
        Some(axes) if !axes.is_empty() => Some(axes),
        _ if ctx.int("noop_with_empty_axes", 0) != 0 => None,
        _ => Some((0..rank).collect()),
    })
}

fn reduce(
    import: &mut Import,
    ctx: &NodeContext,
    how: How,
    variant: Variant,
) -> Result<Vec<Value>> {
    let rank = match ctx.value(0)? {
        Value::Constant(array) => array.rank(),
        _ => ctx.view(0)?.rank(),
    };
    let Some(axes) = reduced_axes(ctx, rank)? else {
        return Ok(vec![ctx.value(0)?.clone()]);
    };
    let keeps = ctx.int("keepdims", 1) != 0;
    if let Value::Constant(array) = ctx.value(0)? {
        let known = match (how, variant) {
            (How::Sum, Variant::Plain) => ConstantReduction::Sum,
            (How::Mean, Variant::Plain) => ConstantReduction::Mean,
            (How::Max, Variant::Plain) => ConstantReduction::Max,
            (How::Max, Variant::Negated) => ConstantReduction::Min,
            _ => return Err(unsupported("has a constant input")),
        };
        return constant(of_constant(array, known, &axes, keeps)?);
    }
    let view = ctx.view(0)?.clone();
    let own = import.graph.node_axes(&view, &axes)?;
    let name = ctx.name;
    let mut node = view.node;
    let before = format!("{name}.each");
    // The largest value is subtracted before and added after, so the exponentials stay below 1.
    let mut largest = None;
    if variant == Variant::LogSumExp {
        let before = import.reduced(node, How::Max, own.clone(), &format!("{name}.largest"))?;
        let difference = Binary::inputs(Function::Sub);
        let name = format!("{name}.centred");
        node = import.graph.emit(&name, difference, &[node, before])?;
        largest = Some(before);
    }
    node = match variant {
        Variant::Plain | Variant::Log => node,
        Variant::LogSumExp => import.graph.emit(&before, Unary::Exp, &[node])?,
        Variant::Negated => import.graph.emit(&before, Unary::Neg, &[node])?,
        Variant::Abs => import.graph.emit(&before, Unary::Abs, &[node])?,
        Variant::Square | Variant::Root => import.graph.emit(&before, Mul, &[node, node])?,
    };
    node = import.reduced(node, how, own, name)?;
    node = match variant {
        Variant::Negated => import
            .graph
            .emit(&format!("{name}.minus"), Unary::Neg, &[node])?,
        Variant::Log | Variant::LogSumExp => {
            import
                .graph
                .emit(&format!("{name}.log"), Unary::Log, &[node])?
        }
        Variant::Root => import
            .graph
            .emit(&format!("{name}.root"), Unary::Sqrt, &[node])?,
        _ => node,
    };
    if let Some(largest) = largest {
        let name = format!("{name}.back");
        node = import.graph.emit(&name, Add, &[node, largest])?;
    }
    let kept = view.axes.iter().enumerate().filter_map(|(axis, group)| {
        match (axes.contains(&axis), keeps) {
            (false, _) => Some(group.clone()),
            (true, true) => Some(Vec::new()),
            (true, false) => None,
        }
    });
    computed(View::new(node, kept))
}

impl Import<'_> {
    /// A reduction along axes of a node's value, which keep length 1.
    fn reduced(
        &mut self,
        node: usize,
        how: How,
        mut axes: Vec<usize>,
        name: &str,
    ) -> Result<usize> {
        // Axes of length 1 are not listed.
        if axes.is_empty() {
            return Ok(node);
        }
        axes.sort_unstable();
        let rank = self.graph.nodes[node].shape.len();
        let reduction = match how {
            How::Mean => Some(Reduction::Mean {
                count_padding: false,
            }),
            How::Max => Some(Reduction::Max),
            How::Sum => None,
        };
        // A global pool.
        if let Some(reduction) = reduction
            && rank == 4
            && axes == [2, 3]
        {
            let op = Pool {
                reduction,
                windows: Windows::Adaptive { output: (1, 1) },
            };
            return self.graph.emit(name, op, &[node]);
        }
        let keeps = true;
        self.graph.emit(name, Reduce { how, axes, keeps }, &[node])
    }
}

/// The product of constants: of the sides of a shape, usually.
fn product(_: &mut Import, ctx: &NodeContext) -> Result<Vec<Value>> {
    let array = ctx.constant(0)?;
    let Some(axes) = reduced_axes(ctx, array.rank())? else {
        return constant(array.clone());
    };
    let (how, keeps) = (ConstantReduction::Product, ctx.int("keepdims", 1) != 0);
    constant(of_constant(array, how, &axes, keeps)?)
}

fn softmax(import: &mut Import, ctx: &NodeContext, is_log: bool) -> Result<Vec<Value>> {
    if let Value::Constant(array) = ctx.value(0)? {
        if is_log || ctx.opset < 13 || array.rank() == 0 {
            return Err(unsupported("has a constant input"));
        }
        let axis = ctx.axis("axis", -1, array.rank())?;
        return constant(evaluate(&Softmax { axis }, &[array], &[])?);
    }
    let view = ctx.view(0)?.clone();
    let rank = view.rank();
    let name = ctx.name;
    let default = if ctx.opset < 13 { 1 } else { -1 };
    let mut axis = ctx.axis("axis", default, rank)?;
    let sides = import.graph.sides(&view);
    let mut view = view;
    let mut back = None;
    if ctx.opset < 13 {
        // Before opset 13, softmax works along this and all later axes together.
        let more: Vec<usize> = (axis..rank)
            .filter(|&a| sides[a].known() != Some(1))
            .collect();
        match more[..] {
            [only] => axis = only,
            [] => {}
            _ => {
                let whole = SymInt::product(&sides[axis..]);
                let whole =
                    whole.ok_or_else(|| unsupported("works across the pictures of a batch"))?;
                let to = [&sides[..axis], &[whole]].concat();
                view = import.graph.reshape(&view, &to, name)?;
                back = Some(sides);
            }
        }
    }
    let (view, own) = import.graph.with_single_axis(&view, axis, name)?;
    let mut node = import
        .graph
        .emit(name, Softmax { axis: own }, &[view.node])?;
    if is_log {
        node = import
            .graph
            .emit(&format!("{name}.log"), Unary::Log, &[node])?;
    }
    let mut made = view.of(node);
    if let Some(sides) = back {
        made = import.graph.reshape(&made, &sides, name)?;
    }
    computed(made)
}

impl Import<'_> {
    /// A node's value times a number.
    ///
    /// # Errors
    /// As `GraphBuilder::emit`.
    pub fn times(&mut self, node: usize, factor: f32, name: &str) -> Result<usize> {
        if factor == 1.0 {
            return Ok(node);
        }
        let op = Binary::constant(Function::Mul, Tensor::full(&[1], factor));
        self.graph.emit(name, op, &[node])
    }
}
