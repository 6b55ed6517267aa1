//! What the device asks between login and the first prompt.

use super::{Dialog, Emulator, Output};
use crate::session::Reply;

impl Emulator {
    /// Asks the session's next question, or shows the first prompt behind the last one.
    pub(super) fn ask(&mut self, at: usize, output: &mut Output) {
        let session = self.session.clone();
        match session.asks.get(at) {
            Some(ask) => {
                let text = self.view(None).render(&ask.text);
                text.into_iter().for_each(|piece| output.share(piece));
                self.dialog = Dialog::Asked(at);
            }
            None => {
                self.dialog = Dialog::Command;
                self.prompt(output);
            }
        }
    }

    pub(super) fn answer_key(&mut self, at: usize, byte: u8, output: &mut Output) {
        let session = self.session.clone();
        let wanted = match session.asks.get(at).map(|ask| &ask.answer) {
            Some(Reply::Line(_)) => return self.edit(byte, session.echo, output),
            Some(Reply::Key(key)) => Some(*key),
            Some(Reply::AnyKey) | None => None,
        };
        if self.line.completes_line_end(byte) {
            return;
        }
        self.line.single_key(byte);
        if wanted.is_some_and(|key| key != byte) {
            return self.note(format!("the key 0x{byte:02x} as the answer to a question"));
        }
        output.push(b"\r\n");
        self.ask(at + 1, output);
    }

    pub(super) fn answer_line(&mut self, at: usize, line: &str, output: &mut Output) {
        let expected = self.session.asks.get(at).map(|ask| &ask.answer);
        let right = matches!(expected, Some(Reply::Line(answer)) if answer == line.trim());
        if !right {
            self.note(format!("`{line}` as the answer to a question"));
        }
        self.ask(at + usize::from(right), output);
    }
}
