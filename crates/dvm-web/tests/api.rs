//! The API of the page, compared with the library.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use dvm::{ClassChoice, Classifier, Explain, Explanation, Settings, encode_npy};
use dvm_web::server::{Config, Limits, Log, Server, router};
use dvm_web::view::Packed;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

const MODEL: &str = "squeezenet1_1";

static CLASSIFIER: LazyLock<Arc<Classifier>> =
    LazyLock::new(|| Arc::new(Classifier::open(MODEL, None).unwrap()));

/// A server with one small network.
fn server() -> Router {
    let config = Config {
        models: vec![(MODEL.into(), CLASSIFIER.clone())],
        listen: ([127, 0, 0, 1], 0).into(),
        token: None,
        limits: Limits::default(),
        origins: Vec::new(),
        hosts: Vec::new(),
        log: Log::None,
    };
    router(Arc::new(Server::new(config).unwrap()))
}

async fn ask(server: &Router, request: Request<Body>) -> (StatusCode, Bytes) {
    let answer = server.clone().oneshot(request).await.unwrap();
    let status = answer.status();
    (
        status,
        answer.into_body().collect().await.unwrap().to_bytes(),
    )
}

fn get(path: &str) -> Request<Body> {
    let request = Request::get(path).header("host", "localhost");
    request.body(Body::empty()).unwrap()
}

async fn post(server: &Router, path: &str, body: &Value) -> (StatusCode, Bytes) {
    let request = Request::post(path)
        .header("host", "localhost")
        .header("content-type", "application/json");
    ask(server, request.body(body.to_string().into()).unwrap()).await
}

async fn put(server: &Router, name: &str, bytes: Vec<u8>) -> (StatusCode, Value) {
    let request = Request::post(format!("/api/pictures?name={name}"))
        .header("host", "localhost")
        .header("content-type", "application/octet-stream");
    let (status, body) = ask(server, request.body(bytes.into()).unwrap()).await;
    (status, serde_json::from_slice(&body).unwrap())
}

fn coffee_file() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/samples/coffee.png")
}

/// A server with the picture of coffee, and the picture's id.
async fn with_coffee() -> (Router, String) {
    let server = server();
    let (status, info) = put(&server, "coffee.png", std::fs::read(coffee_file()).unwrap()).await;
    assert_eq!(status, StatusCode::OK, "{info}");
    assert_eq!(
        (&info["width"], &info["height"]),
        (&json!(600), &json!(400))
    );
    let id = info["id"].as_str().unwrap().to_owned();
    (server, id)
}

fn lines(body: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(body).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn of_kind<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events
        .iter()
        .filter(|event| event["event"] == kind)
        .collect()
}

/// The explanation of a class by occlusion with windows of 56 pixels.
fn occluded(class: ClassChoice) -> Explanation {
    let settings = Settings::new().with("window", 56).with("stride", 56);
    let mut options = Explain::with_settings("occlusion", &settings).unwrap();
    options.classes = vec![class];
    let picture = dvm::read(coffee_file()).unwrap();
    CLASSIFIER.explain(picture, &options).unwrap().remove(0)
}

fn occlusion(picture: &str) -> Value {
    json!({
        "picture": picture,
        "model": MODEL,
        "methods": ["occlusion"],
        "options": { "window": "56", "stride": "56" },
    })
}

