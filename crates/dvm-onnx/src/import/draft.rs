//! The network while it is being taken over: nodes of the engine, with the shapes of their values.

use std::collections::HashMap;
use std::sync::Arc;

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::binary::{Binary, Other};
use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::ops::input::Input;
use dvm_engine::ops::linear::Linear;
use dvm_engine::ops::prelu::PRelu;
use dvm_engine::ops::{Arithmetic, ForwardCall, Mode, Op};
use dvm_engine::{Blueprint, Error, Graph, NodeId, Parameter, Role, Tensor};

use super::allowance::Allowance;
use super::array::{Array, Values, count};
use super::bend::Bends;
use super::curve::Curves;
use super::trouble::{Trouble, invalid, unsupported};
use super::view::Order;
use crate::names::Names;

/// A node of the engine.
///
/// The first side of every value is the batch, and nothing else is: what a file merges with it, or
/// puts before it, is told by the [`super::view::View`] of the value. That a value has this form for
/// every batch is found by asking the op for its shape with two pictures and with three.
pub(crate) struct Made {
    pub name: String,
    pub op: Arc<dyn Op>,
    pub inputs: Vec<usize>,
    pub parameters: Vec<usize>,
    /// The shape of its value for one picture.
    pub shape: Vec<usize>,
    /// What it is as a function of one number, seen from nodes before it.
    pub curves: Curves,
    /// What it is as two lines through 0, seen from nodes before it.
    pub bends: Bends,
    /// A normalisation whose factors and shifts are still all 1 and 0: later nodes may bring their own.
    pub awaits: Awaits,
}

/// What a layer norm still lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaits {
    Nothing,
    Scale,
    Bias,
}

impl Made {
    pub fn op_as<T: Op>(&self) -> Option<&T> {
        let any: &dyn std::any::Any = &*self.op;
        any.downcast_ref()
    }
}

/// All nodes so far.
pub(crate) struct Draft {
    pub nodes: Vec<Made>,
    parameters: Vec<(Parameter, Array)>,
    names: Names,
    parameter_names: Names,
    /// Parameters by the initializer, the shape and the first values that they were made of.
    shared: HashMap<(Arc<str>, Vec<usize>, bool), usize>,
    /// Values that were brought into another order, so that it is done once.
    pub arranged: HashMap<(usize, Order), usize>,
    pub allowance: Allowance,
}

/// Values of one node for one picture.
const MOST_VALUES: usize = 1 << 31;

/// Nodes that a file may become.
const MOST_NODES: usize = 200_000;

impl Draft {
    /// Only an input of `[N, channels, height, width]`.
    pub fn new([channels, height, width]: [usize; 3], budget: usize) -> Self {
        let input = Made {
            name: "input".into(),
            op: Arc::new(Input { channels }),
            inputs: Vec::new(),
            parameters: Vec::new(),
            shape: vec![1, channels, height, width],
            curves: Curves::default(),
            bends: Bends::default(),
            awaits: Awaits::Nothing,
        };
        let mut names = Names::default();
        names.unique(&input.name);
        Self {
            nodes: vec![input],
            parameters: Vec::new(),
            names,
            parameter_names: Names::default(),
            shared: HashMap::new(),
            arranged: HashMap::new(),
            allowance: Allowance::new(budget),
        }
    }

    /// A draft whose only node is a value of this shape, taken for that of a batch; it may use what
    /// this one may.
    pub fn apart(&self, shape: &[usize]) -> Self {
        let mut apart = Self::new([1, 1, 1], 0);
        apart.allowance = self.allowance;
        let one = std::iter::once(1).chain(shape[1..].iter().copied());
        apart.nodes[0].shape = one.collect();
        apart
    }

    /// Counts what a draft apart has used.
    pub fn go_on_after(&mut self, apart: &Self) {
        self.allowance = apart.allowance;
    }

