//! From a definition as written to one that can be used: patterns compiled, references resolved,
//! examples run. Every error names the line.

mod facts;
mod http;
mod parts;
mod secrets;

use crate::Redactor;
use crate::definition::{
    Channel, Context as ContextText, Definition, Detect as DetectText, Enable as EnableText, LineEnd, Ssh,
    Text,
};
use crate::finder::{Finder, GENERAL, Rules};
use crate::one_or_more::OneOrMore;
use crate::platform::{Context, Detect, Dialog, Enable, Exec, Mode, Part, Platform};
use crate::rules::RuleBook;
use crate::transports::compile_transports;
use facts::compile_facts;
use http::compile_http;
use netraven_model::{Hash256, PartKind};
use parts::{compile_part, compile_parts};
use regex::bytes::{Regex, RegexBuilder};
use secrets::check_secret;
use std::sync::Arc;
use std::time::Duration;

/// A compiled pattern may take this many bytes; enough for any sensible one.
const PATTERN_SIZE: usize = 1 << 20;

/// Stands for the name of a context in commands.
pub(crate) const CONTEXT: &str = "{context}";

/// Stands for a part's name in the line before it.
pub(crate) const PART: &str = "{part}";

/// Stands for the command in what wraps it.
pub(crate) const COMMAND: &str = "{command}";

/// What is wrong, and in which line (0 where the file as a whole is meant).
pub(crate) type Problem = (u64, String);

pub(crate) fn compile(
    definition: Definition,
    digest: Hash256,
    origin: String,
    redactor: Arc<Redactor>,
) -> Result<Platform, Problem> {
    check_name(&definition.name)?;
    let book = RuleBook::of(&definition);
    let modes = required(definition.modes, "modes")?
        .iter()
        .map(|(name, mode)| Ok(Mode { name: name.clone(), prompt: line_pattern(&mode.prompt)? }))
        .collect::<Result<Vec<_>, Problem>>()?;
    if modes.is_empty() {
        return Err((0, "modes: expected at least one mode with its prompt".to_owned()));
    }
    let contexts = definition.contexts.unwrap_or_default();
    let contexts = contexts.into_iter().map(compile_context).collect::<Result<Vec<_>, Problem>>()?;
    let parts = required(definition.parts, "parts")?.into_iter().chain(definition.more_parts);
    let parts = compile_parts(parts, &contexts)?;
    definition.secrets.iter().try_for_each(check_secret)?;
    patterns(&definition.volatile)?;
    let secrets = definition.secrets.iter().map(|rule| rule.pattern.value.as_str());
    let secrets = rules(secrets.chain(GENERAL.iter().copied()), "secret")?;
    let volatile = rules(definition.volatile.iter().map(|text| text.value.as_str()), "volatile")?;
    let http = definition.http.map(|http| compile_http(http, &parts)).transpose()?;
    let transports = compile_transports(definition.transports, http.as_ref())?;
    let all_parts: Vec<&Part> = parts.iter().chain(http.iter().flat_map(|http| http.parts.iter())).collect();
    let facts = compile_facts(&definition.facts.unwrap_or_default(), &all_parts)?;
    let login = definition.login.unwrap_or_default();
    let dialogs = login.dialogs.into_iter();
    let prepare = definition.prepare.unwrap_or_default().into_iter();
    let ssh = definition.ssh.unwrap_or_default();
    Ok(Platform {
        exec: compile_ssh(ssh, &parts)?,
        secret_rules: definition.secrets.len(),
        secret_examples: definition.secrets.iter().map(|rule| rule.hide.len() + rule.keep.len()).sum(),
        detect: definition.detect.map(compile_detect).transpose()?.unwrap_or_default(),
        enable: compile_all(definition.enable, |enable| compile_enable(enable, &modes))?,
        dialogs: dialogs.map(|d| dialog(&d.expect, d.send)).collect::<Result<Vec<_>, Problem>>()?,
        pagers: compile_all(definition.pager, |pager| dialog(&pager.pattern, pager.send))?,
        rules: book,
        rejected: patterns(&definition.rejected)?,
        prompt_prefix: definition.prompt_prefix.as_ref().map(line_pattern).transpose()?,
        login_quiet: Duration::from_millis(login.quiet_milliseconds),
        username_prompt: login.username_prompt.as_ref().map(line_pattern).transpose()?,
        password_prompt: login.password_prompt.as_ref().map(line_pattern).transpose()?,
        username_suffix: login.username_suffix,
        line_end: match definition.line_end.unwrap_or_default() {
            LineEnd::Lf => "\n",
            LineEnd::Cr => "\r",
            LineEnd::Crlf => "\r\n",
        },
        prepare: prepare.map(|text| text.value).collect(),
        name: definition.name.value,
        title: definition.title,
        aliases: definition.aliases,
        sources: definition.sources,
        comment: required(definition.comment, "comment")?,
        section: definition.section.map(compile_section).transpose()?,
        logout: required(definition.logout, "logout")?,
        finder: Finder::new(secrets, volatile),
        redactor,
        modes,
        contexts,
        transports,
        http,
        parts: parts.into(),
        facts,
        digest,
        origin,
    })
}

