//! Whether a device answers and speaks its protocol, without a login.

use super::{Course, millis};
use crate::http::Client;
use crate::request::Access;
use crate::route::{self, Routed, Stream};
use crate::ssh;
use netraven_model::{ErrorCode, Event, Failure, Phase, Protocol};
use netraven_platform::Platform;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// How long a Telnet server is listened to; many say nothing before they are asked, and that is fine.
const TELNET_PATIENCE: Duration = Duration::from_secs(3);
/// What any web server answers, whatever it thinks of it (RFC 9110, section 9.3.2).
const HEAD: &[u8] = b"HEAD / HTTP/1.0\r\n\r\n";

impl Course<'_> {
    /// Connects, through the jump hosts if there are any, and waits for the device's introduction.
    pub(crate) async fn probe(&mut self, platform: Option<&Platform>) -> Result<(), Failure> {
        self.enter().await?;
        // A device that has room for one session only has none while a kept one is open.
        self.gateway.end_idle(self.access).await;
        let begun = Instant::now();
        for attempt in 1.. {
            match self.greeted(platform).await {
                Ok(words) => {
                    let target = &self.access.target;
                    let words =
                        platform.map_or_else(String::new, |platform| platform.redact(words.as_bytes()));
                    self.dialogue.push_str(&format!("# {} port {}: {words}\n", target.address, target.port));
                    self.event(Event::Reached { millis: millis(begun.elapsed()) });
                    return Ok(());
                }
                Err(failure) if !self.wait_to_retry(attempt, &failure).await => return Err(failure),
                Err(_) => {}
            }
        }
        Err(Failure::new(ErrorCode::Internal, Phase::Connect, "no connection was tried"))
    }

    /// How the device introduced itself; may be empty.
    async fn greeted(&mut self, platform: Option<&Platform>) -> Result<String, Failure> {
        let mut access = self.access.clone();
        self.learned.bind(&mut access);
        let over_tls = platform.and_then(|platform| platform.http.as_ref()).is_none_or(|http| http.tls);
        if access.target.protocol == Protocol::Http && over_tls {
            let mut client = Client::new(&access, over_tls, &self.gateway.settings);
            let connected = client.connect(self.until).await;
            self.learn(client.take_hops());
            return connected.map(|()| client.proof().to_owned());
        }
        let Routed { result, hops } = route::open(&access, &self.gateway.settings).await;
        self.learn(hops);
        introduced(result?, &access, self.gateway.settings.ssh.handshake_timeout).await
    }

    fn learn(&mut self, hops: Vec<crate::outcome::LearnedHop>) {
        let news = self.learned.take(None, None, hops);
        news.into_iter().for_each(|event| self.event(event));
    }
}

async fn introduced(mut stream: Stream, access: &Access, within: Duration) -> Result<String, Failure> {
    match access.target.protocol {
        Protocol::Ssh => ssh::greeting(&mut stream, within).await,
        Protocol::Telnet => {
            let mut first = [0; 1];
            match timeout(TELNET_PATIENCE.min(within), stream.read(&mut first)).await {
                Ok(Ok(1..)) | Err(_) => Ok("telnet".to_owned()),
                Ok(Ok(0) | Err(_)) => Err(Failure::new(
                    ErrorCode::Disconnected,
                    Phase::Handshake,
                    "the device accepted the connection and closed it without a word: an access list, or no free line",
                )),
            }
        }
        Protocol::Http => answered(&mut stream, within).await,
    }
}

/// The first line of a web server's answer.
async fn answered(stream: &mut Stream, within: Duration) -> Result<String, Failure> {
    const LONGEST: usize = 200;
    let mut line = Vec::new();
    let reading = async {
        let _ = stream.write_all(HEAD).await;
        let mut piece = [0; LONGEST];
        while line.len() < LONGEST && !line.contains(&b'\n') {
            match stream.read(&mut piece).await {
                Ok(count @ 1..) => line.extend_from_slice(&piece[..count]),
                _ => break,
            }
        }
    };
    let in_time = timeout(within, reading).await.is_ok();
    if line.starts_with(b"HTTP/") {
        let first = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        return Ok(String::from_utf8_lossy(first).trim().to_owned());
    }
    let (code, came) = match (line.is_empty(), in_time) {
        (true, false) => (ErrorCode::Timeout, format!("nothing came within {within:?}")),
        (true, true) => (ErrorCode::Disconnected, "the connection was closed".to_owned()),
        (false, _) => (ErrorCode::HttpProtocol, "something else came".to_owned()),
    };
    Err(Failure::new(code, Phase::Handshake, format!("the answer of a web server was expected, {came}")))
}
