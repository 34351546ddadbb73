//! Help, methods, models, completions, manual pages.

use std::fs;
use std::process::Stdio;

use crate::{dvm, names, program, text};

#[test]
fn methods_show_lists_every_option() {
    for entry in dvm::methods::ALL {
        let shown = dvm(&["methods", "show", entry.name]).stdout;
        for option in entry.options {
            let flag = format!("--{} <", option.name);
            assert!(shown.contains(&flag), "{} {}", entry.name, option.name);
            let default = format!("[default: {}]", option.default);
            let is_shown = option.default.is_empty() || shown.contains(&default);
            assert!(is_shown, "{} {}", entry.name, option.name);
        }
        for preset in entry.presets {
            assert!(shown.contains(preset.name), "{}", preset.name);
        }
    }
}

#[test]
fn the_help_of_explain_refers_to_methods_show() {
    let help = dvm(&["explain", "--help"]).stdout;
    assert!(help.contains("--set <METHOD.OPTION=VALUE>"), "{help}");
    assert!(help.contains("dvm methods show NAME"), "{help}");
    assert!(!help.contains("--window <"), "{help}");
    assert!(help.contains("Examples:"), "{help}");
}

#[test]
fn methods_are_listed_and_shown() {
    let list = dvm(&["methods", "list"]).stdout;
    let known: Vec<&str> = dvm::methods::ALL.iter().map(|entry| entry.name).collect();
    for entry in dvm::methods::ALL {
        let start = format!("  {} ", entry.name);
        let line = list.lines().find(|line| line.starts_with(&start));
        let line = line.unwrap_or_else(|| panic!("{}: {list}", entry.name));
        assert!(line.contains(entry.cost), "{line}");
        assert!(line.ends_with(entry.networks), "{line}");
    }

    let shown = dvm(&["methods", "show", "occlusion"]).stdout;
    assert!(shown.contains("Zeiler, Fergus 2013"), "{shown}");
    assert!(shown.contains("--stride <N|HxW>  [default: 10]"), "{shown}");
    let json = dvm(&["methods", "show", "occlusion", "--json"]).json();
    assert_eq!(json["reference"]["published"], "arXiv 1311.2901");
    assert_eq!(json["options"][0]["name"], "window");
    assert_eq!(json["presets"][0]["options"]["fill"], "black");
    let all = dvm(&["methods", "list", "--json"]).json();
    assert_eq!(all.as_array().unwrap().len(), known.len());
    dvm(&["methods", "show", "magic"]).exits(2);
}

#[test]
fn parameters_are_counted_as_in_the_papers() {
    let all = dvm(&["models", "list", "--json"]).json();
    let model = |name: &str| {
        let all = all.as_array().unwrap();
        all.iter().find(|m| m["name"] == name).unwrap().clone()
    };
    // Values from torchvision's documentation.
    assert_eq!(model("resnet18")["parameters"], 11_689_512);
    assert_eq!(model("resnet50")["parameters"], 25_557_032);
    assert_eq!(model("squeezenet1_1")["parameters"], 1_235_496);
    let giga = model("resnet18")["multiply_adds"].as_f64().unwrap() / 1e9;
    assert!((giga - 1.81).abs() < 0.01, "{giga}");
    assert_eq!(model("resnet18")["embedded"], false);
    assert_eq!(model("efficientnet_lite0")["embedded"], true);
    let list = dvm(&["models", "list"]).stdout;
    assert_eq!(list.lines().count(), dvm::models::all().count() + 1);
    assert!(list.contains("11.69 M"), "{list}");
}