/// What neither the definition nor the one it extends has.
fn required<T>(value: Option<T>, field: &str) -> Result<T, Problem> {
    value.ok_or_else(|| (0, format!("{field}: expected, and not inherited through `extends` either")))
}

fn line(text: &Text) -> u64 {
    text.line
}

fn check_name(name: &Text) -> Result<(), Problem> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    match !name.value.is_empty() && name.value.chars().all(allowed) {
        true => Ok(()),
        false => Err((line(name), format!("name: '{}' may only have a-z, 0-9 and _", name.value))),
    }
}

/// For texts of several lines: `^` and `$` match at each line.
fn pattern(text: &Text) -> Result<Regex, Problem> {
    build(text, true)
}

/// For a single line.
fn line_pattern(text: &Text) -> Result<Regex, Problem> {
    build(text, false)
}

fn build(text: &Text, multi_line: bool) -> Result<Regex, Problem> {
    // Devices send bytes, not always UTF-8; without Unicode's classes patterns are small and quick.
    let mut builder = RegexBuilder::new(&text.value);
    let regex = builder.unicode(false).multi_line(multi_line).size_limit(PATTERN_SIZE).build();
    let regex = regex.map_err(|error| (line(text), format!("pattern /{}/: {error}", text.value)))?;
    match regex.is_match(b"") {
        true => Err((line(text), format!("pattern /{}/ matches an empty text, it must not", text.value))),
        false => Ok(regex),
    }
}

fn patterns(texts: &[Text]) -> Result<Vec<Regex>, Problem> {
    texts.iter().map(pattern).collect()
}

fn dialog(expect: &Text, send: String) -> Result<Dialog, Problem> {
    Ok(Dialog { expect: line_pattern(expect)?, send })
}

fn compile_enable(enable: EnableText, modes: &[Mode]) -> Result<Enable, Problem> {
    let find = |name: &Text| {
        let names = || modes.iter().map(|mode| mode.name.as_str()).collect::<Vec<_>>().join(", ");
        modes
            .iter()
            .position(|mode| mode.name == name.value)
            .ok_or_else(|| (line(name), format!("enable: no mode '{}' (there are: {})", name.value, names())))
    };
    if let Some(name) = enable.username_prompt.as_ref().filter(|_| enable.password_prompt.is_none()) {
        return Err((
            line(name),
            "enable: `username_prompt` needs the `password_prompt` behind it".to_owned(),
        ));
    }
    if enable.from.value == enable.to.value {
        return Err((
            line(&enable.to),
            format!("enable: a step from '{0}' to '{0}' leads nowhere", enable.to.value),
        ));
    }
    one_command(&enable.command, line(&enable.from), "enable")?;
    Ok(Enable {
        from: find(&enable.from)?,
        to: find(&enable.to)?,
        username_prompt: enable.username_prompt.as_ref().map(line_pattern).transpose()?,
        password_prompt: enable.password_prompt.as_ref().map(line_pattern).transpose()?,
        command: enable.command,
    })
}

/// What takes one or several, compiled one by one; nothing where the field is not given.
fn compile_all<T, U>(
    field: Option<OneOrMore<T>>,
    compile: impl FnMut(T) -> Result<U, Problem>,
) -> Result<Vec<U>, Problem> {
    field.into_iter().flatten().map(compile).collect()
}

