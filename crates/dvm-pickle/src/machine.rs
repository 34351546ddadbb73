//! The stack machine.

use std::io::{self, BufRead};

use crate::escapes::{from_raw_unicode, unquoted};
use crate::meaning::{Atom, Call, Container, Fault, Meaning, Memo};
use crate::operands::{Operand, Operands};

/// Why a pickle was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error<R> {
    /// The operating system failed.
    #[error(transparent)]
    Io(io::Error),
    /// No reader could go on.
    #[error("at byte {at}: {reason}")]
    Broken {
        /// How many bytes were read.
        at: u64,
        /// What is wrong there.
        reason: &'static str,
    },
    /// The meaning refused.
    #[error("{0}")]
    Refused(R),
}

/// Runs one pickle, up to and including its STOP, and gives the value that it leaves.
///
/// Takes memory for the stack and the memo, of which each opcode makes at most one entry, and for
/// one operand; the rest is up to `meaning`, which bounds the number of opcodes ([`Meaning::step`]).
///
/// # Errors
/// [`Error`].
pub fn run<M: Meaning>(
    reader: &mut impl BufRead,
    meaning: &mut M,
) -> Result<M::Value, Error<M::Refusal>> {
    let mut machine = Machine {
        operands: Operands::new(reader, M::KEPT),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Memo::new(),
        meaning,
    };
    loop {
        let stepped = machine.step();
        let at = machine.operands.at;
        match stepped {
            Ok(None) => {}
            Ok(Some(value)) => return Ok(value),
            Err(Stop::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                let reason = "the file ends in the middle of its pickle";
                return Err(Error::Broken { at, reason });
            }
            Err(Stop::Io(error)) => return Err(Error::Io(error)),
            Err(Stop::Fault(Fault::Broken(reason))) => return Err(Error::Broken { at, reason }),
            Err(Stop::Fault(Fault::Refused(refusal))) => return Err(Error::Refused(refusal)),
        }
    }
}

enum Stop<R> {
    Io(io::Error),
    Fault(Fault<R>),
}

impl<R> From<io::Error> for Stop<R> {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl<R> From<Fault<R>> for Stop<R> {
    fn from(fault: Fault<R>) -> Self {
        Self::Fault(fault)
    }
}

fn broken<R>(reason: &'static str) -> Stop<R> {
    Stop::Fault(Fault::Broken(reason))
}

struct Machine<'a, R, M: Meaning> {
    operands: Operands<'a, R>,
    stack: Vec<M::Value>,
    /// Heights of the stack at the open marks.
    marks: Vec<usize>,
    memo: Memo<M::Value>,
    meaning: &'a mut M,
}

type Followed<M, T = ()> = Result<T, Stop<<M as Meaning>::Refusal>>;

