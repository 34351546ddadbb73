//! A pickle as a table of nodes.

use std::io::BufRead;
use std::vec::Drain;

use crate::machine::{Error, run};
use crate::operands::Operand;
use crate::visitor::{Atom, Call, Container, Fault, Memo, Visitor};

/// Limits for reading a pickle.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most opcodes. Each makes at most one node of about forty bytes; texts and bytes take as much as in the file.
    pub steps: u64,
}

/// The values of a pickle: nodes that refer to each other. `G` is the caller's type for the classes and functions it knows.
///
/// A value that the pickle uses twice is one node with two references, and a list may contain itself. A caller that walks
/// the nodes must limit depth and work.
#[derive(Debug)]
pub struct Document<G> {
    nodes: Vec<Node<G>>,
    root: Reference,
}

/// The index of a node in its [`Document`].
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
    /// A longer integer, without its value.
    Long,
    /// A number with a fraction.
    Float(f64),
    /// A text.
    Text(String),
    /// Bytes, or a string of Python 2.
    Bytes(Vec<u8>),
    /// A tuple, list or set, or a dictionary with keys and values alternating.
    Container(Container, Vec<Reference>),
    /// A class or function.
    Global(G),
    /// The result of a call, and its state.
    Object {
        /// Usually a [`Node::Global`].
        function: Reference,
        /// Usually a tuple.
        arguments: Reference,
        /// The operand of BUILD.
        state: Option<Reference>,
    },
}

/// Why a pickle cannot be read as a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It uses a class or function that the caller does not know.
    #[error("it uses the class or function `{module}.{name}`")]
    UnknownGlobal {
        /// Its module.
        module: String,
        /// Its name.
        name: String,
    },
    /// It has too many opcodes.
    #[error("it has more than {0} opcodes, which is the limit")]
    TooManySteps(u64),
    /// It uses a feature that arrays, lists and texts do not need.
    #[error("{0}")]
    Unsupported(&'static str),
}

impl<G> Document<G> {
    /// Reads one pickle. `resolve` maps the module and name of each class and function to the caller's type.
    ///
    /// # Errors
    /// [`Error`]; [`DocumentError::UnknownGlobal`] if `resolve` returns `None`.
    pub fn read(
        reader: &mut impl BufRead,
        limits: Limits,
        resolve: impl Fn(&str, &str) -> Option<G>,
    ) -> Result<Self, Error<DocumentError>> {
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

    /// The value of the pickle.
    pub fn root(&self) -> Reference {
        self.root
    }

    /// A node.
    ///
    /// # Panics
    /// If `reference` belongs to another document.
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

    /// Takes a node and leaves `None` in its place, so that a large array is not in memory twice.
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

type Visited<T = Reference> = Result<T, Fault<DocumentError>>;

fn unsupported<T>(what: &'static str) -> Visited<T> {
    Err(Fault::Refused(DocumentError::Unsupported(what)))
}

impl<G, F: Fn(&str, &str) -> Option<G>> Builder<G, F> {
    fn add(&mut self, node: Node<G>) -> Visited {
        let place = u32::try_from(self.nodes.len());
        let place =
            place.map_err(|_| Fault::Refused(DocumentError::TooManySteps(self.limits.steps)))?;
        self.nodes.push(node);
        Ok(Reference(place))
    }

    fn global(&mut self, module: &str, name: &str) -> Visited {
        match (self.resolve)(module, name) {
            Some(global) => self.add(Node::Global(global)),
            None => Err(Fault::Refused(DocumentError::UnknownGlobal {
                module: shown(module),
                name: shown(name),
            })),
        }
    }

    fn name(&self, reference: Reference) -> Visited<String> {
        match &self.nodes[reference.0 as usize] {
            Node::Text(text) => Ok(text.clone()),
            Node::Bytes(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
            _ => Err(Fault::Broken("the name of a class is not text")),
        }
    }
}

/// A name for messages: shortened, without control characters.
fn shown(name: &str) -> String {
    name.chars()
        .take(100)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

impl<G, F: Fn(&str, &str) -> Option<G>> Visitor for Builder<G, F> {
    type Value = Reference;
    type Refusal = DocumentError;

    const KEPT: u64 = u64::MAX;

    fn step(&mut self) -> Visited<()> {
        self.steps += 1;
        if self.steps > self.limits.steps {
            return Err(Fault::Refused(DocumentError::TooManySteps(
                self.limits.steps,
            )));
        }
        Ok(())
    }

    fn atom(&mut self, atom: Atom) -> Visited {
        self.add(match atom {
            Atom::None => Node::None,
            Atom::Bool(value) => Node::Bool(value),
            Atom::Int(value) => Node::Int(value),
            Atom::Long(_) => Node::Long,
            Atom::Float(value) => Node::Float(value),
            Atom::Text(text) => Node::Text(
                String::from_utf8(text.bytes)
                    .map_err(|_| Fault::Broken("a text is not valid UTF-8"))?,
            ),
            Atom::Bytes(bytes) | Atom::Str(bytes) => Node::Bytes(bytes.bytes),
        })
    }

    fn container(&mut self, kind: Container, items: Drain<'_, Reference>) -> Visited {
        self.add(Node::Container(kind, items.collect()))
    }

    fn extend(
        &mut self,
        container: &mut Reference,
        kind: Container,
        items: Drain<'_, Reference>,
    ) -> Visited<()> {
        match &mut self.nodes[container.0 as usize] {
            Node::Container(found, held) if *found == kind => {
                held.extend(items);
                Ok(())
            }
            _ => unsupported("it adds items to an object that is not a list, set or dictionary"),
        }
    }

    fn class(&mut self, module: Operand, name: Operand) -> Visited {
        self.global(&module.text(), &name.text())
    }

    fn class_of(&mut self, module: Reference, name: Reference) -> Visited {
        let (module, name) = (self.name(module)?, self.name(name)?);
        self.global(&module, &name)
    }

    fn call(&mut self, call: Call<Reference>) -> Visited {
        match call {
            Call::Plain {
                function,
                arguments,
            } => self.add(Node::Object {
                function,
                arguments,
                state: None,
            }),
            Call::Keywords { .. } => unsupported("it creates an object with keyword arguments"),
        }
    }

    fn persistent(&mut self, _: Reference) -> Visited {
        unsupported("a part of it is stored outside the file")
    }

    fn build(&mut self, object: Reference, given: Reference, _: &mut Memo<Reference>) -> Visited {
        match &mut self.nodes[object.0 as usize] {
            Node::Object { state, .. } => *state = Some(given),
            _ => return unsupported("it sets the state of a value that is not an object"),
        }
        Ok(object)
    }

    fn duplicate(&mut self, value: &Reference) -> Visited {
        Ok(*value)
    }

    fn fetch(&mut self, value: &Reference) -> Visited {
        Ok(*value)
    }

    fn store(&mut self, value: &mut Reference, _: u32) -> Visited {
        Ok(*value)
    }
}
