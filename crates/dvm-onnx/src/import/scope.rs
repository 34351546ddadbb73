//! What the names of a graph stand for.

use std::collections::HashMap;

use super::Import;
use super::site::Value;
use super::tensor;
use super::trouble::{Trouble, invalid};
use crate::proto;

/// The names of a graph, of a branch, or of a function's inside.
pub(crate) struct Scope<'a> {
    values: HashMap<String, Value>,
    initializers: HashMap<&'a str, &'a proto::Tensor>,
    /// How often each name will still be read.
    readings: HashMap<&'a str, usize>,
    /// Whether it sees nothing of what is around it.
    is_function: bool,
}

/// Whole numbers that are not kept once decoded, for they take sixteen times their bytes.
const LARGE: usize = 1 << 12;

impl<'a> Scope<'a> {
    /// The names of a function's inside: nothing yet.
    pub fn of_function() -> Self {
        Self {
            values: HashMap::new(),
            initializers: HashMap::new(),
            readings: HashMap::new(),
            is_function: true,
        }
    }

    /// The names of a graph: its initializers.
    ///
    /// # Errors
    /// Where two have one name.
    pub fn of_graph(graph: &'a proto::Graph) -> Result<Self, Trouble> {
        let mut initializers = HashMap::new();
        for tensor in &graph.initializer {
            if initializers.insert(&tensor.name[..], tensor).is_some() {
                return Err(invalid(format!("defines `{}` twice", tensor.name)));
            }
        }
        Ok(Self {
            values: HashMap::new(),
            initializers,
            readings: HashMap::new(),
            is_function: false,
        })
    }

    /// Says that these names will be read, each as often as it is listed.
    pub fn expect(&mut self, names: Vec<&'a str>) {
        for name in names {
            *self.readings.entry(name).or_default() += 1;
        }
    }

    /// Says that these names were read. What is read no more is given back.
    pub fn finish(&mut self, names: Vec<&str>) {
        for name in names {
            let Some(left) = self.readings.get_mut(name) else {
                continue;
            };
            *left = left.saturating_sub(1);
            if *left == 0
                && let Some(value) = self.values.get_mut(name)
            {
                *value = Value::Unknown;
            }
        }
    }

    /// Whether the name is taken by an initializer.
    pub fn has_initializer(&self, name: &str) -> bool {
        self.initializers.contains_key(name)
    }

    /// Says what a name stands for.
    ///
    /// # Errors
    /// If that was said before.
    pub fn define(&mut self, name: &str, value: Value) -> Result<(), Trouble> {
        let is_new = !self.has_initializer(name) && !self.values.contains_key(name);
        if !is_new {
            return Err(invalid(format!("defines `{name}` a second time")));
        }
        self.values.insert(name.to_owned(), value);
        Ok(())
    }
}

impl Import<'_> {
    /// What a name stands for, seen from the innermost graph.
    ///
    /// # Errors
    /// If nothing before has that name, or its tensor is damaged.
    pub fn look_up(&mut self, name: &str) -> Result<Value, Trouble> {
        for place in (0..self.scopes.len()).rev() {
            let scope = &self.scopes[place];
            if let Some(value) = scope.values.get(name) {
                return Ok(value.clone());
            }
            if let Some(&tensor) = scope.initializers.get(name) {
                let cost = tensor::cost(tensor, self.may_be_absent);
                self.draft.room_for(cost)?;
                let mut array = tensor::array(tensor, self.may_be_absent).map_err(|trouble| {
                    let about = |detail| format!("reads `{name}`, which {detail}");
                    match trouble {
                        Trouble::Invalid(detail) => Trouble::Invalid(about(detail)),
                        Trouble::Unsupported(detail) => Trouble::Unsupported(about(detail)),
                        Trouble::TooLarge(detail) => Trouble::TooLarge(about(detail)),
                        Trouble::Hidden => Trouble::Hidden,
                    }
                })?;
                array.name = Some(name.into());
                let is_whole = array.as_integers().is_ok();
                let value = Value::Constant(array);
                if !is_whole || cost <= LARGE * 16 {
                    self.scopes[place]
                        .values
                        .insert(name.to_owned(), value.clone());
                }
                return Ok(value);
            }
            if scope.is_function {
                break;
            }
        }
        Err(invalid(format!(
            "reads `{name}`, which nothing before it computes"
        )))
    }
}
