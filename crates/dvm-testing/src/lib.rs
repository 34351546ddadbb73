//! What the tests of several crates share. A dev-dependency only: no crate that is shipped depends on it.
//!
//! Use it from `tests/`, `examples/` and `benches/`. A unit test inside `src/` of a crate that this one
//! depends on would see that crate's types twice.

pub mod closeness;
#[cfg(feature = "engine")]
pub mod copying;
pub mod errors;
#[cfg(feature = "engine")]
pub mod every_op;
#[cfg(feature = "engine")]
pub mod graphs;
#[cfg(feature = "networks")]
pub mod networks;
#[cfg(feature = "readers")]
pub mod readers;
pub mod references;
pub mod repository;
pub mod server;
pub mod shared;
#[cfg(feature = "engine")]
pub mod single_op;
#[cfg(feature = "engine")]
pub mod small_device;
