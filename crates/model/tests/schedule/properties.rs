//! What must hold of every calendar, in every zone, at every time.

use crate::within;
use chrono::{DateTime, TimeDelta, Timelike, Utc};
use netraven_model::schedule::{Calendar, CronTime, Timing};
use proptest::prelude::*;
use std::time::Duration;

const ZONES: [&str; 8] = [
    "UTC",
    "Europe/Zurich",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/Havana",
    "Pacific/Apia",
    "Africa/Casablanca",
];
const EXPRESSIONS: [&str; 8] = [
    "0 2 * * *",
    "30 2,14 * * *",
    "*/15 * * * *",
    "15 1-3 * * *",
    "0 0 L * *",
    "@hourly",
    "5 0 * * SUN",
    "0 */5 * * *",
];
const WINDOWS: [&str; 6] =
    ["22:00-05:00", "Sat,Sun", "Mon-Fri 20:00-06:00", "02:15-02:45", "00:00-24:00", "Wed 01:30-01:29"];
const BLACKOUTS: [&str; 5] =
    ["2026-03-20..2026-04-05", "02:00-03:00", "Tue 23:30-01:00", "2026-10-25T01:00..2026-10-25T02:30", "Fri"];

/// Times around the changes of a year's clocks and anywhere else.
fn moments() -> impl Strategy<Value = DateTime<Utc>> {
    let changes =
        ["2026-03-08", "2026-03-29", "2026-04-05", "2026-10-04", "2026-10-25", "2026-11-01", "2011-12-30"];
    let near = (proptest::sample::select(changes.to_vec()), -2 * 86_400..2 * 86_400_i64)
        .prop_map(|(day, seconds)| crate::utc(day) + TimeDelta::seconds(seconds));
    let anywhere = (1_600_000_000..2_000_000_000_i64).prop_map(|at| DateTime::from_timestamp(at, 0).unwrap());
    prop_oneof![near, anywhere]
}

fn timings() -> impl Strategy<Value = Timing> {
    prop_oneof![
        proptest::sample::select(EXPRESSIONS.to_vec())
            .prop_map(|text| Timing::Cron(CronTime::parse(text).unwrap())),
        (1..200_000_u64, moments())
            .prop_map(|(every, first)| Timing::Every { every: Duration::from_secs(every), first }),
        moments().prop_map(Timing::Once),
    ]
}

fn calendars() -> impl Strategy<Value = Calendar> {
    let some = |words: &'static [&'static str]| proptest::sample::subsequence(words, 0..=2);
    (timings(), proptest::sample::select(ZONES.to_vec()), some(&WINDOWS), some(&BLACKOUTS)).prop_map(
        |(timing, zone, windows, blackouts)| {
            let zone = zone.parse().unwrap();
            within(Calendar { zone, ..Calendar::new(timing) }, &windows, &blackouts)
        },
    )
}

/// Whether the clock shows a minute that the expression names; of `@hourly` and the like that is all there is to say.
fn matches(expression: &str, at: DateTime<Utc>, zone: chrono_tz::Tz) -> bool {
    let wall = at.with_timezone(&zone);
    match expression {
        "*/15 * * * *" => wall.minute().is_multiple_of(15),
        "@hourly" => wall.minute() == 0,
        _ => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_next_run_is_later_and_where_windows_and_blackouts_allow_it(calendar in calendars(), after in moments()) {
        let mut last = after;
        for run in calendar.upcoming(after).take(5) {
            prop_assert!(run.at > last && run.at >= run.due && run.due > last);
            prop_assert!(calendar.allows(run.at));
            prop_assert!(calendar.window_end(run.at).is_none_or(|end| end > run.at));
            last = run.at;
        }
    }

    #[test]
    fn a_later_question_never_has_an_earlier_answer(
        calendar in calendars(), after in moments(), seconds in 0..200_000_i64
    ) {
        let later = after + TimeDelta::seconds(seconds);
        if let Some(next) = calendar.next_after(later) {
            let earlier = calendar.next_after(after).unwrap();
            prop_assert!(earlier <= next);
            // Between a moment and its next run every question has the same answer.
            if later < calendar.occurrence_after(after).unwrap().due {
                prop_assert_eq!(earlier, next);
            }
        }
    }

    #[test]
    fn what_is_allowed_stays_allowed_until_the_window_ends(calendar in calendars(), at in moments()) {
        let Some(open) = calendar.next_allowed(at) else { return Ok(()) };
        let Some(end) = calendar.window_end(open) else { return Ok(()) };
        prop_assert!(calendar.allows(open + (end - open) / 2));
        prop_assert!(calendar.allows(end - TimeDelta::seconds(1)));
        prop_assert!(!calendar.allows(end));
    }

    #[test]
    fn every_minute_is_looked_at_and_none_is_left_out(
        expression in proptest::sample::select(vec!["*/15 * * * *", "@hourly"]),
        zone in proptest::sample::select(ZONES.to_vec()),
        after in moments(),
    ) {
        let zone: chrono_tz::Tz = zone.parse().unwrap();
        let cron = CronTime::parse(expression).unwrap();
        let next = cron.next_after(zone, after).unwrap();
        prop_assert!(matches(expression, next, zone));
        let mut minute = after.with_second(0).unwrap() + TimeDelta::minutes(1);
        while minute < next {
            prop_assert!(!matches(expression, minute, zone), "{minute} was passed over on the way to {next}");
            minute += TimeDelta::minutes(1);
        }
    }
}
