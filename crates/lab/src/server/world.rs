//! The devices of a lab and what happened to them. Small, because there may be tens of thousands.

use super::address::address_of;
use super::error::LabError;
use super::settings::{Failing, LabSettings};
use crate::clock::Clock;
use crate::emulator::Emulator;
use crate::personality::{DeviceState, Personality};
use crate::session::{SessionFile, embedded, embedded_platforms};
use bytes::Bytes;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{PrivateKey, PublicKey};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Devices of one kind share this many different fillers.
const FILLER_VARIATIONS: u32 = 4;
/// How many unexpected things are kept; older ones are dropped.
const MAX_UNEXPECTED: usize = 200;

/// What was counted at one device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// TCP connections accepted.
    pub connections: u32,
    /// Connections on which a login was refused over SSH, and refused logins over Telnet.
    pub refused_logins: u32,
    /// Logins that reached a command line.
    pub sessions: u32,
    /// Commands entered, known or not.
    pub commands: u32,
    /// The most sessions there were at the same time.
    pub max_parallel: u32,
    /// Things that a well-behaved collector would not have sent.
    pub unexpected: u32,
}

/// All devices of a lab.
pub(super) struct World {
    pub(super) settings: LabSettings,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) authorized_key: Option<PublicKey>,
    pub(super) open_connections: Arc<AtomicUsize>,
    /// For each platform in turn, its sessions.
    platforms: Vec<Vec<Arc<SessionFile>>>,
    devices: Vec<Device>,
    fillers: Mutex<HashMap<(String, u32), Bytes>>,
    unexpected: Mutex<VecDeque<(u32, String)>>,
}

struct Device {
    state: Mutex<DeviceState>,
    connections: AtomicU32,
    refused_logins: AtomicU32,
    sessions: AtomicU32,
    commands: AtomicU32,
    parallel: AtomicU32,
    max_parallel: AtomicU32,
    unexpected: AtomicU32,
}

impl World {
    pub(super) fn new(settings: LabSettings, clock: Arc<dyn Clock>) -> Result<Self, LabError> {
        check(&settings)?;
        let platforms = platforms(&settings)?;
        let key = settings.authorized_key.as_deref().map(PublicKey::from_openssh).transpose();
        let mut world = Self {
            authorized_key: key.map_err(LabError::AuthorizedKey)?,
            clock,
            open_connections: Arc::default(),
            platforms,
            devices: Vec::new(),
            fillers: Mutex::default(),
            unexpected: Mutex::default(),
            settings,
        };
        world.devices = (0..world.settings.count).map(|index| world.device(index)).collect();
        Ok(world)
    }

    pub(super) fn count(&self) -> u32 {
        self.settings.count
    }

    /// What device `index` plays: platforms take turns, and so do the sessions of a platform.
    pub(super) fn session(&self, index: u32) -> &Arc<SessionFile> {
        let index = index as usize;
        let sessions = &self.platforms[index % self.platforms.len()];
        &sessions[index / self.platforms.len() % sessions.len()]
    }

    /// Who device `index` is, without its filler.
    pub(super) fn personality(&self, index: u32) -> Personality {
        let mut personality = Personality::new(self.session(index), self.settings.seed, index);
        personality.address = address_of(index);
        personality.username = self.settings.username.clone();
        personality.enable = self.settings.enable.clone();
        personality
    }

    /// The content of a file of device `index`, as it is now.
    pub(super) fn file(&self, index: u32, path: &str) -> Option<Bytes> {
        let mut device =
            Emulator::new(self.session(index).clone(), self.personality(index), self.clock.clone());
        device.set_state(self.state(index));
        device.file(path)
    }

    /// The generated part of its configuration: made when first asked for, then shared.
    pub(super) fn filler(&self, index: u32) -> Bytes {
        let Some(size) = self.settings.config_size else { return Bytes::new() };
        let session = self.session(index);
        let variation = index % FILLER_VARIATIONS;
        let key = (session.hardware().to_string(), variation);
        lock(&self.fillers).entry(key).or_insert_with(|| session.filler(size, variation)).clone()
    }

    pub(super) fn failing(&self, index: u32) -> Option<Failing> {
        self.settings.failures.of(self.settings.seed, index)
    }

    /// The host key follows from the seed, so that a lab that is started again is recognised.
    pub(super) fn host_key(&self, index: u32) -> PrivateKey {
        let seed =
            Personality::new(self.session(index), self.settings.seed, index).chance("host key").bytes32();
        PrivateKey::from(Ed25519Keypair::from_seed(&seed))
    }

    pub(super) fn state(&self, index: u32) -> DeviceState {
        *lock(&self.devices[index as usize].state)
    }

    /// An operator changes device `index` now.
    pub(super) fn change(&self, index: u32) -> bool {
        let Some(device) = self.devices.get(index as usize) else { return false };
        let mut state = lock(&device.state);
        *state = DeviceState { revision: state.revision.wrapping_add(1), changed_at: self.clock.now() };
        true
    }

