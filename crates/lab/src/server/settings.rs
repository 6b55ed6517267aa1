use crate::chance::Chance;
use netraven_model::Secret;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

/// What a lab is to be. `Default` gives 25 quick devices of all platforms that never fail.
#[derive(Clone, Debug)]
pub struct LabSettings {
    /// Number of devices, at most [`LabSettings::MAX_DEVICES`].
    pub count: u32,
    /// Their platforms, in turn; empty means all that have a session.
    pub platforms: Vec<String>,
    /// Folders of further sessions, besides the shipped ones.
    pub session_folders: Vec<PathBuf>,
    /// TCP port of all devices; 0 lets the system choose.
    pub port: u16,
    /// TCP port for Telnet, where the devices are to have one; 0 lets the system choose.
    pub telnet_port: Option<u16>,
    /// What everything invented follows from: the same seed gives the same devices and host keys.
    pub seed: u64,
    /// Name that may log in.
    pub username: String,
    /// Password to log in with.
    pub password: Secret,
    /// Password of the `enable` dialog.
    pub enable: Secret,
    /// A public key in OpenSSH format that may log in as well.
    pub authorized_key: Option<String>,
    /// How long a device works on each command before it answers.
    pub think_time: Duration,
    /// Limit of each session's output, in bytes per second.
    pub bandwidth: Option<NonZeroU32>,
    /// Bytes of each configuration, reached with generated text; `None` leaves them as they are.
    pub config_size: Option<usize>,
    /// How many changes operators make per minute, in the whole lab.
    pub changes_per_minute: f64,
    /// Which devices misbehave.
    pub failures: Failures,
    /// How keys are agreed on.
    pub key_exchange: KeyExchange,
    /// How long a refused password takes.
    pub rejection_delay: Duration,
    /// A session in which nothing is typed for so long is ended.
    pub idle_timeout: Duration,
    /// A session that lasts so long is ended.
    pub session_limit: Duration,
    /// Connections served at the same time; further ones wait in the system's queue.
    pub max_connections: usize,
}

impl LabSettings {
    /// The addresses 127.66.0.1 to 127.66.255.250 are enough for so many.
    pub const MAX_DEVICES: u32 = 64_000;
}

impl Default for LabSettings {
    fn default() -> Self {
        Self {
            count: 25,
            platforms: Vec::new(),
            session_folders: Vec::new(),
            port: 0,
            telnet_port: None,
            seed: 1,
            username: "netraven".into(),
            password: Secret::from("netraven-lab"),
            enable: Secret::from("enable-lab"),
            authorized_key: None,
            think_time: Duration::ZERO,
            bandwidth: None,
            config_size: None,
            changes_per_minute: 0.0,
            failures: Failures::default(),
            key_exchange: KeyExchange::Modern,
            rejection_delay: Duration::from_millis(200),
            idle_timeout: Duration::from_secs(300),
            session_limit: Duration::from_secs(1800),
            max_connections: 8192,
        }
    }
}

/// How keys are agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyExchange {
    /// What the SSH library offers: curve25519 and others.
    Modern,
    /// Diffie-Hellman in group 14 only, as devices of the years 2005 to 2015 do.
    Group14,
}

/// How a device misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failing {
    /// It refuses every password.
    WrongPassword,
    /// It accepts the connection and then is silent.
    NeverAnswers,
    /// It breaks the connection off in the middle of a long output.
    ClosesMidOutput,
    /// Nobody listens on its port.
    Refuses,
}

/// Which devices misbehave: those listed, and a share of the others.
#[derive(Clone, Debug, Default)]
pub struct Failures {
    /// By number of the device.
    pub listed: BTreeMap<u32, Failing>,
    /// How many of the others, from 0 to 1; which ones and how follows from the seed.
    pub fraction: f64,
}

impl Failures {
    pub(super) fn of(&self, seed: u64, index: u32) -> Option<Failing> {
        const KINDS: [Failing; 4] =
            [Failing::WrongPassword, Failing::NeverAnswers, Failing::ClosesMidOutput, Failing::Refuses];
        let mut chance = Chance::new(seed, index, "failing");
        let drawn = (chance.fraction() < self.fraction).then(|| KINDS[chance.below(4) as usize]);
        self.listed.get(&index).copied().or(drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_of_the_devices_fails_in_all_ways() {
        let failures = Failures { fraction: 0.1, ..Failures::default() };
        let drawn: Vec<_> = (0..10_000).filter_map(|index| failures.of(1, index)).collect();
        assert!((800..1200).contains(&drawn.len()), "{}", drawn.len());
        for kind in
            [Failing::WrongPassword, Failing::NeverAnswers, Failing::ClosesMidOutput, Failing::Refuses]
        {
            assert!(drawn.iter().filter(|drawn| **drawn == kind).count() > 150);
        }
    }

    #[test]
    fn listed_devices_fail_as_listed_and_the_others_work() {
        let failures = Failures { listed: [(7, Failing::Refuses)].into(), fraction: 0.0 };
        assert_eq!(failures.of(1, 7), Some(Failing::Refuses));
        assert_eq!((0..1000).filter_map(|index| failures.of(1, index)).count(), 1);
    }
}
