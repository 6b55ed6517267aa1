use crate::{cron, shown, utc};
use netraven_model::schedule::CronTime;

#[test]
fn expressions_and_words_give_the_times_that_they_name() {
    let after = "2026-11-21T18:00";
    for (expression, expected) in [
        ("0 2 * * *", ["2026-11-22 02:00 UTC", "2026-11-23 02:00 UTC", "2026-11-24 02:00 UTC"]),
        ("@daily", ["2026-11-22 00:00 UTC", "2026-11-23 00:00 UTC", "2026-11-24 00:00 UTC"]),
        ("@hourly", ["2026-11-21 19:00 UTC", "2026-11-21 20:00 UTC", "2026-11-21 21:00 UTC"]),
        ("@weekly", ["2026-11-22 00:00 UTC", "2026-11-29 00:00 UTC", "2026-12-06 00:00 UTC"]),
        ("@monthly", ["2026-12-01 00:00 UTC", "2027-01-01 00:00 UTC", "2027-02-01 00:00 UTC"]),
        ("@yearly", ["2027-01-01 00:00 UTC", "2028-01-01 00:00 UTC", "2029-01-01 00:00 UTC"]),
        ("*/20 18 * * *", ["2026-11-21 18:20 UTC", "2026-11-21 18:40 UTC", "2026-11-22 18:00 UTC"]),
        ("30 2 * * mon-fri", ["2026-11-23 02:30 UTC", "2026-11-24 02:30 UTC", "2026-11-25 02:30 UTC"]),
        ("0 2 * JAN,Jul 7", ["2027-01-03 02:00 UTC", "2027-01-10 02:00 UTC", "2027-01-17 02:00 UTC"]),
        // The end of each month, and days that some months lack.
        ("0 3 L * *", ["2026-11-30 03:00 UTC", "2026-12-31 03:00 UTC", "2027-01-31 03:00 UTC"]),
        ("0 3 31 * *", ["2026-12-31 03:00 UTC", "2027-01-31 03:00 UTC", "2027-03-31 03:00 UTC"]),
        ("0 3 29 2 *", ["2028-02-29 03:00 UTC", "2032-02-29 03:00 UTC", "2036-02-29 03:00 UTC"]),
        ("0 3 L 2 *", ["2027-02-28 03:00 UTC", "2028-02-29 03:00 UTC", "2029-02-28 03:00 UTC"]),
        // The second Tuesday, the last Friday, the working day nearest to the first.
        ("0 3 * * TUE#2", ["2026-12-08 03:00 UTC", "2027-01-12 03:00 UTC", "2027-02-09 03:00 UTC"]),
        ("0 3 * * FRI#L", ["2026-11-27 03:00 UTC", "2026-12-25 03:00 UTC", "2027-01-29 03:00 UTC"]),
        ("0 3 1W * *", ["2026-12-01 03:00 UTC", "2027-01-01 03:00 UTC", "2027-02-01 03:00 UTC"]),
    ] {
        assert_eq!(shown(&cron(expression, "UTC"), after, 3), expected, "{expression}");
    }
}

#[test]
fn a_leap_day_is_found_over_a_century_without_one() {
    // 2100 is no leap year.
    let runs = shown(&cron("0 0 29 2 *", "UTC"), "2096-01-01", 2);
    assert_eq!(runs, ["2096-02-29 00:00 UTC", "2104-02-29 00:00 UTC"]);
}

#[test]
fn the_time_itself_is_no_next_time() {
    let nightly = cron("0 2 * * *", "UTC");
    for after in ["2026-11-22T02:00:00", "2026-11-22T02:00:01"] {
        assert_eq!(nightly.next_after(utc(after)), Some(utc("2026-11-23T02:00")));
    }
    let just_before = utc("2026-11-22T02:00") - chrono::TimeDelta::microseconds(1);
    assert_eq!(nightly.next_after(just_before), Some(utc("2026-11-22T02:00")));
    assert_eq!(cron("0 * * * *", "UTC").next_after(just_before), Some(utc("2026-11-22T02:00")));
}

#[test]
fn expressions_are_read_in_their_own_zone() {
    for (zone, expected) in [
        ("Europe/Zurich", "2026-11-22T01:00"),
        ("America/New_York", "2026-11-22T07:00"),
        ("Asia/Kolkata", "2026-11-21T20:30"),
        ("Asia/Kathmandu", "2026-11-21T20:15"),
        ("Australia/Lord_Howe", "2026-11-22T15:00"),
        ("Pacific/Kiritimati", "2026-11-22T12:00"),
    ] {
        let next = cron("0 2 * * *", zone).next_after(utc("2026-11-21T18:00"));
        assert_eq!(next, Some(utc(expected)), "{zone}");
    }
    // The last day of the month is over there first.
    let next = cron("0 1 1 * *", "Pacific/Kiritimati").next_after(utc("2026-11-30T00:00"));
    assert_eq!(next, Some(utc("2026-11-30T11:00")));
}

#[test]
fn what_was_written_is_kept_with_single_blanks() {
    let written = CronTime::parse("  30  2 * *   mon-fri ").unwrap();
    assert_eq!((written.as_str(), written.to_string().as_str()), ("30 2 * * mon-fri", "30 2 * * mon-fri"));
    assert_eq!(CronTime::parse(written.as_str()), Ok(written));
}

#[test]
fn expressions_that_are_none_are_refused_with_the_field_that_is_wrong() {
    for (expression, reason) in [
        ("", "expected five fields"),
        ("0 2 * *", "expected five fields"),
        ("0 0 2 * * *", "expected five fields"),
        ("0 0 2 * * * 2027", "expected five fields"),
        ("60 2 * * *", "the minute '60' cannot be used; expected 0-59"),
        ("-1 2 * * *", "the minute '-1'"),
        ("MON 2 * * *", "the minute 'MON'"),
        ("0 24 * * *", "the hour '24' cannot be used; expected 0-23"),
        ("0 2:30 * * *", "the hour '2:30'"),
        ("0 2 32 * *", "the day of month '32'"),
        ("0 2 0 * *", "the day of month '0'"),
        ("0 2 * 13 *", "the month '13'"),
        ("0 2 * Abc *", "the month 'Abc'"),
        ("0 2 * * 8", "the day of week '8'"),
        ("0 2 * * MON#6", "the day of week 'MON#6'"),
        ("0 2 5-1 * *", "the day of month '5-1'"),
        ("*/0 2 * * *", "the minute '*/0'"),
        ("0 2 ü * *", "the day of month 'ü'"),
        ("@fortnightly", "expected one of @yearly"),
        ("@reboot", "expected one of @yearly"),
    ] {
        let error = CronTime::parse(expression).unwrap_err();
        assert_eq!(error.what, "cron");
        assert!(error.reason.contains(reason), "{expression}: {error}");
    }
    let long = format!("0 2 {} * *", ["1"; 200].join(","));
    assert!(CronTime::parse(&long).unwrap_err().reason.contains("200 characters at most"));
}
