//! Integers whose scale is computed from each picture: dynamic quantisation.
//!
//! dvm computes with floats and rounds nothing, so the integers are the value divided by its scale. The graph multiplies
//! by that scale later, and the two cancel. Until then, the value is kept together with the scales it lacks.

use dvm_engine::ops::binary::Function;

use crate::import::{Array, Import, Result, Value, View, unsupported};

/// Integers that still have to be multiplied by their scales.
#[derive(Clone, Debug)]
pub(crate) struct Quantised {
    /// The float value that they stand for once they are multiplied.
    pub view: View,
    /// The numbers of the missing scales, sorted.
    pub scales: Vec<usize>,
}

/// A product of scales that are computed from each picture, and of constants.
#[derive(Clone, Debug)]
pub(crate) struct DynamicScale {
    /// The numbers of the scales, sorted.
    pub scales: Vec<usize>,
    pub factor: Array,
}

impl DynamicScale {
    fn times(&self, other: &Self, import: &mut Import) -> Result<Self> {
        let mut scales = [&self.scales[..], &other.scales].concat();
        scales.sort_unstable();
        let factor = import.of_constants(Function::Mul, &self.factor, &other.factor)?;
        Ok(Self { scales, factor })
    }
}

impl Import<'_> {
    /// The outputs of `DynamicQuantizeLinear`: integers, their scale and their zero point.
    pub fn quantise_dynamically(&mut self, view: View) -> [Value; 3] {
        self.is_quantised = true;
        self.scales += 1;
        let scales = vec![self.scales];
        let one = Array::floats(&[], vec![1.0]);
        [
            Value::Quantised(Quantised {
                view,
                scales: scales.clone(),
            }),
            Value::DynamicScale(DynamicScale {
                scales,
                factor: one,
            }),
            Value::DynamicZeroPoint(self.scales),
        ]
    }

    /// The product of two values of which at least one is a dynamic scale; `None` for others.
    ///
    /// # Errors
    /// For integers and a scale that does not belong to them.
    pub fn with_scale(&mut self, a: &Value, b: &Value, name: &str) -> Result<Option<Value>> {
        let made = match (a, b) {
            (Value::Quantised(_), Value::DynamicScale(_)) => self.dequantise_dynamic(a, b, name)?,
            (Value::DynamicScale(_), Value::Quantised(_)) => self.dequantise_dynamic(b, a, name)?,
            (Value::DynamicScale(a), Value::DynamicScale(b)) => {
                Value::DynamicScale(a.times(b, self)?)
            }
            (Value::DynamicScale(scale), Value::Constant(array))
            | (Value::Constant(array), Value::DynamicScale(scale)) => {
                let factor = self.of_constants(Function::Mul, &scale.factor, array)?;
                Value::DynamicScale(DynamicScale {
                    factor,
                    scales: scale.scales.clone(),
                })
            }
            _ => return Ok(None),
        };
        Ok(Some(made))
    }

    /// The float value of integers and their scale.
    ///
    /// # Errors
    /// If the scale does not belong to them.
    pub fn dequantise_dynamic(&mut self, x: &Value, scale: &Value, name: &str) -> Result<Value> {
        let foreign = || unsupported("multiplies quantised integers by the scale of others");
        let (Value::Quantised(x), Value::DynamicScale(scale)) = (x, scale) else {
            return Err(foreign());
        };
        if x.scales != scale.scales {
            return Err(foreign());
        }
        let factor = Value::Constant(scale.factor.clone());
        if let Value::Constant(factor) = &factor
            && let Some(view) = self.with_scaled_weights(&x.view, factor)?
        {
            return Ok(Value::Computed(view));
        }
        self.binary(
            name,
            Function::Mul,
            &Value::Computed(x.view.clone()),
            &factor,
        )
    }

    /// Multiplies the weights of the layer that computes this value by a factor, one for all outputs or one per output;
    /// `None` if there is no such layer.
    fn with_scaled_weights(&mut self, view: &View, factor: &Array) -> Result<Option<View>> {
        let made = &self.graph.nodes[view.node];
        let channels = match made.shape.len() {
            4 => 1,
            rank => rank - 1,
        };
        let outputs = made.shape[channels];
        let factors = factor.as_floats()?;
        if factors.len() != 1 {
            // The factors must be along the axis of the outputs.
            let along = factor.shape.iter().position(|&side| side == factors.len());
            let axis = along.and_then(|at| (at + view.rank()).checked_sub(factor.rank()));
            let fits = axis.is_some_and(|axis| view.axes[axis] == [channels]);
            if !fits || factors.len() != outputs {
                return Ok(None);
            }
        }
        let factors = factors.to_vec();
        // Weights are changed in place, once.
        if self.scaled.contains(&view.node) {
            return Err(unsupported(
                "multiplies quantised integers by their scale twice",
            ));
        }
        let is_scaled = self.graph.scale_outputs(view.node, &factors)?;
        self.scaled.extend(is_scaled.then_some(view.node));
        Ok(is_scaled.then(|| view.clone()))
    }
}
