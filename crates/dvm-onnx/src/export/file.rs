//! The bytes of a file.

use dvm_engine::Graph;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

use super::writer::Writer;
use super::{Export, ExportError, IR_VERSION, OPSET, PRODUCER, Purpose, attribute};
use crate::proto::{
    DataType, Dimension, DimensionValue, Graph as GraphMessage, Model, OperatorSet, Shape,
    StringStringEntry, Tensor, TensorType, Type, TypeValue, ValueInfo,
};

/// The field number of a model's graph.
const GRAPH: u32 = 7;

/// The field number of a graph's initializers.
const INITIALIZER: u32 = 5;

/// The most bytes of a protocol buffer.
const MOST: u64 = (1 << 31) - 1;

/// The file. Weights are copied once, directly to their position in the file.
pub(super) fn bytes(
    written: Writer,
    graph: &Graph,
    export: &Export,
    purpose: Purpose,
) -> Result<Vec<u8>, ExportError> {
    let parameters: Vec<usize> = written.parameters.iter().copied().collect();
    let initializer = |&index: &usize| {
        let parameter = &graph.parameters()[index];
        Tensor {
            dims: attribute::dims(&parameter.shape),
            data_type: DataType::Float.into(),
            name: parameter.name.clone(),
            ..Tensor::default()
        }
    };
    let data = |&index: &usize| match purpose {
        Purpose::Use => graph.values()[index].len() * size_of::<f32>(),
        Purpose::Structure => 0,
    };
    // The length of each initializer, then of the file. An empty field of raw data is left out.
    let length = |index: &usize| {
        let (head, data) = (initializer(index).encoded_len(), data(index));
        let raw = key_len(RAW_DATA) + encoded_len_varint(data as u64) + data;
        head + if data > 0 { raw } else { 0 }
    };
    let field = |tag: u32, length: usize| key_len(tag) + encoded_len_varint(length as u64) + length;
    let head = model(export);
    let body = body(written, graph, export);
    let initializers = parameters.iter().map(length);
    let initializers: usize = initializers.map(|len| field(INITIALIZER, len)).sum();
    let of_graph = body.encoded_len() + initializers;
    let total = head.encoded_len() + field(GRAPH, of_graph);
    if total as u64 > MOST {
        return Err(ExportError::TooLarge(total as u64));
    }

    let mut bytes = Vec::with_capacity(total);
    let enough = "the capacity was computed";
    head.encode(&mut bytes).expect(enough);
    encode_key(GRAPH, WireType::LengthDelimited, &mut bytes);
    encode_varint(of_graph as u64, &mut bytes);
    body.encode(&mut bytes).expect(enough);
    for index in &parameters {
        encode_key(INITIALIZER, WireType::LengthDelimited, &mut bytes);
        encode_varint(length(index) as u64, &mut bytes);
        initializer(index).encode(&mut bytes).expect(enough);
        if data(index) > 0 {
            encode_key(RAW_DATA, WireType::LengthDelimited, &mut bytes);
            encode_varint(data(index) as u64, &mut bytes);
            let values = graph.values()[*index].to_nchw();
            bytes.extend(values.into_iter().flat_map(f32::to_le_bytes));
        }
    }
    debug_assert_eq!(bytes.len(), total);
    Ok(bytes)
}

/// The field number of a tensor's numbers.
const RAW_DATA: u32 = 9;

/// The model without its graph.
fn model(export: &Export) -> Model {
    let entry = |(key, value): (&String, &String)| StringStringEntry {
        key: key.clone(),
        value: value.clone(),
    };
    Model {
        ir_version: IR_VERSION,
        producer_name: PRODUCER.into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        opset_import: vec![OperatorSet {
            domain: String::new(),
            version: OPSET,
        }],
        metadata_props: export.metadata.iter().map(entry).collect(),
        ..Model::default()
    }
}

/// The graph without its initializers.
fn body(written: Writer, graph: &Graph, export: &Export) -> GraphMessage {
    let picture = [1, graph.channels(), export.size.0, export.size.1];
    GraphMessage {
        input: vec![batch(&written.input, &picture)],
        output: vec![batch(&written.output, &written.output_shape)],
        node: written.nodes,
        name: export.name.into(),
        ..GraphMessage::default()
    }
}

/// A value of this shape for any batch size.
fn batch(name: &str, shape: &[usize]) -> ValueInfo {
    let dim = shape.iter().enumerate().map(|(axis, &side)| {
        let value = match axis {
            0 => DimensionValue::Parameter("N".into()),
            _ => DimensionValue::Value(side as i64),
        };
        Dimension { value: Some(value) }
    });
    let shape = Shape { dim: dim.collect() };
    let tensor = TensorType {
        elem_type: DataType::Float.into(),
        shape: Some(shape),
    };
    let r#type = Type {
        value: Some(TypeValue::Tensor(tensor)),
    };
    ValueInfo {
        name: name.into(),
        r#type: Some(r#type),
    }
}
