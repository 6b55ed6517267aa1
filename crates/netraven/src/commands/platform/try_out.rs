//! `netraven platform try`

use super::rules;
use crate::context::Context;
use crate::error::{CliError, Result};
use clap::Args as ClapArgs;
use netraven_model::Span;
use netraven_platform::{Platform, Platforms};
use netraven_replay::{Event, Step, Transcript};
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub const EXAMPLES: &str = "\
Examples:
  netraven platform try cisco_ios --transcript session.log
  netraven platform try ./acme_os.yaml --transcript session.log --watch
  netraven platform try cisco_ios --transcript - --show

A transcript is what a terminal program saved: prompts, typed commands and answers. Secrets are
never shown. Marks: {~ changes without meaning ~}, {secret, 9 bytes}. Beneath a line stand the
rules that found something in it, with the place where each is written.";

/// How often --watch looks at the files.
const WATCH: Duration = Duration::from_millis(300);
/// A transcript is read whole.
const MAX_TRANSCRIPT: u64 = 64 << 20;
/// Clears the screen and goes to its upper left corner (ECMA-48).
const CLEAR: &[u8] = b"\x1b[2J\x1b[H";

#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Platform by name or alias, or the file of a definition
    name: String,
    /// The transcript; - reads standard input
    #[arg(long, value_name = "FILE")]
    transcript: PathBuf,
    /// Shows it again whenever the definition or the transcript changes
    #[arg(long)]
    watch: bool,
    /// Shows whole answers, not only the lines in which something was found
    #[arg(long)]
    show: bool,
}

/// Shows what the definition makes of the transcript.
pub fn run(args: &Args, context: &Context) -> Result {
    let stdin = args.transcript.as_os_str() == "-";
    if args.watch && stdin {
        return Err(CliError::usage("--watch needs a file, standard input cannot change"));
    }
    if !args.watch {
        return once(args, context);
    }
    let mut seen = None;
    loop {
        let now = stamps(args, context);
        if seen.as_ref() != Some(&now) {
            seen = Some(now);
            context.output.width.map_or(Ok(()), |_| context.output.bytes(CLEAR))?;
            if let Err(error) = once(args, context) {
                if error.message.is_empty() {
                    return Err(error);
                }
                context.output.text(&error.to_string())?;
            }
        }
        std::thread::sleep(WATCH);
    }
}

fn once(args: &Args, context: &Context) -> Result {
    let platform = definition(&args.name, context)?;
    let transcript = Transcript::read(&platform, &bytes(&args.transcript)?);
    context.output.show(|| view(&transcript), || describe(&transcript, args.show))
}

/// When the files were changed last; `None` for one that is not there.
fn stamps(args: &Args, context: &Context) -> Vec<Option<SystemTime>> {
    let changed = |path: &Path| std::fs::metadata(path).and_then(|meta| meta.modified()).ok();
    let mut files = vec![args.transcript.clone()];
    if is_file(&args.name) {
        files.push(PathBuf::from(&args.name));
    } else if let Some(folder) = &context.settings.platforms.dir {
        files.push(folder.join(&args.name).join("platform.yaml"));
        files.push(folder.join(format!("{}.yaml", args.name)));
    }
    files.iter().map(|file| changed(file)).collect()
}

fn is_file(name: &str) -> bool {
    name.contains(std::path::MAIN_SEPARATOR) || name.ends_with(".yaml")
}

fn definition(name: &str, context: &Context) -> Result<Arc<Platform>> {
    if !is_file(name) {
        let name = context.platform(name)?;
        return context
            .platforms()?
            .get(&name)
            .ok_or_else(|| CliError::not_found(format!("no platform '{name}'")));
    }
    let platforms = Platforms::load_with(Some(Path::new(name)), context.redactor()?)?;
    let own = platforms.iter().find(|platform| platform.origin != "shipped");
    own.cloned().ok_or_else(|| CliError::usage(format!("{name}: expected the definition of a platform")))
}

