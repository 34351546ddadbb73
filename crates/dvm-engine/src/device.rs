//! Devices other than the CPU. A walk asks the device of its graph to compute each node; what the device
//! cannot compute, the CPU computes, with the same results. Values stay on the device between nodes
//! ([`Tensor`]).

use std::any::Any;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::graph::Node;
use crate::ops::{BackwardCall, ForwardCall, ForwardResult, Gradients, Op};
use crate::rules::Rule;
use crate::{Error, Tensor};

/// Values on a device.
pub trait DeviceValues: Any + Debug + Send + Sync {
    /// The values, in the order in which [`Tensor`] stores them. Waits until they are computed.
    ///
    /// # Errors
    /// [`Error::DeviceMemory`] if the device had no memory for these values or for those they are computed from,
    /// [`Error::Device`] if it failed.
    fn read(&self) -> Result<Vec<f32>, Error>;
}

/// A device that computes nodes. Its methods may return before the values are computed; errors appear when
/// values are read. All sums are in f32.
pub trait Device: Debug + Send + Sync {
    /// Its name, such as `NVIDIA H200 (Vulkan)`.
    fn name(&self) -> &str;

    /// Bytes that walks may use at once.
    fn memory(&self) -> usize;

    /// The largest batch of pictures that is worth computing at once.
    fn largest_batch(&self) -> usize;

    /// The value of a node; `None` if the device cannot compute it.
    fn forward(&self, op: &dyn Op, call: &ForwardCall) -> Option<ForwardResult>;

    /// The true gradients at a node; `None` if the device cannot compute them.
    fn backward(&self, op: &dyn Op, call: &BackwardCall, grad_output: &Tensor)
    -> Option<Gradients>;

    /// The gradients by a rule; `None` if the device cannot compute them.
    fn backward_by_rule(
        &self,
        rule: &dyn Rule,
        node: &Node,
        call: &BackwardCall,
        grad_output: &Tensor,
    ) -> Option<Vec<Option<Tensor>>>;

    /// The sum of two tensors of the same shape.
    fn sum(&self, a: &Tensor, b: &Tensor) -> Tensor;

    /// Waits until everything is computed.
    ///
    /// # Errors
    /// As [`DeviceValues::read`].
    fn finish(&self) -> Result<(), Error>;

    /// Kinds of ops, and names of rules, that the CPU computed because this device cannot, in order.
    fn left_to_cpu(&self) -> Vec<&'static str>;
}

/// Stops the work with an error of a device, in a function that cannot return it. Walks of a graph return it.
pub fn raise(error: Error) -> ! {
    resume_unwind(Box::new(error))
}

/// Runs `work` and returns errors of the device, also those that stopped it.
pub(crate) fn catching<R>(
    device: Option<&dyn Device>,
    work: impl FnOnce() -> Result<R, Error>,
) -> Result<R, Error> {
    if device.is_none() {
        return work();
    }
    let stopped = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => return result,
        Err(stopped) => stopped,
    };
    match stopped.downcast::<Error>() {
        Ok(error) => Err(*error),
        Err(other) => resume_unwind(other),
    }
}
