//! What can go wrong between a scheduler and a gateway elsewhere.

use crate::web::BodyError;
use netraven_model::{ErrorCode, Failure, Phase};
use reqwest::StatusCode;
use std::error::Error;

/// Why a gateway brought no outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It did not take the job: nothing of it was done, another gateway may.
    Away(String),
    /// The two do not fit together; it takes no job until a person puts that right.
    Unfit(String),
    /// It took the job, and nothing more is known of it.
    Lost(String),
    /// What it says of this one job cannot be used.
    Nonsense(String),
    /// It says more of this one job than is taken.
    TooLarge(String),
}

impl Trouble {
    /// What is wrong, for people.
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Away(reason) | Self::Unfit(reason) | Self::Lost(reason) => reason,
            Self::Nonsense(reason) | Self::TooLarge(reason) => reason,
        }
    }

    /// Whether other jobs would meet the same.
    pub(super) fn is_the_gateways(&self) -> bool {
        matches!(self, Self::Away(_) | Self::Unfit(_) | Self::Lost(_))
    }

    /// As the job's failure.
    pub(super) fn failure(&self, gateway: &str) -> Failure {
        let code = match self {
            Self::Away(_) => ErrorCode::GatewayUnavailable,
            Self::Unfit(_) | Self::Nonsense(_) => ErrorCode::GatewayRefused,
            Self::TooLarge(_) => ErrorCode::OutputTooLarge,
            Self::Lost(_) => ErrorCode::GatewayLost,
        };
        Failure::new(code, Phase::Connect, format!("gateway {gateway}: {}", self.reason()))
    }

    /// Of a request that was not answered.
    pub(super) fn of_request(error: &reqwest::Error) -> Self {
        match (tls(error), error.is_connect()) {
            (Some(tls), _) => Self::Unfit(format!("its certificate or its TLS cannot be used: {tls}")),
            (None, true) => Self::Away(format!("it cannot be reached: {}", innermost(error))),
            (None, false) => Self::Lost(format!("it did not answer: {}", innermost(error))),
        }
    }

    /// Of an answer that ended early.
    pub(super) fn of_body(error: &reqwest::Error) -> Self {
        Self::Lost(format!("its answer broke off: {}", innermost(error)))
    }

    /// Of an answer that is not what was asked for. `detail` is the gateway's own sentence.
    pub(super) fn of_status(status: StatusCode, detail: &str) -> Self {
        let said = if detail.is_empty() { String::new() } else { format!(": {detail}") };
        let number = status.as_u16();
        match number {
            429 | 502..=504 => Self::Away(format!("it takes no jobs now ({number}){said}")),
            403 => Self::Unfit(format!("it does not accept the scheduler's key ({number}){said}")),
            404 | 405 => Self::Unfit(format!(
                "it takes no jobs of schedulers ({number}): it is no gateway, or one of an older NetRaven than {}",
                env!("CARGO_PKG_VERSION")
            )),
            413 => Self::Nonsense(format!("it takes no request of that size ({number}){said}")),
            400..500 => Self::Unfit(format!(
                "it does not understand NetRaven {} ({number}){said}",
                env!("CARGO_PKG_VERSION")
            )),
            _ => Self::Lost(format!("it failed itself ({number}){said}")),
        }
    }
}

impl From<BodyError> for Trouble {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge(_) => Self::Unfit(error.to_string()),
            BodyError::Cut(error) => Self::of_body(&error),
        }
    }
}

/// What TLS had to say, where it was TLS.
fn tls(error: &reqwest::Error) -> Option<String> {
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found.to_string());
        }
        // An I/O error shows what is inside it as itself; its source is only what lies behind that.
        let inside = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = inside.map(|inside| inside as &(dyn Error + 'static)).or_else(|| error.source());
    }
    None
}

/// The last cause says what happened; those before it only where.
fn innermost(error: &reqwest::Error) -> String {
    let mut at: &dyn Error = error;
    while let Some(source) = at.source() {
        at = source;
    }
    at.to_string()
}
