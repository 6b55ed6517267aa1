//! Times, sizes and durations as people read and write them.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use std::time::Duration;

/// `2026-03-01 14:05:09`, in UTC.
pub fn time(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// A time, or `-`.
pub fn time_or_dash(time_or: Option<DateTime<Utc>>) -> String {
    time_or.map_or_else(|| "-".to_owned(), time)
}

/// A text, or `-`.
pub fn or_dash(text: Option<&str>) -> String {
    text.filter(|text| !text.is_empty()).unwrap_or("-").to_owned()
}

/// `812 B`, `12.3 KiB`, `4.0 MiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut value, mut unit) = (bytes as f64 / 1024.0, 0);
    // 1023.95 would be rounded to 1024.0.
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        (value, unit) = (value / 1024.0, unit + 1);
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `830 ms`, `4.2 s`, `3 min 05 s`.
pub fn millis(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        _ => format!("{} min {:02} s", millis / 60_000, millis % 60_000 / 1_000),
    }
}

const UNITS: [(&str, u64); 5] = [("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// `1h30m`: what [`parse_duration`] reads.
pub fn duration(duration: Duration) -> String {
    let (mut rest, mut text) = (duration.as_secs(), String::new());
    for (unit, seconds) in UNITS {
        if rest >= seconds {
            text += &format!("{}{unit}", rest / seconds);
            rest %= seconds;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

/// Reads `90s`, `15m`, `1h30m`, `1d`, `2w`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("expected a duration such as 30m, 1h, 1h30m or 1d, found '{text}'");
    let (mut seconds, mut rest) = (0u64, text);
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let (unit, factor) =
            UNITS.into_iter().find(|(unit, _)| rest[digits..].starts_with(unit)).ok_or_else(wrong)?;
        seconds = number.checked_mul(factor).and_then(|more| seconds.checked_add(more)).ok_or_else(wrong)?;
        rest = &rest[digits + unit.len()..];
    }
    if seconds == 0 { Err(wrong()) } else { Ok(Duration::from_secs(seconds)) }
}

/// Reads `2026-03-01T14:05:09+01:00`, or in UTC `2026-03-01 14:05:09`, `2026-03-01 14:05` and `2026-03-01` (the
/// end of that day, so that the day's versions count).
pub fn parse_time(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.to_utc());
    }
    let plain = text.replace('T', " ");
    for format in ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(&plain, format) {
            return Ok(time.and_utc());
        }
    }
    NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .ok()
        .and_then(|day| day.and_hms_opt(23, 59, 59))
        .map(|time| time.and_utc())
        .ok_or_else(|| {
            format!("expected a time such as 2026-03-01, '2026-03-01 14:05' (UTC) or 2026-03-01T14:05:09+01:00, found '{text}'")
        })
}

/// The text with control characters made visible; colour sequences of our own pass when `colours` says so.
pub fn printable(text: &str, colours: bool) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        match own_colour(rest).filter(|_| colours) {
            Some(sequence) => {
                shown += sequence;
                rest = &rest[sequence.len()..];
                continue;
            }
            None if c == '\n' || c == '\t' => shown.push(c),
            // U+2400 and following are pictures of the control characters.
            None if c.is_ascii_control() => {
                let picture = if c == '\u{7f}' { 0x2421 } else { 0x2400 + u32::from(c) };
                shown.push(char::from_u32(picture).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            None if c.is_control() => shown.push(char::REPLACEMENT_CHARACTER),
            None => shown.push(c),
        }
        rest = &rest[c.len_utf8()..];
    }
    shown
}

/// Colour for a word or a line.
pub fn paint(colour: &str, text: &str) -> String {
    format!("{colour}{text}{RESET}")
}

/// Lines that came.
pub const GREEN: &str = "\x1b[32m";
/// Lines that went, failures.
pub const RED: &str = "\x1b[31m";
/// Positions, things to look at.
pub const CYAN: &str = "\x1b[36m";
/// Headings.
pub const BOLD: &str = "\x1b[1m";
/// Ends each of them.
pub const RESET: &str = "\x1b[0m";

fn own_colour(text: &str) -> Option<&'static str> {
    [GREEN, RED, CYAN, BOLD, RESET].into_iter().find(|sequence| text.starts_with(sequence))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_and_durations_read_well_at_their_borders() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_048_575, "1.0 MiB"),
            (u64::MAX, "16384.0 PiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        for (ms, text) in [(999, "999 ms"), (1_000, "1.0 s"), (59_999, "59.9 s"), (185_000, "3 min 05 s")] {
            assert_eq!(millis(ms), text);
        }
    }

    #[test]
    fn durations_that_make_no_sense_are_refused() {
        for bad in [
            "",
            "h",
            "1",
            "1x",
            "0s",
            "-1h",
            "1h 30m",
            "99999999999999999999w",
            "18446744073709551615w",
            "1é",
        ] {
            assert!(parse_duration(bad).is_err(), "{bad:?}");
        }
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5_400)));
    }

    #[test]
    fn times_are_understood_as_people_write_them() {
        for (text, expected) in [
            ("2026-03-01T14:05:09+01:00", "2026-03-01 13:05:09"),
            ("2026-03-01 14:05", "2026-03-01 14:05:00"),
            ("2026-03-01T14:05:09", "2026-03-01 14:05:09"),
            ("2026-03-01", "2026-03-01 23:59:59"),
        ] {
            assert_eq!(parse_time(text).map(time), Ok(expected.to_owned()));
        }
        for bad in ["yesterday", "2026-02-30", "", "2026-03-01 25:00"] {
            assert!(parse_time(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn control_characters_are_shown_and_only_our_own_colours_obeyed() {
        assert_eq!(printable("a\x1b[2Jb\r\n\tc\x07\u{9b}", false), "a␛[2Jb␍\n\tc␇\u{fffd}");
        assert_eq!(printable("\x1b[31mx\x1b[0m\x1b]0;t", true), "\x1b[31mx\x1b[0m␛]0;t");
        assert_eq!(printable("\x1b[31mx", false), "␛[31mx");
    }

    proptest! {
        #[test]
        fn what_is_shown_of_a_duration_is_read_as_the_same(seconds in 1u64..10_000_000) {
            let value = Duration::from_secs(seconds);
            prop_assert_eq!(parse_duration(&duration(value)), Ok(value));
        }

        #[test]
        fn nothing_breaks_the_parsers(text in "\\PC{0,20}") {
            let _ = (parse_duration(&text), parse_time(&text), printable(&text, true));
        }
    }
}
