//! The buffers of PyTorch's modules. `load_state_dict` requires them, although they follow from the network
//! or are not used in inference.

use dvm_engine::Graph;
use dvm_engine::ops::batch_norm::BatchNorm;
use dvm_engine::ops::window_attention::WindowAttention;
use dvm_engine::weights::Integers;

/// The last part of the names of a Swin table and its positions.
const TABLE: &str = "relative_position_bias_table";
const POSITIONS: &str = "relative_position_index";

/// The integer buffers by name: the number of batches of each batch-norm (0, because dvm does not count
/// them), and for each window attention the row of its table for each pair of pixels.
pub(crate) fn buffers(graph: &Graph) -> Vec<(String, Integers)> {
    let mut found = Vec::new();
    for node in graph.nodes() {
        let first = node.parameters.first();
        let first = first.map(|&index| &graph.parameters()[index].name[..]);
        let Some((layer, last)) = first.and_then(|name| name.rsplit_once('.')) else {
            continue;
        };
        if node.op_as::<BatchNorm>().is_some() {
            let none = Integers {
                shape: Vec::new(),
                values: vec![0],
            };
            found.push((format!("{layer}.num_batches_tracked"), none));
        }
        if let Some(attention) = node.op_as::<WindowAttention>()
            && last == TABLE
        {
            found.push((format!("{layer}.{POSITIONS}"), positions(attention)));
        }
    }
    found
}

/// The row of the table for each pair of pixels of a window.
fn positions(attention: &WindowAttention) -> Integers {
    let pixels = attention.window * attention.window;
    let row = |from: usize, to: usize| attention.table_row(from, to) as i64;
    let pairs = (0..pixels).flat_map(|from| (0..pixels).map(move |to| row(from, to)));
    Integers {
        shape: vec![pixels * pixels],
        values: pairs.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_of_a_window_of_four_pixels_are_torchvisions() {
        // By hand, following `define_relative_position_index` of torchvision's Swin.
        let expected = [4, 3, 1, 0, 5, 4, 2, 1, 7, 6, 4, 3, 8, 7, 5, 4];
        let found = positions(&WindowAttention {
            heads: 1,
            window: 2,
            shift: 0,
        });
        assert_eq!((found.values, found.shape), (expected.to_vec(), vec![16]));
    }

    #[test]
    fn only_batch_norms_have_a_counter() {
        let resnet = crate::find("resnet18").unwrap().random();
        let names: Vec<String> = buffers(resnet.network.whole())
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names.len(), 20);
        assert_eq!(names[0], "bn1.num_batches_tracked");
        let squeezenet = crate::find("squeezenet1_1").unwrap().random();
        assert!(buffers(squeezenet.network.whole()).is_empty());
    }
}
