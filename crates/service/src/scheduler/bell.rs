//! Hears at once of new jobs and of cancelled ones. Without it both are found when it is time to look.

use super::Context;
use super::running::End;
use netraven_store::StoreError;
use netraven_store::jobs::{self, JobListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// The longest time without a look at the connection, and the pause before a broken one is made again.
const CHECK: Duration = Duration::from_secs(5);

/// Listens for as long as it is not aborted.
pub(crate) async fn listen(context: Arc<Context>) {
    loop {
        if let Err(error) = hear(&context).await {
            tracing::debug!(%error, "the bell is broken, the queue is looked at now and then instead");
        }
        sleep(CHECK).await;
    }
}

async fn hear(context: &Context) -> Result<(), StoreError> {
    let mut listener = JobListener::connect(&context.stores.scheduler).await?;
    // Nobody heard what was rung before.
    context.rung.notify_one();
    loop {
        let heard = listener.wait(CHECK).await?;
        if heard.jobs {
            context.rung.notify_one();
        }
        if heard.cancelled {
            close_cancelled(context).await?;
        }
    }
}

/// Closes the sessions whose jobs somebody cancelled.
pub(super) async fn close_cancelled(context: &Context) -> Result<(), StoreError> {
    let running = context.running.jobs();
    if running.is_empty() {
        return Ok(());
    }
    for job in jobs::cancelled_among(&context.stores.scheduler, &running).await? {
        context.running.abort(job, End::Cancelled);
    }
    Ok(())
}
