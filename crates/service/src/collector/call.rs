//! One job at a gateway elsewhere: its request, the questions about logins that come back, and the outcome.

use super::remote::{Remote, SHORT, accepted};
use super::trouble::Trouble;
use crate::wire::{JobRequest, Line, OutcomeBody, Verdict};
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use netraven_device::{Access, LoginGuard, LoginPermit};
use netraven_model::{ErrorCode, Failure, Phase};
use reqwest::Response;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use uuid::Uuid;

/// A gateway that lives says something every five seconds.
const SILENCE: Duration = Duration::from_secs(30);
/// How long a gateway may take to begin its answer: it may wait for room first (`gateway.queue_wait_seconds`).
const BEGIN: Duration = Duration::from_secs(120);
/// What an outcome has beside what the device said.
const ENVELOPE: usize = 4 << 20;

/// What the scheduler says to a login.
type Entered = (Uuid, u32, Result<Box<dyn LoginPermit>, Failure>);

/// Sends a job and reads what becomes of it. Dropping the future ends the session at the gateway. An answer to one command may
/// have `max_output` bytes.
pub(super) async fn carry_out(
    remote: &Remote,
    request: &JobRequest,
    access: &Access,
    max_output: usize,
) -> Result<OutcomeBody, Trouble> {
    let mut body = Vec::with_capacity(64 * 1024);
    serde_json::to_writer(&mut body, request)
        .map_err(|error| Trouble::Nonsense(format!("the request cannot be written as JSON: {error}")))?;
    let sending = remote.post("jobs", body).await?.send();
    let answer = match timeout(BEGIN, sending).await {
        Ok(sent) => sent.map_err(|error| Trouble::of_request(&error))?,
        Err(_) => return Err(Trouble::Lost(format!("its answer was expected to begin within {BEGIN:?}"))),
    };
    let lines = Lines::new(accepted(answer).await?, max_output.saturating_mul(2).saturating_add(ENVELOPE));
    Call {
        remote,
        access,
        entering: FuturesUnordered::new(),
        telling: FuturesUnordered::new(),
        permits: HashMap::new(),
    }
    .follow(lines)
    .await
}

/// A job under way.
struct Call<'a> {
    remote: &'a Remote,
    access: &'a Access,
    /// Logins that the guards are being asked about.
    entering: FuturesUnordered<BoxFuture<'a, Entered>>,
    /// Verdicts on their way to the gateway.
    telling: FuturesUnordered<BoxFuture<'a, ()>>,
    /// Logins that were allowed.
    permits: HashMap<u32, Box<dyn LoginPermit>>,
}

impl<'a> Call<'a> {
    async fn follow(mut self, mut lines: Lines) -> Result<OutcomeBody, Trouble> {
        loop {
            tokio::select! {
                line = lines.next() => match line? {
                    Line::Alive => {}
                    Line::Asks { call, login, of } => self.ask(call, login, of),
                    Line::Settled { login, accepted } => {
                        if let Some(permit) = self.permits.get_mut(&login) {
                            permit.settle(accepted).await;
                        }
                    }
                    Line::Over { login } => drop(self.permits.remove(&login)),
                    Line::Outcome(outcome) => return Ok(*outcome),
                },
                Some((call, login, entered)) = self.entering.next() => self.entered(call, login, entered),
                Some(()) = self.telling.next() => {}
            }
        }
    }

    /// Has the guard asked that knows how often the login was refused.
    fn ask(&mut self, call: Uuid, login: u32, of: usize) {
        let access = match of.checked_sub(1) {
            None => Some(self.access),
            Some(hop) => self.access.via.get(hop),
        };
        let guard: Option<Arc<dyn LoginGuard>> = access.and_then(|access| access.guard.clone());
        self.entering.push(Box::pin(async move {
            let entered = match guard {
                Some(guard) => guard.enter().await,
                None => Err(nobody_guards(of)),
            };
            (call, login, entered)
        }));
    }

    /// Keeps the permit before the gateway hears of it: what the device says may come at once.
    fn entered(&mut self, call: Uuid, login: u32, entered: Result<Box<dyn LoginPermit>, Failure>) {
        let failure = match entered {
            Ok(permit) => {
                self.permits.insert(login, permit);
                None
            }
            Err(failure) => Some(failure),
        };
        self.telling.push(Box::pin(tell(self.remote, Verdict { call, login, failure })));
    }
}

/// Tells the gateway, twice where the first time fails: a connection that was kept may have ended just then. Without a
/// verdict the gateway shows nothing and gives up.
async fn tell(remote: &Remote, verdict: Verdict) {
    let Ok(body) = serde_json::to_vec(&verdict) else { return };
    for _ in 0..2 {
        match deliver(remote, body.clone()).await {
            Ok(()) => return,
            Err(trouble) => {
                tracing::debug!(gateway = remote.name, reason = trouble.reason(), "a verdict did not arrive");
            }
        }
    }
}

async fn deliver(remote: &Remote, body: Vec<u8>) -> Result<(), Trouble> {
    let sent = remote.post("jobs/login", body).await?.timeout(SHORT).send().await;
    accepted(sent.map_err(|error| Trouble::of_request(&error))?).await.map(drop)
}

fn nobody_guards(of: usize) -> Failure {
    let message =
        format!("the gateway asked about access {of}, which the job has not or which nobody guards");
    Failure::new(ErrorCode::GatewayRefused, Phase::Authenticate, message)
}

/// An answer, line by line.
struct Lines {
    answer: Response,
    waiting: Vec<u8>,
    /// So many bytes of what waits have no line end.
    searched: usize,
    /// Bytes that may still come.
    left: usize,
    most: usize,
}

impl Lines {
    fn new(answer: Response, most: usize) -> Self {
        Self { answer, waiting: Vec::new(), searched: 0, left: most, most }
    }

    /// The next line. Nothing is lost where the future is dropped.
    async fn next(&mut self) -> Result<Line, Trouble> {
        loop {
            if let Some(end) = self.waiting[self.searched..].iter().position(|byte| *byte == b'\n') {
                let end = self.searched + end;
                let line = serde_json::from_slice(&self.waiting[..end]);
                self.waiting.drain(..=end);
                self.searched = 0;
                return line.map_err(|error| {
                    let place = error.column();
                    Trouble::Nonsense(format!("it answers with a line that is no such line (column {place})"))
                });
            }
            self.searched = self.waiting.len();
            let piece = match timeout(SILENCE, self.answer.chunk()).await {
                Ok(Ok(Some(piece))) => piece,
                Ok(Ok(None)) => return Err(Trouble::Lost("its answer ended before the outcome".to_owned())),
                Ok(Err(error)) => return Err(Trouble::of_body(&error)),
                Err(_) => return Err(Trouble::Lost(format!("it said nothing for {SILENCE:?}"))),
            };
            self.left = self.left.checked_sub(piece.len()).ok_or_else(|| {
                let most = self.most;
                Trouble::TooLarge(format!("its answer has more than {most} bytes (`device.max_output_mib`)"))
            })?;
            self.waiting.extend_from_slice(&piece);
        }
    }
}
