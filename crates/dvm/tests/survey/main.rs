//! Surveys: planted shortcuts, and the written files.

mod planted;
mod sets;
mod written;
