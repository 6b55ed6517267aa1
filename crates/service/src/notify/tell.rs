//! Telling one channel what was claimed for it.

use super::email::Mailer;
use super::mail::Mail;
use super::payload::Payload;
use super::webhook::Webhook;
use chrono::Utc;
use netraven_model::ChannelKind;
use netraven_store::notifications::{Channel, Claimed, Delivery};
use netraven_vault::Vault;
use reqwest::Client;
use std::time::Duration;
use uuid::Uuid;

/// Characters of an error that are kept.
const LONGEST_ERROR: usize = 500;

/// Why something did not arrive.
#[derive(Debug)]
pub(super) struct Refusal {
    /// For people.
    pub error: String,
    /// Whether it is worth another try.
    pub again: bool,
}

impl Refusal {
    pub(super) fn later(error: impl Into<String>) -> Self {
        Self { error: bounded(&error.into()), again: true }
    }

    pub(super) fn never(error: impl Into<String>) -> Self {
        Self { again: false, ..Self::later(error) }
    }
}

fn bounded(text: &str) -> String {
    text.chars().take(LONGEST_ERROR).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// What is needed for telling.
#[derive(Debug)]
pub(super) struct Means {
    pub client: Client,
    pub mailer: Option<Mailer>,
    pub webhook_timeout: Duration,
}

impl Means {
    /// Tells a channel of one change.
    pub(super) async fn tell(
        &self,
        claimed: &Claimed,
        delivery: &Delivery,
        vault: &Vault,
    ) -> Result<String, Refusal> {
        match claimed.channel.kind {
            ChannelKind::Webhook => {
                let payload = Payload::of(delivery);
                let id = delivery.id.to_string();
                self.webhook(&claimed.channel, claimed.secret.as_deref(), &id, &payload, vault).await
            }
            ChannelKind::Email => self.mail(&claimed.channel, &Mail::of(delivery)).await,
        }
    }

    pub(super) async fn test(
        &self,
        channel: &Channel,
        secret: Option<&[u8]>,
        vault: &Vault,
    ) -> Result<String, Refusal> {
        let id = Uuid::new_v4();
        match channel.kind {
            ChannelKind::Webhook => {
                let payload = Payload::test(Utc::now());
                self.webhook(channel, secret, &format!("test-{id}"), &payload, vault).await
            }
            ChannelKind::Email => self.mail(channel, &Mail::test(id)).await,
        }
    }

    pub(super) async fn mail(&self, channel: &Channel, mail: &Mail) -> Result<String, Refusal> {
        let mailer = self.mailer.as_ref();
        let mailer = mailer.ok_or_else(|| {
            Refusal::later("no mail server is known: set notify.smtp.host and notify.smtp.from")
        })?;
        mailer.send(&channel.target, mail).await
    }

    async fn webhook(
        &self,
        channel: &Channel,
        secret: Option<&[u8]>,
        delivery: &str,
        payload: &Payload<'_>,
        vault: &Vault,
    ) -> Result<String, Refusal> {
        let webhook = Webhook { channel: channel.id, url: &channel.target, secret, delivery, payload };
        webhook.send(&self.client, vault, self.webhook_timeout).await
    }
}
