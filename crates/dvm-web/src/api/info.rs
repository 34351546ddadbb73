//! Lists of networks, classes, methods, metrics and colours.

#![expect(unused_qualifications, reason = "utoipa's macros write whole paths")]

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use dvm::{Classifier, OptionSpec, methods, metrics, preprocess_in_words};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::server::{Problem, Server};
use crate::view::{Colours, colours};

/// Everything that the page needs before its first request.
#[derive(Serialize, ToSchema)]
pub(super) struct Info {
    version: &'static str,
    models: Vec<Model>,
    methods: Vec<Method>,
    metrics: Vec<Metric>,
    #[schema(value_type = Object)]
    colours: Colours,
    limits: Bounds,
}

/// A network.
#[derive(Serialize, ToSchema)]
struct Model {
    name: String,
    /// `[C, H, W]` of its input.
    input: [usize; 3],
    /// The number of its classes.
    classes: usize,
    /// The preprocessing in words.
    preprocessing: String,
    /// Warnings, such as assumptions about the network.
    warnings: Vec<String>,
}

/// A method.
#[derive(Serialize, ToSchema)]
struct Method {
    name: &'static str,
    title: &'static str,
    summary: &'static str,
    family: &'static str,
    reference: String,
    cost: &'static str,
    networks: &'static str,
    options: Vec<MethodOption>,
}

/// An option of a method.
#[derive(Serialize, ToSchema)]
struct MethodOption {
    name: &'static str,
    takes: String,
    default: &'static str,
    help: &'static str,
}

/// A metric.
#[derive(Serialize, ToSchema)]
struct Metric {
    name: &'static str,
    title: &'static str,
    summary: &'static str,
}

/// Limits of one request.
#[derive(Serialize, ToSchema)]
struct Bounds {
    /// Bytes of a picture file.
    bytes: usize,
    /// Pixels of a picture.
    pixels: u64,
}

fn model(name: &str, classifier: &Classifier) -> Model {
    let preprocess = classifier.preprocess();
    let (height, width) = preprocess.crop;
    Model {
        name: name.to_owned(),
        input: [preprocess.channels.count(), height, width],
        classes: classifier.classes().len(),
        preprocessing: preprocess_in_words(preprocess),
        warnings: classifier.warnings().collect(),
    }
}

fn option(spec: &OptionSpec) -> MethodOption {
    MethodOption {
        name: spec.name,
        takes: spec.takes.to_string(),
        default: spec.default,
        help: spec.help,
    }
}

fn method(entry: &methods::MethodEntry) -> Method {
    let reference = &entry.reference;
    Method {
        name: entry.name,
        title: entry.title,
        summary: entry.summary,
        family: entry.family.name(),
        reference: format!(
            "{} {}, {}, {}",
            reference.authors, reference.year, reference.title, reference.published
        ),
        cost: entry.cost,
        networks: entry.networks,
        options: entry.options.iter().map(option).collect(),
    }
}

/// Networks, methods, metrics and limits.
#[utoipa::path(get, path = "/api/info", responses((status = 200, body = Info)))]
pub(super) async fn info(State(server): State<Arc<Server>>) -> Json<Info> {
    let models = server.models.iter();
    Json(Info {
        version: env!("CARGO_PKG_VERSION"),
        models: models
            .map(|(name, classifier)| model(name, classifier))
            .collect(),
        methods: methods::ALL.iter().map(method).collect(),
        metrics: metrics::registry::ALL
            .iter()
            // Pictures on the page have no regions.
            .filter(|entry| entry.needs != metrics::registry::Needs::Region)
            .map(|entry| Metric {
                name: entry.name,
                title: entry.title,
                summary: entry.summary,
            })
            .collect(),
        colours: colours(),
        limits: Bounds {
            bytes: server.limits.body,
            pixels: server.limits.pixels,
        },
    })
}

/// The classes to list.
#[derive(Deserialize, IntoParams)]
pub(super) struct Search {
    /// Only classes whose name contains this, or that have this index.
    #[serde(default)]
    search: String,
    /// The maximum number of classes. Default: 50; at most 10,000.
    limit: Option<usize>,
}

/// A class of a network.
#[derive(Serialize, ToSchema)]
pub(super) struct Class {
    index: usize,
    name: String,
}

/// The classes of a network.
#[utoipa::path(
    get,
    path = "/api/models/{model}/classes",
    params(("model" = String, Path, description = "Name of the network"), Search),
    responses((status = 200, body = Vec<Class>), (status = 404, description = "No such network"))
)]
pub(super) async fn classes(
    State(server): State<Arc<Server>>,
    Path(model): Path<String>,
    Query(Search { search, limit }): Query<Search>,
) -> Result<Json<Vec<Class>>, Problem> {
    let classifier = server.models.get(&model)?;
    let plain = |text: &str| text.replace('_', " ").to_lowercase();
    let wanted = plain(search.trim());
    let matches =
        |index: usize, name: &str| plain(name).contains(&wanted) || index.to_string() == wanted;
    let classes = classifier.classes().iter().enumerate();
    let found = classes
        .filter(|(index, name)| matches(*index, name))
        .map(|(index, name)| Class {
            index,
            name: name.clone(),
        });
    Ok(Json(found.take(limit.unwrap_or(50).min(10_000)).collect()))
}
