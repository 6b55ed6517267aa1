//! Which jobs a claim takes, so that nobody has to wait for a slow site.

use std::collections::BTreeMap;

/// What a worker has under way, and what it may have, by site.
#[derive(Clone, Debug, Default)]
pub struct Load {
    sessions: BTreeMap<String, usize>,
    /// Sessions of one site at the same time; `None` for no limit.
    limit: Option<usize>,
}

impl Load {
    /// `limit` holds for each site by itself; devices without a site share none.
    pub fn new(limit: Option<usize>) -> Self {
        Self { sessions: BTreeMap::new(), limit }
    }

    /// Counts one session that is under way.
    pub fn add(&mut self, site: Option<&str>) {
        *self.sessions.entry(site.unwrap_or_default().to_owned()).or_default() += 1;
    }

    pub(super) fn sites(&self) -> Vec<&str> {
        self.sessions.keys().map(String::as_str).collect()
    }

    pub(super) fn sessions(&self) -> Vec<i64> {
        self.sessions.values().map(|sessions| number(*sessions)).collect()
    }

    /// How many more sessions each of [`Self::sites`] may have.
    pub(super) fn rooms(&self) -> Vec<i64> {
        let room = |(site, sessions): (&String, &usize)| match self.limit {
            Some(limit) if !site.is_empty() => number(limit.saturating_sub(*sessions)),
            _ => i64::from(i32::MAX),
        };
        self.sessions.iter().map(room).collect()
    }

    /// The same for any other site.
    pub(super) fn room_elsewhere(&self) -> i64 {
        self.limit.map_or(i64::from(i32::MAX), number)
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Without this the planner, whose statistics are older than the run that was queued a moment ago, takes all queued jobs
/// and sorts them for each claim. The index gives them in order, and the claim stops after as many as it needs. What it
/// costs too much to plan is judged by those statistics, too, so that nothing is compiled for it.
pub(super) const BEGIN: &str =
    "BEGIN; SET LOCAL enable_sort = off; SET LOCAL enable_seqscan = off; SET LOCAL jit = off";

/// `lanes` are the pairs of priority and site that have due jobs, found with one step in the index each. Of each lane twice
/// its share is looked at, so that there is a choice: the sites where the fewest sessions are under way go first. A lane
/// that gets less than it could makes room for the next claim.
///
/// The rows are locked and tested in their newest state, which is why "has no session" stands on the device's row: a
/// look into other rows would see the state before the lock. Rows that were looked at and not taken stay locked until
/// the claim is over, and others pass over them.
pub(super) const CLAIM: &str = "WITH RECURSIVE lanes (priority, site) AS (
        (SELECT j.priority, j.site FROM jobs j WHERE j.status = 'queued' AND j.scheduled_for <= now()
         ORDER BY j.priority, j.site LIMIT 1)
        UNION ALL
        SELECT n.priority, n.site FROM lanes l CROSS JOIN LATERAL (
            SELECT j.priority, j.site FROM jobs j
            WHERE j.status = 'queued' AND j.scheduled_for <= now() AND (j.priority, j.site) > (l.priority, l.site)
            ORDER BY j.priority, j.site LIMIT 1) n
    ), load (site, sessions, room) AS (
        SELECT * FROM UNNEST($4::text[], $5::bigint[], $6::bigint[])
    ), open AS MATERIALIZED (
        SELECT l.priority, l.site, coalesce(w.sessions, 0) AS sessions,
            coalesce(w.room, CASE l.site WHEN '' THEN $1 ELSE $7 END) AS room,
            least($1, (2 * $1 + count(*) OVER same - 1) / count(*) OVER same) AS most
        FROM lanes l LEFT JOIN load w ON w.site = l.site
        WHERE coalesce(w.room, $7) > 0
        WINDOW same AS (PARTITION BY l.priority)
    ), due AS (
        SELECT j.id, j.device_id, j.priority, j.scheduled_for, o.sessions, o.site, o.room
        FROM open o CROSS JOIN LATERAL (
            SELECT j.id, j.device_id, j.priority, j.scheduled_for
            FROM jobs j JOIN devices d ON d.id = j.device_id
            WHERE j.status = 'queued' AND j.priority = o.priority AND j.site = o.site AND j.scheduled_for <= now()
                AND (j.not_after IS NULL OR j.not_after > now()) AND d.session_job IS NULL
            ORDER BY j.scheduled_for, j.id
            LIMIT least(o.most, o.room)
            FOR NO KEY UPDATE OF j, d SKIP LOCKED) j
    ), turns AS MATERIALIZED (
        SELECT id, device_id, priority, scheduled_for, room,
            sessions + row_number() OVER (PARTITION BY priority, site ORDER BY scheduled_for, id) AS turn,
            row_number() OVER (PARTITION BY site ORDER BY priority, scheduled_for, id) AS place
        FROM due
    ), single AS (
        SELECT DISTINCT ON (device_id) * FROM turns WHERE place <= room ORDER BY device_id, priority, scheduled_for, id
    ), chosen AS MATERIALIZED (
        SELECT id, device_id FROM single ORDER BY priority, turn, scheduled_for, id LIMIT $1
    ), sessions AS (
        UPDATE devices d SET session_job = c.id, session_token = d.session_token + 1
        FROM chosen c WHERE d.id = c.device_id
        RETURNING d.*
    ), taken AS (
        UPDATE jobs j SET status = 'running', worker = $2, token = s.session_token, attempts = j.attempts + 1,
            started_at = now(), lease_until = now() + make_interval(secs => $3)
        FROM sessions s WHERE j.id = s.session_job
        RETURNING j.id, j.run_id, j.kind, j.commands, j.not_after, j.attempts, j.priority, j.scheduled_for,
            s.id AS device_id, s.uuid, s.hostname, s.ip_address, s.port, s.device_type, s.session_token, s.site, s.protocol,
            s.ssh_profile, s.tls, s.tls_legacy
    )
    SELECT * FROM taken ORDER BY priority, scheduled_for, id";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestDatabase;
    use sqlx::AssertSqlSafe;

