//! What the values of a pickle are to its reader.

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
    /// A text, in UTF-8 (Python lets lone surrogates through, which are none).
    Text(Operand),
    /// Bytes.
    Bytes(Operand),
    /// What Python 2 calls a string: bytes or Latin-1 text, nobody knows.
    Str(Operand),
}

/// A kind of container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// `(…)`.
    Tuple,
    /// `[…]`.
    List,
    /// `{…}`; its items are keys and values in turn.
    Dict,
    /// A set.
    Set,
    /// A set that does not change.
    FrozenSet,
}

/// Objects made by what the pickle names.
#[derive(Clone, Debug, PartialEq)]
pub enum Call<V> {
    /// `function(*arguments)`: REDUCE, NEWOBJ, INST and OBJ, which differ only to Python.
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

/// Why a step cannot be followed.
#[derive(Debug)]
pub enum Fault<R> {
    /// No reader could: what the opcode needs is not there.
    Broken(&'static str),
    /// This reader will not.
    Refused(R),
}

/// What values are, and how many of them are too many.
///
/// The machine has a stack and a memo of values, and asks for each one it makes, moves or copies.
pub trait Meaning {
    /// What stands on the stack and in the memo.
    type Value;
    /// Why a pickle is not read further.
    type Refusal;

    /// Longest text, in bytes, that is kept whole. What follows is read over.
    const KEPT: u64;

    /// Before each opcode.
    fn step(&mut self) -> Result<(), Fault<Self::Refusal>>;

    /// A value without parts.
    fn atom(&mut self, atom: Atom) -> Result<Self::Value, Fault<Self::Refusal>>;

    /// A container of `items`, which may be none.
    fn container(
        &mut self,
        kind: Container,
        items: Drain<'_, Self::Value>,
    ) -> Result<Self::Value, Fault<Self::Refusal>>;

    /// Puts `items` into a container that is on the stack (and, if it was stored, in the memo).
    fn extend(
        &mut self,
        container: &mut Self::Value,
        kind: Container,
        items: Drain<'_, Self::Value>,
    ) -> Result<(), Fault<Self::Refusal>>;

    /// A class or function by its name.
    fn class(
        &mut self,
        module: Operand,
        name: Operand,
    ) -> Result<Self::Value, Fault<Self::Refusal>>;

    /// The same by texts that are on the stack.
    fn class_of(
        &mut self,
        module: Self::Value,
        name: Self::Value,
    ) -> Result<Self::Value, Fault<Self::Refusal>>;

    /// An object made by a call.
    fn call(&mut self, call: Call<Self::Value>) -> Result<Self::Value, Fault<Self::Refusal>>;

    /// An object that is stored outside of the pickle.
    fn persistent(&mut self, id: Self::Value) -> Result<Self::Value, Fault<Self::Refusal>>;

    /// Gives an object its state.
    fn build(
        &mut self,
        object: Self::Value,
        state: Self::Value,
        memo: &mut Memo<Self::Value>,
    ) -> Result<Self::Value, Fault<Self::Refusal>>;

    /// The same value once more.
    fn duplicate(&mut self, value: &Self::Value) -> Result<Self::Value, Fault<Self::Refusal>>;

    /// The value that the memo holds, for the stack.
    fn fetch(&mut self, value: &Self::Value) -> Result<Self::Value, Fault<Self::Refusal>>;

    /// The topmost value, for the memo.
    fn store(
        &mut self,
        value: &mut Self::Value,
        slot: u32,
    ) -> Result<Self::Value, Fault<Self::Refusal>>;
}
