//! The form of a `platform.yaml`, as it is written. `compile` turns it into a [`crate::Platform`].
//!
//! Unknown fields are errors. Patterns are regular expressions of the `regex` crate over bytes.

use crate::file::FileProtocol;
use crate::http::form::HttpForm;
use crate::one_or_more::OneOrMore;
use crate::rules::Home;
use crate::transports::TransportsForm;
use netraven_model::PartKind;
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A text whose place is remembered: for error messages, and for who asks which rule fired.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    /// What is written.
    pub value: String,
    /// Its line, from 1.
    pub line: u64,
    /// The definition it stands in, which need not be the one that uses it.
    pub home: Option<Arc<Home>>,
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Spanned::<String>::deserialize(deserializer)?;
        Ok(Self { line: text.defined.line(), value: text.value, home: None })
    }
}

/// As written: what `extends` may bring need not be given.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Definition {
    /// Name, as in `device_type`; Netmiko's where Netmiko has one.
    pub name: Text,
    /// The platform that this one is a variant of.
    pub extends: Option<Text>,
    /// What people call the family.
    pub title: String,
    /// Other names under which it is found: other tools' names.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The documents the facts come from.
    pub sources: Vec<String>,
    /// The protocols that the family is spoken to over, the usual one first.
    pub transports: Option<Spanned<TransportsForm>>,
    /// How a device of the family is recognised.
    pub detect: Option<Detect>,
    /// What starts a comment line in the configuration language.
    pub comment: Option<String>,
    /// The line before a part where several are shown as one text: `{part}`, `{context}` and `{command}` in it.
    pub section: Option<Text>,
    /// Prompts by mode. A group named `host` must read the same at each prompt of a session.
    pub modes: Option<BTreeMap<String, Mode>>,
    pub login: Option<Login>,
    /// What ends a typed line.
    pub line_end: Option<LineEnd>,
    /// How commands are asked over SSH.
    pub ssh: Option<Ssh>,
    /// The way from where a login lands to where commands are given, step by step.
    pub enable: Option<OneOrMore<Enable>>,
    /// Commands that set up the terminal; a refusal of one is not an error.
    pub prepare: Option<Vec<Text>>,
    pub pager: Option<OneOrMore<Pager>>,
    /// Answers that mean a command was not carried out. Tried on the first lines of an answer.
    #[serde(default)]
    pub rejected: Vec<Text>,
    /// A line of the prompt above the one that is matched (Junos: `{master:0}`).
    pub prompt_prefix: Option<Text>,
    /// Parts of the device that have a configuration each: VDOMs, virtual systems.
    pub contexts: Option<BTreeMap<String, Context>>,
    pub parts: Option<Vec<PartDefinition>>,
    /// Parts behind those that `extends` brings.
    #[serde(default)]
    pub more_parts: Vec<PartDefinition>,
    /// What changes without meaning: the group `volatile`, or else the whole match.
    #[serde(default)]
    pub volatile: Vec<Text>,
    #[serde(default)]
    pub secrets: Vec<SecretRule>,
    pub facts: Option<FactRules>,
    /// What ends the session politely.
    pub logout: Option<String>,
    /// How the family is spoken to over HTTP.
    pub http: Option<HttpForm>,
}

impl Definition {
    /// Notes in each rule that can fire where it stands, before others inherit it.
    pub(crate) fn settle(&mut self, file: &str) {
        let home = Arc::new(Home { platform: self.name.value.clone(), file: file.to_owned() });
        let pagers = self.pager.iter_mut().flat_map(|pagers| &mut pagers.0).map(|pager| &mut pager.pattern);
        let secrets = self.secrets.iter_mut().map(|secret| &mut secret.pattern);
        let rules = pagers.chain(secrets).chain(&mut self.rejected).chain(&mut self.volatile);
        rules.for_each(|rule| rule.home = Some(home.clone()));
    }

    /// Takes from `base` what is not given here. Rejections, volatile text and secrets are added up, own ones first.
    pub(crate) fn inherit(&mut self, base: &Self) {
        fn take<T: Clone>(own: &mut Option<T>, base: &Option<T>) {
            if own.is_none() {
                own.clone_from(base);
            }
        }
        take(&mut self.transports, &base.transports);
        take(&mut self.comment, &base.comment);
        take(&mut self.section, &base.section);
        take(&mut self.modes, &base.modes);
        take(&mut self.login, &base.login);
        take(&mut self.line_end, &base.line_end);
        take(&mut self.ssh, &base.ssh);
        take(&mut self.enable, &base.enable);
        take(&mut self.prepare, &base.prepare);
        take(&mut self.pager, &base.pager);
        take(&mut self.prompt_prefix, &base.prompt_prefix);
        take(&mut self.contexts, &base.contexts);
        take(&mut self.parts, &base.parts);
        // A variant of a variant has the parts of both.
        self.more_parts.splice(0..0, base.more_parts.iter().cloned());
        take(&mut self.facts, &base.facts);
        take(&mut self.logout, &base.logout);
        take(&mut self.http, &base.http);
        self.rejected.extend(base.rejected.iter().cloned());
        self.volatile.extend(base.volatile.iter().cloned());
        self.secrets.extend(base.secrets.iter().cloned());
    }
}

/// What ends a typed line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LineEnd {
    #[default]
    Lf,
    Cr,
    Crlf,
}

