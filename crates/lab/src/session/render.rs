use super::SessionFile;
use super::placeholder::Placeholder;
use super::text::{Piece, Text};
use crate::personality::{DeviceState, Personality};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

const IOS_TIME: &str = "%H:%M:%S UTC %a %b %-d %Y";
const ASCTIME: &str = "%a %b %e %H:%M:%S %Y";
const JUNOS_TIME: &str = "%Y-%m-%d %H:%M:%S UTC";
/// `ntp clock-period` of a clock that is exactly right; real ones are a little off and drift.
const CLOCK_PERIOD: i64 = 17_179_869;

/// A line that the device did not understand.
pub(crate) struct Typed<'a> {
    pub(crate) line: &'a str,
    /// Column of the first word that was not understood, the prompt included.
    pub(crate) column: usize,
}

/// One device at one moment: all that a text may speak of.
pub(crate) struct View<'a> {
    pub(crate) session: &'a SessionFile,
    pub(crate) personality: &'a Personality,
    pub(crate) state: DeviceState,
    pub(crate) now: DateTime<Utc>,
    pub(crate) typed: Option<Typed<'a>>,
}

impl<'a> View<'a> {
    /// For texts that do not speak of the present time.
    pub(crate) fn timeless(
        session: &'a SessionFile,
        personality: &'a Personality,
        state: DeviceState,
    ) -> Self {
        Self { session, personality, state, now: state.changed_at, typed: None }
    }

    /// The text as it goes over the wire, in pieces; the filler is shared, not copied.
    pub(crate) fn render(&self, text: &Text) -> Vec<Bytes> {
        let mut writer = Writer::default();
        self.write(&mut writer, text, 0);
        writer.finish()
    }

    /// A short text as one string.
    pub(crate) fn string(&self, text: &Text) -> String {
        String::from_utf8_lossy(&self.render(text).concat()).into_owned()
    }

    /// `ticket` is the number of the change that the text belongs to, 0 outside changes.
    fn write(&self, writer: &mut Writer, text: &Text, ticket: u32) {
        for piece in &text.pieces {
            match piece {
                Piece::Literal(bytes) => writer.open.extend_from_slice(bytes),
                Piece::Change(at) => self.write_change(writer, *at),
                Piece::Value(Placeholder::Filler) => writer.share(self.personality.filler.clone()),
                Piece::Value(Placeholder::Size) => writer.mark_size(),
                Piece::Value(Placeholder::Ticket) => {
                    writer.open.extend_from_slice(self.ticket(ticket).to_string().as_bytes());
                }
                Piece::Value(placeholder) => {
                    writer.open.extend_from_slice(self.value(placeholder).as_bytes())
                }
            }
        }
    }

    /// Changes go round the change points: change `k` (from 0) is made at point `k mod points`.
    fn write_change(&self, writer: &mut Writer, at: usize) {
        let change = self.session.change(at);
        let points = self.session.change_points() as u32;
        let at = at as u32;
        let touched = (self.state.revision + points - 1 - at) / points;
        let last_touch = (at + 1 + points * touched).saturating_sub(points);
        match touched as usize % (change.alternatives.len() + 1) {
            0 => self.write(writer, &change.original, last_touch),
            alternative => self.write(writer, &change.alternatives[alternative - 1], last_touch),
        }
    }

    fn ticket(&self, change: u32) -> u32 {
        4000 + self.personality.index.wrapping_mul(7).wrapping_add(change) % 50_000
    }

