//! The plan of a group of changes: rectangles at each node, no values.

use super::Rectangle;
use crate::ops::resample::Continuation;
use crate::ops::{Op, Reach};
use crate::{Error, Graph, Node, NodeId};

/// The facts about a graph that planning needs, for inputs of one shape.
pub(super) struct Layout {
    /// One per node.
    pub nodes: Vec<Place>,
    /// Whether several changes can be computed as one batch.
    pub in_batches: bool,
}

/// One node of a [`Layout`].
pub(super) struct Place {
    /// The shape of its value for one picture.
    pub shape: Vec<usize>,
    /// Whether the first axis of its value is the batch.
    is_batch: bool,
    /// The reach of each input.
    pub reaches: Vec<Reach>,
    /// Multiply-adds per value.
    pub multiply_adds_per_value: u64,
}

impl Place {
    /// Rows and columns of its map; (1, 1) for other values.
    pub fn extent(&self) -> (usize, usize) {
        match self.shape[..] {
            [_, _, h, w] if self.is_batch => (h, w),
            _ => (1, 1),
        }
    }

    /// Values per pixel.
    pub fn channels(&self) -> usize {
        let (h, w) = self.extent();
        self.shape.iter().product::<usize>() / (h * w)
    }

    /// Rows and columns to compute if this many can differ.
    pub fn computed(&self, (rows, columns): (usize, usize)) -> (usize, usize) {
        let (height, width) = self.extent();
        if rows * columns * NEARLY_WHOLE.1 >= height * width * NEARLY_WHOLE.0 {
            (height, width)
        } else {
            (rows, columns)
        }
    }

    /// Multiply-adds of a patch of this size.
    pub fn multiply_adds(&self, (rows, columns): (usize, usize)) -> u64 {
        (rows * columns * self.channels()) as u64 * self.multiply_adds_per_value
    }

    /// The shape of a batch of patches of this size.
    pub fn patches(&self, batch: usize, size: (usize, usize)) -> Vec<usize> {
        let mut shape = self.shape.clone();
        if !self.is_batch {
            debug_assert_eq!(batch, 1, "only one picture at a time");
            return shape;
        }
        shape[0] = batch;
        if let [_, _, h, w] = &mut shape[..] {
            (*h, *w) = size;
        }
        shape
    }
}

impl Layout {
    /// For one picture of this shape.
    ///
    /// # Errors
    /// As [`Graph::shapes`].
    pub fn new(graph: &Graph, picture: &[usize]) -> Result<Self, Error> {
        let shapes = graph.shapes(picture)?;
        let are_batches = graph.are_batches(picture)?;
        let place = |(id, node): (usize, &Node)| {
            let inputs: Vec<&[usize]> = node.inputs.iter().map(|i| &shapes[i.0][..]).collect();
            let parameters = graph.parameter_shapes_of(node);
            // Axes are known to be rows and columns only if the first axis is the batch.
            let mapped = are_batches[id] && node.inputs.iter().all(|i| are_batches[i.0]);
            let reach = |input| match mapped {
                true => node.op.reach(input, &inputs, &parameters),
                false => Reach::Everything,
            };
            Place {
                shape: shapes[id].clone(),
                is_batch: are_batches[id],
                reaches: (0..inputs.len()).map(reach).collect(),
                multiply_adds_per_value: graph.multiply_adds_per_value(node, &shapes),
            }
        };
        Ok(Self {
            nodes: graph.nodes().iter().enumerate().map(place).collect(),
            in_batches: are_batches.into_iter().all(|is_batch| is_batch),
        })
    }

    /// For each change, the rectangle of each node's value that can differ.
    pub fn exact(&self, graph: &Graph, rectangles: &[Rectangle]) -> Vec<Vec<Rectangle>> {
        let mut exact: Vec<Vec<Rectangle>> = Vec::with_capacity(self.nodes.len());
        for (node, place) in graph.nodes().iter().zip(&self.nodes) {
            if node.inputs.is_empty() {
                exact.push(rectangles.to_vec());
                continue;
            }
            let reached = |change: usize| {
                node.inputs
                    .iter()
                    .zip(&place.reaches)
                    .map(|(input, reach)| exact[input.0][change].reached(reach, place.extent()))
                    .fold(Rectangle::EMPTY, Rectangle::union)
            };
            exact.push((0..rectangles.len()).map(reached).collect());
        }
        exact
    }
}

/// The patches at each node for a group of changes.
pub(super) struct Plan {
    /// Per node; `None` where nothing differs for any change of the group.
    pub nodes: Vec<Option<Patches>>,
}

