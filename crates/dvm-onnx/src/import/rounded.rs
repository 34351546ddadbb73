//! Whole numbers whose scale is computed for each picture, as dynamic quantisation writes them.
//!
//! The graph multiplies by that scale later on. Nothing is rounded here, so what is computed of the numbers is
//! kept as a value that still lacks its scales: once they are there, they cancel.

use dvm_engine::ops::binary::Function;

use super::Import;
use super::array::Array;
use super::site::Value;
use super::trouble::{Trouble, unsupported};
use super::view::View;

/// Whole numbers that stand for a value as soon as they are multiplied by their scales.
#[derive(Clone, Debug)]
pub(crate) struct Rounded {
    /// The value divided by its scales, times these: what it stands for.
    pub view: View,
    /// The scales that it lacks, in order.
    pub scales: Vec<usize>,
}

/// A product of scales that are computed for each picture, and of numbers that are known.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    pub scales: Vec<usize>,
    pub factor: Array,
}

impl Scale {
    /// The product of two.
    fn times(&self, other: &Self, import: &mut Import) -> Result<Self, Trouble> {
        let mut scales = [&self.scales[..], &other.scales].concat();
        scales.sort_unstable();
        let factor = import.of_constants(Function::Mul, &self.factor, &other.factor)?;
        Ok(Self { scales, factor })
    }
}

impl Import<'_> {
    /// A computed value as whole numbers, with the scale and the zero point that are found for it.
    pub fn rounded_anew(&mut self, view: View) -> [Value; 3] {
        self.is_quantised = true;
        self.scales += 1;
        let scales = vec![self.scales];
        let one = Array::floats(&[], vec![1.0]);
        [
            Value::Rounded(Rounded {
                view,
                scales: scales.clone(),
            }),
            Value::Scale(Scale {
                scales,
                factor: one,
            }),
            Value::Zero(self.scales),
        ]
    }

    /// The product of two values of which at least one is a scale; nothing for others.
    ///
    /// # Errors
    /// For whole numbers and a scale that is not theirs.
    pub fn with_scale(
        &mut self,
        a: &Value,
        b: &Value,
        name: &str,
    ) -> Result<Option<Value>, Trouble> {
        let made = match (a, b) {
            (Value::Rounded(_), Value::Scale(_)) => self.unrounded(a, b, name)?,
            (Value::Scale(_), Value::Rounded(_)) => self.unrounded(b, a, name)?,
            (Value::Scale(a), Value::Scale(b)) => Value::Scale(a.times(b, self)?),
            (Value::Scale(scale), Value::Constant(array))
            | (Value::Constant(array), Value::Scale(scale)) => {
                let factor = self.of_constants(Function::Mul, &scale.factor, array)?;
                Value::Scale(Scale {
                    factor,
                    scales: scale.scales.clone(),
                })
            }
            _ => return Ok(None),
        };
        Ok(Some(made))
    }

    /// What whole numbers stand for, given their scale.
    ///
    /// # Errors
    /// If it is not theirs.
    pub fn unrounded(&mut self, x: &Value, scale: &Value, name: &str) -> Result<Value, Trouble> {
        let foreign = || unsupported("multiplies whole numbers by a scale that is not theirs");
        let (Value::Rounded(x), Value::Scale(scale)) = (x, scale) else {
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

    /// The value of a layer whose weights are multiplied by a factor, one for all outputs or one for each; nothing
    /// where the value is not that of such a layer.
    fn with_scaled_weights(
        &mut self,
        view: &View,
        factor: &Array,
    ) -> Result<Option<View>, Trouble> {
        let made = &self.draft.nodes[view.node];
        let channels = match made.shape.len() {
            4 => 1,
            rank => rank - 1,
        };
        let outputs = made.shape[channels];
        let factors = factor.as_floats()?;
        if factors.len() != 1 {
            // The factors have to lie along the outputs.
            let along = factor.shape.iter().position(|&side| side == factors.len());
            let axis = along.and_then(|at| (at + view.rank()).checked_sub(factor.rank()));
            let fits = axis.is_some_and(|axis| view.axes[axis] == [channels]);
            if !fits || factors.len() != outputs {
                return Ok(None);
            }
        }
        let factors = factors.to_vec();
        // What is scaled in place can be scaled once.
        if self.scaled.contains(&view.node) {
            return Err(unsupported("multiplies whole numbers by their scale again"));
        }
        let is_scaled = self.draft.scale_outputs(view.node, &factors)?;
        self.scaled.extend(is_scaled.then_some(view.node));
        Ok(is_scaled.then(|| view.clone()))
    }
}
