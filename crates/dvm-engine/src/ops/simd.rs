//! The vector instructions that kernels are compiled for, and which of them this machine has.
//!
//! A kernel is written once, generic over [`Simd`], and compiled for every instruction set of its
//! platform. Which one runs is found out when the program runs.

use std::any::TypeId;
use std::sync::OnceLock;

use pulp::{Scalar256b, Simd, WithSimd};

/// Vector instructions that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstructionSet {
    /// What every machine of the platform has, eight values at a time as the compiler sees fit.
    Portable,
    /// AVX2 with FMA: eight values.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512: sixteen values.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// NEON: four values.
    #[cfg(target_arch = "aarch64")]
    Neon,
}

/// The instructions that this process uses.
static BEST: OnceLock<InstructionSet> = OnceLock::new();

impl InstructionSet {
    /// All that this machine has, the best last.
    pub fn available() -> Vec<Self> {
        let mut sets = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if pulp::x86::V3::try_new().is_some() {
                sets.push(Self::Avx2);
            }
            if pulp::x86::V4::try_new().is_some() {
                sets.push(Self::Avx512);
            }
        }
        #[cfg(target_arch = "aarch64")]
        if pulp::aarch64::Neon::try_new().is_some() {
            sets.push(Self::Neon);
        }
        sets
    }

    /// What this process uses: the best that this machine has, or what [`InstructionSet::limit`] set.
    pub fn best() -> Self {
        *BEST.get_or_init(|| *Self::available().last().expect("one is portable"))
    }

    /// Makes this process use these instructions, which must be among the [`available`] ones, in place of
    /// the best: to time, and to compare, what other machines would do.
    ///
    /// # Errors
    /// The instructions already in use, if they are others: what networks have packed for them stays so.
    ///
    /// [`available`]: InstructionSet::available
    pub fn limit(set: Self) -> Result<(), Self> {
        let used = *BEST.get_or_init(|| set);
        if used == set { Ok(()) } else { Err(used) }
    }

    /// The name, for tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "AVX2+FMA",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "AVX-512",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "NEON",
        }
    }

    /// The name, for a command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "neon",
        }
    }

    /// Values in one vector.
    pub(super) fn lanes(self) -> usize {
        struct Lanes;
        impl WithSimd for Lanes {
            type Output = usize;
            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) -> usize {
                S::F32_LANES
            }
        }
        self.run(Lanes)
    }

    /// Runs a kernel with these instructions.
    ///
    /// # Panics
    /// If this machine does not have them.
    #[inline]
    pub(super) fn run<K: WithSimd>(self, kernel: K) -> K::Output {
        const MISSING: &str = "this machine does not have these instructions";
        match self {
            Self::Portable => Simd::vectorize(Scalar256b, kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Simd::vectorize(pulp::x86::V3::try_new().expect(MISSING), kernel),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Simd::vectorize(pulp::x86::V4::try_new().expect(MISSING), kernel),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => Simd::vectorize(pulp::aarch64::Neon::try_new().expect(MISSING), kernel),
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_instructions_are_among_those_available() {
        assert!(InstructionSet::available().contains(&InstructionSet::best()));
        assert_eq!(InstructionSet::Portable.lanes(), 8);
    }

    #[test]
    fn instructions_in_use_cannot_be_exchanged() {
        let best = InstructionSet::best();
        assert_eq!(InstructionSet::limit(best), Ok(()));
        for other in InstructionSet::available() {
            if other != best {
                assert_eq!(InstructionSet::limit(other), Err(best));
            }
        }
    }
}
