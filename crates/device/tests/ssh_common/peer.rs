//! A server that does what its script says and writes down what it is told.

use super::at;
use netraven_model::Target;
use russh::keys::key::safe_rng;
use russh::keys::{Algorithm, PrivateKey, PublicKey};
use russh::server::{
    Auth, ChannelOpenHandle, Config, Handler, Msg, Response, Session, VerifiedPublicKey, run_stream,
};
use russh::{Channel, ChannelId, ChannelOpenFailure, Error, MethodKind, MethodSet, Pty};
use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;

/// What the server does in its shell.
#[derive(Clone)]
pub enum Shell {
    /// Sends back what it gets.
    Echo,
    /// Sends the text byte by byte, then exits with the status and closes.
    Bytewise(&'static [u8], u32),
    /// Sends without end.
    Flood,
    /// Sends end-of-file at once, then echoes what it gets and closes.
    HalfClosed,
    /// Says goodbye with this text when something is sent to it.
    Farewell(&'static str),
    /// Breaks the connection when something is sent to it.
    Break,
    /// Refuses the channel.
    NoChannel,
    /// Refuses the shell.
    Denied,
    /// Refuses the pseudo-terminal.
    NoPty,
    /// Takes the requests and never answers.
    Mute,
    /// Tries to open channels on the client, then echoes what became of it.
    OpenChannels,
}

/// What the server accepts and how it behaves.
#[derive(Clone)]
pub struct Script {
    pub methods: Vec<MethodKind>,
    pub password: Option<&'static str>,
    /// Ends the connection when a password comes.
    pub breaks_in_password: bool,
    /// Never answers a password.
    pub stalls_in_password: bool,
    /// Methods whose success is not enough.
    pub partial: Vec<MethodKind>,
    /// Whether a refused method stays on offer, as with OpenSSH.
    pub offers_again: bool,
    /// Rounds of questions; every hidden one is answered right by `password`.
    pub rounds: Vec<Vec<(&'static str, bool)>>,
    pub user_key: Option<PublicKey>,
    pub banner: Option<String>,
    pub shell: Shell,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            methods: vec![MethodKind::Password],
            password: Some("right"),
            breaks_in_password: false,
            stalls_in_password: false,
            partial: Vec::new(),
            offers_again: false,
            rounds: Vec::new(),
            user_key: None,
            banner: None,
            shell: Shell::Echo,
        }
    }
}

pub struct Peer {
    pub target: Target,
    pub log: Log,
    /// Bytes of the flood that the library took for sending.
    pub flooded: Arc<AtomicUsize>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// What the client did, in order.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

pub fn new_key() -> PrivateKey {
    PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap()
}

pub async fn start(script: Script) -> Peer {
    start_with(script, vec![new_key()]).await
}

pub async fn start_with(script: Script, host_keys: Vec<PrivateKey>) -> Peer {
    start_configured(script, Config { keys: host_keys, ..Config::default() }).await
}

pub async fn start_configured(script: Script, config: Config) -> Peer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = at(listener.local_addr().unwrap());
    let config = Arc::new(Config {
        methods: MethodSet::from(&script.methods[..]),
        auth_rejection_time: Duration::ZERO,
        nodelay: true,
        ..config
    });
    let (log, flooded) = (Log::default(), Arc::<AtomicUsize>::default());
    let handler = Server { script, log: log.clone(), flooded: Arc::clone(&flooded), round: 0 };
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            let _ = run_stream(Arc::clone(&config), stream, handler.clone()).await;
        }
    });
    Peer { target, log, flooded, serving }
}

#[derive(Clone)]
struct Server {
    script: Script,
    log: Log,
    flooded: Arc<AtomicUsize>,
    round: usize,
}

impl Server {
    fn verdict(&self, method: MethodKind, right: bool) -> Auth {
        if right && !self.script.partial.contains(&method) {
            return Auth::Accept;
        }
        let others: Vec<_> = self.script.methods.iter().copied().filter(|other| *other != method).collect();
        let offered = if self.script.offers_again && !right { &self.script.methods } else { &others };
        let proceed_with_methods = (right || self.script.offers_again).then(|| MethodSet::from(&offered[..]));
        Auth::Reject { proceed_with_methods, partial_success: right }
    }

