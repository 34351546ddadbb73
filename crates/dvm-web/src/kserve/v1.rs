//! KServe's V1 protocol: `/v1/models`, `:predict`, `:explain`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Json as AxumJson, Router, routing};
use base64::prelude::{BASE64_STANDARD, Engine};
use dvm::methods::MethodEntry;
use dvm::{Explain, Explanation, Input, Prediction, Ranked, encode_npy, encode_png};
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::numbers::{Instance, Rows};
use super::request::{ClassName, Model, Question, Scalars, explain, find_method};
use crate::server::{Json, Lane, Problem, Server, Ticket};

/// The default method of `:explain`: one walk forward and back.
const USUAL: &str = "grad-cam";

/// The default number of classes in a prediction.
const TOP: usize = 5;

/// The routes of the protocol.
pub fn routes() -> Router<Arc<Server>> {
    Router::new()
        .route("/v1/models", routing::get(list))
        .route("/v1/models/{model}", routing::get(ready).post(ask))
}

async fn list(State(server): State<Arc<Server>>) -> AxumJson<Value> {
    let names: Vec<&str> = server.models.iter().map(|(name, _)| name).collect();
    AxumJson(json!({ "models": names }))
}

async fn ready(
    State(server): State<Arc<Server>>,
    Path(name): Path<String>,
) -> Result<AxumJson<Value>, Problem> {
    Model::find(&server, &name)?;
    let is_ready = !server.queue.is_closed();
    Ok(AxumJson(json!({ "name": name, "ready": is_ready })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    #[serde(alias = "inputs")]
    instances: Instances,
    #[serde(default)]
    parameters: Parameters,
    /// For clients of TensorFlow Serving; ignored, because there is only one signature.
    #[serde(default, rename = "signature_name")]
    _signature: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Parameters {
    method: Option<String>,
    class: Option<ClassName>,
    against: Option<ClassName>,
    options: Scalars,
    maps: Maps,
    overlay: bool,
    probabilities: bool,
    top: Option<usize>,
}

/// The format of maps.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Maps {
    /// Lists of rows.
    #[default]
    Nested,
    /// A NumPy file in base64.
    Npy,
}

/// The maximum number of instances while parsing; the server's limit may be lower.
const INSTANCES: usize = 4096;

struct Instances(Vec<Instance>);

struct InstancesVisitor;

impl<'de> Visitor<'de> for InstancesVisitor {
    type Value = Instances;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a list of instances")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Instances, A::Error> {
        let mut all = Vec::new();
        while let Some(instance) = list.next_element()? {
            if all.len() == INSTANCES {
                return Err(Error::custom("there are too many instances"));
            }
            all.push(instance);
        }
        Ok(Instances(all))
    }
}

impl<'de> Deserialize<'de> for Instances {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(InstancesVisitor)
    }
}

/// `MODEL:predict` and `MODEL:explain`.
async fn ask(
    State(server): State<Arc<Server>>,
    Path(call): Path<String>,
    Json(request): Json<Request>,
) -> Result<Response, Problem> {
    let (name, verb) = call.rsplit_once(':').unwrap_or((&call, ""));
    let model = Model::find(&server, name)?;
    let Request {
        instances: Instances(instances),
        parameters,
        ..
    } = request;
    let (count, most) = (instances.len(), server.limits.batch);
    if count == 0 || count > most {
        return Err(Problem::request(format!(
            "a request must have 1 to {most} instances, but has {count}"
        )));
    }
    let job = Job {
        server: server.clone(),
        method: None,
        model,
        parameters,
    };
    let answer = match verb {
        "predict" => {
            if let (None, Some(_)) = (job.model.method, &job.parameters.method) {
                return Err(Problem::request(
                    "`:predict` does not use a method; use `:explain`",
                ));
            }
            let place = server.queue.enter(Lane::Short)?;
            place
                .run(move |ticket| job.predict(instances, ticket))
                .await??
        }
        "explain" => {
            let named = job.parameters.method.as_deref().map(find_method);
            let named = named
                .transpose()
                .map_err(|problem| Problem::request(problem.message))?;
            let method = match (named, job.model.method) {
                (Some(method), _) | (None, Some(method)) => method,
                (None, None) => find_method(USUAL)?,
            };
            let explain = job.question().explain(&server, method)?;
            let job = Job {
                method: Some((method, explain)),
                ..job
            };
            let place = server.queue.enter(Lane::Long)?;
            place
                .run(move |ticket| job.explain(instances, ticket))
                .await??
        }
        _ => {
            return Err(Problem::missing(
                "send a POST request to /v1/models/MODEL:predict or /v1/models/MODEL:explain",
            ));
        }
    };
    let kind = [(header::CONTENT_TYPE, "application/json")];
    Ok((kind, answer).into_response())
}

