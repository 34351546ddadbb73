//! Class names among a file's metadata, in the forms that tools write them.

use std::collections::BTreeMap;

use serde_json::Value;

/// Keys under which class names are found, the most telling first.
const KEYS: [&str; 6] = [
    "dvm.classes",
    "classes",
    "class_names",
    "names",
    "labels",
    "label_names",
];

/// The class names of `count` classes, if the metadata has them, as a JSON list, as a JSON object by
/// index, as a dict in Python's notation (Ultralytics writes `{0: 'cat', 1: 'dog'}`), or as lines or
/// words with commas between them.
pub(crate) fn classes(metadata: &BTreeMap<String, String>, count: usize) -> Option<Vec<String>> {
    let texts = KEYS.iter().filter_map(|&key| metadata.get(key));
    let mut names = texts.filter_map(|text| parsed(text));
    names.find(|names| names.len() == count)
}

fn parsed(text: &str) -> Option<Vec<String>> {
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        return from_json(&value);
    }
    let text = text.trim();
    if text.starts_with(['{', '[', '(']) {
        return python(text);
    }
    let by = if text.contains('\n') { '\n' } else { ',' };
    let names: Vec<String> = text.split(by).map(|name| name.trim().to_owned()).collect();
    (names.len() > 1).then_some(names)
}

fn from_json(value: &Value) -> Option<Vec<String>> {
    let text = |value: &Value| match value {
        Value::String(name) => Some(name.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match value {
        Value::Array(names) => names.iter().map(text).collect(),
        Value::Object(names) => {
            let by_index: Option<BTreeMap<usize, String>> = names
                .iter()
                .map(|(index, name)| Some((index.parse().ok()?, text(name)?)))
                .collect();
            in_order(by_index?)
        }
        _ => None,
    }
}

/// Names by index, if no index is left out.
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
        let (name, after) = quoted(rest)?;
        by_index.insert(index, name);
        rest = after.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    in_order(by_index)
}

/// A string in quotes, and what follows it.
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
            "cat, dog's",
        ] {
            assert_eq!(names(text), ["cat", "dog's"], "{text}");
        }
    }

    #[test]
    fn what_leaves_an_index_out_is_no_list_of_classes() {
        assert_eq!(parsed("{0: 'cat', 2: 'dog'}"), None);
        assert_eq!(parsed("{0: 'cat"), None);
        assert_eq!(parsed(r#"{"0": ["cat"]}"#), None);
    }
}
