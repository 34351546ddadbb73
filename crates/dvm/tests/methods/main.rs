//! Attribution methods on whole networks of the zoo and imported ones, against other tools and slow second
//! implementations (`references/README.md`).

#[macro_use]
#[path = "../prepared/mod.rs"]
mod prepared;

mod cam;
mod gradient;
mod inspection;
mod perturbation;
mod transformer;
