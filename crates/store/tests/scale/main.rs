//! With 10,000 devices, 200,000 versions and three months of jobs and logs, every list page and every lookup reads about
//! as many rows as it answers, from an index. The plans are those of the statements that the store's own functions run,
//! so that a changed statement is tested, too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod installation;
mod plans;

use chrono::{TimeDelta, Utc};
use installation::{REPEAT, Scale};
use netraven_model::{DeviceId, EventLevel, Facts, JobId, JobKind, JobStatus, Outcome, RunId};
use netraven_store::audit::{Action, AuditFilter};
use netraven_store::devices::DeviceFilter;
use netraven_store::jobs::{Finished, FinishedResult, JobFilter, NewRun, Origin, TargetSelection};
use netraven_store::logs::{Cursor, Follower, LogFilter, Matcher, Place as LogPlace};
use netraven_store::versions::VersionSelector;
use netraven_store::{
    Store, audit, credentials, devices, jobs, logs, schedules, settings, tag_rules, tags, users, versions,
    workers,
};
use std::time::Duration;

/// A page of a list.
const PAGE: u32 = 50;
/// Rows for a page of 20 runs, whose 200 jobs each are counted, in two tables.
const MOST_READ_OF_RUNS: u64 = 3 * 20 * 200;
/// A tag list counts what has the tags: 20,000 devices' tags.
const MOST_READ_OF_TAGS: u64 = 25_000;
const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn every_page_and_lookup_answers_from_an_index() {
    let Some(mut scale) = Scale::new().await else { return };
    devices_and_versions(&mut scale).await;
    jobs_and_logs(&mut scale).await;
    the_job_log(&mut scale).await;
    the_small_tables(&mut scale).await;
    the_audit_trail(&mut scale).await;
    the_scheduler(&mut scale).await;
    assert!(scale.wrong.is_empty(), "{}", scale.wrong);
}

async fn devices_and_versions(scale: &mut Scale) {
    let some = |value: &str| Some(value.to_owned());
    let page = DeviceFilter { limit: Some(PAGE), ..DeviceFilter::default() };
    let filters = [
        ("all", page.clone(), PAGE as usize),
        ("next page", DeviceFilter { after: some("site-100"), ..page.clone() }, PAGE as usize),
        ("tag", DeviceFilter { tags: vec!["tag-07".to_owned()], ..page.clone() }, PAGE as usize),
        ("common tag", DeviceFilter { tags: vec!["default".to_owned()], ..page.clone() }, PAGE as usize),
        ("rare tag", DeviceFilter { tags: vec!["rare".to_owned()], ..page.clone() }, 5),
        ("platform", DeviceFilter { platform: some("cisco_ios"), ..page.clone() }, PAGE as usize),
        ("rare platform", DeviceFilter { platform: some("rare_os"), ..page.clone() }, 10),
        ("unknown platform", DeviceFilter { platform: some("none"), ..page.clone() }, 0),
        ("site", DeviceFilter { site: some("site-042"), ..page.clone() }, PAGE as usize),
        ("healthy", DeviceFilter { status: some("ok"), ..page.clone() }, PAGE as usize),
        ("failing", DeviceFilter { status: some("failing"), ..page.clone() }, PAGE as usize),
        ("name", DeviceFilter { text: some("SW-09876"), ..page.clone() }, 1),
        ("address", DeviceFilter { text: some("10.0.39.1"), ..page.clone() }, 8),
        ("unknown text", DeviceFilter { text: some("nowhere"), ..page.clone() }, 0),
        ("common text", DeviceFilter { text: some("site-"), ..page.clone() }, PAGE as usize),
        ("one letter", DeviceFilter { text: some("s"), ..page.clone() }, PAGE as usize),
    ];
    for (name, filter, expected) in filters {
        let found =
            scale.page(&format!("devices, {name}"), async |store| devices::list(store, &filter).await).await;
        assert_eq!(found.len(), expected, "{name}");
    }
    let name = "site-100-sw-05100";
    let device = scale.page("device by name", async |store| devices::get(store, name).await).await;
    let uuid = device.uuid.to_string();
    assert_eq!(
        scale.page("device by uuid", async |store| devices::get(store, &uuid).await).await.id,
        device.id
    );
    assert_eq!(
        scale.page("device by id", async |store| devices::get(store, "5100").await).await.id,
        device.id
    );

    scale.page("versions", async |store| versions::list(store, name, PAGE, None).await).await;
    let older =
        scale.page("older versions", async |store| versions::list(store, name, PAGE, Some(8)).await).await;
    assert_eq!(older.len(), 7);
    for selector in
        [VersionSelector::Latest, VersionSelector::Seq(3), VersionSelector::At(older[0].retrieved_at)]
    {
        let what = format!("version {selector:?}");
        let version = scale.page(&what, async |store| versions::load(store, name, selector).await).await;
        assert_eq!((version.parts.len(), version.parts[0].content.len()), (1, 32));
    }
}

