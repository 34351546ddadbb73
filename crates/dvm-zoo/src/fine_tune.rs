//! A network of the zoo made ready to learn other classes.

use dvm_engine::{Error, Graph, Network, Parameter, Tensor};

use crate::{Architecture, Origin, Pretrained};

impl Pretrained {
    /// The same network for these classes. If they are others than it has, its last layer and those of
    /// auxiliary heads ([`Graph::heads`]) are replaced: `fresh` gives their parameters.
    ///
    /// # Errors
    /// [`Error::Node`] for a network of a file that does not end with a layer of its classes; every
    /// architecture of the zoo does.
    pub fn for_classes(
        self,
        classes: Vec<String>,
        mut fresh: impl FnMut(&Parameter) -> Tensor,
    ) -> Result<Self, Error> {
        if classes == self.classes {
            return Ok(self);
        }
        let graph = self
            .network
            .whole()
            .for_classes(classes.len(), &mut fresh)?;
        // What follows the layer may be made for the number of classes that there were.
        let (height, width) = self.preprocess.crop;
        graph.shapes(&[1, self.preprocess.channels.count(), height, width])?;
        let mut remarks = self.remarks;
        remarks.classes = None;
        Ok(Self {
            network: Network::new(graph),
            classes,
            remarks,
            ..self
        })
    }

    /// The same network for these classes with nothing learnt: `fresh` gives all parameters but running
    /// statistics, and is told which are of the last layer ([`Graph::heads`]).
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
    /// The network for these classes with nothing learnt: `fresh` gives all parameters and is told
    /// which are of the last layer ([`Graph::heads`]).
    pub fn untrained(
        &'static self,
        classes: Vec<String>,
        mut fresh: impl FnMut(&Parameter, bool) -> Tensor,
    ) -> Pretrained {
        let zero = |parameter: &Parameter| Ok::<_, Error>(Tensor::zeros(&parameter.shape));
        let graph = Graph::new((self.build)(classes.len()), zero)
            .and_then(|graph| graph.with_values(|_, p| fresh(p, graph.is_in_head(&p.name))))
            .expect("values are made in the declared shapes");
        Pretrained {
            origin: Origin::Zoo(self),
            network: Network::new(graph),
            classes,
            preprocess: self.usual().preprocess.clone(),
            file: "none".into(),
            sha256: String::new(),
            source: None,
            licence: None,
            remarks: crate::Remarks::default(),
        }
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
    fn the_last_layer_stays_where_the_classes_are_the_same() {
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
    fn what_is_saved_with_its_metadata_is_the_same_network_when_read() {
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
