//! `netraven key`

use crate::context::Context;
use crate::database::{Database, with_database};
use crate::error::{CliError, Result};
use crate::input::secrets as typed;
use crate::output::format::or_dash;
use crate::output::table::{Column, render};
use crate::rotation::rotation;
use crate::sealing::{key_source, vault};
use clap::Subcommand;
use netraven_model::Secret;
use netraven_store::access::Role;
use netraven_store::audit::{self, Action, Actor, Entry};
use netraven_store::secrets::{self, KeyUse, RetireError};
use netraven_vault::{KeyInfo, KeySource, Vault};
use serde_json::json;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const ROTATE_EXAMPLES: &str = "\
Examples:
  netraven key rotate                a new key, and everything encrypted with it
  netraven key rotate --no-new-key   goes on after an interruption, or with keys added elsewhere

Can be stopped and started again at any time, also while NetRaven runs. Fingerprints stay as they
are.";

const REMOVE_EXAMPLES: &str = "\
Examples:
  netraven key export keys.escrow
  netraven key remove 1 --escrow keys.escrow

Only a key that nothing needs is removed, and only if the escrow file holds it: a backup of the
database that was made before the last rotation still needs it.";

const EXPORT_EXAMPLES: &str = "\
Examples:
  netraven key export keys.escrow
  netraven key export keys.escrow --passphrase-file passphrase.txt
  netraven key import keys.escrow          on a new machine, without a key file

Keys that an escrow file holds already stay in it. Keep it away from the database's backups.";

const GENERATE_EXAMPLES: &str = "\
Examples:
  netraven key generate --output keyring.json            first keys, for a key management system
  netraven key generate --add --output keyring.json      today's keys and one more

With vault.key_environment or vault.key_command the keys come from elsewhere and NetRaven cannot
change them: put the new text there, then run `netraven key rotate --no-new-key`.";

const LIST_EXAMPLES: &str = "\
Examples:
  netraven key list
  netraven key list --json";

const STATUS_EXAMPLES: &str = "\
Examples:
  netraven key status
  netraven key status --json";

const IMPORT_EXAMPLES: &str = "\
Examples:
  netraven key import keys.escrow
  netraven key import keys.escrow --passphrase-file passphrase.txt

Only where there is no key file yet.";

/// The keys that encrypt stored secrets.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists the keys there are; needs no database
    #[command(after_help = LIST_EXAMPLES)]
    List,
    /// Shows how much is encrypted with each key
    #[command(after_help = STATUS_EXAMPLES)]
    Status,
    /// Makes a new key and encrypts everything with it
    #[command(after_help = ROTATE_EXAMPLES)]
    Rotate {
        /// Only brings everything to the newest key there is
        #[arg(long)]
        no_new_key: bool,
    },
    /// Takes away a key that nothing needs any more
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove {
        /// Its number
        number: u32,
        /// An escrow file that holds it
        #[arg(long, value_name = "FILE")]
        escrow: PathBuf,
        /// Reads the escrow file's passphrase from a file
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
    },
    /// Copies all keys into a file that only a passphrase opens
    #[command(after_help = EXPORT_EXAMPLES)]
    Export {
        /// The escrow file; what it holds already stays in it
        file: PathBuf,
        /// Reads the passphrase from a file
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
    },
    /// Makes the key file from an escrow file
    #[command(after_help = IMPORT_EXAMPLES)]
    Import {
        /// The escrow file
        file: PathBuf,
        /// Reads the passphrase from a file
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
    },
    /// Writes keys for a place that NetRaven does not write to
    #[command(after_help = GENERATE_EXAMPLES)]
    Generate {
        /// Today's keys and one more, instead of the first ones of an installation
        #[arg(long)]
        add: bool,
        /// The file; it must not be there yet
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
    },
}

