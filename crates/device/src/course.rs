//! Sessions with one device, one after the other: what they learn and what happened is collected on the way.

mod files;
mod over_http;
mod reaching;

use crate::gateway::{Gateway, Pass, Session, pause};
use crate::guard::{Permit, settle};
use crate::learned::Learned;
use crate::link::Link;
use crate::outcome::{LoginResult, Outcome};
use crate::request::Access;
use crate::session::{self, Begun};
use chrono::{DateTime, TimeDelta, Utc};
use netraven_model::{ErrorCode, Event, Failure, JobEvent, JobId, Phase, Protocol};
use netraven_platform::{Limits, Machine, Output, Part, Plan, Platform, Report, hide_own};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The state of the sessions with one device while they run.
pub(crate) struct Course<'a> {
    pub(crate) gateway: &'a Gateway,
    job: Option<JobId>,
    access: &'a Access,
    /// All of it is to be over then.
    until: Instant,
    learned: Learned,
    login: LoginResult,
    events: Vec<JobEvent>,
    dialogue: String,
    /// The right to hold a session with the device.
    pass: Option<Pass<'a>>,
    /// What allowed the login of the session that is beginning.
    permit: Permit,
}

/// How a session is to be held.
#[derive(Clone)]
pub(crate) struct Talk {
    pub(crate) platform: Arc<Platform>,
    /// What to ask: the platform's own parts, or others.
    pub(crate) parts: Arc<[Part]>,
    /// Whether the session may stay open for the next one.
    pub(crate) stay: bool,
    pub(crate) limits: Limits,
}

impl<'a> Course<'a> {
    pub(crate) fn new(
        gateway: &'a Gateway,
        job: Option<JobId>,
        access: &'a Access,
        within: Duration,
    ) -> Self {
        Self {
            gateway,
            job,
            access,
            until: Instant::now() + within,
            learned: Learned::default(),
            login: LoginResult::NotTried,
            events: Vec::new(),
            dialogue: String::new(),
            pass: None,
            permit: None,
        }
    }

    /// One session, of which it is told how to be held when the server has introduced itself: the platform, how the
    /// server introduced itself, and what the commands brought.
    pub(crate) async fn converse(
        &mut self,
        suffix: &Platform,
        choose: impl FnOnce(&str) -> Result<Talk, Failure>,
    ) -> Result<(Arc<Platform>, String, Vec<Output>), Failure> {
        self.enter().await?;
        if self.access.target.protocol == Protocol::Http {
            let (platform, outputs) = self.converse_over_http(choose("")?).await?;
            return Ok((platform, String::new(), outputs));
        }
        let connecting = Instant::now();
        let link = self.connect(suffix, suffix.prefers_exec()).await?;
        let version = link.server_version().to_owned();
        let talk = match choose(&version) {
            Ok(talk) => talk,
            Err(failure) => {
                link.close().await;
                return Err(failure);
            }
        };
        let again = talk.clone();
        let (platform, stay) = (talk.platform.clone(), talk.stay);
        self.greet(&link, &platform);
        let (began, opened, connected_in) = (Utc::now(), Instant::now(), connecting.elapsed());
        let outputs = match session::begin(link, self.plan(talk)).await {
            Begun::Shell(session) => {
                let keep = stay.then(|| platform.clone());
                let (outputs, later) = self.hold(*session, connecting, keep).await?;
                // What is done behind the session belongs to its time.
                let session = again.limits.session.saturating_sub(opened.elapsed());
                let limits = Limits { session, ..again.limits };
                self.fetch_later(Talk { limits, ..again }, outputs, later).await?
            }
            Begun::Over(report) => {
                self.note(&report, began, connected_in).await;
                report.result?
            }
        };
        Ok((platform, version, outputs))
    }

