//! How long logs are kept.

use chrono::{DateTime, Months, Utc};
use netraven_store::maintenance::{self, LogTable};
use netraven_store::{Store, StoreError};
use std::time::Duration;

/// How often the log tables are looked after: partitions are made months ahead, and dropped when their last month is over.
pub(crate) const EVERY: Duration = Duration::from_secs(6 * 3600);

/// Makes the partitions of the months to come and drops those that are older than logs are kept; `None` keeps all. Several
/// processes may do it.
///
/// # Errors
/// The database failed; what was not done is done next time.
pub(crate) async fn keep(
    joblog: &Store,
    job_log_months: Option<u32>,
    connection_log_months: Option<u32>,
) -> Result<(), StoreError> {
    keep_at(joblog, job_log_months, connection_log_months, Utc::now()).await
}

async fn keep_at(
    joblog: &Store,
    job_log_months: Option<u32>,
    connection_log_months: Option<u32>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    maintenance::ensure_partitions_at(joblog, now).await?;
    for (table, months) in
        [(LogTable::JobLogs, job_log_months), (LogTable::ConnectionLogs, connection_log_months)]
    {
        let limit = months.and_then(|months| now.checked_sub_months(Months::new(months)));
        let Some(limit) = limit else { continue };
        for partition in maintenance::drop_old_logs(joblog, table, limit).await? {
            tracing::info!(partition, %limit, "a month of logs was dropped, it is older than they are kept");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use netraven_model::{DeviceId, Event, JobEvent, JobId};
    use netraven_store::access::Role;
    use netraven_store::logs::{self, Dialogue};
    use netraven_store::testing::TestDatabase;

    #[tokio::test]
    async fn each_type_is_kept_its_own_number_of_months_and_the_first_moment_of_a_month_belongs_to_it() {
        let Some(database) = TestDatabase::create().await else { return };
        let (store, joblog) = (database.store().await, database.store_as(Role::Joblog).await);
        let (job, device) = (JobId(1), DeviceId(1));
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let (last_of_january, first_of_february) =
            (at("2024-01-31T23:59:59.999999Z"), at("2024-02-01T00:00:00Z"));
        for now in ["2024-01-10T00:00:00Z", "2024-03-31T12:00:00Z"] {
            keep_at(&joblog, None, None, at(now)).await.unwrap();
        }
        let event = |at| JobEvent::new(Some(job), Some(device), at, Event::Unchanged);
        let dialogue = |at: DateTime<Utc>| Dialogue::new(Some(job), Some(device), at, at.to_rfc3339());
        let (events, dialogues) = (
            [last_of_january, first_of_february].map(event),
            [last_of_january, first_of_february].map(dialogue),
        );
        logs::write(&joblog, &events.each_ref(), &dialogues.each_ref()).await.unwrap();

        // One month before the last of March is the last of February.
        keep_at(&joblog, Some(1), Some(3), at("2024-03-31T12:00:00Z")).await.unwrap();
        let left: Vec<_> =
            logs::job_events(&store, job).await.unwrap().into_iter().map(|entry| entry.timestamp).collect();
        assert_eq!(left, [first_of_february]);
        // The dialogue of January is still there, with the month that the limit lies in.
        keep_at(&joblog, None, Some(1), at("2024-03-01T00:00:00Z")).await.unwrap();
        let newest = logs::connection_log(&store, job).await.unwrap().unwrap();
        assert_eq!(newest.timestamp, first_of_february);
        keep_at(&joblog, Some(1), Some(1), at("2024-04-01T00:00:00Z")).await.unwrap();
        assert_eq!(logs::job_events(&store, job).await.unwrap(), []);
        assert!(logs::connection_log(&store, job).await.unwrap().is_none());
    }
}