    /// The array of a parameter.
    pub fn array(&self, parameter: usize) -> &Array {
        &self.parameters[parameter].1
    }

    /// A name like this that no node has yet.
    pub fn unique(&mut self, name: &str) -> String {
        let name = if name.is_empty() { "node" } else { name };
        self.names.unique(name)
    }

    /// Appends a node.
    ///
    /// # Errors
    /// Where the op cannot work on what reaches it, as an op that is not supported there.
    pub fn emit(
        &mut self,
        name: &str,
        op: impl Op,
        inputs: &[usize],
        parameters: &[usize],
    ) -> Result<usize, Trouble> {
        if let Some(Binary {
            other: Other::Constant(constant),
            ..
        }) = (&op as &dyn std::any::Any).downcast_ref()
        {
            self.keep(constant.len().saturating_mul(4))?;
        }
        let mut op: Arc<dyn Op> = Arc::new(op);
        let mut inputs = inputs.to_vec();
        let shape = self.shape_of(&*op, &inputs, parameters)?;
        if self.nodes.len() >= MOST_NODES {
            let detail = format!("becomes more than {MOST_NODES} nodes");
            return Err(Trouble::TooLarge(detail));
        }
        let mut curves = Curves::of(&*op, &inputs, &self.nodes);
        let mut parameters = parameters.to_vec();
        // A bound of the picture's own values is no activation.
        let found = curves.activation().filter(|(_, activation)| {
            !matches!(activation, Activation::ClippedRelu(_)) || self.has_layers()
        });
        let mut bends;
        if let Some((source, activation)) = found {
            op = Arc::new(activation);
            (inputs, parameters) = (vec![source], Vec::new());
            curves = Curves::of(&activation, &inputs, &self.nodes);
            bends = self.bends_of(&*op, &inputs, &[]);
        } else {
            bends = self.bends_of(&*op, &inputs, &parameters);
            if let Some((source, slopes)) = bends.prelu()
                && let Some(slopes) = self.slopes(source, &slopes)
            {
                let slopes = self.known_or_new(slopes, source, name)?;
                op = Arc::new(PRelu);
                (inputs, parameters) = (vec![source], vec![slopes]);
                (curves, bends) = (Curves::default(), Bends::default());
            }
        }
        let name = self.unique(name);
        self.nodes.push(Made {
            name,
            op,
            inputs,
            parameters,
            shape,
            curves,
            bends,
            awaits: Awaits::Nothing,
        });
        Ok(self.nodes.len() - 1)
    }

    /// Whether any layer was taken over yet.
    pub fn has_layers(&self) -> bool {
        self.nodes.iter().any(|node| !node.parameters.is_empty())
    }

    fn bends_of(&self, op: &dyn Op, inputs: &[usize], parameters: &[usize]) -> Bends {
        let value = match *parameters {
            [only] => self.parameters[only].1.tensor().ok(),
            _ => None,
        };
        Bends::of(op, inputs, value.as_ref(), &self.nodes)
    }

    /// Slopes in the shape that a PReLU of a node takes; nothing if they fit no value of the node.
    fn slopes(&self, source: usize, slopes: &Tensor) -> Option<Array> {
        let array = Array::floats(slopes.shape(), slopes.to_nchw());
        let array = without_leading_ones(&array)?;
        let shape = &self.nodes[source].shape;
        PRelu.output_shape(&[shape], &[&array.shape]).ok()?;
        Some(array)
    }

    /// The parameter of a node behind `source` that is just this array, or a new one.
    fn known_or_new(&mut self, array: Array, source: usize, node: &str) -> Result<usize, Trouble> {
        let behind = self.nodes[source + 1..].iter();
        let mut used = behind.flat_map(|node| node.parameters.iter().copied());
        let known = used.find(|&index| {
            let (_, known) = &self.parameters[index];
            known.shape == array.shape && known.as_floats().ok() == array.as_floats().ok()
        });
        match known {
            Some(known) => Ok(known),
            None => self.parameter(&array, node, "weight", Role::Scale),
        }
    }

