//! Attention of small transformers, worked out by hand or by finite differences.

use dvm_attribution::{Attribution, Score, Target};
use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::batched_product::BatchedProduct;
use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::ops::slice::Slice;
use dvm_engine::ops::softmax::Softmax;
use dvm_engine::{Blueprint, Graph, NodeId};

use crate::subject::{
    Case, as_it_is, bits, noise_picture, on_threads, relative_error, seeded_except, small,
};

const WIDTH: usize = 6;
/// A class token and 2 × 3 patches.
const TOKENS: usize = 7;
const SIZE: (usize, usize) = (4, 6);

/// Patches of 2 × 2 pixels, a class token, this number of blocks, three classes.
fn network(blocks: usize, value: &dyn Fn(&str) -> Option<f32>) -> Graph {
    let (mut net, x) = beginning();
    let mut x = net.add_parameter("positions", x, &[1, TOKENS, WIDTH]);
    for block in 0..blocks {
        let name = |layer: &str| format!("blocks.{block}.{layer}");
        let y = net.layer_norm(&name("norm1"), x, WIDTH, 1e-6);
        let y = net.linear(&name("qkv"), y, WIDTH, 3 * WIDTH, true);
        let y = net.attention(&name("attention"), y, 2);
        let y = net.linear(&name("projection"), y, WIDTH, WIDTH, true);
        let sum = net.add(&name("add1"), y, x);
        let y = net.layer_norm(&name("norm2"), sum, WIDTH, 1e-6);
        let y = net.linear(&name("up"), y, WIDTH, 2 * WIDTH, true);
        let y = net.activation(&name("gelu"), y, Activation::Gelu);
        let y = net.linear(&name("down"), y, 2 * WIDTH, WIDTH, true);
        x = net.add(&name("add2"), y, sum);
    }
    let x = ending(&mut net, x);
    seeded_except(net.ending_at(x), value)
}

/// A class token and patches of 2 × 2 pixels.
fn beginning() -> (Blueprint, NodeId) {
    let mut net = Blueprint::new(3);
    let picture = net.input();
    let patches = Conv2d::square(2).stride(2);
    let x = net.conv2d("patches", picture, patches, 3, WIDTH, true);
    let x = net.tokens("patches.tokens", x);
    let class = net.repeat("class_token", picture, &[1, 1, WIDTH]);
    let x = net.concat_along("tokens", 1, &[class, x]);
    (net, x)
}

/// From the class token to three logits.
fn ending(net: &mut Blueprint, x: NodeId) -> NodeId {
    let x = net.layer_norm("norm", x, WIDTH, 1e-6);
    let class = Slice {
        axis: 1,
        start: 0,
        step: 1,
        count: Some(1),
    };
    let x = net.slice("class", x, class);
    let x = net.flatten("flatten", x);
    net.linear("head", x, WIDTH, 3, true)
}

fn assert_warned(map: &Attribution, words: &str) {
    let found = map.warnings.iter().any(|warning| warning.contains(words));
    assert!(found, "{:?}", map.warnings);
}

fn case(graph: Graph) -> Case {
    Case::new(graph, as_it_is(SIZE), noise_picture("transformer", SIZE))
}

#[test]
fn rollout_of_uniform_attention_is_uniform() {
    // With queries and keys of 0, all tokens get the same attention: A = 1 / T, and
    // (A / 2 + I / 2)³ has (1 − 2⁻³) / T beside its diagonal.
    let uniform = |name: &str| name.contains("qkv").then_some(0.0);
    let found = case(network(3, &uniform)).map_of(0, "attention-rollout", &[]);
    let expected = (1.0 - 0.125) / TOKENS as f32;
    for value in &found.raw().values[..] {
        assert!((value - expected).abs() < 1e-6, "{value}");
    }
    let tokens = &found.array("tokens").unwrap().values;
    assert!((tokens[0] - expected - 0.125).abs() < 1e-6);
    assert!((tokens.iter().sum::<f32>() - 1.0).abs() < 1e-6);
}

#[test]
fn attention_without_influence_on_the_class_has_no_relevance() {
    let blind = |name: &str| name.contains("projection").then_some(0.0);
    let found = case(network(2, &blind)).map_of(1, "attention-relevance", &[]);
    assert!(found.map.iter().all(|&value| value == 0.0));
    assert_warned(&found, "zero everywhere");
}

#[test]
fn rollout_warns_that_it_is_the_same_for_every_class() {
    let case = case(network(1, &|_| None));
    let maps = case.explain("attention-rollout", &[], &[0, 2]).unwrap();
    assert_eq!(maps[0].map, maps[1].map);
    assert_warned(&maps[1], "the same for every one");
}

/// One attention as exporters write it: queries and keys are the tokens, values half of them.
fn with_a_softmax() -> Graph {
    let (mut net, x) = beginning();
    let mut part = |name: &str| net.linear(name, x, WIDTH, WIDTH, true);
    let (q, k, v) = (part("q"), part("k"), part("v"));
    let k = net.permute("k.turned", k, &[0, 2, 1]);
    let scores = net.node("scores", BatchedProduct, &[q, k], &[]);
    let softmax = net.node("softmax", Softmax { axis: 2 }, &[scores], &[]);
    let y = net.node("attended", BatchedProduct, &[softmax, v], &[]);
    let x = net.add("add", y, x);
    let x = ending(&mut net, x);
    seeded_except(net.ending_at(x), &|_| None)
}

