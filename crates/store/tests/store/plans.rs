use crate::support::{Fixture, MINUTE, fixture};
use netraven_store::jobs::{self, TargetSelection};
use netraven_store::{ConnectSettings, Store};

/// Rows of jobs and devices that the server has read so far, through indexes or not.
async fn rows_read(fixture: &Fixture) -> i64 {
    let read = "SELECT sum(coalesce(idx_tup_fetch, 0) + seq_tup_read)::bigint FROM pg_stat_user_tables
        WHERE schemaname = 'netraven' AND relname IN ('jobs', 'devices')";
    fixture.number(read).await
}

/// Rows read by one claim of 50 jobs.
async fn cost_of_a_claim(fixture: &Fixture) -> i64 {
    let before = rows_read(fixture).await;
    // A connection of its own: a session reports its statistics at the latest when it ends.
    let settings = ConnectSettings { max_connections: 1, ..ConnectSettings::new(fixture.database.url()) };
    let store = Store::connect(&settings).await.unwrap();
    assert_eq!(jobs::claim(&store, "w1", 50, MINUTE).await.unwrap().len(), 50);
    store.close().await;
    let reported = async {
        loop {
            let read = rows_read(fixture).await - before;
            if read > 0 {
                break read;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(MINUTE, reported).await.expect("the server to report what it read")
}

#[tokio::test]
async fn a_claim_costs_the_same_however_many_jobs_are_queued() {
    let Some(fixture) = fixture().await else { return };
    fixture
        .execute(
            "INSERT INTO netraven.devices (hostname, ip_address, device_type)
             SELECT 'd' || n, '192.0.2.1', 'frr' FROM generate_series(1, 20000) n",
        )
        .await;
    assert_eq!(fixture.run(TargetSelection::All).await.jobs, 20_000);
    // Each of the 50 jobs and its device is read a few times: found, locked, updated.
    let most = 50 * 2 * 10;
    let without_statistics = cost_of_a_claim(&fixture).await;
    assert!(without_statistics < most, "{without_statistics} rows read without statistics");
    fixture.execute("ANALYZE").await;
    let with_statistics = cost_of_a_claim(&fixture).await;
    assert!(with_statistics < most, "{with_statistics} rows read with statistics");
}
