//! `netraven platform`

mod definitions;
mod list;
mod record;
mod rules;
mod test;
mod try_out;

use crate::context::Context;
use crate::error::Result;
use crate::output::format::or_dash;
use clap::Subcommand;
use netraven_platform::Platforms;
use serde_json::json;
use std::path::PathBuf;

const CHECK_EXAMPLES: &str = "\
Examples:
  netraven platform check                        the folder of the settings (platforms.dir)
  netraven platform check ./my-platforms
  netraven platform check ./my-platforms/acme_os/platform.yaml";

/// The device families NetRaven can talk to.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists them with what there is to believe that they work
    #[command(after_help = list::EXAMPLES)]
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
    /// Shows what a definition makes of a transcript: prompts, pagers, commands, secrets, what is volatile
    #[command(after_help = try_out::EXAMPLES)]
    Try(try_out::Args),
    /// Writes down a session with a device as a session file; its secrets are replaced by invented ones
    #[command(after_help = record::EXAMPLES)]
    Record(Box<record::Args>),
}

/// Runs it.
pub async fn run(command: Command, context: &Context) -> Result {
    match command {
        Command::List => list::run(context),
        Command::Check { folder } => check(context, folder),
        Command::Test(args) => test::run(&args, context),
        Command::Try(args) => try_out::run(&args, context),
        Command::Record(args) => record::run(&args, context).await,
    }
}

fn check(context: &Context, folder: Option<PathBuf>) -> Result {
    let folder = folder.as_deref().or(context.settings.platforms.dir.as_deref());
    let platforms = Platforms::load(folder)?;
    let own: Vec<_> = platforms.iter().filter(|platform| platform.origin != "shipped").collect();
    let json = || {
        let own: Vec<_> = own.iter().map(|platform| list::view(platform)).collect();
        json!({"platforms": platforms.names().len(), "own": own})
    };
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
