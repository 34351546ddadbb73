//! Where the places of a picture lie in the values of nodes, and which places an op looks at.
//!
//! A feature map has rows and columns of places; a transformer writes the same places as a sequence of
//! tokens, and exporters turn axes around. What the receptive field, the last feature map and the block
//! outputs have to know about all that is here.

use crate::ops::batch_norm::BatchNorm;
use crate::ops::binary::Binary;
use crate::ops::channel_shuffle::ChannelShuffle;
use crate::ops::concat::Concat;
use crate::ops::conv2d::{Border, Conv2d};
use crate::ops::flatten::Flatten;
use crate::ops::layer_norm::LayerNorm;
use crate::ops::linear::Linear;
use crate::ops::pad::{Amount, CropLike, Pad};
use crate::ops::permute::Permute;
use crate::ops::pool::{Pool, Windows};
use crate::ops::reduce::Reduce;
use crate::ops::repeat::Repeat;
use crate::ops::resample::Resample;
use crate::ops::reshape::Reshape;
use crate::ops::slice::Slice;
use crate::ops::softmax::Softmax;
use crate::ops::tokens::{Grid, Tokens};
use crate::ops::window_attention::WindowAttention;
use crate::ops::{Axis, Reach};
use crate::{Graph, Node};

/// The rows and columns of places that a value has, and how they lie in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpatialLayout {
    /// Rows of places.
    pub rows: usize,
    /// Columns of places.
    pub columns: usize,
    /// How they lie in the tensor.
    pub arrangement: Arrangement,
}

/// How rows and columns of places lie in a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrangement {
    /// A feature map `[N, C, H, W]`.
    Map,
    /// The same with its axes in the order `[N, H, W, C]`.
    ChannelsLast,
    /// A sequence `[N, T, D]`, row by row, behind this many tokens that stand for no place (a class
    /// token).
    Tokens {
        /// Tokens before the first place.
        before: usize,
    },
    /// A sequence with its axes in the order `[N, D, T]`.
    TokensLast {
        /// Tokens before the first place.
        before: usize,
    },
}

use Arrangement::{ChannelsLast, Map, TokensLast};

impl SpatialLayout {
    /// The places of a feature map of this shape.
    fn map(shape: &[usize]) -> Option<Self> {
        match *shape {
            [_, _, rows, columns] => Some(Self {
                rows,
                columns,
                arrangement: Map,
            }),
            _ => None,
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.rows.saturating_mul(self.columns)
    }

    /// The channels of a value that has these places.
    pub fn channels(&self, shape: &[usize]) -> usize {
        shape[self.channel_axis()]
    }

    /// The axis that channels lie along.
    pub(crate) fn channel_axis(&self) -> usize {
        match self.arrangement {
            Map | TokensLast { .. } => 1,
            ChannelsLast => 3,
            Arrangement::Tokens { .. } => 2,
        }
    }

    /// The axes that places lie along.
    fn axes(&self) -> &'static [usize] {
        match self.arrangement {
            Map => &[2, 3],
            ChannelsLast => &[1, 2],
            Arrangement::Tokens { .. } => &[1],
            TokensLast { .. } => &[2],
        }
    }

    /// The same arrangement in a value of this shape, if there can be one.
    fn within(self, shape: &[usize]) -> Option<Self> {
        match (self.arrangement, shape) {
            (Map, &[_, _, rows, columns]) | (ChannelsLast, &[_, rows, columns, _]) => Some(Self {
                rows,
                columns,
                ..self
            }),
            (Arrangement::Tokens { before }, &[_, tokens, _])
            | (TokensLast { before }, &[_, _, tokens]) => {
                (before.saturating_add(self.count()) <= tokens).then_some(self)
            }
            _ => None,
        }
    }

    fn arranged(self, arrangement: Arrangement) -> Self {
        Self {
            arrangement,
            ..self
        }
    }
}

/// A window that slides along one axis: place `i` is computed from the places
/// `i · stride + first .. i · stride + first + kernel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Steps {
    pub kernel: usize,
    pub stride: usize,
    pub first: i64,
}

impl From<Axis> for Steps {
    fn from(axis: Axis) -> Self {
        Self {
            kernel: axis.kernel,
            stride: axis.stride,
            first: i64::try_from(axis.before).map_or(i64::MIN, |before| -before),
        }
    }
}

