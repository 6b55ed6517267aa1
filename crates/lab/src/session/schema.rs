//! The fields of `session.yaml`, as they are written. `load` resolves them.

use serde::Deserialize;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSession {
    pub(super) platform: String,
    pub(super) hardware: String,
    pub(super) source: Source,
    /// Whether devices of this kind are in a lab that is not told which kinds it shall have.
    #[serde(default)]
    pub(super) fleet: bool,
    pub(super) ssh_version: String,
    pub(super) hostname: Spanned<String>,
    pub(super) login: RawLogin,
    /// Whether the device shows what is typed.
    #[serde(default = "yes")]
    pub(super) echo: bool,
    pub(super) modes: BTreeMap<String, Spanned<String>>,
    pub(super) pager: Option<RawPager>,
    pub(super) error: Spanned<String>,
    pub(super) commands: Vec<RawCommand>,
    #[serde(default)]
    pub(super) files: Vec<RawFile>,
    #[serde(default)]
    pub(super) changes: Vec<RawChange>,
    pub(super) filler: Option<Spanned<String>>,
    pub(super) expect: RawExpect,
}

/// Where a session's texts come from.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Recorded from a device, or written after its documentation.
    pub kind: SourceKind,
    /// The documents, or the device and who made the recording anonymous.
    pub documents: Vec<String>,
}

/// How a session came to be.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// From a real device, secrets and names replaced.
    Recorded,
    /// From documented behaviour, without a device at hand.
    Written,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLogin {
    pub(super) mode: Spanned<String>,
    pub(super) banner: Option<Spanned<String>>,
    pub(super) press: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) questions: Vec<RawQuestion>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawQuestion {
    pub(super) text: Spanned<String>,
    pub(super) answer: Option<String>,
    pub(super) key: Option<char>,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPager {
    pub(super) prompt: String,
    pub(super) later_prompt: Option<String>,
    pub(super) erase: String,
    pub(super) screen: Spanned<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCommand {
    pub(super) command: Spanned<String>,
    pub(super) modes: Option<Vec<Spanned<String>>>,
    pub(super) text: Option<Spanned<String>>,
    pub(super) file: Option<Spanned<String>>,
    pub(super) enter: Option<Spanned<String>>,
    pub(super) password: Option<RawDialog>,
    pub(super) paging: Option<bool>,
    #[serde(default)]
    pub(super) close: bool,
    #[serde(default)]
    pub(super) people_only: bool,
}

/// A file of the device: one of `text`, `file` and `binary`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
    pub(super) path: Spanned<String>,
    pub(super) text: Option<Spanned<String>>,
    pub(super) file: Option<Spanned<String>>,
    pub(super) binary: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDialog {
    pub(super) prompt: String,
    pub(super) tries: Spanned<u8>,
    pub(super) denied: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawChange {
    pub(super) command: Spanned<String>,
    pub(super) line: Spanned<String>,
    pub(super) with: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExpect {
    pub(super) parts: Vec<RawPart>,
    #[serde(default)]
    pub(super) secrets: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) facts: BTreeMap<Fact, Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPart {
    pub(super) command: Spanned<String>,
    pub(super) contains: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) volatile: Vec<Spanned<String>>,
}

/// What a device tells about itself; the fields of `netraven_model::Facts`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fact {
    Hostname,
    Model,
    SerialNumber,
    SoftwareVersion,
    ChangedBy,
    ChangedAt,
}
