//! V2, the Open Inference Protocol: health, metadata, `infer`. A network with a method is a separate model,
//! `resnet18:grad-cam`.

mod answer;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json as AxumJson, Router, routing};
use dvm::methods;
use serde::Deserialize;
use serde_json::{Value, json};

use answer::Job;

use super::binary;
use super::numbers::Tensor;
use super::request::{Model, Question, Scalar, Scalars};
use crate::models::shortened;
use crate::server::{Lane, Problem, Server, parse_json};

/// Every network has one version.
const VERSION: &str = "1";

/// The routes of the protocol that need the token.
pub fn routes() -> Router<Arc<Server>> {
    Router::new()
        .route("/v2", routing::get(server_metadata))
        .route("/v2/models", routing::get(list))
        .route("/v2/models/{model}", routing::get(metadata))
        .route("/v2/models/{model}/ready", routing::get(model_ready))
        .route("/v2/models/{model}/infer", routing::post(infer))
        .route(
            "/v2/models/{model}/versions/{version}",
            routing::get(metadata),
        )
        .route(
            "/v2/models/{model}/versions/{version}/ready",
            routing::get(model_ready),
        )
        .route(
            "/v2/models/{model}/versions/{version}/infer",
            routing::post(infer),
        )
}

/// Whether the server is live and ready.
pub fn health() -> Router<Arc<Server>> {
    Router::new()
        .route("/v2/health/live", routing::get(live))
        .route("/v2/health/ready", routing::get(server_ready))
}

async fn live() -> AxumJson<Value> {
    AxumJson(json!({ "live": true }))
}

async fn server_ready(State(server): State<Arc<Server>>) -> Response {
    let is_ready = !server.queue.is_closed();
    let status = match is_ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, AxumJson(json!({ "ready": is_ready }))).into_response()
}

async fn server_metadata() -> AxumJson<Value> {
    AxumJson(json!({
        "name": "dvm",
        "version": env!("CARGO_PKG_VERSION"),
        "extensions": ["binary_tensor_data"],
    }))
}

async fn list(State(server): State<Arc<Server>>) -> AxumJson<Value> {
    let mut names = Vec::new();
    for (name, _) in server.models.iter() {
        names.push(name.to_owned());
        names.extend(
            methods::ALL
                .iter()
                .map(|method| format!("{name}:{}", method.name)),
        );
    }
    AxumJson(json!({ "models": names }))
}

/// The model and, optionally, its version in the address.
#[derive(Deserialize)]
struct ModelVersion {
    model: String,
    version: Option<String>,
}

impl ModelVersion {
    fn find(&self, server: &Server) -> Result<Model, Problem> {
        match self.version.as_deref() {
            None | Some(VERSION) => Model::find(server, &self.model),
            Some(version) => Err(Problem::missing(format!(
                "there is no version `{}`; every model has only version {VERSION}",
                shortened(version)
            ))),
        }
    }
}

async fn model_ready(
    State(server): State<Arc<Server>>,
    Path(named): Path<ModelVersion>,
) -> Result<AxumJson<Value>, Problem> {
    named.find(&server)?;
    let is_ready = !server.queue.is_closed();
    Ok(AxumJson(json!({ "name": named.model, "ready": is_ready })))
}

async fn metadata(
    State(server): State<Arc<Server>>,
    Path(named): Path<ModelVersion>,
) -> Result<AxumJson<Value>, Problem> {
    let model = named.find(&server)?;
    let [channels, height, width] = model.input();
    let classes = model.classifier.classes().len();
    let tensor = |(name, datatype, shape): (&str, &str, Vec<i64>)| json!({ "name": name, "datatype": datatype, "shape": shape });
    let signed = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
    let inputs = vec![
        (
            "input",
            "FP32",
            vec![-1, signed(channels), signed(height), signed(width)],
        ),
        ("image", "BYTES", vec![-1]),
    ];
    let outputs = match model.method {
        None => vec![
            ("probabilities", "FP32", vec![-1, signed(classes)]),
            ("logits", "FP32", vec![-1, signed(classes)]),
            ("class", "INT64", vec![-1]),
            ("label", "BYTES", vec![-1]),
        ],
        Some(_) => vec![
            ("map", "FP32", vec![-1, signed(height), signed(width)]),
            ("class", "INT64", vec![-1]),
            ("label", "BYTES", vec![-1]),
            ("probability", "FP32", vec![-1]),
        ],
    };
    let warnings: Vec<String> = model.classifier.warnings().collect();
    Ok(AxumJson(json!({
        "name": named.model,
        "versions": [VERSION],
        "platform": "dvm",
        "inputs": inputs.into_iter().map(tensor).collect::<Vec<_>>(),
        "outputs": outputs.into_iter().map(tensor).collect::<Vec<_>>(),
        "parameters": {
            "input": "give one of the inputs: numbers as the network expects them, or picture files",
            "warnings": warnings.join("\n"),
        },
    })))
}

#[derive(Deserialize)]
struct Request {
    id: Option<String>,
    #[serde(default)]
    parameters: Scalars,
    inputs: Vec<InputTensor>,
    #[serde(default)]
    outputs: Vec<RequestedOutput>,
}

#[derive(Deserialize)]
struct InputTensor {
    name: String,
    shape: Vec<usize>,
    datatype: String,
    #[serde(default)]
    parameters: Scalars,
    data: Option<Tensor>,
}

#[derive(Deserialize)]
struct RequestedOutput {
    name: String,
    #[serde(default)]
    parameters: Scalars,
}

/// The parameters of a request and of an output for binary data.
const BINARY_OUTPUT: &str = "binary_data_output";
const BINARY: &str = "binary_data";
const BINARY_SIZE: &str = "binary_data_size";

