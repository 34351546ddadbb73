//! An estimate of the memory that a file takes when decoded, before it is decoded.
//!
//! An empty node takes two bytes in a file and about a hundred in memory, so a small file could take gigabytes. So the
//! messages are counted first, from their lengths.

use std::mem::size_of;

use crate::proto;

/// The most nodes of a file. The largest classifiers have a few thousand.
pub(crate) const MOST_NODES: usize = 100_000;

/// The most bytes of messages, beside twice the file's length.
const MOST_BYTES: usize = 96 << 20;

/// The deepest nesting of messages.
const DEEPEST: usize = 64;

/// The kind of a field.
#[derive(Clone, Copy)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    Function,
    /// A small message, which is not walked.
    Small,
    /// Numbers of one byte or more each.
    Numbers,
    /// Bytes that are copied.
    Bytes,
}

impl Kind {
    /// The kind of the field with this number.
    fn child(self, field: u64) -> Self {
        match (self, field) {
            (Self::Model, 7) | (Self::Attribute, 6) => Self::Graph,
            (Self::Model, 25) => Self::Function,
            (Self::Model, 8 | 14) | (Self::Graph, 11..=13) | (Self::Tensor, 13) => Self::Small,
            (Self::Graph, 1) | (Self::Function, 7) => Self::Node,
            (Self::Graph, 5) | (Self::Attribute, 5) => Self::Tensor,
            (Self::Node, 5) | (Self::Function, 11) => Self::Attribute,
            (Self::Function, 9) => Self::Small,
            (Self::Attribute, 8) | (Self::Tensor, 1 | 5 | 7 | 11) => Self::Numbers,
            _ => Self::Bytes,
        }
    }

    fn size(self) -> usize {
        match self {
            Self::Model => size_of::<proto::Model>(),
            Self::Graph => size_of::<proto::Graph>(),
            Self::Node => size_of::<proto::Node>(),
            Self::Attribute => size_of::<proto::Attribute>(),
            Self::Tensor => size_of::<proto::Tensor>(),
            Self::Function => size_of::<proto::Function>(),
            Self::Small => 0,
            Self::Numbers | Self::Bytes => size_of::<Vec<u8>>(),
        }
    }
}

struct SizeEstimate {
    nodes: usize,
    bytes: usize,
    most: usize,
}

/// Checks that these bytes are nested messages, and not too many.
///
/// # Errors
/// What is wrong, as the end of a sentence, and whether it is the size.
pub(crate) fn check(bytes: &[u8]) -> Result<(), (String, bool)> {
    let mut estimate = SizeEstimate {
        nodes: 0,
        bytes: 0,
        most: bytes.len().saturating_mul(2).saturating_add(MOST_BYTES),
    };
    estimate.walk(bytes, Kind::Model, 0)
}

impl SizeEstimate {
    fn walk(&mut self, mut bytes: &[u8], kind: Kind, depth: usize) -> Result<(), (String, bool)> {
        let damaged = || ("it is truncated or damaged".to_owned(), false);
        if depth > DEEPEST {
            let detail = format!("has graphs nested more than {DEEPEST} levels deep");
            return Err((detail, true));
        }
        while !bytes.is_empty() {
            let key = varint(&mut bytes).ok_or_else(damaged)?;
            let child = kind.child(key >> 3);
            match key & 7 {
                0 => {
                    varint(&mut bytes).ok_or_else(damaged)?;
                    self.spend(8)?;
                }
                1 => bytes = bytes.get(8..).ok_or_else(damaged)?,
                5 => bytes = bytes.get(4..).ok_or_else(damaged)?,
                2 => {
                    let length = varint(&mut bytes).ok_or_else(damaged)?;
                    let length = usize::try_from(length).map_err(|_| damaged())?;
                    let inner = bytes.get(..length).ok_or_else(damaged)?;
                    bytes = &bytes[length..];
                    self.spend(child.size())?;
                    match child {
                        Kind::Small => self.spend(length.saturating_mul(12).max(96))?,
                        Kind::Numbers => self.spend(length.saturating_mul(8))?,
                        Kind::Bytes => self.spend(length)?,
                        _ => {
                            self.nodes += usize::from(matches!(child, Kind::Node));
                            self.walk(inner, child, depth + 1)?;
                        }
                    }
                }
                _ => return Err(damaged()),
            }
            if self.nodes > MOST_NODES {
                let detail = format!("has more than {MOST_NODES} nodes, which is the limit");
                return Err((detail, true));
            }
        }
        Ok(())
    }

    fn spend(&mut self, bytes: usize) -> Result<(), (String, bool)> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.most {
            let detail = "needs far more memory than its length justifies";
            return Err((detail.into(), true));
        }
        Ok(())
    }
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in 0..10 {
        let (&first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << (7 * shift);
        if first < 0x80 {
            return Some(value);
        }
    }
    None
}
