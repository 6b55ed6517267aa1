//! `netraven tag`

mod rule;

use crate::context::Context;
use crate::database::with_store;
use crate::error::Result;
use crate::input::fields;
use crate::output::table::{Column, render};
use clap::Subcommand;
use netraven_store::{Store, StoreError, tags};
use serde_json::json;

const LIST_EXAMPLES: &str = "\
Examples:
  netraven tag list
  netraven tag list --json";

const ADD_EXAMPLES: &str = "\
Examples:
  netraven tag add device r1 core paris
  netraven tag add credential ops core";

const REMOVE_EXAMPLES: &str = "\
Examples:
  netraven tag remove device r1 paris
  netraven tag remove credential ops core";

const CREATE_EXAMPLES: &str = "\
Examples:
  netraven tag create core --type role
  netraven tag create paris --type location";

const DELETE_EXAMPLES: &str = "\
Examples:
  netraven tag delete paris";

/// Labels on devices and credentials.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists them with the number of devices and credentials that have them
    #[command(after_help = LIST_EXAMPLES)]
    List,
    /// Gives a device or a credential tags; new tags are made
    #[command(after_help = ADD_EXAMPLES)]
    Add(Assignment),
    /// Takes tags from a device or a credential
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove(Assignment),
    /// Makes a tag that nothing has yet
    #[command(after_help = CREATE_EXAMPLES)]
    Create {
        /// Its name
        #[arg(value_parser = fields::tag)]
        name: String,
        /// What it says: role, location, vendor, ...
        #[arg(long = "type", value_name = "TYPE", default_value = tags::DEFAULT_KIND, value_parser = fields::tag)]
        kind: String,
    },
    /// Takes a tag from everything and deletes it
    #[command(after_help = DELETE_EXAMPLES)]
    Delete {
        /// Its name
        name: String,
    },
    /// Rules that give tags to devices that fit
    #[command(subcommand)]
    Rule(rule::Command),
}

/// Who gets or loses tags.
#[derive(Debug, clap::Args)]
pub struct Assignment {
    /// What kind of thing
    #[arg(value_enum)]
    what: What,
    /// Its name
    name: String,
    /// The tags
    #[arg(required = true, value_name = "TAG", value_parser = fields::tag)]
    tags: Vec<String>,
}

/// What can have tags.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum What {
    Device,
    Credential,
}

/// Runs it.
pub async fn run(command: Command, context: &Context) -> Result {
    match command {
        Command::List => list(context).await,
        Command::Add(to) => {
            with_store(context, async |store| {
                for tag in &to.tags {
                    attach(store, &to, tag).await?;
                }
                Ok(())
            })
            .await?;
            told(context, &to, "has")
        }
        Command::Remove(from) => {
            with_store(context, async |store| {
                for tag in &from.tags {
                    detach(store, &from, tag).await?;
                }
                Ok(())
            })
            .await?;
            told(context, &from, "no longer has")
        }
        Command::Create { name, kind } => {
            let id = with_store(context, async |store| Ok(tags::add(store, &name, &kind).await?)).await?;
            let json = || json!({"id": id, "name": name, "kind": kind});
            context.output.show(json, || format!("tag {name} made"))
        }
        Command::Delete { name } => {
            with_store(context, async |store| Ok(tags::remove(store, &name).await?)).await?;
            context.output.show(|| json!({"deleted": name}), || format!("tag {name} deleted"))
        }
        Command::Rule(command) => rule::run(command, context).await,
    }
}

async fn list(context: &Context) -> Result {
    let tags = with_store(context, async |store| Ok(tags::list(store).await?)).await?;
    context.output.show(
        || json!(tags),
        || {
            let columns = [
                Column::Left("NAME"),
                Column::Left("TYPE"),
                Column::Right("DEVICES"),
                Column::Right("CREDENTIALS"),
            ];
            let rows = tags.iter().map(|tag| {
                vec![tag.name.clone(), tag.kind.clone(), tag.devices.to_string(), tag.credentials.to_string()]
            });
            render(&columns, rows, context.output.width)
        },
    )
}

/// Attaches a tag, which is made first if there is none of that name.
async fn attach(store: &Store, to: &Assignment, tag: &str) -> Result {
    let once = async || match to.what {
        What::Device => tags::attach_device(store, &to.name, tag).await,
        What::Credential => tags::attach_credential(store, &to.name, tag).await,
    };
    match once().await {
        Err(StoreError::NotFound { what: "tag", .. }) => {
            match tags::add(store, tag, tags::DEFAULT_KIND).await {
                // Somebody else made it in this moment.
                Ok(_) | Err(StoreError::Duplicate { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            Ok(once().await?)
        }
        attached => Ok(attached?),
    }
}

async fn detach(store: &Store, from: &Assignment, tag: &str) -> Result {
    match from.what {
        What::Device => tags::detach_device(store, &from.name, tag).await?,
        What::Credential => tags::detach_credential(store, &from.name, tag).await?,
    }
    Ok(())
}

fn told(context: &Context, assignment: &Assignment, verb: &str) -> Result {
    let what = match assignment.what {
        What::Device => "device",
        What::Credential => "credential",
    };
    let json = || json!({"what": what, "name": assignment.name, "tags": assignment.tags});
    let plural = if assignment.tags.len() == 1 { "tag" } else { "tags" };
    context.output.show(json, || {
        format!("{what} {} {verb} the {plural} {}", assignment.name, assignment.tags.join(", "))
    })
}
