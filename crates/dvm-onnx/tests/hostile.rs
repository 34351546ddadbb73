//! Hostile and damaged files: each is an error, quickly and without much memory.
//!
//! The files are written field by field in the wire format.

mod onnx_bytes;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use dvm_onnx::{Imported, OnnxError, Options, from_bytes};

use self::onnx_bytes::*;

/// Tests run one at a time, to measure the memory of one file.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number of kilobytes that Linux reports about this process.
fn kilobytes(what: &str) -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(what))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Reads a file, which must take less than 200 MB (where the system reports it).
fn read(bytes: &[u8]) -> Result<Imported, OnnxError> {
    let is_large = bytes.len() > 1 << 16;
    let before = match is_large {
        // Reset the peak of memory use.
        true => std::fs::write("/proc/self/clear_refs", "5")
            .ok()
            .and_then(|()| kilobytes("VmRSS")),
        false => kilobytes("VmHWM"),
    };
    let read = from_bytes(bytes, "hostile.onnx", Options::default());
    if let (Some(before), Some(most)) = (before, kilobytes("VmHWM")) {
        let taken = most.saturating_sub(before) / 1000;
        assert!(taken < 200, "took {taken} MB");
    }
    read
}

fn refused(bytes: &[u8]) -> String {
    match read(bytes) {
        Ok(_) => panic!("it was read"),
        Err(error) => error.to_string(),
    }
}

/// A file with one node, which reads the picture and constants.
fn with_node(op: &str, inputs: &[&str], attributes: &[Vec<u8>], constants: &[Vec<u8>]) -> Vec<u8> {
    let node = node(op, inputs, &["one"], attributes);
    with_end(vec![node], "one", constants.to_vec())
}

#[test]
fn the_file_that_the_others_are_made_from_is_valid() {
    let _alone = alone();
    assert!(read(&with_end(vec![], "x", vec![])).is_ok());
}

#[test]
fn a_truncated_file_never_panics() {
    let _alone = alone();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/references");
    for name in ["cnn_script_17", "vit_dynamo_18", "functions", "quantised"] {
        let whole = std::fs::read(folder.join(format!("{name}.onnx"))).unwrap();
        for length in (0..whole.len()).step_by(64) {
            let _ = read(&whole[..length]);
        }
    }
}

#[test]
fn a_file_with_one_byte_changed_never_panics() {
    let _alone = alone();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/references");
    for name in ["keras", "functions", "quantised", "labelled", "normalising"] {
        let whole = std::fs::read(folder.join(format!("{name}.onnx"))).unwrap();
        for at in 0..whole.len() {
            for change in [0x01, 0x80] {
                let mut other = whole.clone();
                other[at] ^= change;
                let _ = read(&other);
            }
        }
    }
}

#[test]
fn nodes_that_read_themselves_or_each_other_are_an_error() {
    let _alone = alone();
    let alone = with_end(vec![node("Relu", &["a"], &["a"], &[])], "a", vec![]);
    assert!(refused(&alone).contains("no earlier node computes it"));
    let a = node("Relu", &["b"], &["a"], &[]);
    let b = node("Relu", &["a"], &["b"], &[]);
    assert!(refused(&with_end(vec![a, b], "b", vec![])).contains("no earlier node computes it"));
}

#[test]
fn a_name_that_is_defined_twice_is_an_error() {
    let _alone = alone();
    let twice = |op| node(op, &["x"], &["a"], &[]);
    let nodes = with_end(vec![twice("Relu"), twice("Tanh")], "a", vec![]);
    assert!(refused(&nodes).contains("a second time"));
    let tensors = with_end(vec![], "x", vec![weights()]);
    assert!(refused(&tensors).contains("twice"));
}

#[test]
fn weights_that_are_missing_short_or_of_another_type_are_an_error() {
    let _alone = alone();
    let missing = refused(&model(&end("x"), &[]));
    assert!(missing.contains("reads `w`"), "{missing}");
    let short = floats("w", &[3, 4], &[0.5; 11]);
    assert!(refused(&model(&end("x"), &[short])).contains("11 numbers"));
    let numbers = whole("w", &[3, 4], &[1; 12]);
    assert!(refused(&model(&end("x"), &[numbers])).contains("integers"));
}

