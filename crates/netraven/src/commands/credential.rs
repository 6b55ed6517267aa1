//! `netraven credential`

use crate::context::Context;
use crate::database::with_store;
use crate::error::Result;
use crate::input::{fields, secrets};
use crate::output::format::{or_dash, time_or_dash};
use crate::output::table::{Column, render};
use crate::sealing::{self, Secrets};
use clap::Subcommand;
use netraven_store::credentials::{self, CredentialInfo, NewCredential};
use serde_json::json;
use std::path::PathBuf;

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

const REMOVE_EXAMPLES: &str = "\
Examples:
  netraven credential remove ops";

/// User names and passwords for devices.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Stores a credential; it reaches the devices with which it shares a tag
    #[command(after_help = ADD_EXAMPLES)]
    Add(Box<Add>),
    /// Lists them in the order in which they are tried; secrets are not shown
    #[command(after_help = LIST_EXAMPLES)]
    List,
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
    /// Reads the password from standard input
    #[arg(long, group = "password")]
    password_stdin: bool,
    /// Reads the password from a file
    #[arg(long, group = "password", value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Logs in with this private key: OpenSSH, PEM or PuTTY format
    #[arg(long, value_name = "FILE")]
    private_key_file: Option<PathBuf>,
    /// Reads the private key's passphrase from a file
    #[arg(long, group = "passphrase", requires = "private_key_file", value_name = "FILE")]
    key_passphrase_file: Option<PathBuf>,
    /// Asks for the private key's passphrase
    #[arg(long, group = "passphrase", requires = "private_key_file")]
    key_passphrase_prompt: bool,
    /// Reads the enable secret from a file
    #[arg(long, group = "enable", value_name = "FILE")]
    enable_file: Option<PathBuf>,
    /// Reads the enable secret from standard input
    #[arg(long, group = "enable", conflicts_with = "password_stdin")]
    enable_stdin: bool,
    /// Asks for the enable secret
    #[arg(long, group = "enable")]
    enable_prompt: bool,
    /// Lower ones are tried first
    #[arg(long, value_name = "NUMBER", default_value_t = credentials::DEFAULT_PRIORITY)]
    priority: i32,
    /// Tag to share with devices; may be repeated [default: default]
    #[arg(long = "tag", short, value_name = "TAG", value_parser = fields::tag)]
    tags: Vec<String>,
    /// For people
    #[arg(long, value_parser = fields::line)]
    description: Option<String>,
}

/// Runs it.
pub async fn run(command: Command, context: &Context) -> Result {
    match command {
        Command::Add(add) => self::add(*add, context).await,
        Command::List => list(context).await,
        Command::Remove { name } => {
            with_store(context, async |store| Ok(credentials::remove(store, &name).await?)).await?;
            context.output.show(|| json!({"removed": name}), || format!("credential {name} removed"))
        }
    }
}

/// Everything is read and checked before anything is written.
async fn add(add: Add, context: &Context) -> Result {
    let given = read(&add)?;
    let new = NewCredential {
        name: add.name,
        username: add.username,
        priority: Some(add.priority),
        description: add.description,
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

fn read(add: &Add) -> Result<Secrets> {
    let key_passphrase = match &add.key_passphrase_file {
        Some(path) => Some(secrets::from_file(path)?),
        None if add.key_passphrase_prompt => {
            Some(secrets::ask("passphrase of the private key", "--key-passphrase-file FILE")?)
        }
        None => None,
    };
    let private_key = match &add.private_key_file {
        Some(path) => Some(secrets::private_key(path, key_passphrase.as_ref())?),
        None => None,
    };
    let password = match &add.password_file {
        Some(path) => Some(secrets::from_file(path)?),
        None if add.password_stdin => Some(secrets::from_stdin()?),
        None if private_key.is_some() => None,
        None => Some(secrets::ask_twice("password", "--password-stdin or --password-file FILE")?),
    };
    let enable = match &add.enable_file {
        Some(path) => Some(secrets::from_file(path)?),
        None if add.enable_stdin => Some(secrets::from_stdin()?),
        None if add.enable_prompt => {
            Some(secrets::ask_twice("enable secret", "--enable-stdin or --enable-file FILE")?)
        }
        None => None,
    };
    Ok(Secrets { password, enable, private_key, key_passphrase })
}

async fn list(context: &Context) -> Result {
    let found = with_store(context, async |store| Ok(credentials::list(store).await?)).await?;
    context.output.show(|| json!(found), || render(&COLUMNS, found.iter().map(row), context.output.width))
}

const COLUMNS: [Column; 7] = [
    Column::Left("NAME"),
    Column::Left("USERNAME"),
    Column::Left("SECRETS"),
    Column::Right("PRIORITY"),
    Column::Left("TAGS"),
    Column::Right("WORKS"),
    Column::Left("LAST SUCCESS (UTC)"),
];

fn row(info: &CredentialInfo) -> Vec<String> {
    let kinds =
        [(info.has_password, "password"), (info.has_private_key, "key"), (info.has_enable_secret, "enable")];
    let kinds: Vec<_> = kinds.into_iter().filter(|(has, _)| *has).map(|(_, kind)| kind).collect();
    let works = match info.successes + info.failures {
        0 => "-".to_owned(),
        _ => format!("{:.0} %", info.success_rate * 100.0),
    };
    vec![
        info.name.clone(),
        info.username.clone(),
        kinds.join(", "),
        info.priority.to_string(),
        or_dash(Some(&info.tags.join(", "))),
        works,
        time_or_dash(info.last_success),
    ]
}
