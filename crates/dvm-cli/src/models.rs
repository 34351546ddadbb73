//! `dvm models`: which networks there are and how each is built.

use std::path::PathBuf;

use clap::{Subcommand, ValueHint};
use dvm::engine::{self, Graph, Role, Tensor};
use dvm::models::{self, Architecture};
use dvm::{Classifier, Interpolation, Preprocess, Resize, weights};
use serde::Serialize;

use crate::failure::Failure;
use crate::report::{self, Align, table};
use crate::{convert, fetch};

#[derive(Subcommand)]
pub enum Command {
    /// All networks, with size, accuracy and paper
    List {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Bring published weights into the cache on this machine
    Fetch(fetch::Arguments),
    /// A network from one kind of file to another, with its classes and preprocessing
    Convert(convert::Arguments),
    /// One network: facts, preprocessing, classes, layers
    Show {
        /// Name of the network, or a weight file
        #[arg(value_name = "NAME|FILE", default_value = dvm::DEFAULT_MODEL)]
        #[arg(value_hint = ValueHint::FilePath)]
        name: String,
        /// List the names of the classes instead, each after its index
        #[arg(long)]
        class_names: bool,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
}

/// Prints one network or all.
pub fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::List { json } => {
            let all = models::all().map(Summary::of);
            let all: Vec<Summary> = all.collect::<Result<_, _>>()?;
            if json {
                return report::print_json(&all);
            }
            Ok(report::print(&list(&all))?)
        }
        Command::Fetch(arguments) => fetch::run(&arguments),
        Command::Convert(arguments) => convert::run(arguments),
        Command::Show {
            name,
            class_names,
            json,
        } => {
            let details = Details::of(&name, class_names)?;
            if json {
                return report::print_json(&details);
            }
            Ok(report::print(&if class_names {
                numbered(&details.class_names.unwrap_or_default())
            } else {
                shown(&details)
            })?)
        }
    }
}

/// A network in one line.
#[derive(Serialize)]
struct Summary {
    name: String,
    parameters: usize,
    /// Of one picture of the size it was published for.
    multiply_adds: u64,
    /// Top-1 accuracy on ImageNet's validation set in percent, of the published weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    top1: Option<f32>,
    embedded: bool,
    /// The published weights of it that lie in the cache, by tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    fetched: Option<&'static str>,
    /// Of a network of the zoo.
    #[serde(skip_serializing_if = "Option::is_none")]
    paper: Option<Paper>,
}

#[derive(Serialize)]
struct Paper {
    title: &'static str,
    arxiv: &'static str,
}

impl Summary {
    fn of(architecture: &'static Architecture) -> Result<Self, Failure> {
        let graph = graph(architecture)?;
        Self::with(
            Some(architecture),
            architecture.name,
            &graph,
            &architecture.usual().preprocess,
        )
    }

    fn with(
        architecture: Option<&'static Architecture>,
        name: &str,
        graph: &Graph,
        preprocess: &Preprocess,
    ) -> Result<Self, Failure> {
        let (height, width) = preprocess.crop;
        Ok(Self {
            name: name.to_owned(),
            parameters: trained(graph, 0..graph.parameters().len()),
            multiply_adds: graph
                .multiply_adds(&[1, 3, height, width])
                .map_err(dvm::Error::from)?,
            top1: architecture.map(|a| a.usual().top1),
            embedded: architecture.is_some_and(|a| a.embedded.is_some()),
            fetched: architecture.and_then(|a| Some(weights::fetched(a)?.0.tag)),
            paper: architecture.map(|architecture| Paper {
                title: architecture.paper.title,
                arxiv: architecture.paper.arxiv,
            }),
        })
    }
}

/// What stands for the file's name where the weights come with the program.
const EMBEDDED: &str = "embedded";

/// A network in full.
#[derive(Serialize)]
struct Details {
    #[serde(flatten)]
    summary: Summary,
    /// Of a network of the zoo.
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<Published>,
    /// The weights at hand, if there are any.
    weights: Option<Weights>,
    preprocess: Preprocess,
    classes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    class_names: Option<Vec<String>>,
    nodes: Vec<Layer>,
}

