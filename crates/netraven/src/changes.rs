//! Versions of a device's configuration, and what changed between two of them.

use crate::error::{CliError, Result};
use crate::output::diff::{self, Text};
use crate::output::format::time;
use netraven_store::versions::{self, Part, Version, VersionRow, VersionSelector};
use netraven_store::{Store, StoreError, devices};
use serde_json::{Value, json};

/// Two versions of one device, part by part.
#[derive(Debug)]
pub struct Changes {
    device: String,
    from: VersionRow,
    to: VersionRow,
    pairs: Vec<(Text, Text)>,
}

impl Changes {
    /// Reads both versions; without numbers the newest and the one before it.
    pub async fn load(store: &Store, device: &str, from: Option<i64>, to: Option<i64>) -> Result<Self> {
        let new = load(store, device, to.map_or(VersionSelector::Latest, VersionSelector::Seq)).await?;
        let from = from.unwrap_or(new.row.seq - 1);
        if from < 1 {
            let message =
                format!("version {} of {device} is its first, there is none before it", new.row.seq);
            return Err(
                CliError::not_found(message).hint(format!("print it with `netraven config show {device}`"))
            );
        }
        let old = load(store, device, VersionSelector::Seq(from)).await?;
        Ok(Self {
            device: device.to_owned(),
            pairs: diff::pair(texts(&old), texts(&new)),
            from: old.row,
            to: new.row,
        })
    }

    /// The diff with this many lines around each change, or a sentence that there is none.
    pub fn render(&self, lines: usize, colour: bool) -> String {
        let parts = diff::compare(&self.pairs, lines);
        let unknown = match diff::unknown(&self.pairs) {
            0 => String::new(),
            1 => "1 secret is encrypted anew whenever the device shows it: whether it changed is unknown\n"
                .to_owned(),
            count => format!(
                "{count} secrets are encrypted anew whenever the device shows them: whether one changed is unknown\n"
            ),
        };
        if parts.is_empty() {
            let (from, to) = (self.from.seq, self.to.seq);
            return format!(
                "versions {from} and {to} of {} do not differ in anything that counts\n{unknown}",
                self.device
            );
        }
        let name = |row: &VersionRow| format!("version {} ({} UTC)", row.seq, time(row.retrieved_at));
        diff::render(&parts, &name(&self.from), &name(&self.to), colour) + &unknown
    }

    /// The same as JSON.
    pub fn to_json(&self, lines: usize) -> Value {
        let parts = diff::compare(&self.pairs, lines);
        let (added, removed) = diff::totals(&parts);
        json!({
            "device": self.device, "from": self.from.seq, "to": self.to.seq, "lines_added": added,
            "lines_removed": removed, "parts": diff::to_json(&parts),
            "secrets_unknown": diff::unknown(&self.pairs),
        })
    }
}

/// Reads a version; where there is none, says what there is.
pub async fn load(store: &Store, device: &str, selector: VersionSelector) -> Result<Version> {
    match versions::load(store, device, selector).await {
        Err(StoreError::NotFound { what: "version", .. }) => {
            let known = devices::get(store, device).await?;
            let message = match selector {
                _ if known.versions == 0 => format!("{device} has no stored configuration yet"),
                VersionSelector::Seq(seq) => format!("{device} has no version {seq}"),
                VersionSelector::At(at) => {
                    format!("{device} had no stored configuration at {} UTC", time(at))
                }
                VersionSelector::Latest => format!("{device} has no stored configuration"),
            };
            let hint = match known.versions {
                0 => format!("collect it with `netraven backup --device {device}`"),
                _ => format!("see `netraven config log {device}`"),
            };
            Err(CliError::not_found(message).hint(hint))
        }
        loaded => Ok(loaded?),
    }
}

fn texts(version: &Version) -> Vec<Text> {
    version
        .parts
        .iter()
        .map(|part| Text::new(&label(part), part.kind, &part.content, &part.volatile))
        .collect()
}

/// The part's name; with its context where several have the same.
pub fn label(part: &Part) -> String {
    match &part.context {
        Some(context) => format!("{} [{context}]", part.name),
        None => part.name.clone(),
    }
}
