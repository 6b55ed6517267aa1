//! `netraven db`

mod backup;
pub mod check;
mod init;
mod restore;
mod roles;
mod upgrade;
mod validate;

use crate::context::Context;
use crate::error::Result;
use clap::Subcommand;

/// The database.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Connects and says what is there, or exactly why not
    #[command(after_help = check::EXAMPLES)]
    Check,
    /// Makes roles, schema and first content, or what of it is missing; safe to repeat
    #[command(after_help = init::EXAMPLES)]
    Init(init::Args),
    /// Brings the schema of an older release to this one
    #[command(after_help = init::MIGRATE_EXAMPLES)]
    Migrate(init::MigrateArgs),
    /// Compares schema and rights with what this release ships
    #[command(after_help = validate::EXAMPLES)]
    Validate,
    /// Shows the database roles of NetRaven's services, and whether each can log in
    #[command(after_help = roles::EXAMPLES)]
    Roles,
    /// Makes a backup of the database: a dump and its manifest
    #[command(after_help = backup::EXAMPLES)]
    Backup(backup::Args),
    /// Restores a backup into a database without NetRaven's tables
    #[command(after_help = restore::EXAMPLES)]
    Restore(restore::Args),
    /// Checks a backup without a database
    #[command(after_help = backup::VERIFY_EXAMPLES)]
    VerifyBackup(backup::VerifyArgs),
    /// Moves the private PostgreSQL's data to the newer PostgreSQL of this machine
    #[command(after_help = upgrade::EXAMPLES)]
    UpgradeCluster(upgrade::Args),
}

/// Runs it.
pub async fn run(command: Command, context: &Context) -> Result {
    match command {
        Command::Check => check::run(context).await,
        Command::Init(args) => init::run(args, context).await,
        Command::Migrate(args) => init::migrate(args, context).await,
        Command::Validate => validate::run(context).await,
        Command::Roles => roles::run(context).await,
        Command::Backup(args) => backup::run(args, context).await,
        Command::Restore(args) => restore::run(args, context).await,
        Command::VerifyBackup(args) => backup::verify(args, context).await,
        Command::UpgradeCluster(args) => upgrade::run(args, context).await,
    }
}
