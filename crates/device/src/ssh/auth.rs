//! The course of an authentication (RFC 4252): which method next, and what its answer means.

mod report;

use super::connection::OpenFailure;
use super::identity::Identity;
use super::keyboard::{Interview, Unanswered};
use super::wire::Line;
use super::witness::{End, Observer, Witness};
use netraven_model::SshProfile;
use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse as Reply};
use russh::keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg};
use russh::{Error, MethodKind, MethodSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Most rounds of questions; real dialogs have one to three.
const ROUNDS: usize = 10;

/// How long to wait for the server's list of signature algorithms (RFC 8308) after it has answered a
/// later message already. Whoever sends the list has sent it before.
const SIGNATURE_LIST: Duration = Duration::from_millis(50);

/// One authentication: every secret goes out at most once per method.
pub(super) struct Course<'a> {
    identity: &'a Identity,
    witness: &'a Witness,
    line: &'a Line,
    /// The weakest algorithms that may be used.
    weakest: SshProfile,
    /// What the server said that it accepts; `None` before its first answer.
    offered: Option<Vec<MethodKind>>,
    /// Methods that are not to be tried (again).
    done: Vec<MethodKind>,
    /// What was tried, for the message.
    tried: Vec<String>,
    /// The signature algorithms under which the key was shown.
    signatures: Vec<String>,
    current: MethodKind,
    /// A secret was shown and refused.
    refused: bool,
}

enum Answer {
    Accepted,
    Refused { offered: MethodSet, partial: bool },
}

impl From<AuthResult> for Answer {
    fn from(result: AuthResult) -> Self {
        match result {
            AuthResult::Success => Self::Accepted,
            AuthResult::Failure { remaining_methods, partial_success } => {
                Self::Refused { offered: remaining_methods, partial: partial_success }
            }
        }
    }
}

/// Why one method came to no answer.
enum Stop {
    /// The library's task ended or is ending; the witness knows why.
    Ended,
    /// A question that the credential does not answer.
    Question(Unanswered),
}

impl From<Error> for Stop {
    fn from(_: Error) -> Self {
        Self::Ended
    }
}

impl<'a> Course<'a> {
    pub(super) fn new(
        identity: &'a Identity,
        witness: &'a Witness,
        line: &'a Line,
        weakest: SshProfile,
    ) -> Self {
        Self {
            identity,
            witness,
            line,
            weakest,
            offered: None,
            done: Vec::new(),
            tried: Vec::new(),
            signatures: Vec::new(),
            current: MethodKind::None,
            refused: false,
        }
    }

    /// Tries the methods until one is accepted, none is left, or the time is over. The algorithm of the accepted signature,
    /// where it was one.
    pub(super) async fn run(
        mut self,
        handle: &mut Handle<Observer>,
        within: Duration,
    ) -> Result<Option<String>, OpenFailure> {
        match timeout(within, self.methods(handle)).await {
            Ok(Ok(())) => Ok(self.signatures.pop()),
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err(self.late(within)),
        }
    }

    async fn methods(&mut self, handle: &mut Handle<Observer>) -> Result<(), OpenFailure> {
        while let Some(method) = self.next() {
            self.current = method;
            let answer = match (method, self.identity.key.clone()) {
                (MethodKind::PublicKey, Some(key)) => self.public_key(handle, key).await,
                (MethodKind::Password, _) => self.password(handle).await,
                (MethodKind::KeyboardInteractive, _) => self.keyboard(handle).await,
                _ => self.none(handle).await,
            };
            match answer {
                Ok(Answer::Accepted) => return Ok(()),
                Ok(Answer::Refused { offered, partial }) => {
                    if offered.is_empty() {
                        // Either the last word of the server, or a connection that ended meanwhile:
                        // the library answers both the same way. The end of its task tells them apart.
                        self.survive(handle).await?;
                    }
                    self.note(method, &offered, partial);
                }
                Err(Stop::Question(question)) => return Err(self.unanswered(method, question)),
                Err(Stop::Ended) => {
                    self.survive(handle).await?;
                    return Err(self.rejected());
                }
            }
        }
        Err(self.rejected())
    }

    /// The next method that the credential has a secret for and the server accepts.
    fn next(&self) -> Option<MethodKind> {
        let has_password = self.identity.password.is_some();
        let has_key = self.identity.key.is_some();
        let mut possible = Vec::with_capacity(3);
        if has_key {
            possible.push(MethodKind::PublicKey);
        }
        if has_password {
            possible.extend([MethodKind::Password, MethodKind::KeyboardInteractive]);
        }
        if !has_key && !has_password {
            possible.push(MethodKind::None);
        }
        possible.into_iter().find(|method| {
            !self.done.contains(method)
                && self.offered.as_ref().is_none_or(|offered| offered.contains(method))
        })
    }

