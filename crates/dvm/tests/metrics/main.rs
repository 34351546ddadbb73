//! Metrics of maps on whole networks, against other tools (`references/README.md`).

mod covering;
mod randomisation;
mod sampling;
