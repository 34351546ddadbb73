//! Prepares a network for other classes.

use dvm_engine::{Error, Graph, Network, Output, Parameter, Tensor};

use crate::{Architecture, Pretrained};

impl Pretrained {
    /// The network for these classes, with logits as output. If the classes differ, or the output is not class
    /// logits, the last layer and those of auxiliary heads ([`Graph::heads`]) are replaced; `fresh` gives
    /// their parameters.
    ///
    /// # Errors
    /// [`Error::Node`] for a network of a file that does not end with a layer of its classes (every
    /// architecture does), or that computes probabilities after its last layer: training needs logits.
    pub fn for_classes(
        self,
        classes: Vec<String>,
        mut fresh: impl FnMut(&Parameter) -> Tensor,
    ) -> Result<Self, Error> {
        let output = self.network.output();
        if classes == self.classes && output == Output::Logits {
            return Ok(self);
        }
        if output.is_probability() {
            let node = self.network.graph().node(self.network.graph().output());
            return Err(Error::Node {
                node: node.name.clone(),
                kind: node.op.kind(),
                detail: "outputs probabilities, but training needs logits; export the network without the \
                         operations after its last layer, or with only a softmax after it"
                    .into(),
            });
        }
        let graph = self
            .network
            .whole()
            .for_classes(classes.len(), &mut fresh)?;
        // The nodes after the layer may only work for the old number of classes.
        let (height, width) = self.preprocess.crop;
        let shapes = graph.shapes(&[1, graph.channels(), height, width])?;
        let end = graph.output();
        if shapes[end.index()] != [1, classes.len()] {
            return Err(Error::Node {
                node: graph.node(end).name.clone(),
                kind: graph.node(end).op.kind(),
                detail: format!(
                    "would not output one number per class with {} classes, so the network cannot be trained for \
                     other classes",
                    classes.len()
                ),
            });
        }
        let mut remarks = self.remarks;
        remarks.classes = None;
        remarks.output = None;
        Ok(Self {
            network: Network::new(graph),
            told_output: Some(Output::Logits),
            classes,
            remarks,
            ..self
        })
    }

    /// The untrained network for these classes. `fresh` gives all parameters except running statistics; it also
    /// gets whether a parameter belongs to the last layer ([`Graph::heads`]).
    ///
    /// # Errors
    /// As [`Pretrained::for_classes`].
    pub fn forgotten(
        self,
        classes: Vec<String>,
        mut fresh: impl FnMut(&Parameter, bool) -> Tensor,
    ) -> Result<Self, Error> {
        let whole = self.for_classes(classes, |p| Tensor::zeros(&p.shape))?;
        let graph = whole.network.whole();
        let graph = graph.with_values(|_, p| fresh(p, graph.is_in_head(&p.name)))?;
        Ok(Self {
            network: Network::new(graph),
            ..whole
        })
    }
}

impl Architecture {
    /// The untrained network for these classes. `fresh` gives all parameters; it also gets whether a parameter
    /// belongs to the last layer ([`Graph::heads`]).
    pub fn untrained(
        &'static self,
        classes: Vec<String>,
        mut fresh: impl FnMut(&Parameter, bool) -> Tensor,
    ) -> Pretrained {
        let zero = |parameter: &Parameter| Ok::<_, Error>(Tensor::zeros(&parameter.shape));
        let graph = Graph::new((self.build)(classes.len()), zero)
            .and_then(|graph| graph.with_values(|_, p| fresh(p, graph.is_in_head(&p.name))))
            .expect("values are made in the declared shapes");
        self.without_file("none", graph, classes)
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
        let after = before.for_classes(names(&["cat", "dog"]), ones).unwrap();
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
    fn the_last_layer_is_kept_if_the_classes_are_the_same() {
        let before = crate::find("squeezenet1_1").unwrap().random();
        let (classes, values) = (
            before.classes.clone(),
            before.network.graph().values().to_vec(),
        );
        let after = before.for_classes(classes, |_| panic!("nothing is new"));
        let after = after.unwrap();
        assert_eq!(after.network.graph().values(), values);
    }

    #[test]
    fn a_saved_network_is_the_same_when_it_is_read() {
        let classes = names(&["daisy", "rose", "tulip"]);
        let network = crate::find("squeezenet1_1")
            .unwrap()
            .untrained(classes, |p, _| ones(p));
        let graph = network.network.graph();
        let tensors = graph
            .parameters()
            .iter()
            .map(|p| p.name.clone())
            .zip(graph.values());
        let bytes = dvm_engine::weights::to_safetensors(tensors, &network.metadata().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("best.safetensors");
        std::fs::write(&path, bytes).unwrap();
        let read = Pretrained::read(&path, None).unwrap();
        assert_eq!(read.origin.name(), "squeezenet1_1");
        assert_eq!(read.classes, network.classes);
        assert_eq!(read.preprocess, network.preprocess);
        assert_eq!(read.network.graph().values(), graph.values());
    }
}
