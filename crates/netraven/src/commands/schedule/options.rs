//! Options that say when, what and which.

use crate::commands::backup::devices_named;
use crate::error::{CliError, Result};
use crate::input::fields;
use crate::nearest::{nearest, suggestion};
use crate::output::format::{duration, parse_duration};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use clap::ValueEnum;
use netraven_model::JobKind;
use netraven_model::schedule::{self, CronTime, ScheduleError, Span, Timing};
use netraven_store::Store;
use netraven_store::jobs::TargetSelection;
use std::time::Duration;

/// Shorter intervals would keep devices busy with nothing else.
pub const SHORTEST: Duration = Duration::from_secs(60);

/// When runs start.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "When")]
pub struct When {
    /// Minute, hour, day of month, month, day of week; or @daily, @weekly, ...
    #[arg(long, value_name = "EXPRESSION", group = "timing")]
    pub cron: Option<String>,
    /// A fixed rhythm, the first run at --from or else at once
    #[arg(long, value_name = "DURATION", group = "timing", value_parser = interval)]
    pub every: Option<Duration>,
    /// A single run
    #[arg(long, value_name = "TIME", group = "timing")]
    pub at: Option<String>,
    /// Whose clock all of this means, e.g. Europe/Zurich [default: UTC]
    #[arg(long, value_name = "NAME")]
    pub zone: Option<String>,
    /// Runs wait until one is open, e.g. 22:00-05:00, 'Sat,Sun 00:00-24:00'; may be repeated
    #[arg(long = "window", value_name = "SPAN")]
    pub windows: Vec<String>,
    /// No run starts then, e.g. 2026-12-20..2027-01-03, 'Fri 16:00-24:00'; may be repeated
    #[arg(long = "blackout", value_name = "SPAN")]
    pub blackouts: Vec<String>,
    /// No run before
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// No run after; of a date its end
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
}

/// What runs do.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "What")]
pub struct What {
    /// What is done with each device [default: backup]
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// What each device is asked, with --kind command; may be repeated
    #[arg(long = "command", value_name = "COMMAND", value_parser = fields::line)]
    commands: Vec<String>,
    /// The jobs of a run begin spread over that time; 0s for all at once
    #[arg(long, value_name = "DURATION", value_parser = jitter)]
    pub jitter: Option<Duration>,
    /// Jobs with lower numbers run first [default: 200; what people start has 100]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub priority: Option<i32>,
}

/// Which devices are taken.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Which")]
pub struct Which {
    /// All devices that are not disabled
    #[arg(long, group = "target")]
    all: bool,
    /// Devices with this tag; may be repeated, one of them is enough
    #[arg(long = "tag", short, group = "target", value_name = "TAG", value_parser = fields::tag)]
    tags: Vec<String>,
    /// With several --tag: only devices that have them all
    #[arg(long, requires = "tags")]
    every_tag: bool,
    /// Devices at this site; may be repeated
    #[arg(long = "site", value_name = "SITE", group = "target", value_parser = fields::line)]
    sites: Vec<String>,
    /// This device; may be repeated
    #[arg(long = "device", short, value_name = "NAME", group = "target")]
    devices: Vec<String>,
}

/// What a run does with each device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Collects the configuration
    Backup,
    /// Sees whether the device answers
    Reachability,
    /// Sees whether its credential works
    CredentialCheck,
    /// Asks commands and keeps the answers
    Command,
}

impl When {
    /// Whether one of cron, every and at is given.
    pub fn has_timing(&self) -> bool {
        self.cron.is_some() || self.every.is_some() || self.at.is_some()
    }

    /// The zone, if one is named.
    pub fn zone(&self) -> Result<Option<Tz>> {
        let Some(name) = &self.zone else { return Ok(None) };
        match schedule::zone(name) {
            Ok(zone) => Ok(Some(zone)),
            Err(error) if error.reason.contains("did you mean") => Err(usage(error)),
            Err(error) => {
                Err(CliError::usage(format!("--zone: {}{}", error.reason, suggestion(nearest_zone(name)))))
            }
        }
    }

