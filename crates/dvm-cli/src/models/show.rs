//! `dvm models show`: facts about a network, its layers, and a drawing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::details::{Details, Field, Layer, Output};
use super::{giga, millions, percent};
use crate::failure::Failure;
use crate::options::whole;
use crate::report::{self, Align, table};

#[derive(Args)]
pub struct Arguments {
    /// Network: a name or a file
    #[arg(value_name = "NAME|FILE", default_value = dvm::DEFAULT_MODEL)]
    #[arg(value_hint = ValueHint::FilePath)]
    name: String,
    /// Network in a file that holds several: ema, raw, teacher, student or a prefix
    ///
    /// A prefix is the start of the names in the file, such as state_dict_ema [default: the averaged
    /// network, or the teacher]
    #[arg(long, value_name = "NAME")]
    part: Option<String>,
    /// List the class names with their indices instead
    #[arg(long)]
    class_names: bool,
    /// SVG file for a drawing of the graph
    #[arg(long, value_name = "FILE.svg", value_hint = ValueHint::FilePath)]
    graph: Option<PathBuf>,
    /// Draw layers with the same first N parts of their names as one box, 1 to 255
    ///
    /// With 2, all layers whose names begin with `layer1.0` are one box [default: the largest number
    /// with at most 80 boxes]
    #[arg(long, value_name = "N", requires = "graph", value_parser = whole::<u8>(1, 255))]
    depth: Option<u8>,
    /// Print the facts as JSON
    #[arg(long)]
    json: bool,
}

/// Prints facts about the network and draws it.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (details, graph) = Details::of(
        &arguments.name,
        arguments.part.as_deref(),
        arguments.class_names,
    )?;
    if let Some(file) = &arguments.graph {
        let (height, width) = details.preprocess.crop;
        let depth = arguments.depth.map(usize::from);
        let input = [1, details.preprocess.channels.count(), height, width];
        let svg = dvm::draw_network(&graph, &details.summary.name, &input, depth)?;
        dvm::write_atomic(file, svg.as_bytes()).map_err(|source| dvm::Error::Save {
            path: file.clone(),
            source,
        })?;
    }
    if arguments.json {
        return report::print_json(&details);
    }
    Ok(report::print(&match &details.class_names {
        Some(names) => numbered(names),
        None => shown(&details),
    })?)
}

fn shown(model: &Details) -> String {
    let (summary, published) = (&model.summary, &model.published);
    let paper = summary.paper.iter();
    let paper = paper.map(|p| format!("{}, https://arxiv.org/abs/{}", p.title, p.arxiv));
    let mut facts: Vec<(&str, String)> = paper.map(|paper| ("paper", paper)).collect();
    facts.extend([
        ("parameters", millions(summary.parameters)),
        ("multiply-adds", giga(summary.multiply_adds)),
    ]);
    let top1 = summary.top1.map(percent).into_iter();
    let top1 = top1.map(|top1| ("top-1", format!("{top1} on ImageNet, as published")));
    if let Some(own) = &model.weights {
        let from = own.source.iter().map(|source| format!(", from {source}"));
        let weights = [own.file.clone()].into_iter().chain(from).collect();
        facts.extend([("weights", weights), ("SHA-256", own.sha256.clone())]);
        facts.extend(
            own.part
                .iter()
                .map(|part| ("part of the file", part.clone())),
        );
        facts.extend(own.licence.iter().map(|l| ("licence", l.clone())));
    } else if let Some(published) = published {
        let weights = match &published.path {
            Some(path) => format!("{}, fetched: {}", published.tag, path.display()),
            None => format!(
                "published as {}; fetch it with `dvm models fetch {}`",
                published.file, summary.name
            ),
        };
        facts.extend([("weights", weights), ("licence", published.licence.into())]);
    }
    facts.extend(top1);
    facts.extend([
        ("preprocessing", dvm::preprocess_in_words(&model.preprocess)),
        (
            "classes",
            format!("{}; --class-names lists them", model.classes),
        ),
    ]);
    if let Some(last) = &model.last_feature_map {
        facts.push(("last feature map", placed(last)));
    }
    if let Some(layer) = &model.usual_layer {
        facts.push(("class activation maps", maps_at(model, layer)));
    }
    let facts: Vec<[String; 2]> = facts
        .into_iter()
        .map(|(fact, value)| [fact.into(), value])
        .collect();
    let outputs = stages(&model.block_outputs);
    format!(
        "{}\n\n{}\n{outputs}{}",
        summary.name,
        table([Align::Left; 2], &facts),
        layers(model)
    )
}

