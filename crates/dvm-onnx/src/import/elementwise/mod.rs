//! Arithmetic on two values with broadcasting, of all kinds of values.

mod broadcast;
mod with_constant;

use std::cmp::Ordering;

use dvm_engine::ops::add::Add;
use dvm_engine::ops::binary::{Binary, Function};
use dvm_engine::ops::mul::Mul;

pub(crate) use self::broadcast::{Broadcast, in_order, view_of};
use crate::import::builder::evaluate;
use crate::import::value::array;
use crate::import::{Array, Import, Result, SymInt, Value, Values, View, unsupported};

impl Import<'_> {
    /// `function(a, b)`.
    ///
    /// # Errors
    /// If the two cannot be broadcast or combined.
    pub fn binary(
        &mut self,
        name: &str,
        function: Function,
        a: &Value,
        b: &Value,
    ) -> Result<Value> {
        match (a, b) {
            (Value::Constant(a), Value::Constant(b)) => {
                self.of_constants(function, a, b).map(Value::Constant)
            }
            (Value::Computed(a), Value::Computed(b)) => {
                self.of_views(name, function, a, b).map(Value::Computed)
            }
            (Value::Computed(x), Value::Constant(array)) => {
                let made = self.with_constant(name, function, x, array, false);
                made.map(Value::Computed)
            }
            (Value::Constant(array), Value::Computed(x)) => {
                let made = self.with_constant(name, function, x, array, true);
                made.map(Value::Computed)
            }
            (Value::BatchIndices(x), Value::Constant(array)) => {
                let made = self.on_batch_indices(function, x, array, false);
                made.map(Value::BatchIndices)
            }
            (Value::Constant(array), Value::BatchIndices(x)) => {
                let made = self.on_batch_indices(function, x, array, true);
                made.map(Value::BatchIndices)
            }
            _ => Err(unsupported(
                "computes with booleans or quantised values of the picture",
            )),
        }
    }

    /// `function` of two constants.
    ///
    /// # Errors
    /// If their shapes cannot be broadcast, or integers overflow.
    pub fn of_constants(&mut self, function: Function, a: &Array, b: &Array) -> Result<Array> {
        let shape = array::broadcast(&a.shape, &b.shape)?;
        self.graph.check_array(&shape)?;
        let mut made = match (&a.values, &b.values) {
            (Values::Integers(_), Values::Integers(_)) => {
                let (a, b) = (a.broadcast_to(&shape)?, b.broadcast_to(&shape)?);
                let pairs = a.as_integers()?.iter().zip(b.as_integers()?.iter());
                let values = pairs.map(|(&a, &b)| of_integers(function, a, b));
                Array::integers(&shape, values.collect::<Result<_, _>>()?)
            }
            _ => {
                let rank = shape.len().max(1);
                let filled = |array: &Array| {
                    let ones = vec![1; rank - array.rank()];
                    array.reshaped(&[&ones[..], &array.shape].concat())
                };
                evaluate(&Binary::inputs(function), &[&filled(a)?, &filled(b)?], &[])?
                    .reshaped(&shape)?
            }
        };
        made.repeated = a.repeated || b.repeated;
        Ok(made)
    }

    fn of_views(&mut self, name: &str, function: Function, a: &View, b: &View) -> Result<View> {
        let Broadcast { views, parts } = self.graph.broadcast(a, b, name)?;
        let covers = |view: &View| {
            let mut pairs = view.axes.iter().zip(&parts);
            pairs.all(|(group, parts)| group.len() == parts.len())
        };
        // In the order of an input that has all axes, if there is one.
        let reference = views.iter().find(|view| covers(view));
        let slots = match reference {
            Some(view) => self.graph.slots_of(view),
            None => in_order(&parts),
        };
        let [a, b] = [&views[0], &views[1]].map(|view| self.graph.with_slots(view, &slots, name));
        let (a, b) = (a?, b?);
        let shapes = [a, b].map(|id| self.graph.nodes[id].shape.clone());
        let per_channel = |map: &[usize], scale: &[usize]| {
            map.len() == 4 && scale.len() == 4 && scale[2..] == [1, 1] && scale[1] == map[1]
        };
        let [first, second] = &shapes;
        let layer_norm = match function {
            Function::Div => self.layer_norm_of(name, a, b)?,
            _ => None,
        };
        let node = match function {
            _ if let Some(node) = layer_norm => node,
            Function::Add if first == second => self.graph.emit(name, Add, &[a, b])?,
            Function::Mul
                if first == second || per_channel(first, second) || per_channel(second, first) =>
            {
                self.graph.emit(name, Mul, &[a, b])?
            }
            _ => self.graph.emit(name, Binary::inputs(function), &[a, b])?,
        };
        let view = view_of(parts.len(), &slots, node);
        Ok(self.graph.without_ones(view))
    }
}

fn of_integers(function: Function, a: SymInt, b: SymInt) -> Result<SymInt> {
    let chosen = |is_first: fn(Ordering) -> bool| {
        a.compare(b)
            .map(|order| if is_first(order) { a } else { b })
    };
    let value = match function {
        Function::Add => a.plus(b),
        Function::Sub => a.minus(b),
        Function::Mul => a.times(b),
        Function::Div => a.quotient(b),
        Function::Min => chosen(Ordering::is_lt),
        Function::Max => chosen(Ordering::is_gt),
        Function::Pow => match (a.known(), b.known().and_then(|b| u32::try_from(b).ok())) {
            (Some(a), Some(b)) => a.checked_pow(b).map(SymInt::from),
            _ => None,
        },
    };
    value.ok_or_else(|| unsupported("computes integers that overflow or depend on the batch size"))
}
