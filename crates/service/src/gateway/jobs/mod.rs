//! Jobs of a scheduler that runs elsewhere: everything arrives with the request, nothing is kept.
//!
//! The answer is a stream of lines ([`crate::wire::Line`]). Before a login is shown the scheduler is asked, which alone knows how
//! often it was refused; it answers with a request of its own, see [`verdict`].

mod guard;
mod run;

pub(crate) use guard::Calls;
pub(crate) use run::stream;

use super::error::ApiError;
use super::state::Api;
use crate::wire::{GatewayState, PROTOCOL, Verdict};
use axum::http::StatusCode;

/// What a scheduler wants to know before it sends jobs.
pub(crate) fn state(api: &Api) -> GatewayState {
    let status = api.gateway().status();
    GatewayState {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        active: status.active,
        waiting: api.room.waiting() + status.waiting,
        capacity: api.limits.parallel,
    }
}

/// Hands over what the scheduler says to a login.
///
/// # Errors
/// The call is over, or the login was spoken about already.
pub(crate) fn verdict(api: &Api, verdict: Verdict) -> Result<(), ApiError> {
    let taken = api.calls.decide(verdict);
    taken.then_some(()).ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, "no such login is waited for"))
}
