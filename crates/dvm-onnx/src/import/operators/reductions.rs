//! Sums, means, maxima and softmax along axes.

use dvm_engine::Tensor;
use dvm_engine::ops::add::Add;
use dvm_engine::ops::binary::{Binary, Function};
use dvm_engine::ops::mul::Mul;
use dvm_engine::ops::pool::{Pool, Reduction, Windows};
use dvm_engine::ops::reduce::{How, Reduce};
use dvm_engine::ops::softmax::Softmax;
use dvm_engine::ops::unary::Unary;

use super::super::Import;
use super::super::draft::run;
use super::super::integer::Integer;
use super::super::site::{Site, Value};
use super::super::trouble::{Trouble, unsupported};
use super::super::view::View;
use super::reduced_constants::{Known, of_constant};
use super::{Operator, computed, constant};

pub(super) const TABLE: &[(&str, Operator)] = &[
    ("ReduceSum", |i, s| reduce(i, s, How::Sum, Around::Nothing)),
    ("ReduceMean", |i, s| {
        reduce(i, s, How::Mean, Around::Nothing)
    }),
    ("ReduceMax", |i, s| reduce(i, s, How::Max, Around::Nothing)),
    ("ReduceMin", |i, s| reduce(i, s, How::Max, Around::Minus)),
    ("ReduceL1", |i, s| reduce(i, s, How::Sum, Around::Size)),
    ("ReduceL2", |i, s| reduce(i, s, How::Sum, Around::Root)),
    ("ReduceSumSquare", |i, s| {
        reduce(i, s, How::Sum, Around::Square)
    }),
    ("ReduceLogSum", |i, s| reduce(i, s, How::Sum, Around::Log)),
    ("ReduceLogSumExp", |i, s| {
        reduce(i, s, How::Sum, Around::LogOfPowers)
    }),
    ("ReduceProd", product),
    ("Softmax", |i, s| softmax(i, s, false)),
    ("LogSoftmax", |i, s| softmax(i, s, true)),
];

/// What is done before the values become one, and after.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Around {
    Nothing,
    /// −max(−x) is a minimum.
    Minus,
    /// Σ |x|
    Size,
    /// Σ x²
    Square,
    /// √(Σ x²)
    Root,
    /// log Σ x
    Log,
    /// log Σ eˣ
    LogOfPowers,
}

fn reduce(
    import: &mut Import,
    site: &Site,
    how: How,
    around: Around,
) -> Result<Vec<Value>, Trouble> {
    let rank = match site.value(0)? {
        Value::Constant(array) => array.rank(),
        _ => site.view(0)?.rank(),
    };
    let axes = match site.axes(1, rank)? {
        Some(axes) if !axes.is_empty() => axes,
        _ if site.int("noop_with_empty_axes", 0) != 0 => return Ok(vec![site.value(0)?.clone()]),
        _ => (0..rank).collect(),
    };
    let keeps = site.int("keepdims", 1) != 0;
    if let Value::Constant(array) = site.value(0)? {
        let known = match (how, around) {
            (How::Sum, Around::Nothing) => Known::Sum,
            (How::Mean, Around::Nothing) => Known::Mean,
            (How::Max, Around::Nothing) => Known::Max,
            (How::Max, Around::Minus) => Known::Min,
            _ => return Err(unsupported("reduces a constant")),
        };
        return constant(of_constant(array, known, &axes, keeps)?);
    }
    let view = site.view(0)?.clone();
    let own = import.draft.along(&view, &axes)?;
    let name = site.name;
    let mut node = view.node;
    let before = format!("{name}.each");
    // The largest is taken off before, and added again: powers stay below 1.
    let largest = match around {
        Around::LogOfPowers => {
            let name = format!("{name}.largest");
            Some(import.reduced(node, How::Max, own.clone(), &name)?)
        }
        _ => None,
    };
    if let Some(largest) = largest {
        let difference = Binary::inputs(Function::Sub);
        let name = format!("{name}.centred");
        node = import
            .draft
            .emit(&name, difference, &[node, largest], &[])?;
    }
    node = match around {
        Around::Nothing | Around::Log => node,
        Around::LogOfPowers => import.draft.emit(&before, Unary::Exp, &[node], &[])?,
        Around::Minus => import.draft.emit(&before, Unary::Neg, &[node], &[])?,
        Around::Size => import.draft.emit(&before, Unary::Abs, &[node], &[])?,
        Around::Square | Around::Root => import.draft.emit(&before, Mul, &[node, node], &[])?,
    };
    node = import.reduced(node, how, own, name)?;
    node = match around {
        Around::Minus => import
            .draft
            .emit(&format!("{name}.minus"), Unary::Neg, &[node], &[])?,
        Around::Log | Around::LogOfPowers => {
            import
                .draft
                .emit(&format!("{name}.log"), Unary::Log, &[node], &[])?
        }
        Around::Root => import
            .draft
            .emit(&format!("{name}.root"), Unary::Sqrt, &[node], &[])?,
        _ => node,
    };
    if let Some(largest) = largest {
        let name = format!("{name}.back");
        node = import.draft.emit(&name, Add, &[node, largest], &[])?;
    }
    let kept = view.axes.iter().enumerate().filter_map(|(axis, group)| {
        match (axes.contains(&axis), keeps) {
            (false, _) => Some(group.clone()),
            (true, true) => Some(Vec::new()),
            (true, false) => None,
        }
    });
    computed(View {
        node,
        axes: kept.collect(),
    })
}

