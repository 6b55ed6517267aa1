//! Who is asked before a credential is shown to a device, and told what came of it.

use netraven_model::Failure;
use std::fmt::Debug;
use std::pin::Pin;

/// A future of a guard's.
pub type Guarding<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Allows logins with one credential on one device, so that no account is locked.
pub trait LoginGuard: Debug + Send + Sync {
    /// Asked when the device has introduced itself and the credential is about to be shown; may wait, while the device does.
    ///
    /// # Errors
    /// Why the credential is not to be shown.
    fn enter(&self) -> Guarding<'_, Result<Box<dyn LoginPermit>, Failure>>;
}

/// One login that was allowed. Dropped without a word, it came to nothing.
pub trait LoginPermit: Debug + Send + Sync {
    /// The device took the credential, or refused it. A shell behind SSH may refuse what SSH has taken.
    fn settle(&mut self, accepted: bool) -> Guarding<'_, ()>;
}

/// A permit, where anybody guards.
pub(crate) type Permit = Option<Box<dyn LoginPermit>>;

/// Asks the guard, if there is one.
pub(crate) async fn enter(guard: Option<&dyn LoginGuard>) -> Result<Permit, Failure> {
    match guard {
        Some(guard) => guard.enter().await.map(Some),
        None => Ok(None),
    }
}

/// Tells what came of a login, if anybody wants to know.
pub(crate) async fn settle(permit: &mut Permit, accepted: bool) {
    if let Some(permit) = permit {
        permit.settle(accepted).await;
    }
}
