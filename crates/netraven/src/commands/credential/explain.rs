//! `netraven credential explain`

use crate::context::Context;
use crate::database::with_store;
use crate::error::Result;
use crate::output::format::{or_dash, time, time_or_dash};
use crate::output::table::{Column, render};
use crate::work;
use chrono::{DateTime, Utc};
use netraven_device::Networks;
use netraven_store::credentials::{self, Explained};
use netraven_store::{Store, devices, logins};
use serde::Serialize;
use serde_json::json;
use std::net::IpAddr;
use std::time::Duration;
use tokio::net::lookup_host;
use tokio::time::timeout;

pub const EXAMPLES: &str = "\
Examples:
  netraven credential explain core-1
  netraven credential explain core-1 --json

Credentials are tried in this order: what the device accepted the last time it was shown it, then
by priority (lower first), by success rate, by the last success on this device. One that a device
refuses is not shown to it again in the same job.";

/// How long a name may take to be looked up.
const LOOKUP: Duration = Duration::from_secs(5);

/// Why a device is shown which credentials, and in which order.
#[derive(Debug, Serialize)]
struct Explanation {
    device: String,
    /// Where it is now; empty where its name has no address, or nothing depends on it.
    addresses: Vec<IpAddr>,
    /// Logins that it refused within the last hour, since its last success.
    refused_logins: usize,
    /// Until then nobody logs in.
    blocked_until: Option<DateTime<Utc>>,
    credentials: Vec<Candidate>,
}

/// One of them.
#[derive(Debug, Serialize)]
struct Candidate {
    /// From 1; `None` where the device is not shown it.
    order: Option<usize>,
    state: State,
    #[serde(flatten)]
    explained: Explained,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// The device accepted it the last time.
    Works,
    Candidate,
    Suspended,
    OutsideNetworks,
}

impl State {
    fn text(self) -> &'static str {
        match self {
            Self::Works => "worked here last",
            Self::Candidate => "",
            Self::Suspended => "suspended",
            Self::OutsideNetworks => "outside its networks",
        }
    }
}

/// Shows it.
pub async fn run(device: &str, context: &Context) -> Result {
    let explanation = with_store(context, async |store| explain(device, context, store).await).await?;
    context.output.show(|| json!(explanation), || text(&explanation, context))
}

async fn explain(device: &str, context: &Context, store: &Store) -> Result<Explanation> {
    let device = devices::get(store, device).await?;
    let explained = credentials::explain(store, device.id).await?;
    let refused = logins::refused_by(store, device.id).await?;
    let limits = work::settings(context, store).await?.logins;
    let limited = explained.iter().any(|one| !one.allowed_networks.is_empty());
    let addresses = if limited { addresses(&device.ip_address).await } else { Vec::new() };
    let mut next = 0;
    let credentials = explained.into_iter().map(|explained| {
        let state = state(&explained, &addresses);
        let order = matches!(state, State::Works | State::Candidate).then(|| {
            next += 1;
            next
        });
        Candidate { order, state, explained }
    });
    Ok(Explanation {
        device: device.hostname,
        credentials: credentials.collect(),
        addresses,
        refused_logins: refused.at.len(),
        blocked_until: refused.blocked_until(&limits),
    })
}

/// What a name leads to from here; a session looks it up again.
async fn addresses(name: &str) -> Vec<IpAddr> {
    if let Ok(address) = name.parse() {
        return vec![address];
    }
    match timeout(LOOKUP, lookup_host((name, 0))).await {
        Ok(Ok(found)) => found.map(|socket| socket.ip()).collect(),
        _ => Vec::new(),
    }
}

/// An address in the networks is enough: only such a one is connected to.
fn state(explained: &Explained, addresses: &[IpAddr]) -> State {
    let networks = Networks::new(&explained.allowed_networks, &[]).unwrap_or_else(|_| Networks::none());
    let reached = addresses.iter().any(|address| networks.check(*address).is_ok());
    match explained {
        one if one.suspended_at.is_some() => State::Suspended,
        one if !one.allowed_networks.is_empty() && !reached => State::OutsideNetworks,
        one if one.works_here => State::Works,
        _ => State::Candidate,
    }
}

const COLUMNS: [Column; 7] = [
    Column::Right("ORDER"),
    Column::Left("CREDENTIAL"),
    Column::Left("SHARED TAGS"),
    Column::Right("PRIORITY"),
    Column::Right("RATE"),
    Column::Left("LAST SUCCESS HERE (UTC)"),
    Column::Left("REMARK"),
];

fn text(explanation: &Explanation, context: &Context) -> String {
    let Explanation { device, refused_logins, .. } = explanation;
    let mut text = match explanation.credentials.is_empty() {
        true => format!("no credential shares a tag with {device}\n"),
        false => render(&COLUMNS, explanation.credentials.iter().map(row), context.output.width),
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    match explanation.blocked_until {
        Some(until) => text.push_str(&format!(
            "{device} refused {refused_logins} logins within an hour: nobody logs in before {} UTC\n",
            time(until)
        )),
        None if *refused_logins > 0 => {
            text.push_str(&format!("{device} refused {refused_logins} logins within the last hour\n"));
        }
        None => {}
    }
    text
}

fn row(candidate: &Candidate) -> Vec<String> {
    let Candidate { order, state, explained } = candidate;
    let remark = match state {
        State::OutsideNetworks => format!("{} {}", state.text(), explained.allowed_networks.join(", ")),
        _ => state.text().to_owned(),
    };
    vec![
        order.map_or_else(|| "-".to_owned(), |order| order.to_string()),
        explained.name.clone(),
        explained.shared_tags.join(", "),
        explained.priority.to_string(),
        format!("{:.0} %", explained.rate_here * 100.0),
        time_or_dash(explained.last_success_here),
        or_dash(Some(&remark)),
    ]
}
