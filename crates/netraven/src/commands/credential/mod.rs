//! `netraven credential`

mod change;
mod explain;
mod given;
mod trial;

use crate::context::Context;
use crate::database::with_store;
use crate::error::Result;
use crate::input::fields;
use crate::output::format::{or_dash, time, time_or_dash};
use crate::output::table::{Column, render};
use crate::sealing;
use clap::Subcommand;
use given::Given;
use netraven_store::credentials::{self, CredentialInfo, NewCredential};
use netraven_store::tag_rules::parse_network;
use serde_json::json;

const ADD_EXAMPLES: &str = "\
Examples:
  netraven credential add ops --username backup                       asks for the password
  netraven credential add ops --username backup --password-stdin < password.txt
  netraven credential add core --username backup --tag core --enable-prompt
  netraven credential add keys --username backup --private-key-file ~/.ssh/id_ed25519

Secrets are never given on the command line, where every user of the machine could read them. They
are encrypted with the key file (vault.key_file of the settings) before they reach the database.";

const LIST_EXAMPLES: &str = "\
Examples:
  netraven credential list
  netraven credential list --json";

const SHOW_EXAMPLES: &str = "\
Examples:
  netraven credential show ops
  netraven credential show ops --json";

const REMOVE_EXAMPLES: &str = "\
Examples:
  netraven credential remove ops";

/// User names and passwords for devices.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Stores a credential; it reaches the devices with which it shares a tag
    #[command(after_help = ADD_EXAMPLES)]
    Add(Box<Add>),
    /// Lists them in the order in which a new device is shown them; secrets are not shown
    #[command(after_help = LIST_EXAMPLES)]
    List,
    /// Shows one; secrets are not shown
    #[command(after_help = SHOW_EXAMPLES)]
    Show {
        /// Its name
        name: String,
    },
    /// Changes one
    #[command(after_help = change::UPDATE_EXAMPLES)]
    Update(Box<change::Update>),
    /// Tries one again that was suspended
    #[command(after_help = change::RESUME_EXAMPLES)]
    Resume {
        /// Its name
        name: String,
    },
    /// Shows which credentials a device is shown, in which order, and why
    #[command(after_help = explain::EXAMPLES)]
    Explain {
        /// The device
        device: String,
    },
    /// Tries one on one device
    #[command(after_help = trial::EXAMPLES)]
    Test(trial::Args),
    /// Deletes a credential
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove {
        /// Its name
        name: String,
    },
}

/// A credential to store.
#[derive(Debug, clap::Args)]
pub struct Add {
    /// Its name, to be spoken of by
    #[arg(value_parser = fields::line)]
    name: String,
    /// Name to log in with
    #[arg(long, short, value_parser = fields::line)]
    username: String,
    #[command(flatten)]
    given: Given,
    /// Lower ones are tried first
    #[arg(long, value_name = "NUMBER", default_value_t = credentials::DEFAULT_PRIORITY)]
    priority: i32,
    /// Tag to share with devices; may be repeated [default: default]
    #[arg(long = "tag", short, value_name = "TAG", value_parser = fields::tag)]
    tags: Vec<String>,
    /// For people
    #[arg(long, value_parser = fields::line)]
    description: Option<String>,
    /// Shows it only to devices in this network; may be repeated
    #[arg(long = "allow-network", value_name = "NETWORK", value_parser = parse_network)]
    networks: Vec<String>,
}

/// Runs it.
pub async fn run(command: Command, context: &Context) -> Result {
    match command {
        Command::Add(add) => self::add(*add, context).await,
        Command::List => list(context).await,
        Command::Show { name } => show(&name, context).await,
        Command::Update(update) => change::update(*update, context).await,
        Command::Resume { name } => change::resume(&name, context).await,
        Command::Explain { device } => explain::run(&device, context).await,
        Command::Test(args) => trial::run(&args, context).await,
        Command::Remove { name } => {
            with_store(context, async |store| Ok(credentials::remove(store, &name).await?)).await?;
            context.output.show(|| json!({"removed": name}), || format!("credential {name} removed"))
        }
    }
}

/// Everything is read and checked before anything is written.
async fn add(add: Add, context: &Context) -> Result {
    let given = add.given.read(true)?;
    let password_ref = add.given.alias(context)?;
    let new = NewCredential {
        password_ref,
        name: add.name,
        username: add.username,
        priority: Some(add.priority),
        description: add.description,
        allowed_networks: add.networks,
        tags: add.tags,
        ..NewCredential::default()
    };
    let stored = with_store(context, async |store| sealing::store(context, store, new, &given).await).await?;
    context.output.show(
        || json!(stored),
        || {
            format!(
                "credential {} stored; it reaches the devices tagged {}",
                stored.name,
                stored.tags.join(", ")
            )
        },
    )
}

async fn list(context: &Context) -> Result {
    let found = with_store(context, async |store| Ok(credentials::list(store).await?)).await?;
    context.output.show(|| json!(found), || render(&COLUMNS, found.iter().map(row), context.output.width))
}

async fn show(name: &str, context: &Context) -> Result {
    let info = with_store(context, async |store| Ok(credentials::get_info(store, name).await?)).await?;
    context.output.show(|| json!(info), || description(&info))
}

fn description(info: &CredentialInfo) -> String {
    let networks = match &info.allowed_networks[..] {
        [] => "any address".to_owned(),
        networks => networks.join(", "),
    };
    let state = match info.suspended_at {
        Some(since) => format!("suspended since {} UTC: too many devices refused it in a row", time(since)),
        None => "in use".to_owned(),
    };
    let fields = [
        ("credential", info.name.clone()),
        ("state", state),
        ("username", info.username.clone()),
        ("secrets", kinds(info)),
        ("priority", info.priority.to_string()),
        ("tags", or_dash(Some(&info.tags.join(", ")))),
        ("shown to", networks),
        ("works", works(info)),
        ("accepted", format!("{} times, last {}", info.successes, time_or_dash(info.last_success))),
        ("refused", format!("{} times", info.failures)),
        ("description", or_dash(info.description.as_deref())),
    ];
    fields.map(|(name, value)| format!("{name:<12} {value}")).join("\n")
}

const COLUMNS: [Column; 8] = [
    Column::Left("NAME"),
    Column::Left("USERNAME"),
    Column::Left("SECRETS"),
    Column::Right("PRIORITY"),
    Column::Left("TAGS"),
    Column::Right("WORKS"),
    Column::Left("LAST SUCCESS (UTC)"),
    Column::Left("STATE"),
];

fn kinds(info: &CredentialInfo) -> String {
    let reference = info.password_ref.as_ref().map(|alias| format!("password from {alias}"));
    let kinds = [
        info.has_password.then(|| "password".to_owned()),
        reference,
        info.has_private_key.then(|| "key".to_owned()),
        info.has_enable_secret.then(|| "enable".to_owned()),
    ];
    kinds.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn works(info: &CredentialInfo) -> String {
    match info.successes + info.failures {
        0 => "-".to_owned(),
        _ => format!("{:.0} %", info.success_rate * 100.0),
    }
}

fn row(info: &CredentialInfo) -> Vec<String> {
    vec![
        info.name.clone(),
        info.username.clone(),
        kinds(info),
        info.priority.to_string(),
        or_dash(Some(&info.tags.join(", "))),
        works(info),
        time_or_dash(info.last_success),
        if info.suspended_at.is_some() { "suspended".to_owned() } else { "-".to_owned() },
    ]
}
