//! `netraven credential update` and `resume`

use super::given::Given;
use crate::context::Context;
use crate::database::with_store;
use crate::error::{CliError, Result};
use crate::input::fields;
use crate::sealing;
use netraven_store::credentials::{self, Change};
use netraven_store::tag_rules::parse_network;
use serde_json::json;

pub const UPDATE_EXAMPLES: &str = "\
Examples:
  netraven credential update ops --password-prompt     a new password lifts a suspension
  netraven credential update ops --password-stdin < password.txt
  netraven credential update ops --priority 10
  netraven credential update ops --allow-network 10.0.0.0/8 --allow-network 2001:db8::/32
  netraven credential update ops --allow-any-network

What is not named stays as it is.";

pub const RESUME_EXAMPLES: &str = "\
Examples:
  netraven credential resume ops

A credential that several devices refused in a row is suspended (credentials.suspend_after): a
stale password must not lock a central account. A new password resumes it, too.";

/// What becomes different.
#[derive(Debug, clap::Args)]
pub struct Update {
    /// Its name
    name: String,
    /// Another name to log in with
    #[arg(long, short, value_parser = fields::line)]
    username: Option<String>,
    #[command(flatten)]
    given: Given,
    /// Asks for the new password
    #[arg(long, group = "password")]
    password_prompt: bool,
    /// Lower ones are tried first
    #[arg(long, value_name = "NUMBER")]
    priority: Option<i32>,
    /// For people
    #[arg(long, value_parser = fields::line)]
    description: Option<String>,
    /// Shows it only to devices in this network; may be repeated, and replaces what was said before
    #[arg(long = "allow-network", value_name = "NETWORK", value_parser = parse_network)]
    networks: Vec<String>,
    /// Shows it to devices at any address
    #[arg(long, conflicts_with = "networks")]
    allow_any_network: bool,
}

/// Changes a credential; everything is read and checked before anything is written.
pub async fn update(update: Update, context: &Context) -> Result {
    let given = update.given.read(update.password_prompt)?;
    let allowed_networks = match (update.allow_any_network, update.networks.is_empty()) {
        (true, _) => Some(Vec::new()),
        (false, false) => Some(update.networks),
        (false, true) => None,
    };
    let change = Change {
        password_ref: update.given.alias(context)?,
        username: update.username,
        priority: update.priority,
        description: update.description,
        allowed_networks,
        ..Change::default()
    };
    if change.is_empty() && given.is_empty() {
        return Err(
            CliError::usage("there is nothing to change").hint("see `netraven credential update --help`")
        );
    }
    let name = update.name;
    let changed =
        with_store(context, async |store| sealing::update(context, store, &name, change, &given).await)
            .await?;
    context.output.show(|| json!(changed), || format!("credential {name} changed"))
}

/// Makes a suspended credential a candidate again.
pub async fn resume(name: &str, context: &Context) -> Result {
    let resumed = with_store(context, async |store| Ok(credentials::resume(store, name).await?)).await?;
    context.output.show(
        || json!({"credential": name, "resumed": resumed}),
        || match resumed {
            true => format!("credential {name} is tried again"),
            false => format!("credential {name} was not suspended"),
        },
    )
}
