//! What the library's task sees and the owner of the connection wants to know.

use super::algorithms::{agreed, key_type};
use super::text::quote;
use netraven_model::HostKey;
use russh::client::{ChannelOpenHandle, DisconnectReason, Handler, Msg, Session};
use russh::keys::ssh_encoding;
use russh::keys::{HashAlg, PublicKey, PublicKeyBase64, PublicKeyOrCertificate};
use russh::{Channel, Disconnect, Error, Names};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most that is kept of login banners.
const BANNER: usize = 4096;

/// How a connection ended, as far as the library can tell.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// The peer said goodbye (RFC 4253, section 11.1).
    Farewell {
        /// Its words, ready for a message.
        text: String,
        /// It says that no further attempt to authenticate is accepted.
        attempts_used_up: bool,
    },
    /// The peer refused the last method and accepts no other.
    NoMethodLeft,
    /// No answer to the keepalive questions.
    Silent,
    /// The connection is gone without a word.
    Lost,
    /// The peer, or the line, broke the protocol.
    Broken(String),
}

#[derive(Debug, Default)]
struct Seen {
    host_key: Option<HostKey>,
    agreed: Vec<String>,
    banner: String,
    end: Option<End>,
}

/// What was seen so far; shared with the task.
#[derive(Clone, Debug, Default)]
pub(super) struct Witness(Arc<Mutex<Seen>>);

impl Witness {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key that the server proved to have, whether accepted or not.
    pub(super) fn host_key(&self) -> Option<HostKey> {
        self.seen().host_key.clone()
    }

    /// The algorithms agreed on; empty before the end of the key exchange.
    pub(super) fn agreed(&self) -> Vec<String> {
        self.seen().agreed.clone()
    }

    /// The text shown before the login (RFC 4252, section 5.4); bounded.
    pub(super) fn banner(&self) -> Option<String> {
        let seen = self.seen();
        (!seen.banner.is_empty()).then(|| seen.banner.clone())
    }

    /// How the connection ended; `None` while it lives.
    pub(super) fn end(&self) -> Option<End> {
        self.seen().end.clone()
    }
}

/// The library's callbacks for one connection.
pub(super) struct Observer {
    known: Vec<HostKey>,
    witness: Witness,
}

impl Observer {
    /// Accepts the known keys only; any key when none is known.
    pub(super) fn new(known: &[HostKey], witness: Witness) -> Self {
        Self { known: known.to_vec(), witness }
    }

    fn note_end(&self, end: End) {
        self.witness.seen().end.get_or_insert(end);
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        // Whoever waits for an answer of the task learns of its end only after this, and must find
        // a reason, even when the task had none to give.
        self.note_end(End::Lost);
    }
}

impl Handler for Observer {
    type Error = Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Error> {
        let key = host_key(&shown.public_key());
        let accepted = self.known.is_empty()
            || self.known.iter().any(|known| known.algorithm == key.algorithm && known.key == key.key);
        self.witness.seen().host_key = Some(key);
        Ok(accepted)
    }

    async fn kex_done(&mut self, _: Option<&[u8]>, names: &Names, _: &mut Session) -> Result<(), Error> {
        self.witness.seen().agreed = agreed(names);
        Ok(())
    }

    async fn auth_banner(&mut self, banner: &str, _: &mut Session) -> Result<(), Error> {
        let mut seen = self.witness.seen();
        let room = BANNER.saturating_sub(seen.banner.len());
        seen.banner.push_str(&banner[..banner.floor_char_boundary(room)]);
        Ok(())
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Error>) -> Result<(), Error> {
        self.note_end(match reason {
            DisconnectReason::ReceivedDisconnect(farewell) => End::Farewell {
                attempts_used_up: matches!(farewell.reason_code, Disconnect::NoMoreAuthMethodsAvailable)
                    || farewell.message.to_lowercase().contains("too many authentication failures"),
                text: quote(&farewell.message),
            },
            DisconnectReason::Error(error) => classify(&error),
        });
        Ok(())
    }

    // A device has no business opening channels to its collector. Dropping `reply` refuses; the
    // library's own default accepts and would keep every one of them.

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _: Channel<Msg>,
        _reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        Ok(())
    }

    async fn server_channel_open_session(
        &mut self,
        _: Channel<Msg>,
        _reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        Ok(())
    }
}

/// The error with which the library's task ended, after the key exchange or in it.
pub(super) fn classify(error: &Error) -> End {
    match error {
        Error::NoAuthMethod => End::NoMethodLeft,
        Error::KeepaliveTimeout => End::Silent,
        Error::Disconnect | Error::HUP | Error::SendError | Error::RecvError | Error::Join(_) => End::Lost,
        Error::IO(_) => End::Lost,
        Error::Inconsistent => End::Broken("it sent a message out of turn".into()),
        Error::KexInit => End::Broken(
            "the key exchange failed: a message out of turn, or a Diffie-Hellman group outside 2048 to 8192 bits"
                .into(),
        ),
        Error::SshEncoding(ssh_encoding::Error::CharacterEncoding) => {
            End::Broken("it sent text that is not UTF-8, most likely its login banner".into())
        }
        other => End::Broken(quote(&other.to_string())),
    }
}

/// A key in the form in which it is stored.
pub(super) fn host_key(key: &PublicKey) -> HostKey {
    HostKey {
        algorithm: key_type(&key.algorithm()).as_str().to_owned(),
        key: key.public_key_base64(),
        fingerprint: key.fingerprint(HashAlg::Sha256).to_string(),
    }
}
