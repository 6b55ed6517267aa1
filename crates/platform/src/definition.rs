//! The form of a `platform.yaml`, as it is written. `compile` turns it into a [`crate::Platform`].
//!
//! Unknown fields are errors. Patterns are regular expressions of the `regex` crate over bytes.

use netraven_model::PartKind;
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

/// A text whose line is remembered for error messages.
pub(crate) type Text = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Definition {
    /// Name, as in `device_type`; Netmiko's where Netmiko has one.
    pub name: Text,
    /// What people call the family.
    pub title: String,
    /// Other names under which it is found: other tools' names.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The documents the facts come from.
    pub sources: Vec<String>,
    /// What starts a comment line in the configuration language.
    pub comment: String,
    /// Prompts by mode. A group named `host` must read the same at each prompt of a session.
    pub modes: BTreeMap<String, Mode>,
    #[serde(default)]
    pub login: Login,
    pub enable: Option<Enable>,
    /// Commands that set up the terminal; a refusal of one is not an error.
    #[serde(default)]
    pub prepare: Vec<Text>,
    pub pager: Option<Pager>,
    /// Answers that mean a command was not carried out. Tried on the first lines of an answer.
    #[serde(default)]
    pub rejected: Vec<Text>,
    /// A line of the prompt above the one that is matched (Junos: `{master:0}`).
    pub prompt_prefix: Option<Text>,
    pub parts: Vec<PartDefinition>,
    /// What changes without meaning: the group `volatile`, or else the whole match.
    #[serde(default)]
    pub volatile: Vec<Text>,
    #[serde(default)]
    pub secrets: Vec<SecretRule>,
    #[serde(default)]
    pub facts: FactRules,
    /// What ends the session politely.
    pub logout: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mode {
    pub prompt: Text,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Login {
    /// For prompts that a banner could be mistaken for: how long the line must stay quiet.
    pub quiet_milliseconds: u64,
    /// Questions between login and prompt, with their answers.
    pub dialogs: Vec<Dialog>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dialog {
    pub expect: Text,
    pub send: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Enable {
    pub from: Text,
    pub to: Text,
    pub command: String,
    pub password_prompt: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pager {
    pub pattern: Text,
    pub send: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartDefinition {
    pub name: Text,
    pub command: String,
    /// Commands to try where the device does not know the first one.
    #[serde(default)]
    pub alternatives: Vec<String>,
    pub kind: PartKind,
    /// Whether a refusal of the command is fine.
    #[serde(default)]
    pub optional: bool,
    /// The last line of a complete answer.
    pub end: Option<Text>,
    /// Whether every `{` at a line's end needs its `}`.
    #[serde(default)]
    pub balanced_braces: bool,
    /// Time limit where the general one is too short.
    pub timeout_seconds: Option<u64>,
}

#[derive(Deserialize)]
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

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FactRules {
    pub hostname: Vec<FactRule>,
    pub model: Vec<FactRule>,
    pub serial_number: Vec<FactRule>,
    pub software_version: Vec<FactRule>,
    pub changed_by: Vec<FactRule>,
    pub changed_at: Vec<FactRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FactRule {
    /// Name of the part it is found in.
    pub part: Text,
    /// The first group is the fact.
    pub pattern: Text,
}
