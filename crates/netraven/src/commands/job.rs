//! `netraven job`

use crate::context::Context;
use crate::database::with_store;
use crate::error::Result;
use crate::output::format::{or_dash, time, time_or_dash};
use crate::output::table::{Column, pairs, render};
use clap::Subcommand;
use netraven_model::{ErrorCode, JobId, JobStatus, Outcome, RunId};
use netraven_store::jobs::{self, JobDetail, JobFilter, JobRow};
use netraven_store::logs::ConnectionLog;
use netraven_store::{devices, logs};
use serde_json::{Value, json};

const LIST_EXAMPLES: &str = "\
Examples:
  netraven job list
  netraven job list --outcome failed
  netraven job list --device r1 --limit 5 --json";

const SHOW_EXAMPLES: &str = "\
Examples:
  netraven job show 42
  netraven job show 42 --dialogue        with what was said on the line, secrets masked";

const CANCEL_EXAMPLES: &str = "\
Examples:
  netraven job cancel 42

A waiting job ends at once, the session of a running one is closed within two seconds. Whichever
runs wanted the job: none of them gets it.";

const WATCH_EXAMPLES: &str = "\
Examples:
  netraven job watch 7
  netraven job watch 7 --json            a line for each change

Ctrl-C leaves the run running; `netraven run cancel` ends it. Exits with 0 if every device was
done and with 5 if some failed.";

/// One device's tasks.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists jobs, newest first
    #[command(after_help = LIST_EXAMPLES)]
    List(Filter),
    /// Shows a job: its attempts and everything that happened
    #[command(after_help = SHOW_EXAMPLES)]
    Show {
        /// Its number
        job: i64,
        /// Also what was said on the line in the last session
        #[arg(long)]
        dialogue: bool,
    },
    /// Cancels one job that is not finished yet
    #[command(after_help = CANCEL_EXAMPLES)]
    Cancel {
        /// Its number
        job: i64,
    },
    /// Follows a run to its end: what is done, how fast, why devices fail, how long it takes
    #[command(after_help = WATCH_EXAMPLES)]
    Watch {
        /// The run's number
        run: i64,
    },
}

/// Which jobs.
#[derive(Debug, clap::Args)]
pub struct Filter {
    /// Of this run
    #[arg(long, value_name = "NUMBER")]
    run: Option<i64>,
    /// Of this device
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// queued, running, done or cancelled
    #[arg(long, value_parser = status)]
    status: Option<JobStatus>,
    /// changed, unchanged, ok, failed or skipped
    #[arg(long, value_parser = outcome)]
    outcome: Option<Outcome>,
    /// As many at most
    #[arg(long, value_name = "NUMBER", default_value_t = JobFilter::DEFAULT_LIMIT, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Only jobs older than this one
    #[arg(long, value_name = "NUMBER")]
    before: Option<i64>,
}

/// Runs it.
pub async fn run(command: Command, context: &Context) -> Result {
    match command {
        Command::List(filter) => list(filter, context).await,
        Command::Show { job, dialogue } => show(JobId(job), dialogue, context).await,
        Command::Cancel { job } => cancel(JobId(job), context).await,
        Command::Watch { run } => super::watch::run(RunId(run), context).await,
    }
}

async fn list(filter: Filter, context: &Context) -> Result {
    let found = with_store(context, async |store| {
        let device = match &filter.device {
            Some(name) => Some(devices::get(store, name).await?.id),
            None => None,
        };
        let filter = JobFilter {
            run: filter.run.map(RunId),
            device,
            status: filter.status,
            outcome: filter.outcome,
            limit: Some(filter.limit),
            before: filter.before.map(JobId),
        };
        Ok(jobs::list(store, &filter).await?)
    })
    .await?;
    context.output.show(
        || found.iter().map(view).collect(),
        || render(&COLUMNS, found.iter().map(row), context.output.width),
    )
}

const COLUMNS: [Column; 8] = [
    Column::Right("JOB"),
    Column::Right("RUN"),
    Column::Left("DEVICE"),
    Column::Left("WHAT"),
    Column::Left("STATUS"),
    Column::Right("ATTEMPTS"),
    Column::Left("ENDED (UTC)"),
    Column::Left("REASON"),
];

