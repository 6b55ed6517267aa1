//! Logins with stored credentials, held back so that no account is locked.
//!
//! What is counted stands in the database ([`netraven_store::logins`]), where all processes see it. A process asks it about
//! a credential that was not accepted in the last minute; one that was may be shown at once, on devices that refused nothing.
//! So a run of a thousand devices costs a handful of questions, and hundreds of sessions with a stale password wait for the
//! few that are allowed to find out.

mod guard;
mod known;

pub use guard::{Care, Guard};

use chrono::{DateTime, Utc};
use known::Known;
use netraven_model::{ErrorCode, Failure, Phase};
use netraven_store::Store;
use netraven_store::logins::{Limits, RefusedLogins, Wanted};
use std::sync::Arc;
use std::time::Duration;

/// How long a device that has introduced itself is kept waiting for the right to log in. Most devices hang up after two
/// minutes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The logins of one process.
#[derive(Debug)]
pub struct Logins {
    /// With the rights of the scheduler.
    store: Store,
    limits: Limits,
    known: Known,
}

impl Logins {
    /// `store` has the rights of the scheduler.
    pub fn new(store: Store, limits: Limits) -> Arc<Self> {
        Arc::new(Self { store, limits, known: Known::default() })
    }

    /// How many refused logins are too many.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// For a session that wants this login.
    pub fn guard(self: &Arc<Self>, wanted: Wanted, care: Care) -> Guard {
        Guard::new(self.clone(), wanted, care)
    }

    /// Why a device that refused these logins is not even contacted, where it is so.
    pub fn blocked(&self, refused: &RefusedLogins) -> Option<Failure> {
        let until = refused.blocked_until(&self.limits)?;
        Some(lockout(refused.at.len(), until))
    }
}

fn lockout(refused: usize, until: DateTime<Utc>) -> Failure {
    let message = format!(
        "the device refused {refused} logins within an hour; another one might lock an account, the next may be tried at {} UTC",
        until.format("%Y-%m-%d %H:%M:%S")
    );
    Failure::new(ErrorCode::LockoutGuard, Phase::Authenticate, message)
}
