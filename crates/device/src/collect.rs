//! One backup of one device, from connect to outcome.
//!
//! ```text
//! connect, authenticate -> session: the platform's commands -> parts (memory only)
//!   -> facts taken, secret and volatile spans marked -> fingerprints in place of secrets
//!   -> significant hash: equal to the last one = unchanged, nothing is compressed or kept
//!   -> else compressed and handed out
//! ```

use crate::outcome::{CollectOutcome, Collected, LoginResult};
use crate::request::{CollectRequest, DeviceSettings};
use crate::session;
use crate::ssh::{self, SshConnection};
use chrono::{DateTime, TimeDelta, Utc};
use netraven_model::{ErrorCode, Event, Facts, Failure, HostKey, JobEvent, Phase};
use netraven_platform::{Output, Plan, Platform, Report};
use netraven_seal::{Masked, RawPart, SealError, mask};
use std::time::{Duration, Instant};

/// A configuration that lost more than half of its size is read a second time before it is believed.
const MUCH_SMALLER: u64 = 2;

/// Backs up one device. Dropping the future closes the session.
pub async fn collect(request: &CollectRequest, settings: &DeviceSettings) -> CollectOutcome {
    let mut course = Course::new(request, settings);
    let result = course.run().await;
    if let Err(failure) = &result {
        course.event(Event::Failed { failure: failure.clone() });
    }
    CollectOutcome {
        result,
        learned: course.learned,
        login: course.login,
        events: course.events,
        dialogue: course.dialogue,
    }
}

/// The state of one backup while it runs.
struct Course<'a> {
    request: &'a CollectRequest,
    settings: &'a DeviceSettings,
    learned: Option<HostKey>,
    login: LoginResult,
    events: Vec<JobEvent>,
    dialogue: String,
}

impl<'a> Course<'a> {
    fn new(request: &'a CollectRequest, settings: &'a DeviceSettings) -> Self {
        Self {
            request,
            settings,
            learned: None,
            login: LoginResult::NotTried,
            events: Vec::new(),
            dialogue: String::new(),
        }
    }

    async fn run(&mut self) -> Result<Collected, Failure> {
        let (mut masked, mut facts) = self.read().await?;
        let before = self.request.previous.map_or(0, |previous| previous.size);
        let much_smaller = |masked: &Masked| masked.size().saturating_mul(MUCH_SMALLER) < before;
        let suspicious = much_smaller(&masked);
        if suspicious {
            (masked, facts) = self.read().await?;
        }
        if self.request.previous.is_some_and(|previous| previous.significant == masked.significant()) {
            return Ok(Collected::Unchanged { facts });
        }
        let much_smaller = suspicious && much_smaller(&masked);
        if much_smaller {
            self.event(Event::MuchSmaller { before, now: masked.size() });
        }
        let config = Box::new(masked.seal().map_err(|error| sealing_failed(&error))?);
        Ok(Collected::Changed { config, facts, much_smaller })
    }

    /// One session: its parts without secrets, and what they tell about the device.
    async fn read(&mut self) -> Result<(Masked, Facts), Failure> {
        let connecting = Instant::now();
        let mut connection = self.connect().await?;
        self.greet(&connection);
        let (opened, connected_in) = (Utc::now(), connecting.elapsed());
        let report = match connection.shell().await {
            Ok(mut shell) => session::run(&mut shell, self.plan()).await,
            Err(failure) => {
                connection.disconnect().await;
                return Err(failure);
            }
        };
        connection.disconnect().await;
        self.note(&report, opened, connected_in);
        let outputs = report.result?;
        let platform = &self.request.platform;
        let texts: Vec<_> =
            outputs.iter().map(|output| (output.part, output.capture.expose_bytes())).collect();
        let facts = platform.find_facts(&texts);
        let parts = outputs.into_iter().map(|output| raw_part(platform, output)).collect();
        let masked = mask(parts, &self.request.fingerprint_key).map_err(|error| sealing_failed(&error))?;
        Ok((masked, facts))
    }

    async fn connect(&mut self) -> Result<SshConnection, Failure> {
        let request = self.request;
        // The key learned by a first session binds the second one.
        let learned: Vec<HostKey> = self.learned.iter().cloned().collect();
        let known = if request.host_keys.is_empty() { &learned } else { &request.host_keys };
        match ssh::open(&request.target, &request.login, known, &self.settings.ssh).await {
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
    fn greet(&mut self, connection: &SshConnection) {
        let target = &self.request.target;
        let version = self.request.platform.redact(connection.server_version().as_bytes());
        let key = connection.host_key();
        self.dialogue.push_str(&format!(
            "# {} port {}: {version}, {} {}\n",
            target.address, target.port, key.algorithm, key.fingerprint
        ));
    }

    fn plan(&self) -> Plan {
        Plan {
            platform: self.request.platform.clone(),
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
        if report.result.as_ref().is_err_and(|failure| failure.code == ErrorCode::EnableFailed) {
            self.login = LoginResult::Refused;
        }
    }

    fn event(&mut self, event: Event) {
        self.event_at(Utc::now(), event);
    }

    fn event_at(&mut self, at: DateTime<Utc>, event: Event) {
        let request = self.request;
        self.events.push(JobEvent::new(request.job, request.target.device, at, event));
    }
}

fn raw_part(platform: &Platform, output: Output) -> RawPart {
    let part = &platform.parts[output.part];
    RawPart {
        name: part.name.clone(),
        context: None,
        command: output.command,
        kind: part.kind,
        secrets: platform.find_secrets(output.capture.expose_bytes()),
        volatile: platform.find_volatile(output.capture.expose_bytes()),
        capture: output.capture,
    }
}

fn sealing_failed(error: &SealError) -> Failure {
    Failure::new(ErrorCode::SealingFailed, Phase::Collect, error.to_string())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
