//! V2, the Open Inference Protocol.

use base64::prelude::{BASE64_STANDARD, Engine};
use dvm::methods;
use serde_json::{Value, json};

use crate::client::{
    Answer, EXPLAIN, NETWORK, Running, config, input, instance, limited, occlusion, picture,
};

const INFER: &str = "/v2/models/net/infer";
const CAM: &str = "/v2/models/net:grad-cam/infer";

fn image() -> Value {
    json!({
        "name": "image", "shape": [1], "datatype": "BYTES", "data": [BASE64_STANDARD.encode(picture())],
    })
}

fn tensor(values: &[f32]) -> Value {
    json!({ "name": "input", "shape": [1, 3, 224, 224], "datatype": "FP32", "data": values })
}

fn numbers(value: &Value) -> Vec<f32> {
    let all = value.as_array().unwrap().iter();
    all.map(|number| number.as_f64().unwrap() as f32).collect()
}

/// The output of this name.
fn output<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let mut outputs = answer["outputs"].as_array().unwrap().iter();
    outputs.find(|output| output["name"] == name).unwrap()
}

/// The map of V1, which is that of the library.
fn map(server: &Running) -> Vec<f32> {
    let body = json!({ "instances": [instance(&picture())] });
    let told = server.post(EXPLAIN, &body).accepted();
    let rows = told["explanations"][0]["map"].as_array().unwrap().iter();
    rows.flat_map(numbers).collect()
}

fn little_endian(values: &[f32]) -> Vec<u8> {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes());
    bytes.collect()
}

/// Sends a request with binary data after the JSON.
fn binary(server: &Running, path: &str, body: &Value, behind: &[u8]) -> Answer {
    let text = body.to_string();
    let length = text.len().to_string();
    let headers = [
        ("Content-Type", "application/octet-stream"),
        ("Inference-Header-Content-Length", &length),
    ];
    server.ask("POST", path, &headers, &[text.as_bytes(), behind].concat())
}

#[test]
fn health_and_metadata_are_served() {
    let server = Running::new(config());
    for what in ["live", "ready"] {
        let told = server.get(&format!("/v2/health/{what}")).accepted();
        assert_eq!(told, json!({ what: true }));
    }
    let about = server.get("/v2").accepted();
    assert_eq!(about["name"], "dvm");
    assert_eq!(about["extensions"], json!(["binary_tensor_data"]));
    let listed = server.get("/v2/models").accepted();
    let listed = listed["models"].as_array().unwrap();
    assert_eq!(listed.len(), 1 + methods::ALL.len());
    for (name, output) in [("net", "probabilities"), ("net:grad-cam", "map")] {
        for path in [
            format!("/v2/models/{name}"),
            format!("/v2/models/{name}/versions/1"),
        ] {
            let metadata = server.get(&path).accepted();
            assert_eq!(metadata["name"], name);
            assert_eq!(metadata["versions"], json!(["1"]));
            assert_eq!(metadata["inputs"][0]["shape"], json!([-1, 3, 224, 224]));
            assert_eq!(metadata["outputs"][0]["name"], output);
            server.get(&format!("{path}/ready")).accepted();
        }
    }
    for path in [
        "/v2/models/nothing",
        "/v2/models/nothing/ready",
        "/v2/models/net:nothing",
        "/v2/models/net/versions/2",
        "/v2/models/net/versions/2/ready",
    ] {
        server.get(path).refused(404);
    }
}

#[test]
fn a_tensor_and_a_file_give_the_same_numbers_as_the_library() {
    let server = Running::new(config());
    let input = input();
    let expected = NETWORK.classify(&input).unwrap();
    for given in [image(), tensor(input.values())] {
        let body = json!({ "id": "42", "inputs": [given] });
        let answer = server.post(INFER, &body).accepted();
        assert_eq!(answer["id"], "42");
        assert_eq!(answer["model_name"], "net");
        assert_eq!(answer["model_version"], "1");
        let probabilities = output(&answer, "probabilities");
        assert_eq!(probabilities["datatype"], "FP32");
        assert_eq!(probabilities["shape"], json!([1, 1000]));
        assert_eq!(numbers(&probabilities["data"]), expected.probabilities);
        assert_eq!(numbers(&output(&answer, "logits")["data"]), expected.logits);
        let top = &expected.top(1)[0];
        assert_eq!(output(&answer, "class")["data"], json!([top.index]));
        assert_eq!(output(&answer, "label")["data"], json!([top.name]));
    }
}

