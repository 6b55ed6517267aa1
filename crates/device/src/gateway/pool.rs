//! Sessions that are kept open for the next question to the same device with the same credential.
//!
//! Each idle session belongs to a task of its own, which throws away what the device says meanwhile, notices when the device
//! closes, and logs out when the time is over. Whoever wants the session asks that task for it.

use crate::link::{Chunk, Link};
use crate::request::Access;
use crate::session;
use netraven_model::{Hash256, HostKey, Protocol, Secret};
use netraven_platform::{Machine, Platform};
use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long the farewells of all sessions may take together when the pool is drained.
const FAREWELL: Duration = Duration::from_secs(2);

/// A session that has answered all that was asked.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) link: Link,
    pub(crate) machine: Machine,
}

impl Session {
    /// Logs out and closes.
    pub(crate) async fn end(mut self) {
        self.machine.leave(Instant::now());
        session::run(&mut self.link, &mut self.machine).await;
        self.link.close().await;
    }
}

/// What two requests must share to share a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    address: String,
    port: u16,
    protocol: Protocol,
    username: String,
    /// A hash that is worth nothing outside this process: the secrets themselves are not kept.
    secrets: u64,
    definition: Hash256,
    via: Vec<Key>,
    /// The keys that the device may show; empty for any.
    host_keys: Vec<HostKey>,
}

impl Key {
    /// Whether a session of this key may answer a request of another one: a request that knows the device's keys gets no session
    /// with somebody who showed another.
    fn fits(&self, wanted: &Self) -> bool {
        let known = |key: &HostKey| wanted.host_keys.contains(key);
        let proven = wanted.host_keys.is_empty() || self.host_keys.iter().any(known);
        let without_keys = |key: &Self| Self { host_keys: Vec::new(), ..key.clone() };
        proven && without_keys(self) == without_keys(wanted)
    }
}

/// The idle sessions of a gateway.
#[derive(Debug)]
pub(super) struct Pool {
    most: usize,
    idle_timeout: Duration,
    hasher: RandomState,
    idle: Mutex<Shelf>,
}

#[derive(Debug, Default)]
struct Shelf {
    /// The oldest first.
    sessions: VecDeque<Kept>,
    closed: bool,
}

#[derive(Debug)]
struct Kept {
    key: Key,
    /// Dropped without a word, it makes the task log out.
    claim: oneshot::Sender<()>,
    keeper: JoinHandle<Option<Session>>,
}

impl Pool {
    pub(super) fn new(most: usize, idle_timeout: Duration) -> Self {
        Self { most, idle_timeout, hasher: RandomState::new(), idle: Mutex::default() }
    }

    /// Whether anything is kept at all.
    pub(super) fn keeps(&self) -> bool {
        self.most > 0
    }

    pub(super) fn key(&self, access: &Access, platform: &Platform) -> Key {
        let login = &access.login;
        let secrets = [&login.password, &login.enable, &login.private_key, &login.key_passphrase];
        let secrets: Vec<_> = secrets.map(|secret| secret.as_ref().map(Secret::expose_bytes)).into();
        Key {
            address: access.target.address.clone(),
            port: access.target.port,
            protocol: access.target.protocol,
            username: login.username.clone(),
            secrets: self.hasher.hash_one(secrets),
            definition: platform.digest,
            via: access.via.iter().map(|hop| self.key(hop, platform)).collect(),
            host_keys: access.host_keys.clone(),
        }
    }

    /// Number of idle sessions.
    pub(super) fn len(&self) -> usize {
        self.shelf().sessions.iter().filter(|kept| !kept.keeper.is_finished()).count()
    }

    /// The newest idle session of that key that still lives.
    pub(super) async fn take(&self, key: &Key) -> Option<Session> {
        loop {
            let kept = {
                let mut shelf = self.shelf();
                let at = shelf.sessions.iter().rposition(|kept| kept.key.fits(key))?;
                shelf.sessions.remove(at)?
            };
            // A keeper that is gone already has nothing to hand over.
            let _ = kept.claim.send(());
            if let Ok(Some(session)) = kept.keeper.await {
                return Some(session);
            }
        }
    }

    /// Keeps an idle session; the oldest one has to go where there is no room.
    pub(super) fn keep(&self, key: Key, session: Session) {
        let (claim, claimed) = oneshot::channel();
        let keeper = tokio::spawn(mind(session, claimed, self.idle_timeout));
        let mut shelf = self.shelf();
        if shelf.closed {
            return;
        }
        shelf.sessions.push_back(Kept { key, claim, keeper });
        shelf.sessions.retain(|kept| !kept.keeper.is_finished());
        if shelf.sessions.len() > self.most {
            shelf.sessions.pop_front();
        }
    }

    /// Logs out of all idle sessions and keeps no other.
    pub(super) async fn drain(&self) {
        let sessions = {
            let mut shelf = self.shelf();
            shelf.closed = true;
            std::mem::take(&mut shelf.sessions)
        };
        farewell(sessions).await;
    }

    /// Logs out of the idle sessions with one device.
    pub(super) async fn end(&self, address: &str, port: u16) {
        let sessions = {
            let mut shelf = self.shelf();
            let with = |kept: &Kept| kept.key.address == address && kept.key.port == port;
            let (ended, kept) = std::mem::take(&mut shelf.sessions).into_iter().partition(with);
            shelf.sessions = kept;
            ended
        };
        farewell(sessions).await;
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // Nothing panics half-way through a change.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until the sessions are logged out of; a device that takes no notice is left to its own time limit.
async fn farewell(sessions: VecDeque<Kept>) {
    // Without their claims they log out, all at the same time.
    let keepers: Vec<_> = sessions.into_iter().map(|kept| kept.keeper).collect();
    let all = async {
        for keeper in keepers {
            // What it returns is closed already.
            let _ = keeper.await;
        }
    };
    let _ = timeout(FAREWELL, all).await;
}

/// Minds an idle session until somebody claims it, the device closes it or the time is over.
async fn mind(mut session: Session, claimed: oneshot::Receiver<()>, within: Duration) -> Option<Session> {
    let closed = async { while let Chunk::Data(_) = session.link.recv().await {} };
    let over = tokio::select! {
        biased;
        claim = claimed => claim.is_err(),
        () = closed => return None,
        () = tokio::time::sleep(within) => true,
    };
    if !over {
        return Some(session);
    }
    session.end().await;
    None
}
