//! Parts that are files, in an exchange.

use super::{Exchange, State, Task, Turn};
use crate::file::{self, Fetched, FileRequest, RemoteFile};
use crate::machine::{CommandRecord, Output, Plan};
use crate::platform::Exec;
use netraven_model::{ErrorCode, Failure, Phase};
use std::time::Instant;

impl Exchange {
    /// An exchange that only fetches the files of these parts, which are there already and stay there. Its outputs have the
    /// indices of the plan's parts.
    pub fn fetching(plan: Plan, parts: &[usize], now: Instant) -> Self {
        let wanted = |(at, part): (usize, &crate::Part)| match parts.contains(&at) {
            true => Some(part.file_only()),
            false => None,
        };
        let files: Vec<_> = plan.parts.iter().enumerate().filter_map(wanted).collect();
        let exec = Exec { wrap: None, end: None };
        let mut exchange = Self::begin(Plan { parts: files.into(), ..plan }, exec, now);
        exchange.indices = parts.to_vec();
        exchange.indices.sort_unstable();
        exchange
    }

    /// What makes the file, or removes it, was carried out.
    pub(super) fn carried_out(&mut self, turn: Turn, now: Instant) {
        self.record(true, now);
        let said = [self.errors.text(), self.answer()].concat();
        self.dialogue.answered(now - self.started, &said, |text| self.plan.redact(text));
        match turn.cleanup {
            true => self.cleaned(turn.part, now),
            false => self.fetch(turn.part, now),
        }
    }

    pub(super) fn fetch(&mut self, part: usize, now: Instant) {
        self.empty();
        let label = self.file_label(part);
        self.dialogue.sent(now - self.started, &label);
        (self.heard, self.asked) = (now, now);
        self.state = State::Fetching { part };
    }

    pub(super) fn request_file(&mut self, part: usize, now: Instant) -> Task {
        let limits = self.plan.limits;
        let until = self.started + limits.session;
        let wanted = self.plan.parts.get(part).and_then(|part| Some((part.file.as_ref()?, part.timeout)));
        let Some((file, timeout)) = wanted.filter(|_| now < until) else {
            let message = format!("the session was expected to end within {:?}", limits.session);
            self.fail(ErrorCode::Timeout, message, now);
            return Task::Finished;
        };
        Task::Fetch(FileRequest {
            path: file.path.clone(),
            over: file.over.clone(),
            silence: timeout.unwrap_or(limits.silence),
            until,
            most: limits.max_output,
        })
    }

    /// What came of [`Task::Fetch`].
    pub fn fetched(&mut self, fetched: Fetched, now: Instant) {
        let State::Fetching { part } = self.state else { return };
        let parts = self.plan.parts.clone();
        self.heard = now;
        let wanted = &parts[part];
        match fetched {
            Fetched::Content(content) => match file::judge(wanted, content) {
                Ok(capture) => {
                    self.dialogue.captured(now - self.started, capture.len());
                    self.record_file(part, capture.len(), true, now);
                    let (command, duration) = (self.file_label(part), now - self.asked);
                    let (context, accepted) = (None, true);
                    self.outputs.push(Output { part, context, command, capture, accepted, duration });
                }
                Err(failure) => self.pending = Some(failure),
            },
            Fetched::Refused(why) => {
                let why = self.plan.redact(why.as_bytes()).replace('\n', "; ");
                let message = format!("the device does not give `{}`: {why}", self.file_label(part));
                self.dialogue.note(now - self.started, &message);
                self.record_file(part, 0, false, now);
                if !wanted.optional {
                    self.pending = Some(Failure::new(ErrorCode::CommandRejected, Phase::Collect, message));
                }
            }
            // No shell is open that could be in the way.
            Fetched::NoChannel(failure) | Fetched::Failed(failure) => {
                let message = self.plan.hide_own(&failure.message);
                self.pending = Some(Failure { message, ..failure });
            }
        }
        match wanted.cleanup_commands().is_empty() {
            true => self.cleaned(part, now),
            false => self.state = State::Ready(Turn { part, alternative: 0, cleanup: true }),
        }
    }

    pub(super) fn cleaned(&mut self, part: usize, now: Instant) {
        match self.pending.take() {
            Some(failure) => self.fail(failure.code, failure.message, now),
            None => self.go_on(part + 1, now),
        }
    }

    fn file_label(&self, part: usize) -> String {
        let part = self.plan.parts.get(part).and_then(|part| part.file.as_ref());
        part.map(RemoteFile::label).unwrap_or_default()
    }

    fn record_file(&mut self, part: usize, bytes: usize, accepted: bool, now: Instant) {
        let (at, duration) = (now - self.started, now - self.asked);
        self.commands.push(CommandRecord { command: self.file_label(part), bytes, at, duration, accepted });
    }
}
