//! `netraven serve`

use super::exec;
use crate::context::Context;
use crate::database::Database;
use crate::error::{CliError, Exit, Result};
use crate::output::table::pairs;
use crate::signals::StopSignals;
use crate::{api, definitions, log_service, notifier, rotation, work};
use clap::{Subcommand, ValueEnum};
use netraven_device::Gateway;
use netraven_service::Definitions;
use netraven_service::gateway::ApiServer;
use serde_json::json;
use std::pin::pin;
use std::sync::Arc;

/// Where the API listens where nothing else is said: this machine only.
const USUAL_ADDRESS: &str = "127.0.0.1:8001";

const GATEWAY_EXAMPLES: &str = "\
Examples:
  netraven serve gateway
  netraven serve gateway --set gateway.listen=127.0.0.1:9001 --set gateway.database=off
  netraven serve gateway --mode standalone core-1 --credential ops 'show version'

The API is described in docs/gateway_api.md. It asks for a key: `netraven gateway key add NAME`.
The mode standalone is `netraven exec`. Ctrl-C or SIGTERM stops the service in order.";

const SCHEDULER_EXAMPLES: &str = "\
Examples:
  netraven serve scheduler
  netraven serve scheduler --log-level debug --set device.parallel_sessions=200

Claims jobs, commits what they bring, keeps schedules and leases; `netraven up` does the same.
Several may run on one database. Where scheduler.gateways names gateways, those speak to devices,
see docs/gateways.md. Ctrl-C or SIGTERM stops it in order.";

const ROTATION_EXAMPLES: &str = "\
Examples:
  netraven serve rotation --set vault.rotate_every_days=90

`netraven up` does the same. Alone it is of use where only this process may have the login of the
database role 'rotator'. By hand: `netraven key rotate`.";

const NOTIFIER_EXAMPLES: &str = "\
Examples:
  netraven serve notifier
  netraven serve notifier --set notify.parallel_channels=50

`netraven up` does the same. Several may run side by side. See docs/notifications.md.";

const JOBLOG_EXAMPLES: &str = "\
Examples:
  netraven serve joblog
  netraven serve joblog --set joblog.listen=127.0.0.1:9002

The API is described in docs/job_logging.md. Sending asks for a key with the right 'write':
`netraven log key add NAME --right write`. Other processes use it with joblog.url and joblog.key.";

/// Services that can run alone.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serves the gateway's REST API, by which other services have devices spoken to
    #[command(after_help = GATEWAY_EXAMPLES)]
    Gateway(Box<GatewayArgs>),
    /// Has jobs carried out, here or by gateways elsewhere, and keeps schedules and leases
    #[command(after_help = SCHEDULER_EXAMPLES)]
    Scheduler,
    /// Renews keys when they are due, and finishes rotations that were interrupted
    #[command(after_help = ROTATION_EXAMPLES)]
    Rotation,
    /// Tells those of changes who want to be told, by webhook or e-mail
    #[command(after_help = NOTIFIER_EXAMPLES)]
    Notifier,
    /// Takes events of other processes, and tells what happened in jobs
    #[command(after_help = JOBLOG_EXAMPLES)]
    Joblog,
}

/// How the gateway runs.
#[derive(Debug, clap::Args)]
pub struct GatewayArgs {
    /// Serves the API, or has one device answer and ends
    #[arg(long, value_enum, default_value_t = Mode::Api)]
    mode: Mode,
    #[command(flatten)]
    exec: exec::Args,
}

/// How the gateway runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Serves until it is stopped
    Api,
    /// As `netraven exec`
    Standalone,
}

impl Command {
    /// Whether it runs until it is stopped.
    pub fn stays(&self) -> bool {
        match self {
            Self::Gateway(args) => args.mode == Mode::Api,
            Self::Rotation | Self::Scheduler | Self::Notifier | Self::Joblog => true,
        }
    }
}

/// Runs it.
pub async fn run(command: Command, context: &Context) -> Result {
    let args = match command {
        Command::Gateway(args) => args,
        Command::Scheduler => return super::serve_scheduler::run(context).await,
        Command::Rotation => return rotate(context).await,
        Command::Notifier => return notify(context).await,
        Command::Joblog => return log_jobs(context).await,
    };
    match args.mode {
        Mode::Standalone => exec::run(&args.exec, context).await,
        Mode::Api if args.exec.asks() => {
            Err(CliError::usage("a device and commands belong to the mode standalone")
                .hint("add `--mode standalone`, or use `netraven exec`"))
        }
        Mode::Api => gateway(context).await,
    }
}

