//! Running a request of V2 and writing its answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use dvm::methods::MethodEntry;
use dvm::{Explain, Input};
use serde::Serialize;

use super::{BINARY, BINARY_SIZE, Pictures, RequestedOutput, VERSION};
use crate::kserve::binary;
use crate::kserve::request::{Model, Scalar, explain};
use crate::models::shortened;
use crate::server::{Problem, Server, Ticket};

/// One request.
pub struct Job {
    pub server: Arc<Server>,
    pub model: Model,
    pub method: Option<(&'static MethodEntry, Explain)>,
    pub id: Option<String>,
    pub outputs: Vec<RequestedOutput>,
    pub is_binary: bool,
}

/// The numbers of an output.
#[derive(Serialize)]
#[serde(untagged)]
enum Numbers {
    Floats(Vec<f32>),
    Integers(Vec<i64>),
    Texts(Vec<String>),
}

/// Outputs by name, with the shape for one picture.
type Outputs = BTreeMap<&'static str, (Vec<usize>, Numbers)>;

#[derive(Serialize)]
struct Answer<'a> {
    model_name: &'a str,
    model_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    parameters: BTreeMap<&'static str, String>,
    outputs: Vec<Output<'a>>,
}

#[derive(Serialize)]
struct Output<'a> {
    name: &'a str,
    datatype: &'static str,
    shape: Vec<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<BTreeMap<&'static str, usize>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Numbers>,
}

impl Job {
    /// Runs one picture after the other and writes the answer.
    ///
    /// # Errors
    /// 400 for a file that is not a picture, and for unknown outputs.
    pub fn answer(
        &self,
        pictures: Pictures,
        count: usize,
        ticket: &Ticket,
    ) -> Result<Response, Problem> {
        let mut outputs = self.outputs();
        let mut warnings = Vec::new();
        let [channels, height, width] = self.model.input();
        let each = channels * height * width;
        let mut files = Vec::new();
        let mut numbers: &[f32] = &[];
        match &pictures {
            Pictures::Files(all) => files.extend(all.iter()),
            Pictures::Numbers(all) => numbers = all,
        }
        for index in 0..count {
            ticket.check();
            let input = match files.get(index) {
                Some(file) => self.model.read(&self.server, (*file).clone()),
                None => {
                    let values = numbers[index * each..(index + 1) * each].to_vec();
                    self.model.input_of(&[channels, height, width], values)
                }
            };
            let named = |problem: Problem| problem.of(&format!("picture {index}"));
            let said = input.and_then(|input| self.one(input, &mut outputs, ticket));
            for warning in said.map_err(named)? {
                if !warnings.contains(&warning) {
                    warnings.push(warning);
                }
            }
        }
        self.written(outputs, count, &warnings)
    }

    /// All outputs, empty.
    fn outputs(&self) -> Outputs {
        let [_, height, width] = self.model.input();
        let classes = self.model.classifier.classes().len();
        let floats = || Numbers::Floats(Vec::new());
        let mut outputs = Outputs::from([
            ("class", (vec![], Numbers::Integers(Vec::new()))),
            ("label", (vec![], Numbers::Texts(Vec::new()))),
        ]);
        match self.method {
            None => {
                outputs.insert("probabilities", (vec![classes], floats()));
                outputs.insert("logits", (vec![classes], floats()));
            }
            Some(_) => {
                outputs.insert("map", (vec![height, width], floats()));
                outputs.insert("probability", (vec![], floats()));
            }
        }
        outputs
    }

