//! Errors and their messages.

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
fn a_class_that_does_not_exist_is_an_error_for_every_method() {
    for entry in registry::ALL {
        let error = refused(&small(), entry.name, &WINDOWS, 5);
        assert!(matches!(&error, Error::Class { .. }));
        let message = "class 5 does not exist: the network has 5 classes (0 to 4)";
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn a_network_with_nan_weights_is_an_error_for_every_method() {
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
fn an_output_that_overflows_only_for_a_window_is_an_error() {
    let graph = linear_network((4, 4), &[3e38; 48]);
    let black = Picture::filled(4, 4, [0; 3]);
    let subject = Case::new(graph, in_whole_colours((4, 4)), black);
    let options = [("window", "2"), ("stride", "2"), ("fill", "#ffffff")];
    let error = refused(&subject, "occlusion", &options, 0);
    assert!(error.to_string().contains("a changed picture"), "{error}");
}

#[test]
fn a_gradient_that_overflows_although_the_logits_do_not_is_an_error() {
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
fn a_window_larger_than_the_picture_is_an_error_with_both_sizes() {
    for (window, space) in [("33x4", "input"), ("4x29", "input"), ("33x4", "image")] {
        let options = [("window", window), ("stride", "4"), ("space", space)];
        let error = refused(&small(), "occlusion", &options, 0);
        let message = error.to_string();
        assert!(matches!(error, Error::Unfit(_)), "{message}");
        assert!(message.contains(&window.replace('x', "×")), "{message}");
        assert!(message.contains("32×28"), "{message}");
    }
}

#[test]
fn a_window_as_large_as_the_picture_is_valid() {
    let options = [("window", "32x28"), ("stride", "1")];
    let attribution = small().map_of(0, "occlusion", &options);
    assert_eq!(attribution.raw().shape, [5, 1, 1]);
}

#[test]
fn scores_that_exceed_the_memory_are_an_error_before_the_network_runs() {
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
fn gradients_that_exceed_the_memory_are_an_error_with_need_and_limit() {
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
        assert!(message.contains("the limit is 96.0 MiB"), "{message}");
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
fn an_invalid_value_is_an_error_with_the_option() {
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
