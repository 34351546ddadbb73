//! Downloads of an explanation.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use dvm::{Array, Explanation, FigureFormat, encode_npy, encode_png};

use crate::report::{Head, Kind, Section, document};
use crate::server::{Lane, Problem, Server};
use crate::view::warnings;

/// A file of an explanation: `figure.png`, `figure.svg`, `figure.pdf`, `record.json`, `report.html`, and for each
/// method `METHOD.npy` (the map, `[H, W]`), `METHOD.raw.npy` (the raw array), `METHOD.png` and
/// `METHOD.overlay.png`.
#[utoipa::path(
    get,
    path = "/api/explanations/{explanation}/{file}",
    params(
        ("explanation" = String, Path, description = "The id in the response of `/api/explain`"),
        ("file" = String, Path, description = "The name of the file")
    ),
    responses(
        (status = 200, description = "The file"),
        (status = 404, description = "No such explanation or file")
    )
)]
pub(super) async fn download(
    State(server): State<Arc<Server>>,
    Path((id, file)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let explanation = server.session.answer(&id)?;
    let place = server.queue.enter(Lane::Short)?;
    let name = file.clone();
    let made = place.run(move |_| make(&explanation, &name)).await??;
    let (kind, bytes) = made;
    let disposition = format!(
        "attachment; filename=\"{}\"",
        file.replace(['"', '\\', '\r', '\n'], "")
    );
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    Ok((headers, bytes).into_response())
}

/// A report of the explanation: one HTML file.
fn report(explanation: &Explanation) -> Vec<u8> {
    let record = explanation.record();
    let model = record["model"]["architecture"].as_str().unwrap_or_default();
    let name = explanation.caption().file.as_deref().unwrap_or("picture");
    let head = Head {
        kind: Kind::Explain,
        title: format!("{name} by {model}"),
        // It was made on the page, without a command.
        command: String::new(),
        parameters: [("model".to_owned(), record["model"].clone())]
            .into_iter()
            .collect(),
        warnings: warnings(explanation),
        sections: vec![Section::Pictures {
            title: None,
            paragraphs: Vec::new(),
            group: None,
        }],
    };
    document(&[(explanation, name, record.clone())], &head)
}

/// The content type and the content of a file.
fn make(explanation: &Explanation, file: &str) -> Result<(&'static str, Vec<u8>), Problem> {
    const NPY: &str = "application/octet-stream";
    let missing = || Problem::missing("this explanation has no file of that name");
    if let Some(format) = FigureFormat::ALL
        .into_iter()
        .find(|format| file == format!("figure.{}", format.name()))
    {
        let kind = match format {
            FigureFormat::Png => "image/png",
            FigureFormat::Svg => "image/svg+xml",
            FigureFormat::Pdf => "application/pdf",
        };
        return Ok((kind, format.encode(&explanation.page())));
    }
    if file == "record.json" {
        let mut text = serde_json::to_string_pretty(&explanation.record()).expect("plain data");
        text.push('\n');
        return Ok(("application/json", text.into_bytes()));
    }
    if file == "report.html" {
        return Ok(("text/html; charset=utf-8", report(explanation)));
    }
    let (method, ending) = file.split_once('.').ok_or_else(missing)?;
    let mut maps = explanation.maps();
    let (_, map) = maps.find(|(name, _)| *name == method).ok_or_else(missing)?;
    let png =
        |picture: Option<dvm::Picture>| picture.map(|picture| ("image/png", encode_png(&picture)));
    let (height, width) = map.size;
    match ending {
        "npy" => Ok((NPY, encode_npy(&[height, width], &map.map))),
        "png" => png(explanation.map_picture(method)).ok_or_else(missing),
        "overlay.png" => png(explanation.overlay(method)).ok_or_else(missing),
        other => {
            let name = other.strip_suffix(".npy").ok_or_else(missing)?;
            let array: &Array = map.array(name).ok_or_else(missing)?;
            Ok((NPY, encode_npy(&array.shape, &array.values)))
        }
    }
}
