//! Predictions with a covered window, which the user moves on the page.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use dvm::{Baseline, Prediction};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::check_classes;
use super::pictures::read_given;
use crate::server::{Json, Lane, Problem, Server};

/// A window of a picture's crop.
#[derive(Deserialize, ToSchema)]
pub(super) struct WindowRequest {
    /// The id of the picture.
    picture: String,
    /// The name of the network.
    model: String,
    /// Rows of the crop: the first row and the row after the last.
    rows: [usize; 2],
    /// Columns of the crop: the first column and the column after the last.
    columns: [usize; 2],
    /// The fill: `mean` (default), `black`, `white`, `grey`, `zero`, `blur`, `noise` or a colour `#RRGGBB`.
    fill: Option<String>,
    /// Indices of classes to include.
    #[serde(default)]
    classes: Vec<usize>,
}

/// The prediction with the covered window.
#[derive(Serialize, ToSchema)]
pub(super) struct WindowAnswer {
    /// The requested classes, in their order.
    classes: Vec<Change>,
    /// The most probable classes.
    #[schema(value_type = Vec<Object>)]
    top: Vec<dvm::Ranked>,
    /// Time of the network.
    milliseconds: f64,
}

/// A class's probabilities.
#[derive(Serialize, ToSchema)]
struct Change {
    index: usize,
    name: String,
    /// Without a covered window, 0 … 1.
    before: f32,
    /// With the covered window, 0 … 1.
    after: f32,
}

/// The number of most probable classes in the answer.
const TOP: usize = 5;

/// The maximum number of requested classes.
const MOST: usize = 100;

/// Covers a window of a picture and classifies it.
#[utoipa::path(
    post,
    path = "/api/window",
    request_body = WindowRequest,
    responses(
        (status = 200, body = WindowAnswer),
        (status = 400, description = "The window is not inside the crop"),
        (status = 404, description = "No such picture or network")
    )
)]
pub(super) async fn window(
    State(server): State<Arc<Server>>,
    Json(request): Json<WindowRequest>,
) -> Result<axum::Json<WindowAnswer>, Problem> {
    let classifier = server.models.get(&request.model)?.clone();
    let given = server.session.picture(&request.picture)?;
    let fill = fill(request.fill.as_deref().unwrap_or("mean"))?;
    if request.classes.len() > MOST {
        return Err(Problem::request(format!(
            "a request can have at most {MOST} classes"
        )));
    }
    check_classes(&classifier, request.classes.iter().copied())?;
    let place = server.queue.enter(Lane::Short)?;
    let kept = server.clone();
    let work = move || -> Result<WindowAnswer, Problem> {
        let key = (&request.picture[..], &request.model[..]);
        let inspection = kept
            .session
            .inspection(key, &classifier, || read_given(&given, &kept, &classifier))?;
        let start = Instant::now();
        let [rows, columns] = [request.rows, request.columns].map(|[from, to]| Range {
            start: from,
            end: to,
        });
        let before = inspection.prediction()?;
        let after = inspection.covered(rows, columns, &fill)?;
        let change = |&index: &usize| Change {
            index,
            name: classifier.classes()[index].clone(),
            before: before.probabilities[index],
            after: after.probabilities[index],
        };
        Ok(WindowAnswer {
            classes: request.classes.iter().map(change).collect(),
            top: top(&after),
            milliseconds: start.elapsed().as_secs_f64() * 1e3,
        })
    };
    Ok(axum::Json(place.run(move |_| work()).await??))
}

fn top(prediction: &Prediction) -> Vec<dvm::Ranked> {
    prediction.top(TOP).to_vec()
}

/// The fill of a window. The server does not read files for a client.
fn fill(text: &str) -> Result<Baseline, Problem> {
    let refused = |why: &str| Problem::request(format!("`fill` is invalid: {why}"));
    let fill: Baseline = text.parse().map_err(refused)?;
    match fill.file() {
        None => Ok(fill),
        Some(_) => Err(refused("the server does not read files for it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_not_a_valid_fill() {
        assert!(fill("mean").is_ok() && fill("#ff0000").is_ok());
        for text in ["/etc/hostname.png", "a.npy", "./x", "nothing"] {
            assert_eq!(fill(text).unwrap_err().status, 400, "{text}");
        }
    }
}
