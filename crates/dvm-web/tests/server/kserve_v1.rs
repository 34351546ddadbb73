//! KServe's V1 protocol.

use base64::prelude::{BASE64_STANDARD, Engine};
use dvm::{Explain, encode_npy};
use serde_json::{Value, json};

use crate::client::{
    EXPLAIN, JSON, NETWORK, PREDICT, Running, about_picture, config, input, instance, picture,
};

/// Numbers of the input as lists `[C, H, W]`.
fn lists(values: &[f32]) -> Value {
    let [_, height, width] = input().shape();
    let rows = |channel: &[f32]| {
        channel
            .chunks(width)
            .map(|row| json!(row))
            .collect::<Vec<_>>()
    };
    let channels = values.chunks(height * width).map(rows);
    json!(channels.collect::<Vec<_>>())
}

fn numbers(value: &Value) -> Vec<f32> {
    match value {
        Value::Array(all) => all.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap() as f32],
    }
}

/// The map that the library makes.
fn map(method: &str) -> Vec<f32> {
    let options = Explain::methods(method).unwrap();
    let mut map = Vec::new();
    let each = |explanation: dvm::Explanation| {
        map = explanation.maps().next().unwrap().1.map.clone();
        Ok::<_, dvm::Error>(())
    };
    NETWORK
        .explain_input(input(), &options, &|_, _, _| {}, each)
        .unwrap();
    map
}

#[test]
fn models_are_listed_and_ready() {
    let mut config = config();
    config.models.push(("net".into(), NETWORK.clone()));
    let server = Running::new(config);
    let listed = server.get("/v1/models").accepted();
    assert_eq!(listed, json!({ "models": ["net", "net-2"] }));
    let ready = server.get("/v1/models/net-2").accepted();
    assert_eq!(ready, json!({ "name": "net-2", "ready": true }));
}

#[test]
fn an_unknown_model_or_verb_is_an_error_with_similar_names() {
    let server = Running::new(config());
    let body = json!({ "instances": [instance(&picture())] });
    let why = server.get("/v1/models/nett").refused(404);
    assert!(why.contains("did you mean `net`?"), "{why}");
    let why = server.post("/v1/models/resnet:predict", &body).refused(404);
    assert!(why.contains("there is no model named `resnet`"), "{why}");
    for path in [
        "/v1/models/net:regress",
        "/v1/models/net",
        "/v1/models/net:",
    ] {
        server.post(path, &body).refused(404);
    }
    let why = server
        .post("/v1/models/net:grad-cm:explain", &body)
        .refused(404);
    assert!(why.contains("`grad-cam`"), "{why}");
    assert_eq!(server.ask("DELETE", "/v1/models", &[], b"").status, 405);
}

#[test]
fn predictions_match_the_library() {
    let server = Running::new(config());
    let input = input();
    let expected = NETWORK.classify(&input).unwrap();
    let b64 = BASE64_STANDARD.encode(picture());
    let body = json!({
        "instances": [
            { "b64": b64 },
            { "image": { "b64": b64 } },
            { "image_bytes": { "b64": b64 } },
            lists(input.values()),
        ],
        "parameters": { "probabilities": true, "top": 3 },
    });
    let answer = server.post(PREDICT, &body).accepted();
    let predictions = answer["predictions"].as_array().unwrap();
    assert_eq!(predictions.len(), 4);
    let top = &expected.top(1)[0];
    for prediction in predictions {
        assert_eq!(prediction["class"], top.name);
        assert_eq!(prediction["index"], top.index);
        assert_eq!(prediction["top"].as_array().unwrap().len(), 3);
        assert_eq!(
            numbers(&prediction["probabilities"]),
            expected.probabilities
        );
        assert_eq!(numbers(&prediction["logits"]), expected.logits);
    }
    let plain = server.post(PREDICT, &json!({ "inputs": [instance(&picture())] }));
    assert_eq!(
        plain.accepted()["predictions"][0].get("probabilities"),
        None
    );
}

#[test]
fn predictions_have_warnings() {
    let server = Running::new(config());
    let wide = dvm::encode_png(&dvm::Picture::filled(20, 200, [9, 90, 200]));
    let answer = server.post(PREDICT, &json!({ "instances": [instance(&wide)] }));
    let warnings = answer.accepted()["predictions"][0]["warnings"].to_string();
    assert!(warnings.contains("network sees"), "{warnings}");
}

