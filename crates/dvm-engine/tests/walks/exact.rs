//! Exact arithmetic: a value is bit-identical in every batch and every part of a picture.

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::conv2d::Border;
use dvm_engine::ops::pool::{Pool, Reduction, Windows};
use dvm_engine::{Arithmetic, Blueprint, Graph, Keep, Mode, Tensor, seeded};

use crate::bits;
use dvm_testing::graphs::{self, seeded_tensor};

/// The bits of all nodes' values, picture by picture.
fn by_picture(graph: &Graph, pictures: &Tensor) -> Vec<Vec<Vec<u32>>> {
    let n = pictures.shape()[0];
    let activations = graph.forward(pictures, Mode::Inference, Keep::All).unwrap();
    let values = graph.ids().map(|id| bits(activations.get(id).unwrap()));
    let values: Vec<Vec<u32>> = values.collect();
    let part = |picture: usize, value: &Vec<u32>| {
        let size = value.len() / n;
        value[picture * size..][..size].to_vec()
    };
    (0..n)
        .map(|picture| values.iter().map(|value| part(picture, value)).collect())
        .collect()
}

fn exact() -> Graph {
    seeded::graph(graphs::branching(Activation::Relu)).with_arithmetic(Arithmetic::Exact)
}

#[test]
fn every_node_is_bit_identical_for_a_picture_alone_and_in_batches() {
    let graph = exact();
    let size = [3, 61, 47];
    let batch = seeded_tensor("exact batch", &[5, size[0], size[1], size[2]]);
    let together = by_picture(&graph, &batch);
    for count in [1, 2] {
        for (first, pictures) in batch
            .data()
            .chunks_exact(count * size.iter().product::<usize>())
            .enumerate()
        {
            let shape = [count, size[0], size[1], size[2]];
            let pictures = Tensor::from_stored(&shape, pictures.to_vec());
            for (index, found) in by_picture(&graph, &pictures).iter().enumerate() {
                let expected = &together[first * count + index];
                for (id, (found, expected)) in graph.ids().zip(found.iter().zip(expected)) {
                    let name = &graph.node(id).name;
                    assert!(found == expected, "{name} differs in a batch of {count}");
                }
            }
        }
    }
}

#[test]
fn every_node_is_bit_identical_with_one_and_two_threads() {
    let x = seeded_tensor("exact threads", &[2, 3, 83, 71]);
    let graph = exact();
    let [one, two] = [1, 2].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| by_picture(&graph, &x))
    });
    assert!(one == two);
}

/// The part of the maps from row `top` and column `left` on.
fn crop(maps: &Tensor, (top, left): (usize, usize), (rows, columns): (usize, usize)) -> Tensor {
    let &[n, c, h, w] = maps.shape() else {
        panic!("maps have four axes");
    };
    let mut values = Vec::new();
    for map in 0..n {
        for y in top..top + rows {
            values.extend(&maps.data()[((map * h + y) * w + left) * c..][..columns * c]);
        }
    }
    Tensor::from_stored(&[n, c, rows, columns], values)
}

#[test]
fn a_pool_of_a_part_of_the_map_is_bit_identical_to_the_whole() {
    let count_padding = true;
    for reduction in [Reduction::Max, Reduction::Mean { count_padding }] {
        for (kernel, stride) in [(2, 2), (3, 2), (3, 1), (5, 3)] {
            let pool = |pixels: usize| {
                let mut net = Blueprint::new(19);
                let windows = Windows::Sliding {
                    kernel: (kernel, kernel),
                    stride: (stride, stride),
                    padding: Border::all(pixels),
                    ceil: false,
                };
                let x = net.pool("pool", net.input(), Pool { reduction, windows });
                seeded::graph(net.ending_at(x)).with_arithmetic(Arithmetic::Exact)
            };
            let x = seeded_tensor("pooled", &[2, 19, 29, 31]);
            let whole = pool(1).logits(&x).unwrap();
            // Five rows and four columns of windows, the first at row 2 and column 3.
            let corner = (2 * stride - 1, 3 * stride - 1);
            let size = (4 * stride + kernel, 3 * stride + kernel);
            let part = pool(0).logits(&crop(&x, corner, size)).unwrap();
            let expected = crop(&whole, (2, 3), (5, 4));
            assert_eq!(part.shape(), expected.shape());
            assert!(bits(&part) == bits(&expected), "{reduction:?} {kernel}");
        }
    }
}
