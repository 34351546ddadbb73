//! A GPU as a device of the engine.

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, PoisonError};

use dvm_engine::device::{Device, raise};
use dvm_engine::ops::{BackwardCall, ForwardCall, ForwardResult, Gradients, Op};
use dvm_engine::rules::Rule;
use dvm_engine::{Error, Node, Tensor};

use crate::kernels::pointwise::{Pair, paired};
use crate::ops;
use crate::values::Gpu;

/// The largest batch that is worth computing at once on a GPU, and on a driver that computes on the CPU.
const LARGEST_BATCH: [usize; 2] = [128, 8];

/// A GPU that computes the nodes of a graph.
#[derive(Debug)]
pub(crate) struct GpuDevice {
    gpu: Gpu,
    memory: usize,
    is_software: bool,
    left_to_cpu: Mutex<BTreeSet<&'static str>>,
}

impl GpuDevice {
    /// `memory` is what walks may use, in bytes.
    pub fn new(gpu: Gpu, memory: usize, is_software: bool) -> Self {
        Self {
            gpu,
            memory,
            is_software,
            left_to_cpu: Mutex::default(),
        }
    }

    /// What the GPU computes; notes that the CPU must if it is nothing. A panic of the runtime becomes an error.
    fn attempt<R>(&self, what: &'static str, work: impl FnOnce() -> Option<R>) -> Option<R> {
        let found = match catch_unwind(AssertUnwindSafe(work)) {
            Ok(found) => found,
            // An error that was raised on purpose.
            Err(stopped) if stopped.is::<Error>() => resume_unwind(stopped),
            Err(stopped) => raise(Error::Device {
                device: self.gpu.name().to_owned(),
                detail: words(&*stopped),
            }),
        };
        if found.is_none() {
            let left = self.left_to_cpu.lock();
            left.unwrap_or_else(PoisonError::into_inner).insert(what);
        }
        found
    }
}

/// The message of a panic.
fn words(stopped: &(dyn Any + Send)) -> String {
    let words = stopped.downcast_ref::<String>().cloned();
    let words = words.or_else(|| stopped.downcast_ref::<&str>().map(ToString::to_string));
    words.unwrap_or_else(|| "its runtime stopped without a message".into())
}

impl Device for GpuDevice {
    fn name(&self) -> &str {
        self.gpu.name()
    }

    fn memory(&self) -> usize {
        self.memory
    }

    fn largest_batch(&self) -> usize {
        LARGEST_BATCH[usize::from(self.is_software)]
    }

    fn forward(&self, op: &dyn Op, call: &ForwardCall) -> Option<ForwardResult> {
        self.attempt(op.kind(), || ops::of(op)?.forward(&self.gpu, call))
    }

    fn backward(
        &self,
        op: &dyn Op,
        call: &BackwardCall,
        grad_output: &Tensor,
    ) -> Option<Gradients> {
        self.attempt(op.kind(), || {
            ops::of(op)?.backward(&self.gpu, call, grad_output)
        })
    }

    fn backward_by_rule(
        &self,
        rule: &dyn Rule,
        node: &Node,
        call: &BackwardCall,
        grad_output: &Tensor,
    ) -> Option<Vec<Option<Tensor>>> {
        self.attempt(rule.name(), || {
            ops::by_rule(&self.gpu, (rule, node), call, grad_output)
        })
    }

    fn sum(&self, a: &Tensor, b: &Tensor) -> Tensor {
        let (left, right) = (self.gpu.of(a), self.gpu.of(b));
        paired(&self.gpu, &left, &right, Pair::Add).tensor(a.shape())
    }

    fn finish(&self) -> Result<(), Error> {
        self.gpu.finish()
    }

    fn left_to_cpu(&self) -> Vec<&'static str> {
        let left = self.left_to_cpu.lock();
        let left = left.unwrap_or_else(PoisonError::into_inner);
        left.iter().copied().collect()
    }
}
