//! Numbers with a shape.

use std::sync::Arc;

use rayon::prelude::*;

use crate::runtime::buffer::Buffer;

/// An f32 array with a shape, cheap to clone: values are shared until one owner changes them.
///
/// **Layout.** A tensor of rank 4 is a batch of feature maps, `[N, C, H, W]` by name and *stored
/// channels last* (`N, H, W, C`), so that a pixel's channels are adjacent: a 1×1 convolution is then one
/// matrix product, and pools and depthwise convolutions run along the channels. Convolution weights `[O,
/// I, kh, kw]` are stored as `O, kh, kw, I`. All other ranks are row-major. [`Tensor::from_nchw`] and
/// [`Tensor::to_nchw`] convert from and to row-major order.
#[derive(Clone)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Arc<Buffer>,
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
            data: Arc::new(data),
        }
    }

    /// A shape without values, in place of a tensor that was released.
    pub(crate) fn shape_only(shape: &[usize]) -> Self {
        Self {
            shape: shape.to_vec(),
            data: Arc::new(Buffer::unspecified(0)),
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
                .zip(self.data.chunks_exact(c * h * w))
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
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there is no value at all.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The values as stored (rank 4: channels last).
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// The values as stored, for changes in place; copies them first if they are shared.
    pub fn data_mut(&mut self) -> &mut [f32] {
        let data: &mut Buffer = Arc::make_mut(&mut self.data);
        data
    }

    /// Whether the values are not shared.
    pub(crate) fn is_held_once(&self) -> bool {
        Arc::strong_count(&self.data) == 1
    }

    /// The values as stored, for changes in place; `None` if they are shared.
    pub(crate) fn own_data_mut(&mut self) -> Option<&mut [f32]> {
        let data: &mut Buffer = Arc::get_mut(&mut self.data)?;
        Some(data)
    }
}

impl PartialEq for Tensor {
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape && self.data() == other.data()
    }
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let head = &self.data[..self.data.len().min(4)];
        write!(f, "Tensor{:?} {head:?}…", self.shape)
    }
}
