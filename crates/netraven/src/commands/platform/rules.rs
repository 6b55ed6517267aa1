//! The rules that fired, for people and for programs.

use netraven_model::Span;
use netraven_platform::{Fired, Owner, Rule};
use serde_json::{Value, json};

/// A longer pattern is cut: its line in the file has the rest.
const PATTERN: usize = 72;

/// A rule in words: its pattern, whose it is and where it stands.
pub fn describe(rule: &Rule) -> String {
    let mut pattern: String = rule.pattern.chars().take(PATTERN).collect();
    if pattern.len() < rule.pattern.len() {
        pattern.push_str("...");
    }
    match &rule.owner {
        Owner::General => format!("/{pattern}/ of the general net"),
        Owner::Definition { file, line, inherited: false, .. } => format!("/{pattern}/ {file}:{line}"),
        Owner::Definition { platform, file, line, inherited: true } => {
            format!("/{pattern}/ inherited from {platform}, {file}:{line}")
        }
    }
}

/// A rule for programs.
pub fn view(rule: &Rule) -> Value {
    match &rule.owner {
        Owner::General => json!({"pattern": rule.pattern, "owner": "general"}),
        Owner::Definition { platform, inherited, file, line } => json!({
            "pattern": rule.pattern, "owner": if *inherited { "inherited" } else { "own" },
            "platform": platform, "file": file, "line": line,
        }),
    }
}

/// Spans for programs, each with the rules that found something in it.
pub fn spans(spans: &[Span], fired: &[Fired]) -> Vec<Value> {
    let span = |span: &Span| {
        let rules = fired.iter().filter(|(found, _)| found.start < span.end && found.end > span.start);
        let rules: Vec<Value> = rules.map(|(_, rule)| view(rule)).collect();
        json!({"start": span.start, "end": span.end, "rules": rules})
    };
    spans.iter().map(span).collect()
}

/// One line for each rule that found something that begins in a line of an answer; `what` is what it finds.
pub fn of_line(what: &str, line: Span, fired: &[Fired]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    // The list is ordered by where a span begins.
    let first = fired.partition_point(|(span, _)| span.start < line.start);
    for (_, rule) in fired[first..].iter().take_while(|(span, _)| span.start < line.end) {
        let said = format!("{what:<8}  {}", describe(rule));
        if !lines.contains(&said) {
            lines.push(said);
        }
    }
    lines
}
