//! Attention probabilities and their gradients, which the op recomputes on request.

use dvm_engine::ops::attention::Attention;
use dvm_engine::{Blueprint, Error, Graph, Keep, NodeId, Request, Tensor};

use super::{off, seed};
use dvm_testing::graphs::seeded_tensor;

const HEADS: usize = 2;
const WIDTH: usize = 6;
const TOKENS: usize = 12;

/// Twelve tokens of a picture, one attention, four outputs.
fn network() -> (Graph, NodeId, NodeId) {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.tokens("tokens", x);
    let qkv = net.linear("qkv", x, 3, 3 * WIDTH, true);
    let attention = net.attention("attention", qkv, HEADS);
    let x = net.flatten("flatten", attention);
    let x = net.linear("head", x, TOKENS * WIDTH, 4, true);
    let graph = Graph::new(net.ending_at(x), |p| {
        Ok::<_, Error>(seeded_tensor(&p.name, &p.shape))
    });
    (graph.unwrap(), qkv, attention)
}

/// Queries, keys and values `[1, T, 3 · D]` of a picture, and the gradients of a score with respect to them
/// and to the attention's value.
fn walked() -> (Tensor, Tensor, Tensor) {
    let (graph, qkv, attention) = network();
    let picture = seeded_tensor("picture", &[1, 3, 3, 4]);
    let forward = graph
        .forward(&picture, dvm_engine::Mode::Inference, Keep::All)
        .unwrap();
    let nodes = [qkv, attention];
    let seeds = seed(&graph, forward.output());
    let found = graph
        .backward(&forward, &seeds, &Request::nodes(&nodes))
        .unwrap();
    let gradient = |id: NodeId| found.node(id).unwrap().clone();
    (
        forward.get(qkv).unwrap().clone(),
        gradient(qkv),
        gradient(attention),
    )
}

#[test]
fn every_row_of_attention_adds_up_to_one() {
    let (qkv, ..) = walked();
    let op = Attention { heads: HEADS };
    let probabilities = op.probabilities(&qkv);
    assert_eq!(probabilities.shape(), [HEADS, TOKENS, TOKENS]);
    for row in probabilities.data().chunks_exact(TOKENS) {
        let sum: f32 = row.iter().sum();
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
        assert!(row.iter().all(|&p| p > 0.0));
    }
}

#[test]
fn gradients_of_attention_lead_to_those_of_the_queries() {
    let (qkv, expected, grad) = walked();
    let op = Attention { heads: HEADS };
    let probabilities = op.probabilities(&qkv);
    let slopes = op.probability_gradients(&qkv, &grad);
    assert_eq!(slopes.shape(), probabilities.shape());
    // Through the softmax and the scaled product with the keys, value by value.
    let each = WIDTH / HEADS;
    let scale = 1.0 / (each as f32).sqrt();
    let mut found = expected.clone();
    for head in 0..HEADS {
        for query in 0..TOKENS {
            let row = |table: &Tensor| {
                let first = (head * TOKENS + query) * TOKENS;
                table.data()[first..first + TOKENS].to_vec()
            };
            let (p, g) = (row(&probabilities), row(&slopes));
            let mean: f32 = p.iter().zip(&g).map(|(p, g)| p * g).sum();
            for feature in head * each..(head + 1) * each {
                let key = |token: usize| qkv.data()[token * 3 * WIDTH + WIDTH + feature];
                let sum: f32 = (0..TOKENS).map(|t| p[t] * (g[t] - mean) * key(t)).sum();
                found.data_mut()[query * 3 * WIDTH + feature] = sum * scale;
            }
        }
    }
    assert!(off(&found, &expected) < 1e-6);
}
