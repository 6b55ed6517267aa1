//! `netraven gateway list`

use crate::context::Context;
use crate::error::Result;
use crate::output::format::or_dash;
use crate::output::table::{Column, render};
use netraven_service::{GatewaySettings, GatewayState, ask_gateway};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// A gateway of the settings, and what it says of itself or why it cannot be used.
struct Asked {
    name: String,
    settings: GatewaySettings,
    state: Result<GatewayState, String>,
}

/// Asks all gateways of the settings how they are.
pub async fn list(context: &Context) -> Result {
    let dispatch = context.settings.scheduler.dispatch();
    let here = dispatch.local.unwrap_or(dispatch.gateways.is_empty());
    let mut asking = JoinSet::new();
    for (name, settings) in dispatch.gateways {
        asking.spawn(async move {
            let state = ask_gateway(&name, &settings).await;
            Asked { name, settings, state }
        });
    }
    let mut asked = asking.join_all().await;
    asked.sort_by(|one, other| one.name.cmp(&other.name));
    let width = context.output.width;
    context.output.show(|| asked.iter().map(json).collect(), || table(&asked, here, width))
}

fn json(asked: &Asked) -> Value {
    let state = asked.state.as_ref().ok();
    json!({
        "name": asked.name,
        "url": asked.settings.url,
        "sites": asked.settings.sites,
        "max_sessions": asked.settings.max_sessions,
        "usable": state.is_some(),
        "error": asked.state.as_ref().err(),
        "active": state.map(|state| state.active),
        "waiting": state.map(|state| state.waiting),
        "capacity": state.map(|state| state.capacity),
        "version": state.map(|state| &state.version),
    })
}

fn table(asked: &[Asked], here: bool, width: Option<u16>) -> String {
    let columns = [
        Column::Left("NAME"),
        Column::Left("SITES"),
        Column::Left("URL"),
        Column::Right("SESSIONS"),
        Column::Left("VERSION"),
        Column::Left("STATE"),
    ];
    let row = |asked: &Asked| {
        let state = asked.state.as_ref().ok();
        let sites = if asked.settings.sites.is_empty() {
            "all others".into()
        } else {
            asked.settings.sites.join(", ")
        };
        vec![
            asked.name.clone(),
            sites,
            asked.settings.url.clone(),
            state.map_or_else(|| or_dash(None), |state| sessions(state, asked.settings.max_sessions)),
            or_dash(state.map(|state| state.version.as_str())),
            asked.state.as_ref().err().map_or_else(|| "ready".to_owned(), Clone::clone),
        ]
    };
    let local = match here {
        true => "Devices of sites that no gateway names are spoken to by the scheduler's own process, too.",
        false => "The scheduler's own process speaks to no devices.",
    };
    match asked {
        [] => {
            "no gateways are set up (scheduler.gateways): the scheduler's own process speaks to all devices"
                .into()
        }
        some => format!("{}\n{local}", render(&columns, some.iter().map(row), width)),
    }
}

fn sessions(state: &GatewayState, own: Option<usize>) -> String {
    let most = own.map_or(state.capacity, |own| own.min(state.capacity));
    format!("{} of {most}", state.active)
}
