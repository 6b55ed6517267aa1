//! What a person would see on a terminal of unlimited length, as bytes.
//!
//! Carriage returns, backspaces and escape sequences are carried out, so that a pager's text which
//! the device erases again is gone, and line ends are one `\n`, in whatever pieces they arrive.
//! (ECMA-48 for the control sequences.) Cost is linear in the input.

use std::fmt;
use zeroize::{Zeroize, Zeroizing};

/// A line can be overwritten up to this length. What is longer is no terminal line, and looking
/// through it again and again would cost more than linear time.
const MAX_LINE: usize = 64 * 1024;

/// An escape sequence longer than this is none: its rest is shown as text.
const MAX_SEQUENCE: usize = 64;

/// A terminal that only remembers text; the last line can still be overwritten.
#[derive(Default)]
pub struct Terminal {
    text: Zeroizing<Vec<u8>>,
    line_start: usize,
    /// Where the next byte goes: at most `text.len()`, at least `line_start`.
    cursor: usize,
    carriage_return: bool,
    sequence: Sequence,
}

/// Where in an escape sequence the input stands.
#[derive(Debug, Default)]
enum Sequence {
    #[default]
    None,
    Escape,
    /// Parameters of a control sequence, after `ESC [`.
    Control(Vec<u8>),
    /// A title or the like, after `ESC ]`, until BEL or `ESC \`; its length.
    Command(usize),
    /// One more byte belongs to it, e.g. `ESC ( B`.
    Designate,
}

