//! What building a pickle would cost, found without building it.
//!
//! `pytorch-reader` keeps about a hundred bytes per value and copies whatever is memoized or
//! fetched from the memo. This is a meaning of `dvm_pickle`'s machine in which a value is its size,
//! so that a pickle whose values would outgrow its file is refused before that crate sees it. On the
//! way it remembers which tensor first mentioned which class, for messages.

use std::collections::BTreeMap;
use std::io::{self, BufRead};
use std::vec::Drain;

use dvm_pickle::{Atom, Call, Container, Error, Fault, Meaning, Memo, Operand, run};

use super::attack::is_attack;

/// How many classes are remembered with the tensor that first named them.
const OWNERS: usize = 4096;

/// What one value takes in memory, in bytes, beside its text.
const VALUE: u64 = 128;

/// A bound on the work that a file's pickles may ask for, and what was seen on the way.
pub(super) struct Census {
    steps: u64,
    step_limit: u64,
    copied: u64,
    copy_limit: u64,
    /// `module.name` of a class, to the tensor that was being built when it was first named.
    owners: BTreeMap<String, String>,
    /// The first function named that has no place among weights.
    attack: Option<String>,
}

/// How a pass over one pickle ended.
#[derive(Debug, PartialEq)]
pub(super) enum Passed {
    /// At its STOP, with the last class it named.
    Whole { class: Option<String> },
    /// Where no reader could go on: at the end of the data, at a byte that is no opcode, at an
    /// opcode whose operands are not on the stack.
    Broken,
}

impl Census {
    /// For a file of `length` bytes.
    ///
    /// A tensor takes some 40 steps and at least as many hundred bytes of file, and its parts are
    /// copied to some 10 kB in all; the constants leave room for small networks and for notes.
    pub fn new(length: u64) -> Self {
        Self {
            steps: 0,
            step_limit: (32_768 + length / 64).min(2_000_000),
            copied: 0,
            copy_limit: (64 << 20) + length,
            owners: BTreeMap::new(),
            attack: None,
        }
    }

    /// The tensor that first named this class (`torch.ComplexFloatStorage`).
    pub fn owner(&self, class: &str) -> Option<&str> {
        self.owners.get(class).map(String::as_str)
    }

    /// A function that weights never call and attacks do (`posix.system`), if one was named.
    pub fn attack(&self) -> Option<&str> {
        self.attack.as_deref()
    }

    /// Passes over one pickle, up to and including its STOP.
    ///
    /// The inner error says which limit was exceeded.
    pub fn pass(&mut self, reader: &mut impl BufRead) -> io::Result<Result<Passed, String>> {
        let mut pass = Pass {
            census: self,
            text: String::new(),
            tensor: String::new(),
            class: None,
        };
        match run(reader, &mut pass) {
            Ok(_) => Ok(Ok(Passed::Whole { class: pass.class })),
            Err(Error::Broken { .. }) => Ok(Ok(Passed::Broken)),
            Err(Error::Refused(claim)) => Ok(Err(claim)),
            Err(Error::Io(error)) => Err(error),
        }
    }
}

/// A value on the stack or in the memo, as far as it matters.
#[derive(Clone)]
struct Value {
    /// At most this many bytes when copied, with all it contains.
    size: u64,
    name: Name,
    /// The memo slot that also holds it; BUILD writes there too.
    slot: Option<u32>,
}

#[derive(Clone)]
enum Name {
    None,
    Text(String),
    Class(String),
}

/// The state of a pass over one pickle.
struct Pass<'a> {
    census: &'a mut Census,
    /// The last text pushed.
    text: String,
    /// The last text before a `_rebuild…` function was named: a tensor's key.
    tensor: String,
    /// The last class named.
    class: Option<String>,
}

type Made<T = Value> = Result<T, Fault<String>>;

impl Pass<'_> {
    fn named(&mut self, class: String, length: u64) -> Value {
        self.note_class(&class);
        Value {
            size: VALUE + length,
            name: Name::Class(class),
            slot: None,
        }
    }

    /// Notes that a class was named, anew or from the memo.
    fn note_class(&mut self, class: &str) {
        if class.contains("._rebuild") {
            self.tensor.clone_from(&self.text);
        }
        self.class = Some(class.to_owned());
        let census = &mut *self.census;
        if census.attack.is_none() && is_attack(class) {
            census.attack = Some(class.to_owned());
        }
        if census.owners.len() < OWNERS && !census.owners.contains_key(class) {
            census.owners.insert(class.to_owned(), self.tensor.clone());
        }
    }

    /// The same value once more, which `pytorch-reader` copies with all it contains.
    fn copy(&mut self, value: &Value) -> Made {
        let census = &mut *self.census;
        census.copied = census.copied.saturating_add(value.size);
        if census.copied > census.copy_limit {
            return Err(Fault::Refused(format!(
                "its pickle repeats values that come to more than {} MiB",
                census.copy_limit >> 20
            )));
        }
        Ok(value.clone())
    }
}

/// A value without a name that holds others of these sizes.
fn holding(sizes: impl IntoIterator<Item = u64>) -> Value {
    Value {
        size: sizes.into_iter().fold(VALUE, u64::saturating_add),
        name: Name::None,
        slot: None,
    }
}

