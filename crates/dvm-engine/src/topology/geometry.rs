//! The shapes and spatial layouts of all values of a graph, for inputs of one shape.

use crate::ops::layout::{NodeShapes, Reads, SpatialLayout, ValueShape};
use crate::{Error, Graph, Node};

/// A graph with the shapes and layouts of its values for inputs of one shape.
pub(crate) struct Geometry<'g> {
    pub graph: &'g Graph,
    pub shapes: Vec<Vec<usize>>,
    /// `None` for a value without rows and columns.
    pub layouts: Vec<Option<SpatialLayout>>,
}

impl Graph {
    /// For each node the spatial layout of its value, for inputs `[N, C, H, W]` of this shape; `None` if
    /// it has no rows and columns of positions.
    ///
    /// # Errors
    /// As [`Graph::shapes`].
    pub fn spatial_layouts(&self, input: &[usize]) -> Result<Vec<Option<SpatialLayout>>, Error> {
        Ok(Geometry::new(self, input)?.layouts)
    }
}

impl<'g> Geometry<'g> {
    /// For an input `[N, C, H, W]`.
    ///
    /// # Errors
    /// As [`Graph::shapes`].
    pub fn new(graph: &'g Graph, input: &[usize]) -> Result<Self, Error> {
        let mut all = Self {
            graph,
            shapes: graph.shapes(input)?,
            layouts: Vec::with_capacity(graph.nodes().len()),
        };
        for (id, node) in graph.nodes().iter().enumerate() {
            let layout = node.op.layout(&all.inputs_of(node), &all.shapes[id]);
            all.layouts.push(layout);
        }
        Ok(all)
    }

    /// Which positions of its `input`-th input, counted from 0, the node reads.
    pub fn reads(&self, id: usize, input: usize) -> Reads {
        let node = &self.graph.nodes()[id];
        let shapes = NodeShapes {
            inputs: &self.inputs_of(node),
            parameters: &self.graph.parameter_shapes_of(node),
            output: self.value(id),
        };
        node.op.reads(input, &shapes)
    }

    fn inputs_of(&self, node: &Node) -> Vec<ValueShape<'_>> {
        node.inputs
            .iter()
            .map(|input| self.value(input.0))
            .collect()
    }

    fn value(&self, id: usize) -> ValueShape<'_> {
        ValueShape {
            shape: &self.shapes[id],
            layout: self.layouts[id],
        }
    }
}
