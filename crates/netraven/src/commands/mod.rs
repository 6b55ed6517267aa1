//! One module per command.

mod audit;
mod backup;
mod completions;
mod config;
mod config_file;
mod credential;
mod db;
mod demo;
mod device;
mod event;
mod exec;
mod gateway;
mod gateway_list;
mod job;
mod key;
mod lab;
mod log;
mod notify;
mod platform;
mod run;
mod schedule;
mod secret;
mod serve;
mod serve_scheduler;
mod setting;
mod start;
mod tag;
mod token;
mod up;
mod user;
mod watch;

pub use job::{reason, state};

use crate::cli::Cli;
use crate::context::Context;
use crate::error::{CliError, Result};
use crate::settings::DEMO;
use clap::Subcommand;

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs NetRaven: its database, if none is named, and a worker, until Ctrl-C
    Up(up::Args),
    /// Runs one of NetRaven's services alone
    #[command(subcommand)]
    Serve(serve::Command),
    /// Shows what NetRaven does: 25 simulated devices, two backups, and what changed between them
    Demo(demo::Args),
    /// Serves simulated devices over SSH on this machine
    Lab(lab::Args),
    /// Collects configurations now, or makes a schedule for it
    Backup(backup::Args),
    /// Has commands answered by one device, and prints what it says
    #[command(after_help = exec::EXAMPLES)]
    Exec(Box<exec::Args>),
    /// Stored configurations of devices
    #[command(subcommand)]
    Config(config::Command),
    /// The inventory
    #[command(subcommand)]
    Device(device::Command),
    /// User names and passwords for devices
    #[command(subcommand)]
    Credential(credential::Command),
    /// The keys that encrypt stored secrets
    #[command(subcommand)]
    Key(key::Command),
    /// Where secrets of configurations stand
    #[command(subcommand)]
    Secret(secret::Command),
    /// Labels: a credential reaches the devices with which it shares one
    #[command(subcommand)]
    Tag(tag::Command),
    /// Repeating runs
    #[command(subcommand)]
    Schedule(schedule::Command),
    /// Batches of jobs that a person or a schedule started
    #[command(subcommand)]
    Run(run::Command),
    /// One device's tasks, and everything that happened in them
    #[command(subcommand)]
    Job(job::Command),
    /// What changed with devices: failing, recovered, another configuration, secret or host key
    #[command(subcommand)]
    Event(event::Command),
    /// Who is told of changes, by webhook or e-mail
    #[command(subcommand)]
    Notify(notify::Command),
    /// What happened in jobs
    #[command(subcommand)]
    Log(log::Command),
    /// The gateways of the settings, and who may call their API
    #[command(subcommand)]
    Gateway(gateway::Command),
    /// Tokens for the gateway's API
    #[command(subcommand)]
    Token(token::Command),
    /// The people of this installation
    #[command(subcommand)]
    User(user::Command),
    /// Who changed what, and when
    #[command(subcommand)]
    Audit(audit::Command),
    /// Settings that are kept in the database and hold for all workers
    #[command(subcommand)]
    Setting(setting::Command),
    /// The device families NetRaven can talk to
    #[command(subcommand)]
    Platform(platform::Command),
    /// The database
    #[command(subcommand)]
    Db(db::Command),
    /// NetRaven's own settings
    #[command(subcommand)]
    ConfigFile(config_file::Command),
    /// Prints a completion script for a shell
    Completions(completions::Args),
}

impl Command {
    /// Whether it runs until it is stopped, so that its log is what people see of it.
    fn stays(&self) -> bool {
        match self {
            Self::Up(_) => true,
            Self::Serve(command) => command.stays(),
            _ => false,
        }
    }
}

/// Runs what the command line says.
pub fn run(cli: Cli) -> Result {
    if let Command::Completions(args) = &cli.command {
        return completions::run(args);
    }
    let insists_on = matches!(cli.command, Command::Demo(_)).then_some(DEMO);
    let context = Context::load(&cli.global, insists_on)?;
    context.start_logging(if cli.command.stays() { "info" } else { "warn" });
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| CliError::failed(format!("the runtime cannot be started: {error}")))?;
    runtime.block_on(dispatch(cli.command, context))
}

async fn dispatch(command: Command, context: Context) -> Result {
    match command {
        Command::Up(args) => up::run(args, &context).await,
        Command::Serve(command) => serve::run(command, &context).await,
        Command::Demo(args) => demo::run(args, &context).await,
        Command::Lab(args) => lab::run(args, &context).await,
        Command::Backup(args) => backup::run(args, &context).await,
        Command::Exec(args) => exec::run(&args, &context).await,
        Command::Config(command) => config::run(command, &context).await,
        Command::Schedule(command) => schedule::run(command, &context).await,
        Command::Run(command) => run::run(command, &context).await,
        Command::Job(command) => job::run(command, &context).await,
        Command::Log(command) => log::run(command, &context).await,
        Command::Setting(command) => setting::run(command, &context).await,
        Command::Device(command) => device::run(command, &context).await,
        Command::Credential(command) => credential::run(command, &context).await,
        Command::Key(command) => key::run(command, &context).await,
        Command::Secret(command) => secret::run(command, &context).await,
        Command::Event(command) => event::run(command, &context).await,
        Command::Notify(command) => notify::run(command, &context).await,
        Command::Gateway(command) => gateway::run(command, &context).await,
        Command::Token(command) => token::run(command, &context),
        Command::User(command) => user::run(command, &context).await,
        Command::Audit(command) => audit::run(command, &context).await,
        Command::Tag(command) => tag::run(command, &context).await,
        Command::Platform(command) => platform::run(command, &context).await,
        Command::Db(command) => db::run(command, &context).await,
        Command::ConfigFile(command) => config_file::run(command, context).await,
        Command::Completions(args) => completions::run(&args),
    }
}
