//! How much memory and work a file may take while it is read: more for larger files.
//!
//! A small file can ask for constants of any size, and for any number of them.

use super::array::count;
use super::draft::Draft;
use super::numbers::living;
use super::trouble::Trouble;

/// What may be computed while a file is read.
#[derive(Clone, Copy)]
pub(crate) struct Allowance {
    /// Bytes that may be in use at a time.
    most: usize,
    /// Bytes of arrays that others had in use before.
    before: usize,
    /// Bytes in use that are no arrays.
    kept: usize,
    /// Bytes that may still be written, again and again.
    written: usize,
}

impl Allowance {
    /// So many bytes at a time.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            before: living(),
            kept: 0,
            written: most.saturating_mul(32),
        }
    }
}

impl Draft {
    /// Checks that so many bytes more may be in use for a while.
    ///
    /// # Errors
    /// [`Trouble::TooLarge`] if not.
    pub fn room_for(&mut self, bytes: usize) -> Result<(), Trouble> {
        let allowance = &self.allowance;
        let arrays = living().saturating_sub(allowance.before);
        let used = arrays.saturating_add(allowance.kept).saturating_add(bytes);
        if used > allowance.most {
            let detail = "has constants that would take far more memory than its length justifies";
            return Err(Trouble::TooLarge(detail.into()));
        }
        self.write(bytes)
    }

    /// Counts bytes that are written, or work that takes as long.
    ///
    /// # Errors
    /// [`Trouble::TooLarge`] when it is too much.
    pub fn write(&mut self, bytes: usize) -> Result<(), Trouble> {
        let left = self.allowance.written.checked_sub(bytes);
        self.allowance.written = left.ok_or_else(|| {
            let detail = "computes far more of its own constants than its length justifies";
            Trouble::TooLarge(detail.into())
        })?;
        Ok(())
    }

    /// Counts bytes that stay in use and are no arrays.
    ///
    /// # Errors
    /// As [`Draft::room_for`].
    pub fn keep(&mut self, bytes: usize) -> Result<(), Trouble> {
        self.room_for(bytes)?;
        self.allowance.kept += bytes;
        Ok(())
    }

    /// Checks that there is room for an array of this shape, of floats or whole numbers.
    ///
    /// # Errors
    /// As [`Draft::room_for`].
    pub fn spend_on(&mut self, shape: &[usize]) -> Result<(), Trouble> {
        let values = count(shape).unwrap_or(usize::MAX);
        self.room_for(values.saturating_mul(16))
    }
}
