//! `netraven platform list`

use super::definitions::Collection;
use super::test::kind;
use crate::context::Context;
use crate::error::Result;
use crate::output::format::or_dash;
use crate::output::table::{Column, render};
use netraven_lab::{Personality, SessionFile};
use netraven_model::{Facts, PartKind};
use netraven_platform::Platform;
use serde_json::{Value, json};
use std::sync::Arc;

pub const EXAMPLES: &str = "\
Examples:
  netraven platform list
  netraven platform list --json

OVER says which protocols it is spoken to over, the usual one first (--json tells the ports);
SESSIONS are recorded from devices + written after documents; SECRETS are rules / lines that
prove them; DEPTH is what the sessions prove: that a login works, that the configuration comes,
that facts and secrets are found. `netraven platform test` plays them.";

/// What there is to believe that a definition works.
struct Evidence {
    recorded: usize,
    written: usize,
    depth: Vec<&'static str>,
}

/// Lists the platforms with their evidence.
pub fn run(context: &Context) -> Result {
    let platforms = context.platforms()?;
    let collection = Collection::load(None, context)?;
    let rows: Vec<(&Arc<Platform>, Evidence)> =
        platforms.iter().map(|platform| (platform, Evidence::of(platform, &collection.sessions))).collect();
    let json = || rows.iter().map(|(platform, evidence)| evidence.view(platform)).collect();
    context.output.show(json, || {
        let columns = [
            Column::Left("NAME"),
            Column::Left("TITLE"),
            Column::Left("OVER"),
            Column::Left("SESSIONS"),
            Column::Left("SECRETS"),
            Column::Left("DEPTH"),
            Column::Left("ALIASES"),
            Column::Left("FROM"),
        ];
        render(&columns, rows.iter().map(|(platform, evidence)| evidence.row(platform)), context.output.width)
    })
}

impl Evidence {
    fn of(platform: &Platform, sessions: &[Arc<SessionFile>]) -> Self {
        let mine: Vec<_> = sessions.iter().filter(|session| session.platform() == platform.name).collect();
        let recorded = mine.iter().filter(|session| kind(session) == "recorded").count();
        let mut proven =
            [("login", !mine.is_empty()), ("backup", false), ("facts", false), ("secrets", false)];
        for session in &mine {
            let personality = Personality::new(session, 0, 0);
            let expected = session.expect(&personality, personality.initial_state());
            let is_config = |command: &str| {
                let mut parts = platform.parts.iter().filter(|part| part.kind == PartKind::Config);
                parts.any(|part| part.commands.iter().any(|known| known == command))
            };
            proven[1].1 |= expected.parts.iter().any(|part| is_config(&part.command));
            proven[2].1 |= expected.facts != Facts::default();
            proven[3].1 |= !expected.secrets.is_empty();
        }
        let depth = proven.into_iter().filter(|(_, is)| *is).map(|(name, _)| name).collect();
        Self { recorded, written: mine.len() - recorded, depth }
    }

    fn row(&self, platform: &Platform) -> Vec<String> {
        vec![
            platform.name.clone(),
            platform.title.clone(),
            platform.transports.iter().map(|known| known.protocol.as_str()).collect::<Vec<_>>().join(" "),
            format!("{} + {}", self.recorded, self.written),
            format!("{} / {}", platform.secret_rules, platform.secret_examples),
            or_dash(Some(&self.depth.join(" "))),
            or_dash(Some(&platform.aliases.join(", "))),
            platform.origin.clone(),
        ]
    }

    fn view(&self, platform: &Platform) -> Value {
        let mut value = view(platform);
        if let Value::Object(fields) = &mut value {
            fields.insert("sessions".into(), json!({"recorded": self.recorded, "written": self.written}));
            fields.insert("depth".into(), json!(self.depth));
        }
        value
    }
}

/// A platform as JSON.
pub fn view(platform: &Platform) -> Value {
    let parts: Vec<Value> = platform
        .parts
        .iter()
        .map(|part| {
            json!({
                "name": part.name, "kind": part.kind, "commands": part.commands, "optional": part.optional,
                "shows_its_end": part.shows_its_end(),
            })
        })
        .collect();
    let transports = platform.transports.iter();
    let transports: Vec<Value> =
        transports.map(|known| json!({"protocol": known.protocol.as_str(), "port": known.port})).collect();
    json!({
        "transports": transports, "name": platform.name, "title": platform.title, "aliases": platform.aliases, "parts": parts,
        "secret_rules": platform.secret_rules, "secret_examples": platform.secret_examples,
        "origin": platform.origin, "digest": platform.digest.to_string(),
    })
}
