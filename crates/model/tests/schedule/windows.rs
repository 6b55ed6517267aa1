use crate::{cron, every, shown, utc, within};
use netraven_model::schedule::Span;

#[test]
fn what_is_due_outside_the_windows_runs_once_when_one_opens() {
    // Hourly, but only at night: twenty-four times a day are due, seven in the window, the rest are one run.
    let hourly = within(cron("30 * * * *", "UTC"), &["22:00-05:00"], &[]);
    assert_eq!(
        shown(&hourly, "2026-11-21T03:00", 5),
        [
            "2026-11-21 03:30 UTC",
            "2026-11-21 04:30 UTC",
            "2026-11-21 22:00 UTC",
            "2026-11-21 22:30 UTC",
            "2026-11-21 23:30 UTC"
        ]
    );
    // At noon, but never open at noon: once a day when it opens.
    let noon = within(cron("0 12 * * *", "UTC"), &["22:00-05:00"], &[]);
    assert_eq!(shown(&noon, "2026-11-21T06:00", 2), ["2026-11-21 22:00 UTC", "2026-11-22 22:00 UTC"]);
    let first = noon.occurrence_after(utc("2026-11-21T06:00")).unwrap();
    assert_eq!((first.due, first.at), (utc("2026-11-21T12:00"), utc("2026-11-21T22:00")));
}

#[test]
fn windows_of_days_begin_on_those_days() {
    let weekend = within(cron("0 4 * * *", "UTC"), &["Sat,Sun 00:00-24:00"], &[]);
    // 2026-11-21 is a Saturday.
    assert_eq!(
        shown(&weekend, "2026-11-21T03:00", 3),
        ["2026-11-21 04:00 UTC", "2026-11-22 04:00 UTC", "2026-11-28 00:00 UTC"]
    );
    assert_eq!(weekend.window_end(utc("2026-11-21T04:00")), Some(utc("2026-11-23T00:00")));
    let nights = within(cron("0 4 * * *", "UTC"), &["Mon-Fri 20:00-06:00"], &[]);
    // The night from Friday to Saturday is Friday's.
    assert_eq!(
        shown(&nights, "2026-11-21T03:00", 3),
        ["2026-11-21 04:00 UTC", "2026-11-23 20:00 UTC", "2026-11-24 04:00 UTC"]
    );
}

#[test]
fn blackouts_hold_runs_back_until_they_are_over() {
    let freeze = within(cron("0 2 * * *", "Europe/Zurich"), &[], &["2026-12-20..2027-01-03"]);
    assert_eq!(
        shown(&freeze, "2026-12-18T12:00", 4),
        ["2026-12-19 02:00 CET", "2027-01-04 00:00 CET", "2027-01-04 02:00 CET", "2027-01-05 02:00 CET"]
    );
    let hours =
        within(cron("0 2 * * *", "UTC"), &[], &["2026-12-20T18:00..2026-12-21T06:00", "Tue 01:00-02:30"]);
    assert_eq!(
        shown(&hours, "2026-12-20T00:00", 3),
        ["2026-12-20 02:00 UTC", "2026-12-21 06:00 UTC", "2026-12-22 02:30 UTC"]
    );
    assert_eq!(hours.window_end(utc("2026-12-20T02:00")), Some(utc("2026-12-20T18:00")));
    // With windows too: the run waits for a moment that both allow.
    let both = within(cron("0 2 * * *", "UTC"), &["01:00-03:00"], &["2026-12-24", "Fri 00:00-02:30"]);
    assert_eq!(shown(&both, "2026-12-23T12:00", 2), ["2026-12-25 02:30 UTC", "2026-12-26 02:00 UTC"]);
}

#[test]
fn an_interval_keeps_its_rhythm_whatever_windows_did_to_a_run() {
    let calendar = within(every(5 * 3600, "2026-11-21T00:00"), &["20:00-06:00"], &[]);
    assert_eq!(
        shown(&calendar, "2026-11-20T23:59", 5),
        // Due at 0, 5, 10, 15, 20, 1 o'clock.
        [
            "2026-11-21 00:00 UTC",
            "2026-11-21 05:00 UTC",
            "2026-11-21 20:00 UTC",
            "2026-11-22 01:00 UTC",
            "2026-11-22 20:00 UTC"
        ]
    );
}

#[test]
fn windows_that_touch_are_one_and_those_that_never_close_have_no_end() {
    let touching = within(every(60, "2026-11-21"), &["22:00-24:00", "00:00-05:00", "04:00-06:00"], &[]);
    assert_eq!(touching.window_end(utc("2026-11-21T23:00")), Some(utc("2026-11-22T06:00")));
    assert_eq!(touching.window_end(utc("2026-11-21T12:00")), Some(utc("2026-11-21T12:00")));
    let always = within(every(60, "2026-11-21"), &["00:00-24:00"], &[]);
    assert_eq!(always.window_end(utc("2026-11-21T12:00")), None);
    assert_eq!(every(60, "2026-11-21").window_end(utc("2026-11-21T12:00")), None);
}

#[test]
fn the_last_moment_of_a_window_is_the_one_before_its_end() {
    let calendar = within(every(60, "2026-11-21"), &["22:00-05:00"], &[]);
    for (time, allowed) in [
        ("2026-11-21T21:59:59", false),
        ("2026-11-21T22:00:00", true),
        ("2026-11-22T04:59:59", true),
        ("2026-11-22T05:00:00", false),
    ] {
        assert_eq!(calendar.allows(utc(time)), allowed, "{time}");
    }
}

#[test]
fn words_of_windows_and_blackouts_are_read_and_nonsense_is_refused_with_what_was_expected() {
    for good in
        ["22:00-05:00", "Sat,Sun 00:00-24:00", "monday-Friday 20:00-06:00", "Fri-Mon", "sun", "0:00-1:30"]
    {
        assert_eq!(Span::window(good).unwrap().as_str(), good);
        assert!(Span::blackout(good).is_ok(), "{good}");
    }
    for good in ["2026-12-24", "2026-12-20..2027-01-03", "2026-12-20T18:00 .. 2027-01-03 06:00"] {
        assert!(Span::blackout(good).is_ok(), "{good}");
        assert_eq!(Span::window(good).unwrap_err().what, "window");
    }
    for bad in [
        "",
        "22-05",
        "22:00",
        "24:00-05:00",
        "22:00-25:00",
        "22:60-23:00",
        "+2:00-5:00",
        "Mo 20:00-06:00",
        "Mon-Xxx 20:00-06:00",
        "Mon, 20:00-06:00",
        "Mon 20:00 06:00",
        "22:00-05:00 Mon",
        "2:0-3:00",
        "١:00-2:00",
    ] {
        let error = Span::window(bad).unwrap_err();
        assert!(error.reason.starts_with("expected times such as 22:00-05:00"), "{bad}: {error}");
        assert_eq!(Span::blackout(bad).unwrap_err().what, "blackout");
    }
    assert!(Span::window("22:00-22:00").unwrap_err().reason.contains("would never be open"));
    for (bad, reason) in [
        ("2026-12-20..", "expected dates such as"),
        ("..2026-12-20", "expected dates such as"),
        ("2026-13-20..2026-13-21", "expected dates such as"),
        ("2026-02-29..2026-03-01", "expected dates such as"),
        ("2027-01-03..2026-12-20", "ends before it begins"),
        ("2027-01-03T10:00..2027-01-03T10:00", "ends before it begins"),
        ("+12026-12-24..2027-01-01", "expected dates such as"),
    ] {
        let error = Span::blackout(bad).unwrap_err();
        assert!(error.reason.contains(reason), "{bad}: {error}");
    }
}