#[test]
fn sides_that_are_huge_negative_or_zero_are_an_error() {
    let _alone = alone();
    for dims in [
        &[1 << 62, 1 << 62][..],
        &[-3, 4],
        &[0, 4],
        &[3, 0],
        &[i64::MAX],
        &[3, 1 << 40],
    ] {
        refused(&model(&end("x"), &[floats("w", dims, &[0.5; 12])]));
        refused(&model(&end("x"), &[floats("w", dims, &[])]));
    }
    for sides in [
        [1, 3, 1 << 62, 8],
        [1, 1 << 40, 8, 8],
        [1, 3, 1 << 20, 1 << 20],
    ] {
        let mut graph = Vec::new();
        end("x")
            .iter()
            .for_each(|node| graph.extend(bytes(1, node)));
        graph.extend(bytes(5, weights()));
        graph.extend(bytes(11, value("x", &sides)));
        graph.extend(bytes(12, value("y", &[1, 4])));
        refused(&model_of(&graph, &[]));
    }
}

#[test]
fn a_million_nodes_are_an_error_before_they_are_decoded() {
    let _alone = alone();
    let one = bytes(1, node("Relu", &["x"], &["a"], &[]));
    let graph = [one.repeat(1_000_000), graph(&end("x"), &[weights()])].concat();
    assert!(refused(&model_of(&graph, &[])).contains("nodes"));
    let empty = bytes(1, []).repeat(1_000_000);
    assert!(refused(&model_of(&empty, &[])).contains("nodes"));
    let names = node("Relu", &["x"], &[], &[]);
    let names = [names, bytes(2, "").repeat(8_000_000)].concat();
    assert!(refused(&model(&[names], &[])).contains("memory"));
}

#[test]
fn fifty_thousand_nodes_take_little_memory() {
    let _alone = alone();
    let mut nodes = Vec::new();
    let mut before = "x".to_owned();
    for index in 0..50_000 {
        let name = format!("n{index}");
        nodes.push(node("Neg", &[&before], &[&name], &[]));
        before = name;
    }
    let _ = read(&with_end(nodes, &before, vec![]));
}

#[test]
fn graphs_nested_deeply_are_an_error() {
    let _alone = alone();
    let mut inner = Vec::new();
    for _ in 0..200 {
        let attribute = [bytes(1, "then_branch"), bytes(6, &inner), number(20, 5)].concat();
        inner = bytes(1, node("If", &["c"], &["y"], &[attribute]));
    }
    assert!(refused(&model_of(&inner, &[])).contains("deep"));
}

#[test]
fn functions_that_call_each_other_without_end_are_an_error() {
    let _alone = alone();
    let function = |name: &str, calls: &[Vec<u8>]| {
        let mut content = bytes(1, name);
        content.extend(bytes(4, "a"));
        content.extend(bytes(5, "b"));
        calls.iter().for_each(|call| content.extend(bytes(7, call)));
        content.extend(bytes(10, "own"));
        bytes(25, content)
    };
    let call = |name: &str, from: &str, to: &str| {
        [node(name, &[from], &[to], &[]), bytes(7, "own")].concat()
    };
    let start = |nodes: &[Vec<u8>], functions: &[Vec<u8>]| {
        let mut all = nodes.to_vec();
        all.extend(end("z"));
        model_of(&graph(&all, &[weights()]), &functions.concat())
    };
    let own = function("F", &[call("F", "a", "b")]);
    assert!(refused(&start(&[call("F", "x", "z")], &[own])).contains("deep"));
    // Each calls the next one twice: 2^20 calls.
    let chain: Vec<Vec<u8>> = (0..20)
        .map(|level| {
            let next = format!("F{}", level + 1);
            function(
                &format!("F{level}"),
                &[call(&next, "a", "m"), call(&next, "m", "b")],
            )
        })
        .collect();
    let last = function("F20", &[node("Relu", &["a"], &["b"], &[])]);
    let bomb = start(&[call("F0", "x", "z")], &[chain.concat(), last]);
    let error = refused(&bomb);
    assert!(error.contains("steps"), "{error}");
}