/// The part of a node's value that is computed: a patch of one size for every change of a group.
pub(super) struct Patches {
    /// Rows and columns of the patch.
    pub size: (usize, usize),
    /// The position of each patch on the map.
    pub origins: Vec<(usize, usize)>,
    /// The part of each patch that can differ: later nodes read only this.
    pub exact: Vec<Rectangle>,
}

/// A patch of at least this share of a map's pixels is computed as the whole map, which needs no border.
const NEARLY_WHOLE: (usize, usize) = (9, 10);

impl Plan {
    /// For changes of these rectangles of the picture.
    pub fn new(graph: &Graph, layout: &Layout, rectangles: &[Rectangle]) -> Self {
        let patches = |(exact, place): (Vec<Rectangle>, &Place)| {
            let rows = exact.iter().map(|r| r.rows.len()).max().unwrap_or(0);
            let columns = exact.iter().map(|r| r.columns.len()).max().unwrap_or(0);
            if rows == 0 {
                return None;
            }
            let size = place.computed((rows, columns));
            Some(Patches {
                size,
                origins: exact
                    .iter()
                    .map(|r| r.placed(size, place.extent()))
                    .collect(),
                exact,
            })
        };
        let exact = layout.exact(graph, rectangles);
        let nodes = exact.into_iter().zip(&layout.nodes).map(patches).collect();
        Self { nodes }
    }

    /// The multiply-adds of one change of the group.
    pub fn multiply_adds(&self, layout: &Layout) -> u64 {
        let cost = |(patches, place): (&Option<Patches>, &Place)| {
            let patches = patches.as_ref();
            patches.map_or(0, |patches| place.multiply_adds(patches.size))
        };
        self.nodes.iter().zip(&layout.nodes).map(cost).sum()
    }

    /// The largest number of values that one change of the group holds at once.
    pub fn peak_values(&self, graph: &Graph, layout: &Layout, last_use: &[usize]) -> usize {
        let places = &layout.nodes;
        let values = |id: usize, size: (usize, usize)| size.0 * size.1 * places[id].channels();
        let own = |id: usize| self.nodes[id].as_ref().map_or(0, |p| values(id, p.size));
        let (mut alive, mut peak) = (0, places[graph.output().0].channels());
        for (id, node) in graph.nodes().iter().enumerate() {
            let Some(patches) = &self.nodes[id] else {
                continue;
            };
            alive += own(id);
            let read = |(input, &from): (usize, &NodeId)| {
                let needed = patches.needed(&places[id], input, places[from.0].extent());
                values(from.0, needed.size)
            };
            let assembled: usize = node.inputs.iter().enumerate().map(read).sum();
            peak = peak.max(alive + assembled);
            alive -= graph.done_after(id, last_use).map(own).sum::<usize>();
        }
        peak
    }
}

/// The part of an input that one node's patches are computed from.
pub(super) struct Needed {
    /// Rows and columns.
    pub size: (usize, usize),
    /// The top left corner for each change; outside of the map if the window crosses its edge.
    pub origins: Vec<(isize, isize)>,
    /// The pixels outside of the map.
    pub outside: Outside,
}

/// The values of pixels outside of a map.
#[derive(Clone, Copy)]
pub(super) enum Outside {
    /// A constant.
    Value(f32),
    /// Pixels of the map itself.
    Continued(Continuation),
}

impl Outside {
    /// No pixel outside of the map is read.
    pub const NOTHING: Self = Self::Value(0.0);
}

impl Patches {
    /// Whether the patches are the whole map of this node.
    pub fn are_whole(&self, place: &Place) -> bool {
        self.size == place.extent()
    }

    /// The part that `place`, the node of these patches, reads of an input, a map of size `extent`.
    pub fn needed(&self, place: &Place, input: usize, extent: (usize, usize)) -> Needed {
        let origins = |origin: &dyn Fn((usize, usize)) -> (isize, isize)| {
            self.origins.iter().map(|&at| origin(at)).collect()
        };
        match &place.reaches[input] {
            // The op handles the border of a whole map itself.
            reach if self.are_whole(place) || matches!(reach, Reach::Everything) => Needed {
                size: extent,
                origins: origins(&|_| (0, 0)),
                outside: Outside::NOTHING,
            },
            Reach::Pointwise | Reach::Everything => Needed {
                size: self.size,
                origins: origins(&|(y, x)| (y as isize, x as isize)),
                outside: Outside::NOTHING,
            },
            Reach::Sliding {
                rows,
                columns,
                border,
                ..
            } => Needed {
                size: (rows.span(self.size.0), columns.span(self.size.1)),
                origins: origins(&|(y, x)| (rows.origin(y), columns.origin(x))),
                outside: Outside::Value(*border),
            },
            Reach::Continued { border, by, .. } => {
                let before = |at: usize, border: usize| at as isize - border as isize;
                Needed {
                    size: self.size,
                    origins: origins(&|(y, x)| (before(y, border.top), before(x, border.left))),
                    outside: Outside::Continued(*by),
                }
            }
        }
    }