impl Meaning for Pass<'_> {
    type Value = Value;
    type Refusal = String;

    /// Names are shorter.
    const KEPT: u64 = 256;

    fn step(&mut self) -> Made<()> {
        self.census.steps += 1;
        let limit = self.census.step_limit;
        if self.census.steps > limit {
            return Err(Fault::Refused(format!(
                "its pickle has more than {limit} steps, too many for a file of this length"
            )));
        }
        Ok(())
    }

    fn atom(&mut self, atom: Atom) -> Made {
        Ok(match atom {
            Atom::None | Atom::Bool(_) | Atom::Int(_) | Atom::Float(_) => holding([]),
            Atom::Long(digits) => holding([digits.length]),
            Atom::Text(text) | Atom::Bytes(text) | Atom::Str(text) => {
                self.text = text.text();
                Value {
                    name: Name::Text(self.text.clone()),
                    ..holding([text.length])
                }
            }
        })
    }

    fn container(&mut self, _: Container, items: Drain<'_, Value>) -> Made {
        Ok(holding(items.map(|item| item.size)))
    }

    fn extend(&mut self, container: &mut Value, _: Container, items: Drain<'_, Value>) -> Made<()> {
        let sizes = items.map(|item| item.size);
        container.size = sizes.fold(container.size, u64::saturating_add);
        Ok(())
    }

    fn class(&mut self, module: Operand, name: Operand) -> Made {
        let class = format!("{}.{}", module.text(), name.text());
        Ok(self.named(class, module.length + name.length))
    }

    fn class_of(&mut self, module: Value, name: Value) -> Made {
        let (Name::Text(module_text), Name::Text(name_text)) = (module.name, name.name) else {
            return Err(Fault::Broken("the name of a class is no text"));
        };
        let class = format!("{module_text}.{name_text}");
        Ok(self.named(class, module.size + name.size - 2 * VALUE))
    }

    /// A result holds no more than what it was made of.
    fn call(&mut self, call: Call<Value>) -> Made {
        Ok(match call {
            Call::Plain {
                function,
                arguments,
            } => holding([function.size, arguments.size]),
            Call::Keywords {
                function,
                arguments,
                keywords,
            } => holding([function.size, arguments.size, keywords.size]),
        })
    }

    fn persistent(&mut self, id: Value) -> Made {
        Ok(holding([id.size]))
    }

    /// The memo's copy of the object gets the state as well.
    fn build(&mut self, object: Value, state: Value, memo: &mut Memo<Value>) -> Made {
        let mut built = holding([]);
        built.size = state.size.saturating_add(object.size);
        if let Some(slot) = object.slot {
            let copy = self.store(&mut built, slot)?;
            memo.insert(slot, copy);
            // What was built is memoized anew only by another PUT.
            built.slot = None;
        }
        Ok(built)
    }

    fn duplicate(&mut self, value: &Value) -> Made {
        self.copy(value)
    }

    fn fetch(&mut self, value: &Value) -> Made {
        match &value.name {
            Name::Text(text) => self.text.clone_from(text),
            Name::Class(class) => self.note_class(class),
            Name::None => {}
        }
        self.copy(value)
    }

    fn store(&mut self, value: &mut Value, slot: u32) -> Made {
        value.slot = Some(slot);
        self.copy(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(pickle: &[u8]) -> (Result<Passed, String>, Census) {
        let mut census = Census::new(pickle.len() as u64);
        let passed = census.pass(&mut &pickle[..]).unwrap();
        (passed, census)
    }

    #[test]
    fn a_pass_ends_behind_the_stop() {
        let mut rest = &b"\x80\x02}q\0X\x01\0\0\0aK\x01s.rest"[..];
        let passed = Census::new(100).pass(&mut rest).unwrap();
        assert_eq!(passed, Ok(Passed::Whole { class: None }));
        assert_eq!(rest, b"rest");
    }

    #[test]
    fn copies_are_counted_with_all_they_contain() {
        // A list of two ints is memoized (3 values) and fetched twice, the second time with one
        // of its copies inside: PUT 3, GET 3, APPEND, PUT 6, GET 6.
        let (_, census) = pass(b"](K\x01K\x02eq\0h\0aq\0h\0.");
        assert_eq!(census.copied, (3 + 3 + 6 + 6) * VALUE);
    }

    #[test]
    fn the_memo_of_a_built_object_grows_with_its_state() {
        // An object of class m.c (3 values with its empty arguments, 2 bytes of name) is
        // memoized and given a state of one value.
        let (_, census) = pass(b"cm\nc\n)\x81q\0}b.");
        assert_eq!(census.copied, (3 + 4) * VALUE + 2 * 2);
    }

    #[test]
    fn the_owner_of_a_class_is_the_key_before_the_tensor() {
        let (_, census) = pass(
            b"X\x01\0\0\0actorch._utils\n_rebuild_tensor_v2\nq\0ctorch\nFloatStorage\n\
              X\x01\0\0\0bh\0X\x03\0\0\0cpuctorch\nQInt8Storage\n.",
        );
        assert_eq!(census.owner("torch.FloatStorage"), Some("a"));
        assert_eq!(census.owner("torch.QInt8Storage"), Some("b"));
    }

    #[test]
    fn an_attack_is_noticed_however_it_is_spelled() {
        for pickle in [
            &b"cposix\nsystem\n."[..],
            b"\x8c\x05posix\x8c\x06system\x93.",
        ] {
            assert_eq!(pass(pickle).1.attack(), Some("posix.system"));
        }
    }

    #[test]
    fn a_pickle_without_operands_is_broken() {
        for pickle in [
            &b"0"[..],
            b"R.",
            b"t.",
            b"(a.",
            b"h\x05.",
            b"\xff",
            b"X\xff\0\0\0a",
        ] {
            assert_eq!(pass(pickle).0, Ok(Passed::Broken), "{pickle:?}");
        }
    }
}
