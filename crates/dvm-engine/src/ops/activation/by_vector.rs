//! Activation functions in a kernel's vector instructions.

use pulp::{Simd, WithSimd};

use super::super::exponential::of_vectors;
use super::super::simd::{load, store};
use super::Activation;

impl Activation {
    /// The function in a kernel's vector instructions, applied to values that the kernel has just stored. The
    /// result is bit-identical at any position.
    #[inline(always)]
    pub(in crate::ops) fn finish<S: Simd>(self, simd: S, values: &mut [f32]) {
        match self {
            Self::Relu | Self::Relu6 => {
                by_vector(
                    simd,
                    values,
                    #[inline(always)]
                    |v| activate(simd, Some(self), v),
                );
            }
            Self::Silu => by_vector(
                simd,
                values,
                #[inline(always)]
                |v| of_vectors::swish(simd, v, 1.0),
            ),
            Self::Swish(factor) => by_vector(
                simd,
                values,
                #[inline(always)]
                |v| of_vectors::swish(simd, v, factor),
            ),
            Self::Sigmoid => by_vector(
                simd,
                values,
                #[inline(always)]
                |v| of_vectors::sigmoid(simd, v),
            ),
            Self::Hardsigmoid => by_vector(
                simd,
                values,
                #[inline(always)]
                |v| of_vectors::hardsigmoid(simd, v),
            ),
            Self::Hardswish => by_vector(
                simd,
                values,
                #[inline(always)]
                |v| simd.mul_f32s(v, of_vectors::hardsigmoid(simd, v)),
            ),
            Self::Gelu => by_vector(
                simd,
                values,
                #[inline(always)]
                |v| of_vectors::gelu(simd, v),
            ),
            other => other.apply(values),
        }
    }

    /// [`Activation::finish`] for rows of `used` values each. It is called, not inlined, so that kernels of
    /// all heights share it.
    ///
    /// # Safety
    /// Every address must be valid for reads and writes of `used` values, and no other thread may access
    /// them.
    #[inline(never)]
    pub(in crate::ops) unsafe fn finish_rows<S: Simd>(
        self,
        simd: S,
        rows: &[*mut f32],
        (first, used): (usize, usize),
    ) {
        struct Rows<'a>(Activation, &'a [*mut f32], usize, usize);
        impl WithSimd for Rows<'_> {
            type Output = ();
            #[inline(always)]
            fn with_simd<S: Simd>(self, simd: S) {
                let Self(activation, rows, first, used) = self;
                for row in rows {
                    // SAFETY: the caller's of `finish_rows`.
                    let row = unsafe { std::slice::from_raw_parts_mut(row.add(first), used) };
                    activation.finish(simd, row);
                }
            }
        }
        simd.vectorize(Rows(self, rows, first, used));
    }
}

/// An activation of values, written to another slice.
pub(super) struct Values<'a> {
    pub activation: Activation,
    pub input: &'a [f32],
    pub output: &'a mut [f32],
}

impl WithSimd for Values<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // In small parts, so that copied values are still in cache when they are changed.
        const CLOSE: usize = 1024;
        let chunks = self.input.chunks(CLOSE);
        for (output, input) in self.output.chunks_mut(CLOSE).zip(chunks) {
            output.copy_from_slice(input);
            self.activation.finish(simd, output);
        }
    }
}

/// Changes values vector by vector.
#[inline(always)]
fn by_vector<S: Simd>(simd: S, values: &mut [f32], f: impl Fn(S::f32s) -> S::f32s) {
    let mut vectors = values.chunks_exact_mut(S::F32_LANES);
    for vector in vectors.by_ref() {
        let at = vector.as_mut_ptr();
        // SAFETY: it is the address of a vector's values.
        unsafe { store::<S>(at, f(load::<S>(at))) };
    }
    let rest = vectors.into_remainder();
    if !rest.is_empty() {
        let values = f(simd.partial_load_f32s(rest));
        simd.partial_store_f32s(rest, values);
    }
}

/// Whether [`activate`] applies it; other activations are applied to stored values ([`Activation::finish`]).
pub(crate) fn is_in_registers(activation: Activation) -> bool {
    matches!(activation, Activation::Relu | Activation::Relu6)
}

/// Applies ReLU or ReLU6 to a vector; NaN stays NaN.
#[inline(always)]
pub(crate) fn activate<S: Simd>(
    simd: S,
    activation: Option<Activation>,
    values: S::f32s,
) -> S::f32s {
    let zero = simd.splat_f32s(0.0);
    match activation {
        Some(Activation::Relu) => simd.select_f32s(simd.less_than_f32s(values, zero), zero, values),
        Some(Activation::Relu6) => {
            let six = simd.splat_f32s(6.0);
            let low = simd.select_f32s(simd.less_than_f32s(values, zero), zero, values);
            simd.select_f32s(simd.less_than_f32s(six, low), six, low)
        }
        _ => values,
    }
}