    pub(super) fn counters(&self, index: u32) -> Option<Counters> {
        let device = self.devices.get(index as usize)?;
        let value = |counter: &AtomicU32| counter.load(Ordering::Relaxed);
        Some(Counters {
            connections: value(&device.connections),
            refused_logins: value(&device.refused_logins),
            sessions: value(&device.sessions),
            commands: value(&device.commands),
            max_parallel: value(&device.max_parallel),
            unexpected: value(&device.unexpected),
        })
    }

    pub(super) fn count_connection(&self, index: u32) {
        self.devices[index as usize].connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_refused_login(&self, index: u32) {
        self.devices[index as usize].refused_logins.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_commands(&self, index: u32, commands: u32) {
        self.devices[index as usize].commands.fetch_add(commands, Ordering::Relaxed);
    }

    /// Counts a session at device `index` until the guard is dropped.
    pub(super) fn enter(self: &Arc<Self>, index: u32) -> SessionGuard {
        let device = &self.devices[index as usize];
        device.sessions.fetch_add(1, Ordering::Relaxed);
        let parallel = device.parallel.fetch_add(1, Ordering::Relaxed) + 1;
        device.max_parallel.fetch_max(parallel, Ordering::Relaxed);
        SessionGuard { world: self.clone(), index }
    }

    pub(super) fn note_unexpected(&self, index: u32, what: String) {
        self.devices[index as usize].unexpected.fetch_add(1, Ordering::Relaxed);
        let mut unexpected = lock(&self.unexpected);
        if unexpected.len() == MAX_UNEXPECTED {
            unexpected.pop_front();
        }
        unexpected.push_back((index, what));
    }

    pub(super) fn unexpected(&self) -> Vec<(u32, String)> {
        lock(&self.unexpected).iter().cloned().collect()
    }

    fn device(&self, index: u32) -> Device {
        Device {
            state: Mutex::new(self.personality(index).initial_state()),
            connections: AtomicU32::default(),
            refused_logins: AtomicU32::default(),
            sessions: AtomicU32::default(),
            commands: AtomicU32::default(),
            parallel: AtomicU32::default(),
            max_parallel: AtomicU32::default(),
            unexpected: AtomicU32::default(),
        }
    }
}

/// Counts a session as running for as long as it lives.
pub(super) struct SessionGuard {
    world: Arc<World>,
    index: u32,
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        self.world.devices[self.index as usize].parallel.fetch_sub(1, Ordering::Relaxed);
    }
}

fn check(settings: &LabSettings) -> Result<(), LabError> {
    let (count, max) = (settings.count, LabSettings::MAX_DEVICES);
    if count == 0 || count > max {
        return Err(LabError::Count { count, max });
    }
    let numbers = [
        ("failures.fraction", settings.failures.fraction, 1.0, "0 to 1"),
        ("changes_per_minute", settings.changes_per_minute, 60_000.0, "0 to 60000"),
    ];
    for (what, value, highest, range) in numbers {
        if !(0.0..=highest).contains(&value) {
            return Err(LabError::Number { what, value, range });
        }
    }
    Ok(())
}

fn platforms(settings: &LabSettings) -> Result<Vec<Vec<Arc<SessionFile>>>, LabError> {
    let mut sessions = embedded()?;
    // A platform that is asked for and has none in the fleet comes with all it has.
    let fleet: HashSet<String> =
        sessions.iter().filter(|s| s.is_in_fleet()).map(|s| s.platform().to_string()).collect();
    let named = |session: &SessionFile| settings.platforms.iter().any(|name| name == session.platform());
    sessions
        .retain(|session| session.is_in_fleet() || (named(session) && !fleet.contains(session.platform())));
    for folder in &settings.session_folders {
        sessions.push(SessionFile::from_dir(folder)?);
    }
    let mut known: Vec<(String, Vec<Arc<SessionFile>>)> = Vec::new();
    for session in sessions.into_iter().map(Arc::new) {
        match known.iter_mut().find(|(name, _)| name == session.platform()) {
            Some((_, sessions)) => sessions.push(session),
            None => known.push((session.platform().to_string(), vec![session])),
        }
    }
    if settings.platforms.is_empty() {
        return Ok(known.into_iter().map(|(_, sessions)| sessions).collect());
    }
    let wanted = settings.platforms.iter().map(|wanted| {
        let found = known.iter().find(|(name, _)| name == wanted).map(|(_, sessions)| sessions.clone());
        found.ok_or_else(|| LabError::UnknownPlatform {
            name: wanted.clone(),
            known: embedded_platforms().join(", "),
        })
    });
    wanted.collect()
}

/// What a panicking task left behind is still whole: every update is a single assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