    /// What makes runs due; `first` begins the rhythm of an interval.
    pub fn timing(&self, zone: Tz, first: DateTime<Utc>) -> Result<Option<Timing>> {
        if let Some(cron) = &self.cron {
            return CronTime::parse(cron).map(Timing::Cron).map(Some).map_err(usage);
        }
        if let Some(at) = &self.at {
            let at = schedule::time("at", at, zone, false).map_err(usage)?;
            return Ok(Some(Timing::Once(at)));
        }
        Ok(self.every.map(|every| Timing::Every { every, first }))
    }

    /// The windows, if any are named; an empty text stands for none.
    pub fn windows(&self) -> Result<Option<Vec<Span>>> {
        spans(&self.windows, Span::window)
    }

    /// The blackouts, if any are named; an empty text stands for none.
    pub fn blackouts(&self) -> Result<Option<Vec<Span>>> {
        spans(&self.blackouts, Span::blackout)
    }

    /// The beginning, if it is named; an empty text stands for none.
    pub fn valid_from(&self, zone: Tz) -> Result<Option<Option<DateTime<Utc>>>> {
        limit("from", self.from.as_deref(), zone, false)
    }

    /// The end, if it is named; an empty text stands for none.
    pub fn valid_until(&self, zone: Tz) -> Result<Option<Option<DateTime<Utc>>>> {
        limit("until", self.until.as_deref(), zone, true)
    }
}

impl What {
    /// What is to be done, if it is named; commands alone are enough.
    pub fn kind(&self) -> Option<(JobKind, Vec<String>)> {
        let kind = match self.kind {
            None if self.commands.is_empty() => return None,
            None | Some(Kind::Command) => JobKind::Command,
            Some(Kind::Backup) => JobKind::Backup,
            Some(Kind::Reachability) => JobKind::Reachability,
            Some(Kind::CredentialCheck) => JobKind::CredentialCheck,
        };
        Some((kind, self.commands.clone()))
    }
}

impl Which {
    /// The devices, if any are named.
    pub async fn target(&self, store: &Store) -> Result<Option<TargetSelection>> {
        if self.all {
            return Ok(Some(TargetSelection::All));
        }
        if !self.tags.is_empty() {
            let tags = if self.every_tag { TargetSelection::AllTags } else { TargetSelection::Tags };
            return Ok(Some(tags(self.tags.clone())));
        }
        if !self.sites.is_empty() {
            return Ok(Some(TargetSelection::Sites(self.sites.clone())));
        }
        if !self.devices.is_empty() {
            return Ok(Some(TargetSelection::Devices(devices_named(&self.devices, store).await?)));
        }
        Ok(None)
    }
}

/// As an error of the command line, which names the option.
pub fn usage(error: ScheduleError) -> CliError {
    CliError::usage(format!("--{}: {}", error.what, error.reason))
}

/// The zone that was probably meant: people misspell the whole name or write the city alone.
fn nearest_zone(name: &str) -> Option<&'static str> {
    let city = |zone: &'static str| zone.rsplit('/').next().unwrap_or(zone);
    nearest(name, schedule::zones()).or_else(|| {
        let meant = nearest(name, schedule::zones().map(city))?;
        schedule::zones().find(|zone| city(zone) == meant)
    })
}

fn spans(texts: &[String], read: fn(&str) -> Result<Span, ScheduleError>) -> Result<Option<Vec<Span>>> {
    if texts.is_empty() {
        return Ok(None);
    }
    let given = texts.iter().filter(|text| !text.is_empty());
    given.map(|text| read(text).map_err(usage)).collect::<Result<_>>().map(Some)
}

fn limit(
    what: &'static str,
    text: Option<&str>,
    zone: Tz,
    end: bool,
) -> Result<Option<Option<DateTime<Utc>>>> {
    match text {
        None => Ok(None),
        Some("") => Ok(Some(None)),
        Some(text) => schedule::time(what, text, zone, end).map(|at| Some(Some(at))).map_err(usage),
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let every = parse_duration(text)?;
    match every < SHORTEST {
        true => Err(format!("expected at least {}, found {}", duration(SHORTEST), duration(every))),
        false => Ok(every),
    }
}

fn jitter(text: &str) -> Result<Duration, String> {
    if ["0", "0s", "0m"].contains(&text) { Ok(Duration::ZERO) } else { parse_duration(text) }
}
