//! A plain SSH client for the tests.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use netraven_lab::LabDevice;
use russh::client::{AuthResult, Config, Handle, Handler, KeyboardInteractiveAuthResponse, Msg, connect};
use russh::keys::PublicKeyOrCertificate;
use russh::{Channel, ChannelMsg};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::timeout;

/// Long enough for a busy machine; nothing waits for it unless the test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Remembers the host key.
#[derive(Clone, Default)]
pub struct Keeper(pub Arc<Mutex<Option<String>>>);

impl Handler for Keeper {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        *self.0.lock().unwrap() = Some(shown(key));
        Ok(true)
    }
}

fn shown(key: &PublicKeyOrCertificate) -> String {
    let PublicKeyOrCertificate::PublicKey { key, .. } = key else { panic!("a certificate: {key:?}") };
    key.to_openssh().unwrap()
}

/// Connects without logging in.
pub async fn reach(device: &LabDevice) -> Result<(Handle<Keeper>, Keeper), russh::Error> {
    reach_with(device, Config { nodelay: true, ..Config::default() }).await
}

/// The same, with other settings.
pub async fn reach_with(
    device: &LabDevice,
    config: Config,
) -> Result<(Handle<Keeper>, Keeper), russh::Error> {
    let keeper = Keeper::default();
    let target = (device.address, device.port);
    let handle = timeout(PATIENCE, connect(Arc::new(config), target, keeper.clone())).await.unwrap()?;
    Ok((handle, keeper))
}

/// Whether `password` lets `username` in.
pub async fn password(handle: &mut Handle<Keeper>, username: &str, password: &str) -> bool {
    timeout(PATIENCE, handle.authenticate_password(username, password)).await.unwrap().unwrap().success()
}

/// The same, answering questions.
pub async fn keyboard_interactive(handle: &mut Handle<Keeper>, username: &str, password: &str) -> bool {
    let mut step = handle.authenticate_keyboard_interactive_start(username, None).await.unwrap();
    loop {
        step = match step {
            KeyboardInteractiveAuthResponse::Success => return true,
            KeyboardInteractiveAuthResponse::Failure { .. } => return false,
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => {
                let answers = prompts.iter().map(|_| password.to_string()).collect();
                handle.authenticate_keyboard_interactive_respond(answers).await.unwrap()
            }
        }
    }
}

/// A command line on a device.
pub struct Terminal {
    channel: Channel<Msg>,
    pub shown: String,
    _handle: Handle<Keeper>,
}

impl Terminal {
    /// Logs in with the device's own credentials and waits for the first prompt.
    pub async fn open(device: &LabDevice) -> Self {
        let (mut handle, _) = reach(device).await.unwrap();
        assert!(password(&mut handle, &device.username, device.password.expose_text().unwrap()).await);
        Self::over(handle, &device.hostname).await
    }

    /// Opens the command line on a connection that is logged in.
    pub async fn over(handle: Handle<Keeper>, hostname: &str) -> Self {
        let channel = timeout(PATIENCE, handle.channel_open_session()).await.unwrap().unwrap();
        channel.request_pty(true, "vt100", 200, 24, 0, 0, &[]).await.unwrap();
        channel.request_shell(true).await.unwrap();
        let mut terminal = Self { channel, shown: String::new(), _handle: handle };
        terminal.wait_for_prompt(hostname).await;
        terminal
    }

    /// Types `line` and returns what the device shows up to the next prompt.
    pub async fn command(&mut self, line: &str, hostname: &str) -> String {
        self.shown.clear();
        self.type_in(&format!("{line}\r")).await;
        self.wait_for_prompt(hostname).await;
        std::mem::take(&mut self.shown)
    }

    pub async fn type_in(&self, keys: &str) {
        self.channel.data(keys.as_bytes()).await.unwrap();
    }

    /// Reads until what was shown ends in `end`. False if the device ends the session first.
    pub async fn wait_for(&mut self, end: &str) -> bool {
        self.read_until(|shown| shown.trim_end().ends_with(end)).await
    }

    /// Reads until the session ends.
    pub async fn wait_for_end(&mut self) {
        self.read_until(|_| false).await;
    }

    async fn wait_for_prompt(&mut self, hostname: &str) {
        let prompt = |shown: &str| {
            let last = shown.rsplit('\n').next().unwrap_or_default().trim_end();
            last.contains(hostname) && last.ends_with(['>', '#', '$'])
        };
        assert!(self.read_until(prompt).await, "the session ended: {:?}", self.shown);
    }

    async fn read_until(&mut self, enough: impl Fn(&str) -> bool) -> bool {
        while !enough(&self.shown) {
            match timeout(PATIENCE, self.channel.wait()).await.expect("an answer") {
                Some(ChannelMsg::Data { data }) => self.shown.push_str(&String::from_utf8_lossy(&data)),
                Some(ChannelMsg::Close) | None => return false,
                Some(_) => {}
            }
        }
        true
    }
}

/// Whether a login result is a success.
pub fn accepted(result: Result<AuthResult, russh::Error>) -> bool {
    result.is_ok_and(|result| result.success())
}