#[test]
fn gradients_of_attention_equal_finite_differences_of_the_score() {
    let case = case(with_a_softmax());
    let subject = case.subject();
    let attentions = subject.attentions().unwrap();
    assert_eq!(attentions.blocks.len(), 1);
    assert_eq!((attentions.blocks[0].heads, attentions.tokens), (1, TOKENS));
    assert_eq!((attentions.before, attentions.grid), (1, (2, 3)));
    assert_eq!(attentions.read, [0]);
    let (mut probabilities, mut gradients) = (Vec::new(), Vec::new());
    let asked = (&Target::Class(2), Score::Logit);
    let each = &mut |_: usize, p: &[f32], g: &[f32]| {
        (probabilities, gradients) = (p.to_vec(), g.to_vec());
        Ok(())
    };
    subject
        .attention_gradients(&attentions, asked, each)
        .unwrap();
    // The same, one probability at a time, from the softmax on.
    let graph = subject.network().folded();
    let at = graph.find("softmax").unwrap();
    let step = 1.0 / 64.0;
    let moved = |case: usize| {
        let mut values = probabilities.clone();
        values[case / 2] += if case.is_multiple_of(2) { step } else { -step };
        values
    };
    let mut logits = Vec::new();
    let count = 2 * TOKENS * TOKENS;
    subject
        .outputs_from((graph, at), count, &moved, &mut |_, numbers| {
            logits.push(numbers[2]);
            Ok(())
        })
        .unwrap();
    let slopes: Vec<f32> = logits
        .chunks(2)
        .map(|two| (two[0] - two[1]) / (2.0 * step))
        .collect();
    assert!(relative_error(&gradients, &slopes) < 2e-3);
    // Only the attention of the class token influences the output.
    assert!(gradients[TOKENS..].iter().all(|&gradient| gradient == 0.0));
}

#[test]
fn with_the_rules_of_libragrad_input_times_gradient_adds_up_to_the_logit() {
    // Without biases, class token and positions, input × gradient is complete.
    let bare = |name: &str| {
        let adds = name.ends_with("bias") || name == "class_token" || name == "positions";
        adds.then_some(0.0)
    };
    let case = case(network(2, &bare));
    let logits = case.subject().numbers().unwrap();
    let sum = |options: &[(&str, &str)]| -> f32 {
        let found = case.map_of(1, "input-x-gradient", options);
        found.raw().values.iter().sum()
    };
    let libra = sum(&[("attention-rules", "libra")]);
    assert!(
        (libra - logits[1]).abs() < 1e-4 * logits[1].abs(),
        "{libra} {}",
        logits[1]
    );
    assert!((sum(&[]) - logits[1]).abs() > 0.1 * logits[1].abs());
}

#[test]
fn rules_of_libragrad_that_apply_nowhere_give_a_warning() {
    let found = small().map_of(1, "gradient", &[("attention-rules", "libra")]);
    let plain = small().map_of(1, "gradient", &[]);
    assert_eq!(found.map, plain.map);
    assert_warned(&found, "apply nowhere");
}

#[test]
fn all_of_the_attention_cannot_be_discarded() {
    let refused = |part: &str| {
        let made = crate::subject::made("attention-rollout", &[("discard", part)]);
        made.err().unwrap().to_string()
    };
    assert_eq!(
        refused("1"),
        "invalid value `1` for the option `discard`: it must be less than 1"
    );
    assert!(refused("-0.1").contains("invalid value `-0.1` for the option `discard`"));
}

/// Names of the methods that use attention.
const METHODS: [&str; 3] = ["attention-rollout", "attention-relevance", "legrad"];

#[test]
fn maps_of_attention_do_not_depend_on_the_number_of_threads() {
    let case = case(network(2, &|_| None));
    let map = |method: &str| bits(&case.map_of(1, method, &[]).map);
    let maps = |threads: usize| on_threads(threads, || METHODS.map(map));
    let alone = maps(1);
    assert_eq!(maps(2), alone);
    assert_eq!(maps(5), alone);
}

#[test]
fn the_map_of_a_probability_uses_its_gradient() {
    // Softmax: the gradient of a probability p is p times (that of its logit minus the mean).
    let case = case(network(2, &|_| None));
    let subject = case.subject();
    let attentions = subject.attentions().unwrap();
    let gradients = |score: Score, class: usize| {
        let mut all = Vec::new();
        let each = &mut |_: usize, _: &[f32], gradients: &[f32]| {
            all.extend_from_slice(gradients);
            Ok(())
        };
        let target = Target::Class(class);
        subject
            .attention_gradients(&attentions, (&target, score), each)
            .unwrap();
        all
    };
    let probabilities = subject.output().probabilities(&subject.numbers().unwrap());
    let logits = [0, 1, 2].map(|class| gradients(Score::Logit, class));
    let expected: Vec<f32> = (0..logits[0].len())
        .map(|at| {
            let classes = logits.iter().zip(&probabilities);
            let mean: f32 = classes.map(|(logit, p)| p * logit[at]).sum();
            probabilities[1] * (logits[1][at] - mean)
        })
        .collect();
    assert!(relative_error(&gradients(Score::Probability, 1), &expected) < 1e-5);
}
