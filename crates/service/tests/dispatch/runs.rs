//! Whole runs: what is stored, who carried it out, and what a cancelled or broken one leaves behind.

use crate::station::{Station, Wish, certificate, only};
use crate::support::{House, LONG};
use netraven_lab::{Failing, Failures, Lab, LabDevice, LabSettings};
use netraven_model::{DeviceName, ErrorCode};
use netraven_service::gateway::Right;
use netraven_store::devices::{NewDevice, OnExisting, Reach};
use netraven_store::{devices, jobs, secrets};
use netraven_vault::reveal;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// A house whose devices stand at the sites that `site` says.
async fn house(
    settings: LabSettings,
    site: impl Fn(&LabDevice) -> Option<&'static str>,
) -> Option<(House, Lab)> {
    let house = House::new().await?;
    let lab = Lab::start(settings).unwrap();
    enter(&house, &lab, site, |device| device.platform.clone()).await;
    Some((house, lab))
}

async fn enter(
    house: &House,
    lab: &Lab,
    site: impl Fn(&LabDevice) -> Option<&'static str>,
    family: impl Fn(&LabDevice) -> String,
) {
    let new = lab.devices().into_iter().map(|device| NewDevice {
        hostname: DeviceName::parse(&device.hostname).unwrap(),
        address: device.address.to_string(),
        port: Some(device.port),
        device_type: family(&device),
        site: site(&device).map(str::to_owned),
        description: None,
        reach: Reach::default(),
        tags: Vec::new(),
    });
    devices::add_many(&house.store, new.collect(), OnExisting::Fail).await.unwrap();
    house.add_credential("lab", &lab.devices()[0], None, 100).await;
}

fn half(device: &LabDevice) -> Option<&'static str> {
    Some(if device.index.is_multiple_of(2) { "berlin" } else { "paris" })
}

fn slow(count: u32) -> LabSettings {
    let think_time = Duration::from_millis(300);
    LabSettings { count, think_time, platforms: vec!["frr".into()], ..LabSettings::default() }
}

