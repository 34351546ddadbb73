//! Class names in a file's metadata, in the formats of various tools.

use std::collections::BTreeMap;

use serde_json::Value;

/// Keys of class names, the most specific first.
const KEYS: [&str; 19] = [
    "dvm.classes",
    "classes",
    "class_names",
    "classnames",
    // Ultralytics
    "names",
    // transformers
    "id2label",
    "idx_to_class",
    "idx2label",
    "index_to_name",
    // PaddleOCR, PaddleClas
    "character",
    "class_id_map",
    "labels",
    "label_names",
    "class_labels",
    "categories",
    // fastai
    "vocab",
    // Indices by name.
    "label2id",
    "class_to_idx",
    "labels_map",
];

/// Keys of JSON objects that contain one of them.
const CONFIGURATIONS: [&str; 3] = ["config", "model_config", "pretrained_cfg"];

/// The class names of `count` classes, if the metadata has them.
pub(crate) fn classes(metadata: &BTreeMap<String, String>, count: usize) -> Option<Vec<String>> {
    let texts = KEYS.iter().filter_map(|&key| metadata.get(key));
    let mut names = texts.filter_map(|text| class_names(text, count));
    names.next().or_else(|| {
        let configurations = CONFIGURATIONS.iter().filter_map(|&key| metadata.get(key));
        let objects = configurations.filter_map(|text| match serde_json::from_str(text) {
            Ok(Value::Object(object)) => Some(object),
            _ => None,
        });
        let found = |object: serde_json::Map<String, Value>| {
            let mut inner = KEYS.iter().filter_map(|&key| object.get(key));
            inner.find_map(|value| from_json(value).filter(|names| names.len() == count))
        };
        objects.filter_map(found).next()
    })
}

/// The names of `count` classes from a text: a JSON list, a JSON object by index or by name, a list or dict in Python's
/// notation (Ultralytics writes `{0: 'cat', 1: 'dog'}`), lines (PaddleOCR), or words separated by commas. `None` if there
/// are more or fewer.
pub fn class_names(text: &str, count: usize) -> Option<Vec<String>> {
    let fits = |names: &Vec<String>| names.len() == count;
    parsed(text).filter(fits).or_else(|| {
        // A single name, perhaps with commas.
        let alone = vec![text.trim().to_owned()];
        Some(alone).filter(|names| fits(names) && is_a_name(&names[0]))
    })
}

fn is_a_name(text: &str) -> bool {
    !text.is_empty() && !text.starts_with(['{', '[', '('])
}

fn parsed(text: &str) -> Option<Vec<String>> {
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        return from_json(&value);
    }
    let trimmed = text.trim();
    if trimmed.starts_with(['{', '[', '(']) {
        return python(trimmed);
    }
    // The last line may end or not. A line with a single space is the name of a space.
    let names: Vec<String> = match trimmed.contains('\n') {
        true => text
            .trim_end_matches(['\n', '\r'])
            .split('\n')
            .map(line)
            .collect(),
        false => trimmed
            .split(',')
            .map(|name| name.trim().to_owned())
            .collect(),
    };
    (names.len() > 1).then_some(names)
}

fn line(line: &str) -> String {
    let line = line.trim_end_matches('\r');
    match line.trim() {
        "" => line.to_owned(),
        name => name.to_owned(),
    }
}

fn from_json(value: &Value) -> Option<Vec<String>> {
    let text = |value: &Value| match value {
        Value::String(name) => Some(name.clone()),
        Value::Number(number) => Some(number.to_string()),
        // Keras' index of ImageNet: a synset and a name.
        Value::Array(names) => names.last()?.as_str().map(str::to_owned),
        _ => None,
    };
    match value {
        Value::Array(names) => names.iter().map(text).collect(),
        Value::Object(names) => {
            let by_index = names
                .iter()
                .map(|(index, name)| Some((index.parse().ok()?, text(name)?)));
            let by_index: Option<BTreeMap<usize, String>> = by_index.collect();
            by_index.and_then(in_order).or_else(|| {
                let by_name = names.iter().map(|(name, index)| {
                    let index = usize::try_from(index.as_u64()?).ok()?;
                    Some((index, name.clone()))
                });
                let by_name: Option<BTreeMap<usize, String>> = by_name.collect();
                in_order(by_name?)
            })
        }
        // One name, or a list as text.
        Value::String(inner) if is_a_name(inner) => Some(vec![inner.clone()]),
        Value::String(inner) => python(inner.trim()),
        _ => None,
    }
}

