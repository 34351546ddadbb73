//! The names of all tensors of a checkpoint, and its notes.

use std::collections::{BTreeMap, BTreeSet};

use super::super::inspection::{self, Objection};
use super::objects::{Node, Objects, Place};
use super::views::{Described, Unreadable, View};

/// The deepest nesting that is read.
const DEPTH: usize = 64;

/// The longest name of a tensor, in bytes.
const LONGEST_NAME: usize = 512;

/// The longest text that is kept as a note, in bytes; the deepest nesting of notes, and their largest number.
const LONGEST_NOTE: usize = 256;
const NOTE_DEPTH: usize = 3;
const NOTES: usize = 4096;

/// The contents of a checkpoint.
#[derive(Default)]
pub(super) struct Found {
    /// Tensors by their dotted names.
    pub tensors: BTreeMap<String, View>,
    /// Short texts and integers other than tensors, such as `arch`.
    pub notes: BTreeMap<String, String>,
    /// Names of dictionaries, as opposed to layers: `state_dict`.
    pub dictionaries: BTreeSet<String>,
}

/// Collects everything below `root`: dictionaries by key, lists by index, a `torch.nn.Module` as in its
/// `state_dict()`, and any other object by its attributes.
pub(super) fn collect(
    objects: &Objects,
    described: &Described,
    root: Place,
) -> Result<Found, Objection> {
    let mut walk = Walk {
        objects,
        described,
        found: Found::default(),
        open: Vec::new(),
        left: 2 * objects.len() + 1024,
    };
    walk.follow(root, "", Context::Dictionary)?;
    Ok(walk.found)
}

#[derive(Clone, Copy, PartialEq)]
enum Context {
    Dictionary,
    /// Inside a module, whose tables are layers.
    Module,
}

struct Walk<'a> {
    objects: &'a Objects,
    described: &'a Described,
    found: Found,
    /// The containers around the current value: one that contains itself is not entered again.
    open: Vec<Place>,
    /// The number of values that may still be read.
    left: usize,
}

/// The tables that every `torch.nn.Module` keeps.
const TABLES: [&str; 3] = ["_parameters", "_buffers", "_modules"];

