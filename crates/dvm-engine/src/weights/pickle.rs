//! What building a pickle would cost, found without building it.
//!
//! `pytorch-reader` keeps about a hundred bytes per value and copies whatever is memoized or
//! fetched from the memo. This pass runs the same stack machine on sizes alone, so that a pickle
//! whose values would outgrow its file is refused before that crate sees it. On the way it
//! remembers which tensor first mentioned which class, for messages.
//! Opcodes: <https://github.com/python/cpython/blob/main/Lib/pickletools.py>.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead};

use super::attack::is_attack;
use super::operands::{Text, counted, line, number, skip};

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
        let mut pass = Pass::default();
        loop {
            self.steps += 1;
            if self.steps > self.step_limit {
                let limit = self.step_limit;
                return Ok(Err(format!(
                    "its pickle has more than {limit} steps, too many for a file of this length"
                )));
            }
            match pass.step(reader, self) {
                Ok(Some(Step::On)) => {}
                Ok(Some(Step::Stop)) => return Ok(Ok(Passed::Whole { class: pass.class })),
                Ok(None) => return Ok(Ok(Passed::Broken)),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Ok(Ok(Passed::Broken));
                }
                Err(error) => return Err(error),
            }
            if self.copied > self.copy_limit {
                return Ok(Err(format!(
                    "its pickle repeats values that come to more than {} MiB",
                    self.copy_limit >> 20
                )));
            }
        }
    }
}

enum Step {
    On,
    Stop,
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
#[derive(Default)]
struct Pass {
    stack: Vec<Value>,
    /// Heights of the stack at the open marks.
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
    /// The last text pushed.
    text: String,
    /// The last text before a `_rebuild…` function was named: a tensor's key.
    tensor: String,
    /// The last class named.
    class: Option<String>,
}

impl Pass {
    /// Reads and follows one opcode; `None` where operands are missing or the opcode is unknown.
    fn step(&mut self, r: &mut impl BufRead, census: &mut Census) -> io::Result<Option<Step>> {
        let opcode = number(r, 1)? as u8;
        let followed = match opcode {
            b'.' => return Ok(Some(Step::Stop)),
            b'(' => {
                self.marks.push(self.stack.len());
                Some(())
            }
            // PROTO and FRAME say nothing about values.
            0x80 => skip(r, 1).map(Some)?,
            0x95 => skip(r, 8).map(Some)?,
            // Scalars of fixed length and empty containers.
            b'N' | 0x88 | 0x89 | b')' | b']' | b'}' | 0x8f => self.push(VALUE),
            b'K' => skip(r, 1).map(|()| self.push(VALUE))?,
            b'M' => skip(r, 2).map(|()| self.push(VALUE))?,
            b'J' => skip(r, 4).map(|()| self.push(VALUE))?,
            b'G' => skip(r, 8).map(|()| self.push(VALUE))?,
            // Texts, bytes and long integers.
            b'I' | b'L' | b'F' | b'V' | b'P' => line(r).map(|text| self.push_text(text))?,
            b'U' | b'C' | 0x8c | 0x8a => counted(r, 1).map(|text| self.push_text(text))?,
            b'X' | b'T' | b'B' | 0x8b => counted(r, 4).map(|text| self.push_text(text))?,
            0x8d | 0x8e | 0x96 => counted(r, 8).map(|text| self.push_text(text))?,
            // Containers from what lies above the mark, or from the topmost values.
            b't' | b'l' | b'd' | 0x91 => {
                self.pop_to_mark().and_then(|size| self.push(VALUE + size))
            }
            0x85 => self.gather(1),
            0x86 | 0x81 => self.gather(2),
            0x87 | 0x92 => self.gather(3),
            // A call, and a stored tensor: their results hold no more than their arguments.
            b'R' => self.gather(2),
            b'Q' => self.gather(1),
            b'a' => self.pop().and_then(|item| self.grow(item.size)),
            b's' => self.gather(2).and_then(|()| {
                let pair = self.pop()?;
                self.grow(pair.size)
            }),
            b'e' | b'u' | 0x90 => self.pop_to_mark().and_then(|size| self.grow(size)),
            b'0' if self.marks.last() == Some(&self.stack.len()) => self.marks.pop().map(|_| ()),
            b'0' => self.pop().map(|_| ()),
            b'1' => self.pop_to_mark().map(|_| ()),
            b'b' => self.build(census),
            b'c' => {
                let (module, name) = (line(r)?, line(r)?);
                self.push_class(module, name, census)
            }
            0x93 => self.class_from_stack(census),
            b'2' => self.top().cloned().map(|top| {
                census.copied = census.copied.saturating_add(top.size);
                self.stack.push(top);
            }),
            b'g' => line(r).map(|index| self.fetch(index.kept.parse().ok()?, census))?,
            b'h' => number(r, 1).map(|slot| self.fetch(slot as u32, census))?,
            b'j' => number(r, 4).map(|slot| self.fetch(slot as u32, census))?,
            b'p' => line(r).map(|index| self.store(index.kept.parse().ok()?, census))?,
            b'q' => number(r, 1).map(|slot| self.store(slot as u32, census))?,
            b'r' => number(r, 4).map(|slot| self.store(slot as u32, census))?,
            0x94 => self.store(self.memo.len() as u32, census),
            _ => None,
        };
        Ok(followed.map(|()| Step::On))
    }

