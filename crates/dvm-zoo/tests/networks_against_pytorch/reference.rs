//! The references that `references/networks.py` made with PyTorch in f64.

use std::path::PathBuf;

use dvm_engine::{Graph, Network, Tensor, seeded};
use dvm_zoo::Architecture;
use safetensors::SafeTensors;
use serde_json::Value;

fn folder() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/references/networks"
    ))
}

/// A network as the references describe it.
pub struct Described {
    value: Value,
    tensors: Vec<u8>,
    /// What the names of all tensors begin with.
    stem: String,
}

/// The description of one network: `kind` is `inference` or `training`.
pub fn described(kind: &'static str, name: &str) -> Described {
    let stem = match kind {
        "training" => format!("{name}.train"),
        _ => name.to_owned(),
    };
    let read = |ending: &str| {
        let path = folder().join(format!("{stem}.{ending}"));
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    Described {
        value: serde_json::from_slice(&read("json")).expect("an object"),
        tensors: read("safetensors"),
        stem,
    }
}

/// Names of all networks with an inference reference.
pub fn names() -> Vec<String> {
    let files = std::fs::read_dir(folder()).expect("the folder of references");
    let mut names: Vec<String> = files
        .filter_map(|file| {
            let name = file.expect("a file").file_name();
            let stem = name.to_str()?.strip_suffix(".json")?;
            (!stem.ends_with(".train")).then(|| stem.to_owned())
        })
        .collect();
    names.sort_unstable();
    names
}

/// The architecture of this name.
pub fn architecture(name: &str) -> &'static Architecture {
    let found = dvm_zoo::all().find(|architecture| architecture.name == name);
    found.unwrap_or_else(|| panic!("the zoo has no {name}"))
}

/// The pictures of this name, shape and range.
pub fn pictures(input: &Value) -> Tensor {
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

impl Described {
    /// The network with seeded weights.
    pub fn network(&self) -> Network {
        Network::new(self.graph())
    }

    /// The same with the auxiliary heads that only training has.
    pub fn graph(&self) -> Graph {
        let classes = self.number("classes");
        seeded::graph((architecture(self.name()).build)(classes))
    }

    fn name(&self) -> &str {
        self.value["name"].as_str().expect("a name")
    }

    /// A text of the description.
    pub fn text(&self, key: &str) -> &str {
        self.value[key].as_str().expect("a text")
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

    /// Whether the description has this key.
    pub fn has(&self, key: &str) -> bool {
        self.value.get(key).is_some()
    }

    /// Names with a whole number each, in the order of the numbers; none if the description has no
    /// such entry.
    pub fn places(&self, key: &str) -> Vec<(&str, usize)> {
        let places = self.value[key].as_object().into_iter().flatten();
        let mut places: Vec<(&str, usize)> = places
            .map(|(name, place)| (&name[..], place.as_u64().expect("a whole number") as usize))
            .collect();
        places.sort_unstable_by_key(|&(_, place)| place);
        places
    }

    /// The pictures.
    pub fn input(&self) -> Tensor {
        pictures(&self.value["input"])
    }

    /// What PyTorch found under this name.
    pub fn found(&self, suffix: &str) -> Vec<f64> {
        self.found_if_there(suffix)
            .unwrap_or_else(|| panic!("{}: no {suffix}", self.stem))
    }

    /// The same, if it was looked for.
    pub fn found_if_there(&self, suffix: &str) -> Option<Vec<f64>> {
        let tensors = SafeTensors::deserialize(&self.tensors).expect("a whole file");
        let view = tensors.tensor(&format!("{}.{suffix}", self.stem)).ok()?;
        let numbers = view
            .data()
            .chunks_exact(8)
            .map(|b| f64::from_le_bytes(b.try_into().expect("eight bytes")));
        Some(numbers.collect())
    }
}
