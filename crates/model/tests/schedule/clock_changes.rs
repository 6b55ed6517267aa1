//! Days on which a clock is set forward or back, and clocks of computers that jump.

use crate::{cron, every, shown, utc, within};

#[test]
fn a_time_that_the_clock_skips_runs_once_when_it_jumps() {
    for (zone, expression, after, expected) in [
        // 02:00 becomes 03:00.
        (
            "Europe/Zurich",
            "30 2 * * *",
            "2026-03-27T12:00",
            ["2026-03-28 02:30 CET", "2026-03-29 03:00 CEST", "2026-03-30 02:30 CEST"],
        ),
        (
            "Europe/Zurich",
            "0 2,14 * * *",
            "2026-03-28T12:00",
            ["2026-03-28 14:00 CET", "2026-03-29 03:00 CEST", "2026-03-29 14:00 CEST"],
        ),
        // Several skipped times are one run, and so is one that is due at the jump anyhow.
        (
            "Europe/Zurich",
            "*/20 2-3 * * *",
            "2026-03-29T00:00",
            ["2026-03-29 03:00 CEST", "2026-03-29 03:20 CEST", "2026-03-29 03:40 CEST"],
        ),
        (
            "America/New_York",
            "15 2 * * *",
            "2026-03-07T12:00",
            ["2026-03-08 03:00 EDT", "2026-03-09 02:15 EDT", "2026-03-10 02:15 EDT"],
        ),
        // 02:00 becomes 02:30.
        (
            "Australia/Lord_Howe",
            "10 2 * * *",
            "2026-10-02T20:00",
            ["2026-10-04 02:30 +11", "2026-10-05 02:10 +11", "2026-10-06 02:10 +11"],
        ),
    ] {
        assert_eq!(shown(&cron(expression, zone), after, 3), expected, "{zone} {expression}");
    }
    // A whole day that never was: the islands went over the date line.
    let runs = shown(&cron("0 2 * * *", "Pacific/Apia"), "2011-12-28T12:00", 4);
    assert_eq!(
        runs,
        ["2011-12-29 02:00 -10", "2011-12-31 00:00 +14", "2011-12-31 02:00 +14", "2012-01-01 02:00 +14"]
    );
}

#[test]
fn a_time_that_the_clock_shows_twice_runs_the_first_time() {
    for (zone, expression, after, expected) in [
        (
            "Europe/Zurich",
            "30 2 * * *",
            "2026-10-24T12:00",
            ["2026-10-25 02:30 CEST", "2026-10-26 02:30 CET", "2026-10-27 02:30 CET"],
        ),
        (
            "Europe/Zurich",
            "0 2,14 * * *",
            "2026-10-24T12:00",
            ["2026-10-25 02:00 CEST", "2026-10-25 14:00 CET", "2026-10-26 02:00 CET"],
        ),
        (
            "America/New_York",
            "30 1 * * *",
            "2026-10-31T12:00",
            ["2026-11-01 01:30 EDT", "2026-11-02 01:30 EST", "2026-11-03 01:30 EST"],
        ),
        // 02:00 becomes 01:30.
        (
            "Australia/Lord_Howe",
            "45 1 * * *",
            "2026-04-04T00:00",
            ["2026-04-05 01:45 +11", "2026-04-06 01:45 +1030", "2026-04-07 01:45 +1030"],
        ),
    ] {
        assert_eq!(shown(&cron(expression, zone), after, 3), expected, "{zone} {expression}");
    }
    // From between the two: the first is over, the second does not count.
    let next = shown(&cron("30 2 * * *", "Europe/Zurich"), "2026-10-25T00:45", 1);
    assert_eq!(next, ["2026-10-26 02:30 CET"]);
}

#[test]
fn every_hour_is_every_hour_that_passes() {
    let hourly = cron("0 * * * *", "Europe/Zurich");
    assert_eq!(
        shown(&hourly, "2026-10-24T23:30", 4),
        ["2026-10-25 02:00 CEST", "2026-10-25 02:00 CET", "2026-10-25 03:00 CET", "2026-10-25 04:00 CET"]
    );
    assert_eq!(
        shown(&hourly, "2026-03-28T23:30", 3),
        ["2026-03-29 01:00 CET", "2026-03-29 03:00 CEST", "2026-03-29 04:00 CEST"]
    );
    // Of an interval no clock is asked.
    let six_hours = every(6 * 3600, "2026-10-24T20:00");
    let runs: Vec<_> = six_hours.upcoming(utc("2026-10-24T20:00")).take(3).map(|run| run.at).collect();
    assert_eq!(runs, [utc("2026-10-25T02:00"), utc("2026-10-25T08:00"), utc("2026-10-25T14:00")]);
}

#[test]
fn windows_over_midnight_hold_on_the_days_of_a_change() {
    let nightly =
        |blackouts: &[&str]| within(cron("0 12 * * *", "Europe/Zurich"), &["22:00-05:00"], blackouts);
    for (evening, opens, closes) in [
        ("2026-03-28T12:00", "2026-03-28T21:00", "2026-03-29T03:00"),
        ("2026-10-24T12:00", "2026-10-24T20:00", "2026-10-25T04:00"),
        ("2026-11-21T12:00", "2026-11-21T21:00", "2026-11-22T04:00"),
    ] {
        let calendar = nightly(&[]);
        let run = calendar.next_allowed(utc(evening)).unwrap();
        assert_eq!((run, calendar.window_end(run)), (utc(opens), Some(utc(closes))));
    }
    // In the hour that comes twice a window closes the first time, a blackout ends the last time.
    let early = within(cron("0 12 * * *", "Europe/Zurich"), &["22:00-02:30"], &[]);
    assert_eq!(early.window_end(utc("2026-10-24T21:00")), Some(utc("2026-10-25T00:30")));
    let late = within(cron("0 12 * * *", "Europe/Zurich"), &[], &["22:00-02:30"]);
    assert_eq!(late.next_allowed(utc("2026-10-24T21:00")), Some(utc("2026-10-25T01:30")));
    // A window that lies in the hour that is skipped does not open on that day.
    let skipped = within(cron("0 12 * * *", "Europe/Zurich"), &["02:10-02:50"], &[]);
    assert_eq!(skipped.next_allowed(utc("2026-03-28T12:00")), Some(utc("2026-03-30T00:10")));
}

#[test]
fn a_computers_clock_that_jumps_forward_leaves_one_run_behind_it() {
    let nightly = cron("0 2 * * *", "UTC");
    assert_eq!(nightly.next_after(utc("2031-06-01T12:00")), Some(utc("2031-06-02T02:00")));
    let often = every(60, "2026-01-01");
    assert_eq!(often.next_after(utc("2031-06-01T12:00:30")), Some(utc("2031-06-01T12:01")));
}
