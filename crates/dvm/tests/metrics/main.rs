//! Metrics of maps on whole networks, against the field's own tools (`references/README.md`).

mod covering;
mod randomisation;
mod sampling;
