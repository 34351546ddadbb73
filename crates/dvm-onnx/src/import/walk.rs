//! The nodes of a file, one after the other; branches and functions are put in their place.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use prost::Message;

use super::opening::Opening;
use super::operators;
use super::scope::Scope;
use super::site::{Site, Value};
use super::trouble::{Trouble, invalid, unsupported};
use super::{Import, opset};
use crate::proto;

/// Trouble with the node that it is about.
type Located = (String, Trouble);

/// Nodes that may be taken over, those of functions at each call.
const MOST_STEPS: usize = 200_000;

/// Functions within functions, and branches within branches.
const DEEPEST: usize = 24;

impl<'a> Import<'a> {
    /// Takes over what the value of this name depends on.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn main(
        &mut self,
        graph: &'a proto::Graph,
        opset: i64,
        opening: &Opening,
        output: &'a str,
    ) -> Result<Value, Located> {
        let nowhere = |trouble| (String::new(), trouble);
        let mut scope = Scope::of_graph(graph).map_err(nowhere)?;
        let picture = Value::Computed(self.input(opening));
        if !scope.has_initializer(&opening.name) {
            scope.define(&opening.name, picture).map_err(nowhere)?;
        }
        let lives = live(&graph.node, output);
        if let Some(other) = other_input(graph, &lives, &opening.name) {
            return Err(nowhere(unsupported(format!(
                "takes `{}` as well as the picture `{}`; export it with the picture as its only input, the \
                 other as a constant",
                other, opening.name
            ))));
        }
        let mut names = vec![output];
        let nodes = graph.node.iter().zip(&lives).filter(|(_, lives)| **lives);
        nodes.for_each(|(node, _)| read_by(node, &mut names));
        self.read = names.iter().copied().collect();
        scope.expect(names);
        self.scopes.push(scope);
        for function in self.functions.values() {
            self.read
                .extend(function.output.iter().map(|name| &name[..]));
            let mut names = Vec::new();
            function
                .node
                .iter()
                .for_each(|node| read_by(node, &mut names));
            self.read.extend(names);
        }
        let nodes = graph.node.iter().zip(lives);
        for node in nodes.filter(|(_, lives)| *lives).map(|(node, _)| node) {
            self.node(node, opset, "", 0)?;
        }
        self.look_up(output).map_err(nowhere)
    }

    /// One node, whose name gets `prefix` before it.
    fn node(
        &mut self,
        node: &'a proto::Node,
        opset: i64,
        prefix: &str,
        depth: usize,
    ) -> Result<(), Located> {
        let (name, values) = self.taken(node, node, opset, prefix, depth)?;
        self.define(node, &name, values)?;
        self.finish(node);
        Ok(())
    }

    /// Gives back what was read by this node for the last time.
    fn finish(&mut self, node: &proto::Node) {
        let mut names = Vec::new();
        read_by(node, &mut names);
        let scope = self.scopes.last_mut().expect("there is one");
        scope.finish(names);
    }

    fn define(
        &mut self,
        node: &proto::Node,
        name: &str,
        values: Vec<Value>,
    ) -> Result<(), Located> {
        let place = |trouble| (place(node, name), trouble);
        let scope = self.scopes.last_mut().expect("there is one");
        let mut values = values.into_iter();
        for output in &node.output {
            let value = values.next().unwrap_or(Value::Unknown);
            if !output.is_empty() {
                scope.define(output, value).map_err(place)?;
            }
        }
        Ok(())
    }

    /// What a node's outputs stand for; `own` is the node as it stands in the file, for its graphs.
    fn taken(
        &mut self,
        node: &proto::Node,
        own: &'a proto::Node,
        opset: i64,
        prefix: &str,
        depth: usize,
    ) -> Result<(String, Vec<Value>), Located> {
        self.steps += 1;
        let name = called(node, prefix);
        let at = |trouble| (place(node, &name), trouble);
        if self.steps > MOST_STEPS {
            let detail =
                format!("takes more than {MOST_STEPS} steps, functions counted at each call");
            return Err(at(Trouble::TooLarge(detail)));
        }
        let mut inputs = Vec::with_capacity(node.input.len());
        for input in &node.input {
            inputs.push(match &input[..] {
                "" => None,
                input => match self.look_up(input) {
                    Ok(value) => Some(value),
                    Err(Trouble::Unsupported(detail)) => {
                        self.missing.add(&node.op_type, &detail, &name);
                        Some(Value::Unknown)
                    }
                    Err(trouble) => return Err(at(trouble)),
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
            self.missing
                .add(&kind, operators::advice(&node.domain), &name);
            return Ok((name, vec![Value::Unknown; node.output.len()]));
        };
        let used = node.output.iter();
        let used = used.map(|name| !name.is_empty() && self.read.contains(&name[..]));
        let used: Vec<bool> = used.collect();
        // What was told already hides what comes after it, but for what attributes alone say.
        let is_hidden = inputs
            .iter()
            .flatten()
            .any(|input| matches!(input, Value::Unknown));
        let site = Site {
            node,
            name: &name,
            opset,
            inputs,
            used: &used,
        };
        let mut given = site.inputs.iter().flatten();
        let has_copies = given.any(|input| matches!(input, Value::Copies(_)));
        let taken = match has_copies {
            true => self.of_copies(operator, &site),
            false => operator(self, &site),
        };
        let taken = match taken {
            Err(Trouble::Unsupported(_)) if are_constants(&site) => self.folded(operator, &site),
            Ok(_) | Err(Trouble::Invalid(_)) if is_hidden => Err(Trouble::Hidden),
            taken => taken,
        };
        match taken {
            Ok(values) => {
                self.pass_on_code(node);
                Ok((name, values))
            }
            Err(Trouble::Unsupported(detail)) => {
                self.missing.add(&node.op_type, &detail, &name);
                let unknown = vec![Value::Unknown; node.output.len()];
                Ok((name, unknown))
            }
            Err(Trouble::Hidden) => Ok((name, vec![Value::Unknown; node.output.len()])),
            Err(trouble) => Err(at(trouble)),
        }
    }

    /// The branch that a condition which is known takes.
    fn branch(
        &mut self,
        node: &'a proto::Node,
        inputs: Vec<Option<Value>>,
        opset: i64,
        name: &str,
        depth: usize,
    ) -> Result<Vec<Value>, Located> {
        let at = |trouble| (place(node, name), trouble);
        if let Some(Some(Value::Unknown)) = inputs.first() {
            return Ok(vec![Value::Unknown; node.output.len()]);
        }
        let condition = match inputs.first() {
            Some(Some(Value::Constant(array))) => array.as_known().map_err(at)?.first().copied(),
            _ => None,
        };
        let Some(condition) = condition else {
            let detail = "decides by what it computes of the picture";
            self.missing.add("If", detail, name);
            return Ok(vec![Value::Unknown; node.output.len()]);
        };
        if depth >= DEEPEST {
            return Err(at(invalid(format!("nests more than {DEEPEST} deep"))));
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
        let graph = graph.ok_or_else(|| at(invalid(format!("lacks its {wanted}"))))?;
        let mut scope = Scope::of_graph(graph).map_err(at)?;
        let mut names: Vec<&str> = graph.output.iter().map(|output| &output.name[..]).collect();
        graph.node.iter().for_each(|node| read_by(node, &mut names));
        scope.expect(names);
        self.scopes.push(scope);
        for inner in &graph.node {
            self.node(inner, opset, prefix(name), depth + 1)?;
        }
        let outputs = graph.output.iter().map(|output| self.look_up(&output.name));
        let values: Result<Vec<Value>, Trouble> = outputs.collect();
        self.scopes.pop();
        values.map_err(at)
    }

    /// A function of the file, with its nodes in place of the call.
    fn call(
        &mut self,
        function: &'a proto::Function,
        call: &proto::Node,
        inputs: Vec<Option<Value>>,
        name: &str,
        depth: usize,
    ) -> Result<Vec<Value>, Located> {
        let at = |trouble| (place(call, name), trouble);
        if depth >= DEEPEST {
            return Err(at(invalid(format!(
                "calls functions that call each other more than {DEEPEST} deep"
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
        let mut names: Vec<&str> = function.output.iter().map(|name| &name[..]).collect();
        function
            .node
            .iter()
            .for_each(|node| read_by(node, &mut names));
        scope.expect(names);
        self.scopes.push(scope);
        let opset = opset(&function.opset_import);
        let attributes = || call.attribute.iter().chain(&function.attribute_proto);
        for own in &function.node {
            let mut node = Cow::Borrowed(own);
            let refers = own.attribute.iter().any(|a| !a.ref_attr_name.is_empty());
            if refers || own.input.iter().any(|input| left_out.contains(&input[..])) {
                // Copies of large constants, call by call, count as memory.
                self.draft.keep(own.encoded_len()).map_err(at)?;
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
            let (name, values) = self.taken(&node, own, opset, prefix(name), depth + 1)?;
            self.define(&node, &name, values)?;
            self.finish(own);
        }
        let outputs = function.output.iter().map(|output| self.look_up(output));
        let values: Result<Vec<Value>, Trouble> = outputs.collect();
        self.scopes.pop();
        match values {
            Err(Trouble::Unsupported(detail)) => Err(at(unsupported(detail))),
            values => values.map_err(at),
        }
    }
}

/// Whether nothing that a node reads is computed of a picture.
fn are_constants(site: &Site) -> bool {
    let mut inputs = site.inputs.iter().flatten();
    inputs.all(|input| matches!(input, Value::Constant(_)))
}

/// What a node is called: by its own name, or its output's.
fn called(node: &proto::Node, prefix: &str) -> String {
    let own = match (&node.name[..], node.output.first()) {
        ("", Some(output)) if !output.is_empty() => &output[..],
        ("", _) => &node.op_type[..],
        (name, _) => name,
    };
    // Names are for people; those of hostile files are cut.
    let own: String = own.chars().filter(|c| !c.is_control()).take(200).collect();
    match prefix {
        "" => own,
        prefix => format!("{prefix}/{own}"),
    }
}

/// The name of a call before those of the nodes inside, as long as it is short.
fn prefix(name: &str) -> &str {
    if name.len() > 200 { "" } else { name }
}

fn place(node: &proto::Node, name: &str) -> String {
    format!("node `{name}` ({}) ", node.op_type)
}

/// An input that is neither the picture nor given by the file, and that these nodes read.
fn other_input<'n>(graph: &'n proto::Graph, lives: &[bool], picture: &str) -> Option<&'n str> {
    let mut read = Vec::new();
    for (node, _) in graph.node.iter().zip(lives).filter(|(_, lives)| **lives) {
        read_by(node, &mut read);
    }
    let read: HashSet<&str> = read.into_iter().collect();
    let initializers = graph.initializer.iter().map(|tensor| &tensor.name[..]);
    let given: HashSet<&str> = initializers.chain([picture]).collect();
    let mut inputs = graph.input.iter().map(|input| &input.name[..]);
    inputs.find(|name| read.contains(name) && !given.contains(name))
}

/// Which nodes the value of this name depends on.
fn live(nodes: &[proto::Node], output: &str) -> Vec<bool> {
    let mut makers: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, node) in nodes.iter().enumerate() {
        for name in &node.output {
            makers.entry(name).or_default().push(index);
        }
    }
    let mut lives = vec![false; nodes.len()];
    let mut names = vec![output];
    let mut seen = HashSet::new();
    while let Some(name) = names.pop() {
        if !seen.insert(name) {
            continue;
        }
        for &index in makers.get(name).into_iter().flatten() {
            if !lives[index] {
                lives[index] = true;
                read_by(&nodes[index], &mut names);
            }
        }
    }
    lives
}

/// The names that a node reads, also inside of its graphs.
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
