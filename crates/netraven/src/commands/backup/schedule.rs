use super::{Args, selection};
use crate::commands::schedule::{SHORTEST, describe, view};
use crate::context::Context;
use crate::error::{CliError, Result};
use crate::output::format::duration;
use netraven_store::Store;
use netraven_store::schedules::{self, Plan};
use std::time::Duration;

/// Makes a schedule of what would be collected now.
pub async fn add(args: &Args, every: Duration, context: &Context, store: &Store) -> Result {
    if every < SHORTEST {
        let message = format!("--every: expected at least {}, found {}", duration(SHORTEST), duration(every));
        return Err(CliError::usage(message));
    }
    let name = args.name.clone().unwrap_or_else(|| name(args, every));
    let (now, target) = (schedules::clock(store).await?, selection(args, store).await?);
    let made = schedules::add(store, &Plan::backup_every(name, every, now, target), now).await?;
    context.output.show(|| view(&made), || format!("schedule {}: {}", made.plan.name, describe(&made)))
}

/// `backup-all-1h`, `backup-core-paris-1h`
fn name(args: &Args, every: Duration) -> String {
    let names = if args.tags.is_empty() { &args.devices } else { &args.tags };
    let which = if args.all { "all".to_owned() } else { names.join("-") };
    format!("backup-{which}-{}", duration(every))
}
