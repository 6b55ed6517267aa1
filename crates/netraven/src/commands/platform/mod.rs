//! `netraven platform`

mod definitions;
mod test;

use crate::context::Context;
use crate::error::Result;
use crate::output::format::or_dash;
use crate::output::table::{Column, render};
use clap::Subcommand;
use netraven_platform::{Platform, Platforms};
use serde_json::{Value, json};
use std::path::PathBuf;

const LIST_EXAMPLES: &str = "\
Examples:
  netraven platform list
  netraven platform list --json";

const CHECK_EXAMPLES: &str = "\
Examples:
  netraven platform check                        the folder of the settings (platforms.dir)
  netraven platform check ./my-platforms
  netraven platform check ./my-platforms/acme_os/platform.yaml";

/// The device families NetRaven can talk to.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists them: shipped ones and your own
    #[command(after_help = LIST_EXAMPLES)]
    List,
    /// Reads a folder of definitions and names what is wrong with them
    #[command(after_help = CHECK_EXAMPLES)]
    Check {
        /// Folder with NAME/platform.yaml or NAME.yaml, or one such file
        folder: Option<PathBuf>,
    },
    /// Plays recorded sessions with the definitions, both directions checked
    #[command(after_help = test::EXAMPLES)]
    Test(test::Args),
}

/// Runs it.
pub fn run(command: Command, context: &Context) -> Result {
    match command {
        Command::List => list(context),
        Command::Check { folder } => check(context, folder),
        Command::Test(args) => test::run(&args, context),
    }
}

fn list(context: &Context) -> Result {
    let platforms = context.platforms()?;
    let json = || platforms.iter().map(|platform| view(platform)).collect();
    context.output.show(json, || {
        let columns = [
            Column::Left("NAME"),
            Column::Left("TITLE"),
            Column::Left("ALIASES"),
            Column::Left("COLLECTS"),
            Column::Left("FROM"),
        ];
        let rows = platforms.iter().map(|platform| {
            let parts: Vec<_> = platform.parts.iter().map(|part| part.name.as_str()).collect();
            let aliases = platform.aliases.join(", ");
            let (name, title) = (platform.name.clone(), platform.title.clone());
            vec![name, title, or_dash(Some(&aliases)), parts.join(", "), platform.origin.clone()]
        });
        render(&columns, rows, context.output.width)
    })
}

fn check(context: &Context, folder: Option<PathBuf>) -> Result {
    let folder = folder.as_deref().or(context.settings.platforms.dir.as_deref());
    let platforms = Platforms::load(folder)?;
    let own: Vec<_> = platforms.iter().filter(|platform| platform.origin != "shipped").collect();
    let json = || json!({"platforms": platforms.names().len(), "own": own.iter().map(|p| view(p)).collect::<Vec<_>>()});
    context.output.show(json, || {
        let names: Vec<_> = own.iter().map(|platform| platform.name.as_str()).collect();
        match folder {
            Some(folder) => format!(
                "{}: {} good ({})\n{} platforms with the shipped ones",
                folder.display(),
                own.len(),
                or_dash(Some(&names.join(", "))),
                platforms.names().len()
            ),
            None => format!("{} shipped platforms, no folder of your own", platforms.names().len()),
        }
    })
}

fn view(platform: &Platform) -> Value {
    let parts: Vec<Value> = platform
        .parts
        .iter()
        .map(|part| json!({"name": part.name, "kind": part.kind, "commands": part.commands, "optional": part.optional}))
        .collect();
    json!({
        "name": platform.name, "title": platform.title, "aliases": platform.aliases,
        "parts": parts, "origin": platform.origin, "digest": platform.digest.to_string(),
    })
}