/// Over which channel of SSH commands are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Channel {
    #[default]
    Shell,
    Exec,
}

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Ssh {
    pub channel: Channel,
    /// For `exec`: the command line, `{command}` in it, that makes the device write a last line of its own.
    pub wrap: Option<Text>,
    /// That line.
    pub end: Option<Text>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Detect {
    /// How the family's SSH servers introduce themselves.
    pub ssh_version: Vec<Text>,
    /// A harmless command that every family's devices may be asked.
    pub command: Option<String>,
    /// What in its answer says that it is this family.
    pub answer: Vec<Text>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Context {
    /// The command whose answer names them.
    pub list: Text,
    /// The first group is a name.
    pub pattern: Text,
    /// Commands that lead into one; `{context}` stands for its name.
    pub enter: Vec<Text>,
    /// Commands that lead back.
    #[serde(default)]
    pub leave: Vec<Text>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mode {
    pub prompt: Text,
}

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Login {
    /// For prompts that a banner could be mistaken for: how long the line must stay quiet.
    pub quiet_milliseconds: u64,
    /// The question for the user name, where the device asks once more inside the shell.
    pub username_prompt: Option<Text>,
    /// The question for the password there.
    pub password_prompt: Option<Text>,
    /// Appended to the user name: switches of the login itself (RouterOS).
    pub username_suffix: String,
    /// Questions between login and prompt, with their answers.
    pub dialogs: Vec<Dialog>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dialog {
    pub expect: Text,
    pub send: String,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Enable {
    pub from: Text,
    pub to: Text,
    pub command: String,
    /// The question for the user name, where a server decides who may go on.
    pub username_prompt: Option<Text>,
    /// The question for the password, where there is one.
    pub password_prompt: Option<Text>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pager {
    pub pattern: Text,
    pub send: String,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartDefinition {
    pub name: Text,
    /// With `file`, what makes the file.
    pub command: Option<String>,
    /// Commands to try where the device does not know the first one.
    #[serde(default)]
    pub alternatives: Vec<String>,
    pub kind: PartKind,
    /// Whether a refusal of the command is fine.
    #[serde(default)]
    pub optional: bool,
    /// The kind of context in each of which it is collected.
    pub for_each: Option<Text>,
    /// The last line of a complete answer.
    pub end: Option<Text>,
    /// Whether every `{` at a line's end needs its `}`.
    #[serde(default)]
    pub balanced_braces: bool,
    /// Time limit where the general one is too short.
    pub timeout_seconds: Option<u64>,
    /// The file of the device that is the part.
    pub file: Option<FileForm>,
    /// What makes an archive another one.
    pub compare: Option<Compare>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileForm {
    pub path: Text,
    /// What to try, in order; without it, all there are.
    pub over: Option<Vec<FileProtocol>>,
    /// What removes the file: a command, or several of which the first one that the device takes counts.
    pub cleanup: Option<OneOrMore<String>>,
}

/// When an archive counts as changed. Without this it never does: archives carry time stamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Compare {
    /// When any byte is another one.
    Bytes,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecretRule {
    /// The group `secret` is what is hidden.
    pub pattern: Text,
    /// Lines with the secret between « and »: exactly that must be found.
    pub hide: Vec<Text>,
    /// Lines in which this rule must find nothing.
    #[serde(default)]
    pub keep: Vec<Text>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FactRules {
    pub hostname: Vec<FactRule>,
    pub model: Vec<FactRule>,
    pub serial_number: Vec<FactRule>,
    pub software_version: Vec<FactRule>,
    pub changed_by: Vec<FactRule>,
    pub changed_at: Vec<FactRule>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FactRule {
    /// Name of the part it is found in.
    pub part: Text,
    /// The first group is the fact.
    pub pattern: Text,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::form::{HttpPartForm, PlaceForm, RequestForm};
    use serde::de::DeserializeOwned;
    use serde_json::Value;

    /// The fields that a form knows, as its refusal of another one names them.
    fn fields<T: DeserializeOwned>() -> Vec<String> {
        let Err(error) = serde_json::from_str::<T>(r#"{"no_such_field": 1}"#) else {
            panic!("it was accepted")
        };
        let error = error.to_string();
        let (_, list) = error.split_once("expected").unwrap_or_else(|| panic!("{error}"));
        let mut names: Vec<_> = list.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        names.sort();
        names
    }

    #[test]
    fn the_json_schema_knows_every_field_and_no_other() {
        let schema: Value = serde_json::from_str(include_str!("../../../docs/platform.schema.json")).unwrap();
        let known = |form: &Value| -> Vec<String> {
            form["properties"].as_object().unwrap().keys().cloned().collect()
        };
        assert_eq!(known(&schema), fields::<Definition>());
        for (name, fields) in [
            ("mode", fields::<Mode>()),
            ("login", fields::<Login>()),
            ("ssh", fields::<Ssh>()),
            ("dialog", fields::<Dialog>()),
            ("detect", fields::<Detect>()),
            ("enable", fields::<Enable>()),
            ("pager", fields::<Pager>()),
            ("context", fields::<Context>()),
            ("part", fields::<PartDefinition>()),
            ("file", fields::<FileForm>()),
            ("secret", fields::<SecretRule>()),
            ("facts", fields::<FactRules>()),
            ("fact", fields::<FactRule>()),
            ("http", fields::<HttpForm>()),
            ("http_request", fields::<RequestForm>()),
            ("http_place", fields::<PlaceForm>()),
            ("http_part", fields::<HttpPartForm>()),
        ] {
            assert_eq!(known(&schema["$defs"][name]), fields, "{name}");
        }
    }
}