/// Runs it.
pub async fn run(command: Command, context: &Context) -> Result {
    match command {
        Command::List => list(context),
        Command::Status => with_database(context, async |database| status(database, context).await).await,
        Command::Rotate { no_new_key } => {
            with_database(context, async |database| rotate(!no_new_key, database, context).await).await
        }
        Command::Remove { number, escrow, passphrase_file } => {
            let passphrase = passphrase(passphrase_file.as_deref(), false)?;
            let text = read(&escrow)?;
            with_database(context, async |database| {
                remove(number, &text, &passphrase, database, context).await
            })
            .await
        }
        Command::Export { file, passphrase_file } => {
            with_database(context, async |database| {
                export(&file, passphrase_file.as_deref(), database, context).await
            })
            .await
        }
        Command::Import { file, passphrase_file } => import(&file, passphrase_file.as_deref(), context),
        Command::Generate { add, output } => generate(add, &output, context),
    }
}

fn list(context: &Context) -> Result {
    let vault = vault(context)?;
    let (keys, source) = (vault.keys(), vault.source().to_string());
    let newest = vault.newest_key();
    let json = |key: &KeyInfo| json!({"number": key.number, "created_at": key.created_at, "newest": key.number == newest});
    context.output.show(
        || json!({"source": source, "keys": keys.iter().map(json).collect::<Vec<_>>()}),
        || {
            let columns = [Column::Right("KEY"), Column::Left("MADE"), Column::Left("")];
            let rows = keys.iter().map(|key| {
                let encrypts = if key.number == newest { "encrypts" } else { "" };
                vec![key.number.to_string(), or_dash(key.created_at.as_deref()), encrypts.to_owned()]
            });
            format!("{source}\n{}", render(&columns, rows, context.output.width))
        },
    )
}

async fn status(database: &Database, context: &Context) -> Result {
    let vault = vault(context)?;
    let store = database.store_as(context, Role::Rotator).await?;
    let uses = secrets::key_uses(&store).await;
    store.close().await;
    let uses = uses?;
    let mut numbers: Vec<i64> = vault.keys().iter().map(|key| i64::from(key.number)).collect();
    numbers.extend(uses.iter().map(|uses| uses.number));
    numbers.sort_unstable();
    numbers.dedup();
    let newest = vault.newest_key();
    let held = |number: i64| u32::try_from(number).is_ok_and(|number| vault.holds_key(number));
    let state = |uses: &KeyUse| match uses.number {
        number if number == i64::from(newest) => "newest",
        number if !held(number) => "MISSING",
        _ if uses.total() == 0 => "no longer needed",
        _ => "to be rotated",
    };
    let rows: Vec<KeyUse> = numbers
        .into_iter()
        .map(|number| {
            let found = uses.iter().find(|uses| uses.number == number);
            found.copied().unwrap_or_else(|| KeyUse::none(number))
        })
        .collect();
    let json = |row: &KeyUse| {
        json!({
            "number": row.number, "credentials": row.credentials, "channels": row.channels, "captures": row.captures,
            "state": state(row),
        })
    };
    context.output.show(
        || rows.iter().map(json).collect(),
        || {
            let columns = [
                Column::Right("KEY"),
                Column::Right("CREDENTIAL SECRETS"),
                Column::Right("CHANNEL SECRETS"),
                Column::Right("CAPTURES"),
                Column::Left("STATE"),
            ];
            let cells = |row: &KeyUse| {
                let numbers = [row.number, row.credentials, row.channels, row.captures];
                let numbers = numbers.map(|number| number.to_string());
                numbers.into_iter().chain([state(row).to_owned()]).collect()
            };
            render(&columns, rows.iter().map(cells), context.output.width)
        },
    )
}

async fn rotate(new_key: bool, database: &Database, context: &Context) -> Result {
    let (rotation, _, store) = rotation(context, database, Actor::shell()).await?;
    let rotated = async {
        if new_key {
            rotation.add_key().await?;
        }
        rotation.run(&|_| {}).await
    };
    let rotated = rotated.await;
    store.close().await;
    let done = rotated?;
    if done.unopened > 0 {
        let message =
            format!("{} secrets do not open and stay as they are; the log names them", done.unopened);
        return Err(
            CliError::failed(message).hint("put back the keys they were made with: `netraven key status`")
        );
    }
    context.output.show(
        || json!({"key": done.key, "renewed": done.renewed}),
        || {
            format!(
                "everything is encrypted with key {} now; {} secrets and data keys were renewed",
                done.key, done.renewed
            )
        },
    )
}

