//! Networks of torchvision's names with weights under timm's (`references/timm_layouts.py`): the mapping
//! of names makes the same network of them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use dvm_engine::{Error, Graph, Network, Tensor, seeded};
use serde_json::Value;

use crate::inference::LOGITS;
use crate::reference::{architecture, pictures};
use dvm_testing::closeness::{relative_error, wide};

fn described(name: &str) -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/references/timm_layouts");
    let path = PathBuf::from(folder).join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).expect("an object")
}

/// Logits of the network whose parameters are seeded under the names they have in timm.
fn check(name: &str) {
    let described = described(name);
    let other_names = architecture(name)
        .other_names
        .expect("timm has other names");
    // By its name here, each parameter's name and shape there.
    let mut there: BTreeMap<String, (String, Vec<usize>)> = BTreeMap::new();
    for entry in described["names"].as_array().expect("a list") {
        let (timms, shape) = entry
            .as_str()
            .unwrap()
            .split_once(' ')
            .expect("name and shape");
        let shape: Vec<usize> = serde_json::from_str(shape).expect("a shape");
        let here = other_names(timms).unwrap_or_else(|| timms.to_owned());
        let before = there.insert(here, (timms.to_owned(), shape));
        assert_eq!(before, None, "two parameters became one");
    }
    let classes = described["logits"].as_array().unwrap().len();
    let graph = Graph::new((architecture(name).build)(classes), |parameter| {
        let entry = there.remove(&parameter.name);
        let (timms, shape) = entry.unwrap_or_else(|| panic!("{} is not there", parameter.name));
        let values = seeded::parameter(&timms, &shape);
        Ok::<_, Error>(Tensor::from_nchw(&parameter.shape, &values))
    });
    let graph = graph.expect("values of the declared shapes");
    assert!(there.is_empty(), "left over: {there:?}");
    let x = pictures(&described["input"]);
    let found = wide(&Network::new(graph).fused().logits(&x).unwrap());
    let expected: Vec<f64> = serde_json::from_value(described["logits"].clone()).unwrap();
    let error = relative_error(&found, &expected);
    println!("{name}: logits are off by {error:.1e}");
    assert!(error <= LOGITS, "{name}: logits are off by {error:.1e}");
}

mod takes_timms_weights {
    for_each!(super::check:
        efficientnet_b0,
        convnext_tiny,
        vit_b_32,
        swin_t,
    );
}
