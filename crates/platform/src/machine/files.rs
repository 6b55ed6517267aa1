//! Parts that are files: what makes the file is asked in the shell, the driver fetches it, what removes it is asked again.

use super::steps::Step;
use super::{CommandRecord, Machine, Output, State};
use crate::file::{self, Fetched, FileRequest, RemoteFile};
use netraven_model::{Capture, ErrorCode, Failure, Phase};
use std::time::Instant;

impl Machine {
    /// Asks for what makes the file, or for the file.
    pub(super) fn ask_file(&mut self, part: usize, now: Instant) {
        let parts = self.plan.parts.clone();
        let wanted = &parts[part];
        if self.plan.files {
            return match wanted.commands.is_empty() {
                true => self.fetch(&parts[part].file, now),
                false => self.ask(0, now),
            };
        }
        let failure = file::unsupported(&wanted.file.as_ref().map(RemoteFile::label).unwrap_or_default());
        if !wanted.optional {
            return self.fail(failure.code, failure.message, now);
        }
        self.dialogue.note(now - self.started, &failure.message);
        self.command_sent = now;
        self.record_file(part, 0, false, now);
        self.go_on(now);
    }

    /// The command that makes the file was carried out.
    pub(super) fn file_made(&mut self, part: usize, now: Instant) {
        self.record(true, now);
        self.note_answer(now);
        let parts = self.plan.parts.clone();
        self.fetch(&parts[part].file, now);
    }

    fn fetch(&mut self, file: &Option<RemoteFile>, now: Instant) {
        let label = file.as_ref().map(RemoteFile::label).unwrap_or_default();
        self.dialogue.sent(now - self.started, &label);
        (self.state, self.heard, self.command_sent) = (State::Fetch, now, now);
    }

    /// The file that is to be fetched now.
    pub(super) fn file_request(&self, now: Instant) -> Option<FileRequest> {
        let (limits, until) = (self.plan.limits, self.started + self.plan.limits.session);
        if self.state != State::Fetch || now >= until {
            return None;
        }
        let part = self.wanted()?;
        let file = part.file.as_ref()?;
        Some(FileRequest {
            path: file.path.clone(),
            over: file.over.clone(),
            silence: part.timeout.unwrap_or(limits.silence),
            until,
            most: limits.max_output,
        })
    }

    /// What came of [`super::Next::Fetch`].
    pub fn fetched(&mut self, fetched: Fetched, now: Instant) {
        let (State::Fetch, Some(Step::Part { part, .. })) = (self.state, self.steps.current()) else {
            return;
        };
        let (part, parts) = (*part, self.plan.parts.clone());
        self.heard = now;
        match fetched {
            Fetched::NoChannel(failure) => {
                let message = format!("{}; it is fetched when the shell is closed", failure.message);
                self.dialogue.note(now - self.started, &self.plan.hide_own(&message));
                self.later.push(part);
                return self.go_on(now);
            }
            Fetched::Content(content) => match file::judge(&parts[part], content) {
                Ok(content) => self.keep_file(part, content, now),
                Err(failure) => self.pending = Some(failure),
            },
            Fetched::Refused(why) => self.file_refused(part, &why, now),
            Fetched::Failed(failure) => {
                let message = self.plan.hide_own(&failure.message);
                self.pending = Some(Failure { message, ..failure });
            }
        }
        if !parts[part].cleanup_commands().is_empty() {
            self.steps.push(Step::Cleanup(part));
            return self.go_on(now);
        }
        self.cleaned(now);
    }

    fn keep_file(&mut self, part: usize, capture: Capture, now: Instant) {
        self.dialogue.captured(now - self.started, capture.len());
        self.record_file(part, capture.len(), true, now);
        let (command, duration) = (self.file_label(part), now - self.command_sent);
        self.outputs.push(Output { part, context: None, command, capture, accepted: true, duration });
    }

    fn file_refused(&mut self, part: usize, why: &str, now: Instant) {
        let why = self.redact(why.as_bytes()).replace('\n', "; ");
        let message = format!("the device does not give `{}`: {why}", self.file_label(part));
        self.dialogue.note(now - self.started, &message);
        self.record_file(part, 0, false, now);
        if !self.plan.parts[part].optional {
            self.pending = Some(Failure::new(ErrorCode::CommandRejected, Phase::Collect, message));
        }
    }

    /// The answer to a command that removes the file. That it stays is no reason to lose it.
    pub(super) fn look_cleanup(&mut self, part: usize, now: Instant) {
        let State::Collect { alternative, .. } = self.state else { return };
        let (accepted, parts) = (!self.is_rejected(), self.plan.parts.clone());
        self.record(accepted, now);
        self.note_answer(now);
        if !accepted && alternative + 1 < parts[part].cleanup_commands().len() {
            return self.ask(alternative + 1, now);
        }
        if !accepted {
            self.dialogue.note(now - self.started, "the file is still on the device");
        }
        self.cleaned(now);
    }

    fn cleaned(&mut self, now: Instant) {
        match self.pending.take() {
            Some(failure) => self.fail(failure.code, failure.message, now),
            None => self.go_on(now),
        }
    }

    fn file_label(&self, part: usize) -> String {
        self.plan.parts[part].file.as_ref().map(RemoteFile::label).unwrap_or_default()
    }

    fn record_file(&mut self, part: usize, bytes: usize, accepted: bool, now: Instant) {
        let (at, duration) = (now - self.started, now - self.command_sent);
        self.commands.push(CommandRecord { command: self.file_label(part), bytes, at, duration, accepted });
    }
}
