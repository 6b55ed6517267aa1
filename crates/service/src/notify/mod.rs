//! The notifier: tells people and programs what changed with devices.
//!
//! Changes are recorded by those who see them (`netraven_store::changes`). Here they are handed to the channels that want
//! them and sent: each channel's in order, many channels at once, again after growing pauses where something fails, until
//! they are dead. Several notifiers work side by side. What was sent is recorded afterwards, so that a notifier that dies in
//! between is followed by one that sends it once more, under the same delivery id.

mod digest;
mod email;
mod mail;
mod payload;
mod run;
mod target;
mod tell;
mod webhook;

pub use digest::{next_digest, time_zone};
pub use email::{Mailer, MailerError, SmtpSecurity, SmtpSettings};
pub use target::{addresses, webhook_url};
pub use webhook::{NewSecretError, new_secret, signature};

use crate::web::{self, ClientError};
use netraven_model::Backoff;
use netraven_store::Store;
use netraven_store::notifications::Channel;
use netraven_vault::Vault;
use run::Office;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How the notifier works.
#[derive(Clone, Debug)]
pub struct NotifierSettings {
    /// Channels that are told at the same time.
    pub parallel: u32,
    /// How often is looked for work when nobody rings.
    pub poll: Duration,
    /// When something that did not arrive is sent again, and how often.
    pub retry: Backoff,
    /// How long a webhook's receiver has for its answer.
    pub webhook_timeout: Duration,
    /// Authorities to believe in place of the system's, for webhooks.
    pub webhook_ca_file: Option<PathBuf>,
    /// How mail is sent; `None` where it cannot be.
    pub smtp: Option<SmtpSettings>,
    /// How many days changes are kept; `None` for ever.
    pub keep_days: Option<u32>,
}

impl Default for NotifierSettings {
    fn default() -> Self {
        Self {
            parallel: 16,
            poll: Duration::from_secs(5),
            retry: Backoff {
                attempts: 12,
                base: Duration::from_secs(5),
                factor: 2,
                limit: Duration::from_secs(3600),
            },
            webhook_timeout: Duration::from_secs(10),
            webhook_ca_file: None,
            smtp: None,
            keep_days: Some(400),
        }
    }
}

/// Why there is no notifier.
#[derive(Debug, Error)]
pub enum NotifierError {
    /// No webhook could be sent.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// No mail could be sent.
    #[error(transparent)]
    Mailer(#[from] MailerError),
}

/// A running notifier. [`Notifier::stop`] ends it in order; dropped without it, it works on until the runtime ends.
#[derive(Debug)]
pub struct Notifier {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Notifier {
    /// Starts it, with the store of `Role::Notifier`, which it closes in the end, and the keys that open what webhooks are
    /// signed with.
    ///
    /// # Errors
    /// See [`NotifierError`].
    pub fn start(store: Store, vault: Arc<Vault>, settings: NotifierSettings) -> Result<Self, NotifierError> {
        let (stop, stopped) = watch::channel(false);
        let office = Arc::new(Office::open(store, vault, settings, stopped)?);
        Ok(Self { stop, task: tokio::spawn(office.run()) })
    }

    /// Ends it: nothing new is begun, and what is under way gets `grace` to be sent and recorded.
    pub async fn stop(mut self, grace: Duration) {
        // Nobody listening any more is fine: then the task has ended already.
        let _ = self.stop.send(true);
        match timeout(grace, &mut self.task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the notifier did not end in order"),
            Err(_) => {
                self.task.abort();
                tracing::warn!("notifications under way were not finished; they are sent again later");
            }
        }
    }
}

/// Sends a test message to a channel at once, and answers what came back: the same way as the notifier, but recorded
/// nowhere. `secret` is the ciphertext of what its webhooks are signed with.
///
/// # Errors
/// Why it did not arrive, for people.
pub async fn send_test(
    channel: &Channel,
    secret: Option<&[u8]>,
    vault: &Vault,
    settings: &NotifierSettings,
) -> Result<String, String> {
    let client = web::client(settings.webhook_ca_file.as_deref(), settings.webhook_timeout);
    let client = client.map_err(|error| error.to_string())?;
    let mailer = settings.smtp.as_ref().map(Mailer::new).transpose().map_err(|error| error.to_string())?;
    let means = tell::Means { client, mailer, webhook_timeout: settings.webhook_timeout };
    means.test(channel, secret, vault).await.map_err(|refusal| refusal.error)
}
