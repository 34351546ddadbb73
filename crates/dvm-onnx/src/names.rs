//! Unique names.

use std::collections::{HashMap, HashSet};

/// Names in use.
#[derive(Default)]
pub(crate) struct UniqueNames {
    taken: HashSet<String>,
    /// The last number appended to a name.
    numbers: HashMap<String, u64>,
}

impl UniqueNames {
    /// This name, with the next free number appended if it is in use. It takes about one step even if a file gives all its
    /// nodes the same name.
    pub fn unique(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        while self.taken.contains(&name) {
            let number = self.numbers.entry(wanted.to_owned()).or_insert(1);
            *number += 1;
            name = format!("{wanted}_{number}");
        }
        self.taken.insert(name.clone());
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_use_gets_the_next_free_number() {
        let mut names = UniqueNames::default();
        let wanted = ["a", "a_2", "a", "b", "a", "a_2"];
        let found = wanted.map(|name| names.unique(name));
        assert_eq!(found, ["a", "a_2", "a_3", "b", "a_4", "a_2_2"]);
    }

    #[test]
    fn a_hundred_thousand_equal_names_become_unique() {
        let mut names = UniqueNames::default();
        let mut last = String::new();
        for _ in 0..100_000 {
            last = names.unique("relu");
        }
        assert_eq!(last, "relu_100000");
    }
}
