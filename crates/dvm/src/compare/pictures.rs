//! The pictures of a comparison.

use std::collections::BTreeMap;
use std::path::Path;

use dvm_attribution::random::Stream;

use crate::Source;

/// A picture of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Its source.
    pub source: Source,
    /// Its true class, if known.
    pub true_class: Option<String>,
}

impl Compared {
    /// Its name for messages.
    pub fn name(&self) -> String {
        let path = self.source.path();
        let name = path.file_name().unwrap_or(path.as_os_str());
        let name = name.to_string_lossy();
        match self.source.slice() {
            Some(slice) => format!("{name}, slice {slice}"),
            None => name.into_owned(),
        }
    }

    /// The group for a balanced choice: the class, or else the folder.
    fn group(&self) -> String {
        match &self.true_class {
            Some(class) => format!("class {class}"),
            None => {
                let folder = self.source.path().parent().unwrap_or(Path::new(""));
                format!("folder {}", folder.display())
            }
        }
    }
}

/// Chooses at most `limit` of the pictures at random, the same number of each class, or of each folder if the
/// class is not known. With the same seed, a smaller choice is the beginning of a larger one. If there are no
/// more than `limit`, returns all in the given order.
pub fn chosen(pictures: Vec<Compared>, limit: usize, seed: u64) -> Vec<Compared> {
    if pictures.len() <= limit {
        return pictures;
    }
    let mut groups: BTreeMap<String, Vec<Compared>> = BTreeMap::new();
    for picture in pictures {
        groups.entry(picture.group()).or_default().push(picture);
    }
    // The groups that get one picture more are also chosen at random.
    let order = Stream::new("order of groups", seed).permutation(groups.len());
    let mut queues: Vec<_> = groups
        .into_iter()
        .map(|(name, group)| {
            let order = Stream::new(&format!("pictures of {name}"), seed).permutation(group.len());
            let mut group: Vec<Option<Compared>> = group.into_iter().map(Some).collect();
            let drawn: Vec<Compared> = order.iter().filter_map(|&i| group[i].take()).collect();
            drawn.into_iter()
        })
        .collect();
    let mut taken = Vec::with_capacity(limit);
    while taken.len() < limit {
        for &group in &order {
            if taken.len() < limit {
                taken.extend(queues[group].next());
            }
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pictures(of_class: &[(&str, usize)]) -> Vec<Compared> {
        let picture = |class: &str, number: usize| Compared {
            source: Source::File(format!("{class}/{number}.png").into()),
            true_class: Some(class.into()),
        };
        of_class
            .iter()
            .flat_map(|&(class, count)| (0..count).map(move |number| picture(class, number)))
            .collect()
    }

    fn count(pictures: &[Compared], class: &str) -> usize {
        let is_of_class = |picture: &&Compared| picture.true_class.as_deref() == Some(class);
        pictures.iter().filter(is_of_class).count()
    }

    #[test]
    fn each_class_has_the_same_number_of_pictures_if_it_has_enough() {
        let taken = chosen(pictures(&[("a", 50), ("b", 3), ("c", 50)]), 21, 0);
        let counts = ["a", "b", "c"].map(|class| count(&taken, class));
        assert_eq!(counts, [9, 3, 9]);
        let mut distinct: Vec<_> = taken.iter().map(|picture| picture.source.path()).collect();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 21);
    }

    #[test]
    fn the_choice_depends_on_the_seed_and_a_smaller_one_begins_a_larger_one() {
        let all = pictures(&[("a", 20), ("b", 20)]);
        let some = |limit, seed| chosen(all.clone(), limit, seed);
        assert_eq!(some(9, 1), some(20, 1)[..9]);
        assert_ne!(some(9, 1), some(9, 2));
        assert_eq!(some(40, 1), all);
    }
}
