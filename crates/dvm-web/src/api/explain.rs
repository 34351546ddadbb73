//! Explanations as a stream: the prediction first, then map by map, and occlusion window by window.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use dvm::{
    Caption, Checks, ClassChoice, Classifier, Explain, Explanation, Inspection, Settings, Target,
};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tracing::{Instrument, Span};
use utoipa::ToSchema;

use super::check_classes;
use super::pictures::read_given;
use super::session::{Answer, ExplanationKey, SessionPicture, locked};
use crate::options;
use crate::server::{Json, Lane, Problem, Server, Ticket};
use crate::view::{Detail, ExplanationView, MapView, Warning, maps, warnings};

/// What to explain, and with which methods and options.
#[derive(Deserialize, ToSchema)]
pub(super) struct ExplainRequest {
    /// The id of the picture.
    picture: String,
    /// The name of the network.
    model: String,
    /// Names of methods. Maps are made in this order.
    methods: Vec<String>,
    /// Index of the class. Default: the most probable class.
    class: Option<usize>,
    /// Index of a class to explain against: the target is the difference of the two.
    against: Option<usize>,
    /// Options of methods and metrics, as text: `window`, or `occlusion.window` for one method.
    #[serde(default)]
    options: BTreeMap<String, String>,
    /// Names of metrics that test every map.
    #[serde(default)]
    checks: Vec<String>,
}

/// A line of the answer.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Event {
    /// The first line: the prediction; the view has no maps.
    Prediction {
        explanation: String,
        view: Box<ExplanationView>,
    },
    Progress {
        method: &'static str,
        title: &'static str,
        done: usize,
        all: usize,
    },
    Windows {
        method: &'static str,
        windows: Vec<Covered>,
    },
    Map {
        method: &'static str,
        map: Box<MapView>,
        warnings: Vec<Warning>,
    },
    Failed {
        method: &'static str,
        error: String,
    },
    Done {
        seconds: f64,
    },
    Error {
        error: String,
    },
}

/// A covered window and its effect.
#[derive(Serialize)]
struct Covered {
    rows: [usize; 2],
    columns: [usize; 2],
    /// Probability of the target without a covered window, minus the probability with it.
    drop: f64,
}

/// The maximum number of methods in a request.
const MOST: usize = 40;

/// The interval of progress lines.
const TICK: Duration = Duration::from_millis(60);

/// Further classes whose maps are kept, if the method makes the maps of all classes at once.
const OTHERS: usize = 10;

/// Explains a class of a picture. The answer is a stream of lines, each a JSON object with an `event`.
#[utoipa::path(
    post,
    path = "/api/explain",
    request_body = ExplainRequest,
    responses(
        (
            status = 200,
            description = "Lines, each a JSON object: `prediction`, then `progress`, `windows`, `map` and `failed`, \
                           then `done` or `error`",
            content_type = "application/x-ndjson"
        ),
        (status = 400, description = "A method, option or class that does not exist"),
        (status = 404, description = "No such picture or network"),
        (status = 429, description = "Too many requests are waiting")
    )
)]
pub(super) async fn explain(
    State(server): State<Arc<Server>>,
    Json(request): Json<ExplainRequest>,
) -> Result<Response, Problem> {
    let classifier = server.models.get(&request.model)?.clone();
    let given = server.session.picture(&request.picture)?;
    let wanted = CheckedRequest::new(&request, &classifier, server.limits.memory)?;
    let place = server.queue.enter(Lane::Long)?;
    let (id, answer) = server.session.begin()?;
    let (tell, heard) = unbounded_channel();
    let task = Task {
        server,
        classifier,
        given,
        picture: request.picture,
        model: request.model,
        id,
        answer,
        tell: tell.clone(),
    };
    let working = async move {
        let gone = tell.clone();
        tokio::select! {
            // If the client is gone, the work is dropped and ends at its next step.
            () = gone.closed() => {}
            ended = place.run(move |ticket| task.run(wanted, ticket)) => {
                if let Err(problem) | Ok(Err(problem)) = ended {
                    // The client may be gone.
                    let _ = tell.send(Event::Error { error: problem.message });
                }
            }
        }
    };
    tokio::spawn(working.instrument(Span::current()));
    let lines = UnboundedReceiverStream::new(heard).map(|event| {
        let mut line = serde_json::to_string(&event).expect("events are plain data");
        line.push('\n');
        Ok::<_, Infallible>(line)
    });
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((headers, Body::from_stream(lines)).into_response())
}

