//! A graph of a file becomes a graph of the engine.
//!
//! Nodes are taken over in their order ([`walk`]). What is known, weights and all that is made of
//! shapes, is computed at once ([`array`]); what is computed of pictures becomes nodes of the engine
//! ([`draft`]), and the names of the file stand for views of their values ([`view`]). How many pictures
//! there are stays open: sides that count them are written as multiples of N ([`integer`]).

mod allowance;
mod array;
mod attention;
mod bend;
mod copies;
mod counted;
mod curve;
mod draft;
mod elementwise;
mod ending;
mod folding;
mod integer;
mod layer_norm;
mod moves;
mod numbers;
mod opening;
mod operators;
mod pixels;
mod rounded;
mod scope;
mod site;
pub(crate) mod tensor;
mod trouble;
mod view;
mod walk;

use std::collections::{HashMap, HashSet};

use dvm_engine::{Graph, Output, Parameter, Tensor};

use self::array::Array;
use self::draft::{Draft, is_made_up};
use self::opening::Opening;
use self::site::{Site, Value};
use self::trouble::{Trouble, unsupported};
use crate::proto;
use crate::{OnnxError, Pixels};

/// What is known while a file is taken over.
pub(crate) struct Import<'a> {
    pub draft: Draft,
    /// Whether the picture is whole numbers of 0 to 255 (`uint8`).
    takes_bytes: bool,
    /// Nodes whose values the file quantises, of a picture of whole numbers.
    quantised_pixels: HashSet<usize>,
    /// The number of pictures that the file was written for, if it was for one number only.
    file_batch: Option<i64>,
    /// Whether floats may be left out, because the file tells a structure alone.
    may_be_absent: bool,
    /// Whether something was quantised.
    is_quantised: bool,
    /// The scale and the zero point of whole numbers that are computed, by the name that they have in the file.
    codes: HashMap<String, (f32, i64)>,
    /// Scales that are computed for each picture, so far.
    scales: usize,
    /// Layers whose weights were multiplied by such scales' factors.
    scaled: HashSet<usize>,
    functions: HashMap<(&'a str, &'a str), &'a proto::Function>,
    scopes: Vec<scope::Scope<'a>>,
    /// Names that anything reads.
    read: HashSet<&'a str>,
    /// Nodes that were taken over, inlined ones each time.
    steps: usize,
    missing: Missing,
}

/// What this program cannot compute: each kind with why, and the nodes.
#[derive(Default)]
struct Missing {
    kinds: Vec<(String, String, Vec<String>)>,
}