fn packed(explanation: &Explanation) -> Value {
    let (_, map) = explanation.maps().next().unwrap();
    let text = serde_json::to_string(&Packed::new(&[224, 224], &map.map, 16)).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn an_explanation_matches_the_library_and_reports_every_window() {
    let (server, picture) = with_coffee().await;
    let (status, body) = post(&server, "/api/explain", &occlusion(&picture)).await;
    assert_eq!(status, StatusCode::OK);
    let events = lines(&body);
    let expected = occluded(ClassChoice::Top);
    assert_eq!(events[0]["event"], "prediction");
    assert_eq!(events[0]["view"]["class"]["name"], expected.class_name());
    assert_eq!(events[0]["view"]["maps"], json!([]));
    let maps = of_kind(&events, "map");
    assert_eq!(maps.len(), 1);
    assert_eq!(maps[0]["map"]["values"], packed(&expected));
    assert_eq!(events.last().unwrap()["event"], "done");
    let (_, map) = expected.maps().next().unwrap();
    for window in of_kind(&events, "windows")
        .iter()
        .flat_map(|event| event["windows"].as_array().unwrap())
    {
        let place = |axis: &str| window[axis][0].as_u64().unwrap() as usize;
        let value = f64::from(map.map[(place("rows") + 28) * 224 + place("columns") + 28]);
        assert!(
            (window["drop"].as_f64().unwrap() - value).abs() < 1e-6,
            "{window}"
        );
    }
}

#[tokio::test]
async fn another_class_of_the_same_windows_needs_no_work() {
    let (server, picture) = with_coffee().await;
    let (_, first) = post(&server, "/api/explain", &occlusion(&picture)).await;
    let top = lines(&first)[0]["view"]["top"].clone();
    let second = top[1]["index"].as_u64().unwrap();
    let mut request = occlusion(&picture);
    request["class"] = json!(second);
    let (_, body) = post(&server, "/api/explain", &request).await;
    let events = lines(&body);
    assert!(of_kind(&events, "progress").is_empty(), "it was made again");
    assert_eq!(events[0]["view"]["class"]["index"], second);
    let expected = occluded(ClassChoice::Index(second as usize));
    assert_eq!(
        of_kind(&events, "map")[0]["map"]["values"],
        packed(&expected)
    );
}

#[tokio::test]
async fn maps_come_in_the_given_order_and_a_failure_does_not_stop_the_others() {
    let (server, picture) = with_coffee().await;
    let request = json!({
        "picture": picture,
        "model": MODEL,
        "methods": ["attention-rollout", "grad-cam", "guided-backprop"],
    });
    let (_, body) = post(&server, "/api/explain", &request).await;
    let events = lines(&body);
    let failed = of_kind(&events, "failed");
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["method"], "attention-rollout");
    assert!(failed[0]["error"].as_str().unwrap().contains("attention"));
    let methods: Vec<&Value> = of_kind(&events, "map")
        .iter()
        .map(|event| &event["method"])
        .collect();
    assert_eq!(methods, ["grad-cam", "guided-backprop"]);
    let answer = events[0]["explanation"].as_str().unwrap();
    let file = async |name: &str| {
        let path = format!("/api/explanations/{answer}/{name}");
        ask(&server, get(&path)).await
    };
    let (status, bytes) = file("grad-cam.npy").await;
    assert_eq!(status, StatusCode::OK);
    let options = Explain::methods("grad-cam").unwrap();
    let expected = CLASSIFIER
        .explain(dvm::read(coffee_file()).unwrap(), &options)
        .unwrap();
    let (_, map) = expected[0].maps().next().unwrap();
    assert_eq!(bytes, encode_npy(&[224, 224], &map.map));
    let (status, figure) = file("figure.png").await;
    assert_eq!(status, StatusCode::OK);
    assert!(figure.starts_with(b"\x89PNG"));
    let (status, report) = file("report.html").await;
    assert_eq!(status, StatusCode::OK);
    let report = String::from_utf8(report.to_vec()).unwrap();
    assert!(report.contains("id=\"picture-0\"") && report.contains("coffee.png by squeezenet1_1"));
    for name in [
        "figure.gif",
        "nothing.npy",
        "..%2f..%2fetc%2fpasswd",
        "grad-cam.x.npy",
    ] {
        assert_eq!(file(name).await.0, StatusCode::NOT_FOUND, "{name}");
    }
}

