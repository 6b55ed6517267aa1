//! HTTP requests to whoever wants to be told.

use super::payload::Payload;
use super::tell::Refusal;
use aws_lc_rs::{hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Utc;
use netraven_model::{ChannelId, Secret};
use netraven_vault::{Place, Vault, VaultError};
use reqwest::header::{CONTENT_TYPE, HeaderValue, LOCATION, USER_AGENT};
use reqwest::{Client, Response, StatusCode};
use std::time::Duration;
use thiserror::Error;
use tokio::time::timeout;

/// Bytes of randomness in a signing secret.
const SECRET_BYTES: usize = 32;

/// Why there is no new secret.
#[derive(Debug, Error)]
pub enum NewSecretError {
    /// The keys are not to be had.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
}

/// A fresh secret for the webhooks of a channel, to be shown once, and its ciphertext.
///
/// # Errors
/// See [`NewSecretError`].
pub fn new_secret(vault: &Vault, channel: ChannelId) -> Result<(Secret, Vec<u8>), NewSecretError> {
    let mut bytes = [0; SECRET_BYTES];
    rand::fill(&mut bytes).map_err(|_| NewSecretError::Random)?;
    let secret = Secret::from(format!("nrwh_{}", URL_SAFE_NO_PAD.encode(bytes)));
    let sealed = vault.seal(&place(channel), &secret)?;
    Ok((secret, sealed))
}

fn place(channel: ChannelId) -> Place<'static> {
    Place { table: "notification_channels", column: "secret", row: channel.0 }
}

/// The value of `X-NetRaven-Signature`: the time in seconds since 1970, and the HMAC-SHA256 of `time.body` in hexadecimal
/// digits, keyed with the secret's text.
pub fn signature(secret: &Secret, time: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(format!("{time}.").as_bytes());
    context.update(body);
    let digest: String = context.sign().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={time},v1={digest}")
}

/// One request.
pub(super) struct Webhook<'a> {
    pub channel: ChannelId,
    pub url: &'a str,
    /// Ciphertext.
    pub secret: Option<&'a [u8]>,
    /// The same however often it is sent.
    pub delivery: &'a str,
    pub payload: &'a Payload<'a>,
}

impl Webhook<'_> {
    /// Sends it; any answer of 200 to 299 within the time means that it arrived.
    pub(super) async fn send(
        &self,
        client: &Client,
        vault: &Vault,
        time: Duration,
    ) -> Result<String, Refusal> {
        let sealed = self.secret.ok_or_else(|| Refusal::later("the channel has no signing secret"))?;
        let opened = vault.unseal(&place(self.channel), sealed);
        let secret = opened.map_err(|error| Refusal::later(format!("the signing secret: {error}")))?;
        let body = serde_json::to_vec(self.payload).map_err(|error| Refusal::later(error.to_string()))?;
        let signature = signature(&secret, Utc::now().timestamp(), &body);
        let request = client
            .post(self.url)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(USER_AGENT, HeaderValue::from_static(concat!("NetRaven/", env!("CARGO_PKG_VERSION"))))
            .header("X-NetRaven-Event", self.payload.event())
            .header("X-NetRaven-Delivery", self.delivery)
            .header("X-NetRaven-Signature", signature)
            .body(body);
        match timeout(time, request.send()).await {
            Err(_) => {
                Err(Refusal::later(format!("expected an answer within {} s, none came", time.as_secs())))
            }
            Ok(Err(error)) => Err(Refusal::later(reason(error))),
            Ok(Ok(answer)) => judge(&answer),
        }
    }
}

fn judge(answer: &Response) -> Result<String, Refusal> {
    let status = answer.status();
    if status.is_success() {
        return Ok(status.to_string());
    }
    let expected = format!("expected a status of 200 to 299, got {status}");
    if status == StatusCode::GONE {
        return Err(Refusal::never(format!("{expected}: the receiver wants no more")));
    }
    if status.is_redirection() && answer.headers().contains_key(LOCATION) {
        return Err(Refusal::later(format!("{expected}; redirects are not followed, name the new URL")));
    }
    Err(Refusal::later(expected))
}

/// What the library says, down to its cause, without the URL: a part of it may be a secret.
fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_what_openssl_makes_of_time_and_body() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac nrwh_test
        let expected = "t=1700000000,v1=3c11f15c7b6109f5aedf549201e11b3217f03d293ee9a1ce981da25e59f8d5d6";
        assert_eq!(signature(&Secret::from("nrwh_test"), 1_700_000_000, br#"{"a":1}"#), expected);
    }

    #[test]
    fn every_secret_is_another_one_and_opens_for_its_own_channel_only() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::open_or_create(&folder.path().join("master.key")).unwrap();
        let (first, sealed) = new_secret(&vault, ChannelId(1)).unwrap();
        let (second, _) = new_secret(&vault, ChannelId(1)).unwrap();
        assert_ne!(first.expose_bytes(), second.expose_bytes());
        assert_eq!(first.expose_text().unwrap().len(), 5 + 43);
        assert_eq!(vault.unseal(&place(ChannelId(1)), &sealed).unwrap().expose_bytes(), first.expose_bytes());
        assert!(vault.unseal(&place(ChannelId(2)), &sealed).is_err());
    }
}
