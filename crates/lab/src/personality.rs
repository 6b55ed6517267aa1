use crate::chance::Chance;
use crate::session::SessionFile;
use bytes::Bytes;
use chrono::{DateTime, Duration, Utc};
use netraven_model::Secret;
use std::net::Ipv4Addr;

/// Sites of the simulated network: device `n` stands at site `n mod 8`.
const SITES: [&str; 8] = ["ams", "ber", "cph", "dub", "fra", "lis", "vie", "zrh"];
/// The people who change configurations in the lab.
const OPERATORS: [&str; 5] = ["asantos", "jmeyer", "ktanaka", "mrossi", "netops"];
const SERIAL_LETTERS: &str = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789";
/// 2026-01-05 06:00 UTC. Devices were configured and started before, so that a restarted lab tells the same story.
const EPOCH_SECONDS: i64 = 1_767_592_800;

/// What makes one simulated device different from the others of its kind.
#[derive(Clone, Debug)]
pub struct Personality {
    /// Which lab: everything invented follows from this and `index`.
    pub seed: u64,
    /// Which device of the lab, from 0.
    pub index: u32,
    /// The name in prompts and configurations.
    pub hostname: String,
    /// Address of the management interface: in a lab the one it is reached at.
    pub address: Ipv4Addr,
    /// Who is logged in.
    pub username: String,
    /// Password of the `enable` dialog.
    pub enable: Secret,
    /// Generated text that makes the configuration as long as wanted; see [`SessionFile::filler`].
    pub filler: Bytes,
}

impl Personality {
    /// Device `index` of the lab `seed`, played from `session`, without filler.
    pub fn new(session: &SessionFile, seed: u64, index: u32) -> Self {
        let mut personality = Self {
            seed,
            index,
            hostname: String::new(),
            address: Ipv4Addr::new(192, 0, 2, (index % 250 + 1) as u8),
            username: "netraven".into(),
            enable: Secret::from("enable-lab"),
            filler: Bytes::new(),
        };
        personality.hostname = session.hostname_of(&personality);
        personality
    }

    /// Three letters of the site it stands at.
    pub fn site(&self) -> &'static str {
        SITES[self.index as usize % SITES.len()]
    }

    /// Serial number of the chassis.
    pub fn serial(&self) -> String {
        let mut chance = self.chance("serial");
        format!("FX{:02}{:02}{}", 18 + chance.below(7), 1 + chance.below(52), chance.word(SERIAL_LETTERS, 5))
    }

    /// Address of the loopback interface, out of 10.255.0.0/16.
    pub fn loopback(&self) -> Ipv4Addr {
        let [.., high, low] = self.index.to_be_bytes();
        Ipv4Addr::new(10, 255, high, low)
    }

    /// Six bytes of a locally administered MAC address.
    pub(crate) fn mac(&self) -> [u8; 6] {
        let [a, b, c, d] = self.index.to_be_bytes();
        [0x02, 0x1a, a, b, c, d]
    }

    /// When the device was started.
    pub(crate) fn booted_at(&self) -> DateTime<Utc> {
        epoch() - Duration::seconds(86_400 + self.chance("boot").below(400 * 86_400) as i64)
    }

    /// Its state before anybody changed anything.
    pub fn initial_state(&self) -> DeviceState {
        let since_change = self.chance("changed").below(30 * 86_400) as i64;
        DeviceState { revision: 0, changed_at: epoch() - Duration::seconds(since_change) }
    }

    /// Who made the change that led to `revision`.
    pub(crate) fn changed_by(&self, revision: u32) -> &'static str {
        let pick = Chance::new(self.seed, self.index.wrapping_add(revision.wrapping_mul(31)), "who")
            .below(OPERATORS.len() as u64);
        OPERATORS[pick as usize]
    }

    pub(crate) fn chance(&self, label: &str) -> Chance {
        Chance::new(self.seed, self.index, label)
    }
}

/// What an operator has done to a device: how many changes, and when the last one was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceState {
    /// Number of changes since the beginning. The text follows from it.
    pub revision: u32,
    /// When the last change was made.
    pub changed_at: DateTime<Utc>,
}

fn epoch() -> DateTime<Utc> {
    DateTime::from_timestamp(EPOCH_SECONDS, 0).unwrap_or(DateTime::UNIX_EPOCH)
}