    fn value(&self, placeholder: &Placeholder) -> String {
        let who = self.personality;
        match placeholder {
            Placeholder::Hostname => who.hostname.clone(),
            Placeholder::Username => who.username.clone(),
            Placeholder::Number => who.index.to_string(),
            Placeholder::PaddedNumber => format!("{:04}", who.index),
            Placeholder::Site => who.site().to_string(),
            Placeholder::Serial => who.serial(),
            Placeholder::Loopback => who.loopback().to_string(),
            Placeholder::Address => who.address.to_string(),
            Placeholder::Octet => (who.index % 256).to_string(),
            Placeholder::Mac => who.mac().map(|byte| format!("{byte:02x}")).join(":"),
            Placeholder::MacCisco => {
                let [a, b, c, d, e, f] = who.mac();
                format!("{a:02x}{b:02x}.{c:02x}{d:02x}.{e:02x}{f:02x}")
            }
            Placeholder::NowIos => self.now.format(IOS_TIME).to_string(),
            Placeholder::NowAsctime => self.now.format(ASCTIME).to_string(),
            Placeholder::NowJunos => self.now.format(JUNOS_TIME).to_string(),
            Placeholder::ClockPeriod => {
                (CLOCK_PERIOD + i64::from(who.index % 900) + self.now.timestamp() % 89).to_string()
            }
            Placeholder::UptimeIos => self.uptime(", "),
            Placeholder::UptimeEos => self.uptime(" and "),
            Placeholder::BootedIos => who.booted_at().format(IOS_TIME).to_string(),
            Placeholder::ChangedIos => self.state.changed_at.format(IOS_TIME).to_string(),
            Placeholder::ChangedJunos => self.state.changed_at.format(JUNOS_TIME).to_string(),
            Placeholder::ChangedBy => who.changed_by(self.state.revision).to_string(),
            Placeholder::Braces => "{{".to_string(),
            Placeholder::Caret => {
                let column = self.typed.as_ref().map_or(0, |typed| typed.column);
                format!("{:column$}^", "")
            }
            Placeholder::Command => self.typed.as_ref().map_or("", |typed| typed.line).to_string(),
            Placeholder::Word => {
                self.typed.as_ref().and_then(|typed| typed.line.split(' ').next()).unwrap_or("").to_string()
            }
            Placeholder::Secret(kind, label) => kind.invent(&mut who.chance(label)),
            // Written by `write` or by the filler; none of them reaches this place.
            Placeholder::Ticket
            | Placeholder::Size
            | Placeholder::Filler
            | Placeholder::Block
            | Placeholder::BlockHigh
            | Placeholder::BlockLow => String::new(),
        }
    }

    /// Time since the start: weeks, days, hours, minutes; `last` stands before the minutes.
    fn uptime(&self, last: &str) -> String {
        let up: TimeDelta = self.now - self.personality.booted_at();
        let count = |n: i64, unit: &str| format!("{n} {unit}{}", if n == 1 { "" } else { "s" });
        let longer: Vec<String> =
            [(up.num_weeks(), "week"), (up.num_days() % 7, "day"), (up.num_hours() % 24, "hour")]
                .into_iter()
                .filter(|(n, _)| *n > 0)
                .map(|(n, unit)| count(n, unit))
                .collect();
        let minutes = count(up.num_minutes() % 60, "minute");
        if longer.is_empty() { minutes } else { format!("{}{last}{minutes}", longer.join(", ")) }
    }
}

/// Collects a text in pieces.
#[derive(Default)]
struct Writer {
    closed: Vec<Bytes>,
    open: Vec<u8>,
    /// Where the size goes: before which of the closed pieces.
    size_at: Option<usize>,
}

impl Writer {
    fn share(&mut self, bytes: Bytes) {
        self.close();
        self.closed.push(bytes);
    }

    fn mark_size(&mut self) {
        self.close();
        self.size_at = Some(self.closed.len());
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.closed.push(std::mem::take(&mut self.open).into());
        }
    }

    fn finish(mut self) -> Vec<Bytes> {
        self.close();
        if let Some(at) = self.size_at {
            let behind = Bytes::from(self.size_behind(at).to_string());
            self.closed.insert(at, behind);
        }
        self.closed
    }

    /// A device counts its text with LF line ends, from the line after the one that shows the size.
    fn size_behind(&self, at: usize) -> usize {
        let counted: usize = self.closed[at..]
            .iter()
            .map(|piece| piece.len() - piece.iter().filter(|&&byte| byte == b'\r').count())
            .sum();
        // Up to LF; the CR in front of it stands for the LF, which was counted.
        let same_line: usize = self.closed[at..]
            .first()
            .map_or(0, |piece| piece.iter().position(|&byte| byte == b'\n').unwrap_or(piece.len()));
        counted.saturating_sub(same_line)
    }
}
