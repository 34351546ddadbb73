//! The meaning of a network's output, from its file, its graph or the user.

use std::collections::BTreeMap;

use dvm_engine::ops::Bounds;
use dvm_engine::{Output, Tensor, seeded};
use dvm_image::{Picture, Preprocess};
use dvm_onnx::Imported;

use crate::graphs::Remarks;
use crate::pretrained::IMAGENET_CLASSES;
use crate::{CLASSES_KEY, LoadError, Pretrained};

/// Metadata key of the meaning of the network's output ([`Output::word`]), with the prefix `assumed ` if it was
/// assumed.
pub const OUTPUT_KEY: &str = "dvm.output";

/// Prefix of an assumed output in metadata.
const ASSUMED: &str = "assumed ";

/// The output in the metadata of a file.
fn in_metadata(
    metadata: &BTreeMap<String, String>,
    file: &str,
) -> Result<Option<Output>, LoadError> {
    let Some(text) = metadata.get(OUTPUT_KEY).filter(|text| !is_assumed(text)) else {
        return Ok(None);
    };
    let read = text.parse().map(Some);
    read.map_err(|detail| {
        LoadError::metadata(file, OUTPUT_KEY, format!("cannot be used: {detail}"))
    })
}

fn is_assumed(text: &str) -> bool {
    text.starts_with(ASSUMED)
}

/// The output of an architecture with these weights, and whether the file defines it. Architectures end with a
/// layer, so weights alone do not define it.
pub(crate) fn of_weights(
    metadata: &BTreeMap<String, String>,
    outputs: usize,
    file: &str,
    remarks: &mut Remarks,
) -> Result<(Output, Option<Output>), LoadError> {
    if let Some(output) = in_metadata(metadata, file)? {
        return Ok((output, Some(output)));
    }
    // Earlier versions of dvm wrote no key, for networks trained with a softmax. ImageNet's networks are
    // trained with one, too.
    let is_ours = metadata.contains_key(CLASSES_KEY) && !metadata.contains_key(OUTPUT_KEY);
    if outputs > 1 && (is_ours || outputs == IMAGENET_CLASSES) {
        return Ok((Output::Logits, Some(Output::Logits)));
    }
    Ok((assumed(outputs, file, remarks), None))
}

/// The output of a graph: by its metadata, by a removed node at its end, or by its values for test pictures.
pub(crate) fn of_graph(
    imported: &Imported,
    preprocess: &Preprocess,
    file: &str,
    remarks: &mut Remarks,
) -> Result<Output, LoadError> {
    if let Some(output) = in_metadata(&imported.metadata, file)? {
        return Ok(output);
    }
    if let Some(output) = imported.output {
        return Ok(output);
    }
    let failed = |source| LoadError::Graph {
        file: file.into(),
        source,
    };
    let (height, width) = preprocess.crop;
    let shape = [TEST_PICTURES, imported.channels, height, width];
    // A file may need inputs of any size.
    let recognised = match imported.graph.peak_values(&shape).map_err(failed)? {
        values if values > MOST_VALUES => None,
        _ => Output::recognised(&imported.graph, &test_pictures(preprocess)).map_err(failed)?,
    };
    if let Some(output) = recognised {
        remarks.notes.push(format!(
            "its output for test pictures has the properties of {0}, so it is read as {0}; dvm adds no softmax or \
             sigmoid",
            output.meaning()
        ));
        return Ok(output);
    }
    Ok(assumed(imported.outputs, file, remarks))
}

/// The assumed output if nothing defines it, with a remark.
fn assumed(outputs: usize, file: &str, remarks: &mut Remarks) -> Output {
    let output = if outputs == 1 {
        Output::LabelLogits
    } else {
        Output::Logits
    };
    remarks.output = Some(if outputs == 1 {
        format!(
            "{file} does not define the meaning of its single output; the logit of \"yes\" is assumed, as in \
             training with binary cross-entropy: a sigmoid gives the probability"
        )
    } else {
        format!(
            "{file} does not define the meaning of its {outputs} outputs; {} are assumed",
            output.meaning()
        )
    });
    output
}

/// Number of test pictures.
const TEST_PICTURES: usize = 4;

/// Most values in memory during the test, 1 GiB. The output of a larger network is assumed.
const MOST_VALUES: usize = 1 << 28;

/// The test inputs, `[4, C, H, W]`: grey, coarse noise, fine noise, and black and white noise, preprocessed like
/// pictures.
fn test_pictures(preprocess: &Preprocess) -> Tensor {
    let (height, width) = preprocess.crop;
    let noise = seeded::unit("test pictures", height * width * 3);
    let pixel = |picture: usize, index: usize| -> u8 {
        match picture {
            0 => 128,
            1 => (noise[index] * 255.0) as u8,
            2 => (noise[index / 96] * 255.0) as u8,
            _ => 255 * u8::from(noise[index] > 0.5),
        }
    };
    let mut values = Vec::new();
    for picture in 0..TEST_PICTURES {
        let pixels = (0..height * width * 3)
            .map(|index| pixel(picture, index))
            .collect();
        values.extend(preprocess.normalise(&Picture::new(height, width, pixels)));
    }
    let channels = values.len() / (TEST_PICTURES * height * width).max(1);
    Tensor::from_nchw(&[TEST_PICTURES, channels, height, width], &values)
}

impl Pretrained {
    /// The metadata value of its output, under [`OUTPUT_KEY`].
    pub(crate) fn output_metadata(&self) -> String {
        let word = self.network.output().word();
        match self.remarks.output {
            Some(_) => format!("{ASSUMED}{word}"),
            None => word.into(),
        }
    }

    /// The same network with this meaning of its output. A softmax or sigmoid that was removed at the end stays
    /// removed, if it agrees.
    ///
    /// # Errors
    /// [`LoadError::Output`] if the file contradicts it.
    pub fn with_output(mut self, asked: Output) -> Result<Self, LoadError> {
        let outputs = self.outputs();
        let contradicted = |end: &str| LoadError::Output {
            file: self.file.clone(),
            asked,
            end: end.into(),
        };
        let output = match (self.told_output, asked.is_of_labels()) {
            (Some(Output::LabelLogits), _) if outputs == 1 => Output::LabelLogits,
            (Some(Output::Logits), false) => Output::Logits,
            (Some(Output::Logits), true) if self.origin.architecture().is_none() => {
                return Err(contradicted("a softmax, so exactly one class is right"));
            }
            (Some(Output::LabelLogits), true) => Output::LabelLogits,
            (Some(Output::LabelLogits), false) if asked != Output::Logits => {
                return Err(contradicted("a sigmoid for each of its numbers"));
            }
            (_, true) if self.is_bounded() => Output::LabelProbabilities,
            _ => asked,
        };
        self.network = self.network.with_output(output);
        self.remarks.output = None;
        Ok(self)
    }

    /// Whether its values are always within 0 … 1.
    fn is_bounded(&self) -> bool {
        self.network.graph().output_bounds().is_within(Bounds::UNIT)
    }

    /// Number of outputs per picture.
    pub fn outputs(&self) -> usize {
        let (height, width) = self.preprocess.crop;
        let graph = self.network.graph();
        let shapes = graph.shapes(&[1, graph.channels(), height, width]);
        shapes.map_or(0, |shapes| {
            shapes[graph.output().index()].iter().skip(1).product()
        })
    }
}
