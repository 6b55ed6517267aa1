//! What became of notifications.

use crate::context::Context;
use crate::database::with_store;
use crate::error::Result;
use crate::output::format::{or_dash, time};
use crate::output::table::{Column, render};
use netraven_model::{DeliveryId, DeliveryStatus};
use netraven_store::notifications::{self, DeliveryFilter, DeliveryRow};
use serde_json::json;

pub const LIST_EXAMPLES: &str = "\
Examples:
  netraven notify deliveries
  netraven notify deliveries --channel chat --dead
  netraven notify deliveries --before 4711         goes on where the last list ended";

pub const RETRY_EXAMPLES: &str = "\
Examples:
  netraven notify retry 4711
  netraven notify retry --all-dead";

/// Which notifications.
#[derive(Debug, clap::Args)]
pub struct Filter {
    /// To this one
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,
    /// Only those that were tried in vain as often as is tried
    #[arg(long)]
    dead: bool,
    /// As many at most
    #[arg(long, value_name = "NUMBER", default_value_t = DeliveryFilter::DEFAULT_LIMIT,
        value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Only those before this one
    #[arg(long, value_name = "ID")]
    before: Option<i64>,
}

/// What is sent again.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true))]
pub struct Retry {
    /// This one
    #[arg(group = "which", value_name = "ID")]
    delivery: Option<i64>,
    /// All that could not be sent
    #[arg(long, group = "which")]
    all_dead: bool,
}

/// Lists them.
pub async fn list(filter: Filter, context: &Context) -> Result {
    let rows = with_store(context, async |store| {
        if let Some(name) = &filter.channel {
            notifications::get(store, name).await?;
        }
        let filter = DeliveryFilter {
            channel: filter.channel,
            status: filter.dead.then_some(DeliveryStatus::Dead),
            limit: Some(filter.limit),
            before: filter.before.map(DeliveryId),
        };
        Ok(notifications::deliveries(store, &filter).await?)
    })
    .await?;
    context.output.show(|| json!(rows), || table(&rows, context))
}

/// Has them sent again.
pub async fn retry(what: &Retry, context: &Context) -> Result {
    let again = with_store(context, async |store| match what.delivery {
        Some(id) => {
            notifications::retry(store, DeliveryId(id)).await?;
            Ok(1)
        }
        None => Ok(notifications::retry_all_dead(store).await?),
    })
    .await?;
    let word = if again == 1 { "notification is" } else { "notifications are" };
    context.output.show(|| json!({"retried": again}), || format!("{again} {word} sent again"))
}

/// For people.
pub fn table(rows: &[DeliveryRow], context: &Context) -> String {
    let columns = [
        Column::Right("ID"),
        Column::Left("MADE (UTC)"),
        Column::Left("TO"),
        Column::Left("EVENT"),
        Column::Left("DEVICE"),
        Column::Left("STATUS"),
        Column::Right("TRIES"),
        Column::Left("LAST ERROR"),
    ];
    let row = |row: &DeliveryRow| {
        vec![
            row.id.to_string(),
            time(row.created_at),
            row.channel.clone(),
            row.event.as_str().to_owned(),
            row.hostname.clone(),
            status(row),
            row.attempts.to_string(),
            or_dash(row.last_error.as_deref()),
        ]
    };
    render(&columns, rows.iter().map(row), context.output.width)
}

fn status(row: &DeliveryRow) -> String {
    match (row.status, row.sent_at) {
        (DeliveryStatus::Sent, Some(at)) => format!("sent {}", time(at)),
        (DeliveryStatus::Waiting, _) if row.attempts > 0 => format!("waiting until {}", time(row.next_try)),
        (status, _) => status.as_str().to_owned(),
    }
}