async fn until(mut reached: impl AsyncFnMut() -> bool) {
    let all = async {
        while !reached().await {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, all).await.expect("it comes to that");
}

/// Every version of the device as it came from it, secrets included.
async fn revealed(house: &House, device: &str) -> Vec<Vec<u8>> {
    let id = devices::get(&house.store, device).await.unwrap().id;
    let mut texts = Vec::new();
    for part in house.newest(device).await.parts {
        let wanted: Vec<_> =
            netraven_seal::markers(&part.content).map(|(_, fingerprint)| fingerprint).collect();
        let (uuid, kept) = secrets::kept(&house.store, id, &wanted).await.unwrap();
        let open = |kept: &secrets::KeptSecret| {
            house
                .vault
                .open_capture(uuid, &kept.key)
                .unwrap()
                .open(kept.fingerprint, &kept.ciphertext)
                .unwrap()
        };
        let values: HashMap<_, _> =
            kept.iter().map(|(fingerprint, kept)| (*fingerprint, open(kept))).collect();
        let text = reveal(&part.content, |fingerprint| values.get(&fingerprint)).unwrap();
        texts.push(text.expose_bytes().to_vec());
    }
    texts
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_of_two_sites_bring_what_this_process_would_and_secrets_can_be_revealed() {
    let lab = LabSettings { count: 12, ..LabSettings::default() };
    let Some((house, lab)) = house(lab, half).await else { return };
    let (berlin, paris) = (Station::new().await, Station::new().await);
    let dispatch = || only([("b", berlin.settings(&["berlin"])), ("p", paris.settings(&["paris"]))]);
    let worker = house.worker(|settings| settings.dispatch = dispatch());
    let progress = house.back_up().await;
    assert_eq!(progress.changed, 12, "{progress:?}");
    let own = worker.gateway().status();
    assert!(own.platforms.is_empty(), "nothing was done here: {own:?}");
    assert!(berlin.answered() > 0 && paris.answered() > 0);
    worker.stop(Duration::from_secs(5)).await;

    let mut hidden = 0;
    for device in lab.devices() {
        let (session, personality, state) = lab.inside(device.index).unwrap();
        let texts = revealed(&house, &device.hostname).await;
        let stored = house.newest(&device.hostname).await;
        hidden +=
            stored.parts.iter().map(|part| netraven_seal::markers(&part.content).count()).sum::<usize>();
        for (part, text) in stored.parts.iter().zip(&texts) {
            assert!(netraven_seal::markers(text).next().is_none(), "{}", part.name);
        }
        for part in session.expect(&personality, state).parts {
            let found = stored.parts.iter().find(|stored| stored.command == part.command).unwrap();
            let text = String::from_utf8_lossy(&found.content);
            for line in part.contains {
                assert!(text.lines().any(|found| found == line), "{}: {line}", device.hostname);
            }
        }
        assert_eq!(lab.counters(device.index).unwrap().max_parallel, 1, "{}", device.hostname);
    }
    assert!(hidden > 12, "{hidden} secrets");

    // The same in this process means the same: equal significant hashes.
    let worker = house.worker(|_| {});
    assert_eq!(house.back_up().await.unchanged, 12);
    worker.stop(Duration::from_secs(5)).await;
    assert!(lab.change(3));
    let worker = house.worker(|settings| settings.dispatch = dispatch());
    let third = house.back_up().await;
    assert_eq!((third.changed, third.unchanged), (1, 11), "{third:?}");
    worker.stop(Duration::from_secs(5)).await;
    assert_eq!(lab.unexpected(), []);
    berlin.stop().await;
    paris.stop().await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_of_one_site_share_a_run_over_tls_and_a_device_of_no_family_is_recognised() {
    let folder = tempfile::tempdir().unwrap();
    let tls = certificate(folder.path());
    let platforms: Vec<String> = ["cisco_ios", "frr"].map(str::to_owned).into();
    let settings = LabSettings { count: 8, platforms, ..LabSettings::default() };
    let Some(house) = House::new().await else { return };
    let lab = Lab::start(settings).unwrap();
    let family = |device: &LabDevice| if device.index == 0 { "auto".into() } else { device.platform.clone() };
    enter(&house, &lab, |_| None, family).await;
    let wish = || Wish { tls: Some(tls.clone()), ..Wish::default() };
    let (one, other) = (Station::with(wish()).await, Station::with(wish()).await);
    let trusted = |station: &Station| {
        let ca_file = Some(folder.path().join("cert.pem"));
        netraven_service::GatewaySettings { ca_file, max_sessions: Some(2), ..station.settings(&[]) }
    };
    let worker = house
        .worker(|settings| settings.dispatch = only([("one", trusted(&one)), ("other", trusted(&other))]));
    let progress = house.back_up().await;
    assert_eq!(progress.changed, 8, "{progress:?}");
    assert!(one.answered() > 0 && other.answered() > 0);
    let found = devices::get(&house.store, &lab.devices()[0].hostname).await.unwrap();
    assert_eq!(found.device_type, "cisco_ios");
    worker.stop(Duration::from_secs(5)).await;
    one.stop().await;
    other.stop().await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_dies_in_the_middle_costs_retries_and_no_version_is_doubled() {
    let Some((house, lab)) = house(slow(24), |_| Some("berlin")).await else { return };
    let (dying, staying) = (Station::new().await, Station::new().await);
    let dispatch = only([("dying", dying.settings(&["berlin"])), ("staying", staying.settings(&["berlin"]))]);
    let worker = house.worker(|settings| {
        settings.dispatch = dispatch;
        settings.retry.attempts = 5;
        settings.retry.base = Duration::from_secs(1);
    });
    let run = house.start_run().await;
    until(async || dying.gateway.status().active > 3).await;
    dying.dies().await;
    let progress = house.wait(run, |progress| progress.queued + progress.running == 0).await;
    assert_eq!(progress.changed, 24, "{progress:?}");
    worker.stop(Duration::from_secs(5)).await;
    for device in lab.devices() {
        assert_eq!(house.versions(&device.hostname).await.len(), 1, "{}", device.hostname);
        assert_eq!(lab.counters(device.index).unwrap().max_parallel, 1, "{}", device.hostname);
    }
    staying.stop().await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_closes_its_sessions_at_the_gateway_within_two_seconds() {
    let failures =
        Failures { listed: (0..3).map(|n| (n, Failing::NeverAnswers)).collect(), ..Failures::default() };
    let Some((house, lab)) = house(LabSettings { failures, ..slow(3) }, |_| None).await else { return };
    let mut device = crate::support::quick().device;
    device.ssh.handshake_timeout = LONG;
    let station = Station::with(Wish { device: device.clone(), ..Wish::default() }).await;
    let dispatch = only([("g", station.settings(&[]))]);
    let worker = house.worker(|settings| (settings.dispatch, settings.device) = (dispatch, device));
    let run = house.start_run().await;
    until(async || lab.open_connections() == 3).await;
    jobs::cancel_run(&house.store, run).await.unwrap();
    let cancelled = Instant::now();
    until(async || lab.open_connections() == 0).await;
    assert!(cancelled.elapsed() < Duration::from_secs(2), "{:?}", cancelled.elapsed());
    let progress = house.wait(run, |progress| progress.queued + progress.running == 0).await;
    assert_eq!(progress.cancelled, 3, "{progress:?}");
    until(async || station.gateway.status().active == 0).await;
    worker.stop(Duration::from_secs(5)).await;
    station.stop().await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_gateway_for_its_site_a_job_fails_at_once_and_with_the_local_one_it_does_not() {
    let Some((house, lab)) = house(slow(1), |_| Some("rome")).await else { return };
    let station = Station::with(Wish { rights: vec![Right::Jobs], ..Wish::default() }).await;
    let dispatch = only([("b", station.settings(&["berlin"]))]);
    let worker = house.worker(|settings| settings.dispatch = dispatch.clone());
    let progress = house.back_up().await;
    assert_eq!(progress.failures, [(ErrorCode::NoGateway, 1)]);
    let job = house.only_job().await;
    assert!(job.error.unwrap().contains("the site 'rome'"));
    assert_eq!(job.attempts, 1);
    worker.stop(Duration::from_secs(5)).await;

    let worker = house.worker(|settings| {
        settings.dispatch = dispatch;
        settings.dispatch.local = Some(true);
    });
    assert_eq!(house.back_up().await.changed, 1);
    worker.stop(Duration::from_secs(5)).await;
    station.stop().await;
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_wait_for_a_gateway_that_is_away_and_lose_no_attempt() {
    let Some((house, lab)) = house(slow(2), |_| None).await else { return };
    let station = Station::new().await;
    let settings = station.settings(&[]);
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("gateway_keys.yaml");
    std::fs::copy(station.folder.path().join("gateway_keys.yaml"), &kept).unwrap();
    let listen = station.dies().await;
    let worker = house.worker(|worker| worker.dispatch = only([("g", settings)]));
    let run = house.start_run().await;
    // Claimed and put back, at least once.
    until(async || {
        let all = jobs::list(&house.store, &jobs::JobFilter::default()).await.unwrap();
        let put_back =
            |job: &jobs::JobRow| job.scheduled_for > job.created_at + chrono::TimeDelta::seconds(1);
        all.len() == 2 && all.iter().all(|job| put_back(job) && job.attempts == 0)
    })
    .await;
    let again = Station::with(Wish { listen, ..Wish::default() }).await;
    std::fs::copy(&kept, again.folder.path().join("gateway_keys.yaml")).unwrap();
    let progress = house.wait(run, |progress| progress.queued + progress.running == 0).await;
    assert_eq!(progress.changed, 2, "{progress:?}");
    worker.stop(Duration::from_secs(5)).await;
    for device in lab.devices() {
        assert_eq!(lab.counters(device.index).unwrap().connections, 1, "it was contacted once");
    }
    again.stop().await;
    lab.shutdown().await;
}