    /// What the commands bring in a session that was kept open, if there is one that still answers.
    pub(crate) async fn resume(&mut self, talk: &Talk) -> Result<Option<Vec<Output>>, Failure> {
        self.enter().await?;
        let found = self.gateway.reuse(self.access, &talk.platform).await;
        let Some(mut session) = found else { return Ok(None) };
        self.login = LoginResult::Accepted;
        self.dialogue.push_str("# a session that was kept open\n");
        let now = Instant::now();
        session.machine.again(talk.parts.clone(), talk.limits, now);
        let (outputs, _) = self.hold(session, now, Some(talk.platform.clone())).await?;
        Ok(Some(outputs))
    }

    /// Runs a session to its end, or until it is idle and can be kept for the platform's next request. What came, and the parts
    /// whose files have to be fetched without a shell.
    async fn hold(
        &mut self,
        mut session: Session,
        connecting: Instant,
        keep: Option<Arc<Platform>>,
    ) -> Result<(Vec<Output>, Vec<usize>), Failure> {
        let (opened, connected_in) = (Utc::now(), connecting.elapsed());
        if self.permit.is_some() {
            // Others may wait to hear whether the credential is good: they need not wait for the end of the session.
            session::run_until(&mut session.link, &mut session.machine, Machine::has_logged_in).await;
            if session.machine.has_logged_in() {
                settle(&mut self.permit, true).await;
            }
        }
        session::run(&mut session.link, &mut session.machine).await;
        let report = session.machine.interim();
        match keep {
            Some(platform) if session.machine.is_idle() => self.keep(&platform, session),
            _ => session.link.close().await,
        }
        self.note(&report, opened, connected_in).await;
        Ok((report.result?, report.later))
    }

    /// Keeps a session under what is known of the device by now, the key of a first contact included.
    fn keep(&self, platform: &Platform, session: Session) {
        let mut access = self.access.clone();
        self.learned.bind(&mut access);
        self.gateway.keep(&access, platform, session);
    }

    /// The end of the course.
    pub(crate) fn end<T>(mut self, result: Result<T, Failure>) -> Outcome<T> {
        if let Err(failure) = &result {
            self.gateway.tally.of(&self.access.target.platform, |counts| {
                *counts.failures.entry(failure.code).or_default() += 1;
            });
            self.event(Event::Failed { failure: failure.clone() });
        }
        let Self { learned: Learned { host_key, profile, hops }, login, events, dialogue, .. } = self;
        Outcome { result, learned: host_key, profile, hops, login, events, dialogue }
    }

    /// Waits for the right to hold a session, once.
    async fn enter(&mut self) -> Result<(), Failure> {
        if self.pass.is_none() {
            self.pass = Some(self.gateway.enter(self.access, self.until).await?);
        }
        Ok(())
    }

    /// Connects, several times where the way to the device is the trouble. With `exec` no shell is opened yet.
    async fn connect(&mut self, platform: &Platform, exec: bool) -> Result<Link, Failure> {
        // Kept open with another credential, it would be a second session with the device.
        self.gateway.end_idle(self.access).await;
        let mut access = self.access.clone();
        access.login = platform.login(&access.login).into_owned();
        for attempt in 1.. {
            let failure = match self.attempt(&mut access, exec).await {
                Ok(link) => return Ok(link),
                Err(failure) => failure,
            };
            if !self.wait_to_retry(attempt, &failure).await {
                return Err(failure);
            }
        }
        Err(Failure::new(ErrorCode::Internal, Phase::Connect, "no connection was tried"))
    }

    /// Waits until it is time to try again to connect; `false` where that would be of no use.
    async fn wait_to_retry(&mut self, attempt: u32, failure: &Failure) -> bool {
        let wait = pause(&self.gateway.settings.connect, attempt, failure, self.login);
        let Some(wait) = wait.filter(|wait| Instant::now() + *wait < self.until) else { return false };
        self.event(Event::ConnectionRetried { failure: failure.clone(), in_millis: millis(wait) });
        tokio::time::sleep(wait).await;
        true
    }

