use super::{Args, selection};
use crate::commands::schedule::{target, view};
use crate::context::Context;
use crate::error::{CliError, Result};
use crate::output::format::{duration, time};
use netraven_model::JobKind;
use netraven_store::Store;
use netraven_store::schedules::{self, NewSchedule};
use std::time::Duration;

/// Shorter intervals would keep devices busy with nothing else.
const SHORTEST: Duration = Duration::from_secs(60);

/// Makes a schedule of what would be collected now.
pub async fn add(args: &Args, every: Duration, context: &Context, store: &Store) -> Result {
    if every < SHORTEST {
        let message = format!("--every: expected at least {}, found {}", duration(SHORTEST), duration(every));
        return Err(CliError::usage(message));
    }
    let new = NewSchedule {
        name: args.name.clone().unwrap_or_else(|| name(args, every)),
        kind: JobKind::Backup,
        every,
        target: selection(args, store).await?,
        first_run: None,
    };
    let made = schedules::add(store, &new).await?;
    context.output.show(
        || view(&made),
        || {
            let (which, every) = (target(&made.target), duration(made.every));
            format!(
                "schedule {}: {which} every {every}, first at {} UTC while `netraven up` runs",
                made.name,
                time(made.next_run)
            )
        },
    )
}

/// `backup-all-1h`, `backup-core-paris-1h`
fn name(args: &Args, every: Duration) -> String {
    let names = if args.tags.is_empty() { &args.devices } else { &args.tags };
    let which = if args.all { "all".to_owned() } else { names.join("-") };
    format!("backup-{which}-{}", duration(every))
}
