//! The input of a file: which it is, and of what size.

use dvm_engine::ops::binary::{Binary, Function, Other};
use dvm_engine::ops::channel_affine::ChannelAffine;
use dvm_engine::ops::concat::Concat;
use dvm_engine::ops::pad::Pad;
use dvm_engine::ops::permute::Permute;
use dvm_engine::ops::slice::Slice;

use dvm_engine::Tensor;
use dvm_engine::ops::reduce::{How, Reduce};

use super::Import;
use super::tensor::is_float;
use super::trouble::{Trouble, invalid, unsupported};
use super::view::View;
use crate::proto::{self, DimensionValue, TypeValue};

/// The pictures that a file takes.
pub(crate) struct Opening {
    /// The input's name.
    pub name: String,
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    /// Rows and columns that the file names, where it does.
    pub fixed: (Option<usize>, Option<usize>),
    /// The number of pictures that the file names, if it does.
    pub batch: Option<i64>,
    /// Whether the file has `[N, H, W, C]`.
    pub is_channels_last: bool,
}

/// How much of red, green and blue is in the grey of a network that takes one channel: ITU-R BT.601's
/// luma, as Pillow's `convert("L")` takes it. A grey picture has the same of all three.
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

impl Opening {
    /// Whether the file takes grey pictures.
    pub fn is_grey(&self) -> bool {
        self.channels == 1
    }

    /// Channels of the pictures that the graph takes: red, green and blue also where the file takes
    /// their grey.
    pub fn colours(&self) -> usize {
        match self.is_grey() {
            true => LUMA.len(),
            false => self.channels,
        }
    }
}

/// The largest side of a picture.
const LARGEST: i64 = 1 << 13;

/// The sides of an input; nothing where they are open, or not said.
fn sides(input: &proto::ValueInfo) -> Option<(i32, Vec<Option<i64>>)> {
    let Some(TypeValue::Tensor(tensor)) = &input.r#type.as_ref()?.value else {
        return None;
    };
    let side = |dim: &proto::Dimension| match &dim.value {
        Some(DimensionValue::Value(side)) if *side > 0 => Some(*side),
        // Some write 0 or −1 for what is open.
        _ => None,
    };
    let sides = tensor.shape.as_ref()?.dim.iter().map(side).collect();
    Some((tensor.elem_type, sides))
}

/// Finds the input that takes pictures.
///
/// # Errors
/// If there is none, or more than one.
pub(crate) fn find(graph: &proto::Graph, size: (usize, usize)) -> Result<Opening, Trouble> {
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
            Some((kind, sides)) if is_float(kind) && sides.len() == 4 => {
                pictures.push((input, sides))
            }
            Some((kind, _)) if kind == proto::DataType::Uint8 as i32 => {
                return Err(unsupported(format!(
                    "its input `{}` takes pixels as whole numbers instead of floats",
                    input.name
                )));
            }
            _ => {}
        }
        shown.push(input.name.clone());
    }
    let (input, sides) = match &pictures[..] {
        [(input, sides)] => (input, sides),
        [] => {
            return Err(invalid(format!(
                "has no input for pictures, floats [N, C, H, W], among its inputs {shown:?}"
            )));
        }
        _ => {
            return Err(unsupported(format!(
                "takes several pictures at once, {shown:?}"
            )));
        }
    };
    let is_colour = |side: Option<i64>| matches!(side, Some(1 | 3));
    let is_channels_last = !is_colour(sides[1]) && is_colour(sides[3]);
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
        return Err(unsupported(format!("takes pictures of {sides:?}")));
    }
    let fixed = (
        height.map(|side| side as usize),
        width.map(|side| side as usize),
    );
    Ok(Opening {
        name: input.name.clone(),
        channels: channels as usize,
        height: fixed.0.unwrap_or(size.0),
        width: fixed.1.unwrap_or(size.1),
        fixed,
        batch: sides[0],
        is_channels_last,
    })
}

impl Import<'_> {
    /// The value of the file's input, as the file has it.
    ///
    /// # Errors
    /// As [`super::draft::Draft::emit`].
    pub fn input(&mut self, opening: &Opening) -> Result<View, Trouble> {
        if opening.is_grey() {
            let luma = Tensor::from_nchw(&[1, LUMA.len(), 1, 1], &LUMA);
            let shares = Binary::constant(Function::Mul, luma);
            let shares = self.draft.emit("luma.shares", shares, &[0], &[])?;
            let sum = Reduce {
                how: How::Sum,
                axes: vec![1],
                keeps: true,
            };
            self.picture = self.draft.emit("luma", sum, &[shares], &[])?;
        }
        let whole = self.draft.whole(self.picture);
        Ok(match opening.is_channels_last {
            true => whole.transposed(&[0, 2, 3, 1]),
            false => whole,
        })
    }

    /// The factor that the network itself multiplies the first channel by before its first layer, if it
    /// does anything to the picture there.
    pub fn pixel_factor(&self) -> Option<f32> {
        let nodes = &self.draft.nodes;
        // (factor, shift) of each node that is the picture, scaled and shifted.
        let mut affine: Vec<Option<(f32, f32)>> = vec![None; nodes.len()];
        affine[self.picture] = Some((1.0, 0.0));
        let mut found = None;
        for (id, node) in nodes.iter().enumerate().skip(self.picture + 1) {
            let before = node.inputs.first().and_then(|&input| affine[input]);
            let Some((factor, shift)) = before else {
                continue;
            };
            if !node.parameters.is_empty() {
                found = Some((factor, shift));
                break;
            }
            let passes = node.op_as::<Slice>().is_some()
                || node.op_as::<Concat>().is_some()
                || node.op_as::<Permute>().is_some()
                || node.op_as::<Pad>().is_some();
            affine[id] = if passes {
                Some((factor, shift))
            } else if let Some(own) = node.op_as::<ChannelAffine>() {
                Some((factor * own.factor[0], shift * own.factor[0] + own.shift[0]))
            } else if let Some(Binary {
                function,
                other: Other::Constant(constant),
                swapped: false,
            }) = node.op_as::<Binary>()
            {
                let number = constant.data().first().copied().unwrap_or(1.0);
                match function {
                    Function::Mul => Some((factor * number, shift * number)),
                    Function::Div => Some((factor / number, shift / number)),
                    Function::Add => Some((factor, shift + number)),
                    Function::Sub => Some((factor, shift - number)),
                    _ => None,
                }
            } else {
                None
            };
        }
        found
            .filter(|&own| own != (1.0, 0.0))
            .map(|(factor, _)| factor)
    }
}
