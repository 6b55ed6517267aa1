//! `netraven platform record`

mod converse;

use crate::context::Context;
use crate::error::{CliError, Result};
use crate::target::{self, Chosen, Options};
use clap::Args as ClapArgs;
use netraven_lab::SessionFile;
use netraven_model::{Failure, Protocol};
use netraven_replay::check;
use netraven_replay::record::{File, Recorded, random_seed, record};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub const EXAMPLES: &str = "\
Examples:
  netraven platform record core-1 --credential ops --output core-1
  netraven platform record --address 192.0.2.1 --platform frr --username me --output frr-1
  netraven platform record core-1 --credential ops --anonymise --output frr/sessions/vm_10.1

`netraven platform test` finds it as platforms/NAME/sessions/FOLDER. Secrets that a rule of the
platform finds are replaced; look through the files all the same before you share them.";

#[derive(Debug, ClapArgs)]
pub struct Args {
    /// A device of the inventory
    #[arg(conflicts_with = "address", required_unless_present = "address")]
    device: Option<String>,
    #[command(flatten)]
    options: Options,
    /// Replaces the device's name, serial number and all addresses, too
    #[arg(long)]
    anonymise: bool,
    /// Folder to make; must not be there yet
    #[arg(long, value_name = "FOLDER")]
    output: PathBuf,
}

/// Records a session and says whether it proves its platform.
pub async fn run(args: &Args, context: &Context) -> Result {
    if args.output.exists() {
        return Err(CliError::usage(format!("{} is there already", args.output.display()))
            .hint("name a folder that is to be made"));
    }
    let chosen = target::choose(args.device.as_deref(), &args.options, Protocol::Ssh, context).await?;
    let recorded = record_one(args, &chosen, context).await;
    chosen.close().await;
    recorded
}

async fn record_one(args: &Args, chosen: &Chosen, context: &Context) -> Result {
    let platform = chosen.platform.as_ref().ok_or_else(|| {
        CliError::usage(format!("'{}' is no platform to record with", chosen.access.target.platform))
            .hint("name one with --platform; see `netraven platform list`")
    })?;
    let said = converse::converse(chosen, platform, context).await;
    let said = said.map_err(|failure| failed(chosen, &failure))?;
    let login = &chosen.access.login;
    let secrets = [&login.password, &login.enable, &login.key_passphrase, &login.private_key];
    let recorded = Recorded {
        platform,
        ssh_version: &said.ssh_version,
        username: &login.username,
        secrets: secrets.into_iter().flatten().collect(),
        exchanges: &said.exchanges,
        outputs: &said.outputs,
        anonymise: args.anonymise,
        seed: random_seed(),
    };
    let files = record(&recorded).map_err(|error| CliError::failed(error.to_string()))?;
    write(&args.output, &files)?;
    let session = SessionFile::from_dir(&args.output)
        .map_err(|error| CliError::failed(format!("the recording cannot be read back: {error}")))?;
    let findings = check(platform, &Arc::new(session));
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
    let folder = args.output.display().to_string();
    context.output.show(
        || json!({"folder": folder, "files": names, "problems": told}),
        || {
            let proves = match told.as_slice() {
                [] => "it proves the definition".to_owned(),
                problems => format!("it finds fault with the definition:\n{}", problems.join("\n")),
            };
            format!("{folder}: {} files; {proves}", names.len())
        },
    )
}

fn failed(chosen: &Chosen, failure: &Failure) -> CliError {
    CliError::failed(format!("{}: {failure}", chosen.access.target.hostname))
        .hint("nothing was written; `netraven platform try` shows what a definition makes of a transcript")
}

fn write(folder: &Path, files: &[File]) -> Result {
    let wrong = |path: &Path, error: std::io::Error| {
        CliError::failed(format!("{} cannot be written: {error}", path.display()))
    };
    std::fs::create_dir_all(folder).map_err(|error| wrong(folder, error))?;
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|error| wrong(&path, error))?;
    }
    Ok(())
}
