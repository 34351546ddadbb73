//! The stack machine.

use std::io::{self, BufRead};

use crate::escapes::{from_raw_unicode, unquoted};
use crate::operands::{Operand, Operands};
use crate::visitor::{Atom, Call, Container, Fault, Memo, Visitor};

/// Why a pickle cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error<R> {
    /// Reading failed.
    #[error(transparent)]
    Io(io::Error),
    /// The pickle is malformed.
    #[error("at byte {at}: {reason}")]
    Broken {
        /// How many bytes were read.
        at: u64,
        /// What is wrong there.
        reason: &'static str,
    },
    /// The visitor stopped.
    #[error("{0}")]
    Refused(R),
}

/// Runs one pickle, up to and including its STOP, and returns its value.
///
/// Memory is needed for the stack and the memo, with at most one new entry per opcode, and for one operand. Everything else
/// is up to `visitor`, which limits the number of opcodes ([`Visitor::step`]).
///
/// # Errors
/// [`Error`].
pub fn run<M: Visitor>(
    reader: &mut impl BufRead,
    visitor: &mut M,
) -> Result<M::Value, Error<M::Refusal>> {
    let mut machine = Machine {
        operands: Operands::new(reader, M::KEPT),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Memo::new(),
        visitor,
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

struct Machine<'a, R, M: Visitor> {
    operands: Operands<'a, R>,
    stack: Vec<M::Value>,
    /// Heights of the stack at the open marks.
    marks: Vec<usize>,
    memo: Memo<M::Value>,
    visitor: &'a mut M,
}

type Step<M, T = ()> = Result<T, Stop<<M as Visitor>::Refusal>>;

impl<R: BufRead, M: Visitor> Machine<'_, R, M> {
    /// Reads and executes one opcode; the value at STOP.
    fn step(&mut self) -> Step<M, Option<M::Value>> {
        self.visitor.step()?;
        let [opcode] = self.operands.fixed()?;
        match opcode {
            b'.' => return self.pop().map(Some),
            b'(' => self.marks.push(self.stack.len()),
            // PROTO and FRAME do not affect values.
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
                    number_of(opcode, line).ok_or_else(|| broken("a number is not valid"))?;
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
                    bytes: decoded.ok_or_else(|| broken("a text has an invalid escape"))?,
                    length: line.length,
                });
                self.push(atom)?;
            }
            b'S' => {
                let line = self.operands.line()?;
                // A shortened string has lost its closing quote, and is not decoded.
                let bytes = if line.is_whole() {
                    let unquoted = unquoted(line.bytes);
                    unquoted.ok_or_else(|| broken("a string is not quoted as in Python"))?
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
                let class = self.visitor.class(module, name)?;
                self.stack.push(class);
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let class = self.visitor.class_of(module, name)?;
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
                let object = self.visitor.call(call)?;
                self.stack.push(object);
            }
            b'i' => {
                let (module, name) = (self.operands.line()?, self.operands.line()?);
                let function = self.visitor.class(module, name)?;
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
                let built = self.visitor.build(object, state, &mut self.memo)?;
                self.stack.push(built);
            }
            b'P' => {
                let line = self.operands.line()?;
                let id = self.visitor.atom(Atom::Text(line))?;
                let object = self.visitor.persistent(id)?;
                self.stack.push(object);
            }
            b'Q' => {
                let id = self.pop()?;
                let object = self.visitor.persistent(id)?;
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
                let copy = self.visitor.duplicate(top)?;
                self.stack.push(copy);
            }
            b'g' | b'h' | b'j' => {
                let slot = self.slot(opcode == b'g', if opcode == b'h' { 1 } else { 4 })?;
                let value = self.memo.get(&slot);
                let value = value.ok_or_else(|| broken("it reads a value that it never stored"))?;
                let copy = self.visitor.fetch(value)?;
                self.stack.push(copy);
            }
            b'p' | b'q' | b'r' => {
                let slot = self.slot(opcode == b'p', if opcode == b'q' { 1 } else { 4 })?;
                self.store(slot)?;
            }
            0x94 => self.store(self.memo.len() as u32)?,
            0x82..=0x84 => {
                return Err(broken(
                    "it refers to a class by a number of a private registry",
                ));
            }
            0x97 | 0x98 => return Err(broken("a part of it is stored outside the file")),
            _ => return Err(broken("this byte is not an opcode of a pickle")),
        }
        Ok(None)
    }

    fn push(&mut self, atom: Atom) -> Step<M> {
        let value = self.visitor.atom(atom)?;
        self.stack.push(value);
        Ok(())
    }

    fn call(&mut self, function: M::Value, arguments: M::Value) -> Step<M> {
        let call = Call::Plain {
            function,
            arguments,
        };
        let object = self.visitor.call(call)?;
        self.stack.push(object);
        Ok(())
    }

    /// How many values are above the innermost mark.
    fn above_mark(&self) -> usize {
        self.stack.len() - self.marks.last().copied().unwrap_or(0)
    }

    /// The topmost value, unless a mark is above it.
    fn top(&mut self) -> Step<M, &mut M::Value> {
        if self.above_mark() == 0 {
            return Err(broken(TOO_FEW));
        }
        self.stack.last_mut().ok_or_else(|| broken(TOO_FEW))
    }

    fn pop(&mut self) -> Step<M, M::Value> {
        self.top()?;
        self.stack.pop().ok_or_else(|| broken(TOO_FEW))
    }

    /// Replaces the topmost `count` values by a container of them.
    fn gather(&mut self, kind: Container, count: usize) -> Step<M> {
        if self.above_mark() < count {
            return Err(broken(TOO_FEW));
        }
        self.gather_from(kind, self.stack.len() - count)
    }

    fn gather_to_mark(&mut self, kind: Container) -> Step<M> {
        let mark = self.marks.pop().ok_or_else(|| broken(NO_MARK))?;
        self.gather_from(kind, mark)
    }

    fn gather_from(&mut self, kind: Container, from: usize) -> Step<M> {
        let value = self.visitor.container(kind, self.stack.drain(from..))?;
        self.stack.push(value);
        Ok(())
    }

    /// Adds the topmost `count` values to the container below them.
    fn extend(&mut self, kind: Container, count: usize) -> Step<M> {
        if self.above_mark() <= count {
            return Err(broken(TOO_FEW));
        }
        self.extend_from(kind, self.stack.len() - count)
    }

    fn extend_to_mark(&mut self, kind: Container) -> Step<M> {
        let mark = self.marks.pop().ok_or_else(|| broken(NO_MARK))?;
        if mark == self.marks.last().copied().unwrap_or(0) {
            return Err(broken(TOO_FEW));
        }
        self.extend_from(kind, mark)
    }

    fn extend_from(&mut self, kind: Container, from: usize) -> Step<M> {
        let (below, items) = (from - 1, from..);
        // The items leave the stack first, so that the container on it can be borrowed.
        let mut items: Vec<M::Value> = self.stack.drain(items).collect();
        let container = &mut self.stack[below];
        self.visitor.extend(container, kind, items.drain(..))?;
        Ok(())
    }

    fn slot(&mut self, in_digits: bool, width: usize) -> Step<M, u32> {
        if !in_digits {
            return Ok(self.operands.number(width)? as u32);
        }
        let line = self.operands.line()?;
        let slot = line.text().trim().parse();
        slot.map_err(|_| broken("an index of its memo is not a number"))
    }

    fn store(&mut self, slot: u32) -> Step<M> {
        self.top()?;
        let top = self.stack.last_mut().ok_or_else(|| broken(TOO_FEW))?;
        let value = self.visitor.store(top, slot)?;
        self.memo.insert(slot, value);
        Ok(())
    }
}

const TOO_FEW: &str = "an opcode needs more values than are on the stack";
const NO_MARK: &str = "an opcode needs a mark, but there is none";

/// The number of bytes of the length before a text.
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

/// A number in two's complement, in as few bytes as possible.
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
