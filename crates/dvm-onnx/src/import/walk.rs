//! The walk over the nodes of a file, in order. Branches and functions are inlined.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use prost::Message;

use crate::import::input::InputSpec;
use crate::import::operators;
use crate::import::opset;
use crate::import::scope::Scope;
use crate::import::{Import, NodeContext, NodeError, Result, Value, invalid, unsupported};
use crate::proto;

/// A node, as the beginning of a sentence, and its error.
type Located = (String, NodeError);

/// The most nodes, those of functions counted at each call.
const MOST_STEPS: usize = 200_000;

/// The deepest nesting of functions and branches.
const DEEPEST: usize = 24;

impl<'a> Import<'a> {
    /// Imports the nodes that this output depends on; its value.
    ///
    /// # Errors
    /// The first node that is invalid.
    pub fn walk(
        &mut self,
        graph: &'a proto::Graph,
        opset: i64,
        input: &InputSpec,
        output: &'a str,
    ) -> Result<Value, Located> {
        let nowhere = |error| (String::new(), error);
        let mut scope = Scope::of_graph(graph).map_err(nowhere)?;
        let picture = Value::Computed(self.picture(input));
        if !scope.has_initializer(&input.name) {
            scope.define(&input.name, picture).map_err(nowhere)?;
        }
        let needed = needed_nodes(&graph.node, output);
        if let Some(other) = other_input(graph, &needed, &input.name) {
            return Err(nowhere(invalid(format!(
                "has the input `{}` beside the picture `{}`; export it with the picture as its only input \
                 and the other as a constant",
                other, input.name
            ))));
        }
        let nodes = graph.node.iter().zip(needed);
        let nodes = nodes.filter_map(|(node, needed)| needed.then_some(node));
        let mut names = names_read(nodes.clone());
        names.push(output);
        self.read = names.iter().copied().collect();
        scope.expect(names);
        self.scopes.push(scope);
        for function in self.functions.values() {
            self.read
                .extend(function.output.iter().map(|name| &name[..]));
            self.read.extend(names_read(&function.node));
        }
        for node in nodes {
            self.node(node, opset, "", 0)?;
        }
        self.look_up(output).map_err(nowhere)
    }

    /// Imports one node; `prefix` is prepended to its name.
    fn node(
        &mut self,
        node: &'a proto::Node,
        opset: i64,
        prefix: &str,
        depth: usize,
    ) -> Result<(), Located> {
        let (name, values) = self.outputs_of(node, node, opset, prefix, depth)?;
        self.define(node, &name, values)?;
        self.finish(node);
        Ok(())
    }

    /// Drops the values that this node was the last to read.
    fn finish(&mut self, node: &proto::Node) {
        let scope = self.scopes.last_mut().expect("there is one");
        scope.finish(names_read([node]));
    }

    fn define(
        &mut self,
        node: &proto::Node,
        name: &str,
        values: Vec<Value>,
    ) -> Result<(), Located> {
        let at = |error| (location(node, name), error);
        let scope = self.scopes.last_mut().expect("there is one");
        let mut values = values.into_iter();
        for output in &node.output {
            let value = values.next().unwrap_or(Value::Unknown);
            if !output.is_empty() {
                scope.define(output, value).map_err(at)?;
            }
        }
        Ok(())
    }