fn bytes(path: &Path) -> Result<Vec<u8>> {
    let failed =
        |error| CliError::usage(format!("{}: the transcript cannot be read: {error}", path.display()));
    let mut bytes = Vec::new();
    let read = match path.as_os_str() == "-" {
        true => std::io::stdin().lock().take(MAX_TRANSCRIPT + 1).read_to_end(&mut bytes),
        false => {
            std::fs::File::open(path).and_then(|file| file.take(MAX_TRANSCRIPT + 1).read_to_end(&mut bytes))
        }
    };
    read.map_err(failed)?;
    if bytes.len() as u64 > MAX_TRANSCRIPT {
        return Err(CliError::usage(format!("{}: more than {MAX_TRANSCRIPT} bytes", path.display())));
    }
    Ok(bytes)
}

fn describe(transcript: &Transcript, show: bool) -> String {
    let mut text = String::new();
    if transcript.greeting > 0 {
        text.push_str(&format!(
            "{:>5}  greeting  {} lines before the first prompt\n",
            1, transcript.greeting
        ));
    }
    for event in &transcript.events {
        let line = event.line();
        match event {
            Event::Pager { rule, .. } => {
                let rule = rules::describe(rule);
                text.push_str(&format!("{line:>5}  pager     answered and removed: {rule}\n"));
            }
            Event::Question { .. } => text.push_str(&format!("{line:>5}  question  answered\n")),
            Event::Prompt(step) => step_text(step, show, &mut text),
        }
    }
    let facts = serde_json::to_value(&transcript.facts).unwrap_or_default();
    for (name, fact) in facts.as_object().into_iter().flatten() {
        if let Some(fact) = fact.as_str() {
            text.push_str(&format!("       fact      {name} = {fact}\n"));
        }
    }
    if !transcript.events.iter().any(|event| matches!(event, Event::Prompt(_))) {
        text.push_str("no prompt was recognised: see `modes`\n");
    }
    text
}

fn step_text(step: &Step, show: bool, text: &mut String) {
    let host = step.host.as_deref().map_or(String::new(), |host| format!(", host {host}"));
    text.push_str(&format!("{:>5}  prompt    mode {}{host}\n", step.line, step.mode));
    if step.command.is_empty() {
        return;
    }
    let part = match (&step.part, &step.rejected) {
        (_, Some(_)) => "rejected".to_owned(),
        (Some(part), _) => format!("part {part}"),
        (None, _) => "brings no part".to_owned(),
    };
    let (secrets, volatile) = (step.secrets.len(), step.volatile.len());
    text.push_str(&format!(
        "       command   {}: {part}, {} bytes, {secrets} secrets, {volatile} volatile\n",
        step.command,
        step.answer.len()
    ));
    if let Some(rule) = &step.rejected {
        text.push_str(&format!("       rejected  {}\n", rules::describe(rule)));
    }
    if let Some(missing) = &step.incomplete {
        text.push_str(&format!("       truncated {missing}\n"));
    }
    for (at, span, line) in marked(step) {
        if show || line.contains(SECRET) || line.contains(OPEN) {
            text.push_str(&format!("{:>5}  | {line}\n", step.line + at));
        }
        let secrets = rules::of_line("secret", span, &step.secret_rules);
        for rule in secrets.iter().chain(&rules::of_line("volatile", span, &step.volatile_rules)) {
            text.push_str(&format!("       {rule}\n"));
        }
    }
}

const SECRET: &str = "{secret, ";
const OPEN: &str = "{~";
const CLOSE: &str = "~}";

/// The lines of the answer with their numbers behind the prompt's and where they stand; secrets are replaced, what is volatile is marked.
fn marked(step: &Step) -> Vec<(usize, Span, String)> {
    let mut lines = Vec::new();
    let mut at = 0;
    for (number, line) in step.answer.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let span = Span { start: at, end: at + line.len() };
        at = span.end;
        lines.push((number + 1, span, mark(step, span)));
    }
    lines
}

