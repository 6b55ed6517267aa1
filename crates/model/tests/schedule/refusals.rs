//! What is refused when a schedule is saved, with the reason.

use crate::{cron, every, utc, within};
use netraven_model::schedule::{Calendar, Timing};
use std::time::Duration;

const NOW: &str = "2026-11-21T18:00";

fn refused(calendar: &Calendar, jitter: u64, what: &str, reason: &str) {
    let error = calendar.check(utc(NOW), Duration::from_secs(jitter)).unwrap_err();
    assert!(error.what == what && error.reason.contains(reason), "{calendar:?}: {error}");
}

#[test]
fn schedules_that_make_sense_are_taken() {
    let nightly = cron("0 2 * * *", "Europe/Zurich");
    for (calendar, jitter) in [
        (nightly.clone(), 0),
        (nightly.clone(), 20 * 3600),
        (within(nightly.clone(), &["22:00-05:00"], &["2026-12-20..2027-01-03"]), 7 * 3600),
        (Calendar { valid_from: Some(utc("2036-01-01")), ..nightly.clone() }, 0),
        (Calendar { valid_until: Some(utc("2026-11-23")), ..nightly }, 0),
        (cron("0 0 29 2 *", "UTC"), 3600),
        (every(60, NOW), 60),
        (Calendar::new(Timing::Once(utc("2026-11-21T18:00"))), 3600),
    ] {
        assert_eq!(calendar.check(utc(NOW), Duration::from_secs(jitter)), Ok(()), "{calendar:?}");
    }
}

#[test]
fn what_never_comes_or_is_over_is_refused() {
    refused(&cron("0 0 30 2 *", "UTC"), 0, "cron", "'0 0 30 2 *' never comes");
    refused(&cron("0 0 31 4,6,9,11 *", "UTC"), 0, "cron", "never comes");
    let once = |at| Calendar::new(Timing::Once(utc(at)));
    refused(&once("2026-11-21T17:59"), 0, "at", "2026-11-21 17:59 UTC is over");
    let until = |at, calendar| Calendar { valid_until: Some(utc(at)), ..calendar };
    refused(&until("2026-11-21T18:00", every(60, NOW)), 0, "until", "is over");
    refused(
        &until("2026-11-22T02:00", cron("0 2 * * *", "UTC")),
        0,
        "until",
        "no run would start before that",
    );
    let backwards = Calendar { valid_from: Some(utc("2027-02-01")), ..until("2027-01-01", every(60, NOW)) };
    refused(&backwards, 0, "until", "is not behind the beginning");
    for seconds in [0, u64::MAX, 11 * 366 * 24 * 3600] {
        refused(&every(seconds, NOW), 0, "every", "one to ten years");
    }
}

#[test]
fn windows_that_never_open_are_refused() {
    let nightly = cron("0 2 * * *", "UTC");
    let swallowed = within(nightly.clone(), &["22:00-05:00"], &["20:00-08:00"]);
    refused(&swallowed, 0, "blackout", "they cover the windows (22:00-05:00) for 5 years");
    let in_pieces = within(nightly.clone(), &["Sat 22:00-05:00"], &["21:00-24:00", "00:00-06:00"]);
    refused(&in_pieces, 0, "blackout", "they cover the windows");
    refused(&within(nightly.clone(), &[], &["00:00-24:00"]), 0, "blackout", "leave no time for a run");
    refused(&within(nightly.clone(), &[], &["2026-01-01..2040-01-01"]), 0, "blackout", "leave no time");
    let over = within(
        Calendar { valid_until: Some(utc("2026-12-24")), ..nightly },
        &[],
        &["2026-11-01..2026-12-24"],
    );
    refused(&over, 0, "until", "no run would start before that");
    let many = vec!["22:00-23:00"; 101];
    refused(&within(cron("0 2 * * *", "UTC"), &many, &[]), 0, "window", "expected 100 at most");
}

#[test]
fn a_jitter_that_is_longer_than_a_window_or_the_pause_between_runs_is_refused() {
    let nightly = within(cron("0 2 * * *", "UTC"), &["22:00-05:00", "12:00-12:30"], &[]);
    refused(&nightly, 31 * 60, "jitter", "31 min is longer than the window '12:00-12:30' is open, 30 min");
    refused(&every(3600, NOW), 3601, "jitter", "3601 s is longer than the time between two runs, 1 h");
    refused(&cron("0 2,3 * * *", "UTC"), 7200, "jitter", "2 h is longer than the time between two runs, 1 h");
    refused(&every(3600, NOW), u64::MAX, "jitter", "less than the time between two runs");
}