impl Missing {
    fn add(&mut self, operator: &str, detail: &str, node: &str) {
        let same = |(known, why, _): &(String, String, _)| known == operator && why == detail;
        match self.kinds.iter().position(same) {
            Some(at) => self.kinds[at].2.push(node.to_owned()),
            None if self.kinds.len() < 1000 => {
                let kind = (
                    operator.to_owned(),
                    detail.to_owned(),
                    vec![node.to_owned()],
                );
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

/// What a file became.
pub(crate) struct Taken {
    pub graph: Graph,
    pub opening: Opening,
    pub notes: Vec<String>,
    pub warnings: Vec<String>,
    /// Class names that the end of the graph holds.
    pub classes: Option<Vec<String>>,
    /// What the graph tells of the pixels that it takes.
    pub pixels: Option<Pixels>,
    /// What the network's numbers mean, if the file tells.
    pub output: Option<Output>,
}

/// Takes a file over, for pictures of the file's size or else of `size`, rows and columns.
///
/// # Errors
/// [`OnnxError`] names the node, or all that is not supported.
pub(crate) fn take(
    file: &str,
    model: &proto::Model,
    bytes: usize,
    size: (usize, usize),
    absent: Option<&mut dyn FnMut(&Parameter) -> Tensor>,
) -> Result<Taken, OnnxError> {
    let graph = model.graph.as_ref().expect("decoding checked it");
    let fail = |place: String, trouble: Trouble| failure(file, place, trouble);
    let opset = opset(&model.opset_import);
    let opening = opening::find(graph, size).map_err(|t| fail(String::new(), t))?;
    let sides = [opening.channels, opening.height, opening.width];
    // Weights may be decoded, reordered and stored once more; what is computed beside is small.
    let budget = bytes.saturating_mul(40).saturating_add(64 << 20);
    let functions = model.functions.iter();
    let mut ending = ending::find(graph).map_err(|t| fail(String::new(), t))?;
    let wanted = ending.value.clone();
    let mut import = Import {
        draft: Draft::new(sides, budget),
        takes_bytes: opening.takes_bytes,
        quantised_pixels: HashSet::new(),
        file_batch: opening.batch,
        may_be_absent: absent.is_some(),
        is_quantised: false,
        codes: HashMap::new(),
        scales: 0,
        scaled: HashSet::new(),
        functions: functions
            .map(|f| ((&f.domain[..], &f.name[..]), f))
            .collect(),
        scopes: Vec::new(),
        read: HashSet::new(),
        steps: 0,
        missing: Missing::default(),
    };
    let located = import.main(graph, opset, &opening, &wanted);
    let value = located.map_err(|(place, trouble)| fail(place, trouble))?;
    if !import.missing.kinds.is_empty() {
        return Err(OnnxError::Unsupported {
            file: file.to_owned(),
            opset,
            what: import.missing.list(),
        });
    }
    let place = format!("output `{}`: ", ending.value);
    let output = match value {
        Value::Computed(view) => import.outputs(&view, &mut ending),
        _ => Err(unsupported("does not depend on the picture")),
    };
    let output = output.map_err(|trouble| fail(place, trouble))?;
    let mut warnings = Vec::new();
    if import.is_quantised {
        warnings.push(
            "this network is quantised; it is computed with floats, its weights as the numbers that they \
             stand for and nothing in between rounded, so its answers differ a little"
                .into(),
        );
    }
    let pixels = import.pixels();
    let mut absent = absent;
    let output = attention::recognised(&mut import.draft, output);
    let output = output.map_err(|trouble| fail(String::new(), trouble))?;
    let graph = import.draft.finish(output, |parameter| match &mut absent {
        Some(value) => Ok(value(parameter)),
        None => Err(trouble::invalid(format!(
            "`{}` has no numbers",
            parameter.name
        ))),
    });
    let graph = graph.map_err(|trouble| fail(String::new(), trouble))?;
    Ok(Taken {
        graph,
        opening,
        notes: ending.notes,
        warnings,
        classes: ending.classes,
        pixels,
        output: ending.output,
    })
}

/// The version of ONNX's own operators.
fn opset(sets: &[proto::OperatorSet]) -> i64 {
    let own = sets
        .iter()
        .find(|set| matches!(&set.domain[..], "" | "ai.onnx"));
    own.map_or(1, |set| set.version)
}

pub(crate) fn failure(file: &str, place: String, trouble: Trouble) -> OnnxError {
    let file = file.to_owned();
    match trouble {
        Trouble::Invalid(detail) => OnnxError::Invalid {
            file,
            place,
            detail,
        },
        Trouble::Unsupported(detail) => OnnxError::Invalid {
            file,
            place,
            detail: format!("{detail}, which is not supported"),
        },
        Trouble::Hidden => OnnxError::Invalid {
            file,
            place,
            detail: "reads a value that is not supported".into(),
        },
        Trouble::TooLarge(detail) => OnnxError::TooLarge {
            file,
            detail: format!("{place}{detail}"),
        },
    }
}

/// The layer that an initializer named like a parameter of a state dict belongs to.
fn layer_of(array: &Array) -> Option<String> {
    let name = array.name.as_deref().filter(|name| !is_made_up(name))?;
    let layer = name.strip_suffix(".weight")?;
    (!layer.is_empty()).then(|| layer.to_owned())
}

/// The path of the layer that PyTorch's exporter names a node after: `layer1.0.conv1` of
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
    /// What a layer with these weights is called.
    fn layer_name(&self, site: &Site, weight: &Array) -> String {
        layer_of(weight)
            .or_else(|| layer_path(site.name))
            .unwrap_or_else(|| site.name.to_owned())
    }

    /// Whether any layer was taken over yet.
    fn has_layers(&self) -> bool {
        self.draft.has_layers()
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
