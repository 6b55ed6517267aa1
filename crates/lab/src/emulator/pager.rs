use super::output::Output;
use crate::session::PagerStyle;

/// Output that stopped at the end of the screen.
pub(super) struct Pager {
    style: PagerStyle,
    text: Vec<u8>,
    shown: usize,
}

/// Whether there is more to show.
pub(super) enum Progress {
    More,
    Done,
}

impl Pager {
    /// Shows the first page of `text`. `None` when that was all.
    pub(super) fn start(style: PagerStyle, text: &[u8], output: &mut Output) -> Option<Self> {
        let mut pager = Self { style, text: text.to_vec(), shown: 0 };
        let page = pager.page();
        match pager.show(page, output) {
            Progress::Done => None,
            Progress::More => {
                let prompt = pager.style.prompt.clone();
                output.push(prompt.as_bytes());
                Some(pager)
            }
        }
    }

    /// Space shows a page, enter a line; any other key ends the output.
    pub(super) fn key(&mut self, byte: u8, output: &mut Output) -> Progress {
        output.push(self.style.erase.as_bytes());
        let lines = match byte {
            b' ' => self.page(),
            b'\r' | b'\n' => 1,
            _ => return Progress::Done,
        };
        let progress = self.show(lines, output);
        if let Progress::More = progress {
            let percent = self.shown * 100 / self.text.len().max(1);
            output.push(self.style.later_prompt.replace("{{percent}}", &percent.to_string()).as_bytes());
        }
        progress
    }

    /// Lines of text on a screen whose last line is the pager's own.
    fn page(&self) -> usize {
        self.style.screen - 1
    }

    fn show(&mut self, lines: usize, output: &mut Output) -> Progress {
        let rest = &self.text[self.shown..];
        let mut ends = rest.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
        let end = ends.nth(lines - 1).unwrap_or(rest.len());
        output.push(&rest[..end]);
        self.shown += end;
        if self.shown == self.text.len() { Progress::Done } else { Progress::More }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style() -> PagerStyle {
        PagerStyle {
            prompt: "---(more)---".into(),
            later_prompt: "---(more {{percent}}%)---".into(),
            erase: "\r \r".into(),
            screen: 5,
        }
    }

    fn text(lines: usize) -> Vec<u8> {
        (0..lines).flat_map(|n| format!("{n}\r\n").into_bytes()).collect()
    }

    fn shown(output: &Output) -> String {
        String::from_utf8(output.to_vec()).unwrap()
    }

    #[test]
    fn a_text_that_fits_the_screen_is_not_stopped() {
        for lines in 0..=4 {
            let mut output = Output::default();
            assert!(Pager::start(style(), &text(lines), &mut output).is_none(), "{lines}");
            assert_eq!(output.to_vec(), text(lines));
        }
    }

    #[test]
    fn space_shows_a_page_and_enter_a_line() {
        let mut output = Output::default();
        let mut pager = Pager::start(style(), &text(10), &mut output).unwrap();
        assert_eq!(shown(&output), "0\r\n1\r\n2\r\n3\r\n---(more)---");

        let mut output = Output::default();
        assert!(matches!(pager.key(b'\r', &mut output), Progress::More));
        assert_eq!(shown(&output), "\r \r4\r\n---(more 50%)---");

        let mut output = Output::default();
        assert!(matches!(pager.key(b' ', &mut output), Progress::More));
        assert_eq!(shown(&output), "\r \r5\r\n6\r\n7\r\n8\r\n---(more 90%)---");

        let mut output = Output::default();
        assert!(matches!(pager.key(b' ', &mut output), Progress::Done));
        assert_eq!(shown(&output), "\r \r9\r\n");
    }

    #[test]
    fn a_text_that_ends_with_the_page_is_not_followed_by_an_empty_one() {
        let mut output = Output::default();
        let mut pager = Pager::start(style(), &text(8), &mut output).unwrap();
        assert!(matches!(pager.key(b' ', &mut Output::default()), Progress::Done));
    }

    #[test]
    fn any_other_key_ends_the_output() {
        let mut pager = Pager::start(style(), &text(10), &mut Output::default()).unwrap();
        let mut output = Output::default();
        assert!(matches!(pager.key(b'q', &mut output), Progress::Done));
        assert_eq!(shown(&output), "\r \r");
    }
}
