//! `netraven backup`

mod schedule;

use crate::context::Context;
use crate::database::Database;
use crate::error::{CliError, Exit, Result};
use crate::follow::{Ended, Help, follow, worker_is_alive};
use crate::input::fields;
use crate::output::format::parse_duration;
use crate::output::note;
use crate::results::{Summary, Which};
use crate::signals::StopSignals;
use netraven_model::{DeviceId, JobKind};
use netraven_store::jobs::{self, NewRun, Origin, RunCreated, TargetSelection};
use netraven_store::{Store, devices};
use serde_json::json;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  netraven backup --all
  netraven backup --tag core --tag paris       devices with one of the tags
  netraven backup --device r1 --device r2
  netraven backup --all --every 1h             makes a schedule instead
  netraven backup --all --no-wait --json
  netraven backup --device r1 --priority 1     before everything else that waits

Exits with 0 if every device was collected and with 5 if some failed. Without a running worker
(`netraven up`) this command does the work itself.";

/// What to collect.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, group(clap::ArgGroup::new("target").required(true)))]
pub struct Args {
    /// All devices that are not disabled
    #[arg(long, group = "target")]
    all: bool,
    /// Devices with this tag; may be repeated, one of them is enough
    #[arg(long = "tag", short, group = "target", value_name = "TAG", value_parser = fields::tag)]
    tags: Vec<String>,
    /// This device; may be repeated
    #[arg(long = "device", short, group = "target", value_name = "NAME")]
    devices: Vec<String>,
    /// Makes a schedule that does it each time this has passed, the first time at once
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    every: Option<Duration>,
    /// Name of the schedule [default: made of the rest]
    #[arg(long, value_name = "NAME", requires = "every", value_parser = fields::line)]
    name: Option<String>,
    /// Lower ones go first; a schedule's runs have 200 [default: 100]
    #[arg(long, value_name = "NUMBER", conflicts_with = "every", value_parser = clap::value_parser!(i32).range(0..=1000))]
    priority: Option<i32>,
    /// Starts the run and does not wait for it: a worker must be running
    #[arg(long, conflicts_with = "every")]
    no_wait: bool,
}

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result {
    let mut signals = StopSignals::listen()?;
    let database = Database::open(context).await?;
    let result = match args.every {
        Some(every) => schedule::add(&args, every, context, &database.store).await,
        None => collect(&args, context, &database, &mut signals).await,
    };
    database.close().await;
    result
}

async fn collect(args: &Args, context: &Context, database: &Database, signals: &mut StopSignals) -> Result {
    let store = &database.store;
    let created = start(store, selection(args, store).await?, args.priority).await?;
    see_through(created, args.no_wait, context, database, signals).await
}

/// Waits for a run and tells what became of it, or leaves it to a worker.
pub async fn see_through(
    created: RunCreated,
    no_wait: bool,
    context: &Context,
    database: &Database,
    signals: &mut StopSignals,
) -> Result {
    let store = &database.store;
    if no_wait {
        return leave(created, context, store).await;
    }
    let ended = follow(context, database, created.run, signals, Help::IfNoneIsAlive).await?;
    let summary = Summary::load(store, created.run).await?;
    context.output.show(|| summary.to_json(), || summary.render(Which::NewsIfLong, context.output))?;
    match ended {
        Ended::Cancelled => Err(CliError::interrupted()),
        Ended::Finished if summary.has_failures() => Err(CliError::silent(Exit::SomeDevicesFailed)),
        Ended::Finished => Ok(()),
    }
}

/// Starts a run that takes at least one device.
pub async fn start(store: &Store, target: TargetSelection, priority: Option<i32>) -> Result<RunCreated> {
    let new = NewRun::new(JobKind::Backup, Origin::Person, target, user());
    let new = NewRun { priority: priority.unwrap_or(new.priority), ..new };
    let created = jobs::create_run(store, &new).await?;
    if created.jobs + created.shared == 0 {
        return Err(CliError::not_found("there is no device to back up")
            .hint("add one with `netraven device add`; disabled devices are left out"));
    }
    Ok(created)
}

async fn leave(created: RunCreated, context: &Context, store: &Store) -> Result {
    if !worker_is_alive(store).await? {
        note("warning: no worker is running; the jobs wait until there is one (`netraven up`)");
    }
    context.output.show(
        || json!({"run": created.run, "jobs": created.jobs, "shared": created.shared}),
        || format!("run {} started: {} devices", created.run, created.jobs + created.shared),
    )
}

async fn selection(args: &Args, store: &Store) -> Result<TargetSelection> {
    if args.all {
        return Ok(TargetSelection::All);
    }
    if !args.tags.is_empty() {
        return Ok(TargetSelection::Tags(args.tags.clone()));
    }
    Ok(TargetSelection::Devices(devices_named(&args.devices, store).await?))
}

/// The devices of these names, each once; none of them is disabled.
pub async fn devices_named(names: &[String], store: &Store) -> Result<Vec<DeviceId>> {
    let mut ids = Vec::with_capacity(names.len());
    for name in names {
        let device = devices::get(store, name).await?;
        if device.status == "disabled" {
            return Err(CliError::usage(format!("device {name} is disabled"))
                .hint(format!("enable it with `netraven device update {name} --enable`")));
        }
        ids.push(device.id);
    }
    ids.sort();
    ids.dedup();
    Ok(ids)
}

/// Name of the person at the keyboard.
pub fn user() -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten();
    user.map_or_else(|| "unknown".to_owned(), |user| user.name)
}
