//! The vector instructions that kernels are compiled for, and the choice among them at run time.
//!
//! A kernel is either generic over [`Simd`] ([`InstructionSet::run`]) or a closure with loops that the
//! compiler vectorises ([`vectorised`]). Both are compiled for every instruction set of the platform.

use std::sync::OnceLock;

use pulp::{Scalar256b, Simd, WithSimd};

/// Vector instructions that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstructionSet {
    /// What every machine of the platform has; kernels work on eight values at a time.
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
static IN_USE: OnceLock<InstructionSet> = OnceLock::new();

impl InstructionSet {
    /// The instruction sets of this machine, the best last.
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

    /// The instructions that this process uses: the best of this machine, unless
    /// [`InstructionSet::limit`] set others.
    pub fn in_use() -> Self {
        *IN_USE.get_or_init(|| *Self::available().last().expect("one is portable"))
    }

    /// Makes this process use these instructions, which must be among the [`available`] ones: to measure
    /// and test what other machines would do.
    ///
    /// # Errors
    /// The instructions in use, if the process already uses others: packed weights depend on them.
    ///
    /// [`available`]: InstructionSet::available
    pub fn limit(set: Self) -> Result<(), Self> {
        let used = *IN_USE.get_or_init(|| set);
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
    pub(crate) fn lanes(self) -> usize {
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
    pub(crate) fn run<K: WithSimd>(self, kernel: K) -> K::Output {
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

/// Runs a closure with the instructions in use: the compiler vectorises its loops, so they must be
/// inlined into it.
#[inline(always)]
pub(crate) fn vectorised<R>(loops: impl FnOnce() -> R) -> R {
    struct Loops<F>(F);
    impl<R, F: FnOnce() -> R> WithSimd for Loops<F> {
        type Output = R;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> R {
            (self.0)()
        }
    }
    InstructionSet::in_use().run(Loops(loops))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instructions_in_use_are_available() {
        assert!(InstructionSet::available().contains(&InstructionSet::in_use()));
        assert_eq!(InstructionSet::Portable.lanes(), 8);
    }

    #[test]
    fn instructions_in_use_cannot_be_changed() {
        let in_use = InstructionSet::in_use();
        assert_eq!(InstructionSet::limit(in_use), Ok(()));
        for other in InstructionSet::available() {
            if other != in_use {
                assert_eq!(InstructionSet::limit(other), Err(in_use));
            }
        }
    }
}