    /// The same node with other parameters, which takes over its name, or has another.
    ///
    /// # Errors
    /// As [`Draft::emit`].
    pub fn again(
        &mut self,
        node: usize,
        parameters: Vec<usize>,
        awaits: Awaits,
        name: Option<&str>,
    ) -> Result<usize, Trouble> {
        let (op, inputs) = (
            Arc::clone(&self.nodes[node].op),
            self.nodes[node].inputs.clone(),
        );
        let shape = self.shape_of(&*op, &inputs, &parameters)?;
        let before = self.unique(&format!("{}.before", self.nodes[node].name.clone()));
        let own = std::mem::replace(&mut self.nodes[node].name, before);
        let name = match name {
            Some(name) => self.unique(name),
            None => own,
        };
        self.nodes.push(Made {
            name,
            op,
            inputs,
            parameters,
            shape,
            curves: Curves::default(),
            bends: Bends::default(),
            awaits,
        });
        Ok(self.nodes.len() - 1)
    }

    /// Multiplies the outputs of a layer that nothing reads yet, by one factor or by one for each, and says
    /// whether it could: its only parameter has to be weights that are known and its own.
    ///
    /// # Errors
    /// For weights that are no floats.
    pub fn scale_outputs(&mut self, node: usize, factors: &[f32]) -> Result<bool, Trouble> {
        let made = &self.nodes[node];
        let is_layer = made.op_as::<Linear>().is_some() || made.op_as::<Conv2d>().is_some();
        let (&[weight], true) = (&made.parameters[..], is_layer) else {
            return Ok(false);
        };
        let is_shared = |(id, other): (usize, &Made)| {
            id != node && (other.parameters.contains(&weight) || other.inputs.contains(&node))
        };
        let array = &self.parameters[weight].1;
        let is_known = matches!(array.values, Values::Floats(_));
        if !is_known || self.nodes.iter().enumerate().any(is_shared) {
            return Ok(false);
        }
        let each = array.len() / array.shape[0].max(1);
        let values = array.as_floats()?.iter().enumerate();
        let factor = |at: usize| match factors {
            [only] => *only,
            several => several[at / each],
        };
        let values: Vec<f32> = values.map(|(at, value)| value * factor(at)).collect();
        self.parameters[weight].1.values = Values::Floats(Arc::new(values.into()));
        Ok(true)
    }

    /// What a node without parameters does, done to another value.
    ///
    /// # Errors
    /// As [`Draft::emit`].
    pub fn on(&mut self, node: usize, input: usize) -> Result<usize, Trouble> {
        let op = Arc::clone(&self.nodes[node].op);
        let name = self.unique(&self.nodes[node].name.clone());
        self.append(name, op, vec![input], Vec::new())
    }

    /// Appends a node as it is, under the name that it is given.
    ///
    /// # Errors
    /// As [`Draft::emit`].
    pub fn append(
        &mut self,
        name: String,
        op: Arc<dyn Op>,
        inputs: Vec<usize>,
        parameters: Vec<usize>,
    ) -> Result<usize, Trouble> {
        let shape = self.shape_of(&*op, &inputs, &parameters)?;
        self.nodes.push(Made {
            name,
            op,
            inputs,
            parameters,
            shape,
            curves: Curves::default(),
            bends: Bends::default(),
            awaits: Awaits::Nothing,
        });
        Ok(self.nodes.len() - 1)
    }

