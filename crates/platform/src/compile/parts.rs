//! The parts of a backup: commands, and files of the device.

use super::{Problem, line, line_pattern, one_command};
use crate::definition::{FileForm, PartDefinition};
use crate::file::{FileProtocol, RemoteFile};
use crate::platform::{Context, Part};
use netraven_model::PartKind;
use std::time::Duration;

/// A longer text is no path.
const MAX_PATH: usize = 1024;

/// The parts of the command line.
pub(super) fn compile_parts(
    parts: impl Iterator<Item = PartDefinition>,
    contexts: &[Context],
) -> Result<Vec<Part>, Problem> {
    let compile = |part: PartDefinition| {
        if part.kind == PartKind::Binary && part.file.is_none() {
            let problem =
                format!("part '{}': no archive comes over a command line, give its `file`", part.name.value);
            return Err((line(&part.name), problem));
        }
        compile_part(part, contexts)
    };
    let parts = parts.map(compile).collect::<Result<Vec<_>, Problem>>()?;
    match parts.is_empty() {
        true => Err((0, "parts: expected at least one".to_owned())),
        false => Ok(parts),
    }
}

pub(super) fn compile_part(part: PartDefinition, contexts: &[Context]) -> Result<Part, Problem> {
    check(&part)?;
    let at = line(&part.name);
    let commands: Vec<String> = part.command.into_iter().chain(part.alternatives).collect();
    commands.iter().try_for_each(|command| one_command(command, at, &part.name.value))?;
    let for_each = part.for_each.as_ref().map(|wanted| {
        let found = contexts.iter().position(|context| context.name == wanted.value);
        found.ok_or_else(|| (line(wanted), format!("for_each: no context '{}'", wanted.value)))
    });
    Ok(Part {
        for_each: for_each.transpose()?,
        end: part.end.as_ref().map(line_pattern).transpose()?,
        file: part.file.map(|file| compile_file(file, &part.name.value)).transpose()?,
        name: part.name.value,
        commands,
        kind: part.kind,
        optional: part.optional,
        balanced_braces: part.balanced_braces,
        timeout: part.timeout_seconds.map(Duration::from_secs),
        compare_bytes: part.compare.is_some(),
        keep_refusal: false,
        requests: Vec::new(),
    })
}

/// What does not fit together.
fn check(part: &PartDefinition) -> Result<(), Problem> {
    let wrong = |what: &str| Err((line(&part.name), format!("part '{}': {what}", part.name.value)));
    if part.timeout_seconds == Some(0) {
        return wrong("timeout_seconds must be above 0");
    }
    if part.command.is_none() && part.file.is_none() {
        return wrong("a command or a file is expected");
    }
    if part.command.is_none() && !part.alternatives.is_empty() {
        return wrong("alternatives are those of a command");
    }
    if part.file.is_some() && part.for_each.is_some() {
        return wrong("files are those of the whole device, they have no `for_each`");
    }
    if part.kind == PartKind::Binary && (part.end.is_some() || part.balanced_braces) {
        return wrong("an archive has no lines");
    }
    if part.kind != PartKind::Binary && part.compare.is_some() {
        return wrong("`compare` is for archives, of a text the volatile lines are left out");
    }
    Ok(())
}

fn compile_file(file: FileForm, of: &str) -> Result<RemoteFile, Problem> {
    let (at, path) = (line(&file.path), file.path.value);
    // It goes into a command of the device: `-` would begin an option there.
    let is_path = !path.trim().is_empty() && !path.starts_with('-') && !path.chars().any(char::is_control);
    if !is_path || path.len() > MAX_PATH {
        return Err((at, format!("'{of}': {path:?} is no path of a file")));
    }
    let over = file.over.unwrap_or_else(|| vec![FileProtocol::Sftp, FileProtocol::Scp]);
    if over.is_empty() {
        return Err((at, format!("'{of}': `over` names nothing to fetch the file with")));
    }
    let cleanup = file.cleanup.map(|commands| commands.0).unwrap_or_default();
    cleanup.iter().try_for_each(|command| one_command(command, at, of))?;
    Ok(RemoteFile { path, over, cleanup })
}
