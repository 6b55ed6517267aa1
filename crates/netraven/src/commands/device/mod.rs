//! `netraven device`

mod known_hosts;
mod read;
mod transfer;
mod write;

use crate::context::Context;
use crate::error::Result;
use clap::Subcommand;

const ADD_EXAMPLES: &str = "\
Examples:
  netraven device add r1 --address 192.0.2.1 --platform cisco_ios
  netraven device add fw1 -a fw1.example.net -p juniper_junos --site paris --tag core --tag edge
  netraven device add box --address 2001:db8::7 --platform linux --port 2222
  netraven device add old -a 192.0.2.8 -p cisco_ios --protocol telnet --jump-host box

Names of platforms: `netraven platform list`.";

const LIST_EXAMPLES: &str = "\
Examples:
  netraven device list
  netraven device list --tag core --status failing
  netraven device list --search 192.0.2. --json";

const SHOW_EXAMPLES: &str = "\
Examples:
  netraven device show r1
  netraven device show r1 --json";

const UPDATE_EXAMPLES: &str = "\
Examples:
  netraven device update r1 --address 192.0.2.9
  netraven device update r1 --name r1-old --disable
  netraven device update r1 --tag core --tag paris     replaces all its tags";

const REMOVE_EXAMPLES: &str = "\
Examples:
  netraven device remove r1
  netraven device remove r1 --yes              without asking";

const IMPORT_EXAMPLES: &str = "\
Examples:
  netraven device import inventory.csv --dry-run
  netraven device import inventory.csv
  netraven device import - --update < inventory.csv

The first line names the columns, in any order:
  hostname,ip_address,device_type,port,site,description,tags,protocol,ssh_profile,jump_host
  r1,192.0.2.1,cisco_ios,,paris,\"Core, left\",core;paris,ssh,,gate
Needed are hostname, ip_address and device_type. Several tags are separated by `;`. Every wrong
line is named, and nothing is written unless all lines are good.";

const EXPORT_EXAMPLES: &str = "\
Examples:
  netraven device export > inventory.csv
  netraven device export --tag core core.csv";

const ACCEPT_KEY_EXAMPLES: &str = "\
Examples:
  netraven device accept-key r1

Use it when a device was replaced or its key was renewed on purpose. The next session learns the
new key.";

const RESUME_EXAMPLES: &str = "\
Examples:
  netraven device resume r1

A device whose jobs failed several times in a row is left alone by schedules for a while
(`scheduler.breaker_*`). This ends the pause. What you start yourself runs in any case.";

const IMPORT_KNOWN_HOSTS_EXAMPLES: &str = "\
Examples:
  netraven device import-known-hosts ~/.ssh/known_hosts --dry-run
  netraven device import-known-hosts ~/.ssh/known_hosts
  netraven device import-known-hosts /etc/ssh/ssh_known_hosts

A device is looked up by its address and, where the file does not have that, by its name. Devices
that have a host key keep it.";

/// The inventory.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Adds a device
    #[command(after_help = ADD_EXAMPLES)]
    Add(write::Add),
    /// Lists devices
    #[command(after_help = LIST_EXAMPLES)]
    List(read::Filter),
    /// Shows one device with what is known about it
    #[command(after_help = SHOW_EXAMPLES)]
    Show {
        /// Name, public id or number
        device: String,
    },
    /// Changes a device
    #[command(after_help = UPDATE_EXAMPLES)]
    Update(write::Update),
    /// Removes a device with its versions, jobs and logs
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove {
        /// Name, public id or number
        device: String,
        /// Does not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Adds devices from a CSV file
    #[command(after_help = IMPORT_EXAMPLES)]
    Import(transfer::Import),
    /// Writes devices as CSV, in the form that import reads
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(transfer::Export),
    /// Takes the SSH host keys of devices that have none from OpenSSH's known_hosts
    #[command(after_help = IMPORT_KNOWN_HOSTS_EXAMPLES)]
    ImportKnownHosts(known_hosts::Import),
    /// Has schedules take a device again that failed too often
    #[command(after_help = RESUME_EXAMPLES)]
    Resume {
        /// Name, public id or number
        device: String,
    },
    /// Forgets a device's SSH host key, so that the next session learns a new one
    #[command(after_help = ACCEPT_KEY_EXAMPLES)]
    AcceptKey {
        /// Name, public id or number
        device: String,
    },
}

/// Runs it.
pub async fn run(command: Command, context: &Context) -> Result {
    match command {
        Command::Add(args) => write::add(args, context).await,
        Command::List(filter) => read::list(filter, context).await,
        Command::Show { device } => read::show(&device, context).await,
        Command::Update(args) => write::update(args, context).await,
        Command::Remove { device, yes } => write::remove(&device, yes, context).await,
        Command::Import(args) => transfer::import(args, context).await,
        Command::Export(args) => transfer::export(args, context).await,
        Command::ImportKnownHosts(args) => known_hosts::import(args, context).await,
        Command::Resume { device } => write::resume(&device, context).await,
        Command::AcceptKey { device } => write::accept_key(&device, context).await,
    }
}
