//! A limit on the memory and work that importing a file may take, in proportion to the file's length.
//!
//! Without it, a small file could ask for constants of any size and in any number.

use super::GraphBuilder;
use crate::import::value::array::count;
use crate::import::value::tracked_vec::bytes_in_use;
use crate::import::{NodeError, Result};

/// What may still be used.
#[derive(Clone, Copy)]
pub(crate) struct MemoryBudget {
    /// The most bytes in use at one time.
    limit: usize,
    /// Bytes of arrays in use before this import began.
    before: usize,
    /// Bytes in use beside arrays.
    reserved: usize,
    /// Bytes that may still be written in total.
    writable: usize,
}

impl MemoryBudget {
    /// At most `limit` bytes in use at one time.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            before: bytes_in_use(),
            reserved: 0,
            writable: limit.saturating_mul(32),
        }
    }
}

impl GraphBuilder {
    /// Checks that so many more bytes may be in use for a while.
    ///
    /// # Errors
    /// [`NodeError::TooLarge`] if not.
    pub fn check_room(&mut self, bytes: usize) -> Result<()> {
        let memory = &self.memory;
        let arrays = bytes_in_use().saturating_sub(memory.before);
        let used = arrays.saturating_add(memory.reserved).saturating_add(bytes);
        if used > memory.limit {
            let detail = "has constants that need far more memory than the file's length justifies";
            return Err(NodeError::TooLarge(detail.into()));
        }
        self.count_work(bytes)
    }

    /// Counts bytes that are written, or work that takes as long.
    ///
    /// # Errors
    /// [`NodeError::TooLarge`] if it is too much.
    pub fn count_work(&mut self, bytes: usize) -> Result<()> {
        let left = self.memory.writable.checked_sub(bytes);
        self.memory.writable = left.ok_or_else(|| {
            let detail = "computes far more with its constants than the file's length justifies";
            NodeError::TooLarge(detail.into())
        })?;
        Ok(())
    }

    /// Counts bytes that stay in use beside arrays.
    ///
    /// # Errors
    /// As [`GraphBuilder::check_room`].
    pub fn reserve(&mut self, bytes: usize) -> Result<()> {
        self.check_room(bytes)?;
        self.memory.reserved += bytes;
        Ok(())
    }

    /// Checks that there is room for an array of this shape, of floats or integers.
    ///
    /// # Errors
    /// As [`GraphBuilder::check_room`].
    pub fn check_array(&mut self, shape: &[usize]) -> Result<()> {
        let values = count(shape).unwrap_or(usize::MAX);
        self.check_room(values.saturating_mul(16))
    }
}
