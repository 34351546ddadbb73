//! Changes of a picture, computed from its values in every network of the zoo, against the changed
//! pictures computed as a whole.

use dvm_engine::incremental::{Change, Incremental, Rectangle};
use dvm_engine::{Arithmetic, Network, Tensor, seeded};

/// Rows and columns of the picture: odd numbers, so that strides leave a rest.
const SIZE: (usize, usize) = (65, 59);

fn picture() -> Tensor {
    let values = seeded::uniform("zoo", 3 * SIZE.0 * SIZE.1, -2.0, 2.0);
    Tensor::from_nchw(&[1, 3, SIZE.0, SIZE.1], &values)
}

/// The picture with zeros in a rectangle, and the rectangle as a change.
fn covered(picture: &Tensor, rectangle: Rectangle) -> (Tensor, Change) {
    let mut whole = picture.clone();
    for y in rectangle.rows.clone() {
        let row = &mut whole.data_mut()[y * SIZE.1 * 3..(y + 1) * SIZE.1 * 3];
        row[rectangle.columns.start * 3..rectangle.columns.end * 3].fill(0.0);
    }
    let (rows, columns) = rectangle.size();
    let change = Change {
        rectangle,
        values: vec![0.0; rows * columns * 3],
    };
    (whole, change)
}

/// At all four corners, inside, one pixel, and all of the picture.
fn rectangles() -> Vec<Rectangle> {
    let (h, w) = SIZE;
    [
        (0..20, 0..20),
        (0..12, w - 17..w),
        (h - 9..h, 0..20),
        (h - 20..h, w - 20..w),
        (30..50, 23..43),
        (51..52, 50..51),
        (0..h, 0..w),
    ]
    .into_iter()
    .map(|(rows, columns)| Rectangle { rows, columns })
    .collect()
}

#[test]
fn every_network_gives_what_whole_pictures_give() {
    let picture = picture();
    let (wholes, changes): (Vec<Tensor>, Vec<Change>) = rectangles()
        .into_iter()
        .map(|rectangle| covered(&picture, rectangle))
        .unzip();
    // Of the VGG family, whose many weights take long to draw, one: the others repeat its layers.
    let drawn = |name: &str| !name.starts_with("vgg") || name == "vgg11_bn";
    for architecture in dvm_zoo::all().filter(|a| drawn(a.name)) {
        let name = architecture.name;
        for arithmetic in [Arithmetic::Fast, Arithmetic::Exact] {
            let graph = seeded::graph((architecture.build)(7));
            let network = Network::new(graph).with_arithmetic(arithmetic);
            let graph = network.fused();
            let incremental = Incremental::new(graph, &picture).unwrap();
            let found = incremental.logits(&changes, usize::MAX).unwrap();
            let expected: Vec<f32> = wholes
                .iter()
                .flat_map(|whole| graph.logits(whole).unwrap().data().to_vec())
                .collect();
            if arithmetic == Arithmetic::Exact {
                assert!(found.data() == expected, "{name}: other bits");
            }
            let largest = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
            for (found, expected) in found.data().iter().zip(&expected) {
                let off = (found - expected).abs() / largest;
                assert!(off <= 1e-5, "{name}: off by {off:e}");
            }
        }
    }
}
