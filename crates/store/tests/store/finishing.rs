use crate::support::{MINUTE, changed, changed_parts, dialogue, failed, finished, fixture, part, unchanged};
use chrono::Utc;
use netraven_model::{ErrorCode, Event, Facts, HostKey, JobEvent, JobStatus, Outcome, Span};
use netraven_store::jobs::{self, FinishedResult, TargetSelection};
use netraven_store::versions::{self, VersionSelector};
use netraven_store::{devices, logs};

#[tokio::test]
async fn a_first_backup_is_version_one_and_everything_about_it_is_kept() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    let credential = fixture.add_credential("ops", 10, &[]).await;
    let job = fixture.claim_new().await;
    let facts = Facts {
        serial_number: Some("FOC123".into()),
        model: Some("C9300".into()),
        software_version: Some("17.9".into()),
        changed_by: Some("alice".into()),
        ..Facts::default()
    };
    let FinishedResult::Changed { config, platform_digest, .. } =
        changed_parts(vec![part("running-config", b"a\nuptime 5\n", vec![Span { start: 9, end: 10 }])])
    else {
        panic!("made as changed")
    };
    let flags = vec!["much_smaller".to_owned()];
    let mut result =
        finished(&job, FinishedResult::Changed { config, platform_digest, flags, rules_only: false, facts });
    result.credential_used = Some(credential);
    result.host_key = Some(HostKey { algorithm: "a".into(), key: "k".into(), fingerprint: "f".into() });
    result.dialogue = dialogue(&result, "> show running-config");
    result.events = vec![JobEvent::new(
        Some(job.job),
        Some(job.device),
        result.started_at,
        Event::Started { attempt: 1 },
    )];
    let finished_at = result.finished_at;
    let recorded = fixture.finish_one(result).await;
    let (version, seq) = recorded.version.unwrap();
    assert_eq!((recorded.outcome, seq, recorded.retry_planned), (Some(Outcome::Changed), 1, false));

    let device = devices::get(&fixture.store, "r1").await.unwrap();
    assert_eq!((device.status.as_str(), device.versions), ("ok", 1));
    assert_eq!(device.serial_number.as_deref(), Some("FOC123"));
    assert_eq!((device.model.as_deref(), device.software_version.as_deref()), (Some("C9300"), Some("17.9")));
    let micros = |time: chrono::DateTime<Utc>| time.timestamp_micros();
    assert_eq!(device.last_seen.map(micros), Some(micros(finished_at)));
    assert_eq!(device.last_changed.map(micros), Some(micros(finished_at)));

    let detail = jobs::get(&fixture.store, job.job).await.unwrap();
    assert_eq!((detail.job.status, detail.job.outcome), (JobStatus::Done, Some(Outcome::Changed)));
    let attempt = &detail.attempts[0];
    assert_eq!((attempt.attempt, attempt.worker.as_str(), attempt.credential), (1, "w1", Some(credential)));
    let events: Vec<_> = detail.events.iter().map(|event| event.event.as_str()).collect();
    assert_eq!(events, ["started", "version_stored"]);
    assert_eq!(
        detail.events[1].details,
        Some(serde_json::json!({"version": version.0, "seq": 1, "bytes": 11}))
    );
    assert_eq!((detail.events[1].level.as_str(), detail.events[1].success), ("info", Some(true)));
    assert_eq!(detail.events[1].message, "version 1 stored, 11 bytes");
    for log in [
        logs::connection_log(&fixture.store, job.job).await.unwrap().unwrap(),
        logs::latest_connection_log(&fixture.store, device.id).await.unwrap().unwrap(),
    ] {
        assert_eq!((log.log.as_str(), log.job), ("> show running-config", Some(job.job)));
    }

    let loaded = versions::load(&fixture.store, "r1", VersionSelector::Latest).await.unwrap();
    assert_eq!((loaded.row.id, loaded.row.size, loaded.row.parts), (version, 11, 1));
    assert_eq!(
        (loaded.row.changed_by.as_deref(), loaded.row.flags.as_slice()),
        (Some("alice"), &["much_smaller".to_owned()][..])
    );
    assert_eq!(loaded.parts[0].content, b"a\nuptime 5\n");
    assert_eq!(loaded.parts[0].volatile, [Span { start: 9, end: 10 }]);
    assert_eq!(
        fixture.value("SELECT metadata ->> 'job' FROM netraven.device_configurations").await,
        Some(job.job.to_string())
    );
}