impl<R: BufRead, M: Meaning> Machine<'_, R, M> {
    /// Reads and follows one opcode; the value at STOP.
    fn step(&mut self) -> Followed<M, Option<M::Value>> {
        self.meaning.step()?;
        let [opcode] = self.operands.fixed()?;
        match opcode {
            b'.' => return self.pop().map(Some),
            b'(' => self.marks.push(self.stack.len()),
            // PROTO and FRAME say nothing about values.
            0x80 => drop(self.operands.fixed::<1>()?),
            0x95 => drop(self.operands.fixed::<8>()?),

            b'N' => self.push(Atom::None)?,
            0x88 => self.push(Atom::Bool(true))?,
            0x89 => self.push(Atom::Bool(false))?,
            b'K' | b'M' => {
                let number = self.operands.number(if opcode == b'K' { 1 } else { 2 })?;
                self.push(Atom::Int(number as i64))?;
            }
            b'J' => {
                let number = i32::from_le_bytes(self.operands.fixed()?);
                self.push(Atom::Int(number.into()))?;
            }
            b'G' => {
                let number = f64::from_be_bytes(self.operands.fixed()?);
                self.push(Atom::Float(number))?;
            }
            b'I' | b'L' | b'F' => {
                let line = self.operands.line()?;
                let atom =
                    number_of(opcode, line).ok_or_else(|| broken("a number has no digits"))?;
                self.push(atom)?;
            }
            0x8a | 0x8b => {
                let bytes = self.operands.counted(if opcode == 0x8a { 1 } else { 4 })?;
                self.push(little_endian(bytes))?;
            }

            b'V' => {
                let line = self.operands.line()?;
                let decoded = from_raw_unicode(&line.bytes);
                let atom = Atom::Text(Operand {
                    bytes: decoded.ok_or_else(|| broken("a text has a broken escape"))?,
                    length: line.length,
                });
                self.push(atom)?;
            }
            b'S' => {
                let line = self.operands.line()?;
                // A text that is cut short has lost its closing quote: it is of no interest then.
                let bytes = if line.is_whole() {
                    let unquoted = unquoted(line.bytes);
                    unquoted.ok_or_else(|| broken("a string is not quoted as Python does"))?
                } else {
                    line.bytes
                };
                let length = line.length.max(bytes.len() as u64);
                self.push(Atom::Str(Operand { bytes, length }))?;
            }
            0x8c | b'X' | 0x8d => {
                let text = self.operands.counted(width(opcode))?;
                self.push(Atom::Text(text))?;
            }
            b'U' | b'T' => {
                let text = self.operands.counted(width(opcode))?;
                self.push(Atom::Str(text))?;
            }
            b'C' | b'B' | 0x8e | 0x96 => {
                let bytes = self.operands.counted(width(opcode))?;
                self.push(Atom::Bytes(bytes))?;
            }

            b')' => self.gather(Container::Tuple, 0)?,
            0x85 => self.gather(Container::Tuple, 1)?,
            0x86 => self.gather(Container::Tuple, 2)?,
            0x87 => self.gather(Container::Tuple, 3)?,
            b']' => self.gather(Container::List, 0)?,
            b'}' => self.gather(Container::Dict, 0)?,
            0x8f => self.gather(Container::Set, 0)?,
            b't' => self.gather_to_mark(Container::Tuple)?,
            b'l' => self.gather_to_mark(Container::List)?,
            b'd' => self.gather_to_mark(Container::Dict)?,
            0x91 => self.gather_to_mark(Container::FrozenSet)?,
            b'a' => self.extend(Container::List, 1)?,
            b's' => self.extend(Container::Dict, 2)?,
            b'e' => self.extend_to_mark(Container::List)?,
            b'u' => self.extend_to_mark(Container::Dict)?,
            0x90 => self.extend_to_mark(Container::Set)?,

            b'c' => {
                let (module, name) = (self.operands.line()?, self.operands.line()?);
                let class = self.meaning.class(module, name)?;
                self.stack.push(class);
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let class = self.meaning.class_of(module, name)?;
                self.stack.push(class);
            }
            b'R' | 0x81 => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                self.call(function, arguments)?;
            }
            0x92 => {
                let (keywords, arguments, function) = (self.pop()?, self.pop()?, self.pop()?);
                let call = Call::Keywords {
                    function,
                    arguments,
                    keywords,
                };
                let object = self.meaning.call(call)?;
                self.stack.push(object);
            }
            b'i' => {
                let (module, name) = (self.operands.line()?, self.operands.line()?);
                let function = self.meaning.class(module, name)?;
                self.gather_to_mark(Container::Tuple)?;
                let arguments = self.pop()?;
                self.call(function, arguments)?;
            }
            b'o' => {
                let mark = *self.marks.last().ok_or_else(|| broken(NO_MARK))?;
                if mark == self.stack.len() {
                    return Err(broken(TOO_FEW));
                }
                let function = self.stack.remove(mark);
                self.gather_to_mark(Container::Tuple)?;
                let arguments = self.pop()?;
                self.call(function, arguments)?;
            }
            b'b' => {
                let (state, object) = (self.pop()?, self.pop()?);
                let built = self.meaning.build(object, state, &mut self.memo)?;
                self.stack.push(built);
            }
            b'P' => {
                let line = self.operands.line()?;
                let id = self.meaning.atom(Atom::Text(line))?;
                let object = self.meaning.persistent(id)?;
                self.stack.push(object);
            }
            b'Q' => {
                let id = self.pop()?;
                let object = self.meaning.persistent(id)?;
                self.stack.push(object);
            }

            b'0' if self.marks.last() == Some(&self.stack.len()) => drop(self.marks.pop()),
            b'0' => drop(self.pop()?),
            b'1' => {
                let mark = self.marks.pop().ok_or_else(|| broken(NO_MARK))?;
                self.stack.truncate(mark);
            }
            b'2' => {
                self.top()?;
                let top = self.stack.last().ok_or_else(|| broken(TOO_FEW))?;
                let copy = self.meaning.duplicate(top)?;
                self.stack.push(copy);
            }
            b'g' | b'h' | b'j' => {
                let slot = self.slot(opcode == b'g', if opcode == b'h' { 1 } else { 4 })?;
                let value = self.memo.get(&slot);
                let value = value.ok_or_else(|| broken("it asks for a value it never stored"))?;
                let copy = self.meaning.fetch(value)?;
                self.stack.push(copy);
            }
            b'p' | b'q' | b'r' => {
                let slot = self.slot(opcode == b'p', if opcode == b'q' { 1 } else { 4 })?;
                self.store(slot)?;
            }
            0x94 => self.store(self.memo.len() as u32)?,
            0x82..=0x84 => return Err(broken("it names a class by a number of its own registry")),
            0x97 | 0x98 => return Err(broken("a part of it was stored outside of the file")),
            _ => return Err(broken("this byte is no opcode of a pickle")),
        }
        Ok(None)
    }

    fn push(&mut self, atom: Atom) -> Followed<M> {
        let value = self.meaning.atom(atom)?;
        self.stack.push(value);
        Ok(())
    }

    fn call(&mut self, function: M::Value, arguments: M::Value) -> Followed<M> {
        let call = Call::Plain {
            function,
            arguments,
        };
        let object = self.meaning.call(call)?;
        self.stack.push(object);
        Ok(())
    }

    /// How many values lie above the innermost mark.
    fn above_mark(&self) -> usize {
        self.stack.len() - self.marks.last().copied().unwrap_or(0)
    }

    /// The topmost value, unless a mark lies above it.
    fn top(&mut self) -> Followed<M, &mut M::Value> {
        if self.above_mark() == 0 {
            return Err(broken(TOO_FEW));
        }
        self.stack.last_mut().ok_or_else(|| broken(TOO_FEW))
    }

    fn pop(&mut self) -> Followed<M, M::Value> {
        self.top()?;
        self.stack.pop().ok_or_else(|| broken(TOO_FEW))
    }

    /// Replaces the topmost `count` values by one that holds them.
    fn gather(&mut self, kind: Container, count: usize) -> Followed<M> {
        if self.above_mark() < count {
            return Err(broken(TOO_FEW));
        }
        self.gather_from(kind, self.stack.len() - count)
    }

    fn gather_to_mark(&mut self, kind: Container) -> Followed<M> {
        let mark = self.marks.pop().ok_or_else(|| broken(NO_MARK))?;
        self.gather_from(kind, mark)
    }

    fn gather_from(&mut self, kind: Container, from: usize) -> Followed<M> {
        let value = self.meaning.container(kind, self.stack.drain(from..))?;
        self.stack.push(value);
        Ok(())
    }

    /// Adds the topmost `count` values to the container below them.
    fn extend(&mut self, kind: Container, count: usize) -> Followed<M> {
        if self.above_mark() <= count {
            return Err(broken(TOO_FEW));
        }
        self.extend_from(kind, self.stack.len() - count)
    }

    fn extend_to_mark(&mut self, kind: Container) -> Followed<M> {
        let mark = self.marks.pop().ok_or_else(|| broken(NO_MARK))?;
        if mark == self.marks.last().copied().unwrap_or(0) {
            return Err(broken(TOO_FEW));
        }
        self.extend_from(kind, mark)
    }

    fn extend_from(&mut self, kind: Container, from: usize) -> Followed<M> {
        let (below, items) = (from - 1, from..);
        // The container leaves the stack for a moment, because its items are drained from it.
        let mut items: Vec<M::Value> = self.stack.drain(items).collect();
        let container = &mut self.stack[below];
        self.meaning.extend(container, kind, items.drain(..))?;
        Ok(())
    }

    fn slot(&mut self, in_digits: bool, width: usize) -> Followed<M, u32> {
        if !in_digits {
            return Ok(self.operands.number(width)? as u32);
        }
        let line = self.operands.line()?;
        let slot = line.text().trim().parse();
        slot.map_err(|_| broken("a place in its memo is no number"))
    }

    fn store(&mut self, slot: u32) -> Followed<M> {
        self.top()?;
        let top = self.stack.last_mut().ok_or_else(|| broken(TOO_FEW))?;
        let value = self.meaning.store(top, slot)?;
        self.memo.insert(slot, value);
        Ok(())
    }
}

