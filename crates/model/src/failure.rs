//! Why something with a device failed: a closed set of codes, each with a sentence and a hint.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, transient: $transient:literal, hint: $hint:literal;)+) => {
        /// The closed set of reasons for a failed session or job.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum ErrorCode { $($(#[$doc])* $variant),+ }

        impl ErrorCode {
            /// All codes, in the order of a session's course.
            pub const ALL: &'static [ErrorCode] = &[$(Self::$variant),+];

            /// The word stored in the database and shown to people.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// Whether the same attempt may succeed later without anybody's doing.
            pub fn is_transient(self) -> bool {
                match self { $(Self::$variant => $transient),+ }
            }

            /// What a person can do about it.
            pub fn hint(self) -> &'static str {
                match self { $(Self::$variant => $hint),+ }
            }
        }
    };
}

codes! {
    /// The platform named by the device has no definition.
    UnknownPlatform = "unknown_platform", transient: false,
        hint: "see `netraven platform list` for the names that can be used";
    /// No credential shares a tag with the device, or none of those that do may be used.
    NoCredential = "no_credential", transient: false,
        hint: "`netraven credential explain DEVICE` shows which there are; `netraven tag add device NAME TAG` gives it a common tag with another one";
    /// The credential may not be shown to this device: it is suspended, or limited to other networks.
    CredentialNotAllowed = "credential_not_allowed", transient: false,
        hint: "see `netraven credential explain DEVICE`";
    /// The device has refused so many logins that another one might lock an account. It was not contacted, or not logged in to.
    LockoutGuard = "lockout_guard", transient: false,
        hint: "put the credential right and wait until then; `netraven credential test NAME DEVICE --force` tries one at once, and a success ends the wait";
    /// The stored credential cannot be opened or used.
    CredentialUnusable = "credential_unusable", transient: false,
        hint: "check the key file, or store the credential again with `netraven credential add`";
    /// The name has no address.
    NameNotFound = "name_not_found", transient: true,
        hint: "check the device's address and this machine's DNS";
    /// The settings do not allow a connection to that address.
    AddressNotAllowed = "address_not_allowed", transient: false,
        hint: "see `connection.allowed_networks` and `connection.denied_networks`";
    /// No answer to the connection request, or no route.
    Unreachable = "unreachable", transient: true,
        hint: "check that the device is up and that no firewall drops the connection";
    /// The connection request was answered with a refusal.
    Refused = "refused", transient: true,
        hint: "nothing listens on that port: check the port and whether the service is enabled on the device";
    /// The device did not answer in time; the phase says where.
    Timeout = "timeout", transient: true,
        hint: "the device or the line is slow: raise the timeout, or look at the connection log to see what came last";
    /// The two sides share no algorithm.
    SshNegotiation = "ssh_negotiation", transient: false,
        hint: "compare both sides' lists above; old devices need the legacy algorithms";
    /// The device offers only weaker algorithms than it was spoken to with before.
    SshDowngrade = "ssh_downgrade", transient: false,
        hint: "if the device was replaced or its SSH server changed on purpose, allow it with `netraven device update NAME --ssh-profile legacy`";
    /// The peer broke the SSH protocol or is no SSH server.
    SshProtocol = "ssh_protocol", transient: true,
        hint: "check that the port belongs to an SSH server";
    /// The host key differs from the one seen before.
    HostKeyChanged = "host_key_changed", transient: false,
        hint: "if the device was replaced or its key renewed on purpose, accept it with `netraven device accept-key NAME`";
    /// A jump host on the way does not accept its credential, or does not forward.
    JumpHost = "jump_host", transient: false,
        hint: "check the jump host's own credential, and that it allows TCP forwarding to the device";
    /// The device's certificate does not prove that it is the device.
    TlsCertificate = "tls_certificate", transient: false,
        hint: "pin the fingerprint shown above for this device if it is the right one, or name the authority's certificate in `device.ca_file`";
    /// The two sides share no version or cipher of TLS.
    TlsNegotiation = "tls_negotiation", transient: false,
        hint: "check that the port speaks HTTPS; for a device that knows nothing newer than TLS 1.1 or CBC, allow legacy TLS for it";
    /// The peer broke the rules of HTTP or is no web server.
    HttpProtocol = "http_protocol", transient: true,
        hint: "check that the port belongs to the device's API, and whether a proxy stands in between";
    /// The device has no time or no session left.
    DeviceBusy = "device_busy", transient: true,
        hint: "the device is overloaded or its sessions are used up: it is tried again later";
    /// The device does not accept the credential.
    AuthFailed = "auth_failed", transient: false,
        hint: "check user name and password; the same credential is not tried again in this job, so that no account is locked";
    /// Privileged mode was not reached.
    EnableFailed = "enable_failed", transient: false,
        hint: "check the enable secret of the credential, or give the user the privilege at login";
    /// No prompt of the platform appeared.
    PromptNotFound = "prompt_not_found", transient: false,
        hint: "check the device's platform; the end of what came is shown above";
    /// The device answered a required command with an error.
    CommandRejected = "command_rejected", transient: false,
        hint: "check that the user may run the command and that the platform is right";
    /// The answer ended before the platform's own end was seen.
    Truncated = "truncated", transient: true,
        hint: "nothing was stored; the next attempt reads it again";
    /// More came than a capture may hold.
    OutputTooLarge = "output_too_large", transient: false,
        hint: "raise `device.max_output_mib` if the device's configuration really is that large";
    /// The connection ended in the middle of the session.
    Disconnected = "disconnected", transient: true,
        hint: "the device closed the session: look at its own log, its session limits and its idle timeout";
    /// The session was cancelled by a person or a shutdown.
    Cancelled = "cancelled", transient: true,
        hint: "start the backup again";
    /// Secrets could not be found or replaced; nothing was kept.
    SealingFailed = "sealing_failed", transient: false,
        hint: "nothing was stored, because it might have held a secret in clear: please report this";
    /// The worker died or lost its lease while the job ran.
    LeaseLost = "lease_lost", transient: true,
        hint: "the job is taken up again by itself";
    /// The device's site has no gateway among those that the scheduler may use.
    NoGateway = "no_gateway", transient: false,
        hint: "name the site in `scheduler.gateways`, have a gateway without `sites` there, or set `scheduler.local_gateway` to on";
    /// No gateway took the job: none could be reached, or none had room. Nothing was sent to the device.
    GatewayUnavailable = "gateway_unavailable", transient: true,
        hint: "see `netraven gateway list`; the job is taken up again by itself";
    /// The gateway ended, or the line to it, while the job was under way.
    GatewayLost = "gateway_lost", transient: true,
        hint: "see `netraven gateway list` and that gateway's own log; the job is taken up again by itself";
    /// The gateway does not work for this scheduler: key, certificate, version, or an answer that is none.
    GatewayRefused = "gateway_refused", transient: false,
        hint: "see `netraven gateway list`; docs/gateways.md says what a gateway and its scheduler must have in common";
    /// Something that this build, or this way of speaking with the device, does not have.
    Unsupported = "unsupported", transient: false,
        hint: "use a build, or a protocol, that has it; the message says what is missing";
    /// The circuit breaker is open: schedules leave the device alone for a while.
    CircuitOpen = "circuit_open", transient: false,
        hint: "put right what the last error says; a backup that you start runs at once, and `netraven device resume NAME` closes the circuit";
    /// The job had not begun when its window closed.
    WindowClosed = "window_closed", transient: false,
        hint: "widen the schedule's window, spread its runs over less time, or allow more sessions at once";
    /// Something on our own side, named in the message.
    Internal = "internal", transient: true,
        hint: "see NetRaven's own log";
}

