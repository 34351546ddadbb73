//! Which pixels a network expects, read off what its graph does to them before its first layer.
//!
//! A graph that subtracts 123.7 or divides by 255 expects pixels of 0 to 255; one that computes 2x − 1 expects 0 to 1. So
//! the picture is followed, channel by channel, through all nodes that only move, scale and shift it ([`trace`]), up to the
//! first layer that mixes channels. The factors and shifts give the range ([`range`]).

mod range;
mod trace;

use self::trace::{MOST_CHANNELS, Trace};
use crate::Pixels;
use crate::import::Import;
use crate::import::input::PICTURE;
use dvm_engine::ops::Class;

impl Import<'_> {
    /// Whether a node's value is the moved pixels of a file that takes integers.
    pub fn is_raw_pixels(&self, node: usize) -> bool {
        if !self.takes_bytes {
            return false;
        }
        let (mut nodes, mut steps) = (vec![node], 0);
        while let Some(node) = nodes.pop() {
            let made = &self.graph.nodes[node];
            let class = made.op.class();
            let moves = class.is_movement() || class == Class::Padding;
            steps += 1;
            if node != PICTURE && (!moves || steps > MOST_CHANNELS) {
                return false;
            }
            nodes.extend(&made.inputs);
        }
        true
    }

    /// Which pixels the network expects, if the graph shows it.
    pub fn pixels(&self) -> Option<Pixels> {
        let nodes = &self.graph.nodes;
        let sources = *nodes[PICTURE].shape.get(1)?;
        if sources > MOST_CHANNELS {
            return None;
        }
        let mut traces: Vec<Option<Trace>> = vec![None; nodes.len()];
        traces[PICTURE] = Some(Trace::of_picture(sources));
        let mut lost = None;
        for (id, node) in nodes.iter().enumerate().skip(PICTURE + 1) {
            let before = node.inputs.first().and_then(|&input| traces[input].clone());
            let Some(before) = before else {
                continue;
            };
            let after = before.through(node, &self.graph, &traces);
            if after.is_none() && !node.parameters.is_empty() {
                return range::pixels_of(&before, sources);
            }
            if after.is_none() {
                lost.get_or_insert(before);
            }
            traces[id] = after;
        }
        // A network without convolutions flattens all pixels before its first layer.
        range::pixels_of(&lost?, sources)
    }
}