/// Which places of an input one place of a value is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// None: only the shape is looked at.
    Nothing,
    /// The same place.
    Same,
    /// Those under a window that slides, along rows and along columns.
    Window(Steps, Steps),
    /// Some that stand for no place, such as a class token.
    OtherTokens,
    /// All.
    All,
}

/// A graph with the shapes and places of its values for inputs of one shape.
pub(crate) struct Geometry<'g> {
    pub graph: &'g Graph,
    pub shapes: Vec<Vec<usize>>,
    /// `None` for a value without rows and columns.
    pub layouts: Vec<Option<SpatialLayout>>,
}

impl Graph {
    /// For each node the rows and columns of places that its value has, for inputs `[N, C, H, W]` of this
    /// shape; `None` where it has none.
    ///
    /// # Errors
    /// As [`Graph::shapes`].
    pub fn spatial_layouts(
        &self,
        input: &[usize],
    ) -> Result<Vec<Option<SpatialLayout>>, crate::Error> {
        Ok(Geometry::new(self, input)?.layouts)
    }
}

impl<'g> Geometry<'g> {
    /// For an input `[N, C, H, W]`.
    ///
    /// # Errors
    /// As [`Graph::shapes`].
    pub fn new(graph: &'g Graph, input: &[usize]) -> Result<Self, crate::Error> {
        let mut all = Self {
            graph,
            shapes: graph.shapes(input)?,
            layouts: Vec::with_capacity(graph.nodes().len()),
        };
        for (id, node) in graph.nodes().iter().enumerate() {
            all.layouts.push(all.layout_of(id, node));
        }
        Ok(all)
    }

    fn layout_of(&self, id: usize, node: &Node) -> Option<SpatialLayout> {
        let shape = &self.shapes[id][..];
        let Some(&first) = node.inputs.first() else {
            return SpatialLayout::map(shape);
        };
        let from = self.layouts[first.0];
        let source = &self.shapes[first.0][..];
        // These take feature maps and nothing else.
        if node.op_as::<Conv2d>().is_some()
            || node.op_as::<Pool>().is_some()
            || node.op_as::<Pad>().is_some()
            || node.op_as::<Resample>().is_some()
            || node.op_as::<CropLike>().is_some()
            || node.op_as::<ChannelShuffle>().is_some()
            || node.op_as::<WindowAttention>().is_some()
            || node.op_as::<BatchNorm>().is_some() && shape.len() == 4
        {
            return SpatialLayout::map(shape);
        }
        if node.op_as::<Repeat>().is_some() {
            return None;
        }
        if node.op_as::<Tokens>().is_some() {
            let map = from.filter(|places| places.arrangement == Map)?;
            return Some(map.arranged(Arrangement::Tokens { before: 0 }));
        }
        if let Some(grid) = node.op_as::<Grid>() {
            let is_same = |from: &SpatialLayout| {
                from.arrangement == (Arrangement::Tokens { before: 0 })
                    && (from.rows, from.columns) == (grid.rows, grid.columns)
            };
            return Some(from.filter(is_same)?.arranged(Map));
        }
        if let Some(permute) = node.op_as::<Permute>() {
            return permuted(from?, &permute.axes);
        }
        if node.op_as::<Reshape>().is_some() || node.op_as::<Flatten>().is_some() {
            return reshaped(from?, source, shape);
        }
        if let Some(slice) = node.op_as::<Slice>() {
            return sliced(from?, slice, shape);
        }
        if let Some(reduce) = node.op_as::<Reduce>() {
            let from = from?;
            let stay = reduce.keeps && !from.axes().iter().any(|a| reduce.axes.contains(a));
            return from.within(shape).filter(|_| stay);
        }
        if let Some(concat) = node.op_as::<Concat>() {
            return self.side_by_side(node, concat, shape);
        }
        // All others leave layout where they are, or have none.
        let mut all = node.inputs.iter().filter_map(|input| {
            let layout = self.layouts[input.0]?;
            let own = &self.shapes[input.0];
            let alike =
                own.len() == shape.len() && layout.axes().iter().all(|&a| own[a] == shape[a]);
            layout.within(shape).filter(|_| alike)
        });
        all.next()
    }