#[test]
fn constants_that_grow_without_end_are_an_error() {
    let _alone = alone();
    let huge = whole("huge", &[3], &[1 << 20, 1 << 20, 1 << 20]);
    let many = whole("many", &[3], &[4096, 4096, 64]);
    let count = whole("count", &[], &[1 << 40]);
    let (zero, one) = (whole("zero", &[], &[0]), whole("one", &[], &[1]));
    let unit = floats("unit", &[1, 1, 1], &[1.0]);
    let bombs = [
        node("ConstantOfShape", &["huge"], &["z"], &[]),
        node("ConstantOfShape", &["many"], &["z"], &[]),
        node("Expand", &["unit", "huge"], &["z"], &[]),
        node("Tile", &["unit", "many"], &["z"], &[]),
        node("Range", &["zero", "count", "one"], &["z"], &[]),
        node("Reshape", &["x", "huge"], &["z"], &[]),
        node("Tile", &["x", "huge"], &["z"], &[]),
        node("Expand", &["x", "huge"], &["z"], &[]),
        node("Pad", &["x", "huge"], &["z"], &[]),
    ];
    for bomb in bombs {
        let tensors = [&huge, &many, &count, &zero, &one, &unit].map(Clone::clone);
        let tensors = tensors.to_vec();
        let sum = node("Add", &["x", "z"], &["s"], &[]);
        refused(&with_end(vec![bomb, sum], "s", tensors));
    }
    // Doubled again and again.
    let mut nodes = Vec::new();
    for level in 0..40 {
        let (from, to) = (format!("d{level}"), format!("d{}", level + 1));
        nodes.push(node("Concat", &[&from, &from], &[&to], &[int("axis", 0)]));
    }
    nodes.push(node("Add", &["x", "d40"], &["s"], &[]));
    refused(&with_end(nodes, "s", vec![floats("d0", &[1], &[1.0])]));
    // A wide array added to a high one.
    let (row, column) = (
        floats("row", &[1, 20_000], &[1.0; 20_000]),
        floats("column", &[20_000, 1], &[1.0; 20_000]),
    );
    let nodes = vec![
        node("Add", &["row", "column"], &["square"], &[]),
        node("Add", &["x", "square"], &["s"], &[]),
    ];
    refused(&with_end(nodes, "s", vec![row, column]));
}

#[test]
fn attributes_out_of_range_are_an_error() {
    let _alone = alone();
    let kernel = [floats("k", &[3, 3, 3, 3], &[0.1; 81])];
    for attribute in [
        ints("strides", &[0, 1]),
        ints("strides", &[1 << 62, 1]),
        ints("strides", &[-1, 1]),
        ints("dilations", &[i64::MAX, 1]),
        ints("pads", &[i64::MAX, 0, 0, 0]),
        ints("pads", &[-1, 0, 0, 0]),
        ints("pads", &[0]),
        int("group", 0),
        int("group", -1),
        int("group", 2),
    ] {
        refused(&with_node("Conv", &["x", "k"], &[attribute], &kernel));
    }
    for perm in [
        &[0, 1, 2][..],
        &[0, 0, 1, 2],
        &[0, 1, 2, 4],
        &[i64::MIN, 1, 2, 3],
        &[1, 0, 2, 3],
    ] {
        let perm = [ints("perm", perm)];
        refused(&with_node("Transpose", &["x"], &perm, &[]));
    }
    for axis in [i64::MIN, i64::MAX, -5, 4, 0] {
        refused(&with_node("Softmax", &["x"], &[int("axis", axis)], &[]));
        let parts = node("Split", &["x"], &["c", "d"], &[int("axis", axis)]);
        refused(&with_end(vec![parts], "c", vec![]));
    }
    for to in [
        &[-1, -1][..],
        &[-2, 3],
        &[0, 0, 0, 0, 0],
        &[7, 7],
        &[i64::MAX, 2],
        &[],
    ] {
        let to = [whole("to", &[to.len() as i64], to)];
        refused(&with_node("Reshape", &["x", "to"], &[], &to));
    }
}

#[test]
fn resizing_or_padding_out_of_range_is_an_error() {
    let _alone = alone();
    let rows = [1e30, 0.0, -2.0, 1e-30, f32::NAN, f32::INFINITY];
    let rows = rows.map(|factor| [1.0, 1.0, factor, 2.0]);
    for factors in rows.into_iter().chain([[2.0, 1.0, 1.0, 1.0]]) {
        let by = [floats("by", &[4], &factors)];
        refused(&with_node("Resize", &["x", "", "by"], &[], &by));
    }
    for (mode, border) in [
        ("reflect", 4000),
        ("edge", 1 << 40),
        ("wrap", 1),
        ("constant", i64::MIN),
        ("constant", i64::MAX),
    ] {
        let border = [whole("border", &[8], &[0, 0, border, 0, 0, 0, 0, 0])];
        let mode = [text("mode", mode)];
        refused(&with_node("Pad", &["x", "border"], &mode, &border));
    }
}

