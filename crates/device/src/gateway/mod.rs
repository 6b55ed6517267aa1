//! The gateway: everything that speaks to devices goes through it.

mod collect;
mod execute;
mod gates;
mod keyed;
mod networks;
mod pool;
mod reach;
mod recognise;
mod retry;
mod status;

pub use execute::Answer;
pub(crate) use gates::Pass;
pub(crate) use networks::Reachable;
pub use networks::{Networks, NotANetwork};
pub(crate) use pool::Session;
pub(crate) use retry::pause;
pub use status::{Counts, Status};

use crate::course::Talk;
use crate::outcome::{CollectOutcome, Outcome};
use crate::request::{Access, CollectRequest, DeviceSettings, ExecuteRequest, ReachRequest};
use crate::session;
use gates::Gates;
use netraven_model::{Failure, Protocol};
use netraven_platform::{Platform, Platforms};
use pool::Pool;
use status::Tally;
use std::sync::Arc;
use std::time::Instant;

/// Holds sessions with devices. One for a process, shared by all who need sessions.
#[derive(Debug)]
pub struct Gateway {
    pub(crate) settings: DeviceSettings,
    pub(crate) tally: Tally,
    gates: Gates,
    pool: Pool,
}

impl Gateway {
    /// A gateway without open sessions.
    pub fn new(settings: DeviceSettings) -> Self {
        let (gates, pool) = (Gates::new(&settings), Pool::new(settings.max_pool_size, settings.idle_timeout));
        Self { settings, tally: Tally::default(), gates, pool }
    }

    /// Its bounds and habits.
    pub fn settings(&self) -> &DeviceSettings {
        &self.settings
    }

    /// What it does and has done.
    pub fn status(&self) -> Status {
        Status { idle: self.pool.len(), ..self.tally.status() }
    }

    /// Backs up one device. Dropping the future closes the session.
    pub async fn collect(&self, request: &CollectRequest) -> CollectOutcome {
        collect::collect(self, request).await
    }

    /// Has commands answered by one device, in a session that is open already where there is one. A request of a job has a
    /// session of its own, which ends with it: a job holds its device no longer than that. Dropping the future closes the
    /// session.
    pub async fn execute(&self, request: &ExecuteRequest) -> Outcome<Vec<Answer>> {
        execute::execute(self, request).await
    }

    /// Sees whether a device answers and introduces itself as its protocol demands. Nobody logs in, but on jump hosts.
    /// Dropping the future closes the connection.
    pub async fn reach(&self, request: &ReachRequest) -> Outcome<()> {
        reach::reach(self, request).await
    }

    /// Asks a device some harmless commands to find out of which family it is. The request's platform is not used beyond
    /// the login. Dropping the future closes the session.
    pub async fn recognise(&self, request: &CollectRequest, platforms: &Platforms) -> Outcome<Arc<Platform>> {
        recognise::recognise(self, request, platforms).await
    }

    /// Logs out of all idle sessions, within some seconds, and keeps no other from now on.
    pub async fn drain(&self) {
        self.pool.drain().await;
    }

    /// A session that asks for a platform's own parts over a protocol and ends.
    pub(crate) fn talk(&self, platform: Arc<Platform>, protocol: Protocol) -> Talk {
        Talk { parts: platform.parts_over(protocol), platform, stay: false, limits: self.settings.limits() }
    }

    /// Whether sessions are kept open.
    pub(crate) fn keeps(&self) -> bool {
        self.pool.keeps()
    }

    /// Waits for the right to hold a session.
    pub(crate) async fn enter(&self, access: &Access, until: Instant) -> Result<Pass<'_>, Failure> {
        let waiting = self.tally.waiting();
        let entry = self.gates.enter(access, until.into()).await;
        drop(waiting);
        Ok(Pass { _entry: entry?, _active: self.tally.active() })
    }

    /// A kept session that still answers.
    pub(crate) async fn reuse(&self, access: &Access, platform: &Platform) -> Option<Session> {
        let key = self.pool.key(access, platform);
        while let Some(mut session) = self.pool.take(&key).await {
            session.machine.check(Instant::now());
            session::run(&mut session.link, &mut session.machine).await;
            if session.machine.is_idle() {
                self.tally.of(&access.target.platform, |counts| counts.reused += 1);
                return Some(session);
            }
        }
        None
    }

    /// Logs out of the idle sessions with a device, whoever they were opened for: it has one session at a time.
    pub(crate) async fn end_idle(&self, access: &Access) {
        self.pool.end(&access.target.address, access.target.port).await;
    }

    /// Keeps a session for the next request.
    pub(crate) fn keep(&self, access: &Access, platform: &Platform, session: Session) {
        self.pool.keep(self.pool.key(access, platform), session);
    }
}