    fn side_by_side(&self, node: &Node, concat: &Concat, shape: &[usize]) -> Option<SpatialLayout> {
        let mut before = 0;
        for input in &node.inputs {
            let side = self.shapes[input.0][concat.axis];
            let Some(places) = self.layouts[input.0] else {
                before += side;
                continue;
            };
            if !places.axes().contains(&concat.axis) {
                return places.within(shape);
            }
            let moved = match places.arrangement {
                Arrangement::Tokens { before: own } => Arrangement::Tokens {
                    before: own + before,
                },
                TokensLast { before: own } => TokensLast {
                    before: own + before,
                },
                _ => return None,
            };
            return places.arranged(moved).within(shape);
        }
        None
    }

    /// Which places of its `input`-th input, counted from 0, the node looks at.
    pub fn reads(&self, id: usize, input: usize) -> Reads {
        let node = &self.graph.nodes()[id];
        let from = self.layouts[node.inputs[input].0];
        let to = self.layouts[id];
        let shape = &self.shapes[id];
        let source = &self.shapes[node.inputs[input].0];
        let same = |holds: bool| if holds { Reads::Same } else { Reads::All };
        if node.op_as::<Repeat>().is_some() {
            return Reads::Nothing;
        }
        if node.op_as::<CropLike>().is_some() {
            return match input {
                0 => Reads::Window(EVERY, EVERY),
                _ => Reads::Nothing,
            };
        }
        if let Some(pad) = node.op_as::<Pad>() {
            return bordered(match pad.amount {
                Amount::Fixed(border) => border,
                Amount::ToMultiple(_) => Border::default(),
            });
        }
        if let Some(pool) = node.op_as::<Pool>() {
            return pooled(pool, source, shape);
        }
        if let Some(slice) = node.op_as::<Slice>() {
            return seen_through(slice, from, to);
        }
        if node.op_as::<Concat>().is_some() || node.op_as::<Binary>().is_some() {
            let Some(to) = to else { return Reads::All };
            let joined = node.op_as::<Concat>().map(|concat| concat.axis);
            let alike = source.len() == shape.len()
                && (to.axes().iter()).all(|&a| joined == Some(a) || source[a] == shape[a]);
            return same(alike);
        }
        if node.op_as::<Permute>().is_some()
            || node.op_as::<Reshape>().is_some()
            || node.op_as::<Flatten>().is_some()
            || node.op_as::<Tokens>().is_some()
            || node.op_as::<Grid>().is_some()
        {
            return same(from.is_some() && to.is_some());
        }
        let along_features =
            node.op_as::<Linear>().is_some() || node.op_as::<LayerNorm>().is_some();
        let is_tokens = matches!(
            from.map(|p| p.arrangement),
            Some(Arrangement::Tokens { .. })
        );
        if along_features && source.len() == 3 && is_tokens {
            return Reads::Same;
        }
        if let Some(softmax) = node.op_as::<Softmax>() {
            return same(from.is_some_and(|p| !p.axes().contains(&softmax.axis)));
        }
        if let Some(reduce) = node.op_as::<Reduce>() {
            return same(from.is_some_and(|p| !p.axes().iter().any(|a| reduce.axes.contains(a))));
        }
        let inputs: Vec<&[usize]> = node.inputs.iter().map(|i| &self.shapes[i.0][..]).collect();
        let parameters = node.parameters.iter();
        let parameters: Vec<&[usize]> = parameters
            .map(|&index| &self.graph.parameters()[index].shape[..])
            .collect();
        match node.op.reach(input, &inputs, &parameters) {
            Reach::Pointwise => Reads::Same,
            Reach::Sliding { rows, columns, .. } => Reads::Window(rows.into(), columns.into()),
            // What stands in a border counts as lying there, as that of all borders does.
            Reach::Continued { border, .. } => bordered(border),
            Reach::Everything => Reads::All,
        }
    }
}

/// The same places behind a border.
fn bordered(border: Border) -> Reads {
    let shifted = |before| {
        Steps::from(Axis {
            kernel: 1,
            stride: 1,
            before,
        })
    };
    Reads::Window(shifted(border.top), shifted(border.left))
}

