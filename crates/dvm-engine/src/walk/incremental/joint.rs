//! Where groups of changes are joined into one batch. Each group reads all parameters again, and the last
//! layers have many parameters, while their maps are small and differ almost everywhere.

use super::plan::{Layout, Plan};
use crate::{Graph, NodeId};

/// The usual number of changes in a group: joining saves time if a layer has more parameters than values for
/// so many.
const GROUP: usize = 16;

/// Limit of the additional multiply-adds of joining, where patches would be smaller than maps: 5 %.
const MORE: (u64, u64) = (21, 20);

/// The node after which these groups, each with its number of changes, continue as one batch of whole maps:
/// all later nodes depend on it alone. The output, if joining saves nothing.
pub(super) fn joint(
    graph: &Graph,
    layout: &Layout,
    last_use: &[usize],
    groups: &[(&Plan, usize)],
) -> NodeId {
    let mut best = graph.output();
    if groups.len() < 2 || !layout.in_batches {
        return best;
    }
    // The last node that reads anything before each node.
    let mut open_until = vec![0; last_use.len()];
    for id in 1..last_use.len() {
        open_until[id] = open_until[id - 1].max(last_use[id - 1]);
    }
    let count: usize = groups.iter().map(|(_, changes)| changes).sum();
    let (mut as_patches, mut as_maps) = (0, 0);
    let (mut parameters, mut values) = (0, 0);
    for id in (1..graph.output().0).rev() {
        // The cost of the next node.
        let (node, place) = (graph.node(NodeId(id + 1)), &layout.nodes[id + 1]);
        as_maps += place.multiply_adds(place.extent()) * count as u64;
        for (plan, changes) in groups {
            let size = plan.nodes[id + 1].as_ref().map(|patches| patches.size);
            as_patches += size.map_or(0, |size| place.multiply_adds(size)) * *changes as u64;
        }
        let sizes = node.parameters.iter().map(|&p| graph.values()[p].len());
        parameters += sizes.sum::<usize>();
        values += place.shape.iter().product::<usize>();
        if as_maps * MORE.1 > as_patches * MORE.0 {
            break;
        }
        if open_until[id] <= id && parameters >= GROUP * values {
            best = NodeId(id);
            (parameters, values) = (0, 0);
        }
    }
    best
}

/// The largest number of values that one change holds at once after this node.
pub(super) fn peak_values(
    graph: &Graph,
    layout: &Layout,
    last_use: &[usize],
    joint: NodeId,
) -> usize {
    let size = |id: usize| layout.nodes[id].shape.iter().product::<usize>();
    let (mut alive, mut peak) = (size(joint.0), 0);
    for id in joint.0 + 1..layout.nodes.len() {
        alive += size(id);
        peak = peak.max(alive);
        let done = graph.done_after(id, last_use);
        alive -= done
            .filter(|&done| done >= joint.0)
            .map(size)
            .sum::<usize>();
    }
    peak
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incremental::Rectangle;
    use crate::ops::conv2d::{Border, Conv2d, Padding};
    use crate::{Blueprint, Keep, seeded};

    /// Two convolutions of few filters, one of many whose kernel covers the whole picture, and fully
    /// connected layers.
    fn network() -> Graph {
        let mut net = Blueprint::new(3);
        let padded =
            |kernel: usize| Conv2d::square(kernel).padding(Padding::Fixed(Border::all(kernel / 2)));
        let x = net.input();
        let x = net.conv2d("first", x, padded(3), 3, 4, true);
        let x = net.conv2d("second", x, padded(3).stride(8), 4, 4, true);
        let x = net.conv2d("third", x, padded(7), 4, 256, true);
        let x = net.flatten("flatten", x);
        let x = net.linear("fourth", x, 256 * 16, 64, true);
        let x = net.linear("fifth", x, 64, 10, true);
        seeded::graph(net.ending_at(x))
    }

    fn joint_of(groups: &[Vec<Rectangle>]) -> String {
        let graph = network();
        let layout = Layout::new(&graph, &[1, 3, 32, 32]).unwrap();
        let last_use = graph.last_use(Keep::Output);
        let plan = |group: &Vec<Rectangle>| (Plan::new(&graph, &layout, group), group.len());
        let plans: Vec<(Plan, usize)> = groups.iter().map(plan).collect();
        let plans: Vec<(&Plan, usize)> = plans.iter().map(|(plan, count)| (plan, *count)).collect();
        let found = joint(&graph, &layout, &last_use, &plans);
        graph.node(found).name.clone()
    }

    fn window(row: usize, column: usize) -> Rectangle {
        Rectangle {
            rows: row..row + 4,
            columns: column..column + 4,
        }
    }

    #[test]
    fn groups_are_joined_in_front_of_the_layers_whose_parameters_outweigh_their_maps() {
        let groups = [vec![window(12, 12)], vec![window(16, 16), window(16, 12)]];
        assert_eq!(joint_of(&groups), "flatten");
    }

    #[test]
    fn one_group_stays_by_itself() {
        assert_eq!(joint_of(&[vec![window(12, 12), window(16, 16)]]), "fifth");
    }
}