    fn ask(&self) -> Auth {
        let prompts = self.script.rounds[self.round].iter().map(|(text, echo)| (Cow::Borrowed(*text), *echo));
        Auth::Partial { name: "".into(), instructions: "".into(), prompts: Cow::Owned(prompts.collect()) }
    }
}

impl Handler for Server {
    type Error = Error;

    async fn authentication_banner(&mut self) -> Result<Option<String>, Error> {
        Ok(self.script.banner.clone())
    }

    async fn auth_none(&mut self, user: &str) -> Result<Auth, Error> {
        self.log.note(format!("none {user}"));
        Ok(Auth::reject())
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Error> {
        self.log.note(format!("password {user} {password}"));
        if self.script.breaks_in_password {
            return Err(Error::Disconnect);
        }
        if self.script.stalls_in_password {
            std::future::pending::<()>().await;
        }
        let offered = self.script.methods.contains(&MethodKind::Password);
        Ok(self.verdict(MethodKind::Password, offered && Some(password) == self.script.password))
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Error> {
        self.log.note(format!("publickey {user} {}", key.algorithm));
        let right =
            self.script.user_key.as_ref().is_some_and(|own| own.key_data() == key.public_key.key_data());
        Ok(self.verdict(MethodKind::PublicKey, right))
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Error> {
        let Some(response) = response else {
            self.log.note(format!("keyboard {user}"));
            self.round = 0;
            return Ok(self.ask());
        };
        let answers: Vec<String> =
            response.map(|answer| String::from_utf8_lossy(&answer).into_owned()).collect();
        self.log.note(format!("answers {answers:?}"));
        let right = answers.iter().all(|answer| Some(answer.as_str()) == self.script.password);
        self.round += 1;
        if right && self.round < self.script.rounds.len() {
            return Ok(self.ask());
        }
        Ok(self.verdict(MethodKind::KeyboardInteractive, right))
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        match self.script.shell {
            Shell::NoChannel => reply.reject(ChannelOpenFailure::ResourceShortage).await,
            _ => reply.accept().await,
        }
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        term: &str,
        columns: u32,
        rows: u32,
        _: u32,
        _: u32,
        modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Error> {
        self.log.note(format!("pty {term} {columns}x{rows} {modes:?}"));
        match self.script.shell {
            Shell::NoPty => session.channel_failure(channel),
            Shell::Mute => Ok(()),
            _ => session.channel_success(channel),
        }
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        _: &[u8],
        session: &mut Session,
    ) -> Result<(), Error> {
        session.channel_failure(channel)
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Error> {
        self.log.note("shell");
        match self.script.shell {
            Shell::Denied => return session.channel_failure(channel),
            Shell::Mute => return Ok(()),
            _ => session.channel_success(channel)?,
        }
        let handle = session.handle();
        match self.script.shell.clone() {
            Shell::Bytewise(text, status) => {
                tokio::spawn(async move {
                    for byte in text {
                        handle.data(channel, vec![*byte]).await.unwrap();
                    }
                    handle.exit_status_request(channel, status).await.unwrap();
                    handle.eof(channel).await.unwrap();
                    handle.close(channel).await.unwrap();
                });
            }
            Shell::Flood => {
                let flooded = Arc::clone(&self.flooded);
                tokio::spawn(async move {
                    while handle.data(channel, vec![b'x'; 32 * 1024]).await.is_ok() {
                        flooded.fetch_add(32 * 1024, Ordering::Relaxed);
                    }
                });
            }
            Shell::HalfClosed => session.eof(channel)?,
            Shell::OpenChannels => {
                tokio::spawn(async move {
                    let agent = handle.channel_open_agent().await;
                    let forwarded = handle.channel_open_forwarded_tcpip("10.0.0.1", 22, "10.0.0.2", 1).await;
                    let opened = [agent, forwarded].iter().filter(|opened| opened.is_ok()).count();
                    handle.data(channel, format!("opened {opened}")).await.unwrap();
                });
            }
            _ => {}
        }
        Ok(())
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], session: &mut Session) -> Result<(), Error> {
        match self.script.shell {
            Shell::Farewell(text) => session.disconnect(russh::Disconnect::ByApplication, text, ""),
            Shell::Break => Err(Error::Disconnect),
            Shell::HalfClosed => {
                session.data(channel, data.to_vec())?;
                session.close(channel)
            }
            _ => session.data(channel, data.to_vec()),
        }
    }
}
