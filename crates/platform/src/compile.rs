//! From a definition as written to one that can be used: patterns compiled, references resolved,
//! examples run. Every error names the line.

use crate::Redactor;
use crate::definition::{
    Channel, Context as ContextText, Definition, Detect as DetectText, Enable as EnableText, FactRule,
    LineEnd, PartDefinition, SecretRule, Ssh, Text,
};
use crate::finder::{Finder, GENERAL, Rules, each_span};
use crate::platform::{Context, Detect, Dialog, Enable, Exec, Fact, Mode, Part, Platform};
use netraven_model::{Facts, Hash256, PartKind, Span};
use regex::bytes::{Regex, RegexBuilder};
use std::sync::Arc;
use std::time::Duration;

/// A compiled pattern may take this many bytes; enough for any sensible one.
const PATTERN_SIZE: usize = 1 << 20;

/// Stands for the name of a context in commands.
pub(crate) const CONTEXT: &str = "{context}";

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
    let modes = required(definition.modes, "modes")?
        .iter()
        .map(|(name, mode)| Ok(Mode { name: name.clone(), prompt: line_pattern(&mode.prompt)? }))
        .collect::<Result<Vec<_>, Problem>>()?;
    if modes.is_empty() {
        return Err((0, "modes: expected at least one mode with its prompt".to_owned()));
    }
    let contexts = definition.contexts.unwrap_or_default();
    let contexts = contexts.into_iter().map(compile_context).collect::<Result<Vec<_>, Problem>>()?;
    let parts = required(definition.parts, "parts")?.into_iter();
    let parts = parts.map(|part| compile_part(part, &contexts)).collect::<Result<Vec<_>, Problem>>()?;
    if parts.is_empty() {
        return Err((0, "parts: expected at least one".to_owned()));
    }
    definition.secrets.iter().try_for_each(check_secret)?;
    patterns(&definition.volatile)?;
    let secrets = definition.secrets.iter().map(|rule| rule.pattern.value.as_str());
    let secrets = rules(secrets.chain(GENERAL.iter().copied()), "secret")?;
    let volatile = rules(definition.volatile.iter().map(|text| text.value.as_str()), "volatile")?;
    let facts = compile_facts(&definition.facts.unwrap_or_default(), &parts)?;
    let login = definition.login.unwrap_or_default();
    let dialogs = login.dialogs.into_iter();
    let prepare = definition.prepare.unwrap_or_default().into_iter();
    let ssh = definition.ssh.unwrap_or_default();
    Ok(Platform {
        exec: compile_ssh(ssh, &parts)?,
        secret_rules: definition.secrets.len(),
        secret_examples: definition.secrets.iter().map(|rule| rule.hide.len() + rule.keep.len()).sum(),
        detect: definition.detect.map(compile_detect).transpose()?.unwrap_or_default(),
        enable: definition.enable.map(|enable| compile_enable(enable, &modes)).transpose()?,
        dialogs: dialogs.map(|d| dialog(&d.expect, d.send)).collect::<Result<Vec<_>, Problem>>()?,
        pager: definition.pager.map(|p| dialog(&p.pattern, p.send)).transpose()?,
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
        logout: required(definition.logout, "logout")?,
        finder: Finder::new(secrets, volatile),
        redactor,
        modes,
        contexts,
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
    text.defined.line()
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
    Ok(Enable {
        from: find(&enable.from)?,
        to: find(&enable.to)?,
        password_prompt: line_pattern(&enable.password_prompt)?,
        command: enable.command,
    })
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
    let unproven = |part: &Part| ssh.end.is_none() && part.end.is_none() && part.kind == PartKind::Config;
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

fn compile_part(part: PartDefinition, contexts: &[Context]) -> Result<Part, Problem> {
    if part.timeout_seconds == Some(0) {
        return Err((
            line(&part.name),
            format!("part '{}': timeout_seconds must be above 0", part.name.value),
        ));
    }
    let mut commands = vec![part.command];
    commands.extend(part.alternatives);
    let at = line(&part.name);
    commands.iter().try_for_each(|command| one_command(command, at, &part.name.value))?;
    let for_each = part.for_each.as_ref().map(|wanted| {
        let found = contexts.iter().position(|context| context.name == wanted.value);
        found.ok_or_else(|| (line(wanted), format!("for_each: no context '{}'", wanted.value)))
    });
    Ok(Part {
        for_each: for_each.transpose()?,
        end: part.end.as_ref().map(line_pattern).transpose()?,
        name: part.name.value,
        commands,
        kind: part.kind,
        optional: part.optional,
        balanced_braces: part.balanced_braces,
        timeout: part.timeout_seconds.map(Duration::from_secs),
        keep_refusal: false,
    })
}

fn rules<'a>(patterns: impl Iterator<Item = &'a str>, group: &'static str) -> Result<Rules, Problem> {
    let patterns: Vec<&str> = patterns.collect();
    Rules::new(&patterns, group, PATTERN_SIZE).map_err(|error| (0, format!("{group} patterns: {error}")))
}

/// Compiles a rule on its own and runs its examples.
fn check_secret(rule: &SecretRule) -> Result<(), Problem> {
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

fn compile_facts(rules: &crate::definition::FactRules, parts: &[Part]) -> Result<Vec<Fact>, Problem> {
    type Slot = fn(&mut Facts) -> &mut Option<String>;
    let slots: [(&[FactRule], Slot); 6] = [
        (&rules.hostname, |facts| &mut facts.hostname),
        (&rules.model, |facts| &mut facts.model),
        (&rules.serial_number, |facts| &mut facts.serial_number),
        (&rules.software_version, |facts| &mut facts.software_version),
        (&rules.changed_by, |facts| &mut facts.changed_by),
        (&rules.changed_at, |facts| &mut facts.changed_at),
    ];
    let mut facts = Vec::new();
    for (rules, slot) in slots {
        for rule in rules {
            let part = parts
                .iter()
                .position(|part| part.name == rule.part.value)
                .ok_or_else(|| (line(&rule.part), format!("facts: no part '{}'", rule.part.value)))?;
            let pattern = pattern(&rule.pattern)?;
            if pattern.captures_len() < 2 {
                return Err((
                    line(&rule.pattern),
                    "facts: the pattern needs a group for the fact".to_owned(),
                ));
            }
            facts.push(Fact { slot, part, pattern });
        }
    }
    Ok(facts)
}
