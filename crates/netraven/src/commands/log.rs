//! `netraven log`

use super::gateway::{KeyCommand, keys};
use crate::context::Context;
use crate::database::{Database, with_store};
use crate::error::{CliError, Result};
use crate::input::fields;
use crate::output::format::{CYAN, RED, paint, parse_duration, parse_time};
use crate::output::note;
use crate::output::table::{Column, render};
use crate::signals::StopSignals;
use chrono::{DateTime, Utc};
use clap::Subcommand;
use netraven_model::{DeviceId, EventLevel, JobId, RunId};
use netraven_store::logs::{self, Cursor, Follower, LogEntry, LogFilter, Matcher, Place};
use netraven_store::{Store, devices};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::sleep;

const LIST_EXAMPLES: &str = "\
Examples:
  netraven log list
  netraven log list --run 7 --level warning
  netraven log list --device r1 --since 2h --text 'timed out' --json
  netraven log list --event failed --since 2026-03-01 --until '2026-03-02 06:00'";

const FOLLOW_EXAMPLES: &str = "\
Examples:
  netraven log follow
  netraven log follow --run 7 --level warning
  netraven log follow --json             one JSON object per line

Shows what is stored from now on, until Ctrl-C.";

/// How often somebody who follows looks for more.
const POLL: Duration = Duration::from_millis(500);
/// Events that are read at once.
const PAGE: u32 = 500;
/// Names of devices that are remembered; then all are forgotten.
const NAMES: usize = 50_000;

/// What happened in jobs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists events, the newest first
    #[command(after_help = LIST_EXAMPLES)]
    List {
        #[command(flatten)]
        filter: Filter,
        /// As many at most
        #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Goes on where an earlier list ended
        #[arg(long, value_name = "CURSOR", value_parser = cursor)]
        before: Option<Cursor>,
    },
    /// Shows events as they are stored
    #[command(after_help = FOLLOW_EXAMPLES)]
    Follow {
        #[command(flatten)]
        filter: Filter,
    },
    /// Keys for callers of the job logging service
    #[command(subcommand)]
    Key(KeyCommand),
}

/// Which events.
#[derive(Debug, clap::Args)]
pub struct Filter {
    /// Of this job
    #[arg(long, value_name = "NUMBER")]
    job: Option<i64>,
    /// Of this device
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// Of the jobs of this run
    #[arg(long, value_name = "NUMBER")]
    run: Option<i64>,
    /// As important as this or more: debug, info, warning or error
    #[arg(long, value_parser = level)]
    level: Option<EventLevel>,
    /// With this name, e.g. failed
    #[arg(long, value_name = "NAME", value_parser = fields::line)]
    event: Option<String>,
    /// Not before this time, or for so long: 2h, 2026-03-01, '2026-03-01 14:05' (UTC)
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<DateTime<Utc>>,
    /// Before this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<DateTime<Utc>>,
    /// With this anywhere in the message
    #[arg(long, value_parser = fields::line)]
    text: Option<String>,
}

/// Runs it.
pub async fn run(command: Command, context: &Context) -> Result {
    match command {
        Command::List { filter, limit, before } => list(&filter, limit, before, context).await,
        Command::Follow { filter } => follow(&filter, context).await,
        Command::Key(command) => keys(command, &context.settings.joblog.key_file, context),
    }
}

impl Filter {
    async fn resolve(&self, store: &Store) -> Result<LogFilter> {
        if self.since.zip(self.until).is_some_and(|(since, until)| since >= until) {
            return Err(CliError::usage("--until: expected a time behind the one of --since"));
        }
        let device = match &self.device {
            Some(name) => Some(devices::find(store, name).await?),
            None => None,
        };
        Ok(LogFilter {
            job: self.job.map(JobId),
            device,
            run: self.run.map(RunId),
            level: self.level,
            event: self.event.clone(),
            from: self.since,
            to: self.until,
            text: self.text.clone(),
        })
    }
}

async fn list(filter: &Filter, limit: u32, before: Option<Cursor>, context: &Context) -> Result {
    let place = before.map_or(Place::Newest, Place::Before);
    let (found, names) = with_store(context, async |store| {
        let found = logs::list(store, &filter.resolve(store).await?, place, limit).await?;
        let mut names = Names::default();
        names.learn(store, found.iter()).await?;
        Ok((found, names))
    })
    .await?;
    let full = found.len() as u64 >= u64::from(limit);
    let older = found.last().filter(|_| full).map(|last| last.cursor().to_string());
    let json = || {
        let entries: Vec<_> = found.iter().map(|entry| view(entry, &names)).collect();
        json!({"entries": entries, "older": older})
    };
    context.output.show(json, || {
        let columns = [
            Column::Left("TIME (UTC)"),
            Column::Left("LEVEL"),
            Column::Right("JOB"),
            Column::Left("DEVICE"),
            Column::Left("WHAT HAPPENED"),
        ];
        let rows = found.iter().map(|entry| {
            let job = entry.job.map_or_else(|| "-".to_owned(), |job| job.to_string());
            vec![time(entry), entry.level.clone(), job, names.of(entry), entry.message.clone()]
        });
        render(&columns, rows, context.output.width)
    })?;
    if let Some(older) = older.filter(|_| !context.output.json) {
        note(&format!("there may be more: add `--before {older}`"));
    }
    Ok(())
}

