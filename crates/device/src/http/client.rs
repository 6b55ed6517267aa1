//! Requests to one device over one connection, which is made again when the device has closed it.

use super::body::{Body, Problem};
use super::connect::{Stream, connect};
use super::failures;
use super::redirect::{MAX_REDIRECTS, Origin, Redirect, redirect};
use crate::learned::Learned;
use crate::outcome::LearnedHop;
use crate::request::{Access, DeviceSettings};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use netraven_model::{ErrorCode, Failure, Phase};
use netraven_platform::{HttpAnswer, HttpRequest};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

/// Largest head of an answer: status line and headers.
const MAX_HEAD: usize = 256 * 1024;

/// A device and the connection to it, if there is one. Dropping it closes the socket.
pub(crate) struct Client {
    access: Access,
    origin: Origin,
    settings: DeviceSettings,
    /// What was learned of the jump hosts and nobody has taken yet.
    hops: Vec<LearnedHop>,
    line: Option<Line>,
    proof: String,
}

/// One connection and the task that drives it, which ends with it.
struct Line {
    sender: SendRequest<Full<Bytes>>,
    _driver: JoinSet<()>,
}

impl Client {
    /// Nothing is connected yet.
    pub(crate) fn new(access: &Access, over_tls: bool, settings: &DeviceSettings) -> Self {
        let target = &access.target;
        let scheme = if over_tls { "https" } else { "http" };
        let origin = Origin { scheme, host: in_url(&target.address), port: target.port };
        let (access, settings) = (access.clone(), settings.clone());
        Self { access, origin, settings, hops: Vec::new(), line: None, proof: String::new() }
    }

    /// Connects, if that is not done yet.
    pub(crate) async fn connect(&mut self, until: std::time::Instant) -> Result<(), Failure> {
        self.line(until.into()).await.map(drop)
    }

    /// What was learned of the jump hosts since the last time that somebody asked.
    pub(crate) fn take_hops(&mut self) -> Vec<LearnedHop> {
        std::mem::take(&mut self.hops)
    }

    /// What proves who answers, for the connection log; empty before anybody has.
    pub(crate) fn proof(&self) -> &str {
        &self.proof
    }

    /// Sends a request and reads the answer to its end. Redirects on the same host and port are followed.
    pub(crate) async fn send(&mut self, request: &HttpRequest, phase: Phase) -> Result<HttpAnswer, Failure> {
        let mut target = request.target.clone();
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.ask(request, &target, phase).await?;
            let location = answer.headers.iter().find(|(name, _)| name == "location");
            let location = location.map(|(_, value)| value.as_str());
            match redirect(&self.origin, request.method, &target, answer.status, location) {
                Redirect::None => return Ok(answer),
                Redirect::To(other) => target = other,
                Redirect::Refused(what) => {
                    let message =
                        format!("the device answered {} with {what}; it is not followed", request.method);
                    return Err(Failure::new(ErrorCode::HttpProtocol, phase, message));
                }
            }
        }
        let message = format!("the device answered with more than {MAX_REDIRECTS} redirects in a row");
        Err(Failure::new(ErrorCode::HttpProtocol, phase, message))
    }

    async fn ask(
        &mut self,
        request: &HttpRequest,
        target: &str,
        phase: Phase,
    ) -> Result<HttpAnswer, Failure> {
        let message = self.message(request, target, phase)?;
        let until = Instant::from_std(request.until);
        let line = self.line(until).await?;
        let wait = Wait { silence: request.silence, until, phase };
        let answering = line.sender.send_request(message);
        let response = wait.on(answering, "the head of the answer").await?;
        let response = response.map_err(|error| failures::exchange(&error, phase))?;
        read(response, request.max_output, &wait).await
    }

    /// The open connection, or a new one.
    async fn line(&mut self, until: Instant) -> Result<&mut Line, Failure> {
        let usable = match &mut self.line {
            // A device closes idle connections as it likes; that is known here at the latest.
            Some(line) => line.sender.ready().await.is_ok(),
            None => false,
        };
        if !usable {
            self.line = None;
            let over_tls = self.origin.scheme == "https";
            let made = connect(&self.access, over_tls, &self.settings, until).await;
            // What was learned on this way binds the next one.
            Learned { hops: made.hops.clone(), ..Learned::default() }.bind(&mut self.access);
            self.hops.extend(made.hops);
            let (stream, proof) = made.result?;
            self.proof = proof;
            self.line = Some(open(stream).await?);
        }
        let lost = || Failure::new(ErrorCode::Internal, Phase::Connect, "the connection is gone");
        self.line.as_mut().ok_or_else(lost)
    }

    fn message(
        &self,
        request: &HttpRequest,
        target: &str,
        phase: Phase,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let host = format!("{}:{}", self.origin.host, self.origin.port);
        // The bytes are overwritten when the request has been sent.
        let body = Bytes::from_owner(request.body.clone());
        let mut message = Request::builder()
            .method(request.method.as_str())
            .uri(target)
            .header(HOST, host)
            .header(USER_AGENT, concat!("NetRaven/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT_ENCODING, "gzip");
        for (name, value) in &request.headers {
            let mut value =
                HeaderValue::from_bytes(value).map_err(|_| impossible("a header's value", phase))?;
            value.set_sensitive(true);
            let name =
                HeaderName::from_bytes(name.as_bytes()).map_err(|_| impossible("a header's name", phase))?;
            message = message.header(name, value);
        }
        message.body(Full::new(body)).map_err(|_| impossible("the address or a header", phase))
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({:?})", self.origin)
    }
}

fn impossible(what: &str, phase: Phase) -> Failure {
    let message =
        format!("the request cannot be written in HTTP: {what} has characters that may not stand there");
    Failure::new(ErrorCode::CredentialUnusable, phase, message)
}

async fn open(stream: Stream) -> Result<Line, Failure> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAX_HEAD);
    let shaken = builder.handshake(TokioIo::new(stream)).await;
    let (sender, connection) = shaken.map_err(|error| failures::exchange(&error, Phase::Connect))?;
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        // How it ended is told to whoever waits for an answer.
        let _ = connection.await;
    });
    Ok(Line { sender, _driver: driver })
}

