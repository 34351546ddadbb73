//! The graph of a file becomes a graph of the engine.
//!
//! 1. [`input`] and [`output`] find the input for pictures and the output with one number per class.
//! 2. [`walk`] visits the nodes in order. What a name stands for is a symbolic [`value`]; [`operators`] make values from
//!    values, and emit nodes into the [`builder`].
//! 3. [`patterns`] recognises what exporters write as several operators.
//! 4. [`pixels`] reads off which pixels the network expects.
//!
//! The batch size stays open: sides that depend on it are multiples of N ([`value::sym_int`]).

mod builder;
mod constant_folding;
mod elementwise;
mod input;
mod node_context;
mod node_error;
mod operators;
mod output;
mod patterns;
mod pixels;
mod scope;
pub(crate) mod tensor;
mod value;
mod walk;

use std::collections::{HashMap, HashSet};

use dvm_engine::{Graph, Output, Parameter, Tensor};

use self::builder::{GraphBuilder, is_generated_name};
use self::input::InputSpec;
pub(crate) use self::node_context::{NodeContext, axes, axis};
pub(crate) use self::node_error::{NodeError, Result, invalid, unsupported};
pub(crate) use self::value::Value;
pub(crate) use self::value::array::{Array, Values};
pub(crate) use self::value::sym_int::SymInt;
pub(crate) use self::value::view::View;
use crate::proto;
use crate::{OnnxError, Pixels};

/// An import in progress.
pub(crate) struct Import<'a> {
    pub graph: GraphBuilder,
    /// Whether the pixels are integers of 0 to 255 (`uint8`).
    takes_bytes: bool,
    /// Nodes with integer pixels that the file quantises.
    quantised_pixels: HashSet<usize>,
    /// The batch size, if the file is fixed to one.
    file_batch: Option<i64>,
    /// Whether floats may be missing, because the file holds only the structure of a network.
    may_be_absent: bool,
    /// Whether anything was quantised.
    is_quantised: bool,
    /// Scale and zero point of computed integers, by their name in the file.
    quantisations: HashMap<String, (f32, i64)>,
    /// How many dynamic scales there are so far.
    scales: usize,
    /// Layers whose weights were multiplied by the factor of a dynamic scale.
    scaled: HashSet<usize>,
    functions: HashMap<(&'a str, &'a str), &'a proto::Function>,
    scopes: Vec<scope::Scope<'a>>,
    /// Names that any node reads.
    read: HashSet<&'a str>,
    /// Nodes visited, those of functions at each call.
    steps: usize,
    unsupported: UnsupportedNodes,
}

/// Nodes that are not supported: operator, reason and names of the nodes.
#[derive(Default)]
struct UnsupportedNodes {
    kinds: Vec<(String, String, Vec<String>)>,
}

impl UnsupportedNodes {
    fn add(&mut self, operator: &str, detail: &str, node: &str) {
        let same = |(known, why, _): &(String, String, _)| known == operator && why == detail;
        match self.kinds.iter().position(same) {
            Some(at) => self.kinds[at].2.push(node.to_owned()),
            None if self.kinds.len() < 1000 => {
                let nodes = vec![node.to_owned()];
                let kind = (operator.to_owned(), detail.to_owned(), nodes);
                self.kinds.push(kind);
            }
            None => {}
        }
    }

    fn list(self) -> Vec<String> {
        let shown = |(operator, detail, nodes): (String, String, Vec<String>)| {
            let others = match nodes.len() - 1 {
                0 => String::new(),
                others => format!(" and {others} more"),
            };
            let detail = if detail.is_empty() {
                String::new()
            } else {
                format!(": {detail}")
            };
            format!("{operator} (node `{}`{others}){detail}", nodes[0])
        };
        self.kinds.into_iter().map(shown).collect()
    }
}

/// What a file contains.
pub(crate) struct ImportedModel {
    pub graph: Graph,
    pub input: InputSpec,
    pub notes: Vec<String>,
    pub warnings: Vec<String>,
    /// Class names at the end of the graph.
    pub classes: Option<Vec<String>>,
    /// Which pixels the graph expects, if it shows that.
    pub pixels: Option<Pixels>,
    /// What the network's numbers mean, if the file says that.
    pub output: Option<Output>,
}