    fn push(&mut self, size: u64) -> Option<()> {
        self.stack.push(Value {
            size,
            name: Name::None,
            slot: None,
        });
        Some(())
    }

    fn push_text(&mut self, text: Text) -> Option<()> {
        self.text.clone_from(&text.kept);
        self.stack.push(Value {
            size: VALUE + text.length,
            name: Name::Text(text.kept),
            slot: None,
        });
        Some(())
    }

    fn push_class(&mut self, module: Text, name: Text, census: &mut Census) -> Option<()> {
        let class = format!("{}.{}", module.kept, name.kept);
        self.note_class(&class, census);
        self.stack.push(Value {
            size: VALUE + module.length + name.length,
            name: Name::Class(class),
            slot: None,
        });
        Some(())
    }

    fn class_from_stack(&mut self, census: &mut Census) -> Option<()> {
        let (name, module) = (self.pop()?, self.pop()?);
        let (Name::Text(name_text), Name::Text(module_text)) = (name.name, module.name) else {
            return None;
        };
        let text = |kept, size: u64| Text {
            kept,
            length: size - VALUE,
        };
        self.push_class(
            text(module_text, module.size),
            text(name_text, name.size),
            census,
        )
    }

    /// Notes that a class was named, anew or from the memo.
    fn note_class(&mut self, class: &str, census: &mut Census) {
        if class.contains("._rebuild") {
            self.tensor.clone_from(&self.text);
        }
        self.class = Some(class.to_owned());
        if census.attack.is_none() && is_attack(class) {
            census.attack = Some(class.to_owned());
        }
        if census.owners.len() < OWNERS && !census.owners.contains_key(class) {
            census.owners.insert(class.to_owned(), self.tensor.clone());
        }
    }

    /// The topmost value, unless a mark lies above it.
    fn top(&mut self) -> Option<&mut Value> {
        if self.marks.last() == Some(&self.stack.len()) {
            return None;
        }
        self.stack.last_mut()
    }

    fn pop(&mut self) -> Option<Value> {
        self.top()?;
        self.stack.pop()
    }

    /// Pops all above the innermost mark and the mark; their size together.
    fn pop_to_mark(&mut self) -> Option<u64> {
        let mark = self.marks.pop()?;
        let sizes = self.stack.drain(mark..).map(|value| value.size);
        Some(sizes.fold(0, u64::saturating_add))
    }

    /// Replaces the topmost `count` values by one that holds them.
    fn gather(&mut self, count: usize) -> Option<()> {
        let mut size = VALUE;
        for _ in 0..count {
            size = size.saturating_add(self.pop()?.size);
        }
        self.push(size)
    }

    /// Adds to the container on top.
    fn grow(&mut self, size: u64) -> Option<()> {
        let top = self.top()?;
        top.size = top.size.saturating_add(size);
        Some(())
    }

    /// Gives an object its state; the memo's copy of the object gets it as well.
    fn build(&mut self, census: &mut Census) -> Option<()> {
        let (state, object) = (self.pop()?, self.pop()?);
        let size = state.size.saturating_add(object.size);
        self.push(size)?;
        if let Some(slot) = object.slot {
            self.store(slot, census)?;
            // What was built is memoized anew only by another PUT.
            self.top()?.slot = None;
        }
        Some(())
    }

    fn fetch(&mut self, slot: u32, census: &mut Census) -> Option<()> {
        let value = self.memo.get(&slot)?.clone();
        census.copied = census.copied.saturating_add(value.size);
        match &value.name {
            Name::Text(text) => self.text.clone_from(text),
            Name::Class(class) => self.note_class(&class.clone(), census),
            Name::None => {}
        }
        self.stack.push(value);
        Some(())
    }

    fn store(&mut self, slot: u32, census: &mut Census) -> Option<()> {
        let top = self.top()?;
        top.slot = Some(slot);
        let value = top.clone();
        census.copied = census.copied.saturating_add(value.size);
        self.memo.insert(slot, value);
        Some(())
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
