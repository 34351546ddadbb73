//! Products of matrices.

use dvm_engine::Role;
use dvm_engine::ops::batched_product::BatchedProduct;
use dvm_engine::ops::linear::Linear;

use super::super::Import;
use super::super::array::{Array, Values};
use super::super::draft::run;
use super::super::elementwise::{Together, in_order};
use super::super::site::{Site, Value};
use super::super::trouble::{Trouble, invalid, unsupported};
use super::super::view::View;
use super::{Operator, computed, constant};

pub(super) const TABLE: &[(&str, Operator)] = &[("Gemm", gemm), ("MatMul", mat_mul)];

/// An array times a number; it keeps its name.
fn times(array: &Array, factor: f32) -> Result<Array, Trouble> {
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

fn gemm(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    let (alpha, beta) = (site.float("alpha", 1.0), site.float("beta", 1.0));
    let mut x = site.view(0)?.clone();
    if x.rank() != 2 {
        return Err(invalid(format!(
            "works on matrices, not on values of {} axes",
            x.rank()
        )));
    }
    if site.int("transA", 0) != 0 {
        x = x.transposed(&[1, 0]);
    }
    if let Value::Computed(other) = site.value(1)? {
        if alpha != 1.0 || site.optional(2).is_some() {
            return Err(unsupported(
                "multiplies two computed matrices and adds to them",
            ));
        }
        let turned = site.int("transB", 0) != 0;
        let other = if turned {
            other.transposed(&[1, 0])
        } else {
            other.clone()
        };
        return computed(import.product(&x, &other, site.name)?);
    }
    let weight = site.constant(1)?;
    if weight.rank() != 2 {
        return Err(invalid(format!(
            "has weights of the shape {:?}",
            weight.shape
        )));
    }
    // [O, I], as the engine and PyTorch have them.
    let turned = site.int("transB", 0) != 0;
    let weight = if turned {
        weight.clone()
    } else {
        weight.transposed(&[1, 0])
    };
    let weight = times(&weight, alpha)?;
    let outputs = weight.shape[0];
    let (mut bias, mut rest) = (None, None);
    match site.optional(2) {
        Some(Value::Constant(array)) if array.len() == outputs || array.len() == 1 => {
            let row = array.reshaped(&[array.len()])?;
            let row = if row.len() == outputs {
                row
            } else {
                row.spread(&[outputs])?
            };
            bias = Some(times(&row, beta)?);
        }
        Some(other) => rest = Some(other.clone()),
        None => {}
    }
    let product = import.linear(site, &x, &weight, bias)?;
    let Some(rest) = rest else {
        return computed(product);
    };
    if beta != 1.0 {
        return Err(unsupported(format!("adds {beta} times a matrix")));
    }
    let name = format!("{}.sum", site.name);
    let add = dvm_engine::ops::binary::Function::Add;
    Ok(vec![import.binary(
        &name,
        add,
        &Value::Computed(product),
        &rest,
    )?])
}

fn mat_mul(import: &mut Import, site: &Site) -> Result<Vec<Value>, Trouble> {
    match (site.value(0)?.clone(), site.value(1)?.clone()) {
        (Value::Constant(a), Value::Constant(b)) => {
            let (a, b) = (&a, &b);
            if a.rank() < 2 || b.rank() < 2 {
                return Err(unsupported("multiplies constant vectors"));
            }
            let mut shape =
                super::super::array::broadcast(&a.shape[..a.rank() - 2], &b.shape[..b.rank() - 2])?;
            shape.extend([a.shape[a.rank() - 2], b.shape[b.rank() - 1]]);
            import.draft.spend_on(&shape)?;
            let work = a.len().saturating_mul(b.shape[b.rank() - 1]);
            import.draft.write(work / 64)?;
            constant(run(&BatchedProduct, &[a, b], &[])?)
        }
        (Value::Computed(x), Value::Constant(weight)) if is_stack(&weight) => {
            let weight = import.stack_for_each_picture(&weight, &x, site.name)?;
            computed(import.product(&x, &weight, site.name)?)
        }
        (Value::Constant(weight), Value::Computed(x)) if is_stack(&weight) => {
            let weight = import.stack_for_each_picture(&weight, &x, site.name)?;
            computed(import.product(&weight, &x, site.name)?)
        }
        (Value::Computed(x), Value::Constant(weight)) => {
            let weight = matrix(&weight)?;
            let weight = weight.transposed(&[1, 0]);
            computed(import.linear(site, &x, &weight, None)?)
        }
        (Value::Constant(weight), Value::Computed(x)) => {
            // (xᵀ · Wᵀ)ᵀ, with the transposition of views, which moves nothing.
            let rank = x.rank();
            if rank < 2 {
                return Err(unsupported("multiplies a constant matrix by a vector"));
            }
            let mut turned: Vec<usize> = (0..rank).collect();
            turned.swap(rank - 1, rank - 2);
            let weight = matrix(&weight)?;
            let product = import.linear(site, &x.transposed(&turned), &weight, None)?;
            computed(product.transposed(&turned))
        }
        (Value::Computed(a), Value::Computed(b)) => computed(import.product(&a, &b, site.name)?),
        _ => Err(unsupported("multiplies truth values")),
    }
}

/// Whether a constant is several matrices.
fn is_stack(array: &Array) -> bool {
    let outer = array.rank().saturating_sub(2);
    array.shape[..outer].iter().any(|&side| side != 1)
}

/// A constant as one matrix.
fn matrix(array: &Array) -> Result<Array, Trouble> {
    let rank = array.rank();
    if rank < 2 {
        return Err(unsupported("multiplies by a constant vector"));
    }
    array.reshaped(&array.shape[rank - 2..])
}

impl Import<'_> {
    /// A constant stack of matrices beside a computed one: the same for each of its pictures.
    fn stack_for_each_picture(
        &mut self,
        array: &Array,
        beside: &View,
        name: &str,
    ) -> Result<View, Trouble> {
        let rank = beside.rank().max(array.rank());
        let filled = rank - beside.rank();
        let of_pictures = beside.axes.iter().position(|group| group[..] == [0]);
        let shape = [&vec![1; rank - array.rank()][..], &array.shape].concat();
        let at = of_pictures.map(|at| at + filled);
        let Some(at) = at.filter(|&at| at + 2 < rank && shape[at] == 1) else {
            return Err(unsupported(format!(
                "multiplies by a constant stack of matrices, {:?}",
                array.shape
            )));
        };
        let node = self.for_each_picture(&array.reshaped(&shape)?, name)?;
        let axes = (0..rank).map(|axis| if axis == at { vec![0] } else { vec![axis + 1] });
        let view = View {
            node,
            axes: axes.collect(),
        };
        Ok(self.draft.tidy(view))
    }

    /// `x · weightᵀ + bias` along the last axis of a view; `weight` is `[O, I]`.
    fn linear(
        &mut self,
        site: &Site,
        x: &View,
        weight: &Array,
        bias: Option<Array>,
    ) -> Result<View, Trouble> {
        let mut weight = weight.clone();
        let name = self.layer_name(site, &weight);
        let last = x.rank() - 1;
        let mut view = x.clone();
        let one = |view: &View| view.axes[last].len() == 1 && view.axes[last] != [0];
        let lies = |import: &Self, view: &View| {
            let rank = import.draft.nodes[view.node].shape.len();
            let features = if rank == 4 { 1 } else { rank - 1 };
            one(view) && view.axes[last][0] == features
        };
        // What was flattened behind a global pool is a row, not a map of one pixel: the layer stays one.
        let is_row = view.rank() == 2 && self.draft.nodes[view.node].shape.len() > 2;
        if !lies(self, &view) || is_row {
            view = self.draft.featured(&view, &name)?;
        }
        if weight.shape[1] == 1 && view.axes[last].is_empty() {
            return Err(unsupported("multiplies values of one feature"));
        }
        if !one(&view) {
            return Err(unsupported("multiplies across the pictures of a batch"));
        }
        if matches!(weight.values, Values::Integers(_)) {
            return Err(invalid("has whole numbers for weights"));
        }
        weight.repeated = false;
        let mut parameters = vec![
            self.draft
                .parameter(&weight, &name, "weight", Role::Weight)?,
        ];
        if let Some(bias) = bias {
            parameters.push(self.draft.parameter(&bias, &name, "bias", Role::Bias)?);
        }
        let shape = self.draft.nodes[view.node].shape.clone();
        let rank = shape.len();
        let own = view.axes[last][0];
        if rank <= 3 || (rank == 4 && own == 1) {
            let node = self.draft.emit(&name, Linear, &[view.node], &parameters)?;
            return Ok(self.draft.tidy(view.of(node)));
        }
        // All between the batch and the features is one axis of places.
        let places: usize = shape[1..rank - 1].iter().product();
        let rows = self
            .draft
            .under(view.node, &[1, places, shape[rank - 1]], &name)?;
        let rows = self.draft.emit(&name, Linear, &[rows], &parameters)?;
        let mut back = shape;
        back[rank - 1] = weight.shape[0];
        let node = self.draft.under(rows, &back, &name)?;
        Ok(self.draft.tidy(view.of(node)))
    }

    /// The product of two stacks of matrices that are both computed.
    ///
    /// # Errors
    /// Where their sides do not go together.
    pub fn product(&mut self, a: &View, b: &View, name: &str) -> Result<View, Trouble> {
        if a.rank() < 2 || b.rank() < 2 {
            return Err(unsupported("multiplies computed vectors"));
        }
        // Rows and columns as one axis each, so that only the stacks are left to bring together.
        let whole = |import: &mut Self, view: &View| {
            let matrix = &view.axes[view.rank() - 2..];
            match matrix.iter().all(|group| group.len() == 1 && group[0] != 0) {
                true => Ok(view.clone()),
                false => import.draft.canonical(view, name),
            }
        };
        let (a, b) = (whole(self, a)?, whole(self, b)?);
        let outer = |view: &View| View {
            node: view.node,
            axes: view.axes[..view.rank() - 2].to_vec(),
        };
        let matrices = [&a, &b].map(|view| view.axes[view.rank() - 2..].to_vec());
        if matrices
            .iter()
            .flatten()
            .any(|group| group.len() > 1 || group.contains(&0))
        {
            return Err(unsupported("multiplies across the pictures of a batch"));
        }
        let parts = self.draft.stacked(&outer(&a), &outer(&b))?;
        let Together { views, parts } = parts;
        let slots = in_order(&parts);
        let rank = parts.len();
        let mut placed = Vec::new();
        for (view, matrix) in views.iter().zip(&matrices) {
            let full = View {
                node: view.node,
                axes: [view.axes.clone(), matrix.clone()].concat(),
            };
            let slots = [&slots[..], &[(rank, 0), (rank + 1, 0)]].concat();
            placed.push(self.draft.placed(&full, &slots, name)?);
        }
        let node = self.draft.emit(name, BatchedProduct, &placed, &[])?;
        let slots = [&slots[..], &[(rank, 0), (rank + 1, 0)]].concat();
        let view = super::super::elementwise::viewed(rank + 2, &slots, node);
        Ok(self.draft.tidy(view))
    }
}
