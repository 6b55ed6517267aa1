//! What a scheduler and a gateway elsewhere say to each other: one job's request, and lines of JSON until its outcome.
//!
//! Both sides are NetRaven. [`PROTOCOL`] grows with every change that the other side must know of; a gateway refuses requests of
//! another one.

mod access;
mod base64;
mod outcome;
mod request;
mod sealed;

pub(crate) use outcome::{Done, OutcomeBody};
pub(crate) use request::{CollectTask, JobRequest, PlatformRef, Task};
pub(crate) use sealed::bounded;

use netraven_model::Failure;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Which requests and answers these are.
pub(crate) const PROTOCOL: u32 = 1;

/// One line of the answer to a job's request.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub(crate) enum Line {
    /// Nothing happened; the gateway lives.
    Alive,
    /// A device is about to be shown a login: may it be? The answer is a [`Verdict`] of its own.
    Asks {
        /// Names this call of the gateway, for the verdict.
        call: Uuid,
        /// Which login of the call this is, counted from 0.
        login: u32,
        /// Which access it is for: 0 is the device, the others are the jump hosts on the way, the first one being 1.
        of: usize,
    },
    /// What a device said to a login that was allowed.
    Settled {
        /// Which login.
        login: u32,
        /// Whether it was taken.
        accepted: bool,
    },
    /// A login that was allowed is over, whatever came of it.
    Over {
        /// Which login.
        login: u32,
    },
    /// The job is done. The last line.
    Outcome(Box<OutcomeBody>),
}

/// Whether a login may be shown.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Verdict {
    /// As in [`Line::Asks`].
    pub(crate) call: Uuid,
    /// As in [`Line::Asks`].
    pub(crate) login: u32,
    /// Why not; `None` where it may.
    pub(crate) failure: Option<Failure>,
}

/// What a gateway says about itself to a scheduler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayState {
    /// Which requests it understands.
    pub protocol: u32,
    /// Its release of NetRaven.
    pub version: String,
    /// Sessions that are open or being opened, whoever wants them.
    pub active: usize,
    /// Requests that wait for room, for a device or for a site.
    pub waiting: usize,
    /// Requests that it carries out at the same time.
    pub capacity: usize,
}
