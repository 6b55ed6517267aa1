//! From what a clock on the wall shows to moments in time.

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;

/// No zone is further from UTC than that.
const DAY: i64 = 24 * 3600;

/// The first moment at which the clock shows that time; where it is skipped, the moment at which the clock jumps over it.
pub fn first(zone: Tz, wall: NaiveDateTime) -> DateTime<Utc> {
    match zone.from_local_datetime(&wall) {
        LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => at.to_utc(),
        LocalResult::None => jump_over(zone, wall),
    }
}

/// The last moment at which the clock shows that time; where it is skipped, the moment at which the clock jumps over it.
pub fn last(zone: Tz, wall: NaiveDateTime) -> DateTime<Utc> {
    match zone.from_local_datetime(&wall) {
        LocalResult::Single(at) | LocalResult::Ambiguous(_, at) => at.to_utc(),
        LocalResult::None => jump_over(zone, wall),
    }
}

/// Whether the clock shows that time at all.
pub fn exists(zone: Tz, wall: NaiveDateTime) -> bool {
    zone.from_local_datetime(&wall) != LocalResult::None
}

/// What the clock shows.
pub fn wall(zone: Tz, at: DateTime<Utc>) -> NaiveDateTime {
    at.with_timezone(&zone).naive_local()
}

/// The first second at which the clock shows a later time than one that it never shows. Found by bisection, because the
/// time zone database does not tell where its gaps begin.
fn jump_over(zone: Tz, skipped: NaiveDateTime) -> DateTime<Utc> {
    let middle = skipped.and_utc().timestamp();
    let (mut before, mut behind) = (middle - DAY, middle + DAY);
    let moment = |seconds| DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::<Utc>::MAX_UTC);
    while behind - before > 1 {
        let between = before + (behind - before) / 2;
        match wall(zone, moment(between)) < skipped {
            true => before = between,
            false => behind = between,
        }
    }
    moment(behind)
}