    /// The shape of an op's value for one picture: asked for with two and with three, so that a side
    /// that only happens to fit is found out.
    fn shape_of(
        &self,
        op: &dyn Op,
        inputs: &[usize],
        parameters: &[usize],
    ) -> Result<Vec<usize>, Trouble> {
        let parameters: Vec<&[usize]> = parameters
            .iter()
            .map(|&p| &self.parameters[p].0.shape[..])
            .collect();
        let for_batch = |batch: usize| {
            let with_batch = |&id: &usize| {
                let mut shape = self.nodes[id].shape.clone();
                shape[0] = batch;
                shape
            };
            let shapes: Vec<Vec<usize>> = inputs.iter().map(with_batch).collect();
            let shapes: Vec<&[usize]> = shapes.iter().map(|s| &s[..]).collect();
            op.output_shape(&shapes, &parameters)
                .map_err(|detail| unsupported(format!("as {}: {detail}", op.kind())))
        };
        let (two, three) = (for_batch(2)?, for_batch(3)?);
        let is_batch = two.first() == Some(&2) && three.first() == Some(&3);
        if !is_batch || two[1..] != three[1..] {
            return Err(unsupported(
                "mixes the pictures of a batch, so that it works for one size of batch only",
            ));
        }
        let mut shape = two;
        shape[0] = 1;
        match count(&shape) {
            Some(values) if values <= MOST_VALUES => Ok(shape),
            _ => Err(Trouble::TooLarge(format!(
                "computes values of the shape {shape:?}"
            ))),
        }
    }

    /// Declares a parameter: an initializer under its own name, others under that of their node.
    ///
    /// # Errors
    /// For arrays that hold no floats.
    pub fn parameter(
        &mut self,
        array: &Array,
        node: &str,
        suffix: &str,
        role: Role,
    ) -> Result<usize, Trouble> {
        if matches!(array.values, Values::Integers(_)) {
            return Err(invalid("has whole numbers for weights"));
        }
        let key = array.name.clone().map(|name| {
            let turned = matches!(role, Role::Scale | Role::Bias);
            (name, array.shape.clone(), turned)
        });
        if let Some(&known) = key.as_ref().and_then(|key| self.shared.get(key)) {
            let same = match (&self.parameters[known].1.values, &array.values) {
                (Values::Floats(a), Values::Floats(b)) => Arc::ptr_eq(a, b) || a == b,
                _ => true,
            };
            if same {
                return Ok(known);
            }
        }
        let own = array.name.as_deref().filter(|name| !is_made_up(name));
        let wanted = own.map_or_else(|| format!("{node}.{suffix}"), str::to_owned);
        let name = self.parameter_names.unique(&wanted);
        let parameter = Parameter {
            name,
            shape: array.shape.clone(),
            role,
        };
        self.parameters.push((parameter, array.clone()));
        let index = self.parameters.len() - 1;
        if let Some(key) = key {
            self.shared.insert(key, index);
        }
        Ok(index)
    }

    /// For each node, whether it leads to one; the input does in any case.
    pub fn lives(&self, output: usize) -> Vec<bool> {
        let mut lives = vec![false; self.nodes.len()];
        lives[output] = true;
        for id in (0..=output).rev() {
            if lives[id] {
                let inputs = self.nodes[id].inputs.iter();
                inputs.for_each(|&input| lives[input] = true);
            }
        }
        lives[0] = true;
        lives
    }

