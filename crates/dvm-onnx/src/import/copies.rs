//! Several versions of the pictures behind each other along the batch: test-time augmentation inside of a
//! graph, which runs pictures and their mirror images through the network at once.
//!
//! Each version becomes a branch of its own, with the same weights: an operator is told for one after the
//! other. What brings the versions together again (a split of the batch, a mean over it) works on all.

use dvm_engine::ops::binary::Function;

use super::Import;
use super::array::Array;
use super::integer::Integer;
use super::operators::Operator;
use super::operators::shapes::sides;
use super::site::{Site, Value};
use super::trouble::{Trouble, invalid, unsupported};
use super::view::View;

/// Versions that a picture may have.
const MOST_COPIES: usize = 64;

/// What no operator may do that is told for each version alone.
fn mixes() -> Trouble {
    unsupported("works across several versions of the pictures in one batch")
}

impl Import<'_> {
    /// Values behind each other along the batch, which is their first axis.
    ///
    /// # Errors
    /// Where one of them is a constant, and for too many.
    pub fn behind_each_other(&mut self, values: &[Value]) -> Result<Value, Trouble> {
        let mut copies = Vec::new();
        for value in values {
            match value {
                Value::Computed(view) => copies.push(view.clone()),
                Value::Copies(views) => copies.extend(views.iter().cloned()),
                _ => return Err(unsupported("joins pictures with a constant")),
            }
        }
        let shape = self.draft.sides(&copies[0]);
        if copies.iter().any(|view| self.draft.sides(view) != shape) {
            return Err(unsupported("joins pictures of different shapes"));
        }
        if copies.len() > MOST_COPIES {
            return Err(unsupported(format!(
                "joins {} versions of the pictures",
                copies.len()
            )));
        }
        Ok(Value::Copies(copies))
    }

    /// What a node makes of several versions of the pictures.
    ///
    /// # Errors
    /// What the operator says of one of them; where they are mixed.
    pub fn of_copies(&mut self, operator: Operator, site: &Site) -> Result<Vec<Value>, Trouble> {
        let first = site.optional(0);
        let copies: Vec<View> = match first {
            Some(Value::Copies(copies)) => copies.clone(),
            _ => Vec::new(),
        };
        match &site.node.op_type[..] {
            "Shape" | "Identity" => return operator(self, site),
            "Concat" if self.along_copies(site, "axis", 1)? => return operator(self, site),
            "Split" if self.along_copies(site, "axis", 0)? => {
                return self.split_copies(site, &copies);
            }
            "Slice" => {
                if let Some(part) = self.slice_of_copies(site, &copies)? {
                    return Ok(vec![part]);
                }
            }
            "Reshape" => return self.reshape_copies(operator, site, &copies),
            "ReduceMean" | "ReduceSum" if !copies.is_empty() => {
                let rank = copies[0].rank();
                if site.axes(1, rank)?.is_some_and(|axes| axes == [0]) {
                    return self.reduce_copies(site, &copies);
                }
            }
            _ => {}
        }
        self.one_by_one(operator, site)
    }

    fn along_copies(&self, site: &Site, attribute: &str, default: i64) -> Result<bool, Trouble> {
        let rank = sides(self, site.value(0)?)?.len();
        Ok(site.axis(attribute, default, rank)? == 0)
    }

    /// The operator for each version.
    fn one_by_one(&mut self, operator: Operator, site: &Site) -> Result<Vec<Value>, Trouble> {
        let counts = site
            .inputs
            .iter()
            .flatten()
            .filter_map(|input| match input {
                Value::Copies(copies) => Some(copies.len()),
                _ => None,
            });
        let counts: Vec<usize> = counts.collect();
        let count = *counts.first().ok_or_else(mixes)?;
        // What is computed of each picture once has fewer rows.
        let is_single = |input: &Value| matches!(input, Value::Computed(_) | Value::Counted(_));
        if counts.iter().any(|&c| c != count) || site.inputs.iter().flatten().any(is_single) {
            return Err(mixes());
        }
        let mut made: Vec<Vec<Value>> = Vec::new();
        for index in 0..count {
            let inputs = site.inputs.iter().map(|input| match input {
                Some(Value::Copies(copies)) => Some(Value::Computed(copies[index].clone())),
                other => other.clone(),
            });
            let name = format!("{}.{index}", site.name);
            let one = Site {
                name: &name,
                inputs: inputs.collect(),
                ..*site
            };
            made.push(operator(self, &one)?);
        }
        let outputs = made.iter().map(Vec::len).min().unwrap_or(0);
        let together = |output: usize| {
            let views = made.iter().map(|values| match &values[output] {
                // The versions stay behind each other only as long as the batch comes first.
                Value::Computed(view) if view.axes.first().and_then(|g| g.first()) == Some(&0) => {
                    Ok(view.clone())
                }
                _ => Err(mixes()),
            });
            Ok(Value::Copies(views.collect::<Result<_, _>>()?))
        };
        (0..outputs).map(together).collect()
    }

    /// How many versions a number of rows is: rows of all pictures, or of as many as the file was written
    /// for.
    fn versions(&self, rows: Integer, view: &View) -> Option<usize> {
        let each = self.draft.sides(view)[0];
        let batch = self.file_batch.unwrap_or(1);
        let (rows, each) = match rows.known() {
            Some(rows) if self.file_batch.is_some() => (rows, each.at(batch)?),
            Some(0) => return Some(0),
            Some(_) => return None,
            None if rows.fixed == 0 => (rows.per, each.per),
            None => return None,
        };
        let is_whole = each > 0 && rows >= 0 && rows % each == 0;
        is_whole
            .then(|| usize::try_from(rows / each).ok())
            .flatten()
    }

    fn split_copies(&mut self, site: &Site, copies: &[View]) -> Result<Vec<Value>, Trouble> {
        let outputs = site.node.output.len().max(1);
        let given = match site.optional_constant(1)? {
            Some(array) => Some(array.as_integers()?.to_vec()),
            None => site
                .ints("split")
                .map(|parts| parts.iter().map(|&part| part.into()).collect()),
        };
        let parts: Vec<usize> = match given {
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

    /// Some of the versions; nothing if the slice takes parts of other axes.
    fn slice_of_copies(&mut self, site: &Site, copies: &[View]) -> Result<Option<Value>, Trouble> {
        let numbers = |input: usize, attribute: &str| -> Result<Option<Vec<Integer>>, Trouble> {
            Ok(match site.optional_constant(input)? {
                Some(array) => Some(array.as_integers()?.to_vec()),
                None => site
                    .ints(attribute)
                    .map(|ints| ints.iter().map(|&i| i.into()).collect()),
            })
        };
        let (Some(starts), Some(ends)) = (numbers(1, "starts")?, numbers(2, "ends")?) else {
            return Ok(None);
        };
        let axes = numbers(3, "axes")?;
        let is_first = match &axes {
            None => starts.len() == 1,
            Some(axes) => axes.len() == 1 && axes[0].known() == Some(0),
        };
        let has_steps = numbers(4, "steps")?.is_some_and(|steps| steps[0].known() != Some(1));
        if !is_first || starts.len() != 1 || ends.len() != 1 {
            return Ok(None);
        }
        if has_steps {
            return Err(mixes());
        }
        let place = |at: Integer| match at.known() {
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

    fn reshape_copies(
        &mut self,
        operator: Operator,
        site: &Site,
        copies: &[View],
    ) -> Result<Vec<Value>, Trouble> {
        let to = match site.optional_constant(1)? {
            Some(array) => array.as_integers()?.to_vec(),
            None => {
                let sides = site
                    .ints("shape")
                    .ok_or_else(|| invalid("lacks its shape"))?;
                sides.iter().map(|&side| side.into()).collect()
            }
        };
        let count = copies.len() as i64;
        let rows = to.first().map(|&side| self.versions(side, &copies[0]));
        let each = self.draft.sides(&copies[0])[0];
        let is_stack = to.len() > 1 && to[0].known() == Some(count) && self.is_batch(to[1], each);
        let own: Vec<Integer> = match (to.first().and_then(|side| side.known()), rows) {
            // The versions become an axis of their own.
            _ if is_stack => to[1..].to_vec(),
            (Some(0 | -1), _) => to,
            (_, Some(Some(versions))) if versions == copies.len() => {
                [&[each][..], &to[1..]].concat()
            }
            _ => return Err(mixes()),
        };
        let mut inputs = site.inputs.clone();
        inputs.truncate(1);
        inputs.push(Some(Value::Constant(Array::row(own))));
        let site = Site { inputs, ..*site };
        let made = self.one_by_one(operator, &site)?;
        match &made[..] {
            [Value::Copies(copies)] if is_stack => Ok(vec![self.stacked(copies, site.name)?]),
            _ => Ok(made),
        }
    }

    /// Whether a side counts the rows of one version.
    fn is_batch(&self, side: Integer, each: Integer) -> bool {
        let fixed = self.file_batch.and_then(|batch| each.at(batch));
        side == each || side.known() == Some(-1) || (fixed.is_some() && side.known() == fixed)
    }

    /// The versions along a new first axis.
    fn stacked(&mut self, copies: &[View], name: &str) -> Result<Value, Trouble> {
        let one = |view: &View| {
            let axes = std::iter::once(Vec::new()).chain(view.axes.iter().cloned());
            Value::Computed(View {
                node: view.node,
                axes: axes.collect(),
            })
        };
        let views: Vec<Value> = copies.iter().map(one).collect();
        self.side_by_side(&views, 0, name)
    }

    /// The sum or mean over the rows of a batch of one picture.
    fn reduce_copies(&mut self, site: &Site, copies: &[View]) -> Result<Vec<Value>, Trouble> {
        let is_one =
            self.file_batch == Some(1) && self.draft.sides(&copies[0])[0] == Integer::pictures(1);
        if !is_one {
            return Err(mixes());
        }
        let mut sum = Value::Computed(copies[0].clone());
        for (index, copy) in copies.iter().enumerate().skip(1) {
            let name = format!("{}.{index}", site.name);
            let copy = Value::Computed(copy.clone());
            sum = self.binary(&name, Function::Add, &sum, &copy)?;
        }
        if site.node.op_type == "ReduceMean" {
            let count = Value::Constant(Array::floats(&[], vec![copies.len() as f32]));
            sum = self.binary(site.name, Function::Div, &sum, &count)?;
        }
        if site.int("keepdims", 1) == 0
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
        several => Value::Copies(several.to_vec()),
    }
}
