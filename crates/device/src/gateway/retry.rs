//! Trying again to connect.

use crate::outcome::LoginResult;
use netraven_model::{Backoff, ErrorCode, Failure, Phase, chance};
use std::time::Duration;

/// The wait before the next try to connect; `None` where there is to be none. Only what went wrong before anybody was asked
/// to let us in is worth it: what a device said to a credential it says again.
pub(crate) fn pause(
    backoff: &Backoff,
    attempt: u32,
    failure: &Failure,
    login: LoginResult,
) -> Option<Duration> {
    let early = matches!(failure.phase, Phase::Connect | Phase::Handshake) && login == LoginResult::NotTried;
    // A peer that is no SSH server is none a second later.
    let worth = early && failure.code.is_transient() && failure.code != ErrorCode::SshProtocol;
    // Many devices behind one broken line must not come back in step.
    backoff.spread(attempt, chance()).filter(|_| worth)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff =
        Backoff { attempts: 3, base: Duration::from_secs(1), factor: 2, limit: Duration::from_secs(30) };

    fn wait(attempt: u32, code: ErrorCode, phase: Phase, login: LoginResult) -> Option<Duration> {
        pause(&BACKOFF, attempt, &Failure::new(code, phase, "x"), login)
    }

    #[test]
    fn only_the_way_to_the_device_is_tried_again_and_not_in_step() {
        let refused = |attempt| wait(attempt, ErrorCode::Refused, Phase::Connect, LoginResult::NotTried);
        for _ in 0..100 {
            assert!((500..=1000).contains(&refused(1).unwrap().as_millis()));
            assert!((1000..=2000).contains(&refused(2).unwrap().as_millis()));
        }
        assert_ne!(refused(1), refused(1));
        assert_eq!(refused(3), None, "three tries in all");
        for (code, phase, login) in [
            (ErrorCode::AuthFailed, Phase::Authenticate, LoginResult::Refused),
            (ErrorCode::Timeout, Phase::Authenticate, LoginResult::NotTried),
            (ErrorCode::Disconnected, Phase::Collect, LoginResult::Accepted),
            (ErrorCode::SshNegotiation, Phase::Handshake, LoginResult::NotTried),
            (ErrorCode::SshProtocol, Phase::Handshake, LoginResult::NotTried),
            (ErrorCode::HostKeyChanged, Phase::Handshake, LoginResult::NotTried),
            (ErrorCode::AddressNotAllowed, Phase::Connect, LoginResult::NotTried),
        ] {
            assert_eq!(wait(1, code, phase, login), None, "{code}");
        }
    }
}
