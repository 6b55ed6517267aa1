//! Who is told.

use super::deliveries;
use crate::context::Context;
use crate::database::with_store;
use crate::error::Result;
use crate::output::format::{time, time_or_dash};
use crate::output::table::{Column, pairs, render};
use netraven_store::notifications::{self, Channel, ChannelRow, DeliveryFilter};
use serde_json::json;

/// Deliveries that are shown with a channel.
const LAST: u32 = 20;

/// All of them.
pub async fn list(context: &Context) -> Result {
    let rows = with_store(context, async |store| Ok(notifications::list(store).await?)).await?;
    context.output.show(|| json!(rows), || render(&COLUMNS, rows.iter().map(row), context.output.width))
}

/// One with its last deliveries.
pub async fn one(name: &str, context: &Context) -> Result {
    let (row, last) = with_store(context, async |store| {
        let row = notifications::get(store, name).await?;
        let filter =
            DeliveryFilter { channel: Some(name.to_owned()), limit: Some(LAST), ..DeliveryFilter::default() };
        Ok((row, notifications::deliveries(store, &filter).await?))
    })
    .await?;
    context.output.show(
        || json!({"channel": row, "deliveries": last}),
        || {
            let channel = &row.channel;
            let fields = vec![
                ("name", channel.name.clone()),
                ("told", how(channel)),
                ("target", channel.target.clone()),
                ("events", all_or(channel.events.iter().map(|event| event.as_str()))),
                ("tags", all_or(channel.tags.iter().map(String::as_str))),
                ("enabled", if channel.enabled { "yes" } else { "no" }.to_owned()),
                ("waiting", row.waiting.to_string()),
                ("dead", row.dead.to_string()),
                ("last sent", time_or_dash(row.last_sent)),
            ];
            format!("{}\n{}", pairs(fields), deliveries::table(&last, context))
        },
    )
}

const COLUMNS: [Column; 7] = [
    Column::Left("NAME"),
    Column::Left("TOLD"),
    Column::Left("EVENTS"),
    Column::Left("TAGS"),
    Column::Right("WAITING"),
    Column::Right("DEAD"),
    Column::Left("LAST SENT (UTC)"),
];

fn row(row: &ChannelRow) -> Vec<String> {
    let channel = &row.channel;
    let told = if channel.enabled { how(channel) } else { format!("{} (disabled)", how(channel)) };
    vec![
        channel.name.clone(),
        told,
        all_or(channel.events.iter().map(|event| event.as_str())),
        all_or(channel.tags.iter().map(String::as_str)),
        row.waiting.to_string(),
        row.dead.to_string(),
        time_or_dash(row.last_sent),
    ]
}

/// `email, daily at 07:00 Europe/Zurich, next 2026-03-01 06:00:00 UTC`
fn how(channel: &Channel) -> String {
    let kind = channel.kind.as_str();
    match &channel.digest {
        None => kind.to_owned(),
        Some(digest) => {
            let at = digest.at.format("%H:%M");
            format!("{kind}, daily at {at} {}, next {} UTC", digest.time_zone, time(digest.next))
        }
    }
}

fn all_or<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<_> = words.collect();
    if words.is_empty() { "all".to_owned() } else { words.join(", ") }
}
