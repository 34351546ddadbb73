//! What walks need of the machine: memory that is used again, threads that are awake, measured time.

pub(crate) mod buffer;
pub(crate) mod instruction_set;
pub(crate) mod lazy;
#[cfg(target_os = "linux")]
pub(crate) mod pages;
pub(crate) mod splitmix;
pub(crate) mod stopwatch;
pub(crate) mod threads;