/// Imports a file, for pictures of the file's size or else of `size` (rows, columns).
///
/// # Errors
/// [`OnnxError`] names the node, or lists all nodes that are not supported.
pub(crate) fn import_model(
    file: &str,
    model: &proto::Model,
    bytes: usize,
    size: (usize, usize),
    absent: Option<&mut dyn FnMut(&Parameter) -> Tensor>,
) -> Result<ImportedModel, OnnxError> {
    let graph = model.graph.as_ref().expect("checked after decoding");
    let fail = |place: String, error: NodeError| failure(file, place, error);
    let opset = opset(&model.opset_import);
    let input = input::find(graph, size).map_err(|e| fail(String::new(), e))?;
    let sides = [input.channels, input.height, input.width];
    // Weights may be decoded, reordered and stored once more; everything else is small.
    let budget = bytes.saturating_mul(40).saturating_add(64 << 20);
    let functions = model.functions.iter();
    let mut end = output::find(graph).map_err(|e| fail(String::new(), e))?;
    let wanted = end.value.clone();
    let mut import = Import {
        graph: GraphBuilder::new(sides, budget),
        takes_bytes: input.takes_bytes,
        quantised_pixels: HashSet::new(),
        file_batch: input.batch,
        may_be_absent: absent.is_some(),
        is_quantised: false,
        quantisations: HashMap::new(),
        scales: 0,
        scaled: HashSet::new(),
        functions: functions
            .map(|f| ((&f.domain[..], &f.name[..]), f))
            .collect(),
        scopes: Vec::new(),
        read: HashSet::new(),
        steps: 0,
        unsupported: UnsupportedNodes::default(),
    };
    let walked = import.walk(graph, opset, &input, &wanted);
    let value = walked.map_err(|(place, error)| fail(place, error))?;
    if !import.unsupported.kinds.is_empty() {
        return Err(OnnxError::Unsupported {
            file: file.to_owned(),
            opset,
            what: import.unsupported.list(),
        });
    }
    let place = format!("output `{}` ", end.value);
    let output = match value {
        Value::Computed(view) => import.logits(&view, &mut end),
        _ => Err(unsupported("does not depend on the picture")),
    };
    let output = output.map_err(|error| fail(place, error))?;
    let mut warnings = Vec::new();
    if import.is_quantised {
        warnings.push(
            "this network is quantised, but dvm computes with floats and rounds no activations, so its \
             outputs differ slightly from those of the quantised network"
                .into(),
        );
    }
    let pixels = import.pixels();
    let mut absent = absent;
    let output = patterns::attention::recognise(&mut import.graph, output);
    let output = output.map_err(|error| fail(String::new(), error))?;
    let graph = import.graph.finish(output, |parameter| match &mut absent {
        Some(value) => Ok(value(parameter)),
        None => Err(invalid(format!(
            "tensor `{}` has no numbers",
            parameter.name
        ))),
    });
    let graph = graph.map_err(|error| fail(String::new(), error))?;
    Ok(ImportedModel {
        graph,
        input,
        notes: end.notes,
        warnings,
        classes: end.classes,
        pixels,
        output: end.output,
    })
}

/// The version of ONNX's own operators.
fn opset(sets: &[proto::OperatorSet]) -> i64 {
    let own = sets
        .iter()
        .find(|set| matches!(&set.domain[..], "" | "ai.onnx"));
    own.map_or(1, |set| set.version)
}

pub(crate) fn failure(file: &str, place: String, error: NodeError) -> OnnxError {
    let file = file.to_owned();
    let detail = match error {
        NodeError::Invalid(detail) => detail,
        NodeError::Unsupported(detail) => format!("{detail}, which dvm does not support"),
        NodeError::Reported => "reads a value that dvm does not support".into(),
        NodeError::TooLarge(detail) => {
            let detail = format!("{place}{detail}");
            return OnnxError::TooLarge { file, detail };
        }
    };
    OnnxError::Invalid {
        file,
        place,
        detail,
    }
}

/// The layer whose weight an initializer is, if it is named as in a state dict.
fn layer_of(array: &Array) -> Option<String> {
    let name = array
        .name
        .as_deref()
        .filter(|name| !is_generated_name(name))?;
    let layer = name.strip_suffix(".weight")?;
    (!layer.is_empty()).then(|| layer.to_owned())
}

/// The path of the layer that PyTorch's exporter names a node after: `layer1.0.conv1` for
/// `/layer1/layer1.0/conv1/Conv`.
fn layer_path(node: &str) -> Option<String> {
    let (path, _) = node.strip_prefix('/')?.rsplit_once('/')?;
    let mut layer = String::new();
    for part in path.split('/') {
        // Members of lists are named with the list's path.
        if layer.is_empty()
            || part
                .strip_prefix(&layer[..])
                .is_some_and(|rest| rest.starts_with('.'))
        {
            part.clone_into(&mut layer);
        } else if let Some(last) = layer
            .rsplit('.')
            .find(|last| part.starts_with(&format!("{last}.")))
        {
            let kept = layer.len() - last.len();
            layer.truncate(kept);
            layer.push_str(part);
        } else {
            layer = format!("{layer}.{part}");
        }
    }
    (!layer.is_empty()).then_some(layer)
}

impl Import<'_> {
    /// The name of a layer with these weights.
    fn layer_name(&self, ctx: &NodeContext, weight: &Array) -> String {
        layer_of(weight)
            .or_else(|| layer_path(ctx.name))
            .unwrap_or_else(|| ctx.name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::layer_path;

    #[test]
    fn paths_of_layers_are_those_of_the_state_dict() {
        let path = |node| layer_path(node).unwrap();
        assert_eq!(path("/layer1/layer1.0/conv1/Conv"), "layer1.0.conv1");
        assert_eq!(path("/conv1/Conv"), "conv1");
        assert_eq!(path("/features/features.0/Conv"), "features.0");
        assert_eq!(path("/a/a.0/b/b.1/c/Conv"), "a.0.b.1.c");
        assert_eq!(layer_path("Conv_0"), None);
        assert_eq!(layer_path("/Conv"), None);
    }
}