    /// The graph that ends at a node: what does not lead there is left out.
    ///
    /// # Errors
    /// Where a value is missing, or what `value` returns for one that the file leaves out.
    pub fn finish(
        self,
        output: usize,
        mut value: impl FnMut(&Parameter) -> Result<Tensor, Trouble>,
    ) -> Result<Graph, Trouble> {
        let lives = self.lives(output);
        let mut blueprint = Blueprint::new(self.nodes[0].shape[1]);
        let mut ids: Vec<NodeId> = vec![blueprint.input(); self.nodes.len()];
        let mut declared: HashMap<usize, usize> = HashMap::new();
        let mut sources: HashMap<String, Array> = HashMap::new();
        for (id, node) in self.nodes.iter().enumerate().skip(1) {
            if !lives[id] {
                continue;
            }
            let inputs: Vec<NodeId> = node.inputs.iter().map(|&input| ids[input]).collect();
            let mut parameters = Vec::new();
            for &index in &node.parameters {
                let (parameter, array) = &self.parameters[index];
                let declared = declared.entry(index).or_insert_with(|| {
                    sources.insert(parameter.name.clone(), array.clone());
                    blueprint.parameter(&parameter.name, &parameter.shape, parameter.role)
                });
                parameters.push(*declared);
            }
            ids[id] = blueprint.node_of(&node.name, Arc::clone(&node.op), &inputs, &parameters);
        }
        let graph = Graph::new(blueprint.ending_at(ids[output]), |parameter| {
            let source = sources.remove(&parameter.name);
            match source.as_ref().map(|array| (&array.values, array)) {
                Some((Values::Floats(_), array)) => array.tensor().map_err(Wrong::Trouble),
                _ => value(parameter).map_err(Wrong::Trouble),
            }
        });
        graph.map_err(|wrong| match wrong {
            Wrong::Trouble(trouble) => trouble,
            Wrong::Engine(error) => invalid(error.to_string()),
        })
    }
}

/// The same array without axes of side 1 in front, but one axis at least.
pub(crate) fn without_leading_ones(array: &Array) -> Option<Array> {
    let ones = array.shape.iter().take_while(|&&side| side == 1).count();
    let shape = match &array.shape[ones..] {
        [] => &[1],
        rest => rest,
    };
    let shape = shape.to_vec();
    let made = array.reshaped(&shape).ok()?;
    Some(Array {
        name: array.name.clone(),
        ..made
    })
}

enum Wrong {
    Trouble(Trouble),
    Engine(Error),
}

impl From<Error> for Wrong {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

/// Whether an exporter made up the name of an initializer, so that it tells nothing.
pub(crate) fn is_made_up(name: &str) -> bool {
    let begins = [
        "onnx::",
        "val_",
        "/",
        "const",
        "Const",
        "_val",
        "lifted_tensor",
    ];
    begins.iter().any(|begin| name.starts_with(begin)) || name.parse::<u64>().is_ok()
}

/// What an op makes of arrays that are known.
///
/// # Errors
/// Where it cannot work on them.
pub(crate) fn run(op: &dyn Op, inputs: &[&Array], parameters: &[&Array]) -> Result<Array, Trouble> {
    let tensors = |arrays: &[&Array]| -> Result<Vec<Tensor>, Trouble> {
        arrays.iter().map(|array| array.tensor()).collect()
    };
    let (inputs, parameters) = (tensors(inputs)?, tensors(parameters)?);
    let inputs: Vec<&Tensor> = inputs.iter().collect();
    let parameters: Vec<&Tensor> = parameters.iter().collect();
    if inputs.iter().any(|input| input.is_empty()) {
        return Err(unsupported("computes with an empty constant"));
    }
    let shapes = |tensors: &[&Tensor]| -> Vec<Vec<usize>> {
        tensors
            .iter()
            .map(|tensor| tensor.shape().to_vec())
            .collect()
    };
    let (input_shapes, parameter_shapes) = (shapes(&inputs), shapes(&parameters));
    let input_shapes: Vec<&[usize]> = input_shapes.iter().map(|s| &s[..]).collect();
    let parameter_shapes: Vec<&[usize]> = parameter_shapes.iter().map(|s| &s[..]).collect();
    let shape = op
        .output_shape(&input_shapes, &parameter_shapes)
        .map_err(|detail| unsupported(format!("as {}: {detail}", op.kind())))?;
    let outcome = op.forward(&ForwardCall {
        inputs: &inputs,
        parameters: &parameters,
        prepared: op.prepare().as_ref(),
        output_shape: &shape,
        mode: Mode::Inference,
        arithmetic: Arithmetic::Exact,
        random_stream: 0,
    });
    Ok(Array::floats(&shape, outcome.value.to_nchw()))
}
