//! Numbers with a shape.

use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use crate::Error;
use crate::device::{DeviceValues, raise};
use crate::runtime::buffer::Buffer;

/// An f32 array with a shape, cheap to clone: values are shared until one owner changes them.
///
/// **Layout.** A tensor of rank 4 is a batch of feature maps, `[N, C, H, W]` by name and *stored
/// channels last* (`N, H, W, C`), so that a pixel's channels are adjacent: a 1×1 convolution is then one
/// matrix product, and pools and depthwise convolutions run along the channels. Convolution weights `[O,
/// I, kh, kw]` are stored as `O, kh, kw, I`. All other ranks are row-major. [`Tensor::from_nchw`] and
/// [`Tensor::to_nchw`] convert from and to row-major order.
///
/// **Place.** The values are in memory, on a [`Device`](crate::device::Device), or in both places. Values that
/// a device computed are copied to memory when they are first read there ([`Tensor::data`]); values in memory
/// are copied to a device once, and copied again only after a change.
#[derive(Clone)]
pub struct Tensor {
    shape: Vec<usize>,
    storage: Arc<Storage>,
}

/// Values in at least one of two places.
struct Storage {
    len: usize,
    memory: OnceLock<Buffer>,
    device: OnceLock<Arc<dyn DeviceValues>>,
}

impl Storage {
    fn in_memory(values: Buffer) -> Arc<Self> {
        Arc::new(Self {
            len: values.len(),
            memory: values.into(),
            device: OnceLock::new(),
        })
    }

    /// The values in memory, copied from the device if they are only there.
    fn read(&self) -> Result<&Buffer, Error> {
        if let Some(values) = self.memory.get() {
            return Ok(values);
        }
        let device = self.device.get().expect("values are somewhere");
        let values = device.read()?;
        assert_eq!(values.len(), self.len, "a device returns all values");
        Ok(self.memory.get_or_init(|| values.into()))
    }

    /// The values in memory, for changes; the device's copy is dropped.
    fn changed(&mut self) -> &mut Buffer {
        if let Err(error) = self.read() {
            raise(error);
        }
        self.device.take();
        self.memory.get_mut().expect("they were read")
    }
}

impl Tensor {
    /// A tensor of values in the order in which this crate stores them (see [`Tensor`]).
    ///
    /// # Panics
    /// If the number of values is not the product of `shape`.
    pub fn from_stored(shape: &[usize], data: Vec<f32>) -> Self {
        Self::from_buffer(shape, data.into())
    }

    pub(crate) fn from_buffer(shape: &[usize], data: Buffer) -> Self {
        assert_eq!(
            data.len(),
            shape.iter().product::<usize>(),
            "values do not fill the shape {shape:?}"
        );
        Self {
            shape: shape.to_vec(),
            storage: Storage::in_memory(data),
        }
    }

    /// A tensor whose values are on a device, in the order in which this crate stores them.
    pub fn on_device(shape: &[usize], values: Arc<dyn DeviceValues>) -> Self {
        Self {
            shape: shape.to_vec(),
            storage: Arc::new(Storage {
                len: shape.iter().product(),
                memory: OnceLock::new(),
                device: values.into(),
            }),
        }
    }

    /// The values on a device, if they are there.
    pub fn device_values(&self) -> Option<&Arc<dyn DeviceValues>> {
        self.storage.device.get()
    }

    /// Keeps a device's copy of the values, as long as they stay the same.
    pub fn keep_device_values(&self, values: Arc<dyn DeviceValues>) {
        // Another thread may have copied them meanwhile; the copies are equal.
        let _ = self.storage.device.set(values);
    }

    /// Copies the values to memory if they are only on a device, so that [`Tensor::data`] cannot fail.
    ///
    /// # Errors
    /// [`Error::Device`] and [`Error::DeviceMemory`].
    pub fn read(&self) -> Result<(), Error> {
        self.storage.read().map(|_| ())
    }

    /// A shape without values, in place of a tensor that was released.
    pub(crate) fn shape_only(shape: &[usize]) -> Self {
        Self {
            shape: shape.to_vec(),
            storage: Storage::in_memory(Buffer::unspecified(0)),
        }
    }

    /// A tensor of row-major values, as in PyTorch and NumPy.
    ///
    /// # Panics
    /// If the number of values is not the product of `shape`.
    pub fn from_nchw(shape: &[usize], values: &[f32]) -> Self {
        let &[n, c, h, w] = shape else {
            return Self::from_stored(shape, values.to_vec());
        };
        assert_eq!(
            values.len(),
            n * c * h * w,
            "values do not fill the shape {shape:?}"
        );
        let mut data = Buffer::unspecified(values.len());
        if c > 0 && h * w > 0 {
            let maps = values.par_chunks_exact(c * h * w).with_min_len(16);
            maps.zip(data.par_chunks_exact_mut(c * h * w))
                .for_each(|(map, stored)| {
                    for (channel, plane) in map.chunks_exact(h * w).enumerate() {
                        for (pixel, value) in plane.iter().enumerate() {
                            stored[pixel * c + channel] = *value;
                        }
                    }
                });
        }
        Self::from_buffer(shape, data)
    }

