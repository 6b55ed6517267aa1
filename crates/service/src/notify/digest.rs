//! When daily messages are due.

use chrono::{DateTime, Days, LocalResult, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use netraven_model::schedule;

/// Minutes behind a time that the clocks leave out within which there is one: no zone ever jumped farther within a day.
const LONGEST_GAP: i64 = 180;
/// A zone may leave out a whole day, as Samoa did at the end of 2011, but not several.
const DAYS_TO_LOOK: u64 = 4;

/// The zone of an IANA name.
///
/// # Errors
/// What was expected.
pub fn time_zone(name: &str) -> Result<Tz, String> {
    schedule::zone(name).map_err(|error| error.to_string())
}

/// The first time after `after` when clocks in the zone show `at`. On a day on which they leave it out it is the moment
/// behind the gap, and where they show it twice the first of the two.
pub fn next_digest(at: NaiveTime, zone: Tz, after: DateTime<Utc>) -> DateTime<Utc> {
    let today = after.with_timezone(&zone).date_naive();
    let days = (0..DAYS_TO_LOOK).filter_map(|days| today.checked_add_days(Days::new(days)));
    let mut times = days.filter_map(|day| moment(day.and_time(at), zone));
    // The end of all calendars has no day behind it.
    times.find(|time| *time > after).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

fn moment(local: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    (0..=LONGEST_GAP).find_map(|minutes| {
        let time = local.checked_add_signed(TimeDelta::minutes(minutes))?;
        let found = match zone.from_local_datetime(&time) {
            LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => time,
            LocalResult::None => return None,
        };
        Some(found.with_timezone(&Utc))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_daily_message_is_right_on_every_day_of_the_year() {
        for (zone, at, after, next) in [
            ("UTC", "07:00", "2026-01-31T06:59:59Z", "2026-01-31T07:00:00Z"),
            ("UTC", "07:00", "2026-01-31T07:00:00Z", "2026-02-01T07:00:00Z"),
            ("UTC", "00:00", "2028-02-28T23:59:59Z", "2028-02-29T00:00:00Z"),
            ("UTC", "07:00", "2028-02-29T08:00:00Z", "2028-03-01T07:00:00Z"),
            ("UTC", "23:59", "2026-12-31T23:59:00Z", "2027-01-01T23:59:00Z"),
            // Summer time: 02:00 to 03:00 on 2026-03-29, and back on 2026-10-25.
            ("Europe/Zurich", "07:00", "2026-03-28T12:00:00Z", "2026-03-29T05:00:00Z"),
            ("Europe/Zurich", "02:30", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"),
            ("Europe/Zurich", "02:30", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"),
            ("Europe/Zurich", "02:30", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
            ("Europe/Zurich", "02:30", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
            ("Europe/Zurich", "07:00", "2026-10-24T12:00:00Z", "2026-10-25T06:00:00Z"),
            // The local date is another one than that of UTC.
            ("Pacific/Auckland", "07:00", "2026-06-30T18:59:00Z", "2026-06-30T19:00:00Z"),
            ("America/Los_Angeles", "20:00", "2026-06-30T02:00:00Z", "2026-06-30T03:00:00Z"),
            ("Asia/Kathmandu", "07:00", "2026-06-30T00:00:00Z", "2026-06-30T01:15:00Z"),
            // A day that there was not, and clocks that are put by half an hour.
            ("Pacific/Apia", "07:00", "2011-12-29T18:00:00Z", "2011-12-30T17:00:00Z"),
            ("Australia/Lord_Howe", "02:10", "2026-10-03T00:00:00Z", "2026-10-03T15:30:00Z"),
        ] {
            let at = NaiveTime::parse_from_str(at, "%H:%M").unwrap();
            let found = next_digest(at, time_zone(zone).unwrap(), after.parse().unwrap());
            assert_eq!(found, next.parse::<DateTime<Utc>>().unwrap(), "{zone} {at} after {after}");
        }
    }

    #[test]
    fn what_is_no_zone_is_refused_with_an_example() {
        for wrong in ["", "Europe", "Zurich", "+02:00", "Europe/Zurich\n"] {
            assert!(time_zone(wrong).unwrap_err().contains("Europe/Zurich"), "{wrong}");
        }
    }
}