/// A line that names no part would say nothing.
fn compile_section(section: Text) -> Result<String, Problem> {
    let problem = match &section.value {
        text if text.contains(['\r', '\n']) => "is more than one line",
        text if !text.contains(PART) => "has no {part} in it",
        _ => return Ok(section.value),
    };
    Err((section.line, format!("section: {:?} {problem}", section.value)))
}

fn compile_detect(detect: DetectText) -> Result<Detect, Problem> {
    if detect.command.is_some() == detect.answer.is_empty() {
        return Err((
            0,
            "detect: a command needs patterns for its answer, and the other way round".to_owned(),
        ));
    }
    let ssh_version = detect.ssh_version.iter().map(line_pattern).collect::<Result<_, _>>()?;
    Ok(Detect { ssh_version, command: detect.command, answer: patterns(&detect.answer)? })
}

/// An answer over the exec channel ends with the channel, which some devices close too early: without a proof of its end it
/// would be stored cut.
fn compile_ssh(ssh: Ssh, parts: &[Part]) -> Result<Option<Exec>, Problem> {
    if ssh.channel == Channel::Shell {
        return match ssh.wrap.or(ssh.end) {
            Some(text) => Err((line(&text), "ssh: `wrap` and `end` belong to `channel: exec`".to_owned())),
            None => Ok(None),
        };
    }
    if ssh.wrap.is_some() != ssh.end.is_some() {
        return Err((
            0,
            "ssh: `wrap` needs the `end` that it makes the device write, and the other way round".to_owned(),
        ));
    }
    if let Some(wrap) = ssh.wrap.as_ref().filter(|wrap| !wrap.value.contains(COMMAND)) {
        return Err((line(wrap), format!("ssh: `wrap` has no {COMMAND} in it")));
    }
    // Braces are balanced at every end of a block, too.
    let unproven = |part: &Part| {
        let config = part.kind == PartKind::Config && part.file.is_none();
        config && ssh.end.is_none() && part.end.is_none()
    };
    let wrong = parts.iter().find(|part| part.for_each.is_some() || unproven(part));
    if let Some(part) = wrong {
        let needs = "over `channel: exec` a configuration must show its end (`end`, or `wrap` and `end` of `ssh`), and have no contexts";
        return Err((0, format!("ssh: part '{}': {needs}", part.name)));
    }
    Ok(Some(Exec {
        wrap: ssh.wrap.map(|wrap| wrap.value),
        end: ssh.end.as_ref().map(line_pattern).transpose()?,
    }))
}

fn compile_context((name, context): (String, ContextText)) -> Result<Context, Problem> {
    let regex = pattern(&context.pattern)?;
    if regex.captures_len() < 2 {
        let problem = format!("contexts: the pattern of '{name}' needs a group for a context's name");
        return Err((line(&context.pattern), problem));
    }
    if !context.enter.iter().any(|command| command.value.contains(CONTEXT)) {
        let problem = format!("contexts: no command that enters a '{name}' has {CONTEXT} in it");
        return Err((line(&context.list), problem));
    }
    let commands = context.enter.iter().chain(&context.leave).chain([&context.list]);
    commands.into_iter().try_for_each(|command| one_command(&command.value, line(command), &name))?;
    let texts = |texts: Vec<Text>| texts.into_iter().map(|text| text.value).collect();
    let (enter, leave) = (texts(context.enter), texts(context.leave));
    Ok(Context { name, list: context.list.value, pattern: regex, enter, leave })
}

fn one_command(command: &str, line: u64, of: &str) -> Result<(), Problem> {
    match command.trim().is_empty() || command.contains(['\r', '\n']) {
        true => Err((line, format!("'{of}': {command:?} is not one command"))),
        false => Ok(()),
    }
}

fn rules<'a>(patterns: impl Iterator<Item = &'a str>, group: &'static str) -> Result<Rules, Problem> {
    let patterns: Vec<&str> = patterns.collect();
    Rules::new(&patterns, group, PATTERN_SIZE).map_err(|error| (0, format!("{group} patterns: {error}")))
}
