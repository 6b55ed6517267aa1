//! Where rows end up: in the database, or with the job logging service, which has one.

use super::entry::Entry;
use crate::web;
use netraven_model::{JobEvent, Secret};
use netraven_store::logs::{self, Dialogue};
use netraven_store::{Store, StoreError};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Url};
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// How long a connection to the service may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the service may take to answer. It answers when everything is in the database or on its disk.
const ANSWER: Duration = Duration::from_secs(60);
/// Answers are numbers or a sentence.
const MAX_ANSWER: usize = 1 << 16;
/// Characters of a sentence of the service that are quoted.
const QUOTED: usize = 300;

/// The job logging service as another process reaches it.
#[derive(Clone)]
pub struct LogServiceSettings {
    /// Its address, e.g. `https://logs.example.net:8002`.
    pub url: String,
    /// A key with the right `write`.
    pub key: Secret,
    /// Authorities to believe instead of the system's, in PEM.
    pub ca_file: Option<PathBuf>,
}

impl fmt::Debug for LogServiceSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogServiceSettings({})", self.url)
    }
}

/// Why the job logging service cannot be used.
#[derive(Debug, Error)]
pub enum LogServiceError {
    /// The address is none.
    #[error(
        "joblog.url: expected the service's address, for example https://logs.example.net:8002, found '{0}'"
    )]
    Url(String),
    /// The key would go over the network in clear.
    #[error("joblog.url: '{0}' is beyond this machine and the key would go there in clear; use https")]
    InClear(String),
    /// The key cannot be sent.
    #[error("joblog.key: expected printable ASCII characters")]
    Key,
    /// The library.
    #[error(transparent)]
    Client(#[from] web::ClientError),
}

/// The job logging service, reached over HTTP.
#[derive(Clone)]
pub struct LogService {
    client: Client,
    events: Url,
    key: HeaderValue,
}

impl fmt::Debug for LogService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogService({})", self.events)
    }
}

/// What a batch looks like on its way.
#[derive(Serialize)]
struct Batch<'a> {
    events: &'a [&'a JobEvent],
    dialogues: &'a [&'a Dialogue],
}

impl LogService {
    /// One that is used when there is something to write: it need not be there yet.
    ///
    /// # Errors
    /// See [`LogServiceError`].
    pub fn new(settings: &LogServiceSettings) -> Result<Self, LogServiceError> {
        let no_url = || LogServiceError::Url(settings.url.clone());
        let mut events = Url::parse(&settings.url).map_err(|_| no_url())?;
        let host = events.host_str().filter(|_| ["http", "https"].contains(&events.scheme()));
        let host = host.ok_or_else(no_url)?.trim_matches(['[', ']']);
        let here = host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        // A user name or a password in the address would be shown with it.
        if !events.username().is_empty() || events.password().is_some() {
            return Err(LogServiceError::Url("an address with a user name".to_owned()));
        }
        if events.scheme() == "http" && !here {
            return Err(LogServiceError::InClear(settings.url.clone()));
        }
        events.set_path(&format!("{}/events", events.path().trim_end_matches('/')));
        let mut key =
            HeaderValue::from_bytes(settings.key.expose_bytes()).map_err(|_| LogServiceError::Key)?;
        key.set_sensitive(true);
        Ok(Self { client: web::client(settings.ca_file.as_deref(), CONNECT)?, events, key })
    }

    async fn write(&self, events: &[&JobEvent], dialogues: &[&Dialogue]) -> Result<(), SinkError> {
        let body = serde_json::to_vec(&Batch { events, dialogues });
        let body = body.map_err(|error| SinkError::Away(error.to_string()))?;
        let request = self
            .client
            .post(self.events.clone())
            .header("x-api-key", self.key.clone())
            .header(CONTENT_TYPE, "application/json")
            .timeout(ANSWER)
            .body(body);
        // The address is in the settings; in each message it would only be long.
        let away = |error: reqwest::Error| SinkError::Away(error.without_url().to_string());
        let answer = request.send().await.map_err(away)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let body = web::body(answer, MAX_ANSWER).await.unwrap_or_default();
        let detail = serde_json::from_slice::<serde_json::Value>(&body).ok();
        let detail = detail.and_then(|body| body["detail"].as_str().map(str::to_owned)).unwrap_or_default();
        Err(SinkError::Refused { status: status.as_u16(), detail: detail.chars().take(QUOTED).collect() })
    }
}

/// Where a job log writes.
#[derive(Clone, Debug)]
pub enum LogSink {
    /// Into the database, with the rights of the job log's role.
    Database(Store),
    /// To the job logging service.
    Service(LogService),
}

impl From<Store> for LogSink {
    fn from(store: Store) -> Self {
        Self::Database(store)
    }
}

impl From<LogService> for LogSink {
    fn from(service: LogService) -> Self {
        Self::Service(service)
    }
}

impl LogSink {
    /// What it is, for messages.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Database(_) => "the database",
            Self::Service(_) => "the job logging service",
        }
    }

    /// Writes rows, all or none. Those that are there already stay as they are.
    pub(super) async fn write(&self, entries: &[Entry]) -> Result<(), SinkError> {
        let (mut events, mut dialogues) = (Vec::new(), Vec::new());
        for entry in entries {
            match entry {
                Entry::Event(event) => events.push(event),
                Entry::Dialogue(dialogue) => dialogues.push(dialogue),
            }
        }
        match self {
            Self::Database(store) => Ok(logs::write(store, &events, &dialogues).await?),
            Self::Service(service) => service.write(&events, &dialogues).await,
        }
    }
}

/// Why rows were not written.
#[derive(Debug, Error)]
pub(super) enum SinkError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the job logging service answered {status}: {detail}")]
    Refused { status: u16, detail: String },
    #[error("the job logging service cannot be reached: {0}")]
    Away(String),
}

impl SinkError {
    /// Whether the rows themselves are the reason, or how many they are, so that others could be written.
    pub(super) fn is_about_the_rows(&self) -> bool {
        match self {
            Self::Store(error) => error.is_about_the_rows(),
            Self::Refused { status, .. } => [400, 413, 422].contains(status),
            Self::Away(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str, key: &str) -> String {
        let settings = LogServiceSettings { url: url.into(), key: Secret::from(key), ca_file: None };
        LogService::new(&settings).unwrap_err().to_string()
    }

    #[test]
    fn addresses_that_cannot_be_used_or_would_show_the_key_are_refused() {
        for url in ["", "logs:8002", "ftp://127.0.0.1", "http://u:canary@127.0.0.1/"] {
            let text = refusal(url, "k");
            assert!(text.contains("expected the service's address") && !text.contains("canary"), "{text}");
        }
        for url in ["http://logs.example.net:8002", "http://192.0.2.1", "http://[2001:db8::1]:8002"] {
            assert!(refusal(url, "k").contains("use https"), "{url}");
        }
        assert!(refusal("http://[::1]:8002", "a\nb").contains("printable"));
    }

    #[test]
    fn an_address_may_have_a_path() {
        for (url, events) in [
            ("http://127.0.0.1:8002", "http://127.0.0.1:8002/events"),
            ("http://localhost:8002/logs/", "http://localhost:8002/logs/events"),
        ] {
            let settings = LogServiceSettings { url: url.into(), key: Secret::from("k"), ca_file: None };
            assert_eq!(LogService::new(&settings).unwrap().events.as_str(), events);
        }
    }
}
