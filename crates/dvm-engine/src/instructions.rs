//! Which vector instructions this machine has.

/// The widest vector instructions that kernels find here at run time: `AVX-512`, `AVX2+FMA`, `NEON`
/// or, where there are none that they know, `scalar`.
pub fn instruction_set() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if pulp::x86::V4::try_new().is_some() {
            return "AVX-512";
        }
        if pulp::x86::V3::try_new().is_some() {
            return "AVX2+FMA";
        }
    }
    #[cfg(target_arch = "aarch64")]
    {
        if pulp::aarch64::Neon::try_new().is_some() {
            return "NEON";
        }
    }
    "scalar"
}