    /// The values in row-major order, as in PyTorch and NumPy.
    pub fn to_nchw(&self) -> Vec<f32> {
        let &[n, c, h, w] = &self.shape[..] else {
            return self.data().to_vec();
        };
        let mut values = vec![0.0; n * c * h * w];
        if c > 0 && h * w > 0 {
            for (map, stored) in values
                .chunks_exact_mut(c * h * w)
                .zip(self.data().chunks_exact(c * h * w))
            {
                for (channel, plane) in map.chunks_exact_mut(h * w).enumerate() {
                    for (pixel, value) in plane.iter_mut().enumerate() {
                        *value = stored[pixel * c + channel];
                    }
                }
            }
        }
        values
    }

    /// The same stored values with another shape.
    ///
    /// # Panics
    /// If the number of values is not the product of `shape`.
    pub(crate) fn under(mut self, shape: &[usize]) -> Self {
        assert_eq!(self.len(), shape.iter().product::<usize>());
        self.shape = shape.to_vec();
        self
    }

    /// `[1, …]` as `[n, …]`: the same values `n` times.
    pub fn repeated(&self, n: usize) -> Self {
        if n == 1 {
            return self.clone();
        }
        let mut shape = self.shape.clone();
        if let Some(first) = shape.first_mut() {
            *first *= n;
        }
        Self::from_stored(&shape, self.data().repeat(n))
    }

    /// Element `index` of a batch `[n, …]`, as `[1, …]`.
    ///
    /// # Panics
    /// If there is no such element.
    pub fn part(&self, index: usize) -> Self {
        let mut shape = self.shape.clone();
        let n = std::mem::replace(&mut shape[0], 1);
        if n == 1 && index == 0 {
            return self.clone();
        }
        let len = self.len() / n;
        Self::from_stored(&shape, self.data()[index * len..][..len].to_vec())
    }

    /// All values equal.
    pub fn full(shape: &[usize], value: f32) -> Self {
        Self::from_stored(shape, vec![value; shape.iter().product()])
    }

    /// All zero.
    pub fn zeros(shape: &[usize]) -> Self {
        Self::full(shape, 0.0)
    }

    /// The shape; `[N, C, H, W]` for feature maps, independent of the storage.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of values.
    #[inline]
    pub fn len(&self) -> usize {
        self.storage.len
    }

    /// Whether there is no value at all.
    pub fn is_empty(&self) -> bool {
        self.storage.len == 0
    }

    /// The values as stored (rank 4: channels last).
    ///
    /// # Panics
    /// If the values are only on a device that fails: [`Tensor::read`] returns the error. Walks of a graph
    /// return it, too.
    #[inline]
    pub fn data(&self) -> &[f32] {
        match self.storage.memory.get() {
            Some(values) => values,
            None => self.fetched(),
        }
    }

    /// The values of a device. Apart, so that inner loops contain only the usual way.
    #[cold]
    fn fetched(&self) -> &[f32] {
        match self.storage.read() {
            Ok(values) => values,
            Err(error) => raise(error),
        }
    }

    /// The values as stored, for changes in place; copies them first if they are shared.
    pub fn data_mut(&mut self) -> &mut [f32] {
        if !self.is_held_once() {
            let mut copy = Buffer::unspecified(self.len());
            copy.copy_from_slice(self.data());
            self.storage = Storage::in_memory(copy);
        }
        let storage = Arc::get_mut(&mut self.storage).expect("nothing else holds them");
        storage.changed()
    }

    /// Whether the values are not shared.
    pub(crate) fn is_held_once(&self) -> bool {
        Arc::strong_count(&self.storage) == 1
    }

    /// The values as stored, for changes in place; `None` if they are shared.
    pub(crate) fn own_data_mut(&mut self) -> Option<&mut [f32]> {
        Some(Arc::get_mut(&mut self.storage)?.changed())
    }
}

impl PartialEq for Tensor {
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape && self.data() == other.data()
    }
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(values) = self.storage.memory.get() else {
            return write!(f, "Tensor{:?} on a device", self.shape);
        };
        let head = &values[..values.len().min(4)];
        write!(f, "Tensor{:?} {head:?}…", self.shape)
    }
}