/// The stages, each with the node that ends it.
fn stages(outputs: &[Output]) -> String {
    if outputs.is_empty() {
        return String::new();
    }
    let mut rows = vec![["stage", "stride", "output", "ends with", "blocks"].map(String::from)];
    for end in outputs.iter().filter(|output| output.ends_stage) {
        let blocks = outputs.iter().filter(|output| output.stage == end.stage);
        rows.push([
            end.stage.to_string(),
            pair(end.stride),
            sides(&[end.channels, end.rows, end.columns]),
            end.node.clone(),
            blocks.count().to_string(),
        ]);
    }
    let [left, right] = [Align::Left, Align::Right];
    table([right, right, right, left, right], &rows) + "\n"
}

/// All layers in a table, with a line between stages.
fn layers(model: &Details) -> String {
    let head = [
        "layer",
        "kind",
        "output",
        "parameters",
        "multiply-adds",
        "receptive field",
        "stride",
        "ends",
    ];
    let outputs = model.block_outputs.iter();
    let outputs: BTreeMap<&str, &Output> = outputs.map(|end| (&end.node[..], end)).collect();
    let last = model.last_feature_map.as_ref().map(|last| &last.node);
    let ends = |layer: &Layer| match outputs.get(&layer.name[..]) {
        Some(_) if last == Some(&layer.name) => "last feature map".into(),
        Some(output) if output.ends_stage => format!("stage {}", output.stage),
        Some(_) => "block".into(),
        None => String::new(),
    };
    let mut rows = vec![head.map(String::from)];
    rows.extend(model.nodes.iter().map(|layer| row(layer, ends(layer))));
    let [left, right] = [Align::Left, Align::Right];
    let columns = [left, left, right, right, right, right, right, left];
    let mut separated = String::new();
    let text = table(columns, &rows);
    let mut lines = text.lines();
    for line in lines.by_ref().take(1) {
        separated += line;
        separated.push('\n');
    }
    for (line, layer) in lines.zip(&model.nodes) {
        separated += line;
        separated.push('\n');
        let output = outputs.get(&layer.name[..]);
        if output.is_some_and(|output| output.ends_stage) {
            separated.push('\n');
        }
    }
    separated
}

fn row(layer: &Layer, ends: String) -> [String; 8] {
    let products = match layer.multiply_adds {
        0 => String::new(),
        count if count < 100_000 => count.to_string(),
        count => millions(usize::try_from(count).unwrap_or(usize::MAX)),
    };
    [
        layer.name.clone(),
        layer.kind.into(),
        sides(layer.shape.get(1..).unwrap_or_default()),
        match layer.parameters {
            0 => String::new(),
            count => count.to_string(),
        },
        products,
        field(layer.receptive_field),
        stride(layer.receptive_field),
        ends,
    ]
}

/// `435 × 435`, or `435 × 435, all` if the layer also depends on the whole picture.
fn field(field: Option<Field>) -> String {
    let Some(field) = field else {
        return "unknown".into();
    };
    let window = field.rows.zip(field.columns);
    let window = window.map(|(rows, columns)| format!("{} × {}", rows.size, columns.size));
    match (window, field.whole) {
        (Some(window), false) => window,
        (Some(window), true) => format!("{window}, all"),
        (None, true) => "all".into(),
        (None, false) => "nothing".into(),
    }
}

fn stride(field: Option<Field>) -> String {
    let strides = field.and_then(|field| field.rows.zip(field.columns));
    let strides = strides.map(|(rows, columns)| (rows.stride, columns.stride));
    strides.map(pair).unwrap_or_default()
}

/// Two numbers, or one if they are equal.
fn pair<T: PartialEq + std::fmt::Display>((down, across): (T, T)) -> String {
    if down == across {
        down.to_string()
    } else {
        format!("{down} × {across}")
    }
}

fn sides(shape: &[usize]) -> String {
    let sides: Vec<String> = shape.iter().map(usize::to_string).collect();
    sides.join(" × ")
}

/// Node, size and stride of a feature map.
fn placed(map: &Output) -> String {
    let size = sides(&[map.channels, map.rows, map.columns]);
    let tokens = match (map.axes.contains("tokens"), map.tokens_before) {
        (false, _) => String::new(),
        (true, 0) => ", as tokens".into(),
        (true, before) => format!(", as tokens after {before} without a position"),
    };
    format!("{}: {size}, stride {}{tokens}", map.node, pair(map.stride))
}

/// The default layer of class activation maps, and the layers to choose from.
fn maps_at(model: &Details, usual: &str) -> String {
    let others = model.nodes.iter().filter(|layer| layer.places.is_some());
    let module = usual.rsplit_once(['.', '/']).map(|(module, _)| module);
    let module = module.filter(|module| !module.is_empty());
    let module = module.map(|module| format!(", or a module such as {module}"));
    format!(
        "{usual}; --layer takes any of the {} layers with rows and columns{}",
        others.count(),
        module.unwrap_or_default()
    )
}

fn numbered(names: &[String]) -> String {
    let rows: Vec<[String; 2]> = names
        .iter()
        .enumerate()
        .map(|(index, name)| [index.to_string(), name.clone()])
        .collect();
    table([Align::Right, Align::Left], &rows)
}
