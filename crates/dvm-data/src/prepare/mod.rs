//! What a prepared data set will hold, and writing it so that it is there whole or not at all.
//!
//! A corpus (see [`crate::corpora`]) looks at its source and makes a [`Plan`]: for every picture its
//! split, class, name and where its bytes come from. [`Plan::write`] carries a plan out.

mod plan;
mod record;
mod staging;
mod transfer;
mod write;

pub use plan::{Content, Make, Plan, Planned};
pub use record::{RECORD, Record};
pub use transfer::Transfer;
pub use write::{Outcome, Progress, Writing, Written};
