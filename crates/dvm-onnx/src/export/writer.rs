//! Nodes of the engine written down one after the other as operators of ONNX.

use std::collections::{BTreeMap, BTreeSet};

use dvm_engine::{Graph, Node, NodeId};
use prost::Message;

use super::{ExportError, FAMILIES, Purpose, Untold, attribute};
use crate::OWN_DOMAIN;
use crate::names::Names;
use crate::proto;

/// Writes one node if its op is of this family, and says which value holds what it computes; `None` for
/// ops of other families.
pub(super) type Family = fn(&mut Writer, &Site) -> Written;

/// The name of a value; or why it cannot be written, as the end of a sentence.
pub(super) type Written = Result<Option<String>, String>;

/// A node about to be written.
pub(super) struct Site<'a> {
    /// The node.
    pub node: &'a Node,
    /// The values of its inputs.
    pub inputs: Vec<&'a str>,
    /// Their shapes for one picture.
    pub shapes: Vec<&'a [usize]>,
    /// The shape of its own value for one picture.
    pub output: &'a [usize],
    /// The names of its parameters.
    pub parameters: Vec<&'a str>,
    /// Their shapes.
    pub parameter_shapes: Vec<&'a [usize]>,
    /// The name of its value.
    value: &'a str,
}

/// What has been written so far.
pub(super) struct Writer {
    pub purpose: Purpose,
    pub nodes: Vec<proto::Node>,
    /// Positions of the parameters that are read.
    pub parameters: BTreeSet<usize>,
    pub input: String,
    pub output: String,
    /// The shape of the output for one picture.
    pub output_shape: Vec<usize>,
    values: Names,
    node_names: Names,
    /// Constants by their bytes: equal ones are written once.
    constants: BTreeMap<Vec<u8>, String>,
}

impl Writer {
    /// Writes all nodes that lead to the logits.
    pub fn write(
        graph: &Graph,
        (height, width): (usize, usize),
        purpose: Purpose,
    ) -> Result<Self, ExportError> {
        let channels = graph.node(graph.input());
        let channels = channels.op_as::<dvm_engine::ops::input::Input>();
        let channels = channels.map_or(3, |input| input.channels);
        let shapes = graph.shapes(&[1, channels, height, width])?;
        let mut values = Names::default();
        for parameter in graph.parameters() {
            values.unique(&parameter.name);
        }
        let input = values.unique("input");
        let output = values.unique("logits");
        let named: Vec<String> = graph
            .ids()
            .map(|id| match id {
                id if id == graph.input() => input.clone(),
                id if id == graph.output() => output.clone(),
                id => values.unique(&graph.node(id).name),
            })
            .collect();
        let mut node_names = Names::default();
        for node in graph.nodes() {
            node_names.unique(&node.name);
        }
        let mut writer = Self {
            purpose,
            nodes: Vec::new(),
            parameters: BTreeSet::new(),
            input,
            output,
            output_shape: shapes[graph.output().index()].clone(),
            values,
            node_names,
            constants: BTreeMap::new(),
        };
        // The value of each node: its own, or that of the node whose value it passes on.
        let mut held = named.clone();
        let mut untold = Vec::new();
        for id in leading_to(graph, graph.output()) {
            if id == graph.input() {
                continue;
            }
            let node = graph.node(id);
            writer.parameters.extend(&node.parameters);
            let of = |input: &NodeId| &shapes[input.index()][..];
            let parameters = || node.parameters.iter().map(|&p| &graph.parameters()[p]);
            let site = Site {
                node,
                inputs: node.inputs.iter().map(|i| &held[i.index()][..]).collect(),
                shapes: node.inputs.iter().map(of).collect(),
                output: &shapes[id.index()],
                parameters: parameters().map(|p| &p.name[..]).collect(),
                parameter_shapes: parameters().map(|p| &p.shape[..]).collect(),
                value: &named[id.index()],
            };
            match writer.written(&site) {
                Ok(value) => held[id.index()] = value,
                Err(detail) => untold.push(Untold {
                    node: node.name.clone(),
                    kind: node.op.kind(),
                    detail,
                }),
            }
        }
        if !untold.is_empty() {
            return Err(ExportError::Unsupported(untold));
        }
        writer.end(&held[graph.output().index()]);
        Ok(writer)
    }

    fn written(&mut self, site: &Site) -> Result<String, String> {
        for family in FAMILIES {
            if let Some(value) = family(self, site)? {
                return Ok(value);
            }
        }
        Err("which this program cannot write".into())
    }

    /// Sees to it that the logits are a value of their own name.
    fn end(&mut self, value: &str) {
        if value != self.output {
            let name = self.node_names.unique(&self.output);
            self.nodes.push(proto::Node {
                input: vec![value.into()],
                output: vec![self.output.clone()],
                name,
                op_type: "Identity".into(),
                ..proto::Node::default()
            });
        }
    }