/// A checked request.
struct CheckedRequest {
    explain: Explain,
    checks: String,
    metrics: Settings,
}

impl CheckedRequest {
    fn new(
        request: &ExplainRequest,
        classifier: &Classifier,
        memory: usize,
    ) -> Result<Self, Problem> {
        if request.methods.is_empty() || request.methods.len() > MOST {
            return Err(Problem::request(format!(
                "a request must have 1 to {MOST} methods"
            )));
        }
        let asked = [request.class, request.against];
        check_classes(classifier, asked.into_iter().flatten())?;
        let (methods, metrics) = Checks::split(&options::settings(&request.options)?);
        let checks = request.checks.join(",");
        // Reports errors before any map is made.
        Checks::with_settings(&checks, &metrics)?;
        let mut explain = Explain::with_settings(&request.methods.join(","), &methods)?;
        explain.memory = memory;
        explain.classes = vec![request.class.map_or(ClassChoice::Top, ClassChoice::Index)];
        explain.against = request.against.map(ClassChoice::Index);
        Ok(Self {
            explain,
            checks,
            metrics,
        })
    }
}

/// A running request.
struct Task {
    server: Arc<Server>,
    classifier: Arc<Classifier>,
    given: Arc<SessionPicture>,
    picture: String,
    model: String,
    id: String,
    answer: Answer,
    tell: UnboundedSender<Event>,
}