#[tokio::test]
async fn going_back_to_an_earlier_configuration_is_a_third_version() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    for (text, seq) in [("a\n", 1), ("b\n", 2), ("a\n", 3)] {
        let recorded = fixture.back_up(text).await;
        assert_eq!((recorded.outcome, recorded.version.unwrap().1), (Some(Outcome::Changed), seq));
    }
    // The same content is stored once.
    assert_eq!(fixture.number("SELECT count(*) FROM netraven.configuration_blobs").await, 2);
    let readable = "SELECT string_agg(seq || ':' || config_data, ',') FROM netraven.device_configurations";
    assert_eq!(fixture.value(readable).await.as_deref(), Some("3:a\n"));
}

#[tokio::test]
async fn unchanged_moves_the_end_of_the_newest_interval() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    let stored = fixture.back_up("a\n").await.version;
    let job = fixture.claim_new().await;
    let result = finished(&job, unchanged());
    let seen = result.finished_at;
    let recorded = fixture.finish_one(result).await;
    assert_eq!((recorded.outcome, recorded.version), (Some(Outcome::Unchanged), stored));
    let version = versions::load(&fixture.store, "r1", VersionSelector::Latest).await.unwrap().row;
    assert_eq!(version.last_seen.timestamp_micros(), seen.timestamp_micros());
    assert!(version.retrieved_at < version.last_seen);
    assert_eq!(jobs::get(&fixture.store, job.job).await.unwrap().events[0].event, "unchanged");
}

#[tokio::test]
async fn a_change_is_compared_again_under_the_lock() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    let stored = fixture.back_up("a\n").await.version;
    // The worker compared with something older and says "changed"; the newest version has this very content.
    let job = fixture.claim_new().await;
    let recorded = fixture.finish_one(finished(&job, changed("a\n"))).await;
    assert_eq!((recorded.outcome, recorded.version), (Some(Outcome::Unchanged), stored));
    assert_eq!(devices::get(&fixture.store, "r1").await.unwrap().versions, 1);
}

#[tokio::test]
async fn a_failure_that_is_worth_it_is_tried_again_after_the_wait() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    let job = fixture.claim_new().await;
    let recorded = fixture.finish_one(finished(&job, failed(ErrorCode::Timeout, Some(MINUTE)))).await;
    assert_eq!((recorded.outcome, recorded.retry_planned), (None, true));
    let detail = jobs::get(&fixture.store, job.job).await.unwrap();
    assert_eq!((detail.job.status, detail.job.error_code), (JobStatus::Queued, Some(ErrorCode::Timeout)));
    let wait = detail.job.scheduled_for - Utc::now();
    assert!(wait.num_seconds() > 30 && wait.num_seconds() <= 60, "{wait}");
    assert_eq!(detail.attempts[0].outcome, Some(Outcome::Failed));
    let device = devices::get(&fixture.store, "r1").await.unwrap();
    assert_eq!((device.status.as_str(), device.last_error_code.as_deref()), ("new", Some("timeout")));

    fixture.execute("UPDATE netraven.jobs SET scheduled_for = now()").await;
    let again = fixture.claim(1).await.remove(0);
    assert_eq!((again.job, again.attempt), (job.job, 2));
    fixture.finish_one(finished(&again, changed("x\n"))).await;
    let device = devices::get(&fixture.store, "r1").await.unwrap();
    assert_eq!((device.status.as_str(), device.last_error_code, device.last_error), ("ok", None, None));
    let row = fixture.status(job.job).await;
    assert_eq!((row.error_code, row.error, row.attempts), (None, None, 2));
}

