//! `netraven demo`

mod place;
mod stage;

use crate::context::Context;
use crate::database::Database;
use crate::error::Result;
use crate::output::note;
use crate::signals::StopSignals;
use clap::value_parser;
use netraven_lab::{Lab, LabSettings};
use stage::Stage;

const EXAMPLES: &str = "\
Examples:
  netraven demo
  netraven demo --devices 500
  netraven demo --no-wait                      ends after the two backups

The demo has a PostgreSQL and a data directory of its own (data_dir of the environment demo) and
never uses those of another environment, nor DATABASE_URL.";

/// What it is told.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Number of simulated devices
    #[arg(long, value_name = "NUMBER", default_value_t = 25, value_parser = value_parser!(u32).range(3..=10_000))]
    devices: u32,
    /// Ends after the two backups instead of waiting for Ctrl-C
    #[arg(long)]
    no_wait: bool,
}

/// How often somebody changes one of the devices while the demo runs.
const CHANGES_PER_MINUTE: f64 = 1.0;

/// Runs it.
pub async fn run(args: Args, context: &Context) -> Result {
    place::claim(context)?;
    let mut signals = StopSignals::listen()?;
    note(&format!("Starting PostgreSQL in {} ...", context.settings.data_dir.display()));
    let database = Database::open(context).await?;
    let result = with_lab(&args, context, &database, &mut signals).await;
    database.close().await;
    result
}

async fn with_lab(args: &Args, context: &Context, database: &Database, signals: &mut StopSignals) -> Result {
    note(&format!("Starting {} simulated devices, each with its own SSH server ...", args.devices));
    let settings =
        LabSettings { count: args.devices, changes_per_minute: CHANGES_PER_MINUTE, ..LabSettings::default() };
    let lab = Lab::start(settings)?;
    let result = Stage { context, database, lab: &lab, stays: !args.no_wait }.play(signals).await;
    lab.shutdown().await;
    result
}
