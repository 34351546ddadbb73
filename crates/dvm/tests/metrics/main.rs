//! Metrics of maps on whole networks, against the field's own tools and slow second implementations
//! (`references/README.md`).

mod sampling;
