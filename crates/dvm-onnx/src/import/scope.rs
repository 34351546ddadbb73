//! The values of the names in a graph.

use std::collections::HashMap;

use crate::import::tensor;
use crate::import::{Import, NodeError, Result, Value, invalid};
use crate::proto;

/// The names of a graph, a branch of `If`, or a function.
pub(crate) struct Scope<'a> {
    values: HashMap<String, Value>,
    initializers: HashMap<&'a str, &'a proto::Tensor>,
    /// How many more times each name will be read.
    readings: HashMap<&'a str, usize>,
    /// Whether it cannot read names of the graph around it.
    is_function: bool,
}

/// Arrays of more integers are decoded at each use, because they take sixteen bytes per integer.
const LARGE: usize = 1 << 12;

impl<'a> Scope<'a> {
    /// The names of a function, none yet.
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
    /// If two have the same name.
    pub fn of_graph(graph: &'a proto::Graph) -> Result<Self> {
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

    /// Announces that these names will be read, each as often as it is listed.
    pub fn expect(&mut self, names: Vec<&'a str>) {
        for name in names {
            *self.readings.entry(name).or_default() += 1;
        }
    }

    /// Records that these names were read. A value that is not read again is dropped.
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

    /// Whether an initializer has this name.
    pub fn has_initializer(&self, name: &str) -> bool {
        self.initializers.contains_key(name)
    }

    /// Defines a name.
    ///
    /// # Errors
    /// If it is defined already.
    pub fn define(&mut self, name: &str, value: Value) -> Result<()> {
        let is_new = !self.has_initializer(name) && !self.values.contains_key(name);
        if !is_new {
            return Err(invalid(format!("defines `{name}` a second time")));
        }
        self.values.insert(name.to_owned(), value);
        Ok(())
    }
}

impl Import<'_> {
    /// The value of a name, looked up from the innermost graph outwards.
    ///
    /// # Errors
    /// If no earlier node defines it, or its tensor is damaged.
    pub fn look_up(&mut self, name: &str) -> Result<Value> {
        for place in (0..self.scopes.len()).rev() {
            let scope = &self.scopes[place];
            if let Some(value) = scope.values.get(name) {
                return Ok(value.clone());
            }
            if let Some(&tensor) = scope.initializers.get(name) {
                let cost = tensor::cost(tensor, self.may_be_absent);
                self.graph.check_room(cost)?;
                let mut array = tensor::array(tensor, self.may_be_absent).map_err(|error| {
                    let about = |detail| format!("reads `{name}`, which {detail}");
                    match error {
                        NodeError::Invalid(detail) => NodeError::Invalid(about(detail)),
                        NodeError::Unsupported(detail) => NodeError::Unsupported(about(detail)),
                        NodeError::TooLarge(detail) => NodeError::TooLarge(about(detail)),
                        NodeError::Reported => NodeError::Reported,
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
            "reads `{name}`, but no earlier node computes it"
        )))
    }
}
