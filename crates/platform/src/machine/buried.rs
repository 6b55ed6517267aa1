//! Prompts behind which a device printed something of its own, a log message most often, without drawing them again.

use super::{Echo, MAX_SUSPECTS, Machine, State};
use netraven_model::PartKind;
use std::time::Instant;

impl Machine {
    /// Looks for such a prompt in the lines that were completed since the text had `from` bytes of them. Only what reads
    /// exactly like the prompt that stood there before counts, and only behind a whole answer.
    pub(super) fn look_for_buried(&mut self, from: usize) {
        let asked = matches!(self.state, State::Prepare { .. } | State::Collect { .. });
        if !asked || self.buried.is_some() || self.prompt_line.is_empty() {
            return;
        }
        let mut at = from;
        while let Some(length) = self.terminal.lines()[at..].iter().position(|byte| *byte == b'\n') {
            if self.terminal.lines()[at..].starts_with(&self.prompt_line) && self.buried_tries < MAX_SUSPECTS
            {
                self.buried_tries += 1;
                if self.ends_answer(at) {
                    self.buried = Some(at);
                    return;
                }
            }
            at += length + 1;
        }
    }

    /// Whether everything before such a line is an answer. Of a configuration without an end of its own that is never known.
    fn ends_answer(&self, at: usize) -> bool {
        let start = self.echo_end();
        if at < start || start == 0 && self.echo != Echo::No {
            return false;
        }
        let answer = &self.terminal.lines()[start..at];
        match self.wanted() {
            Some(part) if part.shows_its_end() => {
                part.check_complete(answer).is_ok() || self.plan.platform.is_rejection(answer)
            }
            Some(part) => part.kind != PartKind::Config,
            None => true,
        }
    }

    /// Takes what was printed behind the prompt away, if there is one; it is the end then.
    pub(super) fn unbury(&mut self, now: Instant) -> bool {
        let Some(at) = self.buried.take() else { return false };
        self.terminal.cut(at + self.prompt_line.len());
        self.heard = now;
        self.look(now);
        true
    }
}