/// One place after the other.
const EVERY: Steps = Steps {
    kernel: 1,
    stride: 1,
    first: 0,
};

fn seen_through(slice: &Slice, from: Option<SpatialLayout>, to: Option<SpatialLayout>) -> Reads {
    let Some(from) = from else { return Reads::All };
    let steps = Steps {
        kernel: 1,
        stride: slice.step,
        first: i64::try_from(slice.start).unwrap_or(i64::MAX),
    };
    match (from.arrangement, slice.axis) {
        (_, axis) if !from.axes().contains(&axis) => Reads::Same,
        (Map, 2) | (ChannelsLast, 1) => Reads::Window(steps, EVERY),
        (Map | ChannelsLast, _) => Reads::Window(EVERY, steps),
        // What is left of a sequence has all its places, or it is what stands for none.
        _ if to.is_some() => Reads::Same,
        _ => Reads::OtherTokens,
    }
}

fn pooled(pool: &Pool, source: &[usize], shape: &[usize]) -> Reads {
    match pool.windows {
        Windows::Sliding {
            kernel,
            stride,
            padding,
            ..
        } => {
            let axis = |kernel, stride, before| {
                Steps::from(Axis {
                    kernel,
                    stride,
                    before,
                })
            };
            Reads::Window(
                axis(kernel.0, stride.0, padding.top),
                axis(kernel.1, stride.1, padding.left),
            )
        }
        Windows::Adaptive { output } => match (source, shape) {
            _ if output == (1, 1) => Reads::All,
            (&[_, _, h, w], &[_, _, rows, columns])
                if rows > 0 && columns > 0 && h % rows == 0 && w % columns == 0 =>
            {
                let axis = |side: usize| Steps {
                    kernel: side,
                    stride: side,
                    first: 0,
                };
                Reads::Window(axis(h / rows), axis(w / columns))
            }
            _ => Reads::All,
        },
    }
}

fn permuted(from: SpatialLayout, axes: &[usize]) -> Option<SpatialLayout> {
    let arrangement = match (from.arrangement, axes) {
        (any, _) if axes.iter().copied().eq(0..axes.len()) => any,
        (Map, [0, 2, 3, 1]) => ChannelsLast,
        (ChannelsLast, [0, 3, 1, 2]) => Map,
        (Arrangement::Tokens { before }, [0, 2, 1]) => TokensLast { before },
        (TokensLast { before }, [0, 2, 1]) => Arrangement::Tokens { before },
        _ => return None,
    };
    Some(from.arranged(arrangement))
}

fn reshaped(from: SpatialLayout, source: &[usize], shape: &[usize]) -> Option<SpatialLayout> {
    if source == shape {
        return Some(from);
    }
    let (rows, columns) = (from.rows, from.columns);
    let channels = from.channels(source);
    let arrangement = match (from.arrangement, shape) {
        (Map, &[_, c, t]) if c == channels && t == from.count() => TokensLast { before: 0 },
        (ChannelsLast, &[_, t, c]) if c == channels && t == from.count() => {
            Arrangement::Tokens { before: 0 }
        }
        (TokensLast { before: 0 }, &[_, c, h, w]) if (c, h, w) == (channels, rows, columns) => Map,
        (Arrangement::Tokens { before: 0 }, &[_, h, w, c])
            if (c, h, w) == (channels, rows, columns) =>
        {
            ChannelsLast
        }
        _ => return None,
    };
    // A sequence of one token is a row of features, not a picture.
    (from.count() > 1).then(|| from.arranged(arrangement))
}

fn sliced(from: SpatialLayout, slice: &Slice, shape: &[usize]) -> Option<SpatialLayout> {
    if !from.axes().contains(&slice.axis) {
        return from.within(shape);
    }
    match from.arrangement {
        Map | ChannelsLast => from.within(shape),
        Arrangement::Tokens { before } | TokensLast { before } => {
            let before = before.checked_sub(slice.start)?;
            let moved = match from.arrangement {
                TokensLast { .. } => TokensLast { before },
                _ => Arrangement::Tokens { before },
            };
            let whole = slice.step == 1;
            from.arranged(moved).within(shape).filter(|_| whole)
        }
    }
}
