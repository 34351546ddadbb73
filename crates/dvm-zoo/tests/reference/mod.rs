//! The references that `references/networks.py` made with PyTorch in f64.

use dvm_engine::{Graph, Tensor, seeded};
use dvm_zoo::{ALL, Architecture};
use safetensors::SafeTensors;
use serde_json::Value;

static DESCRIPTIONS: &str = include_str!("../references/networks.json");
static TENSORS: &[u8] = include_bytes!("../references/networks.safetensors");

/// A network as the references describe it: `kind` is `inference` or `training`.
pub struct Described {
    kind: &'static str,
    value: Value,
}

/// The description of one network.
pub fn described(kind: &'static str, name: &str) -> Described {
    let all: Value = serde_json::from_str(DESCRIPTIONS).expect("networks.json is an object");
    let value = all[kind]
        .as_array()
        .expect("a list of networks")
        .iter()
        .find(|network| network["name"] == name)
        .unwrap_or_else(|| panic!("no {kind} reference of {name}"))
        .clone();
    Described { kind, value }
}

/// Names of all networks with an inference reference.
pub fn names() -> Vec<String> {
    let all: Value = serde_json::from_str(DESCRIPTIONS).expect("networks.json is an object");
    let networks = all["inference"].as_array().expect("a list of networks");
    let name = |network: &Value| network["name"].as_str().expect("a name").to_owned();
    networks.iter().map(name).collect()
}

/// Our name of a network: timm marks the weights of TensorFlow, we do not.
pub fn own_name(name: &str) -> &str {
    name.strip_prefix("tf_").unwrap_or(name)
}

/// The architecture of our name `name`.
pub fn architecture(name: &str) -> &'static Architecture {
    let found = ALL.iter().find(|architecture| architecture.name == name);
    found.unwrap_or_else(|| panic!("the zoo has no {name}"))
}

impl Described {
    /// The network with seeded weights.
    pub fn graph(&self) -> Graph {
        let classes = self.number("classes");
        seeded::graph((architecture(own_name(self.name())).build)(classes))
    }

    fn name(&self) -> &str {
        self.value["name"].as_str().expect("a name")
    }

    /// A whole number of the description.
    pub fn number(&self, key: &str) -> usize {
        self.value[key].as_u64().expect("a whole number") as usize
    }

    /// A list of names or numbers of the description.
    pub fn list<T>(&self, key: &str, item: impl Fn(&Value) -> Option<T>) -> Vec<T> {
        let items = self.value[key].as_array().expect("a list");
        items.iter().map(|i| item(i).expect("an item")).collect()
    }

    /// The pictures.
    pub fn input(&self) -> Tensor {
        let input = &self.value["input"];
        let bound = |key: &str| input[key].as_f64().expect("a bound");
        let shape: Vec<usize> = input["shape"]
            .as_array()
            .expect("a shape")
            .iter()
            .map(|n| n.as_u64().expect("a whole number") as usize)
            .collect();
        let name = input["name"].as_str().expect("a name");
        let len = shape.iter().product();
        let values = seeded::uniform(name, len, bound("low"), bound("high"));
        Tensor::from_nchw(&shape, &values)
    }

    /// What PyTorch found under this name.
    pub fn found(&self, suffix: &str) -> Vec<f64> {
        let stem = match self.kind {
            "training" => format!("{}.train", self.name()),
            _ => self.name().to_owned(),
        };
        let tensors = SafeTensors::deserialize(TENSORS).expect("networks.safetensors is whole");
        let view = tensors
            .tensor(&format!("{stem}.{suffix}"))
            .expect("every result is in the file");
        view.data()
            .chunks_exact(8)
            .map(|b| f64::from_le_bytes(b.try_into().expect("eight bytes")))
            .collect()
    }
}
