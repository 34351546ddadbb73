//! The meaning of an output, recognised by the last operations of a graph.

use crate::ops::{Bounds, Class};
use crate::{Error, Graph, Output, Tensor};

impl Graph {
    /// Bounds of the output values, as far as the operations give them.
    pub fn output_bounds(&self) -> Bounds {
        let mut bounds: Vec<Bounds> = Vec::with_capacity(self.nodes().len());
        for node in self.nodes() {
            let inputs: Vec<Bounds> = node.inputs.iter().map(|i| bounds[i.index()]).collect();
            let parameters = node.parameters.iter().map(|&index| &self.values()[index]);
            let parameters: Vec<&Tensor> = parameters.collect();
            bounds.push(match inputs[..] {
                [] => Bounds::ALL,
                _ => node.op.bounds(&inputs, &parameters),
            });
        }
        bounds[self.output().index()]
    }

    /// Whether the output is that of a convolution or linear layer, in any shape.
    fn ends_with_layer(&self) -> bool {
        let mut node = self.node(self.output());
        while matches!(node.op.class(), Class::Rearrangement | Class::Identity) {
            node = self.node(node.inputs[0]);
        }
        node.op.class().is_layer()
    }
}

impl Output {
    /// The meaning of a graph's output, by its operations and by its values for `pictures` `[N, C, H,
    /// W]`. `None` if it cannot be recognised, as for a last linear layer, whose values are usually
    /// logits.
    ///
    /// # Errors
    /// [`Error`] where the graph cannot take the pictures.
    pub fn recognised(graph: &Graph, pictures: &Tensor) -> Result<Option<Self>, Error> {
        if graph.ends_with_layer() {
            return Ok(None);
        }
        let answers = graph.logits(pictures)?;
        let outputs = answers.len() / pictures.shape()[0].max(1);
        if outputs == 0 {
            return Ok(None);
        }
        let fits = |output: Self| {
            let mut rows = answers.data().chunks_exact(outputs);
            rows.all(|row| output.check(row).is_ok())
        };
        let is_unit = graph.output_bounds().is_within(Bounds::UNIT);
        if outputs == 1 {
            return Ok(is_unit.then_some(Self::LabelProbabilities));
        }
        if fits(Self::Probabilities) {
            return Ok(Some(Self::Probabilities));
        }
        // Log-probabilities of one picture could be logits by chance: not those of several.
        if fits(Self::LogProbabilities) {
            return Ok(Some(Self::LogProbabilities));
        }
        Ok(is_unit.then_some(Self::LabelProbabilities))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::activation::Activation;
    use crate::ops::binary::{Binary, Function};
    use crate::ops::concat::Concat;
    use crate::ops::softmax::Softmax;
    use crate::ops::unary::Unary;
    use crate::{Blueprint, NodeId, seeded};

    type End = fn(&mut Blueprint, NodeId) -> NodeId;

    /// What is recognised of a network that ends with a linear layer and what `end` adds.
    fn recognised(outputs: usize, end: End) -> Option<Output> {
        let mut net = Blueprint::new(3);
        let x = net.input();
        let x = net.flatten("flatten", x);
        let x = net.linear("head", x, 3 * 4 * 4, outputs, true);
        let end = end(&mut net, x);
        let graph = seeded::graph(net.ending_at(end));
        let pictures = seeded::uniform("pictures", 2 * 3 * 4 * 4, -2.0, 2.0);
        Output::recognised(&graph, &Tensor::from_nchw(&[2, 3, 4, 4], &pictures)).unwrap()
    }

    fn softmax(net: &mut Blueprint, x: NodeId) -> NodeId {
        net.node("softmax", Softmax { axis: 1 }, &[x], &[])
    }

    fn constant(function: Function, value: f32, swapped: bool) -> Binary {
        Binary {
            swapped,
            ..Binary::constant(function, Tensor::from_nchw(&[1], &[value]))
        }
    }

    #[test]
    fn a_last_linear_layer_is_not_recognised() {
        assert_eq!(recognised(4, |_, x| x), None);
        assert_eq!(recognised(1, |_, x| x), None);
        assert_eq!(
            recognised(4, |net, x| net.activation("tanh", x, Activation::Tanh)),
            None
        );
    }

    #[test]
    fn clipped_softmaxes_are_probabilities() {
        let clipped: End = |net, x| {
            let x = softmax(net, x);
            let clip = Unary::Clip {
                low: 1e-7,
                high: 1.0,
            };
            net.node("clip", clip, &[x], &[])
        };
        assert_eq!(recognised(4, clipped), Some(Output::Probabilities));
    }

    #[test]
    fn a_probability_and_its_complement_are_two_classes() {
        let both: End = |net, x| {
            let yes = net.activation("sigmoid", x, Activation::Sigmoid);
            let no = net.node("no", constant(Function::Sub, 1.0, true), &[yes], &[]);
            net.node("both", Concat::CHANNELS, &[no, yes], &[])
        };
        assert_eq!(recognised(1, both), Some(Output::Probabilities));
    }

    #[test]
    fn a_softmax_written_by_hand_gives_probabilities() {
        let by_hand: End = |net, x| {
            let exp = net.node("exp", Unary::Exp, &[x], &[]);
            let sum = crate::ops::reduce::Reduce {
                how: crate::ops::reduce::How::Sum,
                axes: vec![1],
                keeps: true,
            };
            let sum = net.node("sum", sum, &[exp], &[]);
            net.node("quotient", Binary::inputs(Function::Div), &[exp, sum], &[])
        };
        assert_eq!(recognised(4, by_hand), Some(Output::Probabilities));
    }

    #[test]
    fn log_probabilities_are_distinguished_from_logits() {
        let logarithms: End = |net, x| {
            let x = softmax(net, x);
            net.node("log", Unary::Log, &[x], &[])
        };
        assert_eq!(recognised(4, logarithms), Some(Output::LogProbabilities));
    }

    #[test]
    fn sigmoids_that_are_changed_after_are_probabilities_of_labels() {
        let mean_of_two: End = |net, x| {
            let a = net.activation("a", x, Activation::Sigmoid);
            let b = net.node("half", constant(Function::Mul, 0.5, false), &[x], &[]);
            let b = net.activation("b", b, Activation::Sigmoid);
            let sum = net.node("sum", Binary::inputs(Function::Add), &[a, b], &[]);
            net.node("mean", constant(Function::Mul, 0.5, false), &[sum], &[])
        };
        assert_eq!(recognised(4, mean_of_two), Some(Output::LabelProbabilities));
        assert_eq!(recognised(1, mean_of_two), Some(Output::LabelProbabilities));
    }

    #[test]
    fn values_between_0_and_1_are_probabilities() {
        let clipped: End = |net, x| net.activation("clip", x, Activation::ClippedRelu(1.0));
        let hard: End = |net, x| {
            let hard = Activation::HardsigmoidOf {
                slope: 0.2,
                offset: 0.5,
            };
            net.activation("hard", x, hard)
        };
        for end in [clipped, hard] {
            assert_eq!(recognised(4, end), Some(Output::LabelProbabilities));
        }
    }

    #[test]
    fn values_above_1_are_no_probabilities() {
        let rectified: End = |net, x| net.activation("relu", x, Activation::Relu);
        assert_eq!(recognised(4, rectified), None);
        let sum_of_sigmoids: End = |net, x| {
            let a = net.activation("a", x, Activation::Sigmoid);
            net.node("sum", Binary::inputs(Function::Add), &[a, a], &[])
        };
        assert_eq!(recognised(4, sum_of_sigmoids), None);
    }
}
