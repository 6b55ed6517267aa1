//! What is said about an authentication that did not succeed.

use super::Course;
use crate::ssh::connection::OpenFailure;
use crate::ssh::failures::{how, lost};
use crate::ssh::keyboard::Unanswered;
use crate::ssh::text::quote;
use crate::ssh::witness::End;
use crate::tcp::seconds;
use netraven_model::{ErrorCode, Failure, Phase};
use russh::MethodKind;
use std::time::Duration;

impl Course<'_> {
    /// The connection ended while a method was under way.
    pub(super) fn ended(&self, end: &End) -> OpenFailure {
        if let End::Farewell { attempts_used_up: true, .. } = end {
            let message = format!("{}{}", how(end), self.history());
            return OpenFailure::authentication(message, true);
        }
        let mut failure = lost(end, Phase::Authenticate);
        failure.message.push_str(&format!(
            ". It happened while {} was under way: that says nothing about the credential{}",
            name(self.current),
            self.history()
        ));
        OpenFailure::from(failure)
    }

    pub(super) fn rejected(&self) -> OpenFailure {
        let accepted = match self.offered.as_deref() {
            None | Some([]) => "no further method".into(),
            Some(offered) => offered.iter().map(|method| name(*method)).collect::<Vec<_>>().join(", "),
        };
        let has = match (self.identity.key.is_some(), self.identity.password.is_some()) {
            (true, true) => "a private key and a password",
            (true, false) => "a private key",
            (false, true) => "a password",
            (false, false) => "neither password nor private key",
        };
        let message = format!(
            "the device does not let user \"{}\" in: it accepts {accepted}; the credential has {has}{}",
            quote(&self.identity.username),
            self.history()
        );
        OpenFailure::authentication(message, self.refused)
    }

    pub(super) fn unanswered(&self, method: MethodKind, question: Unanswered) -> OpenFailure {
        let (what, refused) = match question {
            Unanswered::Unknown(question) => {
                (format!("asks \"{question}\", which the credential cannot answer"), self.refused)
            }
            Unanswered::Endless(rounds) => {
                (format!("came to no decision in {rounds} rounds of questions"), self.refused)
            }
            Unanswered::Repeated(question) => {
                (format!("asks \"{question}\" a second time; the same password is not sent twice"), true)
            }
        };
        let message = format!("the device {what} ({}){}", name(method), self.history());
        OpenFailure::authentication(message, refused)
    }

    pub(super) fn late(&self, within: Duration) -> OpenFailure {
        // The library does not pass on SSH_MSG_USERAUTH_PASSWD_CHANGEREQ (RFC 4252, section 8): what came instead of a yes or a
        // no cannot be read, but it came. A banner, which would be passed on, comes at the same place.
        let unreadable = self.current == MethodKind::Password && self.line.answered();
        if unreadable && self.witness.banner().is_none() {
            let message = format!(
                "the device answered the password with neither yes nor no, and nothing more came within {}: most likely it \
                 wants an expired password changed, which a person has to do{}",
                seconds(within),
                self.history()
            );
            return OpenFailure::authentication(message, true);
        }
        let mut message = format!(
            "the device did not finish the authentication within {}; {} was under way{}",
            seconds(within),
            name(self.current),
            self.history()
        );
        if unreadable {
            message.push_str(". A device that wants an expired password changed looks like this, too");
        }
        OpenFailure::from(Failure::new(ErrorCode::Timeout, Phase::Authenticate, message))
    }

    /// `; tried: password (refused)`, or nothing.
    fn history(&self) -> String {
        if self.tried.is_empty() { String::new() } else { format!("; tried: {}", self.tried.join(", ")) }
    }
}

/// The method's name in the protocol.
pub(super) fn name(method: MethodKind) -> &'static str {
    (&method).into()
}