async fn jobs_and_logs(scale: &mut Scale) {
    let page = JobFilter { limit: Some(PAGE), ..JobFilter::default() };
    let failed = JobFilter { outcome: Some(Outcome::Failed), ..page.clone() };
    let filters = [
        ("all", page.clone(), PAGE as usize),
        ("next page", JobFilter { before: Some(JobId(30_000)), ..page.clone() }, PAGE as usize),
        ("of a run", JobFilter { run: Some(RunId(150)), ..page.clone() }, PAGE as usize),
        ("of a device", JobFilter { device: Some(DeviceId(5_100)), ..page.clone() }, 6),
        ("queued", JobFilter { status: Some(JobStatus::Queued), ..page.clone() }, PAGE as usize),
        ("running", JobFilter { status: Some(JobStatus::Running), ..page.clone() }, PAGE as usize),
        ("done", JobFilter { status: Some(JobStatus::Done), ..page.clone() }, PAGE as usize),
        ("cancelled", JobFilter { status: Some(JobStatus::Cancelled), ..page.clone() }, 0),
        ("failed", failed.clone(), PAGE as usize),
        ("failed, next page", JobFilter { before: Some(JobId(30_000)), ..failed }, PAGE as usize),
        ("skipped", JobFilter { outcome: Some(Outcome::Skipped), ..page.clone() }, 10),
        (
            "failed of a run",
            JobFilter { run: Some(RunId(150)), outcome: Some(Outcome::Failed), ..page.clone() },
            6,
        ),
        (
            "failed of a device",
            JobFilter { device: Some(DeviceId(5_100)), outcome: Some(Outcome::Failed), ..page },
            0,
        ),
    ];
    for (name, filter, expected) in filters {
        let found =
            scale.page(&format!("jobs, {name}"), async |store| jobs::list(store, &filter).await).await;
        assert_eq!(found.len(), expected, "{name}");
    }
    let detail = scale.page("job", async |store| jobs::get(store, JobId(30_000)).await).await;
    assert_eq!((detail.attempts.len(), detail.events.len()), (1, 4));
    let runs = scale
        .page_reading(MOST_READ_OF_RUNS, "runs", async |store| jobs::runs_list(store, 20, None).await)
        .await;
    assert_eq!((runs.len(), runs[0].active), (20, 200));
    let older = scale
        .page_reading(MOST_READ_OF_RUNS, "older runs", async |store| {
            jobs::runs_list(store, 20, Some(RunId(100))).await
        })
        .await;
    assert_eq!(older[0].id, RunId(99));
    assert_eq!(
        scale.page("progress", async |store| jobs::run_progress(store, RunId(150)).await).await.total,
        200
    );
    let results = scale.page("results", async |store| jobs::run_results(store, RunId(150)).await).await;
    assert_eq!(results.len(), 200);

    scale.page("events of a job", async |store| logs::job_events(store, JobId(30_000)).await).await;
    let log =
        scale.page("dialogue of a job", async |store| logs::connection_log(store, JobId(30_000)).await).await;
    let device = detail.job.device;
    let last = scale
        .page("dialogue of a device", async |store| logs::latest_connection_log(store, device).await)
        .await;
    assert!(log.is_some() && last.is_some());
}

async fn the_job_log(scale: &mut Scale) {
    let all = LogFilter::default();
    let newest = scale.page("log", async |store| logs::list(store, &all, LogPlace::Newest, PAGE).await).await;
    let middle = Cursor { timestamp: Utc::now() - TimeDelta::days(45), id: uuid::Uuid::nil() };
    let of = |level| LogFilter { level: Some(level), ..all.clone() };
    let filters = [
        ("older", all.clone(), LogPlace::Before(middle), PAGE as usize),
        ("newer", all.clone(), LogPlace::After(middle), PAGE as usize),
        ("newer than all", all.clone(), LogPlace::After(newest[0].cursor()), 0),
        ("of a job", LogFilter { job: Some(JobId(30_000)), ..all.clone() }, LogPlace::Newest, 4),
        ("of a device", LogFilter { device: Some(DeviceId(5_100)), ..all.clone() }, LogPlace::Newest, 20),
        ("of a run", LogFilter { run: Some(RunId(140)), ..all.clone() }, LogPlace::Newest, PAGE as usize),
        (
            "of a run, older",
            LogFilter { run: Some(RunId(50)), ..all.clone() },
            LogPlace::Newest,
            PAGE as usize,
        ),
        ("important", of(EventLevel::Info), LogPlace::Newest, PAGE as usize),
        ("warnings", of(EventLevel::Warning), LogPlace::Newest, 0),
        ("errors", of(EventLevel::Error), LogPlace::Before(middle), 0),
    ];
    for (name, filter, place, expected) in filters {
        let name = format!("log, {name}");
        let found = scale.page(&name, async |store| logs::list(store, &filter, place, PAGE).await).await;
        assert_eq!(found.len(), expected, "{name}");
    }
    let run = LogFilter { run: Some(RunId(140)), ..all };
    scale.page("log, who follows a run", async |store| Matcher::new(store, run.clone()).await).await;
    let followed =
        scale.page("log, followed", async |store| Follower::from_now(store.clone()).await?.next(PAGE).await);
    assert_eq!(followed.await, []);
    let found =
        scale.page("device found", async |store| devices::find(store, "site-100-sw-05100").await).await;
    assert_eq!(scale.page("name", async |store| devices::names_of(store, &[found]).await).await.len(), 1);
}

