//! `netraven credential test`

use crate::context::Context;
use crate::error::{CliError, Exit, Result};
use crate::output::format::time;
use crate::output::note;
use crate::signals::StopSignals;
use crate::target::{self, Chosen};
use crate::work::device_settings;
use chrono::Utc;
use netraven_device::{DeviceSettings, ExecuteRequest, Gateway, LoginResult, Outcome};
use netraven_model::{Failure, JobEvent};
use netraven_service::gateway::recognise;
use netraven_store::credentials::{self, CredentialUse};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

pub const EXAMPLES: &str = "\
Examples:
  netraven credential test ops core-1
  netraven credential test ops core-1 --force

Logs in once and out again, and tells each step. What the device says is counted as in a backup:
a success ends the wait of a device that refused too many logins. Ends with 0 where the device
accepted the credential, else with 1. Nothing is stored of the device.";

/// Seconds for all of it.
const WITHIN: Duration = Duration::from_secs(120);

/// Which credential on which device.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The credential
    name: String,
    /// A device of the inventory
    device: String,
    /// Tries it although the credential is suspended, or the device refused too many logins: an account may be locked
    #[arg(long)]
    force: bool,
}

/// Tries it.
pub async fn run(args: &Args, context: &Context) -> Result {
    let mut signals = StopSignals::listen()?;
    let chosen = tokio::select! {
        chosen = target::stored(&args.name, &args.device, args.force, context) => chosen?,
        () = signals.next() => return Err(CliError::interrupted()),
    };
    let outcome = tokio::select! {
        outcome = log_in(&chosen, context) => outcome,
        () = signals.next() => Err(CliError::interrupted()),
    };
    let counted = match &outcome {
        Ok(outcome) => count(&chosen, outcome).await,
        Err(_) => Ok(()),
    };
    chosen.close().await;
    counted?;
    show(args, &outcome?, context)
}

async fn log_in(chosen: &Chosen, context: &Context) -> Result<Outcome<()>> {
    let gateway = Gateway::new(DeviceSettings { max_pool_size: 0, ..device_settings(&context.settings) });
    let access = chosen.access.clone();
    let mut outcome = match chosen.platform.clone() {
        Some(platform) => {
            let request =
                ExecuteRequest { job: None, access, platform, commands: Vec::new(), within: WITHIN };
            without_answers(gateway.execute(&request).await)
        }
        None => {
            let deadline = Instant::now() + WITHIN;
            without_answers(recognise(&gateway, None, &access, &context.platforms()?, deadline).await)
        }
    };
    let device = access_device(chosen);
    for event in chosen.take_events() {
        outcome.events.push(JobEvent::new(None, device, Utc::now(), event));
    }
    Ok(outcome)
}

fn access_device(chosen: &Chosen) -> Option<netraven_model::DeviceId> {
    chosen.access.target.device
}

fn without_answers<T>(outcome: Outcome<T>) -> Outcome<()> {
    let Outcome { result, learned, profile, hops, login, events, dialogue } = outcome;
    Outcome { result: result.map(drop), learned, profile, hops, login, events, dialogue }
}

/// As after a backup.
async fn count(chosen: &Chosen, outcome: &Outcome<()>) -> Result {
    let (Some(device), Some(credential)) = (access_device(chosen), chosen.access.login.credential) else {
        return Ok(());
    };
    let accepted = match outcome.login {
        LoginResult::NotTried => return Ok(()),
        LoginResult::Accepted => true,
        LoginResult::Refused => false,
    };
    let used = CredentialUse { device, credential, accepted, at: Utc::now() };
    match chosen.scheduler() {
        Some(store) => Ok(credentials::count_uses(store, &[used]).await?),
        None => Ok(()),
    }
}

fn show(args: &Args, outcome: &Outcome<()>, context: &Context) -> Result {
    let failure = outcome.result.as_ref().err();
    if context.output.json {
        context.output.json(&json!({
            "credential": args.name,
            "device": args.device,
            "accepted": outcome.result.is_ok(),
            "login": word(outcome.login),
            "error_code": failure.map(|failure| failure.code),
            "error": failure.map(|failure| &failure.message),
            "steps": outcome.events,
        }))?;
    } else {
        let lines =
            outcome.events.iter().map(|step| format!("{}  {}", time(step.timestamp), step.event.message()));
        context.output.text(&lines.collect::<Vec<_>>().join("\n"))?;
    }
    if let Some(key) = &outcome.learned {
        note(&format!("first contact: the host key {} is not known and was taken on trust", key.fingerprint));
    }
    match failure {
        None => match context.output.json {
            true => Ok(()),
            false => context.output.text(&format!("{} accepts credential {}", args.device, args.name)),
        },
        Some(_) if context.output.json => Err(CliError::silent(Exit::Failed)),
        Some(Failure { code, message, .. }) => {
            Err(CliError::failed(format!("{code}: {message}")).hint(code.hint()))
        }
    }
}

fn word(login: LoginResult) -> &'static str {
    match login {
        LoginResult::NotTried => "not_tried",
        LoginResult::Accepted => "accepted",
        LoginResult::Refused => "refused",
    }
}
