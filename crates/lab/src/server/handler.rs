use super::files;
use super::settings::Failing;
use super::world::World;
use russh::keys::ssh_key::PublicKey;
use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, Response, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure, Pty};
use std::borrow::Cow;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Channels that may be open and unused at the same time.
const MAX_CHANNELS: usize = 8;

/// One client, as the SSH library sees it: logs in, opens one channel, asks for a shell; of a device with files, more
/// channels, for those.
pub(super) struct Login {
    world: Arc<World>,
    index: u32,
    /// Opened, and nothing runs on them.
    channels: Vec<Channel<Msg>>,
    /// Gets the channel once a shell runs on it.
    shell: Option<oneshot::Sender<Channel<Msg>>>,
    /// Whether a secret was refused on this connection.
    refused: bool,
}

impl Login {
    pub(super) fn new(world: Arc<World>, index: u32, shell: oneshot::Sender<Channel<Msg>>) -> Self {
        Self { world, index, channels: Vec::new(), shell: Some(shell), refused: false }
    }

    fn check(&mut self, user: &str, password: &[u8]) -> Auth {
        let settings = &self.world.settings;
        let right = is_user(user, &settings.username) && password == settings.password.expose_bytes();
        self.unless_refusing(right)
    }

    fn check_key(&mut self, user: &str, key: &PublicKey) -> Auth {
        let known =
            self.world.authorized_key.as_ref().is_some_and(|known| known.key_data() == key.key_data());
        self.unless_refusing(known && is_user(user, &self.world.settings.username))
    }

    fn unless_refusing(&mut self, right: bool) -> Auth {
        let refuses = self.world.failing(self.index) == Some(Failing::WrongPassword);
        if right && !refuses {
            return Auth::Accept;
        }
        if !std::mem::replace(&mut self.refused, true) {
            self.world.count_refused_login(self.index);
        }
        Auth::reject()
    }

    /// The channel, which is used from now on.
    fn take(&mut self, id: ChannelId) -> Option<Channel<Msg>> {
        let at = self.channels.iter().position(|channel| channel.id() == id)?;
        Some(self.channels.swap_remove(at))
    }

    fn refuse(&self, what: &str, channel: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        self.world.note_unexpected(self.index, format!("a request for {what}"));
        session.channel_failure(channel)
    }
}

impl Handler for Login {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, russh::Error> {
        Ok(self.check(user, password.as_bytes()))
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        Ok(self.check_key(user, key.public_key))
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _submethods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, russh::Error> {
        let Some(mut answers) = response else {
            return Ok(Auth::Partial {
                name: Cow::Borrowed(""),
                instructions: Cow::Borrowed(""),
                prompts: Cow::Borrowed(&[(Cow::Borrowed("Password: "), false)]),
            });
        };
        let answer = answers.next().unwrap_or_default();
        Ok(self.check(user, &answer))
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        // Devices give one command line per connection, and what else there is beside it.
        let more = self.world.session(self.index).has_files() && self.channels.len() < MAX_CHANNELS;
        if !more && (!self.channels.is_empty() || self.shell.is_none()) {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
        } else {
            self.channels.push(channel);
            reply.accept().await;
        }
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _term: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_success(channel)
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        let Some(shell) = self.shell.take() else {
            return self.refuse("a second shell", channel, session);
        };
        let Some(opened) = self.take(channel) else { return session.channel_failure(channel) };
        session.channel_success(channel)?;
        // When nobody waits for it any more the connection is being ended.
        shell.send(opened).map_err(|_| russh::Error::Disconnect)
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let has_files = self.world.session(self.index).has_files();
        if let Some(path) = files::path_of_scp(command).filter(|_| has_files) {
            let Some(opened) = self.take(channel) else { return session.channel_failure(channel) };
            session.channel_success(channel)?;
            let content = self.world.file(self.index, &path);
            tokio::spawn(files::serve_scp(opened, path, content, self.world.settings.idle_timeout));
            return Ok(());
        }
        // Like many devices that only have a shell. To ask is no misbehaviour: families that have it are asked so.
        session.channel_failure(channel)
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        if name == "sftp" && self.world.session(self.index).has_files() {
            let Some(opened) = self.take(channel) else { return session.channel_failure(channel) };
            session.channel_success(channel)?;
            tokio::spawn(files::serve_sftp(opened, self.world.clone(), self.index));
            return Ok(());
        }
        let name: String = name.chars().take(40).collect();
        self.refuse(&format!("the subsystem {name}"), channel, session)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        _name: &str,
        _value: &str,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        // Clients send their locale unasked; devices ignore it.
        session.channel_failure(channel)
    }
}

/// Whether that is the user's name, maybe with switches of the session behind it, as RouterOS takes them.
fn is_user(given: &str, name: &str) -> bool {
    given.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('+'))
}
