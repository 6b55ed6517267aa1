//! The processes that are killed, and what must hold afterwards.

pub mod facts;

use crate::common::Place;
use std::fs::File;
use std::process::{Child, Stdio};

/// A number from the environment.
pub fn number_from(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |text| text.parse().expect("a whole number"))
}

/// SplitMix64: the same numbers for the same seed.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// What runs: two workers with their own sessions.
const SERVICES: &[&[&str]] = &[&["up"], &["up"]];

/// Short leases, so that a death does not cost a minute; connections that do not wait long for a dead database.
const SETTINGS: &[&str] = &[
    "--set=scheduler.lease_seconds=5",
    "--set=retry.base_seconds=1",
    "--set=retry.attempts=100",
    "--set=device.parallel_sessions=20",
    "--set=logging.level=debug",
];

/// The processes, which are started again when they are dead.
pub struct Crew {
    members: Vec<Member>,
}

struct Member {
    arguments: &'static [&'static str],
    child: Child,
}

impl Crew {
    pub fn start(place: &Place) -> Self {
        let member =
            |arguments: &&'static [&'static str]| Member { arguments, child: spawn(place, arguments) };
        Self { members: SERVICES.iter().map(member).collect() }
    }

    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Kills one with SIGKILL; what it was.
    pub fn kill(&mut self, index: usize) -> String {
        let Member { arguments, child } = &mut self.members[index];
        // One that has ended by itself is as dead.
        let _ = child.kill();
        child.wait().unwrap();
        arguments.join(" ")
    }

    /// Starts again what does not run, as a service manager does.
    pub fn raise_the_dead(&mut self, place: &Place) {
        for member in &mut self.members {
            if member.child.try_wait().unwrap().is_some() {
                member.child = spawn(place, member.arguments);
            }
        }
    }

    pub fn stop(mut self) {
        for index in 0..self.len() {
            self.kill(index);
        }
    }
}

impl Drop for Crew {
    /// Also where an assertion failed.
    fn drop(&mut self) {
        for member in &mut self.members {
            let _ = member.child.kill();
            let _ = member.child.wait();
        }
    }
}

fn spawn(place: &Place, arguments: &[&str]) -> Child {
    // Appended to, so that the story of all lives stands in one file.
    let log = File::options().create(true).append(true).open(place.folder().join("crew.log")).unwrap();
    let mut command = place.command(arguments);
    command.args(SETTINGS).stdout(Stdio::null()).stderr(log).spawn().unwrap()
}
