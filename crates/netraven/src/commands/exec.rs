//! `netraven exec`

use crate::context::Context;
use crate::error::{CliError, Exit, Result};
use crate::output::note;
use crate::signals::StopSignals;
use crate::target::{self, Chosen, Options};
use crate::work::device_settings;
use clap::ValueEnum;
use netraven_device::{Access, DeviceSettings, ExecuteRequest, Gateway};
use netraven_model::{HostKey, Protocol};
use netraven_service::gateway::{ExecuteAnswer, recognise};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

pub const EXAMPLES: &str = "\
Examples:
  netraven exec core-1 --credential ops 'show version'
  netraven exec core-1 --username me 'show version' 'show interfaces' --json
  netraven exec --address 192.0.2.1 --username me --password-file pw -- 'show version'

Secrets in the answers are taken out; --raw shows them. Ends with 0 where the device carried out
every command, else with 1. The session goes past the database: nothing of it is logged.";

/// What is asked of which device.
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// A device of the inventory, then commands; with --address only commands
    #[arg(value_name = "DEVICE|COMMAND")]
    words: Vec<String>,
    #[command(flatten)]
    options: Options,
    /// What is spoken with a device that is not in the inventory [default: ssh]
    #[arg(long, value_enum, requires = "address")]
    method: Option<Method>,
    /// Seconds for all of it
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: Option<u64>,
    /// Shows secrets in the answers, too
    #[arg(long)]
    raw: bool,
}

/// What is spoken with a device.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Method {
    Ssh,
    Telnet,
    Http,
}

/// Seconds for all of it where nothing else is said.
const USUAL_TIMEOUT: u64 = 120;

impl Args {
    /// Whether anything is asked.
    pub fn asks(&self) -> bool {
        !self.words.is_empty() || self.options.address.is_some()
    }
}

/// Runs it.
pub async fn run(args: &Args, context: &Context) -> Result {
    let (device, commands) = match (&args.options.address, args.words.split_first()) {
        (Some(_), _) => (None, args.words.clone()),
        (None, Some((device, commands))) => (Some(device.as_str()), commands.to_vec()),
        (None, None) => (None, Vec::new()),
    };
    if commands.is_empty() {
        return Err(CliError::usage("expected a device or --address, and at least one command")
            .hint("for example `netraven exec core-1 --credential ops 'show version'`"));
    }
    if commands.iter().any(|command| command.trim().is_empty() || command.contains(char::is_control)) {
        return Err(CliError::usage("a command is one line of text without control characters"));
    }
    let protocol = match args.method {
        None | Some(Method::Ssh) => Protocol::Ssh,
        Some(Method::Telnet) => Protocol::Telnet,
        Some(Method::Http) => Protocol::Http,
    };
    let mut signals = StopSignals::listen()?;
    let chosen = tokio::select! {
        chosen = target::choose(device, &args.options, protocol, context) => chosen?,
        () = signals.next() => return Err(CliError::interrupted()),
    };
    let answer = tokio::select! {
        answer = ask(args, &chosen, commands, context) => answer,
        () = signals.next() => Err(CliError::interrupted()),
    };
    chosen.take_events().iter().for_each(|event| note(&event.message()));
    chosen.close().await;
    show(&answer?, context)
}

async fn ask(
    args: &Args,
    chosen: &Chosen,
    commands: Vec<String>,
    context: &Context,
) -> Result<ExecuteAnswer> {
    let begin = Instant::now();
    let deadline = begin + Duration::from_secs(args.timeout.unwrap_or(USUAL_TIMEOUT));
    // A session that nobody can use again need not be kept.
    let gateway = Gateway::new(DeviceSettings { max_pool_size: 0, ..device_settings(&context.settings) });
    let mut access = chosen.access.clone();
    let mut learned = None;
    let platform = match chosen.platform.clone() {
        Some(platform) => platform,
        None => {
            let outcome = recognise(&gateway, None, &access, &context.platforms()?, deadline).await;
            learn(&mut access, &mut learned, outcome.learned);
            match outcome.result {
                Ok(platform) => platform,
                Err(failure) => {
                    return Ok(ExecuteAnswer::new(Err(failure), None, learned, args.raw, begin.elapsed()));
                }
            }
        }
    };
    let within = deadline.saturating_duration_since(Instant::now());
    let request =
        ExecuteRequest { job: None, access: access.clone(), platform: platform.clone(), commands, within };
    let outcome = gateway.execute(&request).await;
    learn(&mut access, &mut learned, outcome.learned);
    Ok(ExecuteAnswer::new(outcome.result, Some(&platform), learned, args.raw, begin.elapsed()))
}

/// A first contact is told: nobody has vouched for the key.
fn learn(access: &mut Access, learned: &mut Option<HostKey>, key: Option<HostKey>) {
    let Some(key) = key else { return };
    note(&format!("first contact: the host key {} is not known and was taken on trust", key.fingerprint));
    access.host_keys.push(key.clone());
    *learned = Some(key);
}

fn show(answer: &ExecuteAnswer, context: &Context) -> Result {
    let failure = answer.failure();
    if failure.is_none() || context.output.json {
        context.output.show(|| json!(answer), || answer.result().to_owned())?;
    }
    match failure {
        None => Ok(()),
        Some(_) if context.output.json => Err(CliError::silent(Exit::Failed)),
        Some((code, message)) => Err(CliError::failed(format!("{code}: {message}")).hint(code.hint())),
    }
}
