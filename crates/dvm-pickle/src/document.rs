//! A pickle as a table of nodes.

use std::io::BufRead;
use std::vec::Drain;

use crate::machine::{Error, run};
use crate::meaning::{Atom, Call, Container, Fault, Meaning, Memo};
use crate::operands::Operand;

/// How much of a pickle is read.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most opcodes; each makes at most one node of some forty bytes. Texts and bytes take no more
    /// than they do in the file.
    pub steps: u64,
}

/// What a pickle says: nodes that refer to each other. `G` is what the caller makes of the classes
/// and functions it knows.
///
/// A value that the pickle uses twice is one node with two references, and a list may contain itself:
/// whoever walks through must bound depth and work.
#[derive(Debug)]
pub struct Document<G> {
    nodes: Vec<Node<G>>,
    root: Reference,
}

/// The place of a node in its [`Document`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference(u32);

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Node<G> {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer of at most 64 bits.
    Int(i64),
    /// A longer integer, whatever it is.
    Long,
    /// A number with a fraction.
    Float(f64),
    /// A text.
    Text(String),
    /// Bytes, or a string of Python 2.
    Bytes(Vec<u8>),
    /// A tuple, list or set; a dictionary has keys and values in turn.
    Container(Container, Vec<Reference>),
    /// A class or function.
    Global(G),
    /// What a call of `function` gives, and the state that it was given.
    Object {
        /// A [`Node::Global`], unless the file is strange.
        function: Reference,
        /// A tuple, unless the file is strange.
        arguments: Reference,
        /// What BUILD was given.
        state: Option<Reference>,
    },
}

/// Why a pickle is not read as a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// It names a class or function that the caller does not know.
    #[error("it names `{module}.{name}`")]
    Stranger {
        /// Its module.
        module: String,
        /// Its name.
        name: String,
    },
    /// It has too many steps.
    #[error("it has more than {0} steps")]
    Long(u64),
    /// It does something that arrays, lists and texts need not.
    #[error("{0}")]
    Strange(&'static str),
}

impl<G> Document<G> {
    /// Reads one pickle. `resolve` is asked for each class and function that it names, by module and
    /// name.
    ///
    /// # Errors
    /// [`Error`]; [`Unread::Stranger`] where `resolve` gives `None`.
    pub fn read(
        reader: &mut impl BufRead,
        limits: Limits,
        resolve: impl Fn(&str, &str) -> Option<G>,
    ) -> Result<Self, Error<Unread>> {
        let mut builder = Builder {
            nodes: Vec::new(),
            steps: 0,
            limits,
            resolve,
        };
        let root = run(reader, &mut builder)?;
        Ok(Self {
            nodes: builder.nodes,
            root,
        })
    }

    /// The value that the pickle is about.
    pub fn root(&self) -> Reference {
        self.root
    }

    /// A node.
    ///
    /// # Panics
    /// If `reference` is another document's.
    pub fn node(&self, reference: Reference) -> &Node<G> {
        &self.nodes[reference.0 as usize]
    }

    /// The items of a tuple or list.
    pub fn items(&self, reference: Reference) -> Option<&[Reference]> {
        match self.node(reference) {
            Node::Container(Container::Tuple | Container::List, items) => Some(items),
            _ => None,
        }
    }

    /// Takes a node out and leaves `None` in its place, so that a large array is not in memory twice.
    pub fn take(&mut self, reference: Reference) -> Node<G> {
        std::mem::replace(&mut self.nodes[reference.0 as usize], Node::None)
    }
}

struct Builder<G, F> {
    nodes: Vec<Node<G>>,
    steps: u64,
    limits: Limits,
    resolve: F,
}

type Made<T = Reference> = Result<T, Fault<Unread>>;

fn strange<T>(what: &'static str) -> Made<T> {
    Err(Fault::Refused(Unread::Strange(what)))
}

