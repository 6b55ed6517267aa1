//! From the library's errors to failures that say what happened.

use super::algorithms::{profile_of, spoken};
use super::wire::Line;
use super::witness::{End, Witness, classify};
use crate::tcp::seconds;
use netraven_model::{ErrorCode, Failure, HostKey, Phase, SshProfile};
use russh::{AlgorithmKind, Error};
use std::time::Duration;

/// Most names of a list that stand in a message: a peer may send thousands.
const NAMES: usize = 40;

/// What may be agreed on with a device, and why.
#[derive(Clone, Copy)]
pub(super) struct Bounds<'a> {
    /// The device's name, for the command that would help.
    pub(super) device: &'a str,
    /// What the device was spoken to with before.
    pub(super) stored: Option<SshProfile>,
    /// What is allowed for any device.
    pub(super) limit: SshProfile,
}

impl Bounds<'_> {
    pub(super) fn weakest(self) -> SshProfile {
        self.stored.unwrap_or(SshProfile::Legacy).min(self.limit)
    }
}

/// A key exchange that failed.
pub(super) fn handshake(
    error: &Error,
    line: &Line,
    witness: &Witness,
    known: &[HostKey],
    bounds: Bounds<'_>,
) -> Failure {
    if let Some(why) = line.refused() {
        return protocol(format!("the peer cannot be spoken to: {why}"));
    }
    match error {
        Error::NoCommonAlgo { kind, ours, theirs } => negotiation(kind, ours, theirs, bounds),
        Error::UnknownKey => host_key_changed(witness.host_key().as_ref(), known),
        error => match (end_of(error, witness), line.foreign()) {
            (End::Lost, Some(foreign)) => protocol(format!(
                "the peer sent \"{foreign}\" instead of an SSH identification and closed the connection"
            )),
            (End::Lost, None) if line.identification().is_none() => Failure::new(
                ErrorCode::Disconnected,
                Phase::Handshake,
                "the device accepted the connection and closed it without a word: an access list, or no free session",
            ),
            (end, _) => lost(&end, Phase::Handshake),
        },
    }
}

/// What the error says, or what the peer said when the error says only that it is gone.
fn end_of(error: &Error, witness: &Witness) -> End {
    match classify(error) {
        End::Lost => witness.end().unwrap_or(End::Lost),
        end => end,
    }
}

/// The key exchange was not finished in time.
pub(super) fn handshake_timeout(line: &Line, within: Duration) -> Failure {
    let within = seconds(within);
    match (line.identification(), line.foreign()) {
        (Some(server), _) => Failure::new(
            ErrorCode::Timeout,
            Phase::Handshake,
            format!("the device ({server}) did not finish the key exchange within {within}"),
        ),
        (None, Some(foreign)) => {
            protocol(format!("the peer sent \"{foreign}\" and no SSH identification within {within}"))
        }
        (None, None) => Failure::new(
            ErrorCode::Timeout,
            Phase::Handshake,
            format!("the device accepted the connection, but sent no SSH identification within {within}"),
        ),
    }
}

/// The connection ended in a phase where it should have lived.
pub(super) fn lost(end: &End, phase: Phase) -> Failure {
    let code = match end {
        End::Broken(_) => ErrorCode::SshProtocol,
        _ => ErrorCode::Disconnected,
    };
    Failure::new(code, phase, how(end))
}

/// One sentence about how a connection ended.
pub(super) fn how(end: &End) -> String {
    match end {
        End::Farewell { text, .. } if text.is_empty() => {
            "the device ended the connection without giving a reason".into()
        }
        End::Farewell { text, .. } => format!("the device ended the connection, saying: \"{text}\""),
        End::NoMethodLeft => "the device accepts no further authentication method".into(),
        End::Silent => "the device did not answer three keepalive questions in a row".into(),
        End::Lost => "the connection was closed without a farewell".into(),
        End::Broken(what) => format!("the device does not keep to the SSH protocol: {what}"),
    }
}

pub(super) fn protocol(message: String) -> Failure {
    Failure::new(ErrorCode::SshProtocol, Phase::Handshake, message)
}

fn negotiation(kind: &AlgorithmKind, ours: &[String], theirs: &[String], bounds: Bounds<'_>) -> Failure {
    let kind = match kind {
        AlgorithmKind::Kex => "key exchange",
        AlgorithmKind::Key => "host key",
        AlgorithmKind::Cipher => "cipher",
        AlgorithmKind::Compression => "compression",
        AlgorithmKind::Mac => "MAC",
    };
    let would_do = theirs.iter().filter(|name| spoken(name)).map(|name| (profile_of(name), name)).min();
    let (code, remedy) = match (would_do, bounds.stored) {
        (Some((needed, name)), Some(stored)) if needed <= bounds.limit => (
            ErrorCode::SshDowngrade,
            format!(
                "this device was spoken to with `{}` before, and {name} would need `{}`: another device, an older software, \
                 or somebody in between; if that is intended, accept it with `netraven device update {} --ssh-profile {}`",
                stored.as_str(),
                needed.as_str(),
                bounds.device,
                needed.as_str()
            ),
        ),
        (Some((needed, name)), _) => (
            ErrorCode::SshNegotiation,
            format!(
                "the profile `{}` would accept {name}, but nothing below `{}` is allowed (`device.ssh_weakest_profile`)",
                needed.as_str(),
                bounds.limit.as_str()
            ),
        ),
        (None, _) => {
            (ErrorCode::SshNegotiation, format!("enable one of NetRaven's {kind} algorithms on the device"))
        }
    };
    let message = format!(
        "no common {kind} algorithm: the device offers [{}], NetRaven offers [{}]; {remedy}",
        list(theirs),
        list(ours)
    );
    Failure::new(code, Phase::Handshake, message)
}

/// The names, without the markers that are no algorithms, bounded.
fn list(names: &[String]) -> String {
    let real = |name: &&String| !name.starts_with("ext-info-") && !name.starts_with("kex-strict-");
    let mut shown: Vec<String> =
        names.iter().filter(real).take(NAMES).map(|name| super::text::quote(name)).collect();
    if names.iter().filter(real).count() > NAMES {
        shown.push("…".into());
    }
    shown.join(", ")
}

fn host_key_changed(shown: Option<&HostKey>, known: &[HostKey]) -> Failure {
    let describe = |key: &HostKey| format!("{} {}", key.algorithm, key.fingerprint);
    let expected: Vec<String> = known.iter().map(describe).collect();
    let message = format!(
        "the device shows the host key {}, but {} is stored for it; nothing was sent, the login neither",
        shown.map_or_else(|| "(unreadable)".into(), describe),
        expected.join(" or ")
    );
    Failure::new(ErrorCode::HostKeyChanged, Phase::Handshake, message)
}
