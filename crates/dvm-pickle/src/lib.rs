//! Reads Python's pickles without running code.
//!
//! A pickle is a program for a stack machine: its opcodes push values, put them into containers, and call classes and
//! functions. [`run`] is that machine for every opcode of the protocols 0 to 5. It only moves values; a [`Visitor`] creates
//! them and sets limits. Nothing is imported or called: a class or function is a name, and a call is a pair of values.
//!
//! [`Document::read`] uses a visitor that keeps everything, as a table of nodes; readers of arrays walk through it.
//! `dvm-engine` has another visitor, which keeps only sizes, to find out how large a checkpoint is before it is read.
//!
//! Opcodes: <https://github.com/python/cpython/blob/main/Lib/pickletools.py>.

mod document;
mod escapes;
mod machine;
mod operands;
mod visitor;

pub use document::{Document, DocumentError, Limits, Node, Reference};
pub use machine::{Error, run};
pub use operands::Operand;
pub use visitor::{Atom, Call, Container, Fault, Memo, Visitor};