#[test]
fn an_einsum_equation_that_is_not_supported_is_an_error() {
    let _alone = alone();
    for equation in [
        "",
        "nchw",
        "nchw->nchw",
        "nchw,nchw->q",
        "nnhw,nchw->nc",
        "nchw,ncxy->chwxy",
        "...,...->...",
        "nc,nc->nc",
        "nchw,nchw->nch\u{fffd}",
    ] {
        let equation = [text("equation", equation)];
        refused(&with_node("Einsum", &["x", "x"], &equation, &[]));
    }
}

#[test]
fn nodes_with_equal_names_get_unique_names() {
    let _alone = alone();
    let nodes = (0..2000).map(|index| {
        let before = match index {
            0 => "x".to_owned(),
            _ => format!("v{}", index - 1),
        };
        let relu = node("Tanh", &[&before], &[&format!("v{index}")], &[]);
        [relu, bytes(3, "same")].concat()
    });
    let imported = read(&with_end(nodes.collect(), "v1999", vec![])).unwrap();
    let is_tanh = |node: &&dvm_engine::Node| node.op.kind() == "tanh";
    assert_eq!(imported.graph.nodes().iter().filter(is_tanh).count(), 2000);
}

#[test]
fn the_error_lists_all_nodes_that_are_not_supported() {
    let _alone = alone();
    let nodes = vec![
        node("Scan", &["x"], &["a"], &[]),
        node("Loop", &["x"], &["b"], &[]),
        node("Add", &["a", "b"], &["c"], &[]),
        node("Scan", &["c"], &["d"], &[]),
    ];
    let error = refused(&with_end(nodes, "d", vec![]));
    for part in [
        "Scan (node `a` and 1 more)",
        "Loop (node `b`)",
        "opset 17",
        "unsupported.md",
    ] {
        assert!(error.contains(part), "{part} in {error}");
    }
}

#[test]
fn nodes_that_the_logits_do_not_depend_on_are_ignored() {
    let _alone = alone();
    let odd = node("Scan", &["x"], &["nobody"], &[]);
    assert!(read(&with_end(vec![odd], "x", vec![])).is_ok());
}

#[test]
fn bytes_that_are_not_a_model_are_an_error() {
    let _alone = alone();
    for content in [
        &b""[..],
        b"PK\x03\x04",
        b"\x08\x08",
        &[0xff; 100],
        &[0; 100],
    ] {
        refused(content);
    }
}

/// A number, and a shape of a million to expand it to.
fn wide_constants() -> Vec<Vec<u8>> {
    let one = floats("one", &[1, 1], &[1.0]);
    vec![one, whole("shape", &[2], &[1024, 1024])]
}

#[test]
fn a_constant_that_every_block_computes_counts_once() {
    let _alone = alone();
    // 40 times 16 MB, one at a time.
    let mut nodes = Vec::new();
    let mut x = "x".to_owned();
    for block in 0..40 {
        let [wide, mean, next] = ["w", "m", "x"].map(|name| format!("{name}{block}"));
        nodes.push(node("Expand", &["one", "shape"], &[&wide], &[]));
        let keeps = int("keepdims", 0);
        nodes.push(node("ReduceMean", &[&wide], &[&mean], &[keeps]));
        nodes.push(node("Add", &[&x, &mean], &[&next], &[]));
        x = next;
    }
    assert!(read(&with_end(nodes, &x, wide_constants())).is_ok());
}

#[test]
fn constants_in_use_at_the_same_time_are_counted_together() {
    let _alone = alone();
    let mut nodes = Vec::new();
    let mut all = Vec::new();
    for block in 0..40 {
        let wide = format!("w{block}");
        nodes.push(node("Expand", &["one", "shape"], &[&wide], &[]));
        all.push(wide);
    }
    let all: Vec<&str> = all.iter().map(|name| &name[..]).collect();
    nodes.push(node("Sum", &all, &["sum"], &[]));
    let keeps = int("keepdims", 0);
    nodes.push(node("ReduceMean", &["sum"], &["mean"], &[keeps]));
    nodes.push(node("Add", &["x", "mean"], &["z"], &[]));
    let words = refused(&with_end(nodes, "z", wide_constants()));
    assert!(words.contains("far more memory"), "{words}");
}