async fn rotate(context: &Context) -> Result {
    let mut signals = StopSignals::listen()?;
    let database = Database::open(context).await?;
    let days = context.settings.vault.rotate_every_days;
    let told = context.output.show(
        || json!({"rotate_every_days": days}),
        || match days {
            0 => "Interrupted rotations are finished, no new keys are made (vault.rotate_every_days); Ctrl-C stops it.".into(),
            days => format!("A new key is made every {days} days; Ctrl-C stops it."),
        },
    );
    let ended = tokio::select! {
        never = rotation::keep_rotating(context, &database) => match never {},
        () = signals.next() => told,
        () = database.died() => Err(died()),
    };
    database.close().await;
    ended
}

async fn notify(context: &Context) -> Result {
    let mut signals = StopSignals::listen()?;
    let database = Database::open(context).await?;
    let ended = match notifier::start(context, &database).await {
        Ok(notifier) => {
            let told = context.output.show(
                || json!({"mail": context.settings.notify.smtp.host}),
                || "The notifier is running; Ctrl-C stops it.".to_owned(),
            );
            let ended = tokio::select! {
                () = signals.next() => told,
                () = database.died() => Err(died()),
            };
            notifier.stop(work::GRACE).await;
            ended
        }
        Err(error) => Err(error),
    };
    database.close().await;
    ended
}

async fn log_jobs(context: &Context) -> Result {
    let mut signals = StopSignals::listen()?;
    let database = Database::open(context).await?;
    let listen = context.settings.joblog.listen.as_deref().unwrap_or(log_service::USUAL_ADDRESS);
    let ended = match log_service::start(context, &database, listen).await {
        Err(error) => Err(error),
        Ok(running) => {
            let url = running.url(context);
            let told = context.output.show(
                || json!({"joblog": url}),
                || {
                    format!(
                        "The job logging service is running; Ctrl-C stops it.\n{}",
                        pairs([("joblog", url.clone())])
                    )
                },
            );
            let ended = tokio::select! {
                () = signals.next() => told,
                () = database.died() => Err(died()),
            };
            tracing::info!("stopping");
            running.stop(work::GRACE).await;
            ended
        }
    };
    database.close().await;
    ended
}

fn died() -> CliError {
    let error = CliError::failed("the private PostgreSQL has ended by itself");
    CliError { exit: Exit::Database, ..error }
}

async fn gateway(context: &Context) -> Result {
    let mut signals = StopSignals::listen()?;
    let database = match context.settings.gateway.database.as_str() {
        "off" => None,
        _ => Some(Database::open(context).await?),
    };
    let result = serve(context, database.as_ref(), &mut signals).await;
    if let Some(database) = database {
        database.close().await;
    }
    result
}

async fn serve(context: &Context, database: Option<&Database>, signals: &mut StopSignals) -> Result {
    let watch = definitions::Watch::begin(context)?;
    let definitions = Definitions::new(Arc::new(context.platforms()?));
    let (stores, settings) = match database {
        None => (None, work::device_settings(&context.settings)),
        Some(database) => {
            let stores = database.stores(context).await?;
            (Some(stores), work::settings(context, &database.store).await?.device)
        }
    };
    let gateway = Arc::new(Gateway::new(settings));
    let listen = context.settings.gateway.listen.as_deref().unwrap_or(USUAL_ADDRESS);
    let server = api::start(context, gateway.clone(), definitions.clone(), stores, listen).await?;
    let told = tell(context, &server);
    tracing::info!(address = %server.address(), "the gateway's API is served");
    let mut reloads = pin!(definitions::keep_current(watch, &definitions));
    let database_died = async {
        match database {
            Some(database) => database.died().await,
            None => std::future::pending().await,
        }
    };
    let ended = tokio::select! {
        never = &mut reloads => match never {},
        () = signals.next() => told,
        () = database_died => Err(died()),
    };
    tracing::info!("stopping");
    server.stop(work::GRACE).await;
    gateway.drain().await;
    ended
}

fn tell(context: &Context, server: &ApiServer) -> Result {
    let url = api::url(server, context);
    let database = context.settings.gateway.database.as_str();
    context.output.show(
        || json!({"gateway": url, "database": database}),
        || {
            let lines = vec![("gateway", url.clone()), ("database", database.to_owned())];
            format!("The gateway is running; Ctrl-C stops it.\n{}", pairs(lines))
        },
    )
}
