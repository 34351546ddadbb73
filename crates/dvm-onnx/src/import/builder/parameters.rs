//! The parameters of the graph under construction.

use std::sync::Arc;

use dvm_engine::ops::Op;
use dvm_engine::ops::prelu::PRelu;
use dvm_engine::{Parameter, Role, Tensor};

use super::{BuilderNode, GraphBuilder};
use crate::import::{Array, Result, Values, invalid};

impl GraphBuilder {
    /// The array of a parameter.
    pub fn array(&self, parameter: usize) -> &Array {
        &self.parameters[parameter].1
    }

    /// Declares a parameter. One made of an initializer has its name, others are named after their node.
    ///
    /// # Errors
    /// For arrays of integers.
    pub fn parameter(
        &mut self,
        array: &Array,
        node: &str,
        suffix: &str,
        role: Role,
    ) -> Result<usize> {
        if matches!(array.values, Values::Integers(_)) {
            return Err(invalid("has integers as weights"));
        }
        let key = array.name.clone().map(|name| {
            let is_affine = matches!(role, Role::Scale | Role::Bias);
            (name, array.shape.clone(), is_affine)
        });
        if let Some(&known) = key.as_ref().and_then(|key| self.shared.get(key)) {
            let same = match (&self.parameters[known].1.values, &array.values) {
                (Values::Floats(a), Values::Floats(b)) => Arc::ptr_eq(a, b) || a == b,
                _ => true,
            };
            if same {
                return Ok(known);
            }
        }
        let own = array
            .name
            .as_deref()
            .filter(|name| !is_generated_name(name));
        let wanted = own.map_or_else(|| format!("{node}.{suffix}"), str::to_owned);
        let name = self.parameter_names.unique(&wanted);
        let parameter = Parameter {
            name,
            shape: array.shape.clone(),
            role,
        };
        self.parameters.push((parameter, array.clone()));
        let index = self.parameters.len() - 1;
        if let Some(key) = key {
            self.shared.insert(key, index);
        }
        Ok(index)
    }

    /// Declares the weight and the optional bias of a layer.
    ///
    /// # Errors
    /// As [`GraphBuilder::parameter`].
    pub fn layer_parameters(
        &mut self,
        weight: &Array,
        bias: Option<&Array>,
        node: &str,
    ) -> Result<Vec<usize>> {
        let mut parameters = vec![self.parameter(weight, node, "weight", Role::Weight)?];
        if let Some(bias) = bias {
            let bias = bias.reshaped(&weight.shape[..1])?;
            parameters.push(self.parameter(&bias, node, "bias", Role::Bias)?);
        }
        Ok(parameters)
    }

    /// Slopes in the shape that a PReLU of this node takes; `None` if they do not fit its value.
    pub(super) fn prelu_slopes(&self, source: usize, slopes: &Tensor) -> Option<Array> {
        let array = Array::floats(slopes.shape(), slopes.to_nchw());
        let array = without_leading_ones(&array)?;
        let shape = &self.nodes[source].shape;
        PRelu.output_shape(&[shape], &[&array.shape]).ok()?;
        Some(array)
    }

    /// A parameter of a node after `source` that equals this array, or else a new parameter.
    pub(super) fn reuse_or_add(
        &mut self,
        array: Array,
        source: usize,
        node: &str,
    ) -> Result<usize> {
        let later = self.nodes[source + 1..].iter();
        let mut used = later.flat_map(|node| node.parameters.iter().copied());
        let known = used.find(|&index| {
            let (_, known) = &self.parameters[index];
            known.shape == array.shape && known.as_floats().ok() == array.as_floats().ok()
        });
        match known {
            Some(known) => Ok(known),
            None => self.parameter(&array, node, "weight", Role::Scale),
        }
    }

    /// Multiplies the weights of a layer in place, by one factor or by one per output. Returns whether it did: the
    /// layer must have no bias, no reader yet, and known weights that it shares with no other layer.
    ///
    /// # Errors
    /// For weights that are not floats.
    pub fn scale_outputs(&mut self, node: usize, factors: &[f32]) -> Result<bool> {
        let made = &self.nodes[node];
        let is_layer = made.op.class().is_layer();
        let (&[weight], true) = (&made.parameters[..], is_layer) else {
            return Ok(false);
        };
        let is_shared = |(id, other): (usize, &BuilderNode)| {
            id != node && (other.parameters.contains(&weight) || other.inputs.contains(&node))
        };
        let array = &self.parameters[weight].1;
        let is_known = matches!(array.values, Values::Floats(_));
        if !is_known || self.nodes.iter().enumerate().any(is_shared) {
            return Ok(false);
        }
        let each = array.len() / array.shape[0].max(1);
        let values = array.as_floats()?.iter().enumerate();
        let factor = |at: usize| match factors {
            [only] => *only,
            several => several[at / each],
        };
        let values: Vec<f32> = values.map(|(at, value)| value * factor(at)).collect();
        self.parameters[weight].1.values = Values::Floats(Arc::new(values.into()));
        Ok(true)
    }
}

/// The array without leading axes of length 1; at least one axis stays.
pub(crate) fn without_leading_ones(array: &Array) -> Option<Array> {
    let ones = array.shape.iter().take_while(|&&side| side == 1).count();
    let shape = match &array.shape[ones..] {
        [] => &[1],
        rest => rest,
    };
    let shape = shape.to_vec();
    let made = array.reshaped(&shape).ok()?;
    Some(Array {
        name: array.name.clone(),
        ..made
    })
}

/// Whether an exporter generated the name of an initializer, rather than a person.
pub(crate) fn is_generated_name(name: &str) -> bool {
    let begins = [
        "onnx::",
        "val_",
        "/",
        "const",
        "Const",
        "_val",
        "lifted_tensor",
    ];
    begins.iter().any(|begin| name.starts_with(begin)) || name.parse::<u64>().is_ok()
}