    #[tokio::test]
    async fn jobs_are_claimed_along_their_index_and_not_sorted() {
        const QUEUE: &str = "WITH made AS (
                INSERT INTO devices (hostname, ip_address, device_type)
                SELECT 'd' || n, '192.0.2.1', 'frr' FROM generate_series(1, 20000) n RETURNING id)
            INSERT INTO jobs (device_id, kind, site) SELECT id, 'backup', 's' || id % 20 FROM made";
        let Some(database) = TestDatabase::create().await else { return };
        let store = database.store().await;
        sqlx::query(QUEUE).execute(store.pool()).await.unwrap();
        let mut tx = store.pool().begin_with(BEGIN).await.unwrap();
        let load = Load::new(None);
        let plan: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("EXPLAIN {CLAIM}")))
            .bind(50_i64)
            .bind("w1")
            .bind(60.0)
            .bind(load.sites())
            .bind(load.sessions())
            .bind(load.rooms())
            .bind(load.room_elsewhere())
            .fetch_all(&mut *tx)
            .await
            .unwrap();
        let plan = plan.join("\n");
        let of = |name: &str| -> String {
            let from =
                plan.split(&format!("CTE {name}\n")).nth(1).unwrap_or_else(|| panic!("{name}: {plan}"));
            from.split("\n  CTE ").next().unwrap().to_owned()
        };
        let (lanes, due) = (of("lanes"), of("due"));
        assert_eq!(lanes.matches("using jobs_due").count(), 2, "{plan}");
        assert!(due.contains("Index Scan using jobs_due"), "{plan}");
        assert!(due.contains("Index Scan using devices_pkey"), "{plan}");
        assert!(!lanes.contains("Sort") && !due.contains("Sort"), "{plan}");
        assert!(!plan.contains("Seq Scan on jobs") && !plan.contains("Seq Scan on devices"), "{plan}");
    }

    #[test]
    fn a_site_has_room_up_to_its_limit_and_devices_without_a_site_have_no_limit() {
        let mut load = Load::new(Some(2));
        for site in [Some("berlin"), Some("paris"), Some("paris"), Some("paris"), None, None] {
            load.add(site);
        }
        assert_eq!(load.sites(), ["", "berlin", "paris"]);
        assert_eq!(load.sessions(), [2, 1, 3]);
        assert_eq!(load.rooms(), [i64::from(i32::MAX), 1, 0]);
        assert_eq!((load.room_elsewhere(), Load::new(None).room_elsewhere()), (2, i64::from(i32::MAX)));
    }
}