impl<G, F: Fn(&str, &str) -> Option<G>> Builder<G, F> {
    fn add(&mut self, node: Node<G>) -> Made {
        let place = u32::try_from(self.nodes.len());
        let place = place.map_err(|_| Fault::Refused(Unread::Long(self.limits.steps)))?;
        self.nodes.push(node);
        Ok(Reference(place))
    }

    fn global(&mut self, module: &str, name: &str) -> Made {
        match (self.resolve)(module, name) {
            Some(global) => self.add(Node::Global(global)),
            None => Err(Fault::Refused(Unread::Stranger {
                module: shown(module),
                name: shown(name),
            })),
        }
    }

    fn name(&self, reference: Reference) -> Made<String> {
        match &self.nodes[reference.0 as usize] {
            Node::Text(text) => Ok(text.clone()),
            Node::Bytes(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
            _ => Err(Fault::Broken("the name of a class is no text")),
        }
    }
}

/// A name as it may stand in a message.
fn shown(name: &str) -> String {
    name.chars()
        .take(100)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

impl<G, F: Fn(&str, &str) -> Option<G>> Meaning for Builder<G, F> {
    type Value = Reference;
    type Refusal = Unread;

    const KEPT: u64 = u64::MAX;

    fn step(&mut self) -> Made<()> {
        self.steps += 1;
        if self.steps > self.limits.steps {
            return Err(Fault::Refused(Unread::Long(self.limits.steps)));
        }
        Ok(())
    }

    fn atom(&mut self, atom: Atom) -> Made {
        self.add(match atom {
            Atom::None => Node::None,
            Atom::Bool(value) => Node::Bool(value),
            Atom::Int(value) => Node::Int(value),
            Atom::Long(_) => Node::Long,
            Atom::Float(value) => Node::Float(value),
            Atom::Text(text) => Node::Text(
                String::from_utf8(text.bytes)
                    .map_err(|_| Fault::Broken("a text is not in UTF-8"))?,
            ),
            Atom::Bytes(bytes) | Atom::Str(bytes) => Node::Bytes(bytes.bytes),
        })
    }

    fn container(&mut self, kind: Container, items: Drain<'_, Reference>) -> Made {
        self.add(Node::Container(kind, items.collect()))
    }

    fn extend(
        &mut self,
        container: &mut Reference,
        kind: Container,
        items: Drain<'_, Reference>,
    ) -> Made<()> {
        match &mut self.nodes[container.0 as usize] {
            Node::Container(found, held) if *found == kind => {
                held.extend(items);
                Ok(())
            }
            _ => strange("it puts items into an object that is no list, set or dictionary"),
        }
    }

    fn class(&mut self, module: Operand, name: Operand) -> Made {
        self.global(&module.text(), &name.text())
    }

    fn class_of(&mut self, module: Reference, name: Reference) -> Made {
        let (module, name) = (self.name(module)?, self.name(name)?);
        self.global(&module, &name)
    }

    fn call(&mut self, call: Call<Reference>) -> Made {
        match call {
            Call::Plain {
                function,
                arguments,
            } => self.add(Node::Object {
                function,
                arguments,
                state: None,
            }),
            Call::Keywords { .. } => strange("it makes an object by keywords"),
        }
    }

    fn persistent(&mut self, _: Reference) -> Made {
        strange("a part of it was stored outside of the file")
    }

    fn build(&mut self, object: Reference, given: Reference, _: &mut Memo<Reference>) -> Made {
        match &mut self.nodes[object.0 as usize] {
            Node::Object { state, .. } => *state = Some(given),
            _ => return strange("it gives a state to what is no object"),
        }
        Ok(object)
    }

    fn duplicate(&mut self, value: &Reference) -> Made {
        Ok(*value)
    }

    fn fetch(&mut self, value: &Reference) -> Made {
        Ok(*value)
    }

    fn store(&mut self, value: &mut Reference, _: u32) -> Made {
        Ok(*value)
    }
}
