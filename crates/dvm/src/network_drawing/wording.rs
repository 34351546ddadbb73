//! The text in the boxes of a drawing.

use dvm_engine::ops::Class;
use dvm_engine::ops::attention::Attention;
use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::ops::pool::{Pool, Reduction, Windows};
use dvm_engine::ops::window_attention::WindowAttention;
use dvm_engine::{BlockOutput, Graph, Node, NodeId, Role};
use dvm_render::DiagramBox;

/// Kinds of boxes, in the order of their colours.
pub const KINDS: [&str; 9] = [
    "input",
    "convolution",
    "linear",
    "attention",
    "pool",
    "sum, product, concatenation",
    "normalisation, activation",
    "several layers",
    "other",
];

const SEVERAL: usize = 7;

/// The maximum length of a name in a tooltip.
const TIP: usize = 300;

/// The name of a stage.
pub fn stage(end: &BlockOutput) -> String {
    let stride = match end.stride {
        (down, across) if down == across => down.to_string(),
        (down, across) => format!("{down} × {across}"),
    };
    let (rows, columns) = (end.map.layout.rows, end.map.layout.columns);
    let channels = end.map.channels;
    format!(
        "stage {} · stride {stride} · {channels} × {rows} × {columns}",
        end.stage
    )
}

/// The box of these nodes; the caller sets the band.
pub fn boxed(graph: &Graph, shapes: &[Vec<usize>], group: &[NodeId]) -> DiagramBox {
    let nodes: Vec<&Node> = group.iter().map(|&id| graph.node(id)).collect();
    let Some(last) = group.last() else {
        return DiagramBox::default();
    };
    let heavy: Vec<&&Node> = nodes.iter().filter(|node| kind(node) != 6).collect();
    let main = heavy.first().map_or(nodes[0], |node| **node);
    let shape = sides(&shapes[last.index()]);
    let names = [nodes[0], nodes[nodes.len() - 1]].map(|node| clipped(&node.name));
    let tip = match &names[..] {
        [first, last] if first != last => format!("{first} … {last}"),
        _ => names[0].clone(),
    };
    let parameters = parameters(graph, &nodes);
    let (title, lines, kind) = if heavy.len() > 1 {
        let names: Vec<&str> = nodes.iter().map(|node| &node.name[..]).collect();
        (shared(&names), vec![summed(&heavy), shape], SEVERAL)
    } else {
        let others = nodes.iter().filter(|node| !std::ptr::eq(**node, main));
        let mut words = vec![described(graph, main)];
        words.extend(others.filter_map(|node| briefly(node)));
        words.dedup();
        (
            short(&main.name),
            vec![words.join(" · "), shape],
            kind(main),
        )
    };
    let tip = match parameters {
        0 => tip,
        count => format!("{tip}: {count} parameters"),
    };
    let mut lines: Vec<String> = lines.into_iter().filter(|line| !line.is_empty()).collect();
    if kind == SEVERAL && parameters > 0 {
        lines.push(format!("{:.2} M parameters", parameters as f64 / 1e6));
    }
    DiagramBox {
        title,
        lines,
        tip,
        kind,
        band: None,
    }
}

fn kind(node: &Node) -> usize {
    match node.op.class() {
        Class::Input => 0,
        Class::Convolution => 1,
        Class::Linear | Class::MatrixProduct => 2,
        Class::Attention | Class::WindowAttention => 3,
        Class::Pooling => 4,
        Class::Sum => 5,
        Class::Arithmetic if node.inputs.len() > 1 => 5,
        Class::Copying if node.op.kind() == "concat" => 5,
        Class::Normalisation
        | Class::Activation
        | Class::Softmax
        | Class::Arithmetic
        | Class::Identity
        | Class::Rearrangement => 6,
        Class::Constant | Class::Resampling | Class::Padding | Class::Copying => 8,
    }
}

/// `64 × 112 × 112`: the shape without the batch.
fn sides(shape: &[usize]) -> String {
    let sides: Vec<String> = shape.iter().skip(1).map(usize::to_string).collect();
    sides.join(" × ")
}

