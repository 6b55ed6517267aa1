//! In which order a device's credentials are tried. The words of SQL that say so stand here once, for the claim and for the
//! explanation; docs/decisions/0010-order-of-credentials.md says why.

/// A success rate as far as it is still worth something: every 30 days since `$since` it comes nearer by one half to 0.5,
/// which stands for "nothing is known".
macro_rules! faded {
    ($rate:literal, $since:literal, $now:literal) => {
        concat!(
            "(0.5 + (",
            $rate,
            " - 0.5) * power(0.5::float8, least(60, greatest(0, coalesce(extract(epoch FROM ",
            $now,
            " - ",
            $since,
            ")::float8 / 2592000, 0)))))"
        )
    };
}
pub(crate) use faded;

/// Of credentials `c` with what is known of them on the device, `s`: the columns that the order goes by.
macro_rules! order_columns {
    () => {
        concat!(
            "coalesce(s.last_success >= s.last_used, false) AS works_here, coalesce(",
            crate::credentials::order::faded!("s.success_rate", "s.last_used", "now()"),
            ", ",
            crate::credentials::order::faded!("c.success_rate", "c.last_used", "now()"),
            ") AS rate_here, s.last_success AS last_success_here"
        )
    };
}
pub(crate) use order_columns;

/// Best first, after [`order_columns`]: what was accepted the last time it was tried here, then by priority, by rate, by the last success here.
macro_rules! best_first {
    () => {
        "works_here DESC, priority, rate_here DESC, last_success_here DESC NULLS LAST, id"
    };
}
pub(crate) use best_first;
