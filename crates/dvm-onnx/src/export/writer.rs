//! Writes the nodes of the engine as operators of ONNX.

use std::collections::{BTreeMap, BTreeSet};

use dvm_engine::{Graph, Node, NodeId};
use prost::Message;

use super::{ExportError, FAMILIES, Purpose, UnsupportedNode, attribute};
use crate::OWN_DOMAIN;
use crate::names::UniqueNames;
use crate::proto;

/// Writes a node if its op belongs to this family; returns the name of its value, or `None` for other ops.
pub(super) type Family = fn(&mut Writer, &ExportContext) -> Written;

/// The name of a value; or why the node cannot be written, as a predicate of the node.
pub(super) type Written = Result<Option<String>, String>;

/// A node about to be written.
pub(super) struct ExportContext<'a> {
    pub node: &'a Node,
    /// The names of its inputs.
    pub inputs: Vec<&'a str>,
    /// Their shapes for one picture.
    pub shapes: Vec<&'a [usize]>,
    /// The shape of its value for one picture.
    pub output: &'a [usize],
    /// The names of its parameters.
    pub parameters: Vec<&'a str>,
    /// Their shapes.
    pub parameter_shapes: Vec<&'a [usize]>,
    /// The name of its value.
    value: &'a str,
}

/// The operators written so far.
pub(super) struct Writer {
    pub purpose: Purpose,
    pub nodes: Vec<proto::Node>,
    /// Positions of the parameters that are read.
    pub parameters: BTreeSet<usize>,
    pub input: String,
    pub output: String,
    /// The shape of the output for one picture.
    pub output_shape: Vec<usize>,
    values: UniqueNames,
    node_names: UniqueNames,
    /// Names of constants by their bytes, to write equal ones once.
    constants: BTreeMap<Vec<u8>, String>,
}

impl Writer {
    /// Writes all nodes that the logits depend on.
    pub fn write(
        graph: &Graph,
        (height, width): (usize, usize),
        purpose: Purpose,
    ) -> Result<Self, ExportError> {
        let shapes = graph.shapes(&[1, graph.channels(), height, width])?;
        let mut values = UniqueNames::default();
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
        let mut node_names = UniqueNames::default();
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
        // The name of each node's value; an op that does nothing has the name of its input.
        let mut held = named.clone();
        let mut unsupported = Vec::new();
        for id in leading_to(graph, graph.output()) {
            if id == graph.input() {
                continue;
            }
            let node = graph.node(id);
            writer.parameters.extend(&node.parameters);
            let of = |input: &NodeId| &shapes[input.index()][..];
            let parameters = || node.parameters.iter().map(|&p| &graph.parameters()[p]);
            let ctx = ExportContext {
                node,
                inputs: node.inputs.iter().map(|i| &held[i.index()][..]).collect(),
                shapes: node.inputs.iter().map(of).collect(),
                output: &shapes[id.index()],
                parameters: parameters().map(|p| &p.name[..]).collect(),
                parameter_shapes: parameters().map(|p| &p.shape[..]).collect(),
                value: &named[id.index()],
            };
            match writer.written(&ctx) {
                Ok(value) => held[id.index()] = value,
                Err(detail) => unsupported.push(UnsupportedNode {
                    node: node.name.clone(),
                    kind: node.op.kind(),
                    detail,
                }),
            }
        }
        if !unsupported.is_empty() {
            return Err(ExportError::Unsupported(unsupported));
        }
        writer.end(&held[graph.output().index()]);
        Ok(writer)
    }

    fn written(&mut self, ctx: &ExportContext) -> Result<String, String> {
        for family in FAMILIES {
            if let Some(value) = family(self, ctx)? {
                return Ok(value);
            }
        }
        Err("has no counterpart in ONNX".into())
    }

    /// Gives the logits their name.
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

    /// Writes an operator that computes a part of a node; the name of its value.
    pub fn step(
        &mut self,
        ctx: &ExportContext,
        step: &str,
        op: &str,
        inputs: &[&str],
        attributes: Vec<proto::Attribute>,
    ) -> String {
        self.steps(ctx, &[step], op, inputs, attributes).remove(0)
    }

    /// Writes an operator with several outputs; their names.
    pub fn steps(
        &mut self,
        ctx: &ExportContext,
        steps: &[&str],
        op: &str,
        inputs: &[&str],
        attributes: Vec<proto::Attribute>,
    ) -> Vec<String> {
        let name = |step: &str| format!("{}/{step}", ctx.node.name);
        let values = steps.iter().map(|step| self.values.unique(&name(step)));
        let values: Vec<String> = values.collect();
        let node_name = self.node_names.unique(&name(steps[0]));
        self.push(node_name, op, inputs, values.clone(), attributes);
        values
    }

    /// Writes the last operator of a node, whose value is the node's.
    pub fn last(
        &mut self,
        ctx: &ExportContext,
        op: &str,
        inputs: &[&str],
        attributes: Vec<proto::Attribute>,
    ) -> Written {
        let value = ctx.value.to_owned();
        let name = ctx.node.name.clone();
        self.push(name, op, inputs, vec![value.clone()], attributes);
        Ok(Some(value))
    }

    /// Makes the operator that was just written one of this crate, which only structures may have.
    pub fn own(&mut self) {
        debug_assert!(self.purpose == Purpose::Structure, "only dvm reads it");
        let written = self.nodes.last_mut().expect("it was just written");
        written.domain = OWN_DOMAIN.into();
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

    /// A scalar constant.
    pub fn scalar(&mut self, value: f32) -> String {
        self.constant(attribute::floats(&[], &[value]))
    }

    /// A constant array, row-major.
    pub fn floats(&mut self, shape: &[usize], values: &[f32]) -> String {
        self.constant(attribute::floats(shape, values))
    }

    /// A constant vector of integers.
    pub fn integers(&mut self, values: &[i64]) -> String {
        self.constant(attribute::integers(values))
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

    /// The value under another shape, of which one side may be −1.
    pub fn reshape(
        &mut self,
        ctx: &ExportContext,
        step: &str,
        value: &str,
        sides: &[i64],
    ) -> String {
        let sides = self.integers(sides);
        self.step(ctx, step, "Reshape", &[value, &sides], vec![])
    }

    /// The value with its axes in another order.
    pub fn transpose(
        &mut self,
        ctx: &ExportContext,
        step: &str,
        value: &str,
        axes: &[usize],
    ) -> String {
        let order = attribute::ints("perm", axes);
        self.step(ctx, step, "Transpose", &[value], vec![order])
    }
}

impl ExportContext<'_> {
    /// The only input and its shape.
    pub fn input(&self) -> (&str, &[usize]) {
        (self.inputs[0], self.shapes[0])
    }

    /// The shape of the only input, a feature map.
    pub fn map(&self) -> Result<[usize; 4], String> {
        let shape = self.shapes.first().copied().unwrap_or_default();
        shape
            .try_into()
            .map_err(|_| format!("needs a feature map, but reads shape {shape:?}"))
    }

    /// The shape of the output, a feature map.
    pub fn output_map(&self) -> Result<[usize; 4], String> {
        let shape = self.output;
        shape
            .try_into()
            .map_err(|_| format!("computes shape {shape:?} instead of a feature map"))
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