/// The prefix of parameters that are options of a method.
const OPTION: &str = "options.";

/// The pictures of a request.
enum Pictures {
    Files(Vec<Vec<u8>>),
    Numbers(Vec<f32>),
}

async fn infer(
    State(server): State<Arc<Server>>,
    Path(named): Path<ModelVersion>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let model = named.find(&server)?;
    check_kind(&headers)?;
    let (text, behind) = binary::split(&headers, body)?;
    let Request {
        id,
        parameters,
        inputs,
        outputs,
    } = parse_json(text).await?;
    let [given] = <[InputTensor; 1]>::try_from(inputs).map_err(|inputs| {
        Problem::request(format!(
            "a request must have one input, `input` or `image`, but has {}",
            inputs.len()
        ))
    })?;
    let (pictures, count) = pictures(&server, &model, given, &behind)?;
    let (question, is_binary) = question(parameters)?;
    let method = match model.method {
        None => None,
        Some(method) => Some((method, question.explain(&server, method)?)),
    };
    if method.is_none() && (question.class.is_some() || question.against.is_some()) {
        return Err(Problem::request(
            "`class` is a parameter of methods; use the model `NETWORK:METHOD`",
        ));
    }
    let lane = match method {
        None => Lane::Short,
        Some(_) => Lane::Long,
    };
    let place = server.queue.enter(lane)?;
    let mut job = Job {
        server,
        model,
        method,
        id,
        outputs,
        is_binary,
    };
    place
        .run(move |ticket| {
            if let Some((_, explain)) = &mut job.method {
                explain.before_walk = Some(ticket.checking());
            }
            job.answer(pictures, count, ticket)
        })
        .await?
}

fn check_kind(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let kinds = ["application/json", "application/octet-stream"];
    if kinds.iter().any(|known| kind.eq_ignore_ascii_case(known)) {
        return Ok(());
    }
    let message = "the body must be JSON (`Content-Type: application/json`), optionally followed by binary data \
                   (`application/octet-stream`)";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
}

/// The pictures of an input, and their number.
fn pictures(
    server: &Server,
    model: &Model,
    given: InputTensor,
    behind: &[u8],
) -> Result<(Pictures, usize), Problem> {
    let most = server.limits.batch;
    let name = shortened(&given.name);
    let wrong = |why: String| Problem::request(format!("the input `{name}` {why}"));
    let count = match given.shape.first() {
        Some(&count) if (1..=most).contains(&count) => count,
        _ => {
            return Err(wrong(format!(
                "must have 1 to {most} pictures along the first axis"
            )));
        }
    };
    let size = given.parameters.0.get(BINARY_SIZE);
    let size = match size {
        None => None,
        Some(Scalar::Whole(size))
            if usize::try_from(*size).is_ok_and(|size| size == behind.len()) =>
        {
            Some(behind)
        }
        Some(_) => {
            return Err(wrong(format!(
                "must have a {BINARY_SIZE} of {}, the number of bytes after the JSON",
                behind.len()
            )));
        }
    };
    let (data, is_json) = match (given.data, size) {
        (Some(data), None) => (data, true),
        (None, Some(_)) => (Tensor::default(), false),
        _ => return Err(wrong("must have either `data` or binary data".into())),
    };
    match &given.datatype[..] {
        "FP32" => {
            let [channels, height, width] = model.input();
            let expected = [count, channels, height, width];
            if given.shape != expected {
                return Err(wrong(format!(
                    "has the shape {:?}, but the network expects {expected:?} (pictures, channels, rows, columns)",
                    given.shape
                )));
            }
            let values = match is_json {
                true => data.values,
                false => binary::floats(behind)?,
            };
            let expected: usize = expected.iter().product();
            if values.len() != expected {
                let found = values.len();
                return Err(wrong(format!(
                    "has {found} numbers, but its shape has {expected}"
                )));
            }
            if values.iter().any(|value| !value.is_finite()) {
                return Err(wrong("contains NaN or infinity".into()));
            }
            Ok((Pictures::Numbers(values), count))
        }
        "BYTES" => {
            let files = match is_json {
                true => data.files,
                false => binary::texts(behind, most)?,
            };
            if given.shape.iter().product::<usize>() != count || files.len() != count {
                return Err(wrong(format!(
                    "has the shape {:?} and {} files; it must have one file for each picture",
                    given.shape,
                    files.len()
                )));
            }
            Ok((Pictures::Files(files), count))
        }
        other => {
            let other = shortened(other);
            Err(wrong(format!(
                "has the datatype `{other}`; it must be FP32 (numbers as the network expects them) or BYTES (picture \
                 files, in JSON as base64)"
            )))
        }
    }
}

/// The question in the parameters, and whether they request binary data.
fn question(Scalars(parameters): Scalars) -> Result<(Question, bool), Problem> {
    let mut question = Question::default();
    let mut is_binary = false;
    for (name, value) in parameters {
        match (&name[..], value) {
            ("class", value) => question.class = Some(value.class()?),
            ("against", value) => question.against = Some(value.class()?),
            (BINARY_OUTPUT, Scalar::Flag(flag)) => is_binary = flag,
            (name, value) => match name.strip_prefix(OPTION) {
                Some(option) => {
                    question
                        .options
                        .insert(option.to_owned(), value.to_string());
                }
                None => {
                    return Err(Problem::request(format!(
                        "the parameter `{}` does not exist or has the wrong type; parameters are `class`, `against`, \
                         `{OPTION}…` and `{BINARY_OUTPUT}`",
                        shortened(name)
                    )));
                }
            },
        }
    }
    Ok((question, is_binary))
}
