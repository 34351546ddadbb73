//! What serde and its TOML reader say of a file, in plain words.

/// The position, the key and the problem of an error, on one line.
pub(crate) fn toml_words(error: &toml::de::Error) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    let position = first
        .strip_prefix("TOML parse error at ")
        .map(str::to_owned);
    let last = text.trim_end().lines().next_back().unwrap_or_default();
    let key = last.strip_prefix("in ").map(str::to_owned);
    let place = position.or(key);
    let problem = serde_words(error.message());
    place.map_or_else(|| problem.clone(), |place| format!("{place}: {problem}"))
}

/// A message of serde in plain words, such as `must be a number, but is the text "big"`.
pub fn serde_words(message: &str) -> String {
    let message = message.trim();
    let wrong = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "));
    if let Some((found, expected)) = wrong.and_then(|rest| rest.split_once(", expected ")) {
        return format!("must be {}, but is {}", valid(expected), value(found));
    }
    if let Some(key) = message.strip_prefix("missing field ") {
        return format!("the key {key} is missing");
    }
    for (kind, plain) in [("field", "key"), ("variant", "value")] {
        if let Some(rest) = message.strip_prefix(&format!("unknown {kind} ")) {
            let rest = rest.replace(", expected one of ", "; choose one of ");
            return format!("unknown {plain} {}", rest.replace(", expected ", "; use "));
        }
    }
    message.to_owned()
}

/// What serde expected.
fn valid(expected: &str) -> String {
    if let Some(count) = expected.strip_prefix("a tuple of size ") {
        return format!("a list of {count} values");
    }
    let words = match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "path string" => "a text",
        "a sequence" => "a list",
        "a map" => "a table",
        _ if expected.starts_with("struct ") => "a table",
        _ => expected,
    };
    words.into()
}

/// What serde found.
fn value(found: &str) -> String {
    match found.split_once(' ') {
        None if found == "map" => "a table".into(),
        None if found == "sequence" => "a list".into(),
        Some(("string", text)) => format!("the text {text}"),
        Some(("integer" | "boolean", value)) => value.trim_matches('`').into(),
        Some(("floating", value)) => value.trim_start_matches("point ").trim_matches('`').into(),
        _ => found.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::serde_words;

    #[test]
    fn messages_are_plain() {
        for (message, words) in [
            (
                "invalid type: integer `3`, expected a tuple of size 2",
                "must be a list of 2 values, but is 3",
            ),
            (
                "invalid type: string \"big\", expected f32",
                "must be a number, but is the text \"big\"",
            ),
            ("missing field `crop`", "the key `crop` is missing"),
            (
                "unknown variant `x`, expected one of `rgb`, `bgr`",
                "unknown value `x`; choose one of `rgb`, `bgr`",
            ),
        ] {
            assert_eq!(serde_words(message), words);
        }
    }
}