fn mark(step: &Step, line: Span) -> String {
    let within = |spans: &[Span]| -> Vec<Span> {
        let cut = |span: &Span| Span { start: span.start.max(line.start), end: span.end.min(line.end) };
        spans.iter().map(cut).filter(|span| span.start < span.end).collect()
    };
    let (secrets, volatile) = (within(&step.secrets), within(&step.volatile));
    // Where something begins or ends; an end stands before a beginning at the same place.
    let mut marks: Vec<(usize, u8, String)> = Vec::new();
    marks.extend(volatile.iter().map(|span| (span.end, 0, CLOSE.to_owned())));
    marks.extend(volatile.iter().map(|span| (span.start, 1, OPEN.to_owned())));
    let secret = |span: &Span| (span.start, 2, format!("{SECRET}{} bytes}}", span.end - span.start));
    marks.extend(secrets.iter().map(secret));
    marks.sort();
    let hidden = |at: usize| secrets.iter().any(|span| span.range().contains(&at));
    let mut shown: Vec<u8> = Vec::new();
    let mut marks = marks.into_iter().peekable();
    for at in line.start..=line.end {
        while let Some((_, _, mark)) = marks.next_if(|(place, _, _)| *place <= at) {
            shown.extend_from_slice(mark.as_bytes());
        }
        if at < line.end && !hidden(at) && step.answer[at] != b'\n' {
            shown.push(step.answer[at]);
        }
    }
    String::from_utf8_lossy(&shown).into_owned()
}

fn view(transcript: &Transcript) -> Value {
    let event = |event: &Event| match event {
        Event::Pager { line, rule } => json!({"event": "pager", "line": line, "rule": rules::view(rule)}),
        Event::Question { line } => json!({"event": "question", "line": line}),
        Event::Prompt(step) => json!({
            "event": "prompt", "line": step.line, "mode": step.mode, "host": step.host, "command": step.command,
            "part": step.part, "rejected": step.rejected.is_some(), "incomplete": step.incomplete,
            "rejected_by": step.rejected.as_deref().map(rules::view), "bytes": step.answer.len(),
            "secrets": rules::spans(&step.secrets, &step.secret_rules),
            "volatile": rules::spans(&step.volatile, &step.volatile_rules),
        }),
    };
    json!({
        "greeting_lines": transcript.greeting, "facts": transcript.facts,
        "events": transcript.events.iter().map(event).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &[u8], show: bool) -> String {
        let platform = Platforms::shipped().unwrap().get("cisco_ios").unwrap();
        describe(&Transcript::read(&platform, text), show)
    }

    const TEXT: &[u8] =
        b"hi\r\nr1#show running-config\r\n! Last configuration change at 10:00 by me\r\nhostname r1\r\n\
        snmp-server community hunter2 RO\r\nend\r\nr1#";

    #[test]
    fn secrets_are_replaced_and_what_changes_is_marked() {
        let text = shown(TEXT, false);
        assert!(text.contains("| snmp-server community {secret, 7 bytes} RO\n"), "{text}");
        assert!(text.contains("| {~! Last configuration change at 10:00 by me~}\n"), "{text}");
        assert!(!text.contains("hunter2") && !text.contains("hostname r1"), "{text}");
        assert!(text.contains("part running-config") && !text.contains("truncated"), "{text}");
        assert!(text.contains("fact      hostname = r1"), "{text}");
    }

    #[test]
    fn the_rules_that_fired_are_named_with_their_place() {
        let text = "r1#show nothing\r\n% Invalid input detected at '^' marker.\r\nr1#show running-config\r\n\
            snmp-server community hunter2 RO\r\n --More-- \x08\x08\x08\x08\x08\x08\x08\x08\x08\x08\
            username x secret 9 $9$abc$def\r\nend\r\nr1#";
        let text = shown(text.as_bytes(), false);
        let named = |what: &str| text.lines().any(|line| line.trim_start().starts_with(what));
        assert!(named("secret    /^"), "{text}");
        assert!(text.contains("/ platforms/cisco_ios/platform.yaml:"), "{text}");
        assert!(text.contains("/ of the general net\n"), "{text}");
        assert!(named("rejected  /"), "{text}");
        assert!(text.contains("pager     answered and removed: /^"), "{text}");
    }

    #[test]
    fn whole_answers_are_shown_without_secrets() {
        let text = shown(TEXT, true);
        assert!(text.contains("| hostname r1\n") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn a_transcript_without_prompts_says_where_to_look() {
        assert!(shown(b"nothing\nhere\n", false).contains("no prompt was recognised: see `modes`"));
    }
}