#[tokio::test]
async fn a_final_failure_marks_the_device_and_keeps_what_was_known() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    fixture.back_up("x\n").await;
    let seen = devices::get(&fixture.store, "r1").await.unwrap().last_seen;
    let job = fixture.claim_new().await;
    let recorded = fixture.finish_one(finished(&job, failed(ErrorCode::AuthFailed, None))).await;
    assert_eq!(recorded.outcome, Some(Outcome::Failed));
    let device = devices::get(&fixture.store, "r1").await.unwrap();
    assert_eq!((device.status.as_str(), device.last_seen), ("failing", seen));
    assert_eq!(device.last_error.as_deref(), Some("it did not answer"));
}

#[tokio::test]
async fn a_device_that_was_disabled_while_its_job_ran_stays_disabled() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_device("r1").await;
    let job = fixture.claim_new().await;
    let change = devices::DeviceChange { enabled: Some(false), ..devices::DeviceChange::default() };
    devices::update(&fixture.store, "r1", change).await.unwrap();
    fixture.finish_one(finished(&job, changed("x\n"))).await;
    assert_eq!(devices::get(&fixture.store, "r1").await.unwrap().status, "disabled");
}

#[tokio::test]
async fn a_batch_is_answered_in_its_own_order() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_devices(30).await;
    fixture.run(TargetSelection::All).await;
    let mut claimed = fixture.claim(30).await;
    claimed.reverse();
    let batch: Vec<_> = claimed
        .iter()
        .map(|job| finished(job, changed(&format!("hostname {}\n", job.target.hostname))))
        .collect();
    let recorded = fixture.finish(&batch).await;
    for (job, recorded) in claimed.iter().zip(recorded) {
        assert_eq!(recorded.unwrap().job, job.job);
        let loaded =
            versions::load(&fixture.store, &job.target.hostname, VersionSelector::Latest).await.unwrap();
        assert_eq!(loaded.parts[0].content, format!("hostname {}\n", job.target.hostname).as_bytes());
    }
    assert!(fixture.finish(&[]).await.is_empty());
}

#[tokio::test]
async fn parts_keep_their_order_spans_and_kinds_in_a_batch_of_many() {
    let Some(fixture) = fixture().await else { return };
    fixture.add_devices(2).await;
    fixture.run(TargetSelection::All).await;
    let span = |start, end| Span { start, end };
    let parts = |n: usize| {
        vec![
            part("one", format!("{n} first\n").as_bytes(), vec![span(0, 1), span(2, 4)]),
            part("two", b"same everywhere\n", Vec::new()),
            part("three", b"\x00\xff\n", vec![span(1, 2)]),
        ]
    };
    let claimed = fixture.claim(2).await;
    let batch: Vec<_> = (0..).zip(&claimed).map(|(n, job)| finished(job, changed_parts(parts(n)))).collect();
    fixture.finish(&batch).await;
    for (n, job) in claimed.iter().enumerate() {
        let loaded =
            versions::load(&fixture.store, &job.target.hostname, VersionSelector::Seq(1)).await.unwrap();
        let shown: Vec<_> = loaded
            .parts
            .iter()
            .map(|part| (part.name.as_str(), part.content.as_slice(), part.volatile.as_slice()))
            .collect();
        let first = format!("{n} first\n");
        assert_eq!(
            shown,
            [
                ("one", first.as_bytes(), &[span(0, 1), span(2, 4)][..]),
                ("two", b"same everywhere\n", &[]),
                ("three", b"\x00\xff\n", &[span(1, 2)]),
            ]
        );
        assert_eq!(loaded.parts[0].command, "show one");
    }
}