    async fn attempt(&mut self, access: &mut Access, exec: bool) -> Result<Link, Failure> {
        self.learned.bind(access);
        let opening = Link::open(access, exec, &self.gateway.settings).await;
        self.permit = opening.permit;
        let news = self.learned.take(opening.learned, opening.profile, opening.hops);
        news.into_iter().for_each(|event| self.event(event));
        match opening.login {
            LoginResult::NotTried => {}
            LoginResult::Refused => {
                self.login = LoginResult::Refused;
                self.event(Event::CredentialRefused { credential: access.login.credential });
            }
            LoginResult::Accepted => self.login = LoginResult::Accepted,
        }
        if opening.result.is_ok() {
            self.gateway.tally.of(&access.target.platform, |counts| counts.sessions += 1);
        }
        opening.result.map_err(|failure| without_own_secrets(failure, access))
    }

    /// The head of the connection log: who answered.
    fn greet(&mut self, link: &Link, platform: &Platform) {
        let target = &self.access.target;
        let protocol = target.protocol.as_str();
        let version = match link.server_version() {
            "" => protocol.to_owned(),
            version => platform.redact(version.as_bytes()),
        };
        self.dialogue.push_str(&format!(
            "# {} port {}: {version}, {}\n",
            target.address,
            target.port,
            link.proof()
        ));
    }

    fn plan(&self, talk: Talk) -> Plan {
        let Talk { platform, parts, stay, limits } = talk;
        let asks_login = self.access.target.protocol == Protocol::Telnet;
        let files = self.access.target.protocol == Protocol::Ssh;
        Plan { parts, stay, asks_login, files, ..Plan::backup(platform, &self.access.login, limits) }
    }

    /// Turns a session's report into events and the connection log.
    async fn note(&mut self, report: &Report, opened: DateTime<Utc>, connected_in: Duration) {
        self.dialogue.push_str(&report.dialogue);
        if let Some(login_time) = report.login_time {
            let credential = self.access.login.credential;
            let millis = millis(connected_in + login_time);
            self.event_at(opened + delta(login_time), Event::LoggedIn { credential, millis });
        }
        for record in &report.commands {
            let (command, bytes) = (record.command.clone(), record.bytes as u64);
            let event = match record.accepted {
                true => Event::CommandOutput { command, bytes, millis: millis(record.duration) },
                false => Event::CommandSkipped { command },
            };
            self.event_at(opened + delta(record.at), event);
        }
        let accepted = report.commands.iter().filter(|record| record.accepted).count() as u64;
        self.gateway.tally.of(&self.access.target.platform, |counts| {
            counts.commands += accepted;
            counts.refused += report.commands.len() as u64 - accepted;
        });
        let mut permit = self.permit.take();
        if report.password_sent && report.login_time.is_some() {
            self.login = LoginResult::Accepted;
            settle(&mut permit, true).await;
        }
        match report.result.as_ref().err().map(|failure| failure.code) {
            Some(ErrorCode::AuthFailed) => {
                self.login = LoginResult::Refused;
                settle(&mut permit, false).await;
                self.event(Event::CredentialRefused { credential: self.access.login.credential });
            }
            Some(ErrorCode::EnableFailed) => self.login = LoginResult::Refused,
            _ => {}
        }
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.event_at(Utc::now(), event);
    }

    fn event_at(&mut self, at: DateTime<Utc>, event: Event) {
        self.events.push(JobEvent::new(self.job, self.access.target.device, at, event));
    }
}

/// What a peer says on the way in is quoted in messages, and a hostile one may repeat what it was told.
fn without_own_secrets(failure: Failure, access: &Access) -> Failure {
    let logins = access.via.iter().chain([access]).map(|access| &access.login);
    let own: Vec<_> = logins.flat_map(|login| [&login.password, &login.enable]).flatten().collect();
    Failure { message: hide_own(&failure.message, &own), ..failure }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
