//! The positions of the input in the values of a network, and the positions that an op reads.
//!
//! A feature map has rows and columns of positions. A transformer stores the same positions as a sequence of
//! tokens, and exporters permute axes. Each op defines two things: the layout of its value ([`Op::layout`]),
//! and the positions of an input that it reads for one position of its value ([`Op::reads`]). Receptive
//! fields, block outputs and the last feature map follow from these.

use super::conv2d::Border;
use super::{Axis, Op, Reach};

/// The rows and columns of positions of a value, and the order in which it stores them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpatialLayout {
    /// Rows of positions.
    pub rows: usize,
    /// Columns of positions.
    pub columns: usize,
    /// The axes along which they are stored.
    pub arrangement: Arrangement,
}

/// The axes along which rows and columns of positions are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrangement {
    /// A feature map `[N, C, H, W]`.
    Map,
    /// A feature map `[N, H, W, C]`.
    ChannelsLast,
    /// A sequence `[N, T, D]`, row by row, after this many tokens without a position (a class token).
    Tokens {
        /// Tokens before the first position.
        before: usize,
    },
    /// A sequence `[N, D, T]`.
    TokensLast {
        /// Tokens before the first position.
        before: usize,
    },
}

use Arrangement::{ChannelsLast, Map, Tokens, TokensLast};

impl SpatialLayout {
    /// The layout of a feature map `[N, C, H, W]`; `None` for a shape of another rank.
    pub fn of_map(shape: &[usize]) -> Option<Self> {
        match *shape {
            [_, _, rows, columns] => Some(Self {
                rows,
                columns,
                arrangement: Map,
            }),
            _ => None,
        }
    }

    /// The layout of a value with the positions of its first input that has any, for ops that move no value.
    pub fn unmoved(inputs: &[ValueShape], shape: &[usize]) -> Option<Self> {
        inputs.iter().find_map(|input| {
            let layout = input.layout?;
            let is_same = input.shape.len() == shape.len()
                && layout.axes().iter().all(|&a| input.shape[a] == shape[a]);
            layout.within(shape).filter(|_| is_same)
        })
    }

    /// Number of positions.
    pub fn count(&self) -> usize {
        self.rows.saturating_mul(self.columns)
    }

    /// Number of channels or features of a value of this layout.
    pub fn channels(&self, shape: &[usize]) -> usize {
        shape[self.channel_axis()]
    }

    /// The axis of channels or features.
    pub(crate) fn channel_axis(&self) -> usize {
        match self.arrangement {
            Map | TokensLast { .. } => 1,
            ChannelsLast => 3,
            Tokens { .. } => 2,
        }
    }

    /// The axes of positions.
    pub(crate) fn axes(&self) -> &'static [usize] {
        match self.arrangement {
            Map => &[2, 3],
            ChannelsLast => &[1, 2],
            Tokens { .. } => &[1],
            TokensLast { .. } => &[2],
        }
    }

    /// The same arrangement in a value of this shape; `None` if it does not fit the shape.
    pub(super) fn within(self, shape: &[usize]) -> Option<Self> {
        match (self.arrangement, shape) {
            (Map, &[_, _, rows, columns]) | (ChannelsLast, &[_, rows, columns, _]) => Some(Self {
                rows,
                columns,
                ..self
            }),
            (Tokens { before }, &[_, tokens, _]) | (TokensLast { before }, &[_, _, tokens]) => {
                (before.saturating_add(self.count()) <= tokens).then_some(self)
            }
            _ => None,
        }
    }

    /// The same positions in another arrangement.
    pub(super) fn arranged(self, arrangement: Arrangement) -> Self {
        Self {
            arrangement,
            ..self
        }
    }

    /// The layout after a reshape of the same values in the same order; `None` if rows, columns and channels
    /// do not remain separate axes.
    pub(super) fn reshaped(self, source: &[usize], shape: &[usize]) -> Option<Self> {
        if source == shape {
            return Some(self);
        }
        let (rows, columns) = (self.rows, self.columns);
        let channels = self.channels(source);
        let arrangement = match (self.arrangement, shape) {
            (Map, &[_, c, t]) if c == channels && t == self.count() => TokensLast { before: 0 },
            (ChannelsLast, &[_, t, c]) if c == channels && t == self.count() => {
                Tokens { before: 0 }
            }
            (TokensLast { before: 0 }, &[_, c, h, w]) if (c, h, w) == (channels, rows, columns) => {
                Map
            }
            (Tokens { before: 0 }, &[_, h, w, c]) if (c, h, w) == (channels, rows, columns) => {
                ChannelsLast
            }
            _ => return None,
        };
        // A sequence of one token is a row of features, not a picture.
        (self.count() > 1).then(|| self.arranged(arrangement))
    }
}

