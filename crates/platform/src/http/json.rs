//! Finding a value in JSON. A document that is not whole is told from one that is wrong.

use super::place::Problem;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;

/// The value at the pointer: a string's text, anything else laid out in lines.
///
/// The document is read as a whole, so that one without its end is never taken for a complete one.
pub(super) fn find(document: &[u8], pointer: &[String]) -> Result<Vec<u8>, Problem> {
    // Devices put bytes of other encodings into descriptions; JSON itself must be UTF-8 (RFC 8259, section 8.1).
    let text = String::from_utf8_lossy(document);
    let mut value: &RawValue = serde_json::from_str(&text).map_err(problem)?;
    for (depth, step) in pointer.iter().enumerate() {
        let missing = || Problem::Missing(format!("no value at /{}", pointer[..=depth].join("/")));
        value = match value.get().as_bytes().first() {
            Some(b'{') => {
                let members: HashMap<Cow<'_, str>, &RawValue> =
                    serde_json::from_str(value.get()).map_err(problem)?;
                members.get(step.as_str()).copied().ok_or_else(missing)?
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(value.get()).map_err(problem)?;
                let index: usize = step.parse().map_err(|_| missing())?;
                items.get(index).copied().ok_or_else(missing)?
            }
            _ => return Err(missing()),
        };
    }
    match value.get().as_bytes().first() {
        Some(b'"') => Ok(serde_json::from_str::<String>(value.get()).map_err(problem)?.into_bytes()),
        Some(b'n') => Err(Problem::Missing(format!("null at /{}", pointer.join("/")))),
        _ => Ok(lay_out(value.get().as_bytes())),
    }
}

fn problem(error: serde_json::Error) -> Problem {
    let what = format!("at line {} column {}", error.line(), error.column());
    match error.is_eof() {
        true => Problem::Cut(format!("the JSON has no end: it breaks off {what}")),
        false => Problem::Malformed(format!("it is no JSON {what}")),
    }
}

/// One member or item per line, so that versions can be compared by lines; order, numbers and strings stay as the
/// device wrote them.
fn lay_out(value: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(value.len() * 2);
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    let mut bytes = value.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if in_string {
            text.push(byte);
            in_string = byte != b'"' || escaped;
            escaped = byte == b'\\' && !escaped;
            continue;
        }
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b'{' | b'[' => {
                text.push(byte);
                while bytes.next_if(u8::is_ascii_whitespace).is_some() {}
                if let Some(end) = bytes.next_if(|next| matches!(next, b'}' | b']')) {
                    text.push(end);
                } else {
                    depth += 1;
                    new_line(&mut text, depth);
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut text, depth);
                text.push(byte);
            }
            b',' => {
                text.push(byte);
                new_line(&mut text, depth);
            }
            b':' => text.extend(b": "),
            byte => {
                in_string = byte == b'"';
                text.push(byte);
            }
        }
    }
    text.push(b'\n');
    text
}

fn new_line(text: &mut Vec<u8>, depth: usize) {
    text.push(b'\n');
    text.extend(std::iter::repeat_n(b' ', 2 * depth));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(document: &str, pointer: &[&str]) -> Result<String, Problem> {
        let pointer: Vec<String> = pointer.iter().map(|step| (*step).to_owned()).collect();
        find(document.as_bytes(), &pointer).map(|text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn a_string_is_its_text_and_anything_else_is_laid_out_as_the_device_ordered_it() {
        let answer = r#"{"result": [{}, {"output": "a \"b\"\nend\n"}], "z":1.50, "a":[ ]}"#;
        assert_eq!(at(answer, &["result", "1", "output"]).unwrap(), "a \"b\"\nend\n");
        let all = at(answer, &[]).unwrap();
        assert!(all.starts_with("{\n  \"result\": [\n    {},\n    {\n      \"output\": \"a \\\"b"), "{all}");
        assert!(all.ends_with("  \"z\": 1.50,\n  \"a\": []\n}\n"), "{all}");
        assert!(
            matches!(at(answer, &["result", "2", "output"]), Err(Problem::Missing(what)) if what.contains("/result/2"))
        );
        assert!(matches!(at(r#"{"a":null}"#, &["a"]), Err(Problem::Missing(_))));
        assert!(matches!(at("<html>", &[]), Err(Problem::Malformed(_))));
        assert!(matches!(at("{} {}", &[]), Err(Problem::Malformed(_))));
    }

    #[test]
    fn a_document_that_breaks_off_anywhere_is_never_taken_for_a_whole_one() {
        let answer = r#"{"result": [{}, {"output": "a"}], "id": 1}"#;
        for length in 0..answer.len() {
            let found = at(&answer[..length], &["result", "1", "output"]);
            assert!(matches!(found, Err(Problem::Cut(_))), "{length}: {found:?}");
        }
    }

    proptest! {
        #[test]
        fn layout_changes_no_value(text in "[\\[\\]{}\",:0-9a-z\\\\ ]{0,60}") {
            if let Ok(value) = serde_json::from_str::<serde_json::Value>(&text) {
                let shown = lay_out(text.as_bytes());
                prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&shown).unwrap(), value);
            }
        }
    }
}
