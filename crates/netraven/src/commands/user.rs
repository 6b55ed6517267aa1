//! `netraven user`

use crate::context::Context;
use crate::database::with_store;
use crate::error::{CliError, Result};
use crate::input::{fields, secrets};
use crate::output::format::{or_dash, time_or_dash};
use crate::output::note;
use crate::output::table::{Column, render};
use clap::Subcommand;
use netraven_model::Secret;
use netraven_store::users::{self, NewUser, User, UserRole};
use netraven_vault::password;
use serde_json::json;

const ADD_EXAMPLES: &str = "\
Examples:
  netraven user add ann --role operator                               asks for the password
  netraven user add ann --role admin --full-name 'Ann Lee' --email ann@example.net --generate
  netraven user add ann --role viewer --password-stdin < password.txt

The accounts are for the API and the pages; this release has neither yet, so nothing asks for
them so far. The command line needs no account: it has the rights of whoever runs it.";

const LIST_EXAMPLES: &str = "\
Examples:
  netraven user list
  netraven user list --json";

const PASSWORD_EXAMPLES: &str = "\
Examples:
  netraven user password ann
  netraven user password ann --generate";

const ENABLE_EXAMPLES: &str = "\
Examples:
  netraven user enable ann";

const DISABLE_EXAMPLES: &str = "\
Examples:
  netraven user disable ann";

const ROLE_EXAMPLES: &str = "\
Examples:
  netraven user role ann viewer";

const REMOVE_EXAMPLES: &str = "\
Examples:
  netraven user remove ann";

/// The people of this installation.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Adds a user
    #[command(after_help = ADD_EXAMPLES)]
    Add(Add),
    /// Lists users
    #[command(after_help = LIST_EXAMPLES)]
    List,
    /// Sets another password
    #[command(after_help = PASSWORD_EXAMPLES)]
    Password {
        /// Name of the user
        name: String,
        #[command(flatten)]
        source: Source,
    },
    /// Lets a disabled user in again
    #[command(after_help = ENABLE_EXAMPLES)]
    Enable {
        /// Name of the user
        name: String,
    },
    /// Keeps a user out without removing the account
    #[command(after_help = DISABLE_EXAMPLES)]
    Disable {
        /// Name of the user
        name: String,
    },
    /// Gives a user another role
    #[command(after_help = ROLE_EXAMPLES)]
    Role {
        /// Name of the user
        name: String,
        /// admin, operator or viewer
        #[arg(value_parser = role)]
        role: UserRole,
    },
    /// Removes a user
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove {
        /// Name of the user
        name: String,
    },
}

/// A user to add.
#[derive(Debug, clap::Args)]
pub struct Add {
    /// Name to log in with: lower case letters, digits, '.', '_' and '-'
    #[arg(value_parser = fields::username)]
    name: String,
    /// admin, operator or viewer
    #[arg(long, value_parser = role)]
    role: UserRole,
    /// For people
    #[arg(long, value_name = "TEXT", value_parser = fields::line)]
    full_name: Option<String>,
    /// For people
    #[arg(long, value_name = "ADDRESS", value_parser = fields::line)]
    email: Option<String>,
    #[command(flatten)]
    source: Source,
}

/// Where a password comes from; without any of them it is asked for.
#[derive(Debug, clap::Args)]
pub struct Source {
    /// Reads the password from standard input
    #[arg(long, group = "password")]
    password_stdin: bool,
    /// Makes a password, shows it once, and has the user choose another at the first login
    #[arg(long, group = "password")]
    generate: bool,
}

/// Runs it.
pub async fn run(command: Command, context: &Context) -> Result {
    match command {
        Command::Add(args) => add(args, context).await,
        Command::List => list(context).await,
        Command::Password { name, source } => set_password(&name, &source, context).await,
        Command::Enable { name } => set_active(&name, true, context).await,
        Command::Disable { name } => set_active(&name, false, context).await,
        Command::Role { name, role } => {
            with_store(context, async |store| Ok(users::set_role(store, &name, role).await?)).await?;
            context
                .output
                .show(|| json!({"username": name, "role": role}), || format!("user {name} is {role}"))
        }
        Command::Remove { name } => {
            with_store(context, async |store| Ok(users::remove(store, &name).await?)).await?;
            context.output.show(|| json!({"removed": name}), || format!("user {name} removed"))
        }
    }
}