/// A layer in a few words.
fn described(graph: &Graph, node: &Node) -> String {
    let by = |(rows, columns): (usize, usize)| format!("{rows}×{columns}");
    let stepping = |(down, across): (usize, usize)| match (down, across) {
        (1, 1) => String::new(),
        _ if down == across => format!(", stride {down}"),
        _ => format!(", stride {}", by((down, across))),
    };
    if let Some(conv) = node.op_as::<Conv2d>() {
        let dilated = match conv.dilation {
            (1, 1) => String::new(),
            dilation => format!(", dilated {}", by(dilation)),
        };
        let weight = node.parameters.first();
        let filters = weight.map_or(0, |&index| graph.parameters()[index].shape[0]);
        let (kind, groups) = match conv.groups {
            1 => ("conv", String::new()),
            groups if groups == filters => ("depthwise", String::new()),
            groups => ("conv", format!(", {groups} groups")),
        };
        let (kernel, stride) = (by(conv.kernel), stepping(conv.stride));
        return format!("{kind} {kernel}{stride}{dilated}{groups}");
    }
    if let Some(pool) = node.op_as::<Pool>() {
        let how = match pool.reduction {
            Reduction::Max => "max",
            Reduction::Mean { .. } => "mean",
        };
        return match pool.windows {
            Windows::Sliding { kernel, stride, .. } => {
                format!("{how} pool {}{}", by(kernel), stepping(stride))
            }
            Windows::Adaptive { output: (1, 1) } => format!("global {how}"),
            Windows::Adaptive { output } => format!("{how} pool to {}", by(output)),
        };
    }
    if let Some(attention) = node.op_as::<Attention>() {
        return format!("attention, {} heads", attention.heads);
    }
    if let Some(attention) = node.op_as::<WindowAttention>() {
        let shifted = if attention.shift > 0 { "shifted " } else { "" };
        let (side, heads) = (attention.window, attention.heads);
        return format!("{shifted}{side}×{side} windows, {heads} heads");
    }
    match node.op.kind() {
        "input" => "the picture".into(),
        "add" => "sum".into(),
        "mul" => "product".into(),
        kind => briefly(node).unwrap_or_else(|| kind.replace('_', " ")),
    }
}

/// A layer that shares a box, in one word; `None` if it only acts in training.
fn briefly(node: &Node) -> Option<String> {
    Some(match node.op.kind() {
        "dropout" | "stochastic_depth" => return None,
        "batch_norm" => "norm".into(),
        "layer_norm" => "layer norm".into(),
        kind => kind.replace('_', " "),
    })
}

/// The number of layers of each kind: `3 conv2d, 1 add`.
fn summed(nodes: &[&&Node]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for node in nodes {
        let kind = node.op.kind();
        match counts.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += 1,
            None => counts.push((kind, 1)),
        }
    }
    counts.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    let more = counts.len() > 3;
    counts.truncate(3);
    let all = counts
        .iter()
        .map(|(kind, count)| format!("{count} {}", kind.replace('_', " ")));
    let end = if more { ", …" } else { "" };
    all.collect::<Vec<_>>().join(", ") + end
}

fn parameters(graph: &Graph, nodes: &[&Node]) -> usize {
    let all = nodes.iter().flat_map(|node| &node.parameters);
    let all = all.map(|&index| &graph.parameters()[index]);
    let trained = all.filter(|parameter| parameter.role != Role::Statistic);
    trained
        .map(|parameter| parameter.shape.iter().product::<usize>())
        .sum()
}

/// The common start of the first and the last name, or else the last name.
fn shared(names: &[&str]) -> String {
    let (first, last) = (names[0], names[names.len() - 1]);
    let mark = if first.contains('/') { '/' } else { '.' };
    let pairs = first.split(mark).zip(last.split(mark));
    let alike: Vec<&str> = pairs.take_while(|(a, b)| a == b).map(|(a, _)| a).collect();
    let path = alike.join(if mark == '/' { "/" } else { "." });
    if path.trim_matches('/').is_empty() {
        return format!("… {}", short(last));
    }
    short(&path)
}

/// A name that fits into a box: of a long name, the end.
fn short(name: &str) -> String {
    const ROOM: usize = 33;
    let name = name.trim_start_matches('/');
    let count = name.chars().count();
    if count <= ROOM {
        return name.to_owned();
    }
    let end: String = name.chars().skip(count - ROOM + 1).collect();
    format!("…{end}")
}

fn clipped(name: &str) -> String {
    name.chars().take(TIP).collect()
}