const TOO_FEW: &str = "an opcode needs more values than there are";
const NO_MARK: &str = "an opcode needs a mark, and there is none";

/// Bytes of the length before a text.
fn width(opcode: u8) -> usize {
    match opcode {
        b'U' | b'C' | 0x8c => 1,
        b'X' | b'T' | b'B' => 4,
        _ => 8,
    }
}

/// The number in a line: `I12`, `I01` (True), `L12L`, `F1.5`.
fn number_of(opcode: u8, line: Operand) -> Option<Atom> {
    let text = std::str::from_utf8(&line.bytes).ok()?.trim();
    match (opcode, text) {
        (b'I', "01") => return Some(Atom::Bool(true)),
        (b'I', "00") => return Some(Atom::Bool(false)),
        (b'F', text) => return text.parse().ok().map(Atom::Float),
        _ => {}
    }
    let digits = text.strip_suffix('L').unwrap_or(text);
    if let (true, Ok(number)) = (line.is_whole(), digits.parse()) {
        return Some(Atom::Int(number));
    }
    let unsigned = digits.strip_prefix('-').unwrap_or(digits);
    let long = !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit());
    long.then_some(Atom::Long(line))
}

/// A number in two's complement, as short as it can be.
fn little_endian(operand: Operand) -> Atom {
    let bytes = &operand.bytes;
    if operand.length > 8 {
        return Atom::Long(operand);
    }
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut all = [if negative { 0xff } else { 0 }; 8];
    all[..bytes.len()].copy_from_slice(bytes);
    Atom::Int(i64::from_le_bytes(all))
}
