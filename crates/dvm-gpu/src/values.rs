//! The GPU in use, and values on it.

use std::sync::Arc;

use cubecl::client::Client;
use cubecl::ir::{ElemType, FloatKind};
use cubecl::prelude::*;
use cubecl::server::{Handle, ServerError};
use cubecl::std::tensor::TensorHandle;
use dvm_engine::device::DeviceValues;
use dvm_engine::{Error, Tensor};

/// A GPU in use; cheap to clone.
#[derive(Clone)]
pub(crate) struct Gpu {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    /// For messages and records.
    name: String,
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.inner.name)
    }
}

/// f32 values on a GPU, one after the other; cheap to clone.
#[derive(Clone)]
pub(crate) struct Values {
    gpu: Gpu,
    handle: Handle,
    len: usize,
}

impl std::fmt::Debug for Values {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} values on {:?}", self.len, self.gpu)
    }
}

impl Gpu {
    pub fn new(client: Client, name: String) -> Self {
        let inner = Arc::new(Inner { client, name });
        Self { inner }
    }

    pub fn client(&self) -> &Client {
        &self.inner.client
    }

    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Memory for this many values, which a kernel then writes.
    pub fn empty(&self, len: usize) -> Values {
        Values {
            gpu: self.clone(),
            handle: self.client().empty(len.max(1) * size_of::<f32>()),
            len,
        }
    }

    /// These values.
    pub fn upload(&self, values: &[f32]) -> Values {
        Values {
            gpu: self.clone(),
            handle: self.client().create_from_slice(f32::as_bytes(values)),
            len: values.len(),
        }
    }

    /// The values of a tensor, copied to the GPU if they are not there yet.
    pub fn of(&self, tensor: &Tensor) -> Values {
        if let Some(values) = tensor.device_values()
            && let Some(values) = (&**values as &dyn std::any::Any).downcast_ref::<Values>()
            && Arc::ptr_eq(&values.gpu.inner, &self.inner)
        {
            return values.clone();
        }
        let values = self.upload(tensor.data());
        tensor.keep_device_values(Arc::new(values.clone()));
        values
    }

    /// Cubes and units for a kernel in which each unit computes one of `count` values.
    pub fn units(&self, count: usize) -> (CubeCount, CubeDim) {
        let units = CubeDim::new(self.client(), count);
        let cubes = cubecl::calculate_cube_count_elemwise(self.client(), count, units);
        (cubes, units)
    }

    /// Waits until everything is computed.
    pub fn finish(&self) -> Result<(), Error> {
        let done = cubecl::future::block_on(self.client().sync());
        done.map_err(|error| self.error(&error))
    }

    pub fn error(&self, error: &ServerError) -> Error {
        let device = self.name().to_owned();
        match needed(error) {
            Some(detail) => Error::DeviceMemory { device, detail },
            None => Error::Device {
                device,
                detail: first_line(&error.to_string()),
            },
        }
    }
}

impl Values {
    pub fn len(&self) -> usize {
        self.len
    }

    /// The argument of a kernel.
    pub fn arg(&self) -> TensorArg {
        let kind = ElemType::Float(FloatKind::F32);
        TensorHandle::new_contiguous([self.len.max(1)], self.handle.clone(), kind).into_arg()
    }

    /// A tensor with these values.
    pub fn tensor(self, shape: &[usize]) -> Tensor {
        debug_assert_eq!(self.len, shape.iter().product::<usize>());
        Tensor::on_device(shape, Arc::new(self))
    }
}

impl DeviceValues for Values {
    fn read(&self) -> Result<Vec<f32>, Error> {
        let read = self.gpu.client().read_one(self.handle.clone());
        let bytes = read.map_err(|error| self.gpu.error(&error))?;
        Ok(f32::from_bytes(&bytes)[..self.len].to_vec())
    }
}

/// If the cause is a lack of memory, what was needed, as the end of a sentence.
fn needed(error: &ServerError) -> Option<String> {
    // Errors of values that were computed from the missing ones contain the cause only in words.
    let words = error.to_string().to_lowercase();
    let lacks = [
        "out of memory",
        "out of device memory",
        "can't allocate buffer",
        "no room for",
    ];
    let is_meant = lacks.iter().any(|lack| words.contains(lack));
    is_meant.then(String::new)
}

fn first_line(words: &str) -> String {
    let lines = words.lines().map(str::trim);
    let meant = lines.filter(|line| !line.is_empty() && !line.starts_with("Backtrace"));
    meant.take(2).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_memory_is_an_error_and_the_device_can_still_be_used() {
        let gpu = Gpu::new(crate::found::first_client(), "a device".into());
        let error = gpu.empty(1 << 38).read().unwrap_err();
        assert!(matches!(error, Error::DeviceMemory { .. }), "{error}");
        assert!(
            error
                .to_string()
                .contains("`a device` does not have enough"),
            "{error}"
        );
        assert_eq!(gpu.upload(&[1.5, -2.0]).read().unwrap(), [1.5, -2.0]);
    }
}
