//! The end of a file: which of its values are the logits.

use std::collections::HashMap;

use dvm_engine::Tensor;
use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::binary::{Binary, Function};
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
    pub warnings: Vec<String>,
    /// Whether there is one number alone for each picture.
    pub is_single: bool,
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
        warnings: Vec::new(),
        is_single: false,
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
    /// The node that holds the logits `[N, K]`: what comes before a softmax at the end.
    ///
    /// # Errors
    /// If the value is no row of numbers for each picture.
    pub fn logits(&mut self, view: &View, ending: &mut Ending) -> Result<usize, Trouble> {
        let mut node = self.draft.plain(view, "logits")?;
        while let Some((stripped, what)) = self.without_ending(node)? {
            let is_single = self.draft.nodes[node].shape.iter().all(|&side| side == 1);
            match what {
                "sigmoid" if is_single => {}
                "sigmoid" => ending.warnings.push(
                    "this network ends with a sigmoid for each class, which is left out; probabilities are \
                     shown as if exactly one class were right"
                        .into(),
                ),
                what => ending.notes.push(format!("its last layer, {what}, is left out: logits are what counts")),
            }
            node = stripped;
        }
        let shape = self.draft.nodes[node].shape.clone();
        let sides: Vec<usize> = shape[1..]
            .iter()
            .copied()
            .filter(|&side| side != 1)
            .collect();
        match sides[..] {
            [0] => Err(invalid("has no numbers at all")),
            [classes] => {
                if shape.len() != 2 {
                    node = self.draft.under(node, &[1, classes], "logits")?;
                }
                Ok(node)
            }
            [] => {
                ending.is_single = true;
                ending.warnings.push(
                    "this network has a single number for each picture; it is taken for the logit of a yes, \
                     the second of two classes, which get half of it each, one of them with the other sign: \
                     their probabilities are those of a sigmoid"
                        .into(),
                );
                self.no_and_yes(node)
            }
            _ => Err(unsupported(format!(
                "has {:?} numbers for each picture, and a classifier has a row, one per class",
                &shape[1..]
            ))),
        }
    }

    /// Logits `[N, 2]` of a no and a yes whose probabilities are those that a sigmoid makes of the node's
    /// single number: that number's half, and the other with the other sign.
    fn no_and_yes(&mut self, node: usize) -> Result<usize, Trouble> {
        const HALVES: [f32; 2] = [-0.5, 0.5];
        let row = self.draft.under(node, &[1, 1], "logits")?;
        if self.draft.spread_outputs(row, &HALVES)? {
            return Ok(row);
        }
        let both = Binary::constant(Function::Mul, Tensor::from_nchw(&[1, 2], &HALVES));
        self.draft.emit("no_and_yes", both, &[row], &[])
    }

    /// The value before a function of all logits at the end, behind changes of shape.
    fn without_ending(&mut self, end: usize) -> Result<Option<(usize, &'static str)>, Trouble> {
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
            "softmax"
        } else if is_row && is_log_softmax {
            "a logarithm"
        } else if is_row && node.op_as::<Activation>() == Some(&Activation::Sigmoid) {
            "sigmoid"
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
