use crate::support::{Fixture, fixture};
use chrono::{DateTime, Months, TimeZone, Utc};
use netraven_model::{DeviceId, Event, JobEvent, JobId};
use netraven_store::access::Role;
use netraven_store::logs::{self, Dialogue};
use netraven_store::maintenance::{LogTable, drop_old_logs, ensure_partitions, ensure_partitions_at};
use netraven_store::{Store, StoreError};

fn day(year: i32, month: u32, day: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(year, month, day, 12, 0, 0).unwrap()
}

async fn joblog(fixture: &Fixture) -> Store {
    fixture.database.store_as(Role::Joblog).await
}

/// Writes one line into each log table.
async fn write_at(store: &Store, at: DateTime<Utc>) {
    let (job, device) = (Some(JobId(1)), Some(DeviceId(1)));
    let event = JobEvent::new(job, device, at, Event::Cancelled);
    let dialogue = Dialogue::new(job, device, at, "dialogue".into());
    logs::write(store, &[&event], &[&dialogue]).await.unwrap();
}

/// The partitions in which the rows of a log table stand.
async fn places(fixture: &Fixture, table: &str) -> String {
    let query = format!(
        "SELECT string_agg(DISTINCT replace(tableoid::regclass::text, 'netraven.', ''), ',') FROM netraven.{table}"
    );
    fixture.value(&query).await.unwrap_or_default()
}

/// The partitions of a log table that end before the current month.
async fn old_partitions(fixture: &Fixture, table: &str) -> i64 {
    let now = Utc::now().format("_y%Ym%m");
    let query = format!(
        "SELECT count(*) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'netraven.{table}'::regclass AND c.relname ~ '_y' AND c.relname < '{table}{now}'"
    );
    fixture.number(&query).await
}

fn refused(error: &StoreError, code: &str) -> bool {
    matches!(error, StoreError::Query { source, .. }
        if source.as_database_error().and_then(|error| error.code()).as_deref() == Some(code))
}

#[tokio::test]
async fn a_fresh_schema_has_partitions_for_now() {
    let Some(fixture) = fixture().await else { return };
    let now = Utc::now().format("_y%Ym%m").to_string();
    for table in ["job_logs", "connection_logs"] {
        let exists = format!("SELECT to_regclass('netraven.{table}{now}') IS NOT NULL");
        assert_eq!(fixture.value(&exists).await.as_deref(), Some("true"), "{table}{now}");
    }
    assert_eq!(ensure_partitions(&joblog(&fixture).await).await.unwrap(), 0);
}

#[tokio::test]
async fn rows_without_a_partition_are_kept_and_move_into_it_when_it_is_made() {
    let Some(fixture) = fixture().await else { return };
    let joblog = joblog(&fixture).await;
    let last_moment = Utc.with_ymd_and_hms(2040, 12, 31, 23, 59, 59).unwrap();
    write_at(&joblog, last_moment).await;
    write_at(&joblog, day(2041, 1, 1)).await;
    write_at(&joblog, day(2060, 1, 1)).await;
    for table in ["job_logs", "connection_logs"] {
        assert_eq!(places(&fixture, table).await, format!("{table}_default"));
    }
    assert_eq!(ensure_partitions_at(&joblog, day(2040, 12, 5)).await.unwrap(), 6);
    for table in ["job_logs", "connection_logs"] {
        let expected = format!("{table}_default,{table}_y2040m12,{table}_y2041m01");
        assert_eq!(places(&fixture, table).await, expected, "a turn of the year, and a row of no month");
    }
    assert_eq!(logs::job_events(&fixture.store, JobId(1)).await.unwrap().len(), 3);
    // A partition has the parent's key: the same row is not written twice.
    let event = JobEvent::new(None, None, last_moment, Event::Unchanged);
    logs::write(&joblog, &[&event], &[]).await.unwrap();
    logs::write(&joblog, &[&event], &[]).await.unwrap();
    assert_eq!(fixture.number("SELECT count(*) FROM netraven.job_logs_y2040m12").await, 2);
}

#[tokio::test]
async fn a_months_borders_are_the_same_whatever_time_zone_a_session_has() {
    let Some(fixture) = fixture().await else { return };
    let make =
        "SET timezone = 'Pacific/Auckland'; SELECT netraven.ensure_log_partitions('2044-02-29 23:30+00', 0)";
    sqlx::raw_sql(make).execute(&mut fixture.connection().await).await.unwrap();
    let borders = "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'job_logs_y2044m02'";
    assert_eq!(
        fixture.value(borders).await.as_deref(),
        Some("FOR VALUES FROM ('2044-02-01 00:00:00+00') TO ('2044-03-01 00:00:00+00')")
    );
}

#[tokio::test]
async fn partitions_are_made_once_by_whoever_comes_first() {
    let Some(fixture) = fixture().await else { return };
    let (one, other) = (joblog(&fixture).await, joblog(&fixture).await);
    let at = day(2050, 1, 31);
    let writes = async {
        for n in 1..=20 {
            write_at(&fixture.store, day(2050, 2, n)).await;
        }
    };
    let (a, b, ()) = tokio::join!(ensure_partitions_at(&one, at), ensure_partitions_at(&other, at), writes);
    assert_eq!(a.unwrap() + b.unwrap(), 6);
    let count = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname ~ '_y2050m0[123]$'";
    assert_eq!(fixture.number(count).await, 6);
    assert_eq!(fixture.number("SELECT count(*) FROM netraven.job_logs").await, 20);
}