/// The shape of a value and its layout, `None` if it has no rows and columns.
#[derive(Clone, Copy, Debug)]
pub struct ValueShape<'a> {
    /// The shape.
    pub shape: &'a [usize],
    /// The layout.
    pub layout: Option<SpatialLayout>,
}

/// The shapes at one node.
#[derive(Clone, Copy, Debug)]
pub struct NodeShapes<'a> {
    /// Its inputs.
    pub inputs: &'a [ValueShape<'a>],
    /// Its parameters.
    pub parameters: &'a [&'a [usize]],
    /// Its value.
    pub output: ValueShape<'a>,
}

/// The positions of an input that one position of a value is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// None: the op uses only the input's shape.
    Nothing,
    /// The same position.
    Same,
    /// The positions in a sliding window, along rows and along columns.
    Window(Steps, Steps),
    /// Tokens without a position, such as a class token.
    OtherTokens,
    /// All positions.
    All,
}

/// A window that slides along one axis: position `i` is computed from the positions
/// `i · stride + first .. i · stride + first + kernel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// Positions from the first that the window reads to the last, inclusive.
    pub kernel: usize,
    /// The stride.
    pub stride: usize,
    /// The first position of the first window; negative before the edge.
    pub first: i64,
}

impl Steps {
    /// Each position separately.
    pub const EACH: Self = Self {
        kernel: 1,
        stride: 1,
        first: 0,
    };
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

impl Reads {
    /// The same position if the condition holds, else all.
    pub fn same_if(holds: bool) -> Self {
        if holds { Self::Same } else { Self::All }
    }

    /// The same position if the input and the value both have a layout, for ops that only move values.
    pub fn moved(input: usize, node: &NodeShapes) -> Self {
        Self::same_if(node.inputs[input].layout.is_some() && node.output.layout.is_some())
    }

    /// The same position if the sides along the axes of positions are equal, except along the axis `joined`.
    pub(super) fn broadcast(input: usize, node: &NodeShapes, joined: Option<usize>) -> Self {
        let (source, shape) = (node.inputs[input].shape, node.output.shape);
        Self::same_if(node.output.layout.is_some_and(|layout| {
            source.len() == shape.len()
                && (layout.axes().iter()).all(|&a| joined == Some(a) || source[a] == shape[a])
        }))
    }

    /// The same position unless the op reduces or joins values along these axes.
    pub(super) fn unless_along(axes: &[usize], input: usize, node: &NodeShapes) -> Self {
        let layout = node.inputs[input].layout;
        Self::same_if(layout.is_some_and(|l| !l.axes().iter().any(|a| axes.contains(a))))
    }

    /// Each token separately in a sequence `[N, T, D]`, else as [`Op::reach`].
    pub(super) fn by_token(op: &dyn Op, input: usize, node: &NodeShapes) -> Self {
        let ValueShape { shape, layout } = node.inputs[input];
        let is_tokens = layout.is_some_and(|l| matches!(l.arrangement, Tokens { .. }));
        if is_tokens && shape.len() == 3 {
            return Self::Same;
        }
        Self::by_reach(op, input, node)
    }

    /// As [`Op::reach`] for feature maps.
    pub fn by_reach(op: &dyn Op, input: usize, node: &NodeShapes) -> Self {
        let inputs: Vec<&[usize]> = node.inputs.iter().map(|value| value.shape).collect();
        match op.reach(input, &inputs, node.parameters) {
            Reach::Pointwise => Self::Same,
            Reach::Sliding { rows, columns, .. } => Self::Window(rows.into(), columns.into()),
            // A pixel of a border counts at its own position, as all borders do.
            Reach::Continued { border, .. } => Self::behind(border),
            Reach::Everything => Self::All,
        }
    }

    /// The same position after a border was added.
    fn behind(border: Border) -> Self {
        let shifted = |before| {
            Steps::from(Axis {
                kernel: 1,
                stride: 1,
                before,
            })
        };
        Self::Window(shifted(border.top), shifted(border.left))
    }
}