#[test]
fn explanations_match_the_library() {
    let server = Running::new(config());
    let body = json!({ "instances": [instance(&picture()), lists(input().values())] });
    let answer = server.post(EXPLAIN, &body).accepted();
    let expected = map("grad-cam");
    assert_eq!(answer["predictions"].as_array().unwrap().len(), 2);
    for explanation in answer["explanations"].as_array().unwrap() {
        assert_eq!(explanation["method"], "grad-cam");
        assert_eq!(explanation["shape"], json!([224, 224]));
        assert_eq!(explanation["map"].as_array().unwrap().len(), 224);
        assert_eq!(numbers(&explanation["map"]), expected);
        assert_eq!(explanation["parameters"]["score"], "logit");
        assert_eq!(explanation["class"], answer["predictions"][0]["class"]);
        assert!(explanation["warnings"].is_array() && explanation["quantity"].is_string());
    }
}

#[test]
fn the_method_is_in_the_address_or_in_the_parameters() {
    let server = Running::new(config());
    let npy = BASE64_STANDARD.encode(encode_npy(&[224, 224], &map("gradient")));
    let by_parameter = json!({ "method": "gradient", "maps": "npy", "overlay": true });
    let by_parameter = server
        .post(EXPLAIN, &about_picture(&by_parameter))
        .accepted();
    let explanation = &by_parameter["explanations"][0];
    assert_eq!(explanation["map"], npy);
    let overlay = explanation["overlay"].as_str().unwrap();
    let overlay = BASE64_STANDARD.decode(overlay).unwrap();
    assert!(overlay.starts_with(b"\x89PNG"));
    let by_address = server.post(
        "/v1/models/net:gradient:explain",
        &about_picture(&json!({ "maps": "npy" })),
    );
    assert_eq!(by_address.accepted()["explanations"][0]["map"], npy);
}

#[test]
fn a_class_is_chosen_by_name_or_index_and_explained_against_another() {
    let server = Running::new(config());
    let ask = |parameters: Value| server.post(EXPLAIN, &about_picture(&parameters));
    let by_index = ask(json!({ "class": 3 })).accepted();
    let explanation = &by_index["explanations"][0];
    assert_eq!(explanation["index"], 3);
    assert_eq!(explanation["class"], NETWORK.classes()[3]);
    assert_ne!(explanation["class"], by_index["predictions"][0]["class"]);
    let by_name = ask(json!({ "class": NETWORK.classes()[3] })).accepted();
    assert_eq!(by_name["explanations"], by_index["explanations"]);
    let against = ask(json!({ "class": 3, "against": 5 })).accepted();
    let target = against["explanations"][0]["target"].as_str().unwrap();
    assert!(target.contains(" against "), "{target}");
    for (parameters, why) in [
        (json!({ "class": 1000 }), "0 to 999"),
        (json!({ "class": "no such class" }), "no class named"),
        (json!({ "class": "all" }), "a request explains one class"),
        (json!({ "class": 3, "against": 3 }), "against itself"),
        (json!({ "class": -1 }), "must be a name or an index"),
        (json!({ "method": "grad-kam" }), "`grad-cam`"),
        (
            json!({ "method": "grad-cam", "options": { "window": 3 } }),
            "window",
        ),
        (
            json!({ "method": "occlusion", "options": { "overlap": "mean" } }),
            "one of",
        ),
        (json!({ "methods": "grad-cam" }), "unknown field"),
        (
            json!({ "options": { "layer": ["a"] } }),
            "must be text, a number",
        ),
    ] {
        ask(parameters).is_wrong(why);
    }
}

#[test]
fn invalid_numbers_are_errors_with_their_position() {
    let server = Running::new(config());
    let good = lists(input().values());
    let mut ragged = good.clone();
    ragged[0][0].as_array_mut().unwrap().pop();
    let mut texts = good.clone();
    texts[1][2][3] = json!("7");
    let mut huge = good.clone();
    huge[1][2][3] = json!(1e39);
    for (wrong, why) in [
        (json!([[[1.0]]]), "expects numbers of shape [3, 224, 224]"),
        (json!([1, 2, 3]), "got [3]"),
        (json!([]), "got [0]"),
        (ragged, "the same length"),
        (texts, "both numbers and"),
        (huge, "NaN or infinity"),
        (json!({ "b64": "%%" }), "base64"),
        (
            json!({ "url": "http://example.org/a.png" }),
            "unknown field",
        ),
        (json!("text"), "JSON body is invalid"),
        (Value::Null, "JSON body is invalid"),
    ] {
        let body = json!({ "instances": [wrong] });
        server.post(PREDICT, &body).is_wrong(why);
    }
    let nan = server.ask("POST", PREDICT, &[JSON], b"{\"instances\": [[[[NaN]]]]}");
    nan.refused(400);
    let error = server
        .post(PREDICT, &json!({ "instances": [good, [[[0.5]]]] }))
        .refused(400);
    assert!(error.starts_with("instances[1]: "), "{error}");
    for empty in [json!({ "instances": [] }), json!({})] {
        server.post(PREDICT, &empty).refused(400);
    }
}
