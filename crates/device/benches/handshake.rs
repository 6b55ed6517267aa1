//! CPU of a login, by key exchange: `cargo bench -p netraven-device --bench handshake`.
//!
//! The devices run in another process. Printed is the CPU time of this one alone per connection, key exchange and password
//! included, and what is left when the cheapest exchange is taken off: the price of the mathematics.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use common::{Simulator, Wanted, cpu, each};
use netraven_device::{DeviceSettings, open};
use nix::sys::resource::UsageWho;
use std::time::Duration;

const CONNECTIONS: usize = 200;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let ["--simulate", ..] = arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        return common::simulate(&arguments[1..]);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    println!("{CONNECTIONS} logins each, one after the other");
    for (name, group14) in [("curve25519-sha256", false), ("diffie-hellman-group14-sha256", true)] {
        let wanted = Wanted { devices: 1, group14, think: Duration::ZERO, config_size: 1024 };
        let simulator = Simulator::start(wanted);
        let spent = runtime.block_on(log_in(&simulator));
        simulator.stop();
        println!("  {name:<32} {:>7.2} CPU-ms per login", each(spent, CONNECTIONS));
    }
}

async fn log_in(simulator: &Simulator) -> Duration {
    let (access, settings) = (&simulator.devices[0], DeviceSettings::default());
    open(access, &settings).await.unwrap().disconnect().await;
    let before = cpu(UsageWho::RUSAGE_SELF);
    for _ in 0..CONNECTIONS {
        open(access, &settings).await.unwrap().disconnect().await;
    }
    cpu(UsageWho::RUSAGE_SELF) - before
}