    /// The op that computes the patches from the [`Patches::needed`] part of each input.
    pub fn op<'a>(&self, node: &'a Node, place: &'a Place) -> &'a dyn Op {
        let unpadded = place.reaches.iter().find_map(|reach| match reach {
            Reach::Sliding { unpadded, .. } | Reach::Continued { unpadded, .. } => Some(unpadded),
            _ => None,
        });
        match unpadded {
            Some(unpadded) if !self.are_whole(place) => &**unpadded,
            _ => &*node.op,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;
    use crate::ops::activation::Activation;
    use crate::ops::conv2d::{Border, Conv2d, Padding};
    use crate::ops::pool::Pool;
    use crate::ops::resample::Resample;
    use crate::{Blueprint, seeded};

    #[test]
    fn a_change_reaches_exactly_the_positions_whose_receptive_field_it_is_in() {
        let mut net = Blueprint::new(1);
        let input = net.input();
        let padded =
            |kernel: usize| Conv2d::square(kernel).padding(Padding::Fixed(Border::all(kernel / 2)));
        let x = net.conv2d("conv", input, padded(5).stride(2), 1, 2, false);
        let x = net.pool("pool", x, Pool::max(3, 2, 1, false));
        let y = net.conv2d("left", x, padded(3), 2, 2, false);
        let y = net.activation("relu", y, Activation::Relu);
        let x = net.add("add", y, x);
        let graph = seeded::graph(net.ending_at(x));
        compare_with_fields(&graph, |_, reached, seen| reached == seen);
    }

    #[test]
    fn a_border_of_own_pixels_extends_a_change_at_the_edge_only() {
        for by in [Continuation::Mirrored, Continuation::Repeated] {
            let mut net = Blueprint::new(1);
            let input = net.input();
            let border = Border {
                top: 2,
                left: 1,
                bottom: 3,
                right: 1,
            };
            let x = net.node("border", Resample::Continued { border, by }, &[input], &[]);
            let x = net.conv2d("conv", x, Conv2d::square(3).stride(2), 1, 2, false);
            let x = net.pool("pool", x, Pool::max(3, 1, 1, false));
            let graph = seeded::graph(net.ending_at(x));
            compare_with_fields(&graph, |is_inside, reached, seen| match is_inside {
                true => reached == seen,
                false => reached || !seen,
            });
        }
    }

    /// Pixels at an edge that a border may repeat.
    const EDGE: i64 = 3;

    /// Calls `fits` for every pixel, node and position: whether the receptive field of the position is away
    /// from the edge, whether a change of the pixel reaches the position, and whether the pixel is in its
    /// receptive field.
    fn compare_with_fields(graph: &Graph, fits: impl Fn(bool, bool, bool) -> bool) {
        let shape = [1, 1, 33, 29];
        let layout = Layout::new(graph, &shape).unwrap();
        let fields = graph.receptive_fields(&shape).unwrap();
        for pixel in (0..33).flat_map(|y| (0..29).map(move |x| (y, x))) {
            let change = Rectangle {
                rows: pixel.0..pixel.0 + 1,
                columns: pixel.1..pixel.1 + 1,
            };
            let exact = layout.exact(graph, &[change]);
            for (id, place) in layout.nodes.iter().enumerate() {
                let (rows, columns) = fields[id].unwrap().local.unwrap();
                let (height, width) = place.extent();
                for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                    let reached =
                        exact[id][0].rows.contains(&y) && exact[id][0].columns.contains(&x);
                    let seen = rows.pixels(y).contains(&(pixel.0 as i64))
                        && columns.pixels(x).contains(&(pixel.1 as i64));
                    let within = |pixels: Range<i64>, side: i64| {
                        pixels.start >= EDGE && pixels.end <= side - EDGE
                    };
                    let is_inside = within(rows.pixels(y), 33) && within(columns.pixels(x), 29);
                    assert!(
                        fits(is_inside, reached, seen),
                        "node {id}, {pixel:?}, {y}, {x}: {reached}, {seen}"
                    );
                }
            }
        }
    }
}
