//! `netraven notify add`

use super::{secret_failed, text};
use crate::commands::event;
use crate::context::Context;
use crate::database::Database;
use crate::error::{CliError, Result};
use crate::input::fields;
use crate::output::note;
use crate::sealing::open_vault;
use chrono::{NaiveTime, Utc};
use netraven_model::{ChangeKind, ChannelKind};
use netraven_service::notify::{addresses, new_secret, next_digest, time_zone, webhook_url};
use netraven_store::notifications::{self, Digest, NewChannel};
use serde_json::json;

pub const EXAMPLES: &str = "\
Examples:
  netraven notify add chat --webhook https://hooks.example.net/netraven
  netraven notify add noc --email noc@example.net,ops@example.net --event device_failing
  netraven notify add boss --email boss@example.net --digest 07:00 --zone Europe/Zurich
  netraven notify add core --webhook https://h.example.net/x --tag core --event host_key_changed

Events: device_failing, device_recovered, configuration_changed, secret_changed, host_key_changed.
Webhooks are requests of this server to that address; docs/notifications.md tells how to check
their signature. The mail server is set below notify.smtp (docs/configuration.md).";

/// Who is told of what.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("how").required(true))]
pub struct Args {
    /// What it is spoken of by
    #[arg(value_parser = fields::line)]
    name: String,
    /// Sends each change to this URL
    #[arg(long, group = "how", value_name = "URL", value_parser = webhook_url)]
    webhook: Option<String>,
    /// Sends mail to these addresses
    #[arg(long, group = "how", value_name = "A,B", value_parser = joined)]
    email: Option<String>,
    /// One mail a day at this time instead of one for each change
    #[arg(long, value_name = "HH:MM", value_parser = time_of_day, conflicts_with = "webhook")]
    digest: Option<NaiveTime>,
    /// Where it is that time: Europe/Zurich [default: UTC]
    #[arg(long, value_name = "ZONE", requires = "digest", value_parser = zone)]
    zone: Option<String>,
    /// Only changes of this kind; may be repeated
    #[arg(long = "event", value_name = "EVENT", value_parser = event::kind)]
    events: Vec<ChangeKind>,
    /// Only devices with this tag, or another one that is named; may be repeated
    #[arg(long = "tag", value_name = "TAG", value_parser = fields::tag)]
    tags: Vec<String>,
}

/// Runs it.
pub async fn run(args: Args, database: &Database, context: &Context) -> Result {
    let digest = args.digest.map(|at| digest(at, args.zone.as_deref().unwrap_or("UTC"))).transpose()?;
    let store = &database.store;
    let id = notifications::next_id(store).await?;
    let (kind, target, made) = match (args.webhook, args.email) {
        (Some(url), _) => {
            let vault = open_vault(context, store).await?;
            (ChannelKind::Webhook, url, Some(new_secret(&vault, id).map_err(secret_failed)?))
        }
        (None, Some(addresses)) => (ChannelKind::Email, addresses, None),
        (None, None) => return Err(CliError::usage("expected --webhook URL or --email ADDRESSES")),
    };
    let (secret, sealed) = made.unzip();
    let (name, events, tags) = (args.name, args.events, args.tags);
    let new = NewChannel { name, kind, target, secret: sealed, events, tags, digest };
    notifications::add(store, id, &new).await?;
    if kind == ChannelKind::Email && context.settings.notify.smtp.host.is_none() {
        note("warning: notify.smtp.host is not set here, so that this process could send no mail");
    }
    let secret = secret.as_ref().map(text);
    if secret.is_some() {
        note(&format!("{} is told from now on; what its webhooks are signed with is shown once:", new.name));
    }
    context.output.show(
        || json!({"id": id, "name": new.name, "kind": kind, "target": new.target, "secret": secret}),
        || match secret {
            Some(secret) => secret.to_owned(),
            None => format!("{} is told from now on; `netraven notify test {}` tries it", new.name, new.name),
        },
    )
}

fn digest(at: NaiveTime, zone: &str) -> Result<Digest> {
    let time_zone_of = time_zone(zone).map_err(CliError::usage)?;
    Ok(Digest { at, time_zone: zone.to_owned(), next: next_digest(at, time_zone_of, Utc::now()) })
}

fn joined(text: &str) -> Result<String, String> {
    Ok(addresses(text)?.join(","))
}

fn zone(text: &str) -> Result<String, String> {
    time_zone(text).map(|zone| zone.name().to_owned())
}

fn time_of_day(text: &str) -> Result<NaiveTime, String> {
    let two_digits = text.len() == 5;
    let parsed = NaiveTime::parse_from_str(text, "%H:%M").ok().filter(|_| two_digits);
    parsed.ok_or_else(|| format!("expected a time of the day such as 07:00, found '{text}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_day_are_read_as_written_and_nothing_else() {
        assert_eq!(time_of_day("07:05").unwrap(), NaiveTime::from_hms_opt(7, 5, 0).unwrap());
        assert_eq!(time_of_day("23:59").unwrap(), NaiveTime::from_hms_opt(23, 59, 0).unwrap());
        for wrong in ["24:00", "7:00", "07:60", "07", "", "noon", "07:00:00"] {
            assert!(time_of_day(wrong).unwrap_err().contains("07:00"), "{wrong}");
        }
    }
}