    fn note(&mut self, method: MethodKind, offered: &MethodSet, partial: bool) {
        let shown = std::mem::take(&mut self.signatures);
        self.tried.push(match (method, partial) {
            (MethodKind::PublicKey, false) if shown.is_empty() => "publickey (not offered)".into(),
            (MethodKind::PublicKey, false) => format!("publickey with {} (refused)", shown.join(", ")),
            (_, false) => format!("{} (refused)", report::name(method)),
            (_, true) => format!("{} (accepted, but not enough)", report::name(method)),
        });
        let secret_shown = match method {
            MethodKind::None => false,
            MethodKind::PublicKey => !shown.is_empty(),
            _ => true,
        };
        self.refused |= secret_shown && !partial;
        self.offered = Some(offered.to_vec());
        if partial && method != MethodKind::PublicKey {
            // Servers that want two methods in a fixed order refuse the second before the first. A
            // key may be shown again without harm; a password may not.
            self.done.retain(|done| *done != MethodKind::PublicKey);
        }
        self.done.push(method);
        if method == MethodKind::Password && !partial && offered.contains(&MethodKind::Password) {
            // It was looked at and is wrong. To show it again in answer to a question would count as
            // a second failed login, and lock accounts twice as fast.
            self.done.push(MethodKind::KeyboardInteractive);
        }
    }

    async fn none(&mut self, handle: &mut Handle<Observer>) -> Result<Answer, Stop> {
        Ok(handle.authenticate_none(&self.identity.username).await?.into())
    }

    async fn password(&mut self, handle: &mut Handle<Observer>) -> Result<Answer, Stop> {
        let (user, password) = (&self.identity.username, self.identity.password_text());
        Ok(handle.authenticate_password(user, password).await?.into())
    }

    async fn public_key(
        &mut self,
        handle: &mut Handle<Observer>,
        key: Arc<PrivateKey>,
    ) -> Result<Answer, Stop> {
        if !key.algorithm().is_rsa() {
            return self.show(handle, key, None).await;
        }
        if self.offered.is_none() {
            // The answer to this comes behind the list of signature algorithms, which decides what to
            // sign with; a server that accepts it needs no key.
            match self.none(handle).await? {
                Answer::Refused { offered, .. } if offered.contains(&MethodKind::PublicKey) => {}
                answer => return Ok(answer),
            }
        }
        let (first, second) = signatures(handle, self.weakest).await?;
        match self.show(handle, Arc::clone(&key), first).await? {
            Answer::Refused { offered, partial: false }
                if first != second && offered.contains(&MethodKind::PublicKey) =>
            {
                self.show(handle, key, second).await
            }
            answer => Ok(answer),
        }
    }

    async fn show(
        &mut self,
        handle: &mut Handle<Observer>,
        key: Arc<PrivateKey>,
        hash: Option<HashAlg>,
    ) -> Result<Answer, Stop> {
        let key = PrivateKeyWithHashAlg::new(key, hash);
        self.signatures.push(key.algorithm().as_str().to_owned());
        Ok(handle.authenticate_publickey(&self.identity.username, key).await?.into())
    }

    async fn keyboard(&mut self, handle: &mut Handle<Observer>) -> Result<Answer, Stop> {
        let mut interview = Interview::default();
        let user = &self.identity.username;
        let mut reply = handle.authenticate_keyboard_interactive_start(user, None::<String>).await?;
        for _ in 0..ROUNDS {
            let (instructions, prompts) = match reply {
                Reply::Success => return Ok(Answer::Accepted),
                Reply::Failure { remaining_methods, partial_success } => {
                    return Ok(Answer::Refused { offered: remaining_methods, partial: partial_success });
                }
                Reply::InfoRequest { instructions, prompts, .. } => (instructions, prompts),
            };
            let answers = interview
                .answer(&instructions, &prompts, self.identity.password_text())
                .map_err(Stop::Question)?;
            reply = handle.authenticate_keyboard_interactive_respond(answers).await?;
        }
        Err(Stop::Question(Unanswered::Endless(ROUNDS)))
    }

    /// Waits for the end of the library's task; an error unless it ended by the server's last word.
    async fn survive(&self, handle: &mut Handle<Observer>) -> Result<(), OpenFailure> {
        // Its result repeats what the witness has noted.
        let _ = handle.await;
        match self.witness.end() {
            None | Some(End::NoMethodLeft) => Ok(()),
            Some(end) => Err(self.ended(&end)),
        }
    }
}

/// The hash to sign with under an RSA key, and the one to fall back to; `None` is SHA-1. No more than
/// two, because each refusal counts as an attempt. A server without a list is old: the oldest know
/// SHA-1 only and may take an unknown name amiss. A list may promise more than the server's
/// configuration allows.
async fn signatures(
    handle: &Handle<Observer>,
    weakest: SshProfile,
) -> Result<(Option<HashAlg>, Option<HashAlg>), Error> {
    let listed = timeout(SIGNATURE_LIST, handle.best_supported_rsa_hash()).await.unwrap_or(Ok(None))?;
    Ok(match (listed, weakest) {
        (_, SshProfile::Modern) => (Some(HashAlg::Sha512), Some(HashAlg::Sha256)),
        (Some(best), _) => (best, None),
        (None, _) => (None, Some(HashAlg::Sha512)),
    })
}