/// One request.
struct Job {
    server: Arc<Server>,
    model: Model,
    method: Option<(&'static MethodEntry, Explain)>,
    parameters: Parameters,
}

#[derive(Serialize)]
struct Predictions {
    predictions: Vec<Predicted>,
}

#[derive(Serialize)]
struct Predicted {
    class: String,
    index: usize,
    probability: f32,
    top: Vec<Ranked>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probabilities: Option<Vec<f32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logits: Option<Vec<f32>>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct Explained<'a> {
    method: &'static str,
    title: &'a str,
    /// The target as text.
    target: String,
    class: &'a str,
    index: usize,
    probability: f32,
    /// The unit of the map's values.
    quantity: &'a str,
    /// `[rows, columns]`.
    shape: (usize, usize),
    map: Written<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overlay: Option<String>,
    parameters: Value,
    warnings: Vec<String>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Written<'a> {
    Nested(Rows<'a>),
    Npy(String),
}

impl Job {
    fn question(&self) -> Question {
        let Scalars(options) = &self.parameters.options;
        let text = options
            .iter()
            .map(|(name, value)| (name.clone(), value.to_string()));
        Question {
            class: self.parameters.class.clone(),
            against: self.parameters.against.clone(),
            options: text.collect::<BTreeMap<_, _>>(),
        }
    }

    fn input(&self, instance: Instance) -> Result<Input, Problem> {
        match instance {
            Instance::File(bytes) => self.model.read(&self.server, bytes),
            Instance::Numbers(tensor) => self.model.input_of(&tensor.shape, tensor.values),
        }
    }

    fn predicted(&self, prediction: &Prediction, warnings: Vec<String>) -> Predicted {
        let top = &prediction.top(1)[0];
        let with_all = self.parameters.probabilities;
        Predicted {
            class: top.name.clone(),
            index: top.index,
            probability: top.probability,
            top: prediction.top(self.parameters.top.unwrap_or(TOP)).to_vec(),
            probabilities: with_all.then(|| prediction.probabilities.clone()),
            logits: with_all.then(|| prediction.logits.clone()),
            warnings,
        }
    }

    fn predict(&self, instances: Vec<Instance>, ticket: &Ticket) -> Result<Bytes, Problem> {
        let mut predictions = Vec::new();
        for (index, instance) in instances.into_iter().enumerate() {
            ticket.check();
            let predicted = || {
                let input = self.input(instance)?;
                let prediction = self.model.classify(&self.server, &input)?;
                let warnings = self.model.warnings(&input, &prediction);
                Ok(self.predicted(&prediction, warnings))
            };
            let named = |problem: Problem| problem.of(&format!("instances[{index}]"));
            predictions.push(predicted().map_err(named)?);
        }
        written(&Predictions { predictions })
    }

    fn explain(mut self, instances: Vec<Instance>, ticket: &Ticket) -> Result<Bytes, Problem> {
        let Some((method, mut options)) = self.method.take() else {
            return Err(Problem::internal("there is no method"));
        };
        options.before_walk = Some(ticket.checking());
        let mut predictions = Vec::new();
        // Writes each explanation at once, because it may have a large raw array.
        let mut explanations = Vec::new();
        for (index, instance) in instances.into_iter().enumerate() {
            ticket.check();
            let explained = || {
                let input = self.input(instance)?;
                let of = (&*self.server, &self.model);
                let made = explain(of, input, (method, &options), ticket)?;
                let of_network = made.warnings().filter(|(source, _)| *source != method.name);
                let warnings = of_network.map(|(_, warning)| warning).collect();
                predictions.push(self.predicted(made.prediction(), warnings));
                if index > 0 {
                    explanations.push(b',');
                }
                explanations.extend(written(&self.explained(method.name, &made)?)?);
                Ok(())
            };
            let named = |problem: Problem| problem.of(&format!("instances[{index}]"));
            explained().map_err(named)?;
        }
        let predictions = written(&predictions)?;
        let parts: [&[u8]; 5] = [
            b"{\"predictions\":",
            &predictions,
            b",\"explanations\":[",
            &explanations,
            b"]}",
        ];
        Ok(parts.concat().into())
    }

    fn explained<'a>(
        &self,
        method: &'static str,
        explanation: &'a Explanation,
    ) -> Result<Explained<'a>, Problem> {
        let maps = explanation.maps().next();
        let (_, map) = maps.ok_or_else(|| Problem::internal("the method did not make a map"))?;
        let (rows, columns) = map.size;
        let mut record = explanation.record();
        let overlay = match self.parameters.overlay {
            true => explanation.overlaid(method),
            false => None,
        };
        Ok(Explained {
            method,
            title: &map.title,
            target: explanation.title(),
            class: explanation.class_name(),
            index: explanation.class(),
            probability: explanation.probability(),
            quantity: &map.quantity,
            shape: map.size,
            map: match self.parameters.maps {
                Maps::Nested => Written::Nested(Rows {
                    values: &map.map,
                    columns,
                }),
                Maps::Npy => {
                    let npy = encode_npy(&[rows, columns], &map.map);
                    Written::Npy(BASE64_STANDARD.encode(npy))
                }
            },
            overlay: overlay.map(|picture| BASE64_STANDARD.encode(encode_png(&picture))),
            parameters: record["methods"][0]["parameters"].take(),
            warnings: explanation.warnings().map(|(_, warning)| warning).collect(),
        })
    }
}

fn written(answer: &impl Serialize) -> Result<Bytes, Problem> {
    let bytes = serde_json::to_vec(answer);
    let bytes = bytes.map_err(|error| Problem::internal(error.to_string()))?;
    Ok(bytes.into())
}
