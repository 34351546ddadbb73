//! The output of a file: which of its values are the logits, and what they mean.

use std::collections::HashMap;

use dvm_engine::Output;
use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::flatten::Flatten;
use dvm_engine::ops::reshape::Reshape;
use dvm_engine::ops::softmax::Softmax;
use dvm_engine::ops::unary::Unary;

use crate::import::tensor::is_float;
use crate::import::{Import, Result, View, invalid, unsupported};
use crate::proto::{self, TypeValue};

/// The output with one number per class.
pub(crate) struct OutputSpec {
    /// Its name.
    pub value: String,
    /// Class names, if the end of the graph holds them.
    pub classes: Option<Vec<String>>,
    pub notes: Vec<String>,
    /// What the numbers mean, if the file says that.
    pub output: Option<Output>,
}

/// The last layer of a graph, if it is not part of the network for dvm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LastLayer {
    Softmax,
    /// The logarithm of a softmax.
    Logarithm,
    Sigmoid,
}

impl LastLayer {
    fn name(self) -> &'static str {
        match self {
            Self::Softmax => "a softmax",
            Self::Logarithm => "a logarithm",
            Self::Sigmoid => "a sigmoid",
        }
    }

    /// What the numbers before it mean.
    fn before(self) -> Output {
        match self {
            Self::Softmax | Self::Logarithm => Output::Logits,
            Self::Sigmoid => Output::LabelLogits,
        }
    }
}

/// Whether an output may hold floats, and its rank if known.
fn kind(output: &proto::ValueInfo) -> (bool, Option<usize>) {
    match output.r#type.as_ref().and_then(|t| t.value.as_ref()) {
        Some(TypeValue::Tensor(tensor)) => {
            let may_be_float = tensor.elem_type == 0 || is_float(tensor.elem_type);
            (
                may_be_float,
                tensor.shape.as_ref().map(|shape| shape.dim.len()),
            )
        }
        // Dictionaries of probabilities by class.
        Some(TypeValue::Sequence(_) | TypeValue::Map(_)) => (true, None),
        None => (true, None),
    }
}

/// Finds the output with one number per class.
///
/// # Errors
/// If there is none.
pub(crate) fn find(graph: &proto::Graph) -> Result<OutputSpec> {
    let mut makers: HashMap<&str, &proto::Node> = HashMap::new();
    for node in &graph.node {
        for name in node.output.iter().filter(|name| !name.is_empty()) {
            makers.insert(name, node);
        }
    }
    let outputs = graph.output.iter();
    let floats: Vec<&proto::ValueInfo> = outputs.filter(|output| kind(output).0).collect();
    let rows = floats.iter().find(|output| kind(output).1 == Some(2));
    let chosen = rows.or(floats.first()).copied().or(graph.output.first());
    let Some(chosen) = chosen else {
        return Err(invalid("has no output"));
    };
    let mut end = OutputSpec {
        value: chosen.name.clone(),
        classes: None,
        notes: Vec::new(),
        output: None,
    };
    let others = graph
        .output
        .iter()
        .filter(|output| output.name != chosen.name);
    let others: Vec<&str> = others.map(|output| &output.name[..]).collect();
    if !others.is_empty() {
        end.notes.push(format!(
            "dvm uses the output `{}` and ignores `{}`",
            chosen.name,
            others.join("`, `")
        ));
    }
    // Nodes that turn numbers into labels are not part of the network.
    let mut steps = 0;
    while let Some(node) = makers.get(&end.value[..]) {
        let is_label = matches!(
            &node.op_type[..],
            "ZipMap" | "ArgMax" | "LabelEncoder" | "ArrayFeatureExtractor" | "TopK"
        );
        let is_cast = node.op_type == "Cast" && !kind(chosen).0;
        steps += 1;
        if !(is_label || is_cast) || steps > 16 {
            break;
        }
        // The second input of the extractor selects the labels.
        let input = usize::from(node.op_type == "ArrayFeatureExtractor");
        let Some(before) = node.input.get(input) else {
            return Err(invalid(format!(
                "ends with a node {} that has no input",
                node.op_type
            )));
        };
        if node.op_type == "ZipMap" {
            end.classes = labels(node);
        }
        end.notes.push(format!(
            "its last node, {}, which turns numbers into labels, is left out",
            node.op_type
        ));
        end.value.clone_from(before);
    }
    Ok(end)
}

