//! Sessions with one device, one after the other: what they learn and what happened is collected on the way.

use crate::outcome::{LoginResult, Outcome};
use crate::request::{CollectRequest, DeviceSettings};
use crate::session;
use crate::ssh::{self, SshConnection};
use chrono::{DateTime, TimeDelta, Utc};
use netraven_model::{ErrorCode, Event, Failure, HostKey, JobEvent};
use netraven_platform::{Output, Plan, Platform, Report};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The state of the sessions with one device while they run.
pub(crate) struct Course<'a> {
    pub(crate) request: &'a CollectRequest,
    settings: &'a DeviceSettings,
    learned: Option<HostKey>,
    login: LoginResult,
    events: Vec<JobEvent>,
    dialogue: String,
}

impl<'a> Course<'a> {
    pub(crate) fn new(request: &'a CollectRequest, settings: &'a DeviceSettings) -> Self {
        Self {
            request,
            settings,
            learned: None,
            login: LoginResult::NotTried,
            events: Vec::new(),
            dialogue: String::new(),
        }
    }

    /// One session with the platform that is chosen when the server has introduced itself: the platform, how the server
    /// introduced itself, and what the commands brought.
    pub(crate) async fn converse(
        &mut self,
        choose: impl FnOnce(&str) -> Result<Arc<Platform>, Failure>,
    ) -> Result<(Arc<Platform>, String, Vec<Output>), Failure> {
        let connecting = Instant::now();
        let mut connection = self.connect().await?;
        let version = connection.server_version().to_owned();
        let platform = match choose(&version) {
            Ok(platform) => platform,
            Err(failure) => {
                connection.disconnect().await;
                return Err(failure);
            }
        };
        self.greet(&connection, &platform);
        let (opened, connected_in) = (Utc::now(), connecting.elapsed());
        let report = match connection.shell().await {
            Ok(mut shell) => session::run(&mut shell, self.plan(&platform)).await,
            Err(failure) => {
                connection.disconnect().await;
                return Err(failure);
            }
        };
        connection.disconnect().await;
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

    async fn connect(&mut self) -> Result<SshConnection, Failure> {
        let request = self.request;
        // The key learned by a first session binds the second one.
        let learned: Vec<HostKey> = self.learned.iter().cloned().collect();
        let known = if request.host_keys.is_empty() { &learned } else { &request.host_keys };
        let login = request.platform.login(&request.login);
        match ssh::open(&request.target, &login, known, &self.settings.ssh).await {
            Ok(connection) => {
                self.login = LoginResult::Accepted;
                if connection.learned() {
                    self.learn(connection.host_key().clone());
                }
                Ok(connection)
            }
            Err(open) => {
                if let Some(key) = open.learned {
                    self.learn(key);
                }
                if open.auth_refused {
                    self.login = LoginResult::Refused;
                    self.event(Event::CredentialRefused { credential: request.login.credential });
                }
                Err(open.failure)
            }
        }
    }

    fn learn(&mut self, key: HostKey) {
        self.event(Event::HostKeyLearned { fingerprint: key.fingerprint.clone() });
        self.learned = Some(key);
    }

    /// The head of the connection log: who answered.
    fn greet(&mut self, connection: &SshConnection, platform: &Platform) {
        let target = &self.request.target;
        let version = platform.redact(connection.server_version().as_bytes());
        let key = connection.host_key();
        self.dialogue.push_str(&format!(
            "# {} port {}: {version}, {} {}\n",
            target.address, target.port, key.algorithm, key.fingerprint
        ));
    }

    fn plan(&self, platform: &Arc<Platform>) -> Plan {
        Plan {
            platform: platform.clone(),
            username: self.request.login.username.clone(),
            password: self.request.login.password.clone(),
            enable: self.request.login.enable.clone(),
            limits: self.settings.limits(),
        }
    }

    /// Turns a session's report into events and the connection log.
    fn note(&mut self, report: &Report, opened: DateTime<Utc>, connected_in: Duration) {
        self.dialogue.push_str(&report.dialogue);
        if let Some(login_time) = report.login_time {
            let credential = self.request.login.credential;
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
        let request = self.request;
        self.events.push(JobEvent::new(request.job, request.target.device, at, event));
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
