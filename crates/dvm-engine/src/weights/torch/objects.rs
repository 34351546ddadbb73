//! The objects of a checkpoint's pickles, as a table of nodes that refer to each other.
//!
//! Each opcode makes at most one node, texts take no more memory than in the file, and the number of opcodes
//! is limited in proportion to the file's length, so a table stays small.

use std::io::BufRead;
use std::vec::Drain;

use dvm_pickle::{Atom, Call, Container, Error, Fault, Memo, Operand, Visitor, run};

use super::super::attack::is_attack;

/// The index of a node in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place(u32);

/// A value of a pickle.
#[derive(Debug)]
pub(super) enum Node {
    None,
    Bool(bool),
    Int(i64),
    Text(String),
    /// Any other value, by its type: no reader of weights needs it.
    Other(&'static str),
    /// A tuple, list or set; a dictionary has keys and values in turn.
    Container(Container, Vec<Place>),
    /// A class or function, `module.name`.
    Class(String),
    /// An object.
    Object(Object),
    /// A persistent id: an object that is stored outside of the pickle.
    Stored(Place),
}

/// The result of a call.
#[derive(Debug)]
pub(super) struct Object {
    /// The function or class that was called.
    pub function: Place,
    /// The arguments: a tuple.
    pub arguments: Place,
    /// Its attributes, or another state.
    pub state: Option<Place>,
    /// Keys and values in turn that were added as to a dictionary.
    pub entries: Vec<Place>,
}

/// Why a pickle is not read.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It names a function that runs programs.
    Attack(String),
    /// It needs more work or memory than its length allows.
    Excessive(String),
}

/// All values of a file's pickles.
pub(super) struct Objects {
    nodes: Vec<Node>,
    steps: u64,
    limit: u64,
}

impl Objects {
    /// A table for the pickles of a file of `length` bytes.
    ///
    /// A tensor takes some 40 steps and at least as many hundred bytes of file; the constants allow for small
    /// networks and for notes.
    pub fn new(length: u64) -> Self {
        Self {
            nodes: Vec::new(),
            steps: 0,
            limit: (32_768 + length / 64).min(2_000_000),
        }
    }

    /// Reads one pickle, up to and including its STOP, and returns its root.
    pub fn read(&mut self, reader: &mut impl BufRead) -> Result<Place, Error<Refusal>> {
        run(reader, self)
    }