/// The classes of a `ZipMap`.
fn labels(node: &proto::Node) -> Option<Vec<String>> {
    let attribute = |name: &str| node.attribute.iter().find(|a| a.name == name);
    if let Some(strings) = attribute("classlabels_strings") {
        let text = |label: &Vec<u8>| String::from_utf8_lossy(label).into_owned();
        return Some(strings.strings.iter().map(text).collect());
    }
    let numbers = attribute("classlabels_int64s")?;
    Some(numbers.ints.iter().map(i64::to_string).collect())
}

impl Import<'_> {
    /// The node of the logits `[N, K]`, before a softmax or sigmoid at the end. Such an end shows what the numbers mean,
    /// which is stored in [`OutputSpec::output`].
    ///
    /// # Errors
    /// If the value is not a row of numbers per picture.
    pub fn logits(&mut self, view: &View, end: &mut OutputSpec) -> Result<usize> {
        let mut node = self.graph.batch_first(view, "logits")?;
        while let Some((before, last)) = self.without_last_layer(node)? {
            let is_single = self.graph.nodes[node].shape.iter().all(|&side| side == 1);
            let output = last.before();
            node = before;
            end.output = Some(output);
            end.notes.push(match output {
                Output::LabelLogits if is_single => {
                    "its last layer, a sigmoid, is left out: its output is a logit, whose sigmoid is the \
                     probability"
                        .into()
                }
                Output::LabelLogits => {
                    "its last layer, a sigmoid, is left out: its outputs are logits of labels, each with a \
                     separate probability"
                        .into()
                }
                _ => format!("its last layer, {}, is left out: its outputs are logits", last.name()),
            });
            // A softmax of a softmax is not a softmax of the logits before.
            if last != LastLayer::Logarithm {
                break;
            }
        }
        let shape = self.graph.nodes[node].shape.clone();
        let sides: Vec<usize> = shape[1..]
            .iter()
            .copied()
            .filter(|&side| side != 1)
            .collect();
        match sides[..] {
            [0] => Err(invalid("has no numbers")),
            [] | [_] => {
                let outputs = sides.first().copied().unwrap_or(1);
                if shape.len() != 2 {
                    node = self.graph.reshape_node(node, &[1, outputs], "logits")?;
                }
                Ok(node)
            }
            _ => Err(unsupported(format!(
                "has shape {:?} per picture instead of one number per class",
                &shape[1..]
            ))),
        }
    }

    /// The value before a last layer that dvm leaves out, with the same changes of shape after it.
    fn without_last_layer(&mut self, end: usize) -> Result<Option<(usize, LastLayer)>> {
        let mut path = Vec::new();
        let mut at = end;
        loop {
            let node = &self.graph.nodes[at];
            let is_shape = node.op_as::<Flatten>().is_some() || node.op_as::<Reshape>().is_some();
            if !is_shape {
                break;
            }
            path.push(at);
            at = node.inputs[0];
        }
        let node = &self.graph.nodes[at];
        let is_row = node.shape.iter().filter(|&&side| side != 1).count() <= 1;
        let along_classes = |softmax: &Softmax| {
            let shape = &node.shape;
            is_row && (shape[softmax.axis] != 1 || shape.iter().all(|&side| side == 1))
        };
        let is_log_softmax = node.op_as::<Unary>() == Some(&Unary::Log)
            && self.graph.nodes[node.inputs[0]]
                .op_as::<Softmax>()
                .is_some();
        let what = if node.op_as::<Softmax>().is_some_and(along_classes) {
            LastLayer::Softmax
        } else if is_row && is_log_softmax {
            LastLayer::Logarithm
        } else if is_row && node.op_as::<Activation>() == Some(&Activation::Sigmoid) {
            LastLayer::Sigmoid
        } else {
            return Ok(None);
        };
        let mut stripped = node.inputs[0];
        for shape in path.into_iter().rev() {
            stripped = self.graph.repeat_on(shape, stripped)?;
        }
        Ok(Some((stripped, what)))
    }
}
