//! `netraven token`

use super::gateway::right;
use crate::api;
use crate::context::Context;
use crate::error::{CliError, Result};
use crate::output::note;
use chrono::{TimeDelta, Utc};
use clap::{Subcommand, value_parser};
use netraven_service::gateway::{Right, issue};
use serde_json::json;

const ISSUE_EXAMPLES: &str = "\
Examples:
  netraven token issue --name monitor
  netraven token issue --name restore --right raw --hours 1

A token cannot be taken back before it ends, other than by replacing the secret that signed it
(`gateway.jwt_secret_file`); a key of `netraven gateway key` can.";

/// Tokens for the gateway's API.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Makes a JSON web token and prints it
    #[command(after_help = ISSUE_EXAMPLES)]
    Issue {
        /// Who calls with it: letters, digits, '.', '_' and '-'
        #[arg(long)]
        name: String,
        /// raw: sees answers of devices as they came, secrets included
        #[arg(long = "right", value_name = "RIGHT", value_parser = right)]
        rights: Vec<Right>,
        /// How long it is valid
        #[arg(long, value_name = "HOURS", default_value_t = 12, value_parser = value_parser!(u16).range(1..=8760))]
        hours: u16,
    },
}

/// Runs it.
pub fn run(command: Command, context: &Context) -> Result {
    let Command::Issue { name, rights, hours } = command;
    let auth = api::auth(&context.settings);
    let lifetime = TimeDelta::hours(i64::from(hours));
    let token = issue(&auth, &name, &rights.iter().copied().collect(), lifetime)?;
    let token = token.expose_text().ok_or_else(|| CliError::failed("the token is no text"))?;
    let ends = Utc::now() + lifetime;
    note(&format!("valid for {hours} hours"));
    context.output.show(
        || json!({"name": name, "rights": rights, "expires": ends, "token": token}),
        || token.to_owned(),
    )
}
