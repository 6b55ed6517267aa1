//! `netraven serve scheduler`

use crate::context::Context;
use crate::database::Database;
use crate::error::{CliError, Exit, Result};
use crate::output::table::pairs;
use crate::signals::StopSignals;
use crate::{definitions, work};
use netraven_service::Definitions;
use serde_json::json;
use std::pin::pin;
use std::sync::Arc;

/// Runs a worker until it is stopped: it claims jobs, has them carried out and keeps schedules and leases. There may be several.
pub async fn run(context: &Context) -> Result {
    let mut signals = StopSignals::listen()?;
    let database = Database::open(context).await?;
    let result = serve(context, &database, &mut signals).await;
    database.close().await;
    result
}

async fn serve(context: &Context, database: &Database, signals: &mut StopSignals) -> Result {
    let mut settings = work::settings(context, &database.store).await?;
    let watch = definitions::Watch::begin(context)?;
    let definitions = Definitions::new(Arc::new(context.platforms()?));
    let mut worker = work::start_with(context, database, definitions.clone(), settings.clone()).await?;
    tell(context, &settings.name)?;
    tracing::info!(worker = settings.name, "the scheduler runs");
    let mut reloads = pin!(definitions::keep_current(watch, &definitions));
    loop {
        tokio::select! {
            never = &mut reloads => match never {},
            () = signals.next() => {
                tracing::info!("stopping");
                work::stop(worker, work::GRACE).await;
                return Ok(());
            }
            () = database.died() => {
                // What is under way cannot be stored any more, so there is nothing to wait for.
                drop(worker);
                let died = CliError::failed("the private PostgreSQL has ended by itself");
                return Err(CliError { exit: Exit::Database, ..died });
            }
            changed = work::changed(context, &database.store, &settings) => {
                work::stop(worker, work::GRACE).await;
                settings = changed;
                worker = work::start_with(context, database, definitions.clone(), settings.clone()).await?;
                tracing::info!(sessions = settings.parallel_sessions, "settings changed, the scheduler has them now");
            }
        }
    }
}

fn tell(context: &Context, name: &str) -> Result {
    let gateways: Vec<String> = context.settings.scheduler.dispatch().gateways.into_keys().collect();
    let at = if gateways.is_empty() { "in this process".to_owned() } else { gateways.join(", ") };
    context.output.show(
        || json!({"scheduler": name, "gateways": gateways}),
        || {
            let lines = vec![("scheduler", name.to_owned()), ("gateways", at.clone())];
            format!("The scheduler is running; Ctrl-C stops it.\n{}", pairs(lines))
        },
    )
}