/// The bounds of waiting for something.
struct Wait {
    silence: Duration,
    until: Instant,
    phase: Phase,
}

impl Wait {
    async fn on<T>(&self, something: impl Future<Output = T>, what: &str) -> Result<T, Failure> {
        let deadline = self.until.min(Instant::now() + self.silence);
        timeout_at(deadline, something).await.map_err(|_| {
            let why = match deadline == self.until {
                true => "the session's time was over before".to_owned(),
                false => format!("nothing came for {:.1?}; expected was", self.silence),
            };
            Failure::new(ErrorCode::Timeout, self.phase, format!("{why} {what}"))
        })
    }
}

async fn read(response: Response<Incoming>, limit: usize, wait: &Wait) -> Result<HttpAnswer, Failure> {
    let (head, mut incoming) = response.into_parts();
    let gzip = match head.headers.get(CONTENT_ENCODING).map(|value| value.as_bytes().to_ascii_lowercase()) {
        None => false,
        Some(coding) if coding == b"identity" => false,
        Some(coding) if coding == b"gzip" || coding == b"x-gzip" => true,
        Some(_) => {
            let message = "the answer is packed in a way that nobody asked for (Content-Encoding)";
            return Err(Failure::new(ErrorCode::HttpProtocol, wait.phase, message));
        }
    };
    let announced = incoming.size_hint().exact().and_then(|size| usize::try_from(size).ok());
    let failed = |problem| explain(problem, limit, wait.phase);
    let mut body = Body::new(gzip, announced, limit).map_err(failed)?;
    while let Some(frame) = wait.on(incoming.frame(), "more of the answer").await? {
        let frame = frame.map_err(|_| {
            let of = announced
                .map_or_else(String::new, |announced| format!(" of {announced} that were announced"));
            let message = format!("the connection ended inside the answer, behind {} bytes{of}", body.came());
            Failure::new(ErrorCode::Truncated, wait.phase, message)
        })?;
        if let Some(data) = frame.data_ref() {
            body.add(data).map_err(failed)?;
        }
    }
    let text = |value: &HeaderValue| Zeroizing::new(String::from_utf8_lossy(value.as_bytes()).into_owned());
    let headers = head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value)));
    Ok(HttpAnswer {
        status: head.status.as_u16(),
        headers: headers.collect(),
        body: body.finish().map_err(failed)?,
    })
}

fn explain(problem: Problem, limit: usize, phase: Phase) -> Failure {
    let (code, message) = match problem {
        Problem::TooLarge => {
            (ErrorCode::OutputTooLarge, format!("an answer of at most {limit} bytes was expected, more came"))
        }
        Problem::Cut => {
            (ErrorCode::Truncated, "the packed answer breaks off, or does not match its checksum".to_owned())
        }
        Problem::Garbled(what) => {
            (ErrorCode::HttpProtocol, format!("the answer is not packed as it was announced: {what}"))
        }
    };
    Failure::new(code, phase, message)
}

/// An address as it stands in a URL: IPv6 in brackets (RFC 3986, section 3.2.2).
fn in_url(address: &str) -> String {
    match address.contains(':') && !address.starts_with('[') {
        true => format!("[{address}]"),
        false => address.to_owned(),
    }
}
