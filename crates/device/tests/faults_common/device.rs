//! A device's command line: honest, apart from what it is told to do wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::sleep;

/// How a device ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// In order.
    Close,
    /// With RST.
    Reset,
    /// Sends no more, but reads on.
    HalfClose,
    /// Keeps the connection and is silent.
    Stall,
}

/// In what pieces a device sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pieces {
    Whole,
    /// One byte at a time.
    Bytes,
    /// Carriage return and line feed apart, with a pause between.
    LineEndsApart,
    /// So many bytes per second.
    Rate(usize),
}

/// A device and its faults.
#[derive(Clone)]
pub struct Device {
    /// Before the login, and what asks for it; the lines are over Telnet only.
    pub banner: Vec<u8>,
    /// After the login.
    pub motd: Vec<u8>,
    pub user_prompt: String,
    pub prompt: String,
    pub echoes: bool,
    pub config: Vec<u8>,
    /// In the place of the prompt behind the configuration.
    pub behind_config: Option<Vec<u8>>,
    /// Repeated without end behind the configuration.
    pub endless: Option<Vec<u8>>,
    /// Stops at the end of each so many lines, and the text with which, and with which it goes on.
    pub pager: Option<(usize, &'static [u8], &'static [u8])>,
    pub pieces: Pieces,
    /// After so many bytes, it ends.
    pub ends_after: Option<(usize, End)>,
    /// Counts what was sent.
    pub sent: Arc<AtomicUsize>,
}

pub const CONFIG: &str =
    "version 1\nhostname sw1\nusername ops password 0 config-canary\n!\ninterface eth0\n mtu 9000\n!\nend\n";

impl Default for Device {
    fn default() -> Self {
        Self {
            banner: b"\r\nUser Access Verification\r\n\r\n".to_vec(),
            motd: b"\r\nWelcome\r\n".to_vec(),
            user_prompt: "sw1>".into(),
            prompt: "sw1#".into(),
            echoes: true,
            config: lines(CONFIG),
            behind_config: None,
            endless: None,
            pager: None,
            pieces: Pieces::Whole,
            ends_after: None,
            sent: Arc::default(),
        }
    }
}

/// A text with the line ends of a terminal.
pub fn lines(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

/// The session is over, in this way.
type Over<T> = Result<T, End>;

/// A session with one client.
struct Session<'a, S> {
    device: &'a Device,
    stream: S,
    sent: usize,
    typed: Vec<u8>,
    after_cr: bool,
}

/// Serves one client; the way in which it is to be ended, and the stream for that.
pub async fn serve<S>(device: &Device, stream: S, asks_login: bool) -> (End, S)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut session = Session { device, stream, sent: 0, typed: Vec::new(), after_cr: false };
    let end = session.run(asks_login).await.unwrap_or_else(|end| end);
    (end, session.stream)
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<'_, S> {
    async fn run(&mut self, asks_login: bool) -> Over<End> {
        let device = self.device;
        if asks_login {
            self.say(&device.banner).await?;
            self.say(b"Username: ").await?;
            self.line(device.echoes).await?;
            self.say(b"Password: ").await?;
            if self.line(false).await? != b"login-canary" {
                self.say(b"% Login invalid\r\n").await?;
                return Ok(End::Close);
            }
        }
        self.say(&device.motd).await?;
        let mut prompt = device.user_prompt.clone();
        loop {
            self.say(prompt.as_bytes()).await?;
            match self.line(device.echoes).await?.as_slice() {
                b"exit" => return Ok(End::Close),
                b"enable" => {
                    self.say(b"Password: ").await?;
                    if self.line(false).await? == b"enable-canary" {
                        prompt.clone_from(&device.prompt);
                    }
                }
                b"terminal length 0" if device.pager.is_none() => {}
                b"show version" => self.say(b"Box 1.0\r\n").await?,
                b"show config" => {
                    self.page().await?;
                    while let Some(text) = &device.endless {
                        self.say(text).await?;
                    }
                    if let Some(text) = &device.behind_config {
                        self.say(text).await?;
                        self.line(device.echoes).await?;
                    }
                }
                b"" => {}
                _ => self.say(b"% Invalid input\r\n").await?,
            }
        }
    }

    async fn page(&mut self) -> Over<()> {
        let device = self.device;
        let Some((height, stops, goes_on)) = device.pager else { return self.say(&device.config).await };
        let all: Vec<&[u8]> = device.config.split_inclusive(|byte| *byte == b'\n').collect();
        for (at, page) in all.chunks(height).enumerate() {
            if at > 0 {
                self.say(stops).await?;
                while self.key().await? != b' ' {}
                self.say(goes_on).await?;
            }
            self.say(&page.concat()).await?;
        }
        Ok(())
    }

    /// Reads a line; its end may be CR NUL, CR LF or LF.
    async fn line(&mut self, echo: bool) -> Over<Vec<u8>> {
        let mut line = Vec::new();
        loop {
            let key = self.key().await?;
            let after_cr = std::mem::replace(&mut self.after_cr, key == b'\r');
            match key {
                b'\n' | 0 if after_cr => {}
                b'\r' | b'\n' => break,
                key => line.push(key),
            }
        }
        if echo {
            self.say(&line).await?;
        }
        self.say(b"\r\n").await?;
        Ok(line)
    }

    async fn key(&mut self) -> Over<u8> {
        loop {
            if !self.typed.is_empty() {
                return Ok(self.typed.remove(0));
            }
            let mut piece = [0; 512];
            match self.stream.read(&mut piece).await {
                Ok(count @ 1..) => self.typed.extend_from_slice(&piece[..count]),
                _ => return Err(End::Close),
            }
        }
    }

    async fn say(&mut self, text: &[u8]) -> Over<()> {
        let (text, end) = match self.device.ends_after {
            Some((limit, end)) if self.sent + text.len() > limit => (&text[..limit - self.sent], Some(end)),
            _ => (text, None),
        };
        self.sent += text.len();
        self.device.sent.store(self.sent, Ordering::Relaxed);
        self.write(text).await.map_err(|_| End::Close)?;
        end.map_or(Ok(()), Err)
    }

    async fn write(&mut self, text: &[u8]) -> std::io::Result<()> {
        match self.device.pieces {
            Pieces::Whole => self.stream.write_all(text).await?,
            Pieces::Bytes => {
                for byte in text {
                    self.stream.write_all(&[*byte]).await?;
                    self.stream.flush().await?;
                    tokio::task::yield_now().await;
                }
            }
            Pieces::LineEndsApart => {
                for piece in text.split_inclusive(|byte| *byte == b'\r') {
                    self.stream.write_all(piece).await?;
                    self.stream.flush().await?;
                    sleep(Duration::from_millis(10)).await;
                }
            }
            Pieces::Rate(rate) => {
                for piece in text.chunks((rate / 50).max(1)) {
                    self.stream.write_all(piece).await?;
                    sleep(Duration::from_millis(20)).await;
                }
            }
        }
        self.stream.flush().await
    }
}
