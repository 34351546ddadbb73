//! Arithmetic on a computed value and a constant.

use dvm_engine::ops::Class;
use dvm_engine::ops::binary::{Binary, Function};
use dvm_engine::ops::reshape::Reshape;
use dvm_engine::ops::scale::Scale;
use dvm_engine::{Role, Tensor};

use super::broadcast::{Slot, in_order, view_of, with_rank};
use crate::import::builder::{PendingAffine, is_generated_name};
use crate::import::value::sym_int::shown;
use crate::import::{Array, Import, Result, SymInt, Values, View, invalid};

impl Import<'_> {
    pub(super) fn with_constant(
        &mut self,
        name: &str,
        function: Function,
        x: &View,
        constant: &Array,
        swapped: bool,
    ) -> Result<View> {
        if matches!(constant.values, Values::Integers(_)) {
            return Err(invalid("combines floats with integers"));
        }
        let is_scalar = constant.len() == 1;
        if let Values::Floats(values) = &constant.values
            && is_scalar
            && constant.rank() <= x.rank()
        {
            let value = values[0];
            let neutral = match function {
                Function::Add => value == 0.0,
                Function::Sub => value == 0.0 && !swapped,
                Function::Mul => value == 1.0,
                Function::Div | Function::Pow => value == 1.0 && !swapped,
                Function::Min | Function::Max => false,
            };
            if neutral {
                return Ok(x.clone());
            }
            let op = Binary {
                swapped,
                ..Binary::constant(function, Tensor::full(&[1], value))
            };
            return self.graph.emit_on(x, name, op);
        }
        if let Some(view) = self.fuse_into_layer(function, x, constant)? {
            return Ok(view);
        }
        let (view, slots, array) = self.align_constant(x, constant, name)?;
        let shape = array.shape.clone();
        let is_learnt =
            self.is_learnt(constant) && matches!(function, Function::Add | Function::Mul);
        let is_absent = matches!(array.values, Values::Absent);
        if !is_learnt && !is_absent {
            let op = Binary {
                swapped,
                ..Binary::constant(function, array.tensor()?)
            };
            let node = self.graph.emit(name, op, &[view.node])?;
            return Ok(self.graph.without_ones(view_of(view.rank(), &slots, node)));
        }
        let is_per_channel = shape.len() == 4 && shape[2..] == [1, 1];
        let (op, array, role) = if function == Function::Mul && is_per_channel {
            (None, array.reshaped(&[shape[1], 1, 1])?, Role::Scale)
        } else {
            let op = Binary {
                swapped,
                ..Binary::parameter(function)
            };
            let role = match function {
                Function::Mul => Role::Scale,
                _ if shape.iter().filter(|&&side| side > 1).count() <= 1 => Role::Bias,
                _ => Role::Weight,
            };
            // One number per feature is a vector, as in state dicts.
            let last = shape.len() - 1;
            let is_row = shape.len() != 4 && shape[..last].iter().all(|&side| side == 1);
            let array = if is_row {
                array.reshaped(&shape[last..])?
            } else {
                array
            };
            (Some(op), array, role)
        };
        let parameter = self.graph.parameter(&array, name, "value", role)?;
        let node = match op {
            None => self
                .graph
                .emit_layer(name, Scale, &[view.node], &[parameter])?,
            Some(op) => self
                .graph
                .emit_layer(name, op, &[view.node], &[parameter])?,
        };
        Ok(self.graph.without_ones(view_of(view.rank(), &slots, node)))
    }

    /// Whether a constant was trained: an initializer of several numbers with a name that a person chose, after the first
    /// layer. Constants before it are the mean and standard deviation of pictures.
    fn is_learnt(&self, constant: &Array) -> bool {
        let has_name = constant
            .name
            .as_deref()
            .is_some_and(|name| !is_generated_name(name));
        has_name && constant.len() > 1 && self.graph.has_layers()
    }

    /// A constant with the axes of a view's node: the view (with more axes if the constant has more), the order of its
    /// node's axes, and the constant in that order.
    ///
    /// # Errors
    /// If the constant cannot be broadcast to the view.
    pub fn align_constant(
        &mut self,
        x: &View,
        constant: &Array,
        name: &str,
    ) -> Result<(View, Vec<Slot>, Array)> {
        let rank = x.rank().max(constant.rank());
        let mut view = with_rank(x, rank);
        let shape = [&vec![1; rank - constant.rank()][..], &constant.shape].concat();
        let sides = self.graph.sides(&view);
        let grows = |(side, &own): (&SymInt, &usize)| side.known() == Some(1) && own != 1;
        let mut slots = if sides.iter().zip(&shape).any(grows) {
            let canonical = self.graph.canonical(&view, name)?;
            let slots = in_order(&self.graph.parts(&canonical));
            let node = self.graph.with_slots(&canonical, &slots, name)?;
            view = view_of(rank, &slots, node);
            slots
        } else {
            self.graph.slots_of(&view)
        };
        if slots.is_empty() {
            slots = vec![(0, 0)];
        }
        let sides = self.graph.nodes[view.node].shape.clone();
        // The constant with an axis for each of the node's axes that it varies along.
        let mut split = Vec::new();
        let mut place = vec![None; slots.len()];
        for (axis, &side) in shape.iter().enumerate() {
            let group = &view.axes[axis];
            let parts: Vec<usize> = group
                .iter()
                .map(|&own| if own == 0 { 1 } else { sides[own] })
                .collect();
            let whole: usize = parts.iter().product();
            let is_broadcast = side == 1;
            let grows = whole == 1 && !group.contains(&0);
            if !is_broadcast && side != whole && !grows {
                return Err(invalid(format!(
                    "combines a value of shape {} with a constant of shape {:?}",
                    shown(&self.graph.sides(x)),
                    constant.shape
                )));
            }
            if grows || group.is_empty() {
                let own = group.first().copied();
                let own =
                    own.or_else(|| slots.iter().position(|&(a, part)| (a, part) == (axis, 0)));
                if let Some(own) = own {
                    place[own] = Some(split.len());
                }
                split.push(side);
            } else {
                for (&own, &part) in group.iter().zip(&parts) {
                    place[own] = Some(split.len());
                    split.push(if is_broadcast { 1 } else { part });
                }
            }
        }
        let named = constant.name.clone();
        let array = constant.reshaped(&split)?;
        let listed: Vec<usize> = place.iter().copied().flatten().collect();
        let rest = (0..split.len()).filter(|axis| !listed.contains(axis));
        let order: Vec<usize> = listed.iter().copied().chain(rest).collect();
        let array = array.transposed(&order);
        let shape: Vec<usize> = place
            .iter()
            .map(|at| at.map_or(1, |at| split[at]))
            .collect();
        let array = Array {
            name: named,
            ..array.reshaped(&shape)?
        };
        Ok((view, slots, array))
    }

    /// Makes a constant the bias of the layer before, or the pending weight or bias of a layer norm; `None` if it is
    /// neither.
    fn fuse_into_layer(
        &mut self,
        function: Function,
        x: &View,
        constant: &Array,
    ) -> Result<Option<View>> {
        let features = constant.len();
        // The only axis that the constant varies along.
        let missing = match x.rank().checked_sub(constant.rank()) {
            Some(missing) => missing,
            None => return Ok(None),
        };
        let Some(axis) = constant.shape.iter().position(|&side| side == features) else {
            return Ok(None);
        };
        let &[own] = &x.axes[axis + missing][..] else {
            return Ok(None);
        };
        let made = &self.graph.nodes[x.node];
        let is_reshaped = made.op_as::<Reshape>().is_some();
        let channels = if made.shape.len() == 4 && !is_reshaped {
            1
        } else {
            made.shape.len() - 1
        };
        if features < 2 || own != channels || made.shape[own] != features {
            return Ok(None);
        }
        if function == Function::Add
            && is_reshaped
            && let shape = made.shape.clone()
            && let layer = &self.graph.nodes[made.inputs[0]]
            && layer.op.class() == Class::Linear
            && layer.shape.len() == 3
            && layer.shape[2] == features
            && let &[weight] = &layer.parameters[..]
        {
            // The layer's value was reshaped, but not its features.
            let (at, name) = (made.inputs[0], layer.name.clone());
            let array = constant.reshaped(&[features])?;
            let bias = self.graph.parameter(&array, &name, "bias", Role::Bias)?;
            let parameters = vec![weight, bias];
            let node = self
                .graph
                .with_parameters(at, parameters, PendingAffine::Nothing, None)?;
            let node = self.graph.reshape_node(node, &shape, &name)?;
            return Ok(Some(x.of(node)));
        }
        let is_layer = made.op.class().is_layer();
        let array = constant.reshaped(&[features])?;
        if is_layer && function == Function::Add && made.parameters.len() == 1 {
            let weight = made.parameters[0];
            let name = made.name.clone();
            let bias = self.graph.parameter(&array, &name, "bias", Role::Bias)?;
            let node = self.graph.with_parameters(
                x.node,
                vec![weight, bias],
                PendingAffine::Nothing,
                None,
            )?;
            return Ok(Some(x.of(node)));
        }
        let (slot, next, suffix, role) = match (made.pending_affine, function) {
            (PendingAffine::Scale, Function::Mul) => {
                (0, PendingAffine::Bias, "weight", Role::Scale)
            }
            (PendingAffine::Scale | PendingAffine::Bias, Function::Add) => {
                (1, PendingAffine::Nothing, "bias", Role::Bias)
            }
            _ => return Ok(None),
        };
        let mut parameters = made.parameters.clone();
        let layer = crate::import::layer_of(&array);
        let name = layer.clone().unwrap_or_else(|| made.name.clone());
        parameters[slot] = self.graph.parameter(&array, &name, suffix, role)?;
        let node = self
            .graph
            .with_parameters(x.node, parameters, next, layer.as_deref())?;
        Ok(Some(x.of(node)))
    }
}
