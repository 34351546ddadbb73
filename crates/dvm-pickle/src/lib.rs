//! Python's pickles, read without running code.
//!
//! A pickle is a program for a stack machine: its opcodes push values, put them into containers, and
//! call what they name. [`run`] is that machine for every opcode of the protocols 0 to 5. It moves
//! values and knows nothing of what they are; a [`Meaning`] says that, and sets the limits. Nothing
//! is imported or called: a class or function is a name, and a call is two values side by side.
//!
//! A [`Document`] is the meaning that keeps everything, as a table of nodes: what a reader of arrays
//! walks through. `dvm-engine` has another, which keeps only sizes, to weigh a checkpoint before it
//! is read.
//!
//! Opcodes: <https://github.com/python/cpython/blob/main/Lib/pickletools.py>.

mod document;
mod escapes;
mod machine;
mod meaning;
mod operands;

pub use document::{Document, Limits, Node, Reference, Unread};
pub use machine::{Error, run};
pub use meaning::{Atom, Call, Container, Fault, Meaning, Memo};
pub use operands::Operand;