#[test]
fn data_can_be_nested_and_outputs_chosen() {
    let server = Running::new(config());
    let input = input();
    let rows = |channel: &[f32]| {
        channel
            .chunks(224)
            .map(|row| json!(row))
            .collect::<Vec<_>>()
    };
    let nested: Vec<_> = input.values().chunks(224 * 224).map(rows).collect();
    let body = json!({
        "inputs": [{ "name": "input", "shape": [1, 3, 224, 224], "datatype": "FP32", "data": [nested] }],
        "outputs": [{ "name": "class" }],
    });
    let answer = server
        .post("/v2/models/net/versions/1/infer", &body)
        .accepted();
    assert_eq!(answer["outputs"].as_array().unwrap().len(), 1);
    assert_eq!(output(&answer, "class")["shape"], json!([1]));
}

#[test]
fn a_method_is_a_model_whose_output_is_the_map() {
    let server = Running::new(config());
    let expected = map(&server);
    let two = json!({
        "name": "image", "shape": [2], "datatype": "BYTES",
        "data": [BASE64_STANDARD.encode(picture()), BASE64_STANDARD.encode(picture())],
    });
    let answer = server.post(CAM, &json!({ "inputs": [two] })).accepted();
    let map = output(&answer, "map");
    assert_eq!(map["shape"], json!([2, 224, 224]));
    assert_eq!(
        numbers(&map["data"]),
        [expected.clone(), expected.clone()].concat()
    );
    assert_eq!(output(&answer, "label")["datatype"], "BYTES");
    assert_eq!(output(&answer, "probability")["shape"], json!([2]));
    let body = json!({ "inputs": [image()], "parameters": { "class": 7, "options.smooth": true } });
    let answer = server.post(CAM, &body).accepted();
    assert_eq!(output(&answer, "class")["data"], json!([7]));
    assert_ne!(numbers(&output(&answer, "map")["data"]), expected);
}

#[test]
fn numbers_and_files_can_be_binary_data() {
    let server = Running::new(config());
    let input = input();
    let expected = NETWORK.classify(&input).unwrap();
    let bytes = little_endian(input.values());
    let body = json!({
        "inputs": [{
            "name": "input", "shape": [1, 3, 224, 224], "datatype": "FP32",
            "parameters": { "binary_data_size": bytes.len() },
        }],
        "outputs": [
            { "name": "logits", "parameters": { "binary_data": true } },
            { "name": "label", "parameters": { "binary_data": true } },
            { "name": "class" },
        ],
    });
    let answer = binary(&server, INFER, &body, &bytes);
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        Some("application/octet-stream")
    );
    let length = answer.header("inference-header-content-length").unwrap();
    let (text, behind) = answer.body.split_at(length.parse().unwrap());
    let text: Value = serde_json::from_slice(text).unwrap();
    assert_eq!(text["outputs"][0]["parameters"]["binary_data_size"], 4000);
    assert_eq!(text["outputs"][0].get("data"), None);
    assert_eq!(
        text["outputs"][2]["data"],
        json!([expected.top(1)[0].index])
    );
    assert_eq!(behind[..4000], little_endian(&expected.logits));
    let label = &expected.top(1)[0].name;
    let length = u32::try_from(label.len()).unwrap().to_le_bytes();
    assert_eq!(behind[4000..], [&length[..], label.as_bytes()].concat());

    let file = picture();
    let length = u32::try_from(file.len()).unwrap().to_le_bytes();
    let behind = [&length[..], &file].concat();
    let body = json!({
        "inputs": [{
            "name": "image", "shape": [1], "datatype": "BYTES",
            "parameters": { "binary_data_size": behind.len() },
        }],
    });
    let answer = binary(&server, INFER, &body, &behind).accepted();
    assert_eq!(numbers(&output(&answer, "logits")["data"]), expected.logits);
}

