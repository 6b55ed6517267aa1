//! PostgreSQL's `text` and `jsonb` take no NUL character; what devices send may hold some.

use serde_json::Value;
use std::borrow::Cow;

/// The text with each NUL replaced by U+FFFD.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// Like [`clean`], for an optional value.
pub(crate) fn clean_option(text: &Option<String>) -> Option<String> {
    text.as_deref().map(|text| clean(text).into_owned())
}

/// The value with each NUL in its strings and keys replaced by U+FFFD.
pub(crate) fn clean_json(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(clean(&text).into_owned()),
        Value::Array(items) => items.into_iter().map(clean_json).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(key, value)| (clean(&key).into_owned(), clean_json(value))).collect()
        }
        other => other,
    }
}

/// The pattern for `ILIKE` that finds the text anywhere, with the text's own wildcards taken literally.
pub(crate) fn contains_pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in clean(text).chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nul_is_replaced_wherever_it_hides() {
        assert_eq!(clean("a\0b"), "a\u{fffd}b");
        assert_eq!(
            clean_json(json!({"k\0": ["\0", 1, {"x": "a\0"}]})),
            json!({"k\u{fffd}": ["\u{fffd}", 1, {"x": "a\u{fffd}"}]})
        );
    }

    #[test]
    fn wildcards_in_a_search_text_are_literal() {
        assert_eq!(contains_pattern(r"50%_a\b"), r"%50\%\_a\\b%");
    }
}
