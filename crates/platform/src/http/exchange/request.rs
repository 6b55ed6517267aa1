//! The requests of a session, with their values filled in.

use super::{HttpExchange, State, Turn};
use crate::http::{Http, HttpRequest, Request, Values, Variable};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use netraven_model::{ErrorCode, Failure};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

impl HttpExchange {
    /// The request that the state asks for.
    pub(super) fn request(&mut self, now: Instant) -> Result<HttpRequest, Failure> {
        let platform = self.plan.platform.clone();
        let Some(http) = &platform.http else {
            let message = format!(
                "the platform '{}' does not say how its devices are spoken to over HTTP",
                platform.name
            );
            return Err(self.failure(ErrorCode::Unsupported, message));
        };
        if self.plan.password.is_none() {
            let message = "the credential has neither password nor token, and nothing else works over HTTP";
            return Err(self.failure(ErrorCode::CredentialUnusable, message.to_owned()));
        }
        let until = self.started + self.plan.limits.session;
        if now >= until {
            let message = format!("the session was expected to end within {:?}", self.plan.limits.session);
            return Err(self.failure(ErrorCode::Timeout, message));
        }
        let parts = self.plan.parts.clone();
        let (request, silence) = match self.state {
            State::Login { .. } => (http.login.as_ref(), self.plan.limits.login),
            State::Part(Turn { part, alternative }) => {
                let part = parts.get(part);
                self.values.command =
                    part.and_then(|part| part.commands.get(alternative)).cloned().unwrap_or_default();
                let own = part.and_then(|part| part.requests.get(alternative));
                (
                    own.or(http.command.as_ref()),
                    part.and_then(|part| part.timeout).unwrap_or(self.plan.limits.silence),
                )
            }
            State::Logout | State::Done => (http.logout.as_ref(), self.plan.limits.logout),
        };
        let Some(request) = request else {
            let message =
                format!("the platform '{}' does not say how a command is run over HTTP", platform.name);
            return Err(self.failure(ErrorCode::Unsupported, message));
        };
        let filled = self.fill(http, request, silence, until);
        let filled = filled.map_err(|message| self.failure(ErrorCode::CredentialUnusable, message))?;
        self.sent(request, &filled, now);
        Ok(filled)
    }

    fn fill(
        &self,
        http: &Http,
        request: &Request,
        silence: Duration,
        until: Instant,
    ) -> Result<HttpRequest, String> {
        let mut headers = Vec::new();
        if http.basic {
            headers.push(("Authorization".to_owned(), basic(&self.values)));
        }
        // The request that brings the token cannot have it yet.
        let common = http.headers.iter().filter(|_| !matches!(self.state, State::Login { .. }));
        for (name, value) in common.chain(&request.headers) {
            headers.push((name.clone(), value.fill(&self.values)?));
        }
        let target = request.target.fill(&self.values)?;
        Ok(HttpRequest {
            method: request.method,
            target: String::from_utf8_lossy(&target).into_owned(),
            headers,
            body: request.body.as_ref().map(|body| body.fill(&self.values)).transpose()?.unwrap_or_default(),
            silence,
            until,
            max_output: self.plan.limits.max_output,
        })
    }

    fn sent(&mut self, request: &Request, filled: &HttpRequest, now: Instant) {
        self.asked = now;
        let line = self.plan.redact(format!("{} {}", filled.method, filled.target).as_bytes());
        let runs_command = matches!(self.state, State::Part(_))
            && request.variables().any(|variable| variable == Variable::Command);
        let shown = match self.state {
            State::Part(_) if runs_command => {
                format!("{line} `{}`", self.plan.show_command(&self.values.command))
            }
            State::Part(turn) => {
                let name = self.plan.parts.get(turn.part).map_or("", |part| part.name.as_str());
                format!("{line} ({name})")
            }
            State::Login { .. } => format!("{line} (login)"),
            State::Logout | State::Done => format!("{line} (logout)"),
        };
        self.dialogue.sent(now - self.started, &shown);
        self.label = if runs_command { self.plan.show_command(&self.values.command) } else { shown.clone() };
        self.command = if runs_command { self.values.command.clone() } else { shown };
    }
}

/// RFC 7617, section 2.
fn basic(values: &Values) -> Zeroizing<Vec<u8>> {
    let password = values.password.as_ref().map_or(&b""[..], |password| password.expose_bytes());
    let mut pair = Zeroizing::new(Vec::with_capacity(values.username.len() + 1 + password.len()));
    pair.extend_from_slice(values.username.as_bytes());
    pair.push(b':');
    pair.extend_from_slice(password);
    let encoded = Zeroizing::new(STANDARD.encode(&*pair));
    Zeroizing::new([b"Basic ", encoded.as_bytes()].concat())
}