/// Names by index, if no index is missing.
fn in_order(names: BTreeMap<usize, String>) -> Option<Vec<String>> {
    let is_whole = names.keys().copied().eq(0..names.len());
    is_whole.then(|| names.into_values().collect())
}

/// A list, tuple or dict of names as Python prints it.
fn python(text: &str) -> Option<Vec<String>> {
    let is_dict = text.starts_with('{');
    let inner = text
        .strip_prefix(['{', '[', '('])?
        .strip_suffix(['}', ']', ')'])?;
    let mut rest = inner.trim();
    let mut by_index = BTreeMap::new();
    while !rest.is_empty() {
        let mut index = by_index.len();
        if is_dict {
            let (key, after) = rest.split_once(':')?;
            index = key.trim().trim_matches(['\'', '"']).parse().ok()?;
            rest = after.trim_start();
        }
        let (name, after) = quoted(rest).or_else(|| bare(rest))?;
        by_index.insert(index, name);
        rest = after.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    in_order(by_index)
}

/// A number or a word without quotes, and the rest.
fn bare(text: &str) -> Option<(String, &str)> {
    let end = text
        .find([',', '\'', '"', '{', '[', '(', ':'])
        .unwrap_or(text.len());
    let (name, after) = text.split_at(end);
    let is_end = after.is_empty() || after.starts_with(',');
    (is_end && !name.trim().is_empty()).then(|| (name.trim().to_owned(), after))
}

/// A quoted string, and the rest.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let mut name = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => name.push(characters.next()?.1),
            c if c == quote => return Some((name, &text[at + 1..])),
            c => name.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::parsed;

    fn names(text: &str) -> Vec<String> {
        parsed(text).unwrap()
    }

    #[test]
    fn lists_and_dicts_of_json_and_python_are_read() {
        for text in [
            r#"["cat", "dog's"]"#,
            r#"{"1": "dog's", "0": "cat"}"#,
            r#"{0: 'cat', 1: "dog's"}"#,
            r"['cat', 'dog\'s']",
            "cat\ndog's",
            "cat\r\ndog's\r\n",
            "cat, dog's",
            "{0: cat, 1: \"dog's\"}",
            r#"{"cat": 0, "dog's": 1}"#,
            r#"{"0": ["n02123045", "cat"], "1": ["n02099601", "dog's"]}"#,
        ] {
            assert_eq!(names(text), ["cat", "dog's"], "{text}");
        }
    }

    #[test]
    fn a_list_without_an_index_is_not_a_list_of_classes() {
        assert_eq!(parsed("{0: 'cat', 2: 'dog'}"), None);
        assert_eq!(parsed("{0: 'cat"), None);
        assert_eq!(parsed(r#"{"0": {"cat": 1}}"#), None);
    }

    fn found(entries: &[(&str, &str)], count: usize) -> Option<Vec<String>> {
        let own = |&(key, text): &(&str, &str)| (key.to_owned(), text.to_owned());
        super::classes(&entries.iter().map(own).collect(), count)
    }

    #[test]
    fn the_keys_of_exporters_are_known() {
        let names = Some(vec!["0".to_owned(), "180".to_owned()]);
        assert_eq!(found(&[("character", "0\n180")], 2), names);
        assert_eq!(found(&[("character", "0\n180\n")], 2), names);
        assert_eq!(
            found(&[("id2label", r#"{"0": "0", "1": "180"}"#)], 2),
            names
        );
        assert_eq!(found(&[("names", "{0: 0, 1: 180}")], 2), names);
        assert_eq!(
            found(&[("names", "{0: '0', 1: '180'}"), ("task", "classify")], 2),
            names
        );
        let config = r#"{"model_type": "vit", "id2label": {"0": "0", "1": "180"}}"#;
        assert_eq!(found(&[("config", config)], 2), names);
        assert_eq!(found(&[("author", "0\n180")], 2), None);
    }

    #[test]
    fn the_number_of_names_must_be_the_number_of_classes() {
        assert_eq!(found(&[("character", "0\n180")], 3), None);
        let spaced = found(&[("character", "a\n \nb\n")], 3).unwrap();
        assert_eq!(spaced, ["a", " ", "b"]);
        assert_eq!(found(&[("classes", "owl")], 1).unwrap(), ["owl"]);
    }
}
