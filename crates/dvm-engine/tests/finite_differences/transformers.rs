//! The layers of vision transformers, ConvNeXt, Swin and ShuffleNet.

use dvm_engine::Tensor;
use dvm_engine::ops::Mode;
use dvm_engine::ops::attention::Attention;
use dvm_engine::ops::channel_affine::ChannelAffine;
use dvm_engine::ops::channel_shuffle::ChannelShuffle;
use dvm_engine::ops::layer_norm::LayerNorm;
use dvm_engine::ops::repeat::Repeat;
use dvm_engine::ops::scale::Scale;
use dvm_engine::ops::stochastic_depth::StochasticDepth;
use dvm_engine::ops::tokens::Tokens;
use dvm_engine::ops::window_attention::WindowAttention;

use crate::draw::Draw;
use crate::slow::{Array, transformers as slow};
use crate::{TRAINING, alone, check, grad_output};

#[test]
fn layer_norm() {
    for round in 0..12 {
        let mut draw = Draw::new("layer_norm", round);
        let features = draw.number(2, 20);
        let (n, t) = draw.pair(1, 3);
        let shape = [
            vec![n, features],
            vec![n, t, features],
            vec![n, features, t, 2],
        ][round % 3]
            .clone();
        let op = LayerNorm {
            eps: [1e-5, 1e-6, 1e-2][round / 3 % 3],
        };
        let x = draw.tensor(&shape, -1.0, 2.0);
        let parameters = vec![
            draw.tensor(&[features], 0.5, 1.5),
            draw.tensor(&[features], -1.0, 1.0),
        ];
        let alone = alone(op, Mode::Inference, vec![x], parameters);
        check(&alone, &|inputs, p| {
            slow::layer_norm(&inputs[0], op.eps, &p[0], &p[1])
        });
    }
}

#[test]
fn attention() {
    for round in 0..8 {
        let mut draw = Draw::new("attention", round);
        let (heads, width) = draw.pair(1, 3);
        let shape = [draw.number(1, 2), draw.number(1, 5), 3 * heads * width];
        let x = draw.tensor(&shape, -1.5, 1.5);
        let alone = alone(Attention { heads }, Mode::Inference, vec![x], vec![]);
        check(&alone, &|inputs, _| slow::attention(&inputs[0], heads));
    }
}

#[test]
fn more_tokens_than_one_block_of_queries() {
    let x = Draw::new("many tokens", 0).tensor(&[1, 66, 3], -1.5, 1.5);
    let alone = alone(Attention { heads: 1 }, Mode::Inference, vec![x], vec![]);
    check(&alone, &|inputs, _| slow::attention(&inputs[0], 1));
}

#[test]
fn large_scores_do_not_overflow() {
    let mut x = Draw::new("a loud token", 0).tensor(&[1, 4, 6], -1.0, 1.0);
    x.data_mut()[..4].fill(100.0);
    let alone = alone(Attention { heads: 1 }, Mode::Inference, vec![x], vec![]);
    let outcome = alone.forward().expect("the shapes fit");
    assert!(outcome.value.data().iter().all(|v| v.is_finite()));
    let grad = grad_output(outcome.value.shape());
    let gradient = alone.backward(&outcome, &grad).inputs.remove(0).unwrap();
    assert!(gradient.data().iter().all(|v| v.is_finite()));
}

#[test]
fn window_attention() {
    for round in 0..10 {
        let mut draw = Draw::new("window attention", round);
        let (heads, width) = draw.pair(1, 2);
        let window = draw.number(1, 3);
        let op = WindowAttention {
            heads,
            window,
            shift: draw.number(0, window - 1),
        };
        let shape = [
            draw.number(1, 2),
            3 * heads * width,
            window * draw.number(1, 2),
            window * draw.number(1, 3),
        ];
        let x = draw.tensor(&shape, -1.0, 1.0);
        let table = draw.tensor(&[(2 * window - 1).pow(2), heads], -1.0, 1.0);
        let alone = alone(op, Mode::Inference, vec![x], vec![table]);
        check(&alone, &|inputs, p| {
            slow::window_attention(&op, &inputs[0], &p[0])
        });
    }
}

#[test]
fn scale() {
    for round in 0..6 {
        let mut draw = Draw::new("scale", round);
        let shape = draw.feature_map();
        let x = draw.tensor(&shape, -1.0, 1.0);
        let factors = draw.tensor(&[shape[1], 1, 1], -1.0, 1.0);
        let alone = alone(Scale, Mode::Inference, vec![x], vec![factors]);
        check(&alone, &|inputs, p| slow::scale(&inputs[0], &p[0]));
    }
}