#[derive(Serialize)]
struct Published {
    tag: &'static str,
    file: &'static str,
    licence: &'static str,
    url: String,
    /// Where it lies if it was fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<PathBuf>,
}

impl Published {
    /// Those that were fetched, or else the usual.
    fn of(architecture: &'static Architecture) -> Self {
        let (published, cached) = weights::fetched(architecture)
            .map_or((architecture.usual(), None), |(p, cached)| {
                (p, Some(cached))
            });
        let address = weights::address(published);
        Self {
            tag: published.tag,
            file: address.file(),
            licence: published.licence,
            url: address.url(None),
            path: cached.map(|cached| cached.path),
        }
    }
}

#[derive(Serialize)]
struct Weights {
    file: String,
    sha256: String,
    source: Option<String>,
    licence: Option<String>,
}

#[derive(Serialize)]
struct Layer {
    name: String,
    kind: &'static str,
    shape: Vec<usize>,
    parameters: usize,
}

impl Details {
    /// Of a network by name, or of one in a weight file.
    fn of(name: &str, with_class_names: bool) -> Result<Self, Failure> {
        let unweighted = models::find(name).filter(|a| a.embedded.is_none());
        let (mut details, classes) = if let Some(architecture) = unweighted {
            let published = weights::fetched(architecture).map(|(published, _)| published);
            let published = published.unwrap_or(architecture.usual());
            let preprocess = published.preprocess.clone();
            (
                Self::with(
                    Some(architecture),
                    architecture.name,
                    &graph(architecture)?,
                    preprocess,
                )?,
                models::imagenet_classes(),
            )
        } else {
            let model = Classifier::open(name, None)?;
            report::warn_about(&model);
            let graph = model.network().graph();
            let details = Self::with(
                model.architecture(),
                model.name(),
                graph,
                model.preprocess().clone(),
            )?;
            let weights = Weights {
                file: model.weights_file().into(),
                sha256: model.weights_sha256().into(),
                source: model.weights_source().map(Into::into),
                licence: model.weights_licence().map(Into::into),
            };
            let mut details = Self {
                weights: Some(weights),
                ..details
            };
            if model.weights_file() != EMBEDDED {
                // Of these weights nobody has said how good they are.
                details.summary.top1 = None;
            }
            (details, model.classes().to_vec())
        };
        details.classes = classes.len();
        details.class_names = with_class_names.then_some(classes);
        Ok(details)
    }

    /// All but weights and classes.
    fn with(
        architecture: Option<&'static Architecture>,
        name: &str,
        graph: &Graph,
        preprocess: Preprocess,
    ) -> Result<Self, Failure> {
        let (height, width) = preprocess.crop;
        let shapes = graph
            .shapes(&[1, 3, height, width])
            .map_err(dvm::Error::from)?;
        let nodes = graph.nodes().iter().zip(shapes).map(|(node, shape)| Layer {
            name: node.name.clone(),
            kind: node.op.kind(),
            shape,
            parameters: trained(graph, node.parameters.iter().copied()),
        });
        Ok(Self {
            summary: Summary::with(architecture, name, graph, &preprocess)?,
            published: architecture.map(Published::of),
            weights: None,
            classes: 0,
            class_names: None,
            nodes: nodes.collect(),
            preprocess,
        })
    }
}

/// The graph as published, with zeros for weights: enough to count.
fn graph(architecture: &Architecture) -> Result<Graph, Failure> {
    let classes = models::imagenet_classes().len();
    let zeros = |parameter: &engine::Parameter| Ok(Tensor::zeros(&parameter.shape));
    let graph: Result<Graph, engine::Error> = Graph::new((architecture.build)(classes), zeros);
    Ok(graph.map_err(dvm::Error::from)?)
}