fn row(job: &JobRow) -> Vec<String> {
    vec![
        job.id.to_string(),
        job.run.map_or_else(|| "-".to_owned(), |run| run.to_string()),
        job.hostname.clone(),
        job.kind.as_str().to_owned(),
        state(job.status, job.outcome),
        job.attempts.to_string(),
        time_or_dash(job.completed_at),
        reason(job.error_code, job.error.as_deref()),
    ]
}

/// The outcome of a job that has ended, else where it stands.
pub fn state(status: JobStatus, outcome: Option<Outcome>) -> String {
    outcome.map_or(status.as_str(), Outcome::as_str).to_owned()
}

/// The code with its sentence, or `-`.
pub fn reason(code: Option<ErrorCode>, message: Option<&str>) -> String {
    match (code, message) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_string(),
        (None, message) => or_dash(message),
    }
}

fn view(job: &JobRow) -> Value {
    json!({
        "id": job.id, "device": job.hostname, "device_id": job.device, "run": job.run, "kind": job.kind,
        "status": job.status, "outcome": job.outcome, "priority": job.priority,
        "scheduled_for": job.scheduled_for, "started_at": job.started_at, "completed_at": job.completed_at,
        "attempts": job.attempts, "error_code": job.error_code, "error": job.error, "worker": job.worker,
        "created_at": job.created_at,
    })
}

async fn cancel(id: JobId, context: &Context) -> Result {
    let status = with_store(context, async |store| Ok(jobs::cancel(store, id).await?)).await?;
    context.output.show(
        || json!({"job": id, "status": status}),
        || match status {
            JobStatus::Running => format!("job {id} is cancelled; its session is being closed"),
            _ => format!("job {id} is cancelled"),
        },
    )
}

async fn show(id: JobId, dialogue: bool, context: &Context) -> Result {
    let (detail, log) = with_store(context, async |store| {
        let detail = jobs::get(store, id).await?;
        let log = if dialogue { logs::connection_log(store, id).await? } else { None };
        Ok((detail, log))
    })
    .await?;
    context.output.show(
        || {
            let mut json = view(&detail.job);
            json["attempt_list"] = json!(detail.attempts);
            json["events"] = json!(detail.events);
            if dialogue {
                json["dialogue"] = json!(log);
            }
            json
        },
        || describe(&detail, dialogue.then_some(log.as_ref()), context.output.width),
    )
}

fn describe(detail: &JobDetail, dialogue: Option<Option<&ConnectionLog>>, width: Option<u16>) -> String {
    let job = &detail.job;
    let mut text = pairs([
        ("job", job.id.to_string()),
        ("device", job.hostname.clone()),
        ("what", job.kind.as_str().to_owned()),
        ("status", state(job.status, job.outcome)),
        ("made", time(job.created_at)),
        ("not before", time(job.scheduled_for)),
        ("ended", time_or_dash(job.completed_at)),
        ("attempts", job.attempts.to_string()),
        ("worker", or_dash(job.worker.as_deref())),
        ("reason", reason(job.error_code, job.error.as_deref())),
    ]);
    if let Some(code) = job.error_code {
        text += &format!("hint: {}\n", code.hint());
    }
    let columns = [Column::Left("TIME (UTC)"), Column::Left("LEVEL"), Column::Left("EVENT")];
    let events = detail.events.iter().map(|entry| {
        let time = entry.timestamp.format("%Y-%m-%d %H:%M:%S%.3f").to_string();
        vec![time, entry.level.clone(), entry.message.clone()]
    });
    text += &format!("\n{}", render(&columns, events, width));
    for (entry, output) in detail.events.iter().filter_map(|entry| Some((entry, entry.output.as_ref()?))) {
        text += &format!("\n{}\n{}\n", entry.message, output.replace('\r', "").trim_end());
    }
    match dialogue {
        Some(Some(log)) => text + &format!("\n{}\n", log.log.replace('\r', "")),
        Some(None) => text + "\nno session was opened, so there is no dialogue\n",
        None => text,
    }
}

fn status(text: &str) -> Result<JobStatus, String> {
    let known: Vec<_> = JobStatus::ALL.iter().map(|status| status.as_str()).collect();
    JobStatus::from_name(text).ok_or_else(|| format!("expected one of {}", known.join(", ")))
}

fn outcome(text: &str) -> Result<Outcome, String> {
    let known: Vec<_> = Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect();
    Outcome::from_name(text).ok_or_else(|| format!("expected one of {}", known.join(", ")))
}
