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
    let mut content = Vec::new();
    inputs
        .iter()
        .for_each(|name| content.extend(bytes(1, name)));
    outputs
        .iter()
        .for_each(|name| content.extend(bytes(2, name)));
    content.extend(bytes(4, op));
    attributes.iter().for_each(|a| content.extend(bytes(5, a)));
    content
}

pub fn ints(name: &str, values: &[i64]) -> Vec<u8> {
    let mut content = bytes(1, name);
    values
        .iter()
        .for_each(|&value| content.extend(number(8, value)));
    [content, number(20, 7)].concat()
}

pub fn text(name: &str, value: &str) -> Vec<u8> {
    [bytes(1, name), bytes(4, value), number(20, 3)].concat()
}

pub fn int(name: &str, value: i64) -> Vec<u8> {
    [bytes(1, name), number(3, value), number(20, 2)].concat()
}

/// A tensor of 64-bit numbers.
pub fn whole(name: &str, dims: &[i64], values: &[i64]) -> Vec<u8> {
    let mut content = Vec::new();
    dims.iter().for_each(|&dim| content.extend(number(1, dim)));
    content.extend(number(2, 7));
    content.extend(bytes(8, name));
    let raw: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    [content, bytes(9, raw)].concat()
}

pub fn floats(name: &str, dims: &[i64], values: &[f32]) -> Vec<u8> {
    let mut content = Vec::new();
    dims.iter().for_each(|&dim| content.extend(number(1, dim)));
    content.extend(number(2, 1));
    content.extend(bytes(8, name));
    let raw: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    [content, bytes(9, raw)].concat()
}

/// An input or output of floats with these sides.
pub fn value(name: &str, sides: &[i64]) -> Vec<u8> {
    let dims = sides.iter().flat_map(|&side| bytes(1, number(1, side)));
    let shape: Vec<u8> = dims.collect();
    let tensor = [number(1, 1), bytes(2, shape)].concat();
    [bytes(1, name), bytes(2, bytes(1, tensor))].concat()
}

pub fn graph(nodes: &[Vec<u8>], tensors: &[Vec<u8>]) -> Vec<u8> {
    let mut content = Vec::new();
    nodes.iter().for_each(|node| content.extend(bytes(1, node)));
    tensors
        .iter()
        .for_each(|tensor| content.extend(bytes(5, tensor)));
    content.extend(bytes(11, value("x", &[1, 3, 8, 8])));
    content.extend(bytes(12, value("y", &[1, 4])));
    content
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
