//! What must hold over several polls, and for a session that does not run smoothly.

use super::{Check, Finding, broken};
use crate::explain::{changed_lines, difference};
use crate::poll::{Cut, Delivery, Device, Poll, PollError, Shortened, Stored, WHOLE, stored};
use netraven_lab::SourceKind;
use netraven_model::PartKind;

/// Sizes of the pieces that are tried.
const PIECES: [usize; 3] = [1, 7, 100];
/// How many places are tried at which the output ends, of each kind.
const CUTS: usize = 24;
/// What the last byte of a prompt may be.
const PROMPT_ENDS: &[u8] = b"#>$%]:)";
/// So many percent of an answer's lines are left when it loses its end.
const KEPT: [usize; 4] = [25, 45, 65, 85];
/// A day, two hours, three minutes and four seconds: every clock and counter moves.
const LATER_SECONDS: u32 = 93_784;

pub(super) fn check(mut device: Device, first: Poll) -> Vec<Finding> {
    let mut findings = Vec::new();
    pieces(&device, &first, &mut findings);
    cuts(&device, &first, &mut findings);
    lost_ends(&device, &first, &mut findings);
    let before = match stored(first.masked) {
        Ok(before) => before,
        Err(error) => return vec![Finding::new(Check::Secrets, error.to_string())],
    };
    time(&mut device, &before, &mut findings);
    if findings.iter().all(|finding| finding.check != Check::Time) {
        changes(&mut device, before, &mut findings);
    }
    findings
}

fn pieces(device: &Device, first: &Poll, findings: &mut Vec<Finding>) {
    for piece in PIECES {
        match device.poll(Delivery { piece, ..WHOLE }) {
            Ok(poll) if poll.answers == first.answers => {}
            Ok(poll) => {
                let differs = first.answers.iter().zip(&poll.answers).find(|(one, other)| one != other);
                let shown = differs.map(|(one, other)| difference(&lossy(&one.text), &lossy(&other.text)));
                let message = format!("in pieces of {piece} bytes it differs\n{}", shown.unwrap_or_default());
                findings.push(Finding::new(Check::Pieces, message));
            }
            Err(error) => {
                let message = format!("in pieces of {piece} bytes: {}", broken(&error).message);
                findings.push(Finding::new(Check::Pieces, message));
            }
        }
    }
}

/// A session that breaks in the middle, closed or silent, fails; at its very end it may be whole already.
fn cuts(device: &Device, first: &Poll, findings: &mut Vec<Finding>) {
    let whole = first.stream.len();
    let even: Vec<usize> = (0..CUTS).map(|n| n * whole / CUTS).collect();
    let tempting: Vec<usize> = (1..whole).filter(|at| tempts(&first.stream[..*at])).collect();
    let step = (tempting.len() / CUTS).max(1);
    let silent = even.iter().chain(tempting.iter().step_by(step)).map(|&after| (after, false));
    for (after, closes) in silent.chain(even.iter().map(|&after| (after, true))) {
        let poll = device.poll(Delivery { cut: Some(Cut { after, closes }), ..WHOLE });
        if poll.is_ok_and(|poll| poll.answers != first.answers) {
            let ends = if closes { "was closed" } else { "fell silent" };
            let message =
                format!("the session {ends} after {after} of {whole} bytes and counted as complete");
            findings.push(Finding::new(Check::Truncation, message));
        }
    }
}

/// Whether a text ends in what could be taken for a prompt.
fn tempts(text: &[u8]) -> bool {
    let line = text.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let end = line.trim_ascii_end().last();
    end.is_some_and(|byte| PROMPT_ENDS.contains(byte)) && line.len() < 80
}

