//! A network that ends at a layer.

use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::ops::tokens::Tokens;
use dvm_engine::passes::read_out;
use dvm_engine::{Blueprint, Graph, Keep, Mode, Tensor, seeded};

fn network() -> Graph {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("conv", x, Conv2d::square(3), 3, 4, true);
    let x = net.node("tokens", Tokens, &[x], &[]);
    let x = net.flatten("flatten", x);
    let x = net.linear("fc", x, 4 * 3 * 5, 6, true);
    seeded::graph(net.ending_at(x))
}

fn picture() -> Tensor {
    let shape = [1, 3, 5, 7];
    let values = seeded::uniform("picture", shape.iter().product(), -2.0, 2.0);
    Tensor::from_nchw(&shape, &values)
}

#[test]
fn a_read_out_is_the_mean_of_a_channel_or_its_value_at_a_position() {
    let (graph, picture) = (network(), picture());
    let at = graph.find("conv").unwrap();
    let kept = graph
        .forward(&picture, Mode::Inference, Keep::Nodes(&[at]))
        .unwrap();
    // [4, 3, 5]
    let map = kept.get(at).unwrap().to_nchw();
    // Tokens are the positions of the map, row by row.
    for node in ["conv", "tokens"] {
        let at = graph.find(node).unwrap();
        let read = |place| {
            let graph = read_out(&graph, at, picture.shape(), place).unwrap();
            graph.logits(&picture).unwrap().data().to_vec()
        };
        let means = read(None);
        assert_eq!(means.len(), 4);
        for (channel, mean) in means.iter().enumerate() {
            let expected = map[channel * 15..][..15].iter().sum::<f32>() / 15.0;
            assert!((mean - expected).abs() < 1e-6, "{node} {mean} {expected}");
        }
        let place = read(Some((2, 3)));
        let expected: Vec<f32> = (0..4)
            .map(|channel| map[channel * 15 + 2 * 5 + 3])
            .collect();
        assert_eq!(place, expected, "{node}");
    }
}

#[test]
fn a_row_of_numbers_has_no_positions() {
    let (graph, picture) = (network(), picture());
    let at = graph.find("fc").unwrap();
    let whole = read_out(&graph, at, picture.shape(), None).unwrap();
    assert_eq!(
        whole.logits(&picture).unwrap(),
        graph.logits(&picture).unwrap()
    );
    let error = read_out(&graph, at, picture.shape(), Some((0, 0)))
        .err()
        .unwrap();
    assert!(error.to_string().contains("no rows and columns"), "{error}");
}

#[test]
fn a_position_outside_of_the_map_is_an_error() {
    let (graph, picture) = (network(), picture());
    let at = graph.find("conv").unwrap();
    let error = read_out(&graph, at, picture.shape(), Some((3, 0)))
        .err()
        .unwrap();
    assert!(
        error.to_string().contains("3 rows and 5 columns"),
        "{error}"
    );
}
