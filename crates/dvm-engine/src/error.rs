//! What can go wrong between a picture and its logits.

/// An error of the engine. Each names the node and the shapes it is about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A node cannot work on what reaches it.
    #[error("node `{node}` ({kind}): {detail}")]
    Node {
        /// Name of the node.
        node: String,
        /// Kind of its op, such as `conv2d`.
        kind: &'static str,
        /// What does not fit, with shapes.
        detail: String,
    },
    /// No node has the name that was asked for.
    #[error("the network has no node `{name}`{hint}")]
    NoSuchNode {
        /// The name asked for.
        name: String,
        /// Where the name went, or which names come near; starts with `: ` or `;`, or is empty.
        hint: String,
    },
    /// The value of a node was asked for that the forward pass was not told to keep.
    #[error("the value of node `{node}` was not kept by the forward pass; ask for it with `Keep`")]
    NotKept {
        /// Name of the node.
        node: String,
    },
    /// The walk back says something else than differences of the network's answers.
    #[error(
        "the gradient is wrong: {detail}; a map made of it would be, too, so use a method that needs no gradient \
         (such as occlusion), and report this with the network"
    )]
    Gradient {
        /// What was compared, the two figures, and the nodes that are to blame.
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