impl Terminal {
    /// Takes what the device sent.
    pub fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if matches!(self.sequence, Sequence::None) && !self.carriage_return {
                let plain = rest.iter().position(|byte| is_control(*byte)).unwrap_or(rest.len());
                self.write(&rest[..plain]);
                rest = &rest[plain..];
            }
            let Some((byte, following)) = rest.split_first() else { break };
            self.step(*byte);
            rest = following;
        }
    }

    /// Everything on the terminal.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The line the cursor is in, as far as it is not blank behind the cursor.
    pub fn last_line(&self) -> &[u8] {
        &self.text[self.line_start..self.line_end()]
    }

    /// The text before the line the cursor is in.
    pub fn lines(&self) -> &[u8] {
        &self.text[..self.line_start]
    }

    /// Takes the lines out, e.g. as a command's answer, and empties the terminal.
    pub fn take_lines(&mut self) -> Vec<u8> {
        let mut lines = std::mem::take(&mut *self.text);
        lines.truncate(self.line_start);
        (self.line_start, self.cursor) = (0, 0);
        lines
    }

    /// Removes the line the cursor is in: for a pager's text that has been answered.
    pub fn erase_last_line(&mut self) {
        self.text.truncate(self.line_start);
        self.cursor = self.line_start;
    }

    /// Takes everything away behind so many bytes; the line that they end in is the last one.
    pub fn cut(&mut self, length: usize) {
        self.text.truncate(length);
        self.line_start = self.text.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        self.cursor = self.text.len();
    }

    /// Empties the terminal; what stood there is overwritten.
    pub fn clear(&mut self) {
        self.text.zeroize();
        (self.line_start, self.cursor) = (0, 0);
    }

    fn line_end(&self) -> usize {
        let behind_is_blank = self.text[self.cursor..].iter().all(|byte| *byte == b' ');
        if behind_is_blank { self.cursor } else { self.text.len() }
    }

    fn write(&mut self, bytes: &[u8]) {
        let overwritten = bytes.len().min(self.text.len() - self.cursor);
        self.text[self.cursor..self.cursor + overwritten].copy_from_slice(&bytes[..overwritten]);
        self.text.extend_from_slice(&bytes[overwritten..]);
        self.cursor += bytes.len();
        if self.text.len() - self.line_start > MAX_LINE {
            self.line_start = self.text.len();
            self.cursor = self.line_start;
        }
    }

    fn step(&mut self, byte: u8) {
        match std::mem::take(&mut self.sequence) {
            Sequence::None => self.control(byte),
            Sequence::Escape => self.escape(byte),
            Sequence::Control(parameters) => self.control_sequence(parameters, byte),
            Sequence::Command(length) if byte != 0x07 && length < MAX_SEQUENCE * 16 => {
                // ESC ends it too, and starts the `ESC \` that follows.
                self.sequence = if byte == 0x1b { Sequence::Escape } else { Sequence::Command(length + 1) };
            }
            Sequence::Command(_) | Sequence::Designate => {}
        }
    }

    fn control(&mut self, byte: u8) {
        if self.carriage_return && byte != b'\n' && byte != b'\r' && byte != 0 {
            self.carriage_return = false;
            self.cursor = self.line_start;
        }
        match byte {
            // Some devices send CR CR LF; all of it is one line end, also in pieces.
            b'\r' => self.carriage_return = true,
            b'\n' => {
                self.carriage_return = false;
                let end = self.line_end();
                self.text.truncate(end);
                self.text.push(b'\n');
                self.line_start = self.text.len();
                self.cursor = self.line_start;
            }
            0x08 => self.cursor = self.cursor.saturating_sub(1).max(self.line_start),
            0x1b => self.sequence = Sequence::Escape,
            _ if is_control(byte) => {}
            _ => self.write(&[byte]),
        }
    }

    fn escape(&mut self, byte: u8) {
        self.sequence = match byte {
            // `NEL`, next line: ProCurve ends the line of the echo with it.
            b'E' => return self.control(b'\n'),
            b'[' => Sequence::Control(Vec::new()),
            b']' | b'P' | b'_' | b'^' => Sequence::Command(0),
            b'(' | b')' | b'*' | b'+' | b'#' => Sequence::Designate,
            0x1b => Sequence::Escape,
            _ => Sequence::None,
        };
    }

    fn control_sequence(&mut self, mut parameters: Vec<u8>, byte: u8) {
        match byte {
            // Parameter and intermediate bytes.
            0x20..=0x3f if parameters.len() < MAX_SEQUENCE => {
                parameters.push(byte);
                self.sequence = Sequence::Control(parameters);
            }
            b'K' => self.erase(&parameters),
            // All that is kept of a screen is its last line: erasing the screen leaves nothing of that.
            b'J' => self.erase(&parameters),
            // Of a position (`24;5`) only the column: what is written there is the line at the bottom.
            b'H' | b'f' => {
                let column = parameters
                    .iter()
                    .position(|byte| *byte == b';')
                    .map_or(1, |at| count(&parameters[at + 1..]));
                self.cursor = (self.line_start + column - 1).min(self.text.len());
            }
            // `IL`: a terminal that scrolls by hand inserts an empty line at the bottom.
            b'L' => self.control(b'\n'),
            b'D' => self.cursor = self.cursor.saturating_sub(count(&parameters)).max(self.line_start),
            b'G' => self.cursor = (self.line_start + count(&parameters) - 1).min(self.text.len()),
            b'C' => self.cursor = (self.cursor + count(&parameters)).min(self.text.len()),
            // A cut sequence must not swallow the line end behind it.
            b'\r' | b'\n' | 0x1b => self.control(byte),
            _ => {}
        }
    }

    /// `EL`: to the line's end (0), to the cursor (1) or all of it (2).
    fn erase(&mut self, parameters: &[u8]) {
        match parameters {
            b"" | b"0" => self.text.truncate(self.cursor),
            b"1" => self.text[self.line_start..self.cursor].fill(b' '),
            b"2" => {
                let cursor = self.cursor;
                self.text.truncate(cursor);
                self.text[self.line_start..].fill(b' ');
            }
            _ => {}
        }
    }
}

/// What a device said may hold secrets.
impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Terminal({} bytes)", self.text.len())
    }
}

fn is_control(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\t') || byte == 0x7f
}