async fn remove(
    number: u32,
    escrow: &str,
    passphrase: &Secret,
    database: &Database,
    context: &Context,
) -> Result {
    let vault = vault(context)?;
    if !vault.escrowed(escrow, passphrase)?.contains(&number) {
        return Err(CliError::usage(format!("the escrow file does not hold key {number}"))
            .hint("`netraven key export FILE` copies all keys into it"));
    }
    let store = database.store_as(context, Role::Rotator).await?;
    let retired = secrets::retire_key(&store, number, || vault.remove_key(number)).await;
    let retired = match retired {
        Ok(()) => {
            let entry = Entry::new(Action::KeyRemoved, format!("key {number}"));
            audit::record(&database.store, &entry).await.map_err(CliError::from)
        }
        Err(RetireError::Store(error)) => Err(error.into()),
        Err(RetireError::Removal(error)) => Err(error.into()),
        Err(needed @ RetireError::Needed(_)) => Err(CliError::failed(needed.to_string())
            .hint("`netraven key rotate` encrypts them with the newest key")),
    };
    store.close().await;
    retired?;
    context.output.show(|| json!({"removed": number}), || format!("key {number} removed"))
}

async fn export(file: &Path, from: Option<&Path>, database: &Database, context: &Context) -> Result {
    let vault = vault(context)?;
    let earlier = if file.exists() { Some(read(file)?) } else { None };
    let passphrase = passphrase(from, earlier.is_none())?;
    let text = vault.escrow(earlier.as_deref(), &passphrase)?;
    let held = vault.escrowed(&text, &passphrase)?;
    let entry = Entry::new(Action::KeyEscrowed, file.display().to_string());
    audit::record(&database.store, &entry).await?;
    // Beside it first: an escrow file that was good must not be lost by a full disk.
    let draft = file.with_extension("new");
    write(&draft, text.as_bytes())?;
    std::fs::rename(&draft, file).map_err(|error| unwritable(file, &error))?;
    let numbers: Vec<_> = held.iter().map(u32::to_string).collect();
    context.output.show(
        || json!({"file": file, "keys": held}),
        || format!("{} holds key {}; only the passphrase opens it", file.display(), numbers.join(", ")),
    )
}

fn import(file: &Path, from: Option<&Path>, context: &Context) -> Result {
    let KeySource::File(path) = key_source(context)? else {
        return Err(CliError::usage("the keys of this installation do not come from a key file"));
    };
    let text = read(file)?;
    let vault = Vault::restore(&path, &text, &passphrase(from, false)?)?;
    let numbers: Vec<u32> = vault.keys().iter().map(|key| key.number).collect();
    context.output.show(
        || json!({"key_file": path, "keys": numbers}),
        || format!("{} made from the escrow file", path.display()),
    )
}

fn generate(add: bool, output: &Path, context: &Context) -> Result {
    let vault = if add { Some(vault(context)?) } else { None };
    let text = Vault::generate(vault.as_ref())?;
    write(output, text.expose_bytes())?;
    context.output.show(
        || json!({"file": output}),
        || format!("keys are in {}; move them to a safe place and delete the file", output.display()),
    )
}

fn passphrase(file: Option<&Path>, new: bool) -> Result<Secret> {
    match file {
        Some(file) => typed::from_file(file),
        None if new => typed::ask_twice("passphrase of the escrow file", "--passphrase-file FILE"),
        None => typed::ask("passphrase of the escrow file", "--passphrase-file FILE"),
    }
}

/// An escrow file; what is larger is none.
fn read(file: &Path) -> Result<String> {
    const LARGEST: u64 = 4 << 20;
    let unreadable = |error| CliError::usage(format!("{} cannot be read: {error}", file.display()));
    let mut text = String::new();
    std::fs::File::open(file)
        .and_then(|file| file.take(LARGEST).read_to_string(&mut text))
        .map_err(unreadable)?;
    Ok(text)
}

fn write(file: &Path, bytes: &[u8]) -> Result {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .map_err(|error| unwritable(file, &error))
}

fn unwritable(file: &Path, error: &std::io::Error) -> CliError {
    CliError::failed(format!("{} cannot be written: {error}", file.display()))
}