/// A part of which the platform knows how it ends does not lose its last lines unnoticed. That one place in the middle
/// reads like an end is bad luck; every place is not.
fn lost_ends(device: &Device, first: &Poll, findings: &mut Vec<Finding>) {
    let known = first.answers.iter().filter(|answer| {
        let part = &device.platform.parts[answer.part];
        part.kind == PartKind::Config && part.shows_its_end()
    });
    for answer in known {
        let command = answer.command.as_str();
        let noticed = |kept: &usize| {
            let shortened = Some(Shortened { command, kept: *kept });
            device.poll(Delivery { shortened, ..WHOLE }).is_err()
        };
        if !KEPT.iter().any(noticed) {
            let message = "wherever it was cut off, what was left counted as complete: \
                           check `end` or `balanced_braces`";
            findings.push(Finding::at(Check::Truncation, command, message));
        }
    }
}

/// A later poll of an unchanged device is unchanged, also after somebody saved without a change.
fn time(device: &mut Device, before: &[Stored], findings: &mut Vec<Finding>) {
    use netraven_lab::Clock as _;
    for (seconds, told) in [(60, "a minute later"), (LATER_SECONDS, "a day later")] {
        device.clock.advance_seconds(seconds);
        unchanged(device, before, told, findings);
    }
    device.state.changed_at = device.clock.now();
    unchanged(device, before, "saved again without a change", findings);
}

fn unchanged(device: &Device, before: &[Stored], told: &str, findings: &mut Vec<Finding>) {
    let after = match again(device) {
        Ok(after) => after,
        Err(finding) => return findings.push(Finding { check: Check::Time, ..finding }),
    };
    for (one, other) in before.iter().zip(&after) {
        let (one_text, other_text) = (one.significant(), other.significant());
        let told_already = findings
            .iter()
            .any(|finding| finding.check == Check::Time && finding.command.as_deref() == Some(&one.command));
        if one_text != other_text && !told_already {
            let shown = difference(&one_text, &other_text);
            let message =
                format!("{told} it differs; what changes without meaning belongs to `volatile`\n{shown}");
            findings.push(Finding::at(Check::Time, &one.command, message));
        }
    }
    if before.len() != after.len() {
        let message = format!("{told} there were {} parts instead of {}", after.len(), before.len());
        findings.push(Finding::new(Check::Time, message));
    }
}

/// Each change of the session is seen, and besides its lines nothing differs.
fn changes(device: &mut Device, mut before: Vec<Stored>, findings: &mut Vec<Finding>) {
    use netraven_lab::Clock as _;
    let points = device.session.change_points();
    if points == 0 && device.session.source().kind == SourceKind::Written {
        let message = "expected at least one line in `changes`, so that a change can be seen";
        findings.push(Finding::new(Check::Change, message));
    }
    for point in 0..points {
        let old = device.session.changed_text(&device.personality, device.state, point);
        device.clock.advance_seconds(LATER_SECONDS);
        device.state.revision += 1;
        device.state.changed_at = device.clock.now();
        let new = device.session.changed_text(&device.personality, device.state, point);
        let after = match again(device) {
            Ok(after) => after,
            Err(finding) => return findings.push(Finding { check: Check::Change, ..finding }),
        };
        let limit = (old.lines().count(), new.lines().count());
        let (mut removed, mut added, mut shown) = (0, 0, Vec::new());
        for (one, other) in before.iter().zip(&after) {
            let (one, other) = (one.significant(), other.significant());
            let (less, more) = changed_lines(&one, &other);
            (removed, added) = (removed + less, added + more);
            shown.push(difference(&one, &other));
        }
        let change = format!("the change from {old:?} to {new:?}");
        if removed + added == 0 {
            let message = format!("{change} is not seen; does a rule of `volatile` reach too far?");
            findings.push(Finding::new(Check::Change, message));
        } else if removed > limit.0 || added > limit.1 {
            let message = format!("{change} is not the only difference\n{}", shown.concat());
            findings.push(Finding::new(Check::Change, message));
        }
        before = after;
    }
}

/// What another poll would store.
fn again(device: &Device) -> Result<Vec<Stored>, Finding> {
    let poll = device.poll(WHOLE).map_err(|error| broken(&error))?;
    stored(poll.masked).map_err(|error| broken(&PollError::Seal(error)))
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}
