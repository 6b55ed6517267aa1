//! What the session says a backup must find.

use super::{Check, Finding};
use crate::explain::closest;
use crate::poll::{Answer, Device, Poll};
use netraven_lab::{Expectation, ExpectedPart};
use netraven_model::{Facts, PartKind, Span};

pub(super) fn check(device: &Device, poll: &Poll) -> Vec<Finding> {
    let expected = device.session.expect(&device.personality, device.state);
    let mut findings = Vec::new();
    for part in &expected.parts {
        let answers: Vec<&Answer> =
            poll.answers.iter().filter(|answer| answer.command == part.command).collect();
        if answers.is_empty() {
            let collected: Vec<_> = poll.answers.iter().map(|a| format!("`{}`", a.command)).collect();
            let message = format!("expected among the parts, which are {}", collected.join(", "));
            findings.push(Finding::at(Check::Parts, &part.command, message));
            continue;
        }
        contains(part, &answers, &mut findings);
        volatile(part, &answers, &mut findings);
    }
    secrets(&expected, poll, &mut findings);
    archives(device, poll, &mut findings);
    facts(&expected.facts, &poll.facts, &mut findings);
    findings
}

fn contains(part: &ExpectedPart, answers: &[&Answer], findings: &mut Vec<Finding>) {
    for wanted in &part.contains {
        let texts: Vec<_> = answers.iter().map(|answer| String::from_utf8_lossy(&answer.text)).collect();
        if texts.iter().any(|text| text.lines().any(|line| line == wanted)) {
            continue;
        }
        let found = match texts.iter().find_map(|text| closest(text, wanted)) {
            Some((at, line)) => format!("closest is line {at}:\n- {wanted}\n+ {line}"),
            None => format!("no line is like it in {} bytes", texts.iter().map(|t| t.len()).sum::<usize>()),
        };
        let message = format!("expected the line {wanted:?}; {found}");
        findings.push(Finding::at(Check::Parts, &part.command, message));
    }
}

fn volatile(part: &ExpectedPart, answers: &[&Answer], findings: &mut Vec<Finding>) {
    for start in &part.volatile {
        let mut lines = answers.iter().flat_map(|answer| lines(answer)).peekable();
        let mut found = None;
        let marked = lines.any(|(line, marked)| {
            let starts = line.starts_with(start.as_bytes());
            if starts {
                found = Some(String::from_utf8_lossy(line).into_owned());
            }
            starts && marked
        });
        if marked {
            continue;
        }
        let message = match found {
            Some(line) => format!("expected to be volatile, but no rule of `volatile` finds it: {line:?}"),
            None => format!("expected a line that begins with {start:?}; there is none"),
        };
        findings.push(Finding::at(Check::Volatile, &part.command, message));
    }
}

/// The lines of an answer, and whether something in each is volatile.
fn lines(answer: &Answer) -> impl Iterator<Item = (&[u8], bool)> {
    let mut at = 0;
    answer.text.split_inclusive(|byte| *byte == b'\n').map(move |line| {
        let span = Span { start: at, end: at + line.len() };
        at = span.end;
        let marked = answer.volatile.iter().any(|found| found.start < span.end && span.start < found.end);
        (line.trim_ascii_end(), marked)
    })
}

fn secrets(expected: &Expectation, poll: &Poll, findings: &mut Vec<Finding>) {
    for secret in &expected.secrets {
        let bytes = secret.as_bytes();
        let holds = |text: &[u8]| text.windows(bytes.len()).any(|window| window == bytes);
        let mut found = false;
        for answer in &poll.answers {
            found |= holds(&answer.text);
            if let Some(line) = in_clear(answer, bytes) {
                let message = format!("the secret {secret:?} would be stored in clear, add a rule: {line:?}");
                findings.push(Finding::at(Check::Secrets, &answer.command, message));
            }
        }
        if !found {
            let message = format!("the expected secret {secret:?} is in no part");
            findings.push(Finding::new(Check::Secrets, message));
        }
        if holds(poll.dialogue.as_bytes()) {
            let line = poll.dialogue.lines().find(|line| line.contains(secret.as_str())).unwrap_or_default();
            let message = format!("the secret {secret:?} would stand in the connection log: {line:?}");
            findings.push(Finding::new(Check::Secrets, message));
        }
    }
}

/// An archive is one secret as a whole: nobody can find those in it.
fn archives(device: &Device, poll: &Poll, findings: &mut Vec<Finding>) {
    for answer in &poll.answers {
        let archive = device.platform.parts[answer.part].kind == PartKind::Binary;
        let whole = [Span { start: 0, end: answer.text.len() }];
        if archive && !answer.text.is_empty() && answer.secrets != whole {
            let message = "bytes of the archive would be stored in clear";
            findings.push(Finding::at(Check::Secrets, &answer.command, message));
        }
    }
}

/// The line in which a part of the secret is outside every span.
fn in_clear(answer: &Answer, secret: &[u8]) -> Option<String> {
    let mut at = 0;
    while let Some(found) = answer.text[at..].windows(secret.len()).position(|window| window == secret) {
        let (start, end) = (at + found, at + found + secret.len());
        if !answer.secrets.iter().any(|span| span.start <= start && end <= span.end) {
            let newline = |byte: &u8| *byte == b'\n';
            let from = answer.text[..start].iter().rposition(newline).map_or(0, |before| before + 1);
            let to = answer.text[end..].iter().position(newline).map_or(answer.text.len(), |to| end + to);
            return Some(String::from_utf8_lossy(&answer.text[from..to]).into_owned());
        }
        at = end;
    }
    None
}

fn facts(expected: &Facts, found: &Facts, findings: &mut Vec<Finding>) {
    let pairs = [
        ("hostname", &expected.hostname, &found.hostname),
        ("model", &expected.model, &found.model),
        ("serial_number", &expected.serial_number, &found.serial_number),
        ("software_version", &expected.software_version, &found.software_version),
        ("changed_by", &expected.changed_by, &found.changed_by),
        ("changed_at", &expected.changed_at, &found.changed_at),
    ];
    for (name, expected, found) in pairs.into_iter().filter(|(_, expected, found)| expected != found) {
        let told = |fact: &Option<String>| fact.as_ref().map_or("nothing".to_owned(), |f| format!("{f:?}"));
        let message = format!("{name}: expected {}, found {}", told(expected), told(found));
        findings.push(Finding::new(Check::Facts, message));
    }
}
