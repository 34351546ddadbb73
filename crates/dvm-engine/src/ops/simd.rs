//! Shared parts of kernels with vector instructions.

use std::any::TypeId;

use pulp::{Scalar256b, Simd};

/// `a · b + c`, rounded once if the instruction set has a fused multiply-add.
#[inline(always)]
pub(super) fn multiply_add<S: Simd>(simd: S, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
    if TypeId::of::<S>() == TypeId::of::<Scalar256b>() {
        // A fused multiply-add would be a function call for every value.
        simd.add_f32s(simd.mul_f32s(a, b), c)
    } else {
        simd.mul_add_e_f32s(a, b, c)
    }
}

/// Reads a vector.
///
/// # Safety
/// `at` must be valid for reads of a vector's values.
#[inline(always)]
pub(super) unsafe fn load<S: Simd>(at: *const f32) -> S::f32s {
    // SAFETY: guaranteed by the caller; any bits are a valid vector of f32, and the read needs no alignment.
    unsafe { at.cast::<S::f32s>().read_unaligned() }
}

/// Writes a vector.
///
/// # Safety
/// `at` must be valid for writes of a vector's values.
#[inline(always)]
pub(super) unsafe fn store<S: Simd>(at: *mut f32, vector: S::f32s) {
    // SAFETY: guaranteed by the caller; the write needs no alignment.
    unsafe { at.cast::<S::f32s>().write_unaligned(vector) }
}

/// Fetches the cache line of an address, which may be invalid.
#[inline(always)]
pub(super) fn prefetch(at: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch has no visible effect and never faults.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// A buffer that several threads write to, each to a separate part.
#[derive(Clone, Copy)]
pub(super) struct Shared(*mut f32);

// SAFETY: a `Shared` is only an address. Code that writes through it must ensure that no two threads access
// the same value; each use states why that holds.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// The buffer of these values, which must not be accessed otherwise while it is used.
    pub fn new(values: &mut [f32]) -> Self {
        Self(values.as_mut_ptr())
    }

    /// The part from `index` on.
    pub fn from(self, index: usize) -> Self {
        Self(self.at(index))
    }

    /// The address of the value at `index`.
    pub fn at(self, index: usize) -> *mut f32 {
        self.0.wrapping_add(index)
    }
}