#[test]
fn channel_affine() {
    for round in 0..6 {
        let mut draw = Draw::new("channel affine", round);
        let shape = draw.feature_map();
        let mut pick = || draw.tensor(&[shape[1]], -2.0, 2.0).data().to_vec();
        let (factor, shift) = (pick(), pick());
        let op = ChannelAffine {
            factor: factor.clone(),
            shift: shift.clone(),
        };
        let x = draw.tensor(&shape, -1.0, 1.0);
        let alone = alone(op, Mode::Inference, vec![x], vec![]);
        check(&alone, &|inputs, _| {
            slow::channel_affine(&inputs[0], &factor, &shift)
        });
    }
}

#[test]
fn channel_shuffle() {
    for round in 0..8 {
        let mut draw = Draw::new("channel shuffle", round);
        let (groups, each) = draw.pair(1, 5);
        let shape = [
            draw.number(1, 2),
            groups * each,
            draw.number(1, 4),
            draw.number(1, 4),
        ];
        let x = draw.tensor(&shape, -1.0, 1.0);
        let alone = alone(ChannelShuffle { groups }, Mode::Inference, vec![x], vec![]);
        check(&alone, &|inputs, _| {
            slow::channel_shuffle(&inputs[0], groups)
        });
    }
}

#[test]
fn tokens() {
    for round in 0..4 {
        let mut draw = Draw::new("tokens", round);
        let shape = draw.feature_map();
        let x = draw.tensor(&shape, -1.0, 1.0);
        let alone = alone(Tokens, Mode::Inference, vec![x], vec![]);
        check(&alone, &|inputs, _| slow::tokens(&inputs[0]));
    }
}

#[test]
fn repeat() {
    for round in 0..4 {
        let mut draw = Draw::new("repeat", round);
        let (n, d) = draw.pair(1, 4);
        let x = draw.tensor(&[n, 2, 3], -1.0, 1.0);
        let shape = [vec![1, 1, d], vec![1, d], vec![1, d, 2, 2]][round % 3].clone();
        let token = draw.tensor(&shape, -1.0, 1.0);
        let alone = alone(Repeat, Mode::Inference, vec![x], vec![token]);
        check(&alone, &|inputs, p| slow::repeat(&inputs[0], &p[0]));
    }
}

#[test]
fn stochastic_depth_in_training() {
    for round in 0..6 {
        let mut draw = Draw::new("stochastic depth", round);
        let mut shape = draw.feature_map();
        shape[0] = draw.number(2, 6);
        let p = [0.5, 0.2, 0.0][round % 3];
        let x = draw.tensor(&shape, -1.0, 1.0);
        let alone = alone(StochasticDepth { p }, TRAINING, vec![x], vec![]);
        let outcome = alone.forward().expect("the shapes fit");
        let factors = Array::of(&outcome.saved[0]);
        check(&alone, &|inputs, _| {
            slow::stochastic_depth(&inputs[0], &factors)
        });
    }
}

/// The result of stochastic depth for `pictures` pictures of ones.
fn dropped(pictures: usize, p: f32, seed: u64) -> Tensor {
    let x = Tensor::full(&[pictures, 3, 2, 2], 1.0);
    let alone = alone(
        StochasticDepth { p },
        Mode::Training { seed },
        vec![x],
        vec![],
    );
    alone.forward().expect("the shapes fit").value
}

#[test]
fn stochastic_depth_drops_its_share_of_whole_pictures_and_scales_the_rest() {
    let output = dropped(4096, 0.2, 3);
    let pictures = output.data().chunks_exact(12);
    let dropped = pictures.clone().filter(|p| p[0] == 0.0).count();
    for picture in pictures {
        assert!(picture[0] == 0.0 || picture[0] == 1.25);
        assert!(
            picture.iter().all(|&v| v == picture[0]),
            "a picture was dropped in part"
        );
    }
    // Of 4096 pictures, 819 should be dropped; the standard deviation is 26.
    assert!(dropped.abs_diff(819) < 4 * 26, "{dropped} were dropped");
}

#[test]
fn stochastic_depth_draws_the_same_mask_only_from_the_same_seed() {
    assert_eq!(dropped(64, 0.5, 3), dropped(64, 0.5, 3));
    assert_ne!(dropped(64, 0.5, 3), dropped(64, 0.5, 4));
}

#[test]
fn stochastic_depth_does_nothing_in_inference() {
    let x = Draw::new("stochastic depth in inference", 0).tensor(&[2, 3, 4, 5], -1.0, 1.0);
    let op = StochasticDepth { p: 0.5 };
    let alone = alone(op, Mode::Inference, vec![x.clone()], vec![]);
    let outcome = alone.forward().expect("the shapes fit");
    assert_eq!(outcome.value, x);
    let grad = grad_output(x.shape());
    assert_eq!(alone.backward(&outcome, &grad).inputs, [Some(grad.clone())]);
}
