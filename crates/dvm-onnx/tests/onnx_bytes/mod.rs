//! ONNX files written byte by byte, for tests that need invalid ones.

pub fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// An integer field.
pub fn number(field: u64, value: i64) -> Vec<u8> {
    [varint(field << 3), varint(value as u64)].concat()
}

/// A bytes field: a text, or a message.
pub fn bytes(field: u64, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    [
        varint(field << 3 | 2),
        varint(value.len() as u64),
        value.to_vec(),
    ]
    .concat()
}

pub fn node(op: &str, inputs: &[&str], outputs: &[&str], attributes: &[Vec<u8>]) -> Vec<u8> {
    let inputs = inputs.iter().flat_map(|name| bytes(1, name));
    let outputs = outputs.iter().flat_map(|name| bytes(2, name));
    let attributes = attributes.iter().flat_map(|a| bytes(5, a));
    let names = inputs.chain(outputs).chain(bytes(4, op));
    names.chain(attributes).collect()
}

pub fn ints(name: &str, values: &[i64]) -> Vec<u8> {
    let values: Vec<u8> = values.iter().flat_map(|&value| number(8, value)).collect();
    [bytes(1, name), values, number(20, 7)].concat()
}

pub fn text(name: &str, value: &str) -> Vec<u8> {
    [bytes(1, name), bytes(4, value), number(20, 3)].concat()
}

pub fn int(name: &str, value: i64) -> Vec<u8> {
    [bytes(1, name), number(3, value), number(20, 2)].concat()
}

/// A tensor of numbers of this type.
fn tensor(name: &str, dims: &[i64], data_type: i64, raw: Vec<u8>) -> Vec<u8> {
    let dims: Vec<u8> = dims.iter().flat_map(|&dim| number(1, dim)).collect();
    [dims, number(2, data_type), bytes(8, name), bytes(9, raw)].concat()
}

/// A tensor of 64-bit numbers.
pub fn whole(name: &str, dims: &[i64], values: &[i64]) -> Vec<u8> {
    let raw = values.iter().flat_map(|value| value.to_le_bytes());
    tensor(name, dims, 7, raw.collect())
}

pub fn floats(name: &str, dims: &[i64], values: &[f32]) -> Vec<u8> {
    let raw = values.iter().flat_map(|value| value.to_le_bytes());
    tensor(name, dims, 1, raw.collect())
}

/// An input or output of floats with these sides.
pub fn value(name: &str, sides: &[i64]) -> Vec<u8> {
    let dims = sides.iter().flat_map(|&side| bytes(1, number(1, side)));
    let shape: Vec<u8> = dims.collect();
    let tensor = [number(1, 1), bytes(2, shape)].concat();
    [bytes(1, name), bytes(2, bytes(1, tensor))].concat()
}

pub fn graph(nodes: &[Vec<u8>], tensors: &[Vec<u8>]) -> Vec<u8> {
    let nodes = nodes.iter().flat_map(|node| bytes(1, node));
    let tensors = tensors.iter().flat_map(|tensor| bytes(5, tensor));
    let ends = [
        bytes(11, value("x", &[1, 3, 8, 8])),
        bytes(12, value("y", &[1, 4])),
    ];
    nodes.chain(tensors).chain(ends.concat()).collect()
}

pub fn model_of(graph: &[u8], more: &[u8]) -> Vec<u8> {
    let opset = number(2, 17);
    [
        number(1, 8),
        bytes(7, graph),
        bytes(8, opset),
        more.to_vec(),
    ]
    .concat()
}

pub fn model(nodes: &[Vec<u8>], tensors: &[Vec<u8>]) -> Vec<u8> {
    model_of(&graph(nodes, tensors), &[])
}

/// A pool, and a layer of four classes.
pub fn end(from: &str) -> Vec<Vec<u8>> {
    vec![
        node("GlobalAveragePool", &[from], &["pooled"], &[]),
        node("Flatten", &["pooled"], &["row"], &[]),
        node("Gemm", &["row", "w"], &["y"], &[]),
    ]
}

pub fn weights() -> Vec<u8> {
    floats("w", &[3, 4], &[0.5; 12])
}

pub fn with_end(mut nodes: Vec<Vec<u8>>, from: &str, mut tensors: Vec<Vec<u8>>) -> Vec<u8> {
    nodes.extend(end(from));
    tensors.push(weights());
    model(&nodes, &tensors)
}
