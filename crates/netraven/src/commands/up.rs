//! `netraven up`

use crate::commands::db::check::warn_in_clear;
use crate::context::Context;
use crate::database::Database;
use crate::error::{CliError, Exit, Result};
use crate::output::table::pairs;
use crate::sealing::key_source;
use crate::settings::mask_url;
use crate::signals::StopSignals;
use crate::work;
use crate::{api, db_backup, definitions, log_service, notifier, rotation};
use netraven_service::gateway::ApiServer;
use netraven_service::notify::Notifier;
use netraven_service::{Definitions, Worker};
use serde_json::{Value, json};
use std::pin::pin;
use std::sync::Arc;

const EXAMPLES: &str = "\
Examples:
  netraven up
  netraven up --log-level debug --set device.parallel_sessions=200
  DATABASE_URL='postgresql://netraven:...@db.example.net/netraven' netraven up

Runs in the foreground and logs to standard error. Ctrl-C or SIGTERM stops it in order: sessions
under way may end, then the private PostgreSQL stops unless another command still uses it.";

/// What it is told: nothing but the options of every command.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {}

/// Runs it.
pub async fn run(_: Args, context: &Context) -> Result {
    let mut signals = StopSignals::listen()?;
    let database = Database::open(context).await?;
    let result = serve(context, &database, &mut signals).await;
    database.close().await;
    result
}

async fn serve(context: &Context, database: &Database, signals: &mut StopSignals) -> Result {
    warn_in_clear(&database.store.check().await?);
    if !database.has_logins() {
        tracing::warn!(
            "all services use the user of database.url; `netraven db init` gives each a login of its own"
        );
    }
    let mut settings = work::settings(context, &database.store).await?;
    let watch = definitions::Watch::begin(context)?;
    let definitions = Definitions::new(Arc::new(context.platforms()?));
    let mut worker = work::start_with(context, database, definitions.clone(), settings.clone()).await?;
    let server = match serve_api(context, database, &definitions, &worker).await {
        Ok(server) => server,
        Err(error) => {
            work::stop(worker, work::GRACE).await;
            return Err(error);
        }
    };
    let log_server = match serve_log(context, database).await {
        Ok(log_server) => log_server,
        Err(error) => {
            if let Some(server) = server {
                server.stop(work::GRACE).await;
            }
            work::stop(worker, work::GRACE).await;
            return Err(error);
        }
    };
    let notifier = notify(context, database).await;
    let mut addresses = addresses(context, database);
    addresses.extend(log_server.as_ref().map(|server| ("joblog", server.url(context))));
    addresses.extend(server.as_ref().map(|server| ("gateway", api::url(server, context))));
    context.output.show(
        || Value::Object(addresses.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()),
        || format!("NetRaven is running; Ctrl-C stops it.\n{}", pairs(addresses.clone())),
    )?;
    tracing::info!(environment = %context.effective.environment, "running");
    let mut reloads = pin!(definitions::keep_current(watch, &definitions));
    let mut rotations = pin!(rotation::keep_rotating(context, database));
    let mut backups = pin!(db_backup::keep_backing_up(context, database));
    loop {
        tokio::select! {
            never = &mut backups => match never {},
            never = &mut reloads => match never {},
            never = &mut rotations => match never {},
            () = signals.next() => {
                tracing::info!("stopping");
                if let Some(server) = server {
                    server.stop(work::GRACE).await;
                }
                work::stop(worker, work::GRACE).await;
                if let Some(notifier) = notifier {
                    notifier.stop(work::GRACE).await;
                }
                if let Some(log_server) = log_server {
                    log_server.stop(work::GRACE).await;
                }
                return Ok(());
            }
            () = database.died() => {
                // What is under way cannot be stored any more, so there is nothing to wait for.
                drop(worker);
                let log = context.settings.data_dir.display();
                let died = CliError::failed("the private PostgreSQL has ended by itself");
                return Err(CliError { exit: Exit::Database, ..died }
                    .hint(format!("its log is in {log}; start `netraven up` again")));
            }
            changed = work::changed(context, &database.store, &settings) => {
                work::stop(worker, work::GRACE).await;
                settings = changed;
                worker = work::start_with(context, database, definitions.clone(), settings.clone()).await?;
                if let Some(server) = &server {
                    server.use_gateway(worker.gateway());
                }
                tracing::info!(sessions = settings.parallel_sessions, "settings changed, the worker has them now");
            }
        }
    }
}

/// The gateway's API, where the settings want it in this process. It shares the worker's sessions.
async fn serve_api(
    context: &Context,
    database: &Database,
    definitions: &Definitions,
    worker: &Worker,
) -> Result<Option<ApiServer>> {
    let Some(listen) = &context.settings.gateway.listen else { return Ok(None) };
    let stores = database.stores(context).await?;
    let started = api::start(context, worker.gateway(), definitions.clone(), Some(stores), listen).await?;
    Ok(Some(started))
}

/// The notifier. Backups are made also where nobody can be told of them.
async fn notify(context: &Context, database: &Database) -> Option<Notifier> {
    let started = notifier::start(context, database).await;
    started.inspect_err(|error| tracing::error!(error = error.message, "nobody is notified of changes")).ok()
}

/// The job logging service, where the settings want it in this process.
async fn serve_log(context: &Context, database: &Database) -> Result<Option<log_service::Running>> {
    let Some(listen) = &context.settings.joblog.listen else { return Ok(None) };
    log_service::start(context, database, listen).await.map(Some)
}

/// Where everything is, for people and for scripts.
pub fn addresses(context: &Context, database: &Database) -> Vec<(&'static str, String)> {
    let settings = &context.settings;
    let place = match (&settings.database.url, database.private_version()) {
        (Some(url), None) => mask_url(url.expose()),
        (_, version) => {
            let version = version.map_or_else(String::new, |version| format!(" {version}"));
            let port = settings.database.private.port.map(|port| format!(", 127.0.0.1:{port}"));
            let folder = settings.data_dir.display();
            format!("private PostgreSQL{version} in {folder}{}", port.unwrap_or_default())
        }
    };
    vec![
        ("service", settings.service_name.clone()),
        ("environment", context.effective.environment.clone()),
        ("database", place),
        ("keys", key_source(context).map_or_else(|error| error.to_string(), |source| source.to_string())),
        ("worker", format!("up to {} sessions at the same time", settings.device.parallel_sessions)),
    ]
}