#[tokio::test]
async fn a_covered_window_changes_probabilities_as_in_occlusion() {
    let (server, picture) = with_coffee().await;
    let expected = occluded(ClassChoice::Top);
    let class = expected.class();
    let request = json!({
        "picture": picture,
        "model": MODEL,
        "rows": [56, 112],
        "columns": [112, 168],
        "classes": [class],
    });
    let (status, body) = post(&server, "/api/window", &request).await;
    assert_eq!(status, StatusCode::OK);
    let answer: Value = serde_json::from_slice(&body).unwrap();
    let raw = expected.maps().next().unwrap().1.raw();
    let covered = f64::from(raw.values[(class * 4 + 1) * 4 + 2]);
    let told = &answer["classes"][0];
    assert!(
        (told["after"].as_f64().unwrap() - covered).abs() < 1e-6,
        "{told} {covered}"
    );
    let before = told["before"].as_f64().unwrap();
    assert!((before - f64::from(expected.probability())).abs() < 1e-6);
}

#[tokio::test]
async fn invalid_requests_are_errors_with_a_reason() {
    let (server, picture) = with_coffee().await;
    let window = json!({
        "picture": picture, "model": MODEL, "rows": [0, 9], "columns": [0, 9], "fill": "mean",
    });
    let (explain, window) = (
        ("/api/explain", occlusion(&picture)),
        ("/api/window", window),
    );
    let outside = "is empty or outside of";
    for ((path, request), field, value, status, words) in [
        (
            &explain,
            "picture",
            json!("1234"),
            404,
            "no longer has this picture",
        ),
        (&explain, "model", json!("squeezenet"), 404, "squeezenet1_1"),
        (&explain, "methods", json!(["oclusion"]), 400, "occlusion"),
        (&explain, "methods", json!([]), 400, "1 to"),
        (
            &explain,
            "class",
            json!(1000),
            400,
            "there is no class 1000",
        ),
        (
            &explain,
            "options",
            json!({ "fill": "/etc/x.png" }),
            400,
            "does not read files",
        ),
        (&explain, "options", json!({ "windw": "3" }), 400, "windw"),
        (&explain, "checks", json!(["deletio"]), 400, "deletion"),
        (&window, "rows", json!([0, 300]), 400, outside),
        (&window, "rows", json!([9, 9]), 400, outside),
        (&window, "fill", json!("./x.npy"), 400, "does not read"),
    ] {
        let mut request = request.clone();
        request[field] = value;
        let (found, body) = post(&server, path, &request).await;
        let text = String::from_utf8_lossy(&body);
        assert_eq!(found.as_u16(), status, "{request}: {text}");
        assert!(text.contains(words), "{request}: {text}");
    }
}

#[tokio::test]
async fn a_file_that_is_not_a_picture_is_an_error_with_its_name() {
    let server = server();
    for (name, bytes) in [
        ("notes.txt", b"hello".to_vec()),
        ("scan.dcm", b"nothing".to_vec()),
        (
            "cut.png",
            std::fs::read(coffee_file()).unwrap()[..30].to_vec(),
        ),
        ("empty.png", Vec::new()),
    ] {
        let (status, body) = put(&server, name, bytes).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{name}: {body}");
        let error = body["error"].as_str().unwrap();
        assert!(error.contains(name) && !error.contains("/tmp"), "{error}");
    }
}

#[tokio::test]
async fn classes_are_found_by_a_part_of_their_name_or_by_index() {
    let server = server();
    let found = |query: &'static str| {
        let server = server.clone();
        async move {
            let path = format!("/api/models/{MODEL}/classes?{query}");
            let (status, body) = ask(&server, get(&path)).await;
            assert_eq!(status, StatusCode::OK);
            serde_json::from_slice::<Value>(&body).unwrap()
        }
    };
    assert_eq!(
        found("search=espresso%20m").await,
        json!([{ "index": 550, "name": "espresso_maker" }])
    );
    assert_eq!(found("search=504").await[0]["name"], "coffee_mug");
    assert_eq!(found("limit=7").await.as_array().unwrap().len(), 7);
}
