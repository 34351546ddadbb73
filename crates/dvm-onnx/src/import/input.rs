//! The input of a file: its name, shape and type.

use crate::import::tensor::is_float;
use crate::import::{Import, Result, View, invalid};
use crate::proto::{self, DimensionValue, TypeValue};

/// The input for pictures.
pub(crate) struct InputSpec {
    pub name: String,
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    /// Rows and columns, if the file fixes them.
    pub fixed: (Option<usize>, Option<usize>),
    /// The batch size, if the file fixes it.
    pub batch: Option<i64>,
    /// Whether the shape is `[N, H, W, C]`.
    pub is_channels_last: bool,
    /// Whether it takes integers of 0 to 255 (`uint8`).
    pub takes_bytes: bool,
}

/// The node whose value is the picture, `[N, C, H, W]`.
pub(crate) const PICTURE: usize = 0;

/// Channels are last if the last axis is at most this long, and shorter than the second: colours, grey, an alpha channel
/// or the bands of a satellite.
const MOST_CHANNELS: i64 = 16;

/// The longest side of an input.
const LARGEST: i64 = 1 << 13;

/// The type and sides of an input; `None` for a side that is dynamic.
fn sides(input: &proto::ValueInfo) -> Option<(i32, Vec<Option<i64>>)> {
    let Some(TypeValue::Tensor(tensor)) = &input.r#type.as_ref()?.value else {
        return None;
    };
    let side = |dim: &proto::Dimension| match &dim.value {
        Some(DimensionValue::Value(side)) if *side > 0 => Some(*side),
        // Some exporters write 0 or −1 for a dynamic side.
        _ => None,
    };
    let sides = tensor.shape.as_ref()?.dim.iter().map(side).collect();
    Some((tensor.elem_type, sides))
}

/// Finds the input for pictures. A dynamic side gets its length from `size` (rows, columns).
///
/// # Errors
/// If there is no such input, or more than one.
pub(crate) fn find(graph: &proto::Graph, size: (usize, usize)) -> Result<InputSpec> {
    // Older files list weights among the inputs.
    let mut pictures = Vec::new();
    let mut shown = Vec::new();
    let weights: std::collections::HashSet<&str> = graph
        .initializer
        .iter()
        .map(|tensor| &tensor.name[..])
        .collect();
    for input in graph
        .input
        .iter()
        .filter(|input| !weights.contains(&input.name[..]))
    {
        match sides(input) {
            Some((kind, sides)) if (is_float(kind) || kind == BYTES) && sides.len() == 4 => {
                pictures.push((input, sides, kind == BYTES))
            }
            _ => {}
        }
        shown.push(described(input));
    }
    let shown = shown.join(", ");
    let (input, sides, takes_bytes) = match &pictures[..] {
        [(input, sides, takes_bytes)] => (input, sides, *takes_bytes),
        [] => {
            return Err(invalid(format!(
                "has no input for pictures (float or uint8, shape [N, C, H, W] or [N, H, W, C]); its inputs \
                 are {shown}"
            )));
        }
        _ => {
            return Err(invalid(format!(
                "has {} inputs for pictures: {shown}; export it with one picture as its only input and \
                 the others as constants",
                pictures.len()
            )));
        }
    };
    let is_channels_last = is_channels_last(sides);
    let (channels, height, width) = match is_channels_last {
        true => (sides[3], sides[1], sides[2]),
        false => (sides[1], sides[2], sides[3]),
    };
    let channels = channels.unwrap_or(3);
    if [Some(channels), height, width]
        .iter()
        .flatten()
        .any(|&side| side > LARGEST)
    {
        return Err(invalid(format!(
            "has the input {}; the longest side that dvm supports is {LARGEST}",
            described(input)
        )));
    }
    let fixed = (
        height.map(|side| side as usize),
        width.map(|side| side as usize),
    );
    Ok(InputSpec {
        name: input.name.clone(),
        channels: channels as usize,
        height: fixed.0.unwrap_or(size.0),
        width: fixed.1.unwrap_or(size.1),
        fixed,
        batch: sides[0],
        is_channels_last,
        takes_bytes,
    })
}

const BYTES: i32 = proto::DataType::Uint8 as i32;

/// An input with its type and shape, for messages: `input` (float32 [1, 3, 224, 224]), with ? for a dynamic side.
fn described(input: &proto::ValueInfo) -> String {
    let Some((kind, sides)) = sides(input) else {
        return format!("`{}`", input.name);
    };
    let kind = proto::DataType::try_from(kind).map_or("?".into(), proto::DataType::name);
    let side = |side: &Option<i64>| side.map_or("?".into(), |side| side.to_string());
    let sides: Vec<String> = sides.iter().map(side).collect();
    format!("`{}` ({kind} [{}])", input.name, sides.join(", "))
}

/// Whether an input is `[N, H, W, C]`.
fn is_channels_last(sides: &[Option<i64>]) -> bool {
    let is_colour = |side: Option<i64>| matches!(side, Some(1 | 3));
    match (sides[1], sides[3]) {
        (second, last) if is_colour(last) => !is_colour(second),
        (second, _) if is_colour(second) => false,
        (Some(second), Some(last)) => last <= MOST_CHANNELS && last < second,
        (None, Some(last)) => last <= MOST_CHANNELS,
        _ => false,
    }
}

impl Import<'_> {
    /// The value of the file's input.
    pub fn picture(&self, input: &InputSpec) -> View {
        let whole = self.graph.view(PICTURE);
        match input.is_channels_last {
            true => whole.transposed(&[0, 2, 3, 1]),
            false => whole,
        }
    }
}