    /// The name of a node and the values of its outputs; `own` is the node as it is in the file, for its graphs.
    fn outputs_of(
        &mut self,
        node: &proto::Node,
        own: &'a proto::Node,
        opset: i64,
        prefix: &str,
        depth: usize,
    ) -> Result<(String, Vec<Value>), Located> {
        self.steps += 1;
        let name = node_name(node, prefix);
        let at = |error| (location(node, &name), error);
        if self.steps > MOST_STEPS {
            let detail =
                format!("exceeds the limit of {MOST_STEPS} steps; functions count at each call");
            return Err(at(NodeError::TooLarge(detail)));
        }
        let mut inputs = Vec::with_capacity(node.input.len());
        for input in &node.input {
            inputs.push(match &input[..] {
                "" => None,
                input => match self.look_up(input) {
                    Ok(value) => Some(value),
                    Err(NodeError::Unsupported(detail)) => {
                        self.unsupported.add(&node.op_type, &detail, &name);
                        Some(Value::Unknown)
                    }
                    Err(error) => return Err(at(error)),
                },
            });
        }
        let key = (&node.domain[..], &node.op_type[..]);
        if let Some(&function) = self.functions.get(&key) {
            let values = self.call(function, node, inputs, &name, depth)?;
            return Ok((name, values));
        }
        let is_own = matches!(&node.domain[..], "" | "ai.onnx");
        if is_own && node.op_type == "If" {
            let values = self.branch(own, inputs, opset, &name, depth)?;
            return Ok((name, values));
        }
        let Some(operator) = operators::find(&node.domain, &node.op_type) else {
            let kind = match is_own {
                true => node.op_type.clone(),
                false => format!("{}.{}", node.domain, node.op_type),
            };
            self.unsupported
                .add(&kind, operators::advice(&node.domain), &name);
            return Ok((name, vec![Value::Unknown; node.output.len()]));
        };
        let used = node.output.iter();
        let used = used.map(|name| !name.is_empty() && self.read.contains(&name[..]));
        let used: Vec<bool> = used.collect();
        // Errors that follow from a reported node are not reported, except those about attributes.
        let follows_reported = inputs
            .iter()
            .flatten()
            .any(|input| matches!(input, Value::Unknown));
        let ctx = NodeContext {
            node,
            name: &name,
            opset,
            inputs,
            used: &used,
        };
        let mut given = ctx.inputs.iter().flatten();
        let has_versions = given.any(|input| matches!(input, Value::Versions(_)));
        let taken = match has_versions {
            true => self.on_versions(operator, &ctx),
            false => operator(self, &ctx),
        };
        let taken = match taken {
            Err(NodeError::Unsupported(_)) if are_constants(&ctx) => self.fold(operator, &ctx),
            Ok(_) | Err(NodeError::Invalid(_)) if follows_reported => Err(NodeError::Reported),
            taken => taken,
        };
        match taken {
            Ok(values) => {
                self.propagate_quantisation(node);
                Ok((name, values))
            }
            Err(NodeError::Unsupported(detail)) => {
                self.unsupported.add(&node.op_type, &detail, &name);
                let unknown = vec![Value::Unknown; node.output.len()];
                Ok((name, unknown))
            }
            Err(NodeError::Reported) => Ok((name, vec![Value::Unknown; node.output.len()])),
            Err(error) => Err(at(error)),
        }
    }

    /// The branch of an `If` with a constant condition.
    fn branch(
        &mut self,
        node: &'a proto::Node,
        inputs: Vec<Option<Value>>,
        opset: i64,
        name: &str,
        depth: usize,
    ) -> Result<Vec<Value>, Located> {
        let at = |error| (location(node, name), error);
        if let Some(Some(Value::Unknown)) = inputs.first() {
            return Ok(vec![Value::Unknown; node.output.len()]);
        }
        let condition = match inputs.first() {
            Some(Some(Value::Constant(array))) => array.as_known().map_err(at)?.first().copied(),
            _ => None,
        };
        let Some(condition) = condition else {
            let detail = "has a condition that is computed from the picture";
            self.unsupported.add("If", detail, name);
            return Ok(vec![Value::Unknown; node.output.len()]);
        };
        if depth >= DEEPEST {
            return Err(at(invalid(format!(
                "is nested more than {DEEPEST} levels deep"
            ))));
        }
        let wanted = if condition != 0 {
            "then_branch"
        } else {
            "else_branch"
        };
        let graph = node
            .attribute
            .iter()
            .find(|a| a.name == wanted)
            .and_then(|a| a.g.as_deref());
        let graph = graph.ok_or_else(|| at(invalid(format!("has no {wanted}"))))?;
        let mut scope = Scope::of_graph(graph).map_err(at)?;
        let mut names = names_read(&graph.node);
        names.extend(graph.output.iter().map(|output| &output.name[..]));
        scope.expect(names);
        self.scopes.push(scope);
        for inner in &graph.node {
            self.node(inner, opset, prefix(name), depth + 1)?;
        }
        let outputs = graph.output.iter().map(|output| self.look_up(&output.name));
        let values: Result<Vec<Value>> = outputs.collect();
        self.scopes.pop();
        values.map_err(at)
    }