    /// Writes an operator that computes a part of a node; its value.
    pub fn step(
        &mut self,
        site: &Site,
        step: &str,
        op: &str,
        inputs: &[&str],
        attributes: Vec<proto::Attribute>,
    ) -> String {
        self.steps(site, &[step], op, inputs, attributes).remove(0)
    }

    /// Writes an operator with a value for each of these names.
    pub fn steps(
        &mut self,
        site: &Site,
        steps: &[&str],
        op: &str,
        inputs: &[&str],
        attributes: Vec<proto::Attribute>,
    ) -> Vec<String> {
        let name = |step: &str| format!("{}/{step}", site.node.name);
        let values = steps.iter().map(|step| self.values.unique(&name(step)));
        let values: Vec<String> = values.collect();
        let node_name = self.node_names.unique(&name(steps[0]));
        self.push(node_name, op, inputs, values.clone(), attributes);
        values
    }

    /// Writes the operator whose value is that of the node.
    pub fn last(
        &mut self,
        site: &Site,
        op: &str,
        inputs: &[&str],
        attributes: Vec<proto::Attribute>,
    ) -> Written {
        let value = site.value.to_owned();
        let name = site.node.name.clone();
        self.push(name, op, inputs, vec![value.clone()], attributes);
        Ok(Some(value))
    }

    /// The same by an operator of this crate, which nothing else reads: for structures alone.
    pub fn own(
        &mut self,
        site: &Site,
        op: &str,
        inputs: &[&str],
        attributes: Vec<proto::Attribute>,
    ) -> Written {
        debug_assert!(self.purpose == Purpose::Structure, "others cannot read it");
        let value = self.last(site, op, inputs, attributes);
        let written = self.nodes.last_mut().expect("it was just written");
        written.domain = OWN_DOMAIN.into();
        value
    }

    fn push(
        &mut self,
        name: String,
        op: &str,
        inputs: &[&str],
        output: Vec<String>,
        attribute: Vec<proto::Attribute>,
    ) {
        self.nodes.push(proto::Node {
            input: inputs.iter().map(|&input| input.into()).collect(),
            output,
            name,
            op_type: op.into(),
            attribute,
            ..proto::Node::default()
        });
    }

    /// A constant of one number.
    pub fn scalar(&mut self, value: f32) -> String {
        self.constant(attribute::floats(&[], &[value]))
    }

    /// A constant array, row-major.
    pub fn floats(&mut self, shape: &[usize], values: &[f32]) -> String {
        self.constant(attribute::floats(shape, values))
    }

    /// A list of whole numbers, such as the sides of a shape, in which −1 is what the others leave.
    pub fn whole(&mut self, values: &[i64]) -> String {
        self.constant(attribute::whole(values))
    }

    fn constant(&mut self, tensor: proto::Tensor) -> String {
        let bytes = tensor.encode_to_vec();
        if let Some(name) = self.constants.get(&bytes) {
            return name.clone();
        }
        let wanted = format!("constant_{}", self.constants.len());
        let name = self.values.unique(&wanted);
        let node_name = self.node_names.unique(&wanted);
        let value = attribute::tensor("value", tensor);
        self.push(node_name, "Constant", &[], vec![name.clone()], vec![value]);
        self.constants.insert(bytes, name.clone());
        name
    }

    /// The value under another shape; of its sides one may be −1.
    pub fn reshape(&mut self, site: &Site, step: &str, value: &str, sides: &[i64]) -> String {
        let sides = self.whole(sides);
        self.step(site, step, "Reshape", &[value, &sides], vec![])
    }

    /// The value with its axes in another order.
    pub fn transpose(&mut self, site: &Site, step: &str, value: &str, axes: &[usize]) -> String {
        let order = attribute::ints("perm", axes);
        self.step(site, step, "Transpose", &[value], vec![order])
    }
}

impl Site<'_> {
    /// The only input and its shape.
    pub fn input(&self) -> (&str, &[usize]) {
        (self.inputs[0], self.shapes[0])
    }

    /// The sides of the only input, which is a feature map.
    pub fn map(&self) -> Result<[usize; 4], String> {
        let shape = self.shapes.first().copied().unwrap_or_default();
        shape
            .try_into()
            .map_err(|_| format!("which reads {shape:?} instead of feature maps"))
    }
}

/// The nodes that a node depends on, and itself, in order.
fn leading_to(graph: &Graph, end: NodeId) -> Vec<NodeId> {
    let mut needed = vec![false; graph.nodes().len()];
    needed[end.index()] = true;
    let ids: Vec<NodeId> = graph.ids().collect();
    for id in ids.iter().rev() {
        if needed[id.index()] {
            for input in &graph.node(*id).inputs {
                needed[input.index()] = true;
            }
        }
    }
    ids.into_iter().filter(|id| needed[id.index()]).collect()
}