impl ErrorCode {
    /// The code of a stored word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == name)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The stage of a session, for messages and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Name resolution and TCP connection.
    Connect,
    /// Protocol and key exchange.
    Handshake,
    /// Proving who we are.
    Authenticate,
    /// Waiting for the first prompt.
    Login,
    /// Entering privileged mode.
    Enable,
    /// Setting up the terminal.
    Prepare,
    /// Running the platform's commands.
    Collect,
    /// Leaving.
    Logout,
}

impl Phase {
    /// All of them, in the order of a session.
    pub const ALL: [Self; 8] = [
        Self::Connect,
        Self::Handshake,
        Self::Authenticate,
        Self::Login,
        Self::Enable,
        Self::Prepare,
        Self::Collect,
        Self::Logout,
    ];

    /// The word stored in the database and shown to people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Handshake => "handshake",
            Self::Authenticate => "authenticate",
            Self::Login => "login",
            Self::Enable => "enable",
            Self::Prepare => "prepare",
            Self::Collect => "collect",
            Self::Logout => "logout",
        }
    }

    /// The phase of a stored word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == name)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One failure: the code for machines, the message for people.
///
/// The message says what was expected and what came; it never holds a secret, because everything
/// a device sent goes through the secret finder before it is quoted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Which of the closed set.
    pub code: ErrorCode,
    /// Where in the session.
    pub phase: Phase,
    /// One or two sentences.
    pub message: String,
}

impl Failure {
    /// A failure in a phase.
    pub fn new(code: ErrorCode, phase: Phase, message: impl Into<String>) -> Self {
        Self { code, phase, message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} during {}: {}", self.code, self.phase, self.message)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_own_name_and_finds_back_by_it() {
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_name(code.as_str()), Some(*code));
            assert_eq!(serde_json::to_value(code).unwrap(), serde_json::json!(code.as_str()));
            assert!(!code.hint().is_empty());
        }
        assert_eq!(ErrorCode::from_name("execution expired"), None);
    }

    #[test]
    fn phases_find_back_by_their_words() {
        for phase in Phase::ALL {
            assert_eq!(Phase::from_name(phase.as_str()), Some(phase));
            assert_eq!(serde_json::to_value(phase).unwrap(), phase.as_str());
        }
        assert_eq!(Phase::from_name("later"), None);
    }
}
