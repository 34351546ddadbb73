//! Which pictures methods are compared on.

use std::collections::BTreeMap;
use std::path::Path;

use dvm_attribution::random::Stream;

use crate::Source;

/// A picture to compare methods on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Where it comes from.
    pub source: Source,
    /// The class that it really shows, if that is known.
    pub true_class: Option<String>,
}

impl Compared {
    /// The name for lines that people read.
    pub fn name(&self) -> String {
        let path = self.source.path();
        let name = path.file_name().unwrap_or(path.as_os_str());
        let name = name.to_string_lossy();
        match self.source.slice() {
            Some(slice) => format!("{name}, slice {slice}"),
            None => name.into_owned(),
        }
    }

    /// What pictures are chosen evenly over: the class, or else the folder.
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

/// At most `limit` of the pictures, chosen at random by `seed`, as many of each class as of any other; of
/// pictures whose class is not known, as many of each folder. Fewer of the same seed are the first of more.
/// All of them in the order given if there are no more than `limit`.
pub fn chosen(pictures: Vec<Compared>, limit: usize, seed: u64) -> Vec<Compared> {
    if pictures.len() <= limit {
        return pictures;
    }
    let mut groups: BTreeMap<String, Vec<Compared>> = BTreeMap::new();
    for picture in pictures {
        groups.entry(picture.group()).or_default().push(picture);
    }
    // Which groups have one more than others is chosen, too.
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
    fn classes_have_equally_many_pictures_as_long_as_they_last() {
        let taken = chosen(pictures(&[("a", 50), ("b", 3), ("c", 50)]), 21, 0);
        let counts = ["a", "b", "c"].map(|class| count(&taken, class));
        assert_eq!(counts, [9, 3, 9]);
        let mut distinct: Vec<_> = taken.iter().map(|picture| picture.source.path()).collect();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 21);
    }

    #[test]
    fn the_seed_chooses_and_fewer_are_the_first_of_more() {
        let all = pictures(&[("a", 20), ("b", 20)]);
        let some = |limit, seed| chosen(all.clone(), limit, seed);
        assert_eq!(some(9, 1), some(20, 1)[..9]);
        assert_ne!(some(9, 1), some(9, 2));
        assert_eq!(some(40, 1), all);
    }
}
