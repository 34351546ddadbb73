//! Names that each stand for one thing.

use std::collections::{HashMap, HashSet};

/// Names that are taken.
#[derive(Default)]
pub(crate) struct Names {
    taken: HashSet<String>,
    /// The last number that was tried behind a name.
    numbers: HashMap<String, u64>,
}

impl Names {
    /// This name, or with a number behind it the first that is free. However many ask for one name, each
    /// takes about one step: files may name all their nodes alike.
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
    fn names_that_are_taken_get_numbers_that_are_free() {
        let mut names = Names::default();
        let wanted = ["a", "a_2", "a", "b", "a", "a_2"];
        let found = wanted.map(|name| names.unique(name));
        assert_eq!(found, ["a", "a_2", "a_3", "b", "a_4", "a_2_2"]);
    }

    #[test]
    fn a_hundred_thousand_things_of_one_name_are_told_apart() {
        let mut names = Names::default();
        let mut last = String::new();
        for _ in 0..100_000 {
            last = names.unique("relu");
        }
        assert_eq!(last, "relu_100000");
    }
}