/// Number of values in these of the graph's parameters; running statistics are not trained and, as
/// in the papers, not counted.
fn trained(graph: &Graph, indices: impl Iterator<Item = usize>) -> usize {
    indices
        .map(|index| &graph.parameters()[index])
        .filter(|parameter| parameter.role != Role::Statistic)
        .map(|parameter| parameter.shape.iter().product::<usize>())
        .sum()
}

fn millions(count: usize) -> String {
    format!("{:.2} M", count as f64 / 1e6)
}

fn percent(value: f32) -> String {
    format!("{value:.1} %")
}

fn giga(count: u64) -> String {
    format!("{:.2} G", count as f64 / 1e9)
}

fn list(all: &[Summary]) -> String {
    let head = [
        "name",
        "parameters",
        "multiply-adds",
        "top-1",
        "weights",
        "paper",
    ];
    let mut rows = vec![head.map(String::from)];
    rows.extend(all.iter().map(|model| {
        [
            model.name.clone(),
            millions(model.parameters),
            giga(model.multiply_adds),
            model.top1.map(percent).unwrap_or_default(),
            match (model.embedded, model.fetched) {
                (true, _) => "embedded",
                (false, Some(_)) => "fetched",
                (false, None) => "a file",
            }
            .into(),
            model
                .paper
                .as_ref()
                .map(|p| format!("arXiv:{}", p.arxiv))
                .unwrap_or_default(),
        ]
    }));
    let [left, right] = [Align::Left, Align::Right];
    table([left, right, right, right, left, left], &rows)
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
        facts.extend(own.licence.iter().map(|l| ("licence", l.clone())));
    } else if let Some(published) = published {
        let weights = match &published.path {
            Some(path) => format!("{}, fetched: {}", published.tag, path.display()),
            None => format!(
                "published as {}; `dvm models fetch {}` brings it",
                published.file, summary.name
            ),
        };
        facts.extend([("weights", weights), ("licence", published.licence.into())]);
    }
    facts.extend(top1);
    facts.extend([
        ("pictures", prepared(&model.preprocess)),
        (
            "classes",
            format!("{}; --class-names lists them", model.classes),
        ),
    ]);
    let facts: Vec<[String; 2]> = facts
        .into_iter()
        .map(|(fact, value)| [fact.into(), value])
        .collect();
    let mut rows = vec![["layer", "kind", "output", "parameters"].map(String::from)];
    rows.extend(model.nodes.iter().map(|layer| {
        let shape: Vec<String> = layer.shape[1..].iter().map(usize::to_string).collect();
        [
            layer.name.clone(),
            layer.kind.into(),
            shape.join(" × "),
            layer.parameters.to_string(),
        ]
    }));
    let [left, right] = [Align::Left, Align::Right];
    format!(
        "{}\n\n{}\n{}",
        summary.name,
        table([left; 2], &facts),
        table([left, left, right, right], &rows)
    )
}

/// The preprocessing in one line.
fn prepared(preprocess: &Preprocess) -> String {
    let (height, width) = preprocess.crop;
    let resize = match preprocess.resize {
        Resize::ShortSide(side) => format!("short side to {side}, {}", filter(preprocess)),
        Resize::Exact(h, w) => format!("resized to {h} × {w}, {}", filter(preprocess)),
        Resize::None => "not resized".into(),
    };
    format!(
        "{resize}; centre of {height} × {width}; mean {}; standard deviation {}",
        rgb(preprocess.mean),
        rgb(preprocess.std)
    )
}

fn filter(preprocess: &Preprocess) -> &'static str {
    match preprocess.interpolation {
        Interpolation::Bilinear => "bilinear",
        Interpolation::Bicubic => "bicubic",
    }
}

fn rgb(values: [f32; 3]) -> String {
    let values = values.map(|value| format!("{value:.3}"));
    if values[0] == values[1] && values[1] == values[2] {
        return values[0].clone();
    }
    values.join(", ")
}

fn numbered(names: &[String]) -> String {
    let rows: Vec<[String; 2]> = names
        .iter()
        .enumerate()
        .map(|(index, name)| [index.to_string(), name.clone()])
        .collect();
    table([Align::Right, Align::Left], &rows)
}
