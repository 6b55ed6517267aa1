//! What mails say.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use netraven_model::ChangeKind;
use netraven_store::notifications::Delivery;
use std::collections::HashMap;
use std::fmt::Write;

/// Devices that a daily message names of each kind of change.
const DEVICES_NAMED: usize = 50;
/// Characters of a text that came from elsewhere.
const LONGEST: usize = 500;

/// One mail, before it is encoded.
#[derive(Debug)]
pub(super) struct Mail {
    /// The part of its Message-ID before the `@`: the same however often it is sent.
    pub id: String,
    pub subject: String,
    pub body: String,
}

impl Mail {
    /// Of one change.
    pub(super) fn of(delivery: &Delivery) -> Self {
        let change = &delivery.change;
        let name = line(&change.hostname);
        let mut body = format!("{name}: {}\n\n", change.event.phrase());
        let mut field = |label: &str, value: Option<String>| {
            if let Some(value) = value {
                // Writing into a text cannot fail.
                let _ = writeln!(body, "{label:<9} {value}");
            }
        };
        field("time", Some(time(change.at, Tz::UTC)));
        let device = delivery.device.as_ref();
        field("address", device.map(|device| line(&device.address)));
        field("platform", device.map(|device| line(&device.platform)));
        field("site", device.and_then(|device| device.site.as_deref()).map(line));
        field("version", change.seq.map(|seq| seq.to_string()));
        field("job", change.job.map(|job| job.to_string()));
        field("reason", change.error_code.map(|code| code.as_str().to_owned()));
        field("message", change.message.as_deref().map(line));
        let _ = write!(body, "\n{}\n", hint(change.event, &name));
        let id = format!("netraven.{}.{}", delivery.id, change.at.timestamp_micros());
        Self { id, subject: format!("[NetRaven] {name}: {}", change.event.phrase()), body }
    }

    /// Of all changes of a day: there is at least one.
    pub(super) fn digest(deliveries: &[Delivery], zone: Tz) -> Self {
        let mut body = String::new();
        let mut counts = Vec::new();
        for kind in ChangeKind::ALL {
            let of_kind: Vec<_> =
                deliveries.iter().filter(|delivery| delivery.change.event == *kind).collect();
            if !of_kind.is_empty() {
                counts.push(format!("{} {}", of_kind.len(), kind.phrase()));
                section(&mut body, *kind, &of_kind, zone);
            }
        }
        let id = deliveries.first().map_or_else(String::new, |first| {
            format!("netraven.digest.{}.{}", first.id, first.change.at.timestamp_micros())
        });
        let total = match deliveries.len() {
            1 => "1 change".to_owned(),
            more => format!("{more} changes"),
        };
        Self { id, subject: format!("[NetRaven] {total}: {}", counts.join(", ")), body }
    }

    pub(super) fn test(id: uuid::Uuid) -> Self {
        Self {
            id: format!("netraven.test.{id}"),
            subject: "[NetRaven] test".to_owned(),
            body: "This is a test: nothing happened.\n".to_owned(),
        }
    }
}

fn section(body: &mut String, kind: ChangeKind, deliveries: &[&Delivery], zone: Tz) {
    // Devices in the order of their first change, each with its last one.
    let mut order: Vec<(&Delivery, usize)> = Vec::new();
    let mut places = HashMap::new();
    for delivery in deliveries {
        let place = *places.entry(delivery.change.device).or_insert(order.len());
        match order.get_mut(place) {
            Some(entry) => *entry = (delivery, entry.1 + 1),
            None => order.push((delivery, 1)),
        }
    }
    let _ = writeln!(body, "{} ({})", kind.phrase(), deliveries.len());
    for (last, times) in order.iter().take(DEVICES_NAMED) {
        let change = &last.change;
        let _ = write!(body, "  {}  {}", time(change.at, zone), line(&change.hostname));
        if let Some(seq) = change.seq {
            let _ = write!(body, ", version {seq}");
        }
        if let Some(code) = change.error_code {
            let _ = write!(body, ", {}", code.as_str());
        }
        if *times > 1 {
            let _ = write!(body, ", {times} times");
        }
        body.push('\n');
    }
    if order.len() > DEVICES_NAMED {
        let _ = writeln!(body, "  and {} more devices", order.len() - DEVICES_NAMED);
    }
    body.push('\n');
}