async fn add(args: Add, context: &Context) -> Result {
    let given = read(&args.source, &args.name)?;
    let new = NewUser {
        username: args.name,
        full_name: args.full_name,
        email: args.email,
        role: args.role,
        password_hash: Some(password::hash(&given)?),
        must_change_password: args.source.generate,
    };
    let user = with_store(context, async |store| Ok(users::add(store, new).await?)).await?;
    if !args.source.generate {
        return context
            .output
            .show(|| json!(user), || format!("user {} added as {}", user.username, user.role));
    }
    note(&format!("user {} added as {}; the password is shown once and now:", user.username, user.role));
    show_generated(&given, json!(user), context)
}

async fn list(context: &Context) -> Result {
    let found = with_store(context, async |store| Ok(users::list(store).await?)).await?;
    context.output.show(|| json!(found), || render(&COLUMNS, found.iter().map(row), context.output.width))
}

async fn set_password(name: &str, source: &Source, context: &Context) -> Result {
    let given = read(source, name)?;
    let hash = password::hash(&given)?;
    let set = async |store: &_| Ok(users::set_password_hash(store, name, &hash, source.generate).await?);
    with_store(context, set).await?;
    let json = json!({"username": name, "must_change_password": source.generate});
    if !source.generate {
        return context.output.show(|| json, || format!("user {name} has a new password"));
    }
    note(&format!("user {name} has a new password, which is shown once and now:"));
    show_generated(&given, json, context)
}

async fn set_active(name: &str, active: bool, context: &Context) -> Result {
    with_store(context, async |store| Ok(users::set_active(store, name, active).await?)).await?;
    let state = if active { "enabled" } else { "disabled" };
    context
        .output
        .show(|| json!({"username": name, "is_active": active}), || format!("user {name} is {state}"))
}

/// A password that this user may have.
fn read(source: &Source, username: &str) -> Result<Secret> {
    if source.generate {
        return Ok(password::generate()?);
    }
    let given = if source.password_stdin {
        secrets::from_stdin()?
    } else {
        secrets::ask_twice("password", "--password-stdin or --generate")?
    };
    password::check(&given, username)?;
    Ok(given)
}

/// The password alone on standard output, or beside what else there is to say.
fn show_generated(password: &Secret, mut json: serde_json::Value, context: &Context) -> Result {
    let text = password.expose_text().ok_or_else(|| CliError::failed("the generated password is no text"))?;
    if context.output.json {
        json["password"] = text.into();
        return context.output.json(&json);
    }
    context.output.text(text)
}

fn role(text: &str) -> Result<UserRole, String> {
    UserRole::from_name(text).ok_or_else(|| {
        let known = UserRole::ALL.map(UserRole::as_str);
        format!("expected one of {}, found '{text}'", known.join(", "))
    })
}

const COLUMNS: [Column; 6] = [
    Column::Left("NAME"),
    Column::Left("ROLE"),
    Column::Left("STATE"),
    Column::Left("FULL NAME"),
    Column::Left("EMAIL"),
    Column::Left("LAST LOGIN (UTC)"),
];

fn row(user: &User) -> Vec<String> {
    let state = match (user.is_active, user.has_password, user.must_change_password) {
        (false, _, _) => "disabled",
        (true, false, _) => "no password",
        (true, true, true) => "must change password",
        (true, true, false) => "active",
    };
    vec![
        user.username.clone(),
        user.role.to_string(),
        state.to_owned(),
        or_dash(user.full_name.as_deref()),
        or_dash(user.email.as_deref()),
        time_or_dash(user.last_login),
    ]
}
