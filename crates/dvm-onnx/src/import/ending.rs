//! The end of a file: which of its values are the network's numbers, and what they mean.

use std::collections::HashMap;

use dvm_engine::Output;
use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::flatten::Flatten;
use dvm_engine::ops::reshape::Reshape;
use dvm_engine::ops::softmax::Softmax;
use dvm_engine::ops::unary::Unary;

use super::Import;
use super::tensor::is_float;
use super::trouble::{Trouble, invalid, unsupported};
use super::view::View;
use crate::proto::{self, TypeValue};

/// Where a graph ends.
pub(crate) struct Ending {
    /// The name of the value with one number per class.
    pub value: String,
    /// Class names, if the end of the graph holds them.
    pub classes: Option<Vec<String>>,
    pub notes: Vec<String>,
    /// What the numbers mean, if the file tells.
    pub output: Option<Output>,
}

/// A function of all numbers at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Softmax,
    /// Of a softmax.
    Logarithm,
    Sigmoid,
}

impl Last {
    fn name(self) -> &'static str {
        match self {
            Self::Softmax => "a softmax",
            Self::Logarithm => "a logarithm",
            Self::Sigmoid => "a sigmoid",
        }
    }

    /// What the numbers before it are.
    fn before(self) -> Output {
        match self {
            Self::Softmax | Self::Logarithm => Output::Logits,
            Self::Sigmoid => Output::LabelLogits,
        }
    }
}

/// What is known of an output's type: whether it may hold floats, and how many axes it has.
fn kind(output: &proto::ValueInfo) -> (bool, Option<usize>) {
    match output.r#type.as_ref().and_then(|t| t.value.as_ref()) {
        Some(TypeValue::Tensor(tensor)) => {
            let may_be_float = tensor.elem_type == 0 || is_float(tensor.elem_type);
            (
                may_be_float,
                tensor.shape.as_ref().map(|shape| shape.dim.len()),
            )
        }
        // Maps of probabilities, by class.
        Some(TypeValue::Sequence(_) | TypeValue::Map(_)) => (true, None),
        None => (true, None),
    }
}

/// Finds the output with one number per class.
///
/// # Errors
/// If there is none.
pub(crate) fn find(graph: &proto::Graph) -> Result<Ending, Trouble> {
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
    let mut ending = Ending {
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
        ending.notes.push(format!(
            "of its outputs `{}` is taken; left out are `{}`",
            chosen.name,
            others.join("`, `")
        ));
    }
    // What makes labels of numbers is not part of the network.
    let mut steps = 0;
    while let Some(node) = makers.get(&ending.value[..]) {
        let is_label = matches!(
            &node.op_type[..],
            "ZipMap" | "ArgMax" | "LabelEncoder" | "ArrayFeatureExtractor" | "TopK"
        );
        let is_cast = node.op_type == "Cast" && !kind(chosen).0;
        steps += 1;
        if !(is_label || is_cast) || steps > 16 {
            break;
        }
        // The extractor picks labels by what its second input says.
        let input = usize::from(node.op_type == "ArrayFeatureExtractor");
        let Some(before) = node.input.get(input) else {
            return Err(invalid(format!("{} reads nothing", node.op_type)));
        };
        if node.op_type == "ZipMap" {
            ending.classes = labels(node);
        }
        ending.notes.push(format!(
            "its end, {}, which makes labels of numbers, is left out",
            node.op_type
        ));
        ending.value.clone_from(before);
    }
    Ok(ending)
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
    /// The node that holds the network's numbers `[N, K]`: what comes before a softmax or sigmoid at the
    /// end. What the numbers mean goes into [`Ending::output`], if such an end tells it.
    ///
    /// # Errors
    /// If the value is no row of numbers for each picture.
    pub fn outputs(&mut self, view: &View, ending: &mut Ending) -> Result<usize, Trouble> {
        let mut node = self.draft.plain(view, "logits")?;
        while let Some((before, last)) = self.without_ending(node)? {
            let is_single = self.draft.nodes[node].shape.iter().all(|&side| side == 1);
            let output = last.before();
            node = before;
            ending.output = Some(output);
            ending.notes.push(match output {
                Output::LabelLogits if is_single => {
                    "its last layer, a sigmoid, is left out: its number is a logit, and the sigmoid gives \
                     the probability"
                        .into()
                }
                Output::LabelLogits => {
                    "its last layer, a sigmoid, is left out: its numbers are logits of labels, each with a \
                     probability of its own"
                        .into()
                }
                _ => format!("its last layer, {}, is left out: its numbers are logits", last.name()),
            });
            // A softmax of a softmax is no softmax of the logits before.
            if last != Last::Logarithm {
                break;
            }
        }
        let shape = self.draft.nodes[node].shape.clone();
        let sides: Vec<usize> = shape[1..]
            .iter()
            .copied()
            .filter(|&side| side != 1)
            .collect();
        match sides[..] {
            [0] => Err(invalid("has no numbers at all")),
            [] | [_] => {
                let outputs = sides.first().copied().unwrap_or(1);
                if shape.len() != 2 {
                    node = self.draft.under(node, &[1, outputs], "logits")?;
                }
                Ok(node)
            }
            _ => Err(unsupported(format!(
                "has {:?} numbers for each picture, and a classifier has a row, one per class",
                &shape[1..]
            ))),
        }
    }

    /// The value before a function of all logits at the end, behind changes of shape.
    fn without_ending(&mut self, end: usize) -> Result<Option<(usize, Last)>, Trouble> {
        let mut path = Vec::new();
        let mut at = end;
        loop {
            let node = &self.draft.nodes[at];
            let is_shape = node.op_as::<Flatten>().is_some() || node.op_as::<Reshape>().is_some();
            if !is_shape {
                break;
            }
            path.push(at);
            at = node.inputs[0];
        }
        let node = &self.draft.nodes[at];
        let is_row = node.shape.iter().filter(|&&side| side != 1).count() <= 1;
        let along_classes = |softmax: &Softmax| {
            let shape = &node.shape;
            is_row && (shape[softmax.axis] != 1 || shape.iter().all(|&side| side == 1))
        };
        let is_log_softmax = node.op_as::<Unary>() == Some(&Unary::Log)
            && self.draft.nodes[node.inputs[0]]
                .op_as::<Softmax>()
                .is_some();
        let what = if node.op_as::<Softmax>().is_some_and(along_classes) {
            Last::Softmax
        } else if is_row && is_log_softmax {
            Last::Logarithm
        } else if is_row && node.op_as::<Activation>() == Some(&Activation::Sigmoid) {
            Last::Sigmoid
        } else {
            return Ok(None);
        };
        let mut stripped = node.inputs[0];
        for shape in path.into_iter().rev() {
            stripped = self.draft.on(shape, stripped)?;
        }
        Ok(Some((stripped, what)))
    }
}
