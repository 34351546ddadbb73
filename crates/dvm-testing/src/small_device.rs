//! A device that computes nothing, to test what runs on devices.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use dvm_engine::device::{Device, raise};
use dvm_engine::ops::{BackwardCall, ForwardCall, ForwardResult, Gradients, Op};
use dvm_engine::rules::Rule;
use dvm_engine::{Error, Node, Tensor};

/// A device without any op: the CPU computes every node. It has room for small batches only, and can be lost.
#[derive(Debug)]
pub struct SmallDevice {
    room: usize,
    refused: AtomicUsize,
    is_lost: AtomicBool,
}

impl SmallDevice {
    /// Its name.
    pub const NAME: &str = "small device";

    /// A device with memory for batches of at most this size.
    pub fn with_room(room: usize) -> Self {
        Self {
            room,
            refused: AtomicUsize::new(0),
            is_lost: AtomicBool::new(false),
        }
    }

    /// The number of batches that did not fit in its memory.
    pub fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    /// From now on, every node fails.
    pub fn lose(&self) {
        self.is_lost.store(true, Ordering::Relaxed);
    }
}

impl Device for SmallDevice {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn memory(&self) -> usize {
        1 << 30
    }

    fn largest_batch(&self) -> usize {
        16
    }

    fn forward(&self, _: &dyn Op, call: &ForwardCall) -> Option<ForwardResult> {
        let device = Self::NAME.to_owned();
        if self.is_lost.load(Ordering::Relaxed) {
            let detail = "it is lost".into();
            raise(Error::Device { device, detail });
        }
        if call.output_shape[0] > self.room {
            self.refused.fetch_add(1, Ordering::Relaxed);
            let detail = String::new();
            raise(Error::DeviceMemory { device, detail });
        }
        None
    }

    fn backward(&self, _: &dyn Op, _: &BackwardCall, _: &Tensor) -> Option<Gradients> {
        None
    }

    fn backward_by_rule(
        &self,
        _: &dyn Rule,
        _: &Node,
        _: &BackwardCall,
        _: &Tensor,
    ) -> Option<Vec<Option<Tensor>>> {
        None
    }

    fn sum(&self, a: &Tensor, b: &Tensor) -> Tensor {
        let sums = a.data().iter().zip(b.data()).map(|(a, b)| a + b);
        Tensor::from_stored(a.shape(), sums.collect())
    }

    fn finish(&self) -> Result<(), Error> {
        Ok(())
    }

    fn left_to_cpu(&self) -> Vec<&'static str> {
        vec!["conv2d", "relu"]
    }
}
