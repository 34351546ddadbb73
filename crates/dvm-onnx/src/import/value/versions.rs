//! Several versions of the pictures in one batch: test-time augmentation inside a graph, which runs pictures and their
//! mirror images through the network at once.
//!
//! Each version becomes a branch of nodes with the same weights, so an operator is applied to one version after the
//! other. Operators that split the batch or reduce it work on all versions.

use dvm_engine::ops::binary::Function;

use crate::import::operators::Operator;
use crate::import::operators::shapes::sides;
use crate::import::{
    Array, Import, NodeContext, NodeError, Result, SymInt, Value, View, invalid, unsupported,
};

/// The most versions of a picture.
const MOST_VERSIONS: usize = 64;

/// The error of an operator that cannot be applied to each version alone.
fn mixes() -> NodeError {
    unsupported("works across several versions of the pictures in one batch")
}

impl Import<'_> {
    /// Values stacked along the batch, which is their first axis.
    ///
    /// # Errors
    /// If one of them is a constant, their shapes differ, or there are too many.
    pub fn stack_versions(&mut self, values: &[Value]) -> Result<Value> {
        let mut copies = Vec::new();
        for value in values {
            match value {
                Value::Computed(view) => copies.push(view.clone()),
                Value::Versions(views) => copies.extend(views.iter().cloned()),
                _ => return Err(unsupported("concatenates pictures with a constant")),
            }
        }
        let shape = self.graph.sides(&copies[0]);
        if copies.iter().any(|view| self.graph.sides(view) != shape) {
            return Err(unsupported("concatenates pictures of different shapes"));
        }
        if copies.len() > MOST_VERSIONS {
            return Err(unsupported(format!(
                "stacks {} versions of the pictures; the limit is {MOST_VERSIONS}",
                copies.len()
            )));
        }
        Ok(Value::Versions(copies))
    }

    /// An operator on several versions of the pictures.
    ///
    /// # Errors
    /// Those of the operator, and if it mixes the versions.
    pub fn on_versions(&mut self, operator: Operator, ctx: &NodeContext) -> Result<Vec<Value>> {
        let first = ctx.optional(0);
        let copies: Vec<View> = match first {
            Some(Value::Versions(copies)) => copies.clone(),
            _ => Vec::new(),
        };
        match &ctx.node.op_type[..] {
            "Shape" | "Identity" => return operator(self, ctx),
            "Concat" if self.is_along_versions(ctx, "axis", 1)? => return operator(self, ctx),
            "Split" if self.is_along_versions(ctx, "axis", 0)? => {
                return self.split_versions(ctx, &copies);
            }
            "Slice" => {
                if let Some(part) = self.slice_versions(ctx, &copies)? {
                    return Ok(vec![part]);
                }
            }
            "Reshape" => return self.reshape_versions(operator, ctx, &copies),
            "ReduceMean" | "ReduceSum" if !copies.is_empty() => {
                let rank = copies[0].rank();
                if ctx.axes(1, rank)?.is_some_and(|axes| axes == [0]) {
                    return self.reduce_versions(ctx, &copies);
                }
            }
            _ => {}
        }
        self.one_by_one(operator, ctx)
    }

    fn is_along_versions(&self, ctx: &NodeContext, attribute: &str, default: i64) -> Result<bool> {
        let rank = sides(self, ctx.value(0)?)?.len();
        Ok(ctx.axis(attribute, default, rank)? == 0)
    }

    /// The operator on each version alone.
    fn one_by_one(&mut self, operator: Operator, ctx: &NodeContext) -> Result<Vec<Value>> {
        let counts = ctx.inputs.iter().flatten().filter_map(|input| match input {
            Value::Versions(copies) => Some(copies.len()),
            _ => None,
        });
        let counts: Vec<usize> = counts.collect();
        let count = *counts.first().ok_or_else(mixes)?;
        // A value without versions has fewer rows.
        let is_single =
            |input: &Value| matches!(input, Value::Computed(_) | Value::BatchIndices(_));
        if counts.iter().any(|&c| c != count) || ctx.inputs.iter().flatten().any(is_single) {
            return Err(mixes());
        }
        let mut made: Vec<Vec<Value>> = Vec::new();
        for index in 0..count {
            let inputs = ctx.inputs.iter().map(|input| match input {
                Some(Value::Versions(copies)) => Some(Value::Computed(copies[index].clone())),
                other => other.clone(),
            });
            let name = format!("{}.{index}", ctx.name);
            let one = NodeContext {
                name: &name,
                inputs: inputs.collect(),
                ..*ctx
            };
            made.push(operator(self, &one)?);
        }
        let outputs = made.iter().map(Vec::len).min().unwrap_or(0);
        let together = |output: usize| {
            let views = made.iter().map(|values| match &values[output] {
                // The versions stay stacked only while the batch is the first axis.
                Value::Computed(view) if view.axes.first().and_then(|g| g.first()) == Some(&0) => {
                    Ok(view.clone())
                }
                _ => Err(mixes()),
            });
            Ok(Value::Versions(views.collect::<Result<_, _>>()?))
        };
        (0..outputs).map(together).collect()
    }

    /// How many versions have this number of rows: for all pictures, or for the batch size that the file is fixed to.
    fn versions(&self, rows: SymInt, view: &View) -> Option<usize> {
        let each = self.graph.sides(view)[0];
        let batch = self.file_batch.unwrap_or(1);
        let (rows, each) = match rows.known() {
            Some(rows) if self.file_batch.is_some() => (rows, each.at(batch)?),
            Some(0) => return Some(0),
            Some(_) => return None,
            None if rows.fixed == 0 => (rows.per_picture, each.per_picture),
            None => return None,
        };
        let is_whole = each > 0 && rows >= 0 && rows % each == 0;
        is_whole
            .then(|| usize::try_from(rows / each).ok())
            .flatten()
    }

    fn split_versions(&mut self, ctx: &NodeContext, copies: &[View]) -> Result<Vec<Value>> {
        let outputs = ctx.node.output.len().max(1);
        let parts: Vec<usize> = match ctx.integers(1, "split")? {
            Some(parts) => {
                let versions = parts.iter().map(|&part| self.versions(part, &copies[0]));
                versions.collect::<Option<_>>().ok_or_else(mixes)?
            }
            None if copies.len().is_multiple_of(outputs) => vec![copies.len() / outputs; outputs],
            None => return Err(mixes()),
        };
        if parts.iter().sum::<usize>() != copies.len() || parts.contains(&0) {
            return Err(mixes());
        }
        let mut rest = copies;
        let values = parts.into_iter().map(|count| {
            let (part, others) = rest.split_at(count);
            rest = others;
            some(part)
        });
        Ok(values.collect())
    }

    /// A slice that selects some of the versions; `None` if it works along another axis.
    fn slice_versions(&mut self, ctx: &NodeContext, copies: &[View]) -> Result<Option<Value>> {
        let (Some(starts), Some(ends)) = (ctx.integers(1, "starts")?, ctx.integers(2, "ends")?)
        else {
            return Ok(None);
        };
        let axes = ctx.integers(3, "axes")?;
        let is_first = match &axes {
            None => starts.len() == 1,
            Some(axes) => axes.len() == 1 && axes[0].known() == Some(0),
        };
        let has_steps = ctx
            .integers(4, "steps")?
            .is_some_and(|steps| steps[0].known() != Some(1));
        if !is_first || starts.len() != 1 || ends.len() != 1 {
            return Ok(None);
        }
        if has_steps {
            return Err(mixes());
        }
        let place = |at: SymInt| match at.known() {
            Some(at) if at >= 9999 => Some(copies.len()),
            Some(at) if at < 0 => None,
            _ => self.versions(at, &copies[0]),
        };
        let (start, end) = (place(starts[0]), place(ends[0]));
        match (start, end.map(|end| end.min(copies.len()))) {
            (Some(start), Some(end)) if start < end => Ok(Some(some(&copies[start..end]))),
            _ => Err(mixes()),
        }
    }

    fn reshape_versions(
        &mut self,
        operator: Operator,
        ctx: &NodeContext,
        copies: &[View],
    ) -> Result<Vec<Value>> {
        let to = ctx
            .integers(1, "shape")?
            .ok_or_else(|| invalid("has no shape to reshape to"))?;
        let count = copies.len() as i64;
        let rows = to.first().map(|&side| self.versions(side, &copies[0]));
        let each = self.graph.sides(&copies[0])[0];
        let is_stack = to.len() > 1 && to[0].known() == Some(count) && self.is_batch(to[1], each);
        let own: Vec<SymInt> = match (to.first().and_then(|side| side.known()), rows) {
            // The versions become a separate axis.
            _ if is_stack => to[1..].to_vec(),
            (Some(0 | -1), _) => to,
            (_, Some(Some(versions))) if versions == copies.len() => {
                [&[each][..], &to[1..]].concat()
            }
            _ => return Err(mixes()),
        };
        let mut inputs = ctx.inputs.clone();
        inputs.truncate(1);
        inputs.push(Some(Value::Constant(Array::row(own))));
        let ctx = NodeContext { inputs, ..*ctx };
        let made = self.one_by_one(operator, &ctx)?;
        match &made[..] {
            [Value::Versions(copies)] if is_stack => Ok(vec![self.as_new_axis(copies, ctx.name)?]),
            _ => Ok(made),
        }
    }

    /// Whether a side is the number of rows of one version.
    fn is_batch(&self, side: SymInt, each: SymInt) -> bool {
        let fixed = self.file_batch.and_then(|batch| each.at(batch));
        side == each || side.known() == Some(-1) || (fixed.is_some() && side.known() == fixed)
    }

    /// The versions along a new first axis.
    fn as_new_axis(&mut self, copies: &[View], name: &str) -> Result<Value> {
        let one = |view: &View| {
            let axes = std::iter::once(Vec::new()).chain(view.axes.iter().cloned());
            Value::Computed(View::new(view.node, axes))
        };
        let views: Vec<Value> = copies.iter().map(one).collect();
        self.concatenate(&views, 0, name)
    }

    /// The sum or mean over the versions, in a file fixed to one picture.
    fn reduce_versions(&mut self, ctx: &NodeContext, copies: &[View]) -> Result<Vec<Value>> {
        let is_one =
            self.file_batch == Some(1) && self.graph.sides(&copies[0])[0] == SymInt::batch(1);
        if !is_one {
            return Err(mixes());
        }
        let mut sum = Value::Computed(copies[0].clone());
        for (index, copy) in copies.iter().enumerate().skip(1) {
            let name = format!("{}.{index}", ctx.name);
            let copy = Value::Computed(copy.clone());
            sum = self.binary(&name, Function::Add, &sum, &copy)?;
        }
        if ctx.node.op_type == "ReduceMean" {
            let count = Value::Constant(Array::floats(&[], vec![copies.len() as f32]));
            sum = self.binary(ctx.name, Function::Div, &sum, &count)?;
        }
        if ctx.int("keepdims", 1) == 0
            && let Value::Computed(view) = &mut sum
        {
            view.axes.remove(0);
        }
        Ok(vec![sum])
    }
}

/// Some versions, or the only one.
fn some(copies: &[View]) -> Value {
    match copies {
        [only] => Value::Computed(only.clone()),
        several => Value::Versions(several.to_vec()),
    }
}