    /// Inlines a call of a function of the file.
    fn call(
        &mut self,
        function: &'a proto::Function,
        call: &proto::Node,
        inputs: Vec<Option<Value>>,
        name: &str,
        depth: usize,
    ) -> Result<Vec<Value>, Located> {
        let at = |error| (location(call, name), error);
        if depth >= DEEPEST {
            return Err(at(invalid(format!(
                "calls functions nested more than {DEEPEST} levels deep"
            ))));
        }
        let mut scope = Scope::of_function();
        let mut given = inputs.into_iter();
        let mut left_out = HashSet::new();
        for input in &function.input {
            match given.next().flatten() {
                Some(value) => scope.define(input, value).map_err(at)?,
                None => {
                    left_out.insert(&input[..]);
                }
            }
        }
        let mut names = names_read(&function.node);
        names.extend(function.output.iter().map(|name| &name[..]));
        scope.expect(names);
        self.scopes.push(scope);
        let opset = opset(&function.opset_import);
        let attributes = || call.attribute.iter().chain(&function.attribute_proto);
        for own in &function.node {
            let mut node = Cow::Borrowed(own);
            let refers = own.attribute.iter().any(|a| !a.ref_attr_name.is_empty());
            if refers || own.input.iter().any(|input| left_out.contains(&input[..])) {
                // Each call copies large constants, which counts as memory.
                self.graph.reserve(own.encoded_len()).map_err(at)?;
                let node = node.to_mut();
                for attribute in std::mem::take(&mut node.attribute) {
                    let name = attribute.ref_attr_name.clone();
                    if name.is_empty() {
                        node.attribute.push(attribute);
                    } else if let Some(found) = attributes().find(|a| a.name == name) {
                        node.attribute.push(proto::Attribute {
                            name: attribute.name,
                            ..found.clone()
                        });
                    }
                }
                for input in &mut node.input {
                    if left_out.contains(&input[..]) {
                        input.clear();
                    }
                }
            }
            let (name, values) = self.outputs_of(&node, own, opset, prefix(name), depth + 1)?;
            self.define(&node, &name, values)?;
            self.finish(own);
        }
        let outputs = function.output.iter().map(|output| self.look_up(output));
        let values: Result<Vec<Value>> = outputs.collect();
        self.scopes.pop();
        match values {
            Err(NodeError::Unsupported(detail)) => Err(at(unsupported(detail))),
            values => values.map_err(at),
        }
    }
}

/// Whether all inputs of a node are constants.
fn are_constants(ctx: &NodeContext) -> bool {
    let mut inputs = ctx.inputs.iter().flatten();
    inputs.all(|input| matches!(input, Value::Constant(_)))
}

/// The name of a node, or of its first output.
fn node_name(node: &proto::Node, prefix: &str) -> String {
    let own = match (&node.name[..], node.output.first()) {
        ("", Some(output)) if !output.is_empty() => &output[..],
        ("", _) => &node.op_type[..],
        (name, _) => name,
    };
    // Names are shown to people, so those of hostile files are shortened.
    let own: String = own.chars().filter(|c| !c.is_control()).take(200).collect();
    match prefix {
        "" => own,
        prefix => format!("{prefix}/{own}"),
    }
}

/// The name of a call as a prefix of the nodes inside, if it is short.
fn prefix(name: &str) -> &str {
    if name.len() > 200 { "" } else { name }
}

fn location(node: &proto::Node, name: &str) -> String {
    format!("node `{name}` ({}) ", node.op_type)
}

/// An input that these nodes read, other than the picture and the initializers.
fn other_input<'n>(graph: &'n proto::Graph, needed: &[bool], picture: &str) -> Option<&'n str> {
    let nodes = graph.node.iter().zip(needed);
    let nodes = nodes.filter_map(|(node, needed)| needed.then_some(node));
    let read: HashSet<&str> = names_read(nodes).into_iter().collect();
    let initializers = graph.initializer.iter().map(|tensor| &tensor.name[..]);
    let given: HashSet<&str> = initializers.chain([picture]).collect();
    let mut inputs = graph.input.iter().map(|input| &input.name[..]);
    inputs.find(|name| read.contains(name) && !given.contains(name))
}

/// Which nodes this output depends on.
fn needed_nodes(nodes: &[proto::Node], output: &str) -> Vec<bool> {
    let mut makers: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, node) in nodes.iter().enumerate() {
        for name in &node.output {
            makers.entry(name).or_default().push(index);
        }
    }
    let mut needed = vec![false; nodes.len()];
    let mut names = vec![output];
    let mut seen = HashSet::new();
    while let Some(name) = names.pop() {
        if !seen.insert(name) {
            continue;
        }
        for &index in makers.get(name).into_iter().flatten() {
            if !needed[index] {
                needed[index] = true;
                read_by(&nodes[index], &mut names);
            }
        }
    }
    needed
}

/// The names that nodes read, including those in their graphs.
fn names_read<'n>(nodes: impl IntoIterator<Item = &'n proto::Node>) -> Vec<&'n str> {
    let mut names = Vec::new();
    for node in nodes {
        read_by(node, &mut names);
    }
    names
}

/// The names that a node reads, including those in its graphs.
fn read_by<'n>(node: &'n proto::Node, names: &mut Vec<&'n str>) {
    names.extend(node.input.iter().map(|name| &name[..]));
    for graph in node
        .attribute
        .iter()
        .filter_map(|attribute| attribute.g.as_deref())
    {
        names.extend(graph.output.iter().map(|output| &output.name[..]));
        for inner in &graph.node {
            read_by(inner, names);
        }
    }
}