#[test]
fn invalid_tensors_are_errors() {
    let server = Running::new(config());
    let values = input().values().to_vec();
    for (field, value, why) in [
        ("shape", json!([1, 3, 224]), "expects [1, 3, 224, 224]"),
        ("shape", json!([0, 3, 224, 224]), "1 to 32 pictures"),
        ("shape", json!([]), "1 to 32 pictures"),
        ("shape", json!([33, 3, 224, 224]), "1 to 32 pictures"),
        ("shape", json!([2, 3, 224, 224]), "its shape has 301056"),
        ("shape", json!([1, 3, u64::MAX, 2]), "the network expects"),
        ("data", json!([1.0, 2.0]), "2 numbers"),
        ("data", json!(vec![1e39; values.len()]), "NaN or infinity"),
        ("datatype", json!("INT8"), "datatype `INT8`"),
        ("datatype", json!("BYTES"), "0 files"),
        ("data", Value::Null, "either `data` or binary data"),
        (
            "parameters",
            json!({ "binary_data_size": 4 }),
            "must have a binary_data_size of 0",
        ),
    ] {
        let mut given = tensor(&values);
        given[field] = value;
        let body = json!({ "inputs": [given] });
        server.post(INFER, &body).is_wrong(why);
    }
    for (body, why) in [
        (json!({ "inputs": [] }), "but has 0"),
        (json!({ "inputs": [image(), image()] }), "but has 2"),
        (
            json!({ "inputs": [image()], "outputs": [{ "name": "nothing" }] }),
            "no output `nothing`",
        ),
        (
            json!({ "inputs": [image()], "parameters": { "window": 3 } }),
            "parameter `window`",
        ),
        (
            json!({ "inputs": [image()], "parameters": { "class": 3 } }),
            "parameter of methods",
        ),
        (
            json!({ "inputs": [image()], "parameters": { "class": [3] } }),
            "must be text, a number",
        ),
    ] {
        server.post(INFER, &body).is_wrong(why);
    }
    let many = vec![json!({ "name": "class" }); 100];
    let body = json!({ "inputs": [image()], "outputs": many });
    server.post(INFER, &body).refused(400);
}

#[test]
fn invalid_binary_data_is_an_error() {
    let server = Running::new(config());
    let mut bytes = little_endian(input().values());
    let body = |size: usize| {
        json!({
            "inputs": [{
                "name": "input", "shape": [1, 3, 224, 224], "datatype": "FP32",
                "parameters": { "binary_data_size": size },
            }],
        })
    };
    let length = bytes.len();
    binary(&server, INFER, &body(length), &bytes).accepted();
    bytes[400..404].copy_from_slice(&f32::NAN.to_le_bytes());
    binary(&server, INFER, &body(length), &bytes).is_wrong("NaN");
    for (size, behind) in [
        (length, &bytes[..length - 4]),
        (length - 1, &bytes[..length - 1]),
        (8, &bytes[..8]),
    ] {
        binary(&server, INFER, &body(size), behind).refused(400);
    }
    for wrong in ["999999999", "-1", "x"] {
        let headers = [
            ("Content-Type", "application/octet-stream"),
            ("Inference-Header-Content-Length", wrong),
        ];
        server.ask("POST", INFER, &headers, b"{}").refused(400);
    }
}

#[test]
fn a_server_that_is_stopping_is_not_ready() {
    let server = limited(|_| {});
    let body = occlusion(12);
    std::thread::scope(|scope| {
        let explained = scope.spawn(|| server.post(EXPLAIN, &body));
        server.wait_for_queue("long", 1.0);
        // Uses an open connection, because no new one is accepted.
        let mut stream = server.connect();
        server.end();
        std::thread::sleep(std::time::Duration::from_millis(300));
        use std::io::Write;
        let request = crate::client::request("GET", "/v2/health/ready", &[], b"");
        let _ = stream.write_all(&request);
        let status = Answer::read(stream).status;
        assert!(matches!(status, 0 | 503), "{status}");
        explained.join().unwrap().accepted();
    });
}