impl Task {
    fn run(&self, wanted: CheckedRequest, ticket: &Ticket) -> Result<(), Problem> {
        let start = Instant::now();
        let key = (&self.picture[..], &self.model[..]);
        let inspection = self.server.session.inspection(key, &self.classifier, || {
            read_given(&self.given, &self.server, &self.classifier)
        })?;
        let CheckedRequest {
            explain,
            checks,
            metrics,
        } = wanted;
        let seen = self.seen(&inspection, &explain)?;
        let view = ExplanationView::new(&seen, &self.given.name, seen.record(), Detail::Full);
        self.send(Event::Prediction {
            explanation: self.id.clone(),
            view: Box::new(view),
        });
        for mut one in explain.one_by_one() {
            ticket.check();
            one.checks = Checks::with_settings(&checks, &metrics)?;
            let (method, parameters) = one.parameters().remove(0);
            let tests = serde_json::json!([parameters, one.checks.parameters()]);
            let how = format!("{method} {tests}");
            match self.explanation(one, method, &how, (&inspection, &seen), ticket) {
                Ok(explanation) => {
                    let asked = self.asked(&how, explanation.target());
                    locked(&self.answer).push(asked);
                    self.map(method, &explanation);
                }
                Err(error) => self.send(Event::Failed {
                    method,
                    error: Problem::from(error).message,
                }),
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        self.send(Event::Done { seconds });
        Ok(())
    }

    /// Sends a line to the client. If the client is gone, the work ends at its next step.
    fn send(&self, event: Event) {
        let _ = self.tell.send(event);
    }

    fn asked(&self, how: &str, target: &Target) -> ExplanationKey {
        let target = format!("{target:?}");
        (self.picture.clone(), self.model.clone(), how.into(), target)
    }

    fn caption(&self) -> Caption {
        Caption {
            file: Some(self.given.name.clone()),
            ..Caption::default()
        }
    }

    /// The prediction and the target: an explanation without maps.
    fn seen(&self, inspection: &Inspection, wanted: &Explain) -> Result<Explanation, Problem> {
        let mut nothing = Explain::nothing();
        nothing.classes = wanted.classes.clone();
        nothing.against = wanted.against.clone();
        nothing.memory = wanted.memory;
        let mut all = all_of(inspection, &nothing, &|_, _, _| {})?;
        Ok(all.remove(0).with_caption(self.caption()))
    }

    /// The explanation by one method, from the session if it was made before.
    fn explanation(
        &self,
        mut one: Explain,
        method: &'static str,
        how: &str,
        (inspection, seen): (&Inspection, &Explanation),
        ticket: &Ticket,
    ) -> Result<Arc<Explanation>, dvm::Error> {
        let session = &self.server.session;
        let target = seen.target();
        if let Some(explanation) = session.explanation(&self.asked(how, target)) {
            return Ok(explanation);
        }
        if let Target::Class(class) = *target {
            one.classes = vec![ClassChoice::Index(class)];
            if one.shares_walks() && one.checks.is_empty() {
                // Maps of further classes make clicks on them fast.
                let others = seen.prediction().top(OTHERS).iter();
                one.classes
                    .extend(others.map(|ranked| ClassChoice::Index(ranked.index)));
            }
        }
        let windows = Arc::new(Windows {
            tell: self.tell.clone(),
            target: target.clone(),
            output: inspection.classifier().network().output(),
            before: score(target, &seen.prediction().probabilities),
            waiting: Mutex::new((Instant::now(), Vec::new())),
        });
        one.window_output = Some(Arc::new({
            let windows = windows.clone();
            move |method, window, numbers| windows.add(method, window, numbers)
        }));
        one.before_walk = Some(ticket.checking());
        let told = Mutex::new(None);
        let progress = |title: &'static str, done: usize, all: usize| {
            ticket.check();
            let mut last = locked(&told);
            let is_new = last.is_none_or(|(before, when): (&str, Instant)| {
                before != title || done == all || when.elapsed() >= TICK
            });
            if is_new {
                *last = Some((title, Instant::now()));
                self.send(Event::Progress {
                    method,
                    title,
                    done,
                    all,
                });
            }
        };
        let start = Instant::now();
        let made = all_of(inspection, &one, &progress)?;
        self.server.metrics.worked(method, start.elapsed());
        let mut found = None;
        for explanation in made {
            let explanation = Arc::new(explanation.with_caption(self.caption()));
            if explanation.target() == target {
                found = Some(explanation.clone());
            }
            session.keep(self.asked(how, explanation.target()), explanation);
        }
        Ok(found.expect("the target is one of the requested classes"))
    }

    fn map(&self, method: &'static str, explanation: &Explanation) {
        let mut maps = maps(explanation, &explanation.record(), Detail::Full);
        let mut warnings = warnings(explanation);
        warnings.retain(|warning| warning.source == method);
        self.send(Event::Map {
            method,
            map: Box::new(maps.remove(0)),
            warnings,
        });
    }
}

fn all_of(
    inspection: &Inspection,
    options: &Explain,
    progress: &dvm::Progress,
) -> Result<Vec<Explanation>, dvm::Error> {
    let mut all = Vec::new();
    inspection.explain(options, progress, |explanation| {
        all.push(explanation);
        Ok::<_, dvm::Error>(())
    })?;
    Ok(all)
}

/// The target's probability, or the difference of two.
fn score(target: &Target, probabilities: &[f32]) -> f64 {
    let weights = target.weights().into_iter();
    weights
        .map(|(class, weight)| weight * f64::from(probabilities[class]))
        .sum()
}

/// Collects windows and sends several at once.
struct Windows {
    tell: UnboundedSender<Event>,
    target: Target,
    output: dvm::engine::Output,
    before: f64,
    waiting: Mutex<(Instant, Vec<Covered>)>,
}

impl Windows {
    fn add(
        &self,
        method: &'static str,
        window: &dvm::engine::incremental::Rectangle,
        numbers: &[f32],
    ) {
        let after = score(&self.target, &self.output.probabilities(numbers));
        let mut waiting = locked(&self.waiting);
        let (since, windows) = &mut *waiting;
        windows.push(Covered {
            rows: [window.rows.start, window.rows.end],
            columns: [window.columns.start, window.columns.end],
            drop: self.before - after,
        });
        if since.elapsed() >= TICK {
            *since = Instant::now();
            let windows = std::mem::take(windows);
            let _ = self.tell.send(Event::Windows { method, windows });
        }
    }
}