    /// Appends the results of a picture to the outputs; returns its warnings.
    fn one(
        &self,
        input: Input,
        outputs: &mut Outputs,
        ticket: &Ticket,
    ) -> Result<Vec<String>, Problem> {
        let mut add = |name: &str, more: &[f32]| {
            if let Some((_, Numbers::Floats(all))) = outputs.get_mut(name) {
                all.extend_from_slice(more);
            }
        };
        let (class, label, warnings) = match &self.method {
            None => {
                let prediction = self.model.classify(&self.server, &input)?;
                add("probabilities", &prediction.probabilities);
                add("logits", &prediction.logits);
                let top = prediction.top(1)[0].clone();
                let warnings = self.model.warnings(&input, &prediction);
                (top.index, top.name, warnings)
            }
            Some((method, options)) => {
                let of = (&*self.server, &self.model);
                let explanation = explain(of, input, (method, options), ticket)?;
                let map = explanation.maps().next();
                let (_, map) =
                    map.ok_or_else(|| Problem::internal("the method did not make a map"))?;
                add("map", &map.map);
                add("probability", &[explanation.probability()]);
                let warnings = explanation.warnings().map(|(_, warning)| warning).collect();
                let label = explanation.class_name().to_owned();
                (explanation.class(), label, warnings)
            }
        };
        if let Some((_, Numbers::Integers(all))) = outputs.get_mut("class") {
            all.push(i64::try_from(class).unwrap_or(i64::MAX));
        }
        if let Some((_, Numbers::Texts(all))) = outputs.get_mut("label") {
            all.push(label);
        }
        Ok(warnings)
    }

    fn written(
        &self,
        outputs: Outputs,
        count: usize,
        warnings: &[String],
    ) -> Result<Response, Problem> {
        let wanted: Vec<(&str, bool)> = match &self.outputs[..] {
            [] => outputs.keys().map(|name| (*name, self.is_binary)).collect(),
            wanted => wanted
                .iter()
                .map(|wanted| {
                    let own = wanted.parameters.0.get(BINARY);
                    let is_binary = own.map_or(self.is_binary, |own| *own == Scalar::Flag(true));
                    (&wanted.name[..], is_binary)
                })
                .collect(),
        };
        let mut behind = Vec::new();
        let mut written = Vec::new();
        for (name, is_binary) in wanted {
            let Some((part, numbers)) = outputs.get(name) else {
                let names: Vec<&str> = outputs.keys().copied().collect();
                return Err(Problem::request(format!(
                    "there is no output `{}`; outputs are {}",
                    shortened(name),
                    names.join(", ")
                )));
            };
            if written.len() == outputs.len() {
                return Err(Problem::request("an output is requested twice"));
            }
            let start = behind.len();
            if is_binary {
                numbers.write_to(&mut behind);
            }
            let size = behind.len() - start;
            written.push(Output {
                name,
                datatype: numbers.datatype(),
                shape: [&[count], &part[..]].concat(),
                parameters: is_binary.then(|| BTreeMap::from([(BINARY_SIZE, size)])),
                data: (!is_binary).then_some(numbers),
            });
        }
        let is_binary = written.iter().any(|output| output.data.is_none());
        let mut parameters = BTreeMap::new();
        if !warnings.is_empty() {
            parameters.insert("warnings", warnings.join("\n"));
        }
        let answer = Answer {
            model_name: &self.model.name,
            model_version: VERSION,
            id: self.id.as_deref(),
            parameters,
            outputs: written,
        };
        let text = serde_json::to_vec(&answer);
        let mut text = text.map_err(|error| Problem::internal(error.to_string()))?;
        if !is_binary {
            let kind = [(header::CONTENT_TYPE, "application/json")];
            return Ok((kind, text).into_response());
        }
        let headers = [
            (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
            (binary::LENGTH, text.len().to_string()),
        ];
        text.append(&mut behind);
        Ok((headers, text).into_response())
    }
}

impl Numbers {
    fn datatype(&self) -> &'static str {
        match self {
            Self::Floats(_) => "FP32",
            Self::Integers(_) => "INT64",
            Self::Texts(_) => "BYTES",
        }
    }

    /// Writes them as binary data.
    fn write_to(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Floats(all) => bytes.extend(all.iter().flat_map(|number| number.to_le_bytes())),
            Self::Integers(all) => bytes.extend(all.iter().flat_map(|number| number.to_le_bytes())),
            Self::Texts(all) => {
                for text in all {
                    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
                    bytes.extend(length.to_le_bytes());
                    bytes.extend(text.as_bytes());
                }
            }
        }
    }
}
