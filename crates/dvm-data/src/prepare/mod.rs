//! Plans of data sets, and writing them completely or not at all.
//!
//! A corpus (see [`crate::corpora`]) makes a [`Plan`] from its source: the split, class, name and content of
//! each picture. [`Plan::write`] writes the data set.

mod plan;
mod record;
mod staging;
mod transfer;
mod write;

pub use plan::{Content, Make, Plan, Planned};
pub use record::{RECORD, Record};
pub use transfer::Transfer;
pub use write::{PrepareOutcome, PreparedDataset, Progress, WriteOptions};