fn hint(kind: ChangeKind, name: &str) -> String {
    match kind {
        ChangeKind::ConfigurationChanged | ChangeKind::SecretChanged => {
            format!("netraven config diff {name}")
        }
        ChangeKind::DeviceFailing | ChangeKind::DeviceRecovered | ChangeKind::HostKeyChanged => {
            format!("netraven device show {name}")
        }
    }
}

fn time(at: DateTime<Utc>, zone: Tz) -> String {
    at.with_timezone(&zone).format("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// A text from elsewhere on one line, without what would do something to a terminal.
fn line(text: &str) -> String {
    let mut characters = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut line: String = characters.by_ref().take(LONGEST).collect();
    if characters.next().is_some() {
        line.push_str(" ...");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use netraven_model::{ChangeId, DeliveryId, DeviceId, ErrorCode, JobId};
    use netraven_store::changes::ChangeRow;

    fn delivery(number: i64, device: i64, event: ChangeKind) -> Delivery {
        Delivery {
            id: DeliveryId(number),
            attempts: 0,
            change: ChangeRow {
                id: ChangeId(number),
                device: DeviceId(device),
                hostname: format!("r{device}"),
                event,
                at: "2026-07-01T10:00:00Z".parse().unwrap(),
                job: Some(JobId(7)),
                version: None,
                seq: None,
                error_code: Some(ErrorCode::Timeout),
                message: Some("it did\r\n\u{1b}[31mnot answer".to_owned()),
            },
            device: None,
        }
    }

    #[test]
    fn a_mail_says_what_happened_and_what_to_do_on_lines_of_its_own() {
        let mail = Mail::of(&delivery(3, 1, ChangeKind::DeviceFailing));
        assert_eq!(mail.subject, "[NetRaven] r1: device failing");
        assert_eq!(mail.id, "netraven.3.1782900000000000");
        let expected = "r1: device failing\n\ntime      2026-07-01 10:00:00 UTC\njob       7\nreason    timeout\n\
            message   it did   [31mnot answer\n\nnetraven device show r1\n";
        assert_eq!(mail.body, expected);
    }

    #[test]
    fn a_daily_message_groups_by_kind_counts_and_names_the_first_fifty_devices() {
        let mut all: Vec<_> = (1..=60).map(|n| delivery(n, n, ChangeKind::DeviceFailing)).collect();
        all.push(delivery(61, 1, ChangeKind::DeviceFailing));
        all.push(delivery(62, 9, ChangeKind::ConfigurationChanged));
        let zone = crate::notify::time_zone("Europe/Zurich").unwrap();
        let mail = Mail::digest(&all, zone);
        assert_eq!(mail.subject, "[NetRaven] 62 changes: 61 device failing, 1 configuration changed");
        assert!(
            mail.body.starts_with("device failing (61)\n  2026-07-01 12:00:00 CEST  r1, timeout, 2 times\n"),
            "{}",
            mail.body
        );
        assert!(mail.body.contains("  and 10 more devices\n\nconfiguration changed (1)\n"), "{}", mail.body);
        assert_eq!(mail.body.matches("CEST").count(), 51);
        assert_eq!(Mail::digest(&all[..1], zone).subject, "[NetRaven] 1 change: 1 device failing");
    }

    #[test]
    fn a_long_text_from_elsewhere_is_cut() {
        assert_eq!(line(&"x".repeat(600)).len(), LONGEST + 4);
    }
}
