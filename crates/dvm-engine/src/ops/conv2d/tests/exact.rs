//! `Arithmetic::Exact`: a value is bit-identical in every batch and every part of a picture.

use super::*;

/// `(convolution, channels, outputs)` for all kinds of direct kernels.
fn layers() -> Vec<Layer> {
    let conv = |kernel, stride, groups| {
        let conv = Conv2d::square(kernel).stride(stride).groups(groups);
        conv.padding(Padding::Fixed(Border::all(kernel / 2)))
    };
    let layers = [
        (conv(1, 1, 1), 24, 40),
        (conv(1, 2, 1), 24, 17),
        (conv(3, 1, 1), 32, 40),
        (conv(3, 2, 1), 17, 35),
        (conv(7, 2, 1), 3, 16),
        (conv(5, 1, 1), 16, 9),
        (conv(3, 1, 2), 40, 36),
        (conv(3, 1, 4), 8, 12),
        (conv(3, 1, 40), 40, 40),
        (conv(3, 2, 21), 21, 21),
        (conv(5, 1, 19), 19, 19),
        (conv(5, 2, 24), 24, 24),
        (conv(7, 1, 5), 5, 5),
    ];
    let activations = [None, Some(Activation::Relu), Some(Activation::Silu)];
    let mut layers: Vec<Layer> = layers
        .into_iter()
        .zip(activations.into_iter().cycle())
        .map(|((conv, channels, outputs), activation)| Layer {
            conv: Conv2d { activation, ..conv },
            maps: [5, channels, 23, 27],
            outputs,
            bias: true,
        })
        .collect();
    let dilated = Conv2d {
        dilation: (2, 2),
        padding: Padding::Fixed(Border::all(2)),
        ..layers[2].conv.clone()
    };
    layers.push(Layer {
        conv: dilated,
        ..layers[2].clone()
    });
    layers
}

/// The part of the maps `[N, C, H, W]` from row `top` and column `left` on, with `size` rows and columns and
/// zeros outside of the maps.
fn crop(maps: &Tensor, (top, left): (isize, isize), size: (usize, usize)) -> Tensor {
    let &[n, c, h, w] = maps.shape() else {
        panic!("maps have four axes");
    };
    let mut values = Vec::new();
    for map in 0..n {
        for y in (top..).take(size.0) {
            for x in (left..).take(size.1) {
                if (0..h as isize).contains(&y) && (0..w as isize).contains(&x) {
                    let pixel = (map * h + y as usize) * w + x as usize;
                    values.extend(&maps.data()[pixel * c..][..c]);
                } else {
                    values.extend(vec![0.0; c]);
                }
            }
        }
    }
    Tensor::from_stored(&[n, c, size.0, size.1], values)
}

#[test]
fn a_part_of_the_picture_with_its_halo_is_bit_identical_to_the_whole() {
    for layer in layers() {
        let Conv2d {
            kernel,
            stride,
            dilation,
            ..
        } = layer.conv;
        let (x, before) = (layer.input(), layer.before());
        let [_, _, oh, ow] = layer.output_shape();
        for set in InstructionSet::available() {
            let prepared = prepared(set);
            let whole = layer.output_of(&x, &prepared, Arithmetic::Exact);
            // First row and column of the output, and their number: inside, at the corners, a line, all.
            for ((y, x0), (rows, columns)) in [
                ((3, 4), (5, 7)),
                ((0, 0), (4, 3)),
                ((oh - 5, ow - 2), (5, 2)),
                ((2, 0), (1, ow)),
                ((6, 5), (1, 1)),
                ((0, 0), (oh, ow)),
            ] {
                let corner = (
                    (y * stride.0) as isize - before.0 as isize,
                    (x0 * stride.1) as isize - before.1 as isize,
                );
                let size = (
                    (rows - 1) * stride.0 + dilation.0 * (kernel.0 - 1) + 1,
                    (columns - 1) * stride.1 + dilation.1 * (kernel.1 - 1) + 1,
                );
                let part = Layer {
                    conv: layer.conv.clone().padding(Padding::Fixed(Border::all(0))),
                    maps: [5, layer.maps[1], size.0, size.1],
                    ..layer.clone()
                };
                let found = crop(&x, corner, size);
                let found = part.output_of(&found, &prepared, Arithmetic::Exact);
                let expected = crop(&whole, (y as isize, x0 as isize), (rows, columns));
                assert!(
                    bits(&found) == bits(&expected),
                    "{}: {rows} × {columns} from {y}, {x0} of {layer:?}",
                    set.name()
                );
            }
        }
    }
}

#[test]
fn a_picture_alone_is_bit_identical_to_the_same_picture_in_a_batch() {
    for layer in layers() {
        let x = layer.input();
        let [n, c, h, w] = layer.maps;
        for set in InstructionSet::available() {
            let prepared = prepared(set);
            let batch = bits(&layer.output_of(&x, &prepared, Arithmetic::Exact));
            let alone = Layer {
                maps: [1, c, h, w],
                ..layer.clone()
            };
            let pictures = x.data().chunks_exact(c * h * w);
            for (picture, expected) in pictures.zip(batch.chunks_exact(batch.len() / n)) {
                let picture = Tensor::from_stored(&alone.maps, picture.to_vec());
                let found = alone.output_of(&picture, &prepared, Arithmetic::Exact);
                assert!(bits(&found) == expected, "{}: {layer:?}", set.name());
            }
        }
    }
}

/// In both kinds of arithmetic, forward and backward.
#[test]
fn one_and_two_threads_give_identical_bits() {
    for layer in layers() {
        for arithmetic in [Arithmetic::Fast, Arithmetic::Exact] {
            let [one, two] = [1, 2].map(|threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                pool.unwrap().install(|| {
                    let prepared = prepared(InstructionSet::in_use());
                    let output = layer.output_of(&layer.input(), &prepared, arithmetic);
                    let plain = Layer {
                        conv: Conv2d {
                            activation: None,
                            ..layer.conv.clone()
                        },
                        ..layer.clone()
                    };
                    let gradient = plain.input_gradient(&prepared, arithmetic);
                    (bits(&output), bits(&gradient))
                })
            });
            assert!(one == two, "{arithmetic:?}: {layer:?}");
        }
    }
}
