use crate::{cron, every, shown, utc, within};
use netraven_model::schedule::{Calendar, Timing, time, zone, zones};

#[test]
fn nothing_is_due_before_the_beginning_or_starts_behind_the_end() {
    let calendar = Calendar {
        valid_from: Some(utc("2026-12-01T02:00")),
        valid_until: Some(utc("2026-12-03T02:00")),
        ..cron("0 2 * * *", "UTC")
    };
    assert_eq!(shown(&calendar, "2026-11-21", 5), ["2026-12-01 02:00 UTC", "2026-12-02 02:00 UTC"]);
    assert!(!calendar.allows(utc("2026-11-30T12:00")) && !calendar.allows(utc("2026-12-03T02:00")));
    // What would wait beyond the end does not run.
    let waiting = within(calendar, &["12:00-13:00"], &[]);
    assert_eq!(shown(&waiting, "2026-11-21", 5), ["2026-12-01 12:00 UTC", "2026-12-02 12:00 UTC"]);
}

#[test]
fn an_interval_begins_with_its_first_run_and_keeps_step_from_there() {
    let calendar = every(7 * 3600, "2026-11-21T10:00");
    for (after, next) in [
        ("2026-11-01T00:00", "2026-11-21T10:00"),
        ("2026-11-21T09:59:59", "2026-11-21T10:00"),
        ("2026-11-21T10:00:00", "2026-11-21T17:00"),
        ("2026-11-23T11:00:00", "2026-11-23T18:00"),
    ] {
        assert_eq!(calendar.next_after(utc(after)), Some(utc(next)), "{after}");
    }
    let later = Calendar { valid_from: Some(utc("2026-11-22T00:00")), ..calendar };
    assert_eq!(later.next_after(utc("2026-11-21T00:00")), Some(utc("2026-11-22T00:00")));
}

#[test]
fn once_is_once_and_waits_for_a_window() {
    let once = Calendar::new(Timing::Once(utc("2026-12-01T12:00")));
    assert_eq!(shown(&once, "2026-11-21", 3), ["2026-12-01 12:00 UTC"]);
    assert_eq!(once.next_after(utc("2026-12-01T12:00")), None);
    let waiting = within(once, &["Sat 22:00-24:00"], &[]);
    assert_eq!(shown(&waiting, "2026-11-21", 3), ["2026-12-05 22:00 UTC"]);
}

#[test]
fn times_are_read_in_the_zone_and_whole_days_from_midnight_to_midnight() {
    let zurich = zone("Europe/Zurich").unwrap();
    for (text, end, expected) in [
        ("2026-12-01T02:00", false, "2026-12-01T01:00"),
        ("2026-12-01 02:00:30", true, "2026-12-01T01:00:30"),
        ("2026-12-01T02:00:00-05:00", false, "2026-12-01T07:00"),
        ("2026-12-01", false, "2026-11-30T23:00"),
        ("2026-12-01", true, "2026-12-01T23:00"),
        // Shown twice: the first time is meant.
        ("2026-10-25T02:30", false, "2026-10-25T00:30"),
    ] {
        assert_eq!(time("at", text, zurich, end), Ok(utc(expected)), "{text}");
    }
    let skipped = time("at", "2026-03-29T02:30", zurich, false).unwrap_err();
    assert!(skipped.reason.contains("2026-03-29 02:30 does not exist in Europe/Zurich"), "{skipped}");
    for bad in ["", "tomorrow", "2026-12-01T25:00", "2026-02-30", "02:00", "99999-01-01"] {
        assert!(
            time("at", bad, zurich, false).unwrap_err().reason.contains("expected a time such as"),
            "{bad}"
        );
    }
}

#[test]
fn unknown_zones_are_refused_with_the_one_that_was_probably_meant() {
    for (text, meant) in [
        ("zurich", "did you mean 'Europe/Zurich'?"),
        ("europe/zurich", "did you mean 'Europe/Zurich'?"),
        ("new york", "did you mean 'America/New_York'?"),
        ("utc", "did you mean"),
    ] {
        let error = zone(text).unwrap_err();
        assert!(error.what == "zone" && error.reason.contains(meant), "{text}: {error}");
    }
    assert!(zone("Middle/Earth").unwrap_err().reason.ends_with("found 'Middle/Earth'"));
    assert!(zones().count() > 400 && zones().all(|name| zone(name).is_ok()));
}

#[test]
fn moments_at_the_end_of_time_have_no_next_run() {
    for calendar in [
        cron("0 2 * * *", "Pacific/Kiritimati"),
        cron("* * * * *", "America/New_York"),
        within(every(3600, "2026-01-01"), &["Mon 22:00-05:00"], &["Tue", "2026-12-24"]),
    ] {
        for at in [chrono::DateTime::<chrono::Utc>::MAX_UTC, chrono::DateTime::<chrono::Utc>::MIN_UTC] {
            let _ = (calendar.next_after(at), calendar.next_allowed(at), calendar.window_end(at));
        }
    }
}
