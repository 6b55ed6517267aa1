use crate::support::{Fixture, failed, finished, fixture};
use chrono::{DateTime, TimeZone, Utc};
use netraven_model::{ErrorCode, Event, JobEvent};
use netraven_store::maintenance::ensure_partitions_at;
use netraven_store::{logs, maintenance};

fn day(year: i32, month: u32, day: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(year, month, day, 12, 0, 0).unwrap()
}

/// The partition in which each row of a log table stands.
async fn places(fixture: &Fixture, table: &str) -> String {
    let query = format!(
        "SELECT string_agg(DISTINCT replace(tableoid::regclass::text, 'netraven.', ''), ',') FROM netraven.{table}"
    );
    fixture.value(&query).await.unwrap_or_default()
}

#[tokio::test]
async fn a_fresh_schema_has_partitions_for_now() {
    let Some(fixture) = fixture().await else { return };
    let now = Utc::now().format("_y%Ym%m").to_string();
    for table in ["job_logs", "connection_logs"] {
        let exists = format!("SELECT to_regclass('netraven.{table}{now}') IS NOT NULL");
        assert_eq!(fixture.value(&exists).await.as_deref(), Some("true"), "{table}{now}");
    }
    maintenance::ensure_partitions(&fixture.store).await.unwrap();
}

#[tokio::test]
async fn rows_without_a_partition_are_kept_and_move_into_it_when_it_is_made() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    let job = fixture.claim_new().await;
    let mut result = finished(&job, failed(ErrorCode::Refused, None));
    result.finished_at = day(2040, 12, 31);
    result.dialogue = "kept".into();
    result.events = vec![JobEvent::new(Some(job.job), None, day(2041, 1, 1), Event::Cancelled)];
    fixture.finish_one(result).await;
    assert_eq!(places(&fixture, "job_logs").await, "job_logs_default");
    assert_eq!(places(&fixture, "connection_logs").await, "connection_logs_default");

    ensure_partitions_at(&fixture.store, day(2040, 12, 5)).await.unwrap();
    assert_eq!(places(&fixture, "job_logs").await, "job_logs_y2041m01");
    assert_eq!(places(&fixture, "connection_logs").await, "connection_logs_y2040m12");
    assert_eq!(logs::connection_log(&fixture.store, job.job).await.unwrap().unwrap().log, "kept");
    assert_eq!(logs::job_events(&fixture.store, job.job).await.unwrap().len(), 1);
}

#[tokio::test]
async fn partitions_are_made_once_by_whoever_comes_first() {
    let Some(fixture) = fixture().await else { return };
    let other = fixture.another_store().await;
    let at = day(2050, 1, 31);
    let (a, b) = tokio::join!(ensure_partitions_at(&fixture.store, at), ensure_partitions_at(&other, at));
    a.unwrap();
    b.unwrap();
    let count = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname ~ '_y2050m0[123]$'";
    assert_eq!(fixture.number(count).await, 6);
}
