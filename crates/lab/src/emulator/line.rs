use super::output::Output;

/// Longest line that is taken; further characters are answered with the bell.
const MAX_LINE: usize = 1024;

const BELL: u8 = 0x07;
const CTRL_C: u8 = 0x03;
const CTRL_U: u8 = 0x15;
const BACKSPACE: u8 = 0x08;
const DELETE: u8 = 0x7f;

/// The line being typed.
#[derive(Default)]
pub(crate) struct Line {
    typed: Vec<u8>,
    /// CR was the last byte, so that an LF right behind it belongs to the same line end.
    after_cr: bool,
}

/// What a key did to the line.
pub(crate) enum Key {
    /// It was taken, edited the line, or was the second half of a line end.
    Typed,
    /// The line is complete.
    Enter(String),
    /// The line is given up.
    Interrupt,
    /// No collector sends this.
    Strange,
}

impl Line {
    /// Takes one byte and echoes what a terminal would show, unless the line is a password.
    pub(crate) fn key(&mut self, byte: u8, echo: bool, output: &mut Output) -> Key {
        if self.completes_line_end(byte) {
            return Key::Typed;
        }
        match byte {
            b'\r' | b'\n' => {
                self.after_cr = byte == b'\r';
                output.push(b"\r\n");
                let line = std::mem::take(&mut self.typed);
                Key::Enter(String::from_utf8_lossy(&line).into_owned())
            }
            CTRL_C => {
                self.typed.clear();
                output.push(b"^C\r\n");
                Key::Interrupt
            }
            CTRL_U => {
                while self.erase(echo, output) {}
                Key::Typed
            }
            BACKSPACE | DELETE => {
                if !self.erase(echo, output) {
                    output.push(&[BELL]);
                }
                Key::Typed
            }
            0x20.. => {
                self.append(byte, echo, output);
                Key::Typed
            }
            _ => Key::Strange,
        }
    }

    /// Whether `byte` is the LF of a CR LF whose CR was taken already.
    pub(super) fn completes_line_end(&mut self, byte: u8) -> bool {
        std::mem::take(&mut self.after_cr) && byte == b'\n'
    }

    /// Takes a byte that is no part of a line.
    pub(super) fn single_key(&mut self, byte: u8) {
        self.after_cr = byte == b'\r';
    }

    fn append(&mut self, byte: u8, echo: bool, output: &mut Output) {
        if self.typed.len() == MAX_LINE {
            output.push(&[BELL]);
            return;
        }
        self.typed.push(byte);
        if echo {
            output.push(&[byte]);
        }
    }

    /// Removes the last character; false when there is none.
    fn erase(&mut self, echo: bool, output: &mut Output) -> bool {
        // All bytes of a UTF-8 character go together.
        while self.typed.last().is_some_and(|byte| byte & 0xc0 == 0x80) {
            self.typed.pop();
        }
        let erased = self.typed.pop().is_some();
        if erased && echo {
            output.push(b"\x08 \x08");
        }
        erased
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Types `bytes`; the lines entered and what the terminal shows.
    fn typed(bytes: &[u8], echo: bool) -> (Vec<String>, Vec<u8>) {
        let (mut line, mut output, mut entered) = (Line::default(), Output::default(), Vec::new());
        for &byte in bytes {
            if let Key::Enter(text) = line.key(byte, echo, &mut output) {
                entered.push(text);
            }
        }
        (entered, output.to_vec())
    }

    #[test]
    fn cr_lf_and_cr_lf_end_one_line_each() {
        assert_eq!(typed(b"a\rb\nc\r\nd\n\n", true).0, ["a", "b", "c", "d", ""]);
    }

    #[test]
    fn backspace_and_delete_remove_characters() {
        let (entered, shown) = typed(b"shox\x08w\x7f\x7f\n", true);
        assert_eq!(entered, ["sh"]);
        assert_eq!(shown, b"shox\x08 \x08w\x08 \x08\x08 \x08\r\n");
    }

    #[test]
    fn a_two_byte_character_is_removed_as_one() {
        let (entered, shown) = typed("né\x7f\n".as_bytes(), true);
        assert_eq!(entered, ["n"]);
        assert_eq!(shown, "né\x08 \x08\r\n".as_bytes());
    }

    #[test]
    fn passwords_are_not_echoed_when_typed_or_corrected() {
        assert_eq!(typed(b"seccret\x08\x08\x08\x08ret\n", false), (vec!["secret".into()], b"\r\n".to_vec()));
    }

    #[test]
    fn control_u_removes_the_whole_line() {
        assert_eq!(typed(b"abc\x15d\n", true).0, ["d"]);
    }

    #[test]
    fn a_line_has_an_end() {
        let (entered, shown) = typed(&[vec![b'x'; MAX_LINE + 2], b"\n".to_vec()].concat(), true);
        assert_eq!(entered[0].len(), MAX_LINE);
        assert_eq!(shown.iter().filter(|&&byte| byte == BELL).count(), 2);
    }
}
