//! What kernels with vector instructions share.

use std::any::TypeId;

use pulp::{Scalar256b, Simd};

/// `a · b + c`, in one rounding where the instructions have it.
#[inline(always)]
pub(super) fn multiply_add<S: Simd>(simd: S, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
    if TypeId::of::<S>() == TypeId::of::<Scalar256b>() {
        // In one rounding it would be a call of a function for every value.
        simd.add_f32s(simd.mul_f32s(a, b), c)
    } else {
        simd.mul_add_e_f32s(a, b, c)
    }
}

/// A place that several threads write to, each its own part.
#[derive(Clone, Copy)]
pub(super) struct Shared(*mut f32);

// SAFETY: a `Shared` is only an address. Whoever writes through it must see to it that no two
// threads touch the same value; each use says why that is so.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// The place of these values, which must not be read or written otherwise while it is used.
    pub fn new(values: &mut [f32]) -> Self {
        Self(values.as_mut_ptr())
    }

    /// The place of the values from `index` on.
    pub fn from(self, index: usize) -> Self {
        Self(self.at(index))
    }

    /// The address of the value at `index`.
    pub fn at(self, index: usize) -> *mut f32 {
        self.0.wrapping_add(index)
    }
}
