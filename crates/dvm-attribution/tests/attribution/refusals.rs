//! What is refused, and how it is said.

use dvm_attribution::{Error, registry};
use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::Conv2d;
use dvm_engine::{Blueprint, Graph, Parameter, Tensor};
use dvm_image::Picture;

use crate::subject::{
    Case, GRADIENTS, as_it_is, in_whole_colours, linear_network, made, noise_picture, small,
    small_network, small_network_with,
};

/// Windows that fit on the small picture.
const WINDOWS: [(&str, &str); 2] = [("window", "8"), ("stride", "4")];

fn refused(subject: &Case, method: &str, options: &[(&str, &str)], target: usize) -> Error {
    subject
        .explain(method, options, &[target])
        .expect_err("it should be refused")
}

#[test]
fn a_class_that_the_network_does_not_have_is_refused_by_every_method() {
    for entry in registry::ALL {
        let error = refused(&small(), entry.name, &WINDOWS, 5);
        assert!(matches!(
            error,
            Error::Class {
                class: 5,
                classes: 5
            }
        ));
        assert_eq!(
            error.to_string(),
            "class 5 was asked for, but the network has 5 (0 to 4)"
        );
    }
}

#[test]
fn a_network_whose_weights_are_nan_is_refused_by_every_method() {
    for damaged in ["conv1.weight", "conv2.bias", "fc.weight"] {
        for value in [f32::NAN, f32::INFINITY] {
            let replaced = |name: &str| (name == damaged).then_some(value);
            let graph = small_network_with(Activation::Relu, &replaced);
            let picture = noise_picture("nan", (16, 20));
            let subject = Case::new(graph, as_it_is((16, 20)), picture);
            for entry in registry::ALL {
                let error = refused(&subject, entry.name, &WINDOWS, 0);
                assert!(matches!(error, Error::NotFinite { .. }), "{error}");
            }
        }
    }
}

#[test]
fn an_answer_that_overflows_only_under_a_window_is_refused() {
    let graph = linear_network((4, 4), &[3e38; 48]);
    let black = Picture::filled(4, 4, [0; 3]);
    let subject = Case::new(graph, in_whole_colours((4, 4)), black);
    let options = [("window", "2"), ("stride", "2"), ("fill", "#ffffff")];
    let error = refused(&subject, "occlusion", &options, 0);
    assert!(error.to_string().contains("a changed picture"), "{error}");
}

#[test]
fn a_gradient_that_overflows_although_the_logits_do_not_is_refused() {
    let mut net = Blueprint::new(3);
    let x = net.input();
    let x = net.conv2d("conv", x, Conv2d::square(1), 3, 2, false);
    let x = net.flatten("flatten", x);
    let x = net.linear("fc", x, 8, 2, false);
    let huge = |p: &Parameter| Ok::<_, dvm_engine::Error>(Tensor::full(&p.shape, 1e30));
    let graph = Graph::new(net.ending_at(x), huge).unwrap();
    let black = Picture::filled(2, 2, [0; 3]);
    let subject = Case::new(graph, in_whole_colours((2, 2)), black);
    assert_eq!(*subject.subject().numbers().unwrap(), [0.0, 0.0]);
    for method in GRADIENTS {
        let error = refused(&subject, method, &[], 0);
        assert!(error.to_string().contains("the gradient"), "{error}");
    }
}

#[test]
fn a_window_larger_than_the_picture_is_refused_with_both_sizes() {
    for (window, space) in [("33x4", "input"), ("4x29", "input"), ("33x4", "image")] {
        let error = refused(
            &small(),
            "occlusion",
            &[("window", window), ("stride", "4"), ("space", space)],
            0,
        );
        let message = error.to_string();
        assert!(matches!(error, Error::Unfit(_)), "{message}");
        assert!(message.contains(&window.replace('x', "×")), "{message}");
        assert!(message.contains("32×28"), "{message}");
    }
}

#[test]
fn a_window_as_large_as_the_picture_is_taken() {
    let options = [("window", "32x28"), ("stride", "1")];
    let attribution = small().map_of(0, "occlusion", &options);
    assert_eq!(attribution.raw().shape, [5, 1, 1]);
}

#[test]
fn more_scores_than_memory_are_refused_before_the_network_is_asked() {
    let subject = Case {
        memory: 7 * 6 * 5 * size_of::<f32>() - 1,
        ..small()
    };
    let error = refused(&subject, "occlusion", &WINDOWS, 0);
    let message = error.to_string();
    assert!(matches!(error, Error::Unfit(_)), "{message}");
    assert!(
        message.contains("42 changed pictures with 5 scores"),
        "{message}"
    );
    let enough = Case {
        memory: subject.memory + 1,
        ..small()
    };
    assert!(enough.explain("occlusion", &WINDOWS, &[0]).is_ok());
}

#[test]
fn gradients_that_do_not_fit_into_memory_are_refused_with_need_and_memory() {
    let size = (1000, 1200);
    let picture = Picture::filled(size.0, size.1, [0; 3]);
    let subject = Case {
        memory: 96 << 20,
        ..Case::new(small_network(), as_it_is(size), picture)
    };
    for method in GRADIENTS {
        let error = refused(&subject, method, &[], 0);
        let message = error.to_string();
        assert!(matches!(error, Error::Unfit(_)), "{message}");
        assert!(message.contains("1000×1200"), "{message}");
        assert!(message.contains("96.0 MiB are allowed"), "{message}");
    }
}

#[test]
fn windows_with_gaps_between_them_cannot_be_averaged_or_summed() {
    for overlap in ["average", "sum"] {
        for stride in ["4x5", "5x4"] {
            let options = [("window", "4"), ("stride", stride), ("overlap", overlap)];
            let error = made("occlusion", &options).err().unwrap();
            assert_eq!(error.option, "stride");
            let message = error.to_string();
            assert!(
                message.contains(&format!("`overlap` with `{overlap}`")),
                "{message}"
            );
        }
    }
}

#[test]
fn values_that_an_option_does_not_take_are_refused_by_name() {
    for (method, option, value) in [
        ("occlusion", "window", "0"),
        ("occlusion", "stride", "4x"),
        ("occlusion", "fill", "#12345"),
        ("occlusion", "noise-seed", "-1"),
        ("occlusion", "score", "loss"),
        ("occlusion", "space", "crop"),
        ("occlusion", "preset", "zeiler"),
        ("gradient", "channels", "mean"),
    ] {
        let error = made(method, &[(option, value)]).err().unwrap();
        assert_eq!((&error.option[..], &error.value[..]), (option, value));
    }
}
