//! Asks the scheduler before a login is shown.

use crate::logins::PATIENCE;
use crate::wire::{Line, Verdict};
use netraven_device::{Guarding, LoginGuard, LoginPermit};
use netraven_model::{ErrorCode, Failure, Phase};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use uuid::Uuid;

/// The scheduler may take its own time; beyond that the way to it is the trouble.
const SLOWEST_VERDICT: Duration = PATIENCE.saturating_add(Duration::from_secs(15));

/// Lines on their way to the scheduler. There are few of them, whatever a device does.
pub(super) type Lines = mpsc::UnboundedSender<Line>;

/// The calls under way, by their names.
#[derive(Debug, Default)]
pub(crate) struct Calls(Mutex<HashMap<Uuid, Weak<Call>>>);

/// One call of a scheduler.
pub(super) struct Call {
    name: Uuid,
    lines: Lines,
    asked: Mutex<Asked>,
}

/// The logins that a verdict is waited for.
#[derive(Default)]
struct Asked {
    next: u32,
    waiting: HashMap<u32, oneshot::Sender<Option<Failure>>>,
}

/// Keeps a call known as long as it lives.
pub(super) struct Known<'a> {
    calls: &'a Calls,
    pub(super) call: Arc<Call>,
}

impl Calls {
    /// A call whose questions go to `lines`.
    pub(super) fn begin(&self, lines: Lines) -> Known<'_> {
        let call = Arc::new(Call { name: Uuid::new_v4(), lines, asked: Mutex::default() });
        self.lock().insert(call.name, Arc::downgrade(&call));
        Known { calls: self, call }
    }

    /// Hands a verdict to the login that waits for it; whether there is one.
    pub(super) fn decide(&self, verdict: Verdict) -> bool {
        let call = self.lock().get(&verdict.call).and_then(Weak::upgrade);
        let waiting = call.and_then(|call| call.lock().waiting.remove(&verdict.login));
        waiting.is_some_and(|waiting| waiting.send(verdict.failure).is_ok())
    }

    /// A panic while the lock was held leaves a map that is still whole.
    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Weak<Call>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Known<'_> {
    fn drop(&mut self) {
        self.calls.lock().remove(&self.call.name);
    }
}

impl Call {
    /// Who is asked for the access of that number.
    pub(super) fn guard(self: &Arc<Self>, of: usize) -> Arc<dyn LoginGuard> {
        Arc::new(Asking { call: self.clone(), of })
    }

    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where nobody reads the lines any more, the session is ending with them.
    fn tell(&self, line: Line) {
        drop(self.lines.send(line));
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({})", self.name)
    }
}

/// Asks for one access of a call.
#[derive(Debug)]
struct Asking {
    call: Arc<Call>,
    of: usize,
}

impl Asking {
    async fn ask(&self) -> Result<Box<dyn LoginPermit>, Failure> {
        let (sender, verdict) = oneshot::channel();
        let login = {
            let mut asked = self.call.lock();
            let login = asked.next;
            asked.next += 1;
            asked.waiting.insert(login, sender);
            login
        };
        self.call.tell(Line::Asks { call: self.call.name, login, of: self.of });
        match timeout(SLOWEST_VERDICT, verdict).await {
            Ok(Ok(None)) => Ok(Box::new(Granted { call: self.call.clone(), login })),
            Ok(Ok(Some(failure))) => Err(failure),
            Ok(Err(_)) | Err(_) => {
                self.call.lock().waiting.remove(&login);
                let message = format!(
                    "whether a login may be tried was to be said by the scheduler within {SLOWEST_VERDICT:?}"
                );
                Err(Failure::new(ErrorCode::Timeout, Phase::Authenticate, message))
            }
        }
    }
}

impl LoginGuard for Asking {
    fn enter(&self) -> Guarding<'_, Result<Box<dyn LoginPermit>, Failure>> {
        Box::pin(self.ask())
    }
}

/// A login that the scheduler allowed.
#[derive(Debug)]
struct Granted {
    call: Arc<Call>,
    login: u32,
}

impl LoginPermit for Granted {
    fn settle(&mut self, accepted: bool) -> Guarding<'_, ()> {
        self.call.tell(Line::Settled { login: self.login, accepted });
        Box::pin(std::future::ready(()))
    }
}

impl Drop for Granted {
    fn drop(&mut self) {
        self.call.tell(Line::Over { login: self.login });
    }
}