async fn the_small_tables(scale: &mut Scale) {
    let counted = scale.page_reading(MOST_READ_OF_TAGS, "tags", async |store| tags::list(store).await).await;
    assert!(counted.iter().any(|tag| tag.name == "default" && tag.devices == 10_000));
    assert_eq!(scale.page("schedules", async |store| schedules::list(store).await).await.len(), 20);
    assert_eq!(scale.page("credentials", async |store| credentials::list(store).await).await.len(), 100);
    scale.page("credential", async |store| credentials::get_info(store, "credential-50").await).await;
    assert!(scale.page("settings", async |store| settings::list(store).await).await.len() >= 50);
    scale.page("setting", async |store| settings::get(store, "example.7").await).await;
    let rules = scale.page("tag rules", async |store| tag_rules::list(store).await).await;
    assert_eq!(rules.iter().map(|rule| rule.devices).collect::<Vec<_>>(), [50]);
    assert!(scale.page("users", async |store| users::list(store).await).await.len() >= 100);
    scale.page("user", async |store| users::get(store, "user-50").await).await;
    assert_eq!(scale.page("workers", async |store| workers::list(store).await).await.len(), 4);
    scale.page("workers alive", async |store| workers::alive(store, "worker", MINUTE).await).await;
}

async fn the_audit_trail(scale: &mut Scale) {
    let page = AuditFilter { limit: Some(PAGE), ..AuditFilter::default() };
    let by = |actor: &str| Some(actor.to_owned());
    let filters = [
        ("all", page.clone(), PAGE as usize),
        ("next page", AuditFilter { before: Some(2_000), ..page.clone() }, PAGE as usize),
        ("of an actor", AuditFilter { actor: by("user-50"), ..page.clone() }, PAGE as usize),
        ("of nobody", AuditFilter { actor: by("nobody"), ..page.clone() }, 0),
        ("of an action", AuditFilter { action: Some(Action::DeviceRemoved), ..page.clone() }, PAGE as usize),
        ("of a rare action", AuditFilter { action: Some(Action::UserRoleChanged), ..page }, 0),
    ];
    for (name, filter, expected) in filters {
        let found =
            scale.page(&format!("audit, {name}"), async |store| audit::list(store, &filter).await).await;
        assert_eq!(found.len(), expected, "{name}");
    }
}

async fn the_scheduler(scale: &mut Scale) {
    let claim = async |store: &Store| jobs::claim(store, "w2", 8, MINUTE).await;
    let mut claimed = Vec::new();
    for _ in 0..REPEAT {
        claimed.extend(scale.once("claim", claim).await);
    }
    assert_eq!(claimed.len(), REPEAT * 8);
    assert!(claimed.iter().all(|job| job.previous.is_some() && !job.credentials.is_empty()));
    let ids: Vec<_> = claimed.iter().map(|job| job.job).collect();
    scale.page("leases", async |store| jobs::extend_leases(store, "w2", &ids, MINUTE).await).await;
    scale.page("cancelled", async |store| jobs::cancelled_among(store, &ids).await).await;
    scale.page("expired leases", async |store| jobs::requeue_expired(store).await).await;
    let finished: Vec<_> = claimed.iter().map(unchanged).collect();
    for batch in finished.chunks(8) {
        let recorded = scale.once("finish", async |store| jobs::finish(store, "w2", batch).await).await;
        assert!(recorded.iter().all(Result::is_ok));
    }
    scale.page("due schedules", async |store| schedules::start_due(store).await).await;
    let run = NewRun::new(
        JobKind::Reachability,
        Origin::Person,
        TargetSelection::Tags(vec!["tag-07".to_owned()]),
        "tester",
    );
    let created = scale.once("a run of a tag", async |store| jobs::create_run(store, &run).await).await;
    assert!(created.jobs > 400, "{created:?}");
    scale.once("cancelling a run", async |store| jobs::cancel_run(store, created.run).await).await;
    let removed = scale
        .once("removing a device", async |store| devices::remove(store, "site-100-sw-05100").await)
        .await;
    assert_eq!(removed.versions, 20);
    scale
        .once("removing a credential", async |store| credentials::remove(store, "credential-50").await)
        .await;
}

fn unchanged(job: &jobs::ClaimedJob) -> Finished {
    let now = Utc::now();
    Finished {
        credential_used: job.credentials.first().map(|credential| credential.id),
        ..Finished::new(job, now, now, FinishedResult::Unchanged { facts: Facts::default() })
    }
}
