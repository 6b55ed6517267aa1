//! `netraven run start`

use super::backup::{see_through, user};
use super::schedule::Which;
use crate::context::Context;
use crate::database::Database;
use crate::error::{CliError, Result};
use crate::input::fields;
use crate::signals::StopSignals;
use netraven_model::JobKind;
use netraven_store::Store;
use netraven_store::jobs::{self, NewRun, Origin, RunCreated, TargetSelection};

pub const EXAMPLES: &str = "\
Examples:
  netraven run start reachability --all
  netraven run start credential-check --tag core
  netraven run start command --device r1 --command 'show clock' --command 'show users'
  netraven run start backup --all --priority 1 --no-wait

The answers to commands stand in the job log without lines that hold secrets: `netraven job show`.
Exits with 0 if every job did what it should and with 5 if some failed.";

/// Bounds of what one job asks.
const MAX_COMMANDS: usize = 100;

/// What to do with which devices.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("target").required(true)))]
pub struct Args {
    /// backup, reachability, credential-check or command
    #[arg(value_parser = kind)]
    kind: JobKind,
    #[command(flatten)]
    which: Which,
    /// A command to have answered; may be repeated, they are asked in order
    #[arg(long = "command", value_name = "COMMAND", value_parser = fields::line)]
    commands: Vec<String>,
    /// Lower ones go first; a schedule's runs have 200 [default: 100]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(0..=1000))]
    priority: Option<i32>,
    /// Starts the run and does not wait for it: a worker must be running
    #[arg(long)]
    no_wait: bool,
}

/// Runs it.
pub async fn run(args: &Args, context: &Context) -> Result {
    check(args)?;
    let mut signals = StopSignals::listen()?;
    let database = Database::open(context).await?;
    let result = match start(args, &database.store).await {
        Ok(created) => see_through(created, args.no_wait, context, &database, &mut signals).await,
        Err(error) => Err(error),
    };
    database.close().await;
    result
}

fn check(args: &Args) -> Result {
    let asks = args.kind == JobKind::Command;
    match args.commands.len() {
        0 if asks => Err(CliError::usage("a run of commands has something to ask: expected --command")),
        1.. if !asks => Err(CliError::usage(format!(
            "--command belongs to runs of the kind command, not {}",
            args.kind.as_str()
        ))),
        count if count > MAX_COMMANDS => {
            Err(CliError::usage(format!("expected at most {MAX_COMMANDS} commands, found {count}")))
        }
        _ if args.commands.iter().any(|command| command.trim().is_empty()) => {
            Err(CliError::usage("--command: expected a command, found nothing"))
        }
        _ => Ok(()),
    }
}

async fn start(args: &Args, store: &Store) -> Result<RunCreated> {
    let target = args.which.target(store).await?.unwrap_or(TargetSelection::All);
    let new = NewRun::new(args.kind, Origin::Person, target, user());
    let priority = args.priority.unwrap_or(new.priority);
    let new = NewRun { priority, commands: args.commands.clone(), ..new };
    let created = jobs::create_run(store, &new).await?;
    if created.jobs + created.shared == 0 {
        return Err(CliError::not_found("there is no device to take")
            .hint("add one with `netraven device add`; disabled devices are left out"));
    }
    Ok(created)
}

fn kind(text: &str) -> Result<JobKind, String> {
    let known: Vec<_> = JobKind::ALL.iter().map(|kind| kind.as_str().replace('_', "-")).collect();
    JobKind::from_name(&text.replace('-', "_")).ok_or_else(|| format!("expected one of {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_written_with_a_hyphen_or_as_they_are_stored() {
        assert_eq!(kind("credential-check"), Ok(JobKind::CredentialCheck));
        assert_eq!(kind("credential_check"), Ok(JobKind::CredentialCheck));
        assert!(kind("ping").unwrap_err().contains("reachability"));
    }
}
