//! Incremental computation of changed pictures in every architecture, compared with full computation.

use dvm_engine::incremental::{Change, Incremental, Rectangle};
use dvm_engine::{Arithmetic, Network, Tensor, seeded};

/// Rows and columns of the picture: odd, so that strides leave a remainder.
fn size(architecture: &str) -> (usize, usize) {
    match architecture {
        // The last layers of these networks need larger inputs.
        "alexnet" | "inception_v3" => (79, 77),
        // These networks have a fixed input size.
        "vit_tiny_patch16_224" => (224, 224),
        _ => (65, 59),
    }
}

fn picture((h, w): (usize, usize)) -> Tensor {
    let values = seeded::uniform("zoo", 3 * h * w, -2.0, 2.0);
    Tensor::from_nchw(&[1, 3, h, w], &values)
}

/// The picture with zeros in a rectangle, and the rectangle as a change.
fn covered(picture: &Tensor, rectangle: Rectangle) -> (Tensor, Change) {
    let mut whole = picture.clone();
    let width = picture.shape()[3];
    for y in rectangle.rows.clone() {
        let row = &mut whole.data_mut()[y * width * 3..(y + 1) * width * 3];
        row[rectangle.columns.start * 3..rectangle.columns.end * 3].fill(0.0);
    }
    let (rows, columns) = rectangle.size();
    let change = Change {
        rectangle,
        values: vec![0.0; rows * columns * 3],
    };
    (whole, change)
}

/// At all four corners, inside, one pixel, and the whole picture.
fn rectangles((h, w): (usize, usize)) -> Vec<Rectangle> {
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

/// Networks with the same layers as a smaller one of their family.
const REPETITIONS: [&str; 20] = [
    "densenet161",
    "densenet169",
    "densenet201",
    "mobilenetv3_large_100",
    "resnet101",
    "resnet152",
    "resnet34",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "shufflenet_v2_x1_5",
    "shufflenet_v2_x2_0",
    "vgg11",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
    "wide_resnet101_2",
    "wide_resnet50_2",
];

/// Families of which only these are tested.
const OF_FAMILIES: [(&str, &str); 7] = [
    ("efficientnet_b", "efficientnet_b0"),
    ("efficientnet_lite", "efficientnet_lite0"),
    ("tf_efficientnet_b", "tf_efficientnet_b0"),
    ("convnext", "convnext_tiny"),
    ("vit", "vit_tiny_patch16_224"),
    ("deit", "vit_tiny_patch16_224"),
    ("swin", "swin_t"),
];

fn is_repetition(name: &str) -> bool {
    let mut families = OF_FAMILIES.iter();
    REPETITIONS.contains(&name)
        || families.any(|(family, first)| name.starts_with(family) && name != *first)
}

#[test]
fn every_network_computes_the_same_as_for_whole_pictures() {
    for architecture in dvm_zoo::all().filter(|a| !is_repetition(a.name)) {
        let name = architecture.name;
        let size = size(name);
        let picture = picture(size);
        let (wholes, changes): (Vec<Tensor>, Vec<Change>) = rectangles(size)
            .into_iter()
            .map(|rectangle| covered(&picture, rectangle))
            .unzip();
        let mut network = Network::new(seeded::graph((architecture.build)(7)));
        for arithmetic in [Arithmetic::Fast, Arithmetic::Exact] {
            network = network.with_arithmetic(arithmetic);
            let graph = network.fused();
            let incremental = Incremental::new(graph, &picture).unwrap();
            let found = incremental.logits(&[&changes], usize::MAX).unwrap();
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

/// Networks exported by PyTorch, by file, with the same architecture here.
const EXPORTED: [(&str, &[u8]); 4] = [
    (
        "resnet18",
        include_bytes!("references/exported_structures/resnet18.script_17.onnx"),
    ),
    (
        "resnet18",
        include_bytes!("references/exported_structures/resnet18.dynamo_18.onnx"),
    ),
    (
        "squeezenet1_1",
        include_bytes!("references/exported_structures/squeezenet1_1.script_13.onnx"),
    ),
    (
        "mobilenet_v2",
        include_bytes!("references/exported_structures/mobilenet_v2.dynamo_20.onnx"),
    ),
];

#[test]
fn a_change_needs_as_few_products_in_an_exported_network_as_in_the_architecture() {
    let picture = picture((224, 224));
    let products = |graph: dvm_engine::Graph| -> Vec<u64> {
        let network = Network::new(graph);
        let incremental = Incremental::new(network.fused(), &picture).unwrap();
        let rectangles = rectangles((224, 224)).into_iter();
        rectangles
            .map(|rectangle| incremental.multiply_adds(&[rectangle]))
            .collect()
    };
    for (name, bytes) in EXPORTED {
        let small = |p: &dvm_engine::Parameter| Tensor::full(&p.shape, 0.01);
        let imported = dvm_onnx::from_structure(bytes, small).unwrap();
        let own = seeded::graph((dvm_zoo::find(name).unwrap().build)(1000));
        assert_eq!(products(imported.graph), products(own), "{name}");
    }
}
