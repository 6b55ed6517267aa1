//! `netraven gateway`

use crate::context::Context;
use crate::error::{CliError, Result};
use crate::output::format::{or_dash, time};
use crate::output::note;
use crate::output::table::{Column, render};
use clap::Subcommand;
use netraven_service::gateway::{KeyEntry, KeyFile, Right};
use serde_json::json;
use std::path::Path;

const GATEWAYS_EXAMPLES: &str = "\
Examples:
  netraven gateway list
  netraven gateway list --json

They stand in the configuration file (scheduler.gateways); see docs/gateways.md. Each is asked
with the scheduler's own key.";

const ADD_EXAMPLES: &str = "\
Examples:
  netraven gateway key add monitor
  netraven gateway key add restore --right raw
  netraven gateway key add scheduler --right jobs
  netraven log key add site-7 --right write

The key is printed once and kept as a digest only. Running services know it within seconds.";

const LIST_EXAMPLES: &str = "\
Examples:
  netraven gateway key list
  netraven gateway key list --json
  netraven log key list";

const DISABLE_EXAMPLES: &str = "\
Examples:
  netraven gateway key disable monitor
  netraven log key disable site-7";

const ENABLE_EXAMPLES: &str = "\
Examples:
  netraven gateway key enable monitor
  netraven log key enable site-7";

const REMOVE_EXAMPLES: &str = "\
Examples:
  netraven gateway key remove monitor
  netraven log key remove site-7";

/// Gateways, and who may call their API.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists the gateways that the scheduler may use, and how they are
    #[command(after_help = GATEWAYS_EXAMPLES)]
    List,
    /// Keys for callers
    #[command(subcommand)]
    Key(KeyCommand),
}

/// Keys for callers.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Makes a key and prints it
    #[command(after_help = ADD_EXAMPLES)]
    Add {
        /// Whose it is: letters, digits, '.', '_' and '-'
        name: String,
        /// raw: sees answers as they came, secrets included; jobs: sends jobs as a scheduler does;
        /// write: sends events to the job logging service
        #[arg(long = "right", value_name = "RIGHT", value_parser = right)]
        rights: Vec<Right>,
    },
    /// Lists the keys without showing them
    #[command(after_help = LIST_EXAMPLES)]
    List,
    /// Has a key refused
    #[command(after_help = DISABLE_EXAMPLES)]
    Disable {
        /// Name of the key
        name: String,
    },
    /// Has a disabled key accepted again
    #[command(after_help = ENABLE_EXAMPLES)]
    Enable {
        /// Name of the key
        name: String,
    },
    /// Removes a key
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove {
        /// Name of the key
        name: String,
    },
}

/// Reads a right from the command line.
pub fn right(text: &str) -> Result<Right, String> {
    let names: Vec<_> = Right::ALL.iter().map(|right| right.as_str()).collect();
    Right::from_name(text).ok_or_else(|| format!("expected one of {}", names.join(", ")))
}

/// Runs it.
pub async fn run(command: Command, context: &Context) -> Result {
    match command {
        Command::List => super::gateway_list::list(context).await,
        Command::Key(command) => keys(command, &context.settings.gateway.key_file, context),
    }
}

/// Changes or shows the keys of a service.
pub fn keys(command: KeyCommand, file: &Path, context: &Context) -> Result {
    let file = KeyFile::new(file);
    match command {
        KeyCommand::Add { name, rights } => add(&file, &name, &rights, context),
        KeyCommand::List => list(&file.load()?, context),
        KeyCommand::Disable { name } => {
            file.set_disabled(&name, true)?;
            changed(&name, "disabled", context)
        }
        KeyCommand::Enable { name } => {
            file.set_disabled(&name, false)?;
            changed(&name, "enabled", context)
        }
        KeyCommand::Remove { name } => {
            file.remove(&name)?;
            changed(&name, "removed", context)
        }
    }
}

fn add(file: &KeyFile, name: &str, rights: &[Right], context: &Context) -> Result {
    let key = file.add(name, rights.iter().copied().collect())?;
    let key = key.expose_text().ok_or_else(|| CliError::failed("the key is no text"))?;
    note("this is the only time that the key is shown");
    context.output.show(|| json!({"name": name, "rights": rights, "key": key}), || key.to_owned())
}

fn changed(name: &str, what: &str, context: &Context) -> Result {
    context.output.show(|| json!({"name": name, "state": what}), || format!("key {name}: {what}"))
}

fn list(keys: &[KeyEntry], context: &Context) -> Result {
    let json = || {
        keys.iter()
            .map(|key| {
                json!({
                    "name": key.name, "rights": key.rights, "created": key.created, "disabled": key.disabled,
                })
            })
            .collect()
    };
    context.output.show(json, || {
        let columns =
            [Column::Left("NAME"), Column::Left("RIGHTS"), Column::Left("CREATED"), Column::Left("STATE")];
        let row = |key: &KeyEntry| {
            let rights: Vec<_> = key.rights.iter().map(|right| right.as_str()).collect();
            let state = if key.disabled { "disabled" } else { "enabled" };
            vec![key.name.clone(), or_dash(Some(&rights.join(", "))), time(key.created), state.to_owned()]
        };
        render(&columns, keys.iter().map(row), context.output.width)
    })
}
