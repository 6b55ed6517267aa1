use crate::place::{Place, many, numbered, numbers};
use crate::support::House;
use chrono::{TimeDelta, Utc};
use netraven_lab::LabSettings;
use netraven_model::{DeviceId, ErrorCode, Event, Failure, JobEvent, JobId, Phase};
use netraven_store::jobs::JobFilter;
use netraven_store::{devices, jobs};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn pages_lead_through_the_log_in_both_directions_without_gaps_or_doubles() {
    let Some((place, _store, _database)) = Place::new().await else { return };
    // Many at the same microsecond: only the id tells them apart.
    let now = Utc::now();
    let mut events: Vec<_> = (0..40).map(|number| numbered(1, number, now)).collect();
    events.extend(many(1, 40..100));
    place.sent(&events).await;

    let (mut path, mut seen) = ("/logs?job=1&limit=7".to_owned(), Vec::new());
    let last = loop {
        let page = place.json(&path).await;
        seen.extend(numbers(&page));
        if page["older"].is_null() {
            break page;
        }
        // What is written meanwhile is newer.
        place.sent(&many(2, 0..3)).await;
        path = format!("/logs?job=1&limit=7&before={}", page["older"].as_str().unwrap());
    };
    let all = seen.clone();
    seen.sort_unstable();
    assert_eq!(seen, (0..100).collect::<Vec<_>>());

    let (mut newer, mut back) = (last["newer"].clone(), numbers(&last));
    loop {
        let page = place.json(&format!("/logs?job=1&limit=9&after={}", newer.as_str().unwrap())).await;
        if page["newer"].is_null() {
            break;
        }
        back.splice(0..0, numbers(&page));
        newer = page["newer"].clone();
    }
    assert_eq!(back, all);
    place.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_filter_takes_what_it_says() {
    let Some((house, _lab)) =
        House::with_lab(LabSettings { count: 3, platforms: vec!["frr".into()], ..LabSettings::default() })
            .await
    else {
        return;
    };
    let place = Place::on(house.stores.joblog.clone(), |_| {}).await;
    let run = house.start_run().await;
    let filter = JobFilter { run: Some(run), ..JobFilter::default() };
    let of_run = jobs::list(&house.store, &filter).await.unwrap();
    let (job, device) = (of_run[0].id, of_run[0].device);
    let start = Utc::now();
    let event = |job: Option<JobId>, device: Option<DeviceId>, seconds, event| {
        JobEvent::new(job, device, start + TimeDelta::seconds(seconds), event)
    };
    let failure = Failure::new(ErrorCode::Timeout, Phase::Connect, "50% of_the time nothing CAME");
    place
        .sent(&[
            event(Some(job), Some(device), 0, Event::Started { attempt: 1 }),
            event(Some(job), Some(device), 1, Event::CommandSkipped { command: "show x".into() }),
            event(Some(of_run[1].id), Some(of_run[1].device), 2, Event::Failed { failure }),
            event(Some(JobId(4_711)), None, 3, Event::Unchanged),
            event(None, Some(device), 4, Event::Cancelled),
        ])
        .await;
    let named = devices::get(&house.store, &device.to_string()).await.unwrap();
    let from = (start + TimeDelta::seconds(3)).to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    let cases = [
        (String::new(), vec!["cancelled", "unchanged", "failed", "command_skipped", "started"]),
        (format!("job={job}"), vec!["command_skipped", "started"]),
        (format!("device={}", named.hostname), vec!["cancelled", "command_skipped", "started"]),
        (format!("device={}&job={job}&level=info", named.uuid), vec!["command_skipped"]),
        (format!("device={device}&event=cancelled"), vec!["cancelled"]),
        (format!("run={run}"), vec!["failed", "command_skipped", "started"]),
        ("level=warning".to_owned(), vec!["failed", "command_skipped"]),
        ("level=error".to_owned(), vec!["failed"]),
        ("text=50%25+OF_THE".to_owned(), vec!["failed"]),
        ("text=50_".to_owned(), vec![]),
        (format!("from={from}"), vec!["cancelled", "unchanged"]),
        (format!("to={from}&run={run}&limit=1"), vec!["failed"]),
    ];
    for (query, expected) in cases {
        let page = place.json(&format!("/logs?{query}")).await;
        let events: Vec<_> = page["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["event"].as_str().unwrap())
            .collect();
        assert_eq!(events, expected, "{query}");
    }
    let entry: Value = place.json("/logs?event=unchanged").await["entries"][0].clone();
    assert_eq!(
        (&entry["job_id"], &entry["level"], &entry["success"]),
        (&4_711.into(), &"info".into(), &true.into())
    );
    place.stop().await;
}