async fn follow(filter: &Filter, context: &Context) -> Result {
    let mut signals = StopSignals::listen()?;
    let database = Database::open(context).await?;
    let ended = tokio::select! {
        ended = show_all(filter, context, &database.store) => ended,
        () = signals.next() => Ok(()),
    };
    database.close().await;
    ended
}

async fn show_all(filter: &Filter, context: &Context, store: &Store) -> Result {
    let matcher = Matcher::new(store, filter.resolve(store).await?).await?;
    let mut follower = Follower::from_now(store.clone()).await?;
    let mut names = Names::default();
    loop {
        let page = follower.next(PAGE).await?;
        let full = page.len() as u64 >= u64::from(PAGE);
        let wanted: Vec<_> =
            page.into_iter().map(|stored| stored.entry).filter(|entry| matcher.matches(entry)).collect();
        names.learn(store, wanted.iter()).await?;
        for entry in &wanted {
            let line = match context.output.json {
                true => view(entry, &names).to_string(),
                false => line(entry, &names, context.output.colour),
            };
            context.output.text(&line)?;
        }
        if !full {
            sleep(POLL).await;
        }
    }
}

/// Names of devices.
#[derive(Debug, Default)]
struct Names(HashMap<DeviceId, String>);

impl Names {
    async fn learn(&mut self, store: &Store, entries: impl Iterator<Item = &LogEntry>) -> Result {
        if self.0.len() > NAMES {
            self.0.clear();
        }
        let mut unknown: Vec<_> =
            entries.filter_map(|entry| entry.device).filter(|id| !self.0.contains_key(id)).collect();
        unknown.sort_unstable();
        unknown.dedup();
        if !unknown.is_empty() {
            self.0.extend(devices::names_of(store, &unknown).await?);
        }
        Ok(())
    }

    /// The name, or the number of a device that is gone.
    fn of(&self, entry: &LogEntry) -> String {
        let Some(id) = entry.device else { return "-".to_owned() };
        self.0.get(&id).cloned().unwrap_or_else(|| format!("#{id}"))
    }
}

fn time(entry: &LogEntry) -> String {
    entry.timestamp.format("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

fn line(entry: &LogEntry, names: &Names, colour: bool) -> String {
    let level = match entry.level.as_str() {
        "error" if colour => paint(RED, "error"),
        "warning" if colour => paint(CYAN, "warning"),
        level => level.to_owned(),
    };
    let job = entry.job.map_or_else(String::new, |job| format!(" job {job}"));
    format!("{} {level} {}{job}: {}", time(entry), names.of(entry), entry.message)
}

fn view(entry: &LogEntry, names: &Names) -> Value {
    let device = entry.device.map(|_| names.of(entry));
    json!({
        "id": entry.id, "timestamp": entry.timestamp, "level": entry.level, "event": entry.event, "job": entry.job,
        "device_id": entry.device, "device": device, "message": entry.message, "success": entry.success,
        "details": entry.details,
    })
}

fn level(text: &str) -> Result<EventLevel, String> {
    let known = EventLevel::ALL.map(EventLevel::as_str).join(", ");
    EventLevel::from_name(text).ok_or_else(|| format!("expected one of {known}"))
}

fn cursor(text: &str) -> Result<Cursor, String> {
    text.parse().map_err(|_| "expected what an earlier list named".to_owned())
}

/// A time, the begin of a day, or a duration back from now.
fn since(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(duration) = parse_duration(text) {
        let ago =
            chrono::TimeDelta::from_std(duration).ok().and_then(|ago| Utc::now().checked_sub_signed(ago));
        return ago.ok_or_else(|| format!("{text} ago there was no time yet"));
    }
    let midnight = (text.len() == "2026-03-01".len()).then(|| parse_time(&format!("{text} 00:00")));
    match midnight {
        Some(Ok(time)) => Ok(time),
        _ => parse_time(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_begin_is_a_time_a_day_or_a_duration() {
        assert_eq!(since("2026-03-01"), Ok("2026-03-01T00:00:00Z".parse().unwrap()));
        assert_eq!(since("2026-03-01 14:05"), Ok("2026-03-01T14:05:00Z".parse().unwrap()));
        let ago = Utc::now() - since("2h").unwrap();
        assert!((7_190..7_210).contains(&ago.num_seconds()), "{ago}");
        for bad in ["", "yesterday", "2026-02-30", "99999999w", "x2026-0301"] {
            assert!(since(bad).is_err(), "{bad}");
        }
    }
}
