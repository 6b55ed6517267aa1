//! The circuit breaker of a device: when schedules leave it alone, and for how long.

use crate::{ErrorCode, Failure, JobKind, Phase};
use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;

/// After how many failed jobs in a row schedules leave a device alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// So many jobs have to fail one after the other; 0 for never.
    pub after: u32,
    /// The first pause; each further failure doubles it.
    pub pause: Duration,
    /// No pause is longer.
    pub limit: Duration,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { after: 3, pause: Duration::from_secs(15 * 60), limit: Duration::from_secs(6 * 3600) }
    }
}

impl Breaker {
    /// Until when the circuit is open after so many failures in a row, the last one at `at`; `None` where it is closed.
    pub fn open_until(&self, failures: u32, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.after == 0 {
            return None;
        }
        let further = failures.checked_sub(self.after)?;
        let pause = self.pause.saturating_mul(2_u32.saturating_pow(further)).min(self.limit);
        let pause = TimeDelta::from_std(pause).ok()?;
        at.checked_add_signed(pause)
    }
}

impl JobKind {
    /// Whether a failure of such a job is the device's trouble, and not one of the question that somebody asked.
    pub fn blames_device(self, failure: &Failure) -> bool {
        self != Self::Command || !matches!(failure.phase, Phase::Collect | Phase::Logout)
    }

    /// Whether a job that failed so counts for the circuit breaker: what was our own trouble, or a person's wish, does not.
    pub fn counts_as_failure(self, failure: &Failure) -> bool {
        let ours = matches!(
            failure.code,
            ErrorCode::Cancelled
                | ErrorCode::LockoutGuard
                | ErrorCode::LeaseLost
                | ErrorCode::Internal
                | ErrorCode::CircuitOpen
                | ErrorCode::WindowClosed
                | ErrorCode::NoGateway
                | ErrorCode::GatewayUnavailable
                | ErrorCode::GatewayLost
                | ErrorCode::GatewayRefused
        );
        !ours && self.blames_device(failure)
    }

    /// Whether the success of such a job shows that an earlier trouble is over: it came further than that. `phase` is `None`
    /// where nobody noted it.
    pub fn heals(self, code: ErrorCode, phase: Option<Phase>) -> bool {
        let way = matches!(code, ErrorCode::Unreachable | ErrorCode::Refused | ErrorCode::NameNotFound);
        match (self, phase) {
            (Self::Backup, _) => true,
            (_, None) => way,
            (Self::Command | Self::CredentialCheck, Some(phase)) => {
                !matches!(phase, Phase::Collect | Phase::Logout)
            }
            (Self::Reachability, Some(Phase::Connect | Phase::Handshake)) => way || is_about_greeting(code),
            (Self::Reachability, Some(_)) => false,
        }
    }
}

/// What goes wrong between a connection and the device's introduction.
fn is_about_greeting(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::Timeout
            | ErrorCode::Disconnected
            | ErrorCode::AddressNotAllowed
            | ErrorCode::JumpHost
            | ErrorCode::SshProtocol
            | ErrorCode::HttpProtocol
            | ErrorCode::DeviceBusy
            | ErrorCode::NoGateway
            | ErrorCode::GatewayUnavailable
            | ErrorCode::GatewayLost
            | ErrorCode::GatewayRefused
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_circuit_opens_after_its_number_and_each_failure_doubles_the_pause_up_to_the_limit() {
        let at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let minutes = |breaker: Breaker, failures| {
            breaker.open_until(failures, at).map(|until| (until - at).num_minutes())
        };
        let usual = Breaker::default();
        let pauses: Vec<_> = (0..=9).map(|failures| minutes(usual, failures)).collect();
        let expected = [None, None, None, Some(15), Some(30), Some(60), Some(120), Some(240), Some(360)];
        assert_eq!(pauses[..9], expected);
        assert_eq!((pauses[9], minutes(usual, u32::MAX)), (Some(360), Some(360)));
        assert_eq!(minutes(Breaker { after: 0, ..usual }, 1000), None, "0 switches it off");
        assert_eq!(minutes(Breaker { after: 1, ..usual }, 1), Some(15));
        let endless = Breaker { pause: Duration::MAX, limit: Duration::MAX, ..usual };
        assert_eq!(endless.open_until(3, at), None, "a pause beyond the calendar is none");
    }

    #[test]
    fn our_own_trouble_and_a_persons_wish_do_not_count() {
        let counts = |kind: JobKind, code, phase| kind.counts_as_failure(&Failure::new(code, phase, "x"));
        for code in [ErrorCode::Cancelled, ErrorCode::LockoutGuard, ErrorCode::LeaseLost, ErrorCode::Internal]
        {
            assert!(!counts(JobKind::Backup, code, Phase::Connect), "{code}");
        }
        for (kind, code, phase, expected) in [
            (JobKind::Backup, ErrorCode::Unreachable, Phase::Connect, true),
            (JobKind::Backup, ErrorCode::CommandRejected, Phase::Collect, true),
            (JobKind::Command, ErrorCode::CommandRejected, Phase::Collect, false),
            (JobKind::Command, ErrorCode::Timeout, Phase::Collect, false),
            (JobKind::Command, ErrorCode::AuthFailed, Phase::Authenticate, true),
            (JobKind::CredentialCheck, ErrorCode::AuthFailed, Phase::Authenticate, true),
            (JobKind::Reachability, ErrorCode::Refused, Phase::Connect, true),
        ] {
            assert_eq!(counts(kind, code, phase), expected, "{kind:?} {code}");
        }
    }

    #[test]
    fn a_success_heals_what_it_came_beyond_and_nothing_else() {
        use Phase::{Authenticate, Collect, Connect, Handshake};
        for (code, phase, reached, logged_in) in [
            (ErrorCode::Unreachable, Some(Connect), true, true),
            (ErrorCode::Unreachable, None, true, true),
            (ErrorCode::Timeout, Some(Handshake), true, true),
            (ErrorCode::Timeout, Some(Collect), false, false),
            (ErrorCode::Timeout, None, false, false),
            (ErrorCode::HostKeyChanged, Some(Handshake), false, true),
            (ErrorCode::AuthFailed, Some(Authenticate), false, true),
            (ErrorCode::UnknownPlatform, Some(Connect), false, true),
            (ErrorCode::Truncated, Some(Collect), false, false),
        ] {
            assert_eq!(JobKind::Reachability.heals(code, phase), reached, "{code} {phase:?}");
            assert_eq!(JobKind::CredentialCheck.heals(code, phase), logged_in, "{code} {phase:?}");
            assert_eq!(JobKind::Command.heals(code, phase), logged_in, "{code} {phase:?}");
            assert!(JobKind::Backup.heals(code, phase));
        }
    }
}