#[tokio::test]
async fn logs_older_than_they_are_kept_are_dropped_by_whole_months_and_younger_ones_stay() {
    let Some(fixture) = fixture().await else { return };
    let joblog = joblog(&fixture).await;
    ensure_partitions_at(&joblog, day(2020, 11, 15)).await.unwrap();
    for at in [day(2010, 5, 5), day(2020, 11, 1), day(2020, 12, 31), day(2021, 1, 1), Utc::now()] {
        write_at(&joblog, at).await;
    }
    // In the middle of January: December is over, January is kept whole.
    let dropped = drop_old_logs(&joblog, LogTable::JobLogs, day(2021, 1, 15)).await.unwrap();
    assert_eq!(dropped, ["job_logs_y2020m11", "job_logs_y2020m12"]);
    let kept = format!("job_logs_y2021m01,job_logs_y{}", Utc::now().format("%Ym%m"));
    assert_eq!(places(&fixture, "job_logs").await, kept, "what stood in no month is gone with its time");
    assert_eq!(
        fixture.number("SELECT count(*) FROM netraven.connection_logs").await,
        5,
        "the other table is left alone"
    );
    assert!(drop_old_logs(&joblog, LogTable::JobLogs, day(2021, 1, 15)).await.unwrap().is_empty());

    // At the very end of a month, and not a moment before it.
    let end = Utc.with_ymd_and_hms(2020, 12, 1, 0, 0, 0).unwrap();
    let before = end - chrono::TimeDelta::microseconds(1);
    assert!(drop_old_logs(&joblog, LogTable::ConnectionLogs, before).await.unwrap().is_empty());
    let dropped = drop_old_logs(&joblog, LogTable::ConnectionLogs, end).await.unwrap();
    assert_eq!(dropped, ["connection_logs_y2020m11"]);
}

#[tokio::test]
async fn two_that_drop_at_once_drop_each_month_once() {
    let Some(fixture) = fixture().await else { return };
    let (one, other) = (joblog(&fixture).await, joblog(&fixture).await);
    for year in 2000..2003 {
        ensure_partitions_at(&one, day(year, 6, 1)).await.unwrap();
    }
    let limit = day(2010, 1, 1);
    let (a, b) = tokio::join!(
        drop_old_logs(&one, LogTable::JobLogs, limit),
        drop_old_logs(&other, LogTable::JobLogs, limit)
    );
    assert_eq!(a.unwrap().len() + b.unwrap().len(), 9);
    assert_eq!(old_partitions(&fixture, "job_logs").await, 0);
    assert_eq!(old_partitions(&fixture, "connection_logs").await, 9);
}

#[tokio::test]
async fn logs_are_not_dropped_for_an_unknown_or_future_time_nor_from_another_table() {
    let Some(fixture) = fixture().await else { return };
    let store = joblog(&fixture).await;
    ensure_partitions_at(&store, day(2020, 1, 1)).await.unwrap();
    let future = Utc::now() + Months::new(1);
    let error = drop_old_logs(&store, LogTable::JobLogs, future).await.unwrap_err();
    assert!(refused(&error, "22023") && error.to_string().contains("until now"), "{error}");
    assert_eq!(fixture.execute("SELECT netraven.drop_log_partitions('job_logs', NULL)").await, 0);
    assert_eq!(fixture.execute("SELECT netraven.drop_log_partitions(NULL, now())").await, 0);
    for table in ["devices", "job_logs_default", "job_logs; DROP TABLE netraven.devices", ""] {
        let refusal = sqlx::query("SELECT netraven.drop_log_partitions($1, now())")
            .bind(table)
            .execute(&mut fixture.connection().await)
            .await
            .unwrap_err();
        let refusal = refusal.into_database_error().unwrap();
        assert_eq!(refusal.code().as_deref(), Some("22023"), "{refusal}");
        assert!(refusal.message().ends_with("is no log table"), "{refusal}");
    }
    assert_eq!(old_partitions(&fixture, "job_logs").await, 3);
}

#[tokio::test]
async fn only_the_job_log_may_make_and_drop_partitions() {
    let Some(fixture) = fixture().await else { return };
    for role in Role::services().filter(|role| *role != Role::Joblog) {
        let store = fixture.database.store_as(role).await;
        for refusal in [
            ensure_partitions(&store).await.map(drop),
            drop_old_logs(&store, LogTable::JobLogs, day(2000, 1, 1)).await.map(drop),
        ] {
            assert!(refused(&refusal.unwrap_err(), "42501"), "{role}");
        }
    }
}

#[tokio::test]
async fn a_new_months_partition_can_be_dumped() {
    let Some(fixture) = fixture().await else { return };
    ensure_partitions_at(&joblog(&fixture).await, day(2050, 1, 31)).await.unwrap();
    let (user, _) = fixture.database.login(Role::Backup).await;
    let may = format!("SELECT has_table_privilege('{user}', 'netraven.job_logs_y2050m01', 'SELECT')");
    assert_eq!(fixture.value(&may).await.as_deref(), Some("true"), "pg_dump reads each partition by itself");
}
