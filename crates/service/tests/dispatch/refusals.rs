//! Refused logins count where gateways elsewhere meet them.

use crate::station::{Station, only};
use crate::support::House;
use netraven_lab::{Lab, LabSettings};
use netraven_model::ErrorCode;
use netraven_store::credentials;
use netraven_store::jobs::{self, JobFilter};
use netraven_store::logins::Limits;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_password_is_shown_to_a_few_of_many_devices_and_suspended() {
    let Some(house) = House::new().await else { return };
    let settings = LabSettings { count: 40, platforms: vec!["frr".into()], ..LabSettings::default() };
    let lab = Lab::start(settings).unwrap();
    house.add_devices(&lab.devices()).await;
    house.add_credential("stale", &lab.devices()[0], Some("of-last-year"), 1).await;
    let (one, other) = (Station::new().await, Station::new().await);
    let dispatch = only([("one", one.settings(&[])), ("other", other.settings(&[]))]);
    let worker = house.worker(|settings| {
        settings.parallel_sessions = 40;
        settings.dispatch = dispatch;
        settings.logins = Limits { per_device: 3, per_credential: 3 };
    });
    let progress = house.back_up().await;
    assert_eq!(progress.failed, 40, "{progress:?}");
    let refused: u64 =
        lab.devices().iter().map(|device| lab.counters(device.index).unwrap().refused_logins as u64).sum();
    assert_eq!(refused, 3, "across both gateways");
    assert!(credentials::get_info(&house.store, "stale").await.unwrap().suspended_at.is_some());
    let filter = JobFilter { limit: Some(100), ..JobFilter::default() };
    let all = jobs::list(&house.store, &filter).await.unwrap();
    let count = |code: ErrorCode| all.iter().filter(|job| job.error_code == Some(code)).count();
    assert_eq!((count(ErrorCode::AuthFailed), count(ErrorCode::NoCredential)), (3, 37), "{all:?}");
    worker.stop(Duration::from_secs(5)).await;
    one.stop().await;
    other.stop().await;
    lab.shutdown().await;
}