#[test]
fn models_show_lists_every_layer() {
    let shown = dvm(&["models", "show", "resnet18"]).stdout;
    assert!(shown.contains("resnet18-f37072fd.pth"), "{shown}");
    let layer = shown
        .lines()
        .find(|line| line.starts_with("conv1 "))
        .unwrap();
    let words: Vec<&str> = layer.split_whitespace().collect();
    // 147 products for each of 64 · 112 · 112 values.
    assert_eq!(
        words.join(" "),
        "conv1 conv2d 64 × 112 × 112 9408 118.01 M 7 × 7 2"
    );
    let json = dvm(&["models", "show", "--json --class-names"]).json();
    assert_eq!(json["name"], "efficientnet_lite0");
    assert_eq!(json["classes"], 1000);
    assert_eq!(json["class_names"][967], "espresso");
    let sum: u64 = json["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["parameters"].as_u64().unwrap())
        .sum();
    assert_eq!(json["parameters"], sum);
    let classes = dvm(&["models", "show", "squeezenet1_1", "--class-names"]).stdout;
    assert_eq!(classes.lines().count(), 1000);
    assert_eq!(classes.lines().nth(967), Some("967  espresso"));
    dvm(&["models", "show", "vgg99"]).exits(2);
}

#[test]
fn stages_blocks_and_the_last_feature_map_are_shown() {
    let shown = dvm(&["models", "show", "resnet18"]).stdout;
    let line = |start: &str| {
        let mut lines = shown
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        let found = lines.find(|words| words.join(" ").starts_with(start));
        found
            .unwrap_or_else(|| panic!("{start}: {shown}"))
            .join(" ")
    };
    assert_eq!(
        line("last feature map"),
        "last feature map layer4.1.relu2: 512 × 7 × 7, stride 32"
    );
    assert_eq!(
        line("class activation maps"),
        "class activation maps layer4.1.relu2; --layer takes any of the 68 layers with rows and columns, or a \
         module such as layer4.1"
    );
    assert_eq!(line("3 8 "), "3 8 128 × 28 × 28 layer2.1.relu2 2");
    assert_eq!(
        line("layer4.1.relu2 relu"),
        "layer4.1.relu2 relu 512 × 7 × 7 435 × 435 32 last feature map"
    );
    assert_eq!(line("fc "), "fc linear 1000 513000 0.51 M all");
    let json = dvm(&["models", "show", "resnet18", "--json"]).json();
    assert_eq!(json["last_feature_map"]["node"], "layer4.1.relu2");
    let outputs = json["block_outputs"].as_array().unwrap();
    assert_eq!(outputs.len(), 10);
    assert_eq!(outputs[9]["channels"], 512);
    let nodes = json["nodes"].as_array().unwrap();
    let sum = |node: &serde_json::Value| node["multiply_adds"].as_u64().unwrap();
    assert_eq!(json["multiply_adds"], nodes.iter().map(sum).sum::<u64>());
    let node = |name: &str| nodes.iter().find(|node| node["name"] == name).unwrap();
    assert_eq!(node("conv1")["receptive_field"]["rows"]["start"], -3);
    assert_eq!(node("fc")["receptive_field"]["whole"], true);
    assert_eq!(json["usual_layer"], "layer4.1.relu2");
    assert_eq!(node("conv1")["places"], serde_json::json!([112, 112]));
    assert!(node("fc").get("places").is_none());
}

#[test]
fn a_network_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let draw = |name: &str, more: &[&str]| {
        let file = folder.path().join(format!("{name}.svg"));
        let shown = ["models", "show", name, "--graph", text(&file)];
        let run = dvm(&[&shown[..], more].concat());
        (run, fs::read_to_string(&file).unwrap_or_default())
    };
    let (run, svg) = draw("squeezenet1_1", &[]);
    run.exits(0).prints("last feature map");
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert!(svg.contains(">features.3.expand3x3</text>"), "{svg}");
    assert!(
        svg.contains(">stage 1 · stride 2 · 64 × 111 × 111</text>"),
        "{svg}"
    );
    assert_eq!(svg, draw("squeezenet1_1", &[]).1);
    // One box per module.
    let (_, shallow) = draw("squeezenet1_1", &["--depth 2"]);
    assert!(shallow.contains(">features.3</text>") && !shallow.contains(">features.3.expand3x3<"));
    // A network with 500 layers is drawn by module.
    let (_, deep) = draw("resnet152", &[]);
    assert!(deep.contains(">layer3.35</text>"), "{deep}");
    assert!(deep.matches("<title>").count() <= 80);
    let (run, svg) = draw("resnet152", &["--depth 9"]);
    run.exits(0);
    assert!(svg.contains(">layer3.35.conv3</text>"), "{svg}");
    dvm(&["models", "show", "--depth 2"]).exits(2);
    let missing = folder.path().join("no/such.svg");
    let run = dvm(&["models", "show", "--graph", text(&missing)]);
    run.exits(2).says("such.svg");
}

#[test]
fn models_show_takes_a_weight_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.safetensors");
    let embedded = dvm::models::find("squeezenet1_1").unwrap().embedded;
    fs::write(&file, embedded.unwrap()).unwrap();
    let json = dvm(&["models", "show", text(&file), "--json"]).json();
    assert_eq!(json["name"], "squeezenet1_1");
    assert_eq!(json["weights"]["file"], text(&file));
    let shown = dvm(&["models", "show", text(&file)]).stdout;
    assert!(shown.contains("SHA-256"), "{shown}");
}

#[test]
fn completions_and_manual_have_the_options_of_methods() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = dvm(&["completions", shell]).exits(0);
        assert!(script.stdout.contains("window"), "{shell}");
    }
    dvm(&["completions", "tcsh"]).exits(2);
    let manual = dvm(&["man"]).stdout;
    assert!(manual.contains(r"\-\-window"));
    let folder = tempfile::tempdir().unwrap();
    dvm(&["man", "--out", text(folder.path())]).exits(0);
    let pages = names(folder.path());
    for page in ["dvm.1", "dvm-explain.1", "dvm-models-show.1"] {
        assert!(pages.iter().any(|name| name == page), "{pages:?}");
    }
    let explain = fs::read_to_string(folder.path().join("dvm-explain.1")).unwrap();
    assert!(explain.contains(r"\-\-window"));
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let mut child = program(&["models", "show", "--class-names"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(output.status.code(), Some(0));
}