impl Walk<'_> {
    fn follow(&mut self, place: Place, path: &str, context: Context) -> Result<(), Objection> {
        self.left = self.left.checked_sub(1).ok_or_else(|| {
            Objection::Excessive("its pickle repeats values too often for its length".to_owned())
        })?;
        if self.open.contains(&place) {
            return Ok(());
        }
        if self.open.len() >= DEPTH {
            let claim = format!("its nesting is deeper than the limit of {DEPTH} levels");
            return Err(Objection::Excessive(claim));
        }
        match self.described.tensor(self.objects, place) {
            Ok(Some(view)) => return self.keep(path, view),
            Ok(None) => {}
            Err(error) => return Err(refused(path, error)),
        }
        self.open.push(place);
        let followed = self.enter(place, path, context);
        self.open.pop();
        followed
    }

    fn enter(&mut self, place: Place, path: &str, context: Context) -> Result<(), Objection> {
        let objects = self.objects;
        if let Some(module) = module(objects, place) {
            self.note_dictionary(path, context);
            return self.follow_module(&module, path);
        }
        if let Some(entries) = objects.entries(place) {
            self.note_dictionary(path, context);
            return self.follow_entries(entries, path);
        }
        match objects.node(place) {
            Node::Text(text) if text.len() <= LONGEST_NOTE => self.note(path, text.clone()),
            Node::Int(number) => self.note(path, number.to_string()),
            Node::Container(_, items) => {
                for (index, item) in items.iter().enumerate() {
                    self.follow(*item, &joined(path, &index.to_string())?, context)?;
                }
            }
            Node::Object(object) => {
                let state = object.state.map(|state| {
                    // With `__slots__`: (attributes, slots).
                    let pair = objects.items(state).and_then(|pair| pair.first());
                    pair.copied().unwrap_or(state)
                });
                if let Some(entries) = state.and_then(|state| objects.entries(state)) {
                    self.note_dictionary(path, context);
                    return self.follow_entries(entries, path);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn follow_entries(
        &mut self,
        entries: Vec<(Place, Place)>,
        path: &str,
    ) -> Result<(), Objection> {
        let mut seen = BTreeMap::new();
        for (key, value) in entries {
            // Weights are only found under keys that are names.
            if let Some(key) = self.objects.key(key) {
                seen.insert(key, value);
            }
        }
        for (key, value) in seen {
            self.follow(value, &joined(path, &key)?, Context::Dictionary)?;
        }
        Ok(())
    }

    /// The entries of the module's `state_dict()`: parameters, saved buffers, and the entries of its
    /// children.
    fn follow_module(&mut self, tables: &Tables, path: &str) -> Result<(), Objection> {
        for entry in &tables.entries {
            let (name, value) = (&entry.0, entry.1);
            self.follow(value, &joined(path, name)?, Context::Module)?;
        }
        Ok(())
    }

    fn keep(&mut self, path: &str, view: View) -> Result<(), Objection> {
        if self.found.tensors.insert(path.to_owned(), view).is_some() {
            return Err(Objection::Damaged(format!(
                "it holds two tensors named '{path}'"
            )));
        }
        Ok(())
    }

    fn note(&mut self, path: &str, text: String) {
        if self.open.len() <= NOTE_DEPTH + 1 && self.found.notes.len() < NOTES {
            self.found.notes.insert(path.to_owned(), text);
        }
    }

    fn note_dictionary(&mut self, path: &str, context: Context) {
        if !path.is_empty() && context == Context::Dictionary {
            self.found.dictionaries.insert(path.to_owned());
        }
    }
}

fn refused(path: &str, error: Unreadable) -> Objection {
    match error {
        Unreadable::Damaged(reason) => Objection::Damaged(format!("'{path}': {reason}")),
        Unreadable::Element(element) => Objection::Element {
            tensor: match path {
                "" => "a tensor".to_owned(),
                path => format!("tensor '{path}'"),
            },
            element,
        },
        Unreadable::Dimensions(count) => inspection::too_many_dimensions(path, count),
        Unreadable::Alone => Objection::Alone,
    }
}

/// `path.key`.
fn joined(path: &str, key: &str) -> Result<String, Objection> {
    if path.len() + key.len() >= LONGEST_NAME {
        let claim = format!("it has a name that is longer than {LONGEST_NAME} bytes");
        return Err(Objection::Excessive(claim));
    }
    Ok(match path {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    })
}

/// Entries of a module.
struct Tables {
    entries: Vec<(String, Place)>,
}

/// The tables of a pickled `torch.nn.Module`. Its class is ignored, because a model is pickled under its own
/// class (`__main__.Net`).
fn module(objects: &Objects, place: Place) -> Option<Tables> {
    let Node::Object(object) = objects.node(place) else {
        return None;
    };
    let attributes = objects.entries(object.state?)?;
    let attribute = |name: &str| {
        let mut attributes = attributes.iter();
        let found = attributes.find(|(key, _)| objects.text(*key) == Some(name));
        found.map(|(_, value)| *value)
    };
    let mut tables = Vec::new();
    for name in TABLES {
        tables.push((name, objects.entries(attribute(name)?)?));
    }
    let transient = attribute("_non_persistent_buffers_set");
    let transient = transient.map(|set| set_items(objects, set));
    let transient = transient.unwrap_or_default();
    let mut entries = Vec::new();
    for (table, all) in tables {
        for (key, value) in all {
            let Some(key) = objects.key(key) else {
                continue;
            };
            let is_transient = table == "_buffers" && transient.contains(&key);
            if !is_transient && !matches!(objects.node(value), Node::None) {
                entries.push((key, value));
            }
        }
    }
    Some(Tables { entries })
}

/// The texts of a set, stored as a set or as `set([…])`.
fn set_items(objects: &Objects, set: Place) -> BTreeSet<String> {
    let items = objects.items(set).or_else(|| match objects.node(set) {
        Node::Object(object) => objects.items(*objects.items(object.arguments)?.first()?),
        _ => None,
    });
    let items = items.unwrap_or_default().iter();
    items.filter_map(|item| objects.key(*item)).collect()
}
