//! Training: what is minimised, how weights move, and what is kept of a run.