    pub fn node(&self, place: Place) -> &Node {
        &self.nodes[place.0 as usize]
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The persistent ids in the pickles.
    pub fn stored_ids(&self) -> impl Iterator<Item = Place> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Stored(id) => Some(*id),
            _ => None,
        })
    }

    /// The items of a tuple, list or set.
    pub fn items(&self, place: Place) -> Option<&[Place]> {
        match self.node(place) {
            Node::Container(kind, items) if *kind != Container::Dict => Some(items),
            _ => None,
        }
    }

    /// The name of a class or function.
    pub fn class(&self, place: Place) -> Option<&str> {
        match self.node(place) {
            Node::Class(name) => Some(name),
            // Before PyTorch 1.6 a class was stored with its source text: `('module', class, …)`.
            Node::Stored(id) => match self.items(*id)? {
                [tag, class, ..] if self.text(*tag) == Some("module") => match self.node(*class) {
                    Node::Class(name) => Some(name),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        }
    }

    pub fn text(&self, place: Place) -> Option<&str> {
        match self.node(place) {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A non-negative number.
    pub fn count(&self, place: Place) -> Option<u64> {
        match self.node(place) {
            Node::Int(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// A name or number that serves as a key.
    pub fn key(&self, place: Place) -> Option<String> {
        match self.node(place) {
            Node::Text(text) => Some(text.clone()),
            Node::Int(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// Keys and values of a dictionary, or of an object that is one (`OrderedDict`, `defaultdict`).
    pub fn entries(&self, place: Place) -> Option<Vec<(Place, Place)>> {
        let pairs = |items: &[Place]| -> Vec<(Place, Place)> {
            items
                .as_chunks::<2>()
                .0
                .iter()
                .map(|&[k, v]| (k, v))
                .collect()
        };
        match self.node(place) {
            Node::Container(Container::Dict, items) => Some(pairs(items)),
            Node::Object(object) => {
                let is_ordered = self.class(object.function) == Some("collections.OrderedDict");
                if !is_ordered {
                    return (!object.entries.is_empty()).then(|| pairs(&object.entries));
                }
                // `OrderedDict([(key, value), …])`, as Python 2 wrote it.
                let given = self.items(object.arguments).and_then(|all| all.first());
                let given = given.and_then(|list| self.items(*list)).unwrap_or(&[]);
                let given = given.iter().filter_map(|pair| match self.items(*pair) {
                    Some(&[key, value]) => Some((key, value)),
                    _ => None,
                });
                Some(given.chain(pairs(&object.entries)).collect())
            }
            _ => None,
        }
    }

    /// Python's name for the type of a value.
    pub fn type_name(&self, place: Place) -> String {
        match self.node(place) {
            Node::None => "None".into(),
            Node::Bool(_) => "bool".into(),
            Node::Int(_) => "int".into(),
            Node::Text(_) => "str".into(),
            Node::Other(what) => (*what).into(),
            Node::Container(Container::Tuple, _) => "tuple".into(),
            Node::Container(Container::List, _) => "list".into(),
            Node::Container(Container::Dict, _) => "dict".into(),
            Node::Container(Container::Set | Container::FrozenSet, _) => "set".into(),
            Node::Class(name) => name.clone(),
            Node::Object(object) => match self.class(object.function) {
                Some(name) => name.to_owned(),
                None => "object".into(),
            },
            Node::Stored(_) => "torch.Storage".into(),
        }
    }

    fn add(&mut self, node: Node) -> Made {
        // The limit of steps is far below 2^32.
        self.nodes.push(node);
        Ok(Place(self.nodes.len() as u32 - 1))
    }

    fn named(&mut self, class: String, length: u64) -> Made {
        if length > LONGEST_CLASS {
            let claim = format!(
                "its pickle has a class name of {length} bytes; the limit is {LONGEST_CLASS}"
            );
            return Err(Fault::Refused(Refusal::Excessive(claim)));
        }
        if is_attack(&class) {
            return Err(Fault::Refused(Refusal::Attack(class)));
        }
        self.add(Node::Class(class))
    }
}

/// The longest name of a class, in bytes.
const LONGEST_CLASS: u64 = 512;

type Made<T = Place> = Result<T, Fault<Refusal>>;

impl Visitor for Objects {
    type Value = Place;
    type Refusal = Refusal;

    const KEPT: u64 = 4096;

    fn step(&mut self) -> Made<()> {
        self.steps += 1;
        let limit = self.limit;
        if self.steps > limit {
            return Err(Fault::Refused(Refusal::Excessive(format!(
                "its pickle has more than {limit} steps, too many for a file of this length"
            ))));
        }
        Ok(())
    }

    fn atom(&mut self, atom: Atom) -> Made {
        self.add(match atom {
            Atom::None => Node::None,
            Atom::Bool(value) => Node::Bool(value),
            Atom::Int(value) => Node::Int(value),
            Atom::Float(_) => Node::Other("float"),
            Atom::Long(_) => Node::Other("int"),
            Atom::Bytes(_) => Node::Other("bytes"),
            Atom::Text(text) | Atom::Str(text) if text.is_whole() => Node::Text(text.text()),
            Atom::Text(_) | Atom::Str(_) => Node::Other("str"),
        })
    }

    fn container(&mut self, kind: Container, items: Drain<'_, Place>) -> Made {
        self.add(Node::Container(kind, items.collect()))
    }

    fn extend(
        &mut self,
        container: &mut Place,
        kind: Container,
        items: Drain<'_, Place>,
    ) -> Made<()> {
        match &mut self.nodes[container.0 as usize] {
            Node::Container(found, held) if *found == kind => held.extend(items),
            Node::Object(object) if kind == Container::Dict => object.entries.extend(items),
            // A subclass of `list` or `set`: weights are not stored in one.
            Node::Object(_) => {}
            _ => {
                return Err(Fault::Broken(
                    "it adds items to a value that is not a container",
                ));
            }
        }
        Ok(())
    }

    fn class(&mut self, module: Operand, name: Operand) -> Made {
        let length = module.length.saturating_add(name.length).saturating_add(1);
        self.named(format!("{}.{}", module.text(), name.text()), length)
    }

    fn class_of(&mut self, module: Place, name: Place) -> Made {
        match (self.text(module), self.text(name)) {
            (Some(module), Some(name)) => {
                let class = format!("{module}.{name}");
                let length = class.len() as u64;
                self.named(class, length)
            }
            _ => Err(Fault::Broken("a class name is not text")),
        }
    }

    fn call(&mut self, call: Call<Place>) -> Made {
        let (Call::Plain {
            function,
            arguments,
        }
        | Call::Keywords {
            function,
            arguments,
            ..
        }) = call;
        self.add(Node::Object(Object {
            function,
            arguments,
            state: None,
            entries: Vec::new(),
        }))
    }

    fn persistent(&mut self, id: Place) -> Made {
        self.add(Node::Stored(id))
    }

    fn build(&mut self, object: Place, given: Place, _: &mut Memo<Place>) -> Made {
        match &mut self.nodes[object.0 as usize] {
            Node::Object(object) => object.state = Some(given),
            _ => {
                return Err(Fault::Broken(
                    "it sets the state of a value that is not an object",
                ));
            }
        }
        Ok(object)
    }

    fn duplicate(&mut self, value: &Place) -> Made {
        Ok(*value)
    }

    fn fetch(&mut self, value: &Place) -> Made {
        Ok(*value)
    }

    fn store(&mut self, value: &mut Place, _: u32) -> Made {
        Ok(*value)
    }
}
