//! Sessions with one device, one after the other: what they learn and what happened is collected on the way.

use crate::gateway::Gateway;
use crate::link::Link;
use crate::outcome::{LoginResult, Outcome};
use crate::request::Access;
use crate::session;
use chrono::{DateTime, TimeDelta, Utc};
use netraven_model::{ErrorCode, Event, Failure, HostKey, JobEvent, JobId};
use netraven_platform::{Limits, Machine, Output, Part, Plan, Platform, Report};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The state of the sessions with one device while they run.
pub(crate) struct Course<'a> {
    pub(crate) gateway: &'a Gateway,
    job: Option<JobId>,
    access: &'a Access,
    learned: Option<HostKey>,
    login: LoginResult,
    events: Vec<JobEvent>,
    dialogue: String,
}

/// How a session is to be held.
pub(crate) struct Talk {
    pub(crate) platform: Arc<Platform>,
    /// What to ask: the platform's own parts, or others.
    pub(crate) parts: Arc<[Part]>,
    /// Whether the session may stay open for the next one.
    pub(crate) stay: bool,
    pub(crate) limits: Limits,
}

impl<'a> Course<'a> {
    pub(crate) fn new(gateway: &'a Gateway, job: Option<JobId>, access: &'a Access) -> Self {
        let login = LoginResult::NotTried;
        Self { gateway, job, access, learned: None, login, events: Vec::new(), dialogue: String::new() }
    }

    /// One session, of which it is told how to be held when the server has introduced itself: how the server did so, and
    /// what the commands brought.
    pub(crate) async fn converse(
        &mut self,
        suffix: &Platform,
        choose: impl FnOnce(&str) -> Result<Talk, Failure>,
    ) -> Result<(Arc<Platform>, String, Vec<Output>), Failure> {
        let connecting = Instant::now();
        let mut link = self.connect(suffix).await?;
        let version = link.server_version().to_owned();
        let talk = match choose(&version) {
            Ok(talk) => talk,
            Err(failure) => {
                link.close().await;
                return Err(failure);
            }
        };
        let platform = talk.platform.clone();
        self.greet(&link, &platform);
        let (opened, connected_in) = (Utc::now(), connecting.elapsed());
        let mut machine = Machine::new(self.plan(talk), Instant::now());
        session::run(&mut link, &mut machine).await;
        link.close().await;
        let report = machine.report();
        self.note(&report, opened, connected_in);
        Ok((platform, version, report.result?))
    }

    /// The end of the course.
    pub(crate) fn end<T>(mut self, result: Result<T, Failure>) -> Outcome<T> {
        if let Err(failure) = &result {
            self.event(Event::Failed { failure: failure.clone() });
        }
        let Self { learned, login, events, dialogue, .. } = self;
        Outcome { result, learned, login, events, dialogue }
    }

    async fn connect(&mut self, platform: &Platform) -> Result<Link, Failure> {
        let mut access = self.access.clone();
        if access.host_keys.is_empty() {
            // The key learned by a first session binds the second one.
            access.host_keys.extend(self.learned.clone());
        }
        access.login = platform.login(&access.login).into_owned();
        let opening = Link::open(&access, &self.gateway.settings).await;
        if let Some(key) = opening.learned {
            self.learn(key);
        }
        match opening.login {
            LoginResult::NotTried => {}
            LoginResult::Refused => {
                self.login = LoginResult::Refused;
                self.event(Event::CredentialRefused { credential: access.login.credential });
            }
            LoginResult::Accepted => self.login = LoginResult::Accepted,
        }
        opening.result
    }

    fn learn(&mut self, key: HostKey) {
        self.event(Event::HostKeyLearned { fingerprint: key.fingerprint.clone() });
        self.learned = Some(key);
    }

    /// The head of the connection log: who answered.
    fn greet(&mut self, link: &Link, platform: &Platform) {
        let target = &self.access.target;
        let version = platform.redact(link.server_version().as_bytes());
        self.dialogue.push_str(&format!(
            "# {} port {}: {version}, {}\n",
            target.address,
            target.port,
            link.proof()
        ));
    }

    fn plan(&self, talk: Talk) -> Plan {
        let Talk { platform, parts, stay, limits } = talk;
        Plan { parts, stay, ..Plan::backup(platform, &self.access.login, limits) }
    }

    /// Turns a session's report into events and the connection log.
    fn note(&mut self, report: &Report, opened: DateTime<Utc>, connected_in: Duration) {
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
        if report
            .result
            .as_ref()
            .is_err_and(|failure| matches!(failure.code, ErrorCode::EnableFailed | ErrorCode::AuthFailed))
        {
            self.login = LoginResult::Refused;
        }
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.event_at(Utc::now(), event);
    }

    fn event_at(&mut self, at: DateTime<Utc>, event: Event) {
        self.events.push(JobEvent::new(self.job, self.access.target.device, at, event));
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
