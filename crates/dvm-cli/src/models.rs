//! `dvm models`: the networks that dvm knows.

mod details;
mod show;

use clap::Subcommand;
use dvm::engine::{self, Graph, Role, Tensor};
use dvm::models::{self, Architecture};
use dvm::{Preprocess, weights};
use serde::Serialize;

use crate::failure::Failure;
use crate::report::{self, Align, table};
use crate::{convert, fetch};

#[derive(Subcommand)]
pub enum Command {
    /// List all networks with size, accuracy and paper
    List {
        /// Print the list as JSON
        #[arg(long)]
        json: bool,
    },
    /// Download published weights into the cache on this machine
    Fetch(fetch::Arguments),
    /// Convert a network to another file format, with its classes and preprocessing
    Convert(convert::Arguments),
    /// Show one network: facts, preprocessing, stages, layers; or draw it
    Show(show::Arguments),
}

/// Runs a subcommand of `dvm models`.
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
        Command::Show(arguments) => show::run(&arguments),
    }
}

/// A network in one line.
#[derive(Serialize)]
struct Summary {
    name: String,
    parameters: usize,
    /// For one input of the published size.
    multiply_adds: u64,
    /// Top-1 accuracy of the published weights on ImageNet's validation set, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    top1: Option<f32>,
    embedded: bool,
    /// Tag of its published weights in the cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    fetched: Option<&'static str>,
    /// Of a known architecture.
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
                .multiply_adds(&[1, preprocess.channels.count(), height, width])
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

/// The graph as published, with zeros as weights.
fn graph(architecture: &Architecture) -> Result<Graph, Failure> {
    let classes = models::imagenet_classes().len();
    let zeros = |parameter: &engine::Parameter| Ok(Tensor::zeros(&parameter.shape));
    let graph: Result<Graph, engine::Error> = Graph::new((architecture.build)(classes), zeros);
    Ok(graph.map_err(dvm::Error::from)?)
}

/// Number of values in these parameters of the graph. As in the papers, running statistics are not counted.
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
