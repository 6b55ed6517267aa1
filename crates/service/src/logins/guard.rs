use super::known::Slot;
use super::{Logins, PATIENCE, lockout};
use netraven_device::{Guarding, LoginGuard, LoginPermit};
use netraven_model::{ErrorCode, Event, Failure, Phase};
use netraven_store::StoreError;
use netraven_store::logins::{self, Begun, LoginId, Wanted};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// How often the database is asked again while logins of other processes are under way.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// How strict a guard is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    /// As far as is known the device refused nothing of late: a credential that proved good a moment ago may go.
    Clean,
    /// The database is asked in any case.
    Careful,
    /// A person takes the risk: nothing is asked, and what the device says is counted.
    Forced,
}

/// Allows the logins of one session. Clones are the same guard.
#[derive(Clone, Debug)]
pub struct Guard(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    logins: Arc<Logins>,
    wanted: Wanted,
    care: Care,
    events: Mutex<Vec<Event>>,
}

impl Guard {
    pub(super) fn new(logins: Arc<Logins>, wanted: Wanted, care: Care) -> Self {
        Self(Arc::new(Inner { logins, wanted, care, events: Mutex::default() }))
    }

    /// What happened that is worth telling, since the last time that somebody asked.
    pub fn take_events(&self) -> Vec<Event> {
        std::mem::take(&mut *self.0.events.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn allow(&self) -> Result<Box<dyn LoginPermit>, Failure> {
        let permit = |login, slot| Box::new(Permit { guard: self.0.clone(), login, slot, said: None });
        if self.0.care == Care::Forced || self.0.may_go_at_once() {
            return Ok(permit(None, None));
        }
        let until = Instant::now() + PATIENCE;
        let allowed = timeout_at(until, self.0.enter_login()).await;
        let (login, slot) = allowed.unwrap_or_else(|_| Err(late()))?;
        Ok(permit(login, slot))
    }
}

impl LoginGuard for Guard {
    fn enter(&self) -> Guarding<'_, Result<Box<dyn LoginPermit>, Failure>> {
        Box::pin(self.allow())
    }
}

impl Inner {
    fn may_go_at_once(&self) -> bool {
        self.care == Care::Clean && self.wanted.credential.is_some_and(|id| self.logins.known.is_proven(id))
    }

    /// Waits for the logins of this process, then for those of the others.
    async fn enter_login(&self) -> Result<(Option<LoginId>, Option<Slot>), Failure> {
        let (known, limits) = (&self.logins.known, &self.logins.limits);
        let mut slot = None;
        if let Some(credential) = self.wanted.credential {
            loop {
                let changed = known.changed();
                tokio::pin!(changed);
                // Registered before looking, so that no end in between is missed.
                changed.as_mut().enable();
                if self.may_go_at_once() {
                    return Ok((None, None));
                }
                if known.is_proven(credential) {
                    break;
                }
                slot = known.slot(credential, limits.per_credential);
                if slot.is_some() {
                    break;
                }
                changed.await;
            }
        }
        loop {
            match logins::begin(&self.logins.store, &self.wanted, limits).await {
                Ok(Begun::Yes(login)) => return Ok((Some(login), slot)),
                Ok(Begun::Later) => sleep(ASK_AGAIN).await,
                Ok(Begun::Blocked { refused, until }) => return Err(lockout(refused, until)),
                Ok(Begun::Suspended { since }) => {
                    let since = since.format("%Y-%m-%d %H:%M:%S");
                    let message =
                        format!("the credential is suspended since {since} UTC: too many devices refused it");
                    return Err(Failure::new(ErrorCode::CredentialNotAllowed, Phase::Authenticate, message));
                }
                Err(error) => {
                    let message = format!("whether a login may be tried is not known: {error}");
                    return Err(Failure::new(ErrorCode::Internal, Phase::Authenticate, message));
                }
            }
        }
    }
}

fn late() -> Failure {
    let message = format!(
        "other logins with this credential or on this device did not come to an end within {PATIENCE:?}, and more at a time might \
         lock an account"
    );
    Failure::new(ErrorCode::Timeout, Phase::Authenticate, message)
}

/// A login that was allowed.
#[derive(Debug)]
struct Permit {
    guard: Arc<Inner>,
    /// Where it was entered in the database.
    login: Option<LoginId>,
    slot: Option<Slot>,
    /// What the device said so far.
    said: Option<bool>,
}

impl Permit {
    async fn note(&mut self, accepted: bool) {
        if self.said.replace(accepted) == Some(accepted) {
            return;
        }
        let login = self.login.take();
        let noted = if accepted { self.accepted(login).await } else { self.refused(login).await };
        if let Err(error) = noted {
            tracing::warn!(%error, accepted, "what a device said to a login could not be noted");
        }
        // Only now: whoever waits is to find what was noted.
        self.slot = None;
    }

    async fn accepted(&self, login: Option<LoginId>) -> Result<(), StoreError> {
        let Inner { logins, wanted, care, .. } = &*self.guard;
        if let Some(credential) = wanted.credential {
            logins.known.accept(credential);
        }
        if login.is_none() && *care == Care::Clean {
            return Ok(());
        }
        logins::accepted(&logins.store, wanted, login).await?;
        if let Some(credential) = wanted.credential {
            logins.known.prove(credential);
        }
        Ok(())
    }

    async fn refused(&self, login: Option<LoginId>) -> Result<(), StoreError> {
        let Inner { logins, wanted, events, .. } = &*self.guard;
        if let Some(credential) = wanted.credential {
            logins.known.doubt(credential);
        }
        let accepted_ago = wanted.credential.and_then(|id| logins.known.accepted_ago(id));
        let noted = logins::refused(&logins.store, wanted, login, accepted_ago, &logins.limits);
        let suspension = noted.await?;
        if let (Some(suspension), Some(credential)) = (suspension, wanted.credential) {
            let devices = suspension.devices;
            tracing::error!(
                credential = suspension.name,
                devices,
                "a credential was suspended: devices refused it in a row"
            );
            let event = Event::CredentialSuspended { credential, devices };
            events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
        }
        Ok(())
    }
}

impl LoginPermit for Permit {
    fn settle(&mut self, accepted: bool) -> Guarding<'_, ()> {
        Box::pin(self.note(accepted))
    }
}

/// The session ended before the device said anything, or was dropped. Where that cannot be noted it counts until its time
/// is over.
impl Drop for Permit {
    fn drop(&mut self) {
        let (Some(login), Ok(runtime)) = (self.login.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        let (guard, slot) = (self.guard.clone(), self.slot.take());
        runtime.spawn(async move {
            if let Err(error) = logins::abandon(&guard.logins.store, login).await {
                tracing::debug!(%error, "a login that came to nothing could not be taken back");
            }
            drop(slot);
        });
    }
}
