//! Receptive fields: the pixels of the input that a value is computed from.
//!
//! After Araujo, Norris, Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill
//! 2019 (doi 10.23915/distill.00021). Along each axis a layer whose window has `k` positions, stride `s`
//! and padding `p` turns the field of its input (size `r`, stride `j`, first pixel `f`) into size `r +
//! (k − 1) · j`, stride `j · s` and first pixel `f − p · j`. Where paths meet, the field is the smallest
//! that contains all of theirs.

use std::ops::Range;

use crate::ops::layout::{Reads, Steps};
use crate::topology::geometry::Geometry;
use crate::{Error, Graph};

/// The part of the input that one position of a node's value is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceptiveField {
    /// Rows and columns of the input, if windows slide all the way from it to the node. As in the
    /// literature, pixels beyond the edge of the input are counted; pixels of a border that repeats or
    /// mirrors others count at their own position.
    pub local: Option<(FieldAxis, FieldAxis)>,
    /// Whether the value also depends on the whole input: after a global pool, a gate such as
    /// squeeze-and-excitation, or attention. Without this and without [`ReceptiveField::local`] the
    /// value is constant.
    pub whole: bool,
}

/// A receptive field along one axis of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldAxis {
    /// Pixels from the first to the last, both counted.
    pub size: u64,
    /// Pixels from the field of one position to that of the next.
    pub stride: u64,
    /// The first pixel of the field of the first position; negative before the edge of the input.
    pub start: i64,
}

impl FieldAxis {
    /// One pixel after the other.
    const PIXELS: Self = Self {
        size: 1,
        stride: 1,
        start: 0,
    };

    /// The pixels of the field of the position with this index, from 0; some may be outside of the
    /// input.
    pub fn pixels(self, index: usize) -> Range<i64> {
        let start = (self.start).saturating_add(signed(self.stride.saturating_mul(index as u64)));
        start..start.saturating_add(signed(self.size))
    }

    /// The middle of these pixels; the first pixel of the input spans 0 to 1.
    pub fn centre(self, index: usize) -> f64 {
        let pixels = self.pixels(index);
        (pixels.start as f64 + pixels.end as f64) / 2.0
    }

    fn through(self, steps: Steps) -> Self {
        let jump = |positions: usize| self.stride.saturating_mul(positions as u64);
        Self {
            size: (self.size).saturating_add(jump(steps.kernel.saturating_sub(1))),
            stride: jump(steps.stride),
            start: (self.start).saturating_add(steps.first.saturating_mul(signed(self.stride))),
        }
    }

    /// The smallest that contains both, if their strides are equal.
    fn joined(self, other: Self) -> Option<Self> {
        let start = self.start.min(other.start);
        let end = self.pixels(0).end.max(other.pixels(0).end);
        (self.stride == other.stride).then(|| Self {
            size: end.abs_diff(start),
            start,
            ..self
        })
    }
}

fn signed(pixels: u64) -> i64 {
    i64::try_from(pixels).unwrap_or(i64::MAX)
}

impl ReceptiveField {
    const NOTHING: Self = Self {
        local: None,
        whole: false,
    };
    const WHOLE: Self = Self {
        local: None,
        whole: true,
    };

    /// `None` if both slide with different strides.
    fn joined(self, other: Self) -> Option<Self> {
        let local = match (self.local, other.local) {
            (Some((rows, columns)), Some((others, beside))) => {
                Some((rows.joined(others)?, columns.joined(beside)?))
            }
            (one, another) => one.or(another),
        };
        Some(Self {
            local,
            whole: self.whole || other.whole,
        })
    }
}

impl Graph {
    /// The receptive field of every node, in order, for inputs `[N, C, H, W]` of this shape. `None`
    /// where paths of different strides meet, and after such a node.
    ///
    /// # Errors
    /// As [`Graph::shapes`].
    pub fn receptive_fields(&self, input: &[usize]) -> Result<Vec<Option<ReceptiveField>>, Error> {
        let geometry = Geometry::new(self, input)?;
        let mut fields: Vec<Option<ReceptiveField>> = Vec::with_capacity(self.nodes().len());
        for (id, node) in self.nodes().iter().enumerate() {
            if node.inputs.is_empty() {
                fields.push(Some(ReceptiveField {
                    local: Some((FieldAxis::PIXELS, FieldAxis::PIXELS)),
                    whole: false,
                }));
                continue;
            }
            let seen = node.inputs.iter().enumerate();
            let seen = seen.map(|(index, from)| through(geometry.reads(id, index), fields[from.0]));
            let joined = seen.reduce(|a, b| a?.joined(b?));
            fields.push(joined.flatten());
        }
        Ok(fields)
    }
}

/// The field after an op that reads a value with this field.
fn through(view: Reads, field: Option<ReceptiveField>) -> Option<ReceptiveField> {
    match (view, field) {
        (Reads::Nothing, _) => Some(ReceptiveField::NOTHING),
        (_, Some(ReceptiveField::NOTHING)) => field,
        (Reads::All | Reads::OtherTokens, _) => Some(ReceptiveField::WHOLE),
        (Reads::Same, field) => field,
        (Reads::Window(rows, columns), Some(field)) => Some(ReceptiveField {
            local: (field.local).map(|(r, c)| (r.through(rows), c.through(columns))),
            ..field
        }),
        (Reads::Window(..), None) => None,
    }
}
