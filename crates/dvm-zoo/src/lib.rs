//! Architectures, one file each, with pretrained facts and embedded networks.

pub mod architectures;

pub use architectures::{ALL, Architecture};
