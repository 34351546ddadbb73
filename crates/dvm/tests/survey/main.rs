//! Where a network looks over a whole data set: planted shortcuts, and what is written.

mod planted;
mod sets;
mod written;
