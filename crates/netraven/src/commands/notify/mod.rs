//! `netraven notify`

mod add;
mod deliveries;
mod show;

use crate::context::Context;
use crate::database::{Database, with_database, with_store};
use crate::error::{CliError, Result};
use crate::notifier;
use crate::output::note;
use crate::sealing::open_vault;
use clap::Subcommand;
use netraven_model::{ChannelKind, Secret};
use netraven_service::notify::{new_secret, send_test};
use netraven_store::access::Role;
use netraven_store::notifications;
use serde_json::json;

const LIST_EXAMPLES: &str = "\
Examples:
  netraven notify list
  netraven notify list --json";

const SHOW_EXAMPLES: &str = "\
Examples:
  netraven notify show chat";

const TEST_EXAMPLES: &str = "\
Examples:
  netraven notify test chat";

const ENABLE_EXAMPLES: &str = "\
Examples:
  netraven notify enable chat";

const DISABLE_EXAMPLES: &str = "\
Examples:
  netraven notify disable chat           what happens until it is enabled again is not told to it";

const REMOVE_EXAMPLES: &str = "\
Examples:
  netraven notify remove chat";

const SECRET_EXAMPLES: &str = "\
Examples:
  netraven notify new-secret chat        from now on webhooks are signed with this one";

/// Who is told of changes.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Has somebody told of changes of devices, by webhook or e-mail
    #[command(after_help = add::EXAMPLES)]
    Add(add::Args),
    /// Lists who is told
    #[command(after_help = LIST_EXAMPLES)]
    List,
    /// Shows one of them with its last notifications
    #[command(after_help = SHOW_EXAMPLES)]
    Show {
        /// Its name
        name: String,
    },
    /// Sends a test message at once and shows what came back
    #[command(after_help = TEST_EXAMPLES)]
    Test {
        /// Its name
        name: String,
    },
    /// Has one told again
    #[command(after_help = ENABLE_EXAMPLES)]
    Enable {
        /// Its name
        name: String,
    },
    /// Has one not told for the time being
    #[command(after_help = DISABLE_EXAMPLES)]
    Disable {
        /// Its name
        name: String,
    },
    /// Removes one with all that it was told
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove {
        /// Its name
        name: String,
    },
    /// Makes another secret that webhooks are signed with, and shows it once
    #[command(after_help = SECRET_EXAMPLES)]
    NewSecret {
        /// Its name
        name: String,
    },
    /// Lists what was sent, what waits and what could not be sent
    #[command(after_help = deliveries::LIST_EXAMPLES)]
    Deliveries(deliveries::Filter),
    /// Has notifications sent again that could not be
    #[command(after_help = deliveries::RETRY_EXAMPLES)]
    Retry(deliveries::Retry),
}

/// Runs it.
pub async fn run(command: Command, context: &Context) -> Result {
    match command {
        Command::Add(args) => {
            with_database(context, async |database| add::run(args, database, context).await).await
        }
        Command::List => show::list(context).await,
        Command::Show { name } => show::one(&name, context).await,
        Command::Test { name } => {
            with_database(context, async |database| test(&name, database, context).await).await
        }
        Command::Enable { name } => switch(&name, true, context).await,
        Command::Disable { name } => switch(&name, false, context).await,
        Command::Remove { name } => {
            with_store(context, async |store| Ok(notifications::remove(store, &name).await?)).await?;
            context.output.show(|| json!({"removed": name}), || format!("{name} is told no more"))
        }
        Command::NewSecret { name } => {
            with_database(context, async |database| renew(&name, database, context).await).await
        }
        Command::Deliveries(filter) => deliveries::list(filter, context).await,
        Command::Retry(what) => deliveries::retry(&what, context).await,
    }
}

async fn switch(name: &str, enabled: bool, context: &Context) -> Result {
    with_store(context, async |store| Ok(notifications::enable(store, name, enabled).await?)).await?;
    let word = if enabled { "enabled" } else { "disabled" };
    context.output.show(|| json!({"name": name, "enabled": enabled}), || format!("{name} {word}"))
}

/// As the notifier would: with its rights, so that a test shows what will happen.
async fn test(name: &str, database: &Database, context: &Context) -> Result {
    let settings = notifier::settings(context)?;
    let channel = notifications::get(&database.store, name).await?.channel;
    let vault = open_vault(context, &database.store).await?;
    let store = database.store_as(context, Role::Notifier).await?;
    let sealed = notifications::sealed(&store, channel.id).await;
    store.close().await;
    match send_test(&channel, sealed?.as_deref(), &vault, &settings).await {
        Ok(answer) => context.output.show(
            || json!({"name": name, "sent": true, "answer": answer}),
            || format!("the test arrived: {answer}"),
        ),
        Err(reason) => Err(CliError::failed(format!("the test did not arrive at {name}: {reason}"))),
    }
}

async fn renew(name: &str, database: &Database, context: &Context) -> Result {
    let channel = notifications::get(&database.store, name).await?.channel;
    if channel.kind != ChannelKind::Webhook {
        return Err(CliError::usage(format!("{name} is told by e-mail, which is not signed with a secret")));
    }
    let vault = open_vault(context, &database.store).await?;
    let (secret, sealed) = new_secret(&vault, channel.id).map_err(secret_failed)?;
    notifications::replace_secret(&database.store, name, &sealed).await?;
    note(&format!("what webhooks to {name} are signed with from now on is shown once:"));
    let shown = text(&secret);
    context.output.show(|| json!({"name": name, "secret": shown}), || shown.to_owned())
}

fn secret_failed(error: netraven_service::notify::NewSecretError) -> CliError {
    CliError::failed(format!("no signing secret was made: {error}"))
}

/// Made by us of letters and digits.
fn text(secret: &Secret) -> &str {
    secret.expose_text().unwrap_or_default()
}
