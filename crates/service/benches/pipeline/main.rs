//! The whole pipeline against simulated devices: `cargo bench --bench pipeline [-- SCENARIO...]`.
//!
//! Three processes, so that each is measured alone: the simulator, the collector (worker with session,
//! secrets, versions, job log and connection log) and a private PostgreSQL with durable settings.
//! Printed per round: wall time, devices per second, CPU of the collector and of PostgreSQL per device,
//! peak memory of the collector. Every round is checked against what was stored.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod collector;
mod measure;
mod simulator;

use std::process::Command;
use std::time::Duration;

/// One line of the table of scenarios.
#[derive(Clone, Copy, Debug)]
struct Scenario {
    name: &'static str,
    about: &'static str,
    devices: usize,
    bytes: usize,
    think: Duration,
    parallel: usize,
    /// Only `terminal length 0` and `show running-config`, as other tools are measured; else all that
    /// the shipped definitions ask for.
    two_commands: bool,
}

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a",
        about: "200 devices, 64 KiB, no delay",
        devices: 200,
        bytes: 64 << 10,
        think: Duration::ZERO,
        parallel: 32,
        two_commands: false,
    },
    Scenario {
        name: "a2",
        about: "200 devices, 64 KiB, no delay, two commands",
        devices: 200,
        bytes: 64 << 10,
        think: Duration::ZERO,
        parallel: 32,
        two_commands: true,
    },
    Scenario {
        name: "b",
        about: "500 devices, 64 KiB, 1 s think time per command, two commands",
        devices: 500,
        bytes: 64 << 10,
        think: Duration::from_secs(1),
        parallel: 500,
        two_commands: true,
    },
    Scenario {
        name: "c",
        about: "10,000 devices, 64 KiB, 1 s think time per command, two commands",
        devices: 10_000,
        bytes: 64 << 10,
        think: Duration::from_secs(1),
        parallel: 1000,
        two_commands: true,
    },
    Scenario {
        name: "d",
        about: "100 devices, 1 MiB, no delay",
        devices: 100,
        bytes: 1 << 20,
        think: Duration::ZERO,
        parallel: 32,
        two_commands: false,
    },
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--simulate", name] => simulator::run(find(name)),
        ["--collect", name] => collector::run(find(name)),
        names => {
            let all: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
            for name in if names.is_empty() { all.as_slice() } else { names } {
                measure_in_own_process(find(name));
            }
        }
    }
}

fn find(name: &str) -> Scenario {
    let found = SCENARIOS.iter().find(|scenario| scenario.name == name);
    *found.unwrap_or_else(|| panic!("no scenario '{name}', there are: a, a2, b, c, d"))
}

/// A fresh process for each scenario: peak memory cannot be reset.
fn measure_in_own_process(scenario: Scenario) {
    println!("({}) {}, {} at once", scenario.name, scenario.about, scenario.parallel);
    let program = std::env::current_exe().unwrap();
    let status = Command::new(program).args(["--collect", scenario.name]).status().unwrap();
    assert!(status.success(), "scenario {} failed", scenario.name);
}
