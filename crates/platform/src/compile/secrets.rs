//! The rules that find secrets, and the lines that prove them.

use super::{Problem, line, pattern};
use crate::definition::{SecretRule, Text};
use crate::finder::each_span;
use netraven_model::Span;
use regex::bytes::Regex;

/// Compiles a rule on its own and runs its examples.
pub(super) fn check_secret(rule: &SecretRule) -> Result<(), Problem> {
    let regex = pattern(&rule.pattern)?;
    if !regex.capture_names().flatten().any(|name| name == "secret") {
        let text = &rule.pattern.value;
        return Err((line(&rule.pattern), format!("secret pattern /{text}/ needs a group (?<secret>...)")));
    }
    for example in &rule.hide {
        let (text, expected) = unmark(example)?;
        let found = find(&regex, text.as_bytes());
        if found != expected {
            let found: Vec<&str> = found.iter().map(|span| text.get(span.range()).unwrap_or("?")).collect();
            return Err((line(example), format!("example '{}': found {found:?} instead", example.value)));
        }
    }
    for example in &rule.keep {
        let text = example.value.as_bytes();
        if let Some(span) = find(&regex, text).first() {
            let found = String::from_utf8_lossy(&text[span.range()]);
            return Err((
                line(example),
                format!("example '{}': found '{found}', expected nothing", example.value),
            ));
        }
    }
    Ok(())
}

fn find(rule: &Regex, text: &[u8]) -> Vec<Span> {
    let mut found = Vec::new();
    each_span(rule, "secret", text, 0, &mut found);
    Span::merge(found)
}

/// An example without its « and », and the spans they marked.
fn unmark(example: &Text) -> Result<(String, Vec<Span>), Problem> {
    let (mut text, mut expected, mut start) = (String::new(), Vec::new(), None);
    for c in example.value.chars() {
        match (c, start) {
            ('«', None) => start = Some(text.len()),
            ('»', Some(from)) => {
                expected.push(Span { start: from, end: text.len() });
                start = None;
            }
            _ => text.push(c),
        }
    }
    if expected.is_empty() || start.is_some() {
        return Err((line(example), format!("example '{}': mark the secret with « and »", example.value)));
    }
    Ok((text, expected))
}
