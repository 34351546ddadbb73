//! How a reader creates the values of a pickle.

use std::collections::HashMap;
use std::vec::Drain;

use crate::Operand;

/// A value without parts.
#[derive(Clone, Debug, PartialEq)]
pub enum Atom {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer of at most 64 bits.
    Int(i64),
    /// A longer integer, in digits or in little-endian bytes.
    Long(Operand),
    /// A number with a fraction.
    Float(f64),
    /// A text in UTF-8; lone surrogates, which Python allows, are not valid UTF-8.
    Text(Operand),
    /// Bytes.
    Bytes(Operand),
    /// A string of Python 2: bytes, or text in an unknown encoding.
    Str(Operand),
}

/// A kind of container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// `(…)`.
    Tuple,
    /// `[…]`.
    List,
    /// `{…}`; its items are keys and values, alternating.
    Dict,
    /// A set.
    Set,
    /// An immutable set.
    FrozenSet,
}

/// A call of a class or function.
#[derive(Clone, Debug, PartialEq)]
pub enum Call<V> {
    /// `function(*arguments)`: REDUCE, NEWOBJ, INST and OBJ, which differ only in Python.
    Plain {
        /// What is called.
        function: V,
        /// A tuple.
        arguments: V,
    },
    /// `class.__new__(class, *arguments, **keywords)`.
    Keywords {
        /// What is called.
        function: V,
        /// A tuple.
        arguments: V,
        /// A dictionary.
        keywords: V,
    },
}

/// Values by slot.
pub type Memo<V> = HashMap<u32, V>;

/// Why an opcode cannot be executed.
#[derive(Debug)]
pub enum Fault<R> {
    /// The pickle is malformed.
    Broken(&'static str),
    /// The visitor does not support it, or a limit is exceeded.
    Refused(R),
}

/// Creates the values of a pickle, and limits their number.
///
/// The machine has a stack and a memo of values. It calls the visitor for each value that it creates, moves or copies.
pub trait Visitor {
    /// A value on the stack and in the memo.
    type Value;
    /// Why the visitor stops.
    type Refusal;

    /// The longest text, in bytes, that is kept. The rest is skipped.
    const KEPT: u64;

    /// Called before each opcode.
    fn step(&mut self) -> Result<(), Fault<Self::Refusal>>;

    /// A value without parts.
    fn atom(&mut self, atom: Atom) -> Result<Self::Value, Fault<Self::Refusal>>;

    /// A container of `items`, which may be empty.
    fn container(
        &mut self,
        kind: Container,
        items: Drain<'_, Self::Value>,
    ) -> Result<Self::Value, Fault<Self::Refusal>>;

    /// Adds `items` to a container on the stack (and, if it was stored, in the memo).
    fn extend(
        &mut self,
        container: &mut Self::Value,
        kind: Container,
        items: Drain<'_, Self::Value>,
    ) -> Result<(), Fault<Self::Refusal>>;

    /// A class or function, by name.
    fn class(
        &mut self,
        module: Operand,
        name: Operand,
    ) -> Result<Self::Value, Fault<Self::Refusal>>;

    /// The same, with texts from the stack.
    fn class_of(
        &mut self,
        module: Self::Value,
        name: Self::Value,
    ) -> Result<Self::Value, Fault<Self::Refusal>>;

    /// The result of a call.
    fn call(&mut self, call: Call<Self::Value>) -> Result<Self::Value, Fault<Self::Refusal>>;

    /// An object that is stored outside the pickle.
    fn persistent(&mut self, id: Self::Value) -> Result<Self::Value, Fault<Self::Refusal>>;

    /// Sets the state of an object.
    fn build(
        &mut self,
        object: Self::Value,
        state: Self::Value,
        memo: &mut Memo<Self::Value>,
    ) -> Result<Self::Value, Fault<Self::Refusal>>;

    /// A copy of a value on the stack.
    fn duplicate(&mut self, value: &Self::Value) -> Result<Self::Value, Fault<Self::Refusal>>;

    /// A copy of a value of the memo, for the stack.
    fn fetch(&mut self, value: &Self::Value) -> Result<Self::Value, Fault<Self::Refusal>>;

    /// A copy of the topmost value, for the memo.
    fn store(
        &mut self,
        value: &mut Self::Value,
        slot: u32,
    ) -> Result<Self::Value, Fault<Self::Refusal>>;
}
