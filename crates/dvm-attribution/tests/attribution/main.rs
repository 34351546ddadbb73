//! Tests of the attribution methods: comparison with Captum, examples worked out by hand, and
//! properties that hold for every network and picture.

mod brute_force;
mod cams;
mod captum;
mod controls;
mod covering;
mod devices;
mod fills;
mod gradient_check;
mod image_space;
mod invariants;
mod localisation;
mod oracles;
mod paths;
mod randomisation;
mod refusals;
mod sampling;
mod segments;
mod subject;
mod targets;
mod transformers;
mod warnings;
