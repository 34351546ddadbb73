//! Errors between an input and its logits.

/// An error of the engine. Each names the node and the shapes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The inputs of a node do not fit.
    #[error("node `{node}` ({kind}): {detail}")]
    Node {
        /// Name of the node.
        node: String,
        /// Kind of its op, such as `conv2d`.
        kind: &'static str,
        /// The detail, with shapes.
        detail: String,
    },
    /// No node has this name.
    #[error("the network has no node `{name}`{hint}")]
    NoSuchNode {
        /// The name.
        name: String,
        /// What the node was merged into, or similar names; begins with `: ` or `;`, or is empty.
        hint: String,
    },
    /// The value of a node is needed that the forward pass did not keep.
    #[error("the value of node `{node}` was not kept by the forward pass; request it with `Keep`")]
    NotKept {
        /// Name of the node.
        node: String,
    },
    /// The gradient does not match central differences of the network's output.
    #[error(
        "the gradient is wrong: {detail}; maps from it would be wrong, too: use a method without gradients (such as \
         occlusion), and report this with the network"
    )]
    Gradient {
        /// The two values, and the nodes that cause the difference.
        detail: String,
    },
    /// A device failed, or it is gone.
    #[error("the device `{device}` failed: {detail}; the CPU can do the same work")]
    Device {
        /// Its name.
        device: String,
        /// What it reported.
        detail: String,
    },
    /// A device does not have enough memory.
    #[error(
        "the device `{device}` does not have enough free memory{detail}: use smaller batches or smaller pictures, \
         close other programs that use it, or compute on the CPU"
    )]
    DeviceMemory {
        /// Its name.
        device: String,
        /// What was needed; begins with a space or a comma, or is empty.
        detail: String,
    },
    /// A parameter's value has the wrong shape.
    #[error("parameter `{name}` has shape {expected:?}, not {found:?}")]
    Parameter {
        /// State-dict name.
        name: String,
        /// Shape that the graph declares.
        expected: Vec<usize>,
        /// Shape of the value given.
        found: Vec<usize>,
    },
}
