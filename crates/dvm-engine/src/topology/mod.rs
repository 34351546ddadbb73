//! What follows from a graph's structure alone: where positions of the input are found in the values
//! of nodes, receptive fields, blocks, and the layers whose outputs are the classes.

pub(crate) mod block_outputs;
pub(crate) mod cut_nodes;
pub(crate) mod geometry;
mod heads;
pub(crate) mod last_stage;
pub(crate) mod receptive_field;