impl Import<'_> {
    /// A reduction along axes of a node's value, which stay with a side of 1.
    fn reduced(
        &mut self,
        node: usize,
        how: How,
        mut axes: Vec<usize>,
        name: &str,
    ) -> Result<usize, Trouble> {
        // Sides of 1 need no work.
        if axes.is_empty() {
            return Ok(node);
        }
        axes.sort_unstable();
        let rank = self.draft.nodes[node].shape.len();
        let reduction = match how {
            How::Mean => Some(Reduction::Mean {
                count_padding: false,
            }),
            How::Max => Some(Reduction::Max),
            How::Sum => None,
        };
        // What everybody calls a global pool is one.
        if let Some(reduction) = reduction
            && rank == 4
            && axes == [2, 3]
        {
            let op = Pool {
                reduction,
                windows: Windows::Adaptive { output: (1, 1) },
            };
            return self.draft.emit(name, op, &[node], &[]);
        }
        let keeps = true;
        self.draft
            .emit(name, Reduce { how, axes, keeps }, &[node], &[])
    }
}

/// The product of numbers that are known: of the sides of a shape, mostly.
fn product(_: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let array = site.constant(0)?;
    let axes = match site.axes(1, array.rank())? {
        Some(axes) if !axes.is_empty() => axes,
        _ if site.int("noop_with_empty_axes", 0) != 0 => return constant(array.clone()),
        _ => (0..array.rank()).collect(),
    };
    let keeps = site.int("keepdims", 1) != 0;
    constant(of_constant(array, Known::Product, &axes, keeps)?)
}

fn softmax(import: &mut Import, site: &Site, is_log: bool) -> Result<Vec<Value>, Trouble> {
    if let Value::Constant(array) = site.value(0)? {
        if is_log || site.opset < 13 || array.rank() == 0 {
            return Err(unsupported("works on a constant"));
        }
        let axis = site.axis("axis", -1, array.rank())?;
        return constant(run(&Softmax { axis }, &[array], &[])?);
    }
    let view = site.view(0)?.clone();
    let rank = view.rank();
    let name = site.name;
    let default = if site.opset < 13 { 1 } else { -1 };
    let mut axis = site.axis("axis", default, rank)?;
    let sides = import.draft.sides(&view);
    let mut view = view;
    let mut back = None;
    if site.opset < 13 {
        // Before opset 13 all axes from this one on are taken as one.
        let more: Vec<usize> = (axis..rank)
            .filter(|&a| sides[a].known() != Some(1))
            .collect();
        match more[..] {
            [only] => axis = only,
            [] => {}
            _ => {
                let whole = sides[axis..]
                    .iter()
                    .try_fold(Integer::from(1), |p, &s| p.times(s));
                let whole =
                    whole.ok_or_else(|| unsupported("works across the pictures of a batch"))?;
                let to = [&sides[..axis], &[whole]].concat();
                view = import.draft.reshape(&view, &to, name)?;
                back = Some(sides);
            }
        }
    }
    let (view, own) = import.draft.single(&view, axis, name)?;
    let mut node = import
        .draft
        .emit(name, Softmax { axis: own }, &[view.node], &[])?;
    if is_log {
        node = import
            .draft
            .emit(&format!("{name}.log"), Unary::Log, &[node], &[])?;
    }
    let mut made = view.of(node);
    if let Some(sides) = back {
        made = import.draft.reshape(&made, &sides, name)?;
    }
    computed(made)
}

impl Import<'_> {
    /// A node's value times a number.
    ///
    /// # Errors
    /// As [`super::super::draft::Draft::emit`].
    pub fn times(&mut self, node: usize, factor: f32, name: &str) -> Result<usize, Trouble> {
        if factor == 1.0 {
            return Ok(node);
        }
        let op = Binary::constant(Function::Mul, Tensor::full(&[1], factor));
        self.draft.emit(name, op, &[node], &[])
    }
}