fn count(parameters: &[u8]) -> usize {
    let digits = std::str::from_utf8(parameters).ok();
    digits.and_then(|text| text.parse::<u16>().ok()).map_or(1, |count| usize::from(count.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(bytes: &[u8]) -> String {
        let mut terminal = Terminal::default();
        terminal.feed(bytes);
        let end = [terminal.lines(), terminal.last_line()].concat();
        String::from_utf8_lossy(&end).into_owned()
    }

    #[test]
    fn line_ends_of_every_kind_become_one() {
        assert_eq!(shown(b"a\r\nb\r\r\nc\nd\r\0\ne"), "a\nb\nc\nd\ne");
        assert_eq!(shown(b"trailing   \r\nx"), "trailing   \nx");
    }

    #[test]
    fn a_pager_that_is_overwritten_leaves_nothing_behind() {
        let ios = b"one\r\n --More-- \x08\x08\x08\x08\x08\x08\x08\x08\x08\x08          \x08\x08\x08\x08\x08\x08\x08\x08\x08\x08 ip\r\nend";
        let mut terminal = Terminal::default();
        terminal.feed(&ios[..15]);
        assert_eq!(terminal.last_line(), b" --More-- ");
        terminal.erase_last_line();
        terminal.feed(&ios[15..]);
        assert_eq!([terminal.lines(), terminal.last_line()].concat(), b"one\n ip\nend");
        assert_eq!(shown(b"a\r\n---(more 40%)---\r                     \rb\r\n"), "a\nb\n");
        assert_eq!(shown(b"a\r\n--More--\r\x1b[Kb\r\n"), "a\nb\n");
    }

    #[test]
    fn escape_sequences_are_not_text() {
        assert_eq!(shown(b"\x1b[1;32mhost\x1b[0m# \x1b]0;title\x07x\x1b(By\x1b[?25l"), "host# xy");
        assert_eq!(shown(b"\x1b]0;title\x1b\\x"), "x");
        assert_eq!(shown(b"abc\x1b[2Dx"), "axc");
        assert_eq!(shown(b"abc\x08\x08\x08\x08z"), "zbc");
        assert_eq!(shown(b"a\x1b[31\nb"), "a\nb");
    }

    #[test]
    fn a_screen_that_is_drawn_by_positions_reads_like_lines() {
        // As ProCurve switches do it: the prompt, the echo redrawn in place, the next line, the answer.
        let procurve = b"\x1b[2J\x1b[1;24r\x1b[24;1H\x1b[2K\x1b[24;1H\x1b[?25h\x1b[24;1Hsw# \x1b[24;1H\x1b[24;5H\
            \x1b[24;1H\x1b[2K\x1b[24;1Hsw# show x\x1b[24;1H\x1b[24;11H\x1b[24;0H\x1bE\x1b[24;1H\x1b[24;11H\x1b[24;1H\x1b[2K\
            one\r\n\r\ntwo\r\n\x1b[1;24r\x1b[24;1H\x1b[2Ksw# ";
        assert_eq!(shown(procurve), "sw# show x\none\n\ntwo\nsw# ");
        assert_eq!(shown(b"sw# x\x1b[1;0H\x1b[1M\x1b[24;1H\x1b[1Lsw# "), "sw# x\nsw# ");
        assert_eq!(shown(b"old screen\x1b[H\x1b[2Jsw# "), "sw# ");
    }

    #[test]
    fn an_endless_sequence_does_not_swallow_the_session() {
        let mut flood = b"\x1b[".to_vec();
        flood.extend(std::iter::repeat_n(b'1', 5_000));
        flood.extend_from_slice(b"m\nprompt#");
        assert!(shown(&flood).ends_with("\nprompt#"));
    }

    #[test]
    fn a_line_longer_than_any_terminal_is_kept_whole_and_costs_linear_time() {
        let mut terminal = Terminal::default();
        terminal.feed(&vec![b' '; 4 << 20]);
        terminal.feed(b"\r");
        (0..20_000).for_each(|_| terminal.feed(b"\x1b[2Kx\x08"));
        terminal.feed(b"\nend");
        assert_eq!(terminal.last_line(), b"end");
        assert!(terminal.lines().len() >= 4 << 20);
    }

    #[test]
    fn text_that_is_no_utf8_passes_unchanged() {
        let mut terminal = Terminal::default();
        terminal.feed(b"\xff\xfe\xc3\n");
        assert_eq!(terminal.text(), b"\xff\xfe\xc3\n");
    }

    fn input() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"\r\n".to_vec()),
            Just(b"\r".to_vec()),
            Just(b"\x08".to_vec()),
            Just(b"\x1b[K".to_vec()),
            Just(b"\x1b[2D".to_vec()),
            Just(b"\x1b]0;t\x07".to_vec()),
            "[a-z ]{1,8}".prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>(), 0..6),
        ];
        proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn the_result_does_not_depend_on_how_the_input_was_cut(bytes in input(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8)) {
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            at.push(bytes.len());
            at.sort_unstable();
            let mut pieces = Terminal::default();
            let mut start = 0;
            for end in at {
                pieces.feed(&bytes[start..end]);
                start = end;
            }
            let mut whole = Terminal::default();
            whole.feed(&bytes);
            prop_assert_eq!(pieces.text(), whole.text());
            prop_assert_eq!(pieces.last_line(), whole.last_line());
            prop_assert!(whole.cursor >= whole.line_start && whole.cursor <= whole.text.len());
        }
    }
}
