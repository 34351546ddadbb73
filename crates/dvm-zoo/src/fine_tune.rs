//! A network of the zoo made ready to learn other classes.

use std::collections::BTreeMap;

use dvm_engine::{Error, Graph, Network, Parameter, Tensor};
use dvm_image::Preprocess;

use crate::{ARCHITECTURE_KEY, Architecture, CLASSES_KEY, PREPROCESS_KEY, Pretrained};

impl Pretrained {
    /// The same network for these classes. If they are others than it has, its last layer
    /// ([`Architecture::head`]) is replaced: `fresh` gives the new layer's parameters.
    pub fn for_classes(
        self,
        classes: Vec<String>,
        mut fresh: impl FnMut(&Parameter) -> Tensor,
    ) -> Self {
        if classes == self.classes {
            return self;
        }
        let graph = self.network.whole();
        let known: BTreeMap<&str, &Tensor> = graph
            .parameters()
            .iter()
            .zip(graph.values())
            .map(|(parameter, value)| (parameter.name.as_str(), value))
            .collect();
        let architecture = self.architecture;
        let value = |parameter: &Parameter| -> Result<Tensor, Error> {
            Ok(match known.get(parameter.name.as_str()) {
                Some(&value) if !architecture.is_in_head(&parameter.name) => value.clone(),
                _ => fresh(parameter),
            })
        };
        let graph = Graph::new((architecture.build)(classes.len()), value)
            .expect("all but the last layer has the shapes it had");
        Self {
            network: Network::new(graph),
            classes,
            ..self
        }
    }

    /// What a `.safetensors` file of this network says of itself, so that it can be read again by
    /// [`Pretrained::read`].
    pub fn metadata(&self) -> BTreeMap<String, String> {
        let json = |value: Result<String, serde_json::Error>| {
            value.expect("names and numbers can be written")
        };
        let preprocess: &Preprocess = &self.preprocess;
        BTreeMap::from([
            (ARCHITECTURE_KEY.into(), self.architecture.name.into()),
            (
                CLASSES_KEY.into(),
                json(serde_json::to_string(&self.classes)),
            ),
            (
                PREPROCESS_KEY.into(),
                json(serde_json::to_string(preprocess)),
            ),
        ])
    }
}

impl Architecture {
    /// The network for these classes with nothing learnt: `fresh` gives all parameters.
    pub fn untrained(
        &'static self,
        classes: Vec<String>,
        mut fresh: impl FnMut(&Parameter) -> Tensor,
    ) -> Pretrained {
        let value = |parameter: &Parameter| Ok::<_, Error>(fresh(parameter));
        let graph = Graph::new((self.build)(classes.len()), value)
            .expect("values are made in the declared shapes");
        Pretrained {
            architecture: self,
            network: Network::new(graph),
            classes,
            preprocess: self.usual().preprocess.clone(),
            file: "none".into(),
            sha256: String::new(),
            source: None,
            licence: None,
        }
    }

    /// Whether a parameter of this name is one of the last layer, [`Architecture::head`].
    pub fn is_in_head(&self, parameter: &str) -> bool {
        let rest = parameter.strip_prefix(self.head);
        rest.is_some_and(|rest| rest.starts_with('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(classes: &[&str]) -> Vec<String> {
        classes.iter().map(|&name| name.into()).collect()
    }

    fn ones(parameter: &Parameter) -> Tensor {
        Tensor::full(&parameter.shape, 1.0)
    }

    #[test]
    fn only_the_last_layer_is_replaced() {
        let before = crate::find("squeezenet1_1").unwrap().embedded().unwrap();
        let values = before.network.graph().values().to_vec();
        let after = before.for_classes(names(&["cat", "dog"]), ones);
        for (parameter, (value, old)) in after
            .network
            .graph()
            .parameters()
            .iter()
            .zip(after.network.graph().values().iter().zip(&values))
        {
            if parameter.name.starts_with("classifier.1.") {
                assert_eq!(value, &ones(parameter));
                assert_eq!(value.shape()[0], 2);
            } else {
                assert_eq!(value, old, "{}", parameter.name);
            }
        }
    }

    #[test]
    fn the_last_layer_stays_where_the_classes_are_the_same() {
        let before = crate::find("squeezenet1_1").unwrap().random();
        let (classes, values) = (
            before.classes.clone(),
            before.network.graph().values().to_vec(),
        );
        let after = before.for_classes(classes, |_| panic!("nothing is new"));
        assert_eq!(after.network.graph().values(), values);
    }

    #[test]
    fn what_is_saved_with_its_metadata_is_the_same_network_when_read() {
        let classes = names(&["daisy", "rose", "tulip"]);
        let network = crate::find("squeezenet1_1")
            .unwrap()
            .untrained(classes, ones);
        let graph = network.network.graph();
        let tensors = graph
            .parameters()
            .iter()
            .map(|p| p.name.clone())
            .zip(graph.values());
        let bytes = dvm_engine::weights::to_safetensors(tensors, &network.metadata());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("best.safetensors");
        std::fs::write(&path, bytes).unwrap();
        let read = Pretrained::read(&path, None).unwrap();
        assert_eq!(read.architecture.name, "squeezenet1_1");
        assert_eq!(read.classes, network.classes);
        assert_eq!(read.preprocess, network.preprocess);
        assert_eq!(read.network.graph().values(), graph.values());
    }
}
