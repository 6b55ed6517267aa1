//! How many sessions there may be at once, and how quickly they may begin.

use super::keyed::Keyed;
use super::status::Counted;
use crate::request::{Access, DeviceSettings, Pace};
use netraven_model::{ErrorCode, Failure, Phase};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout_at};

/// All that a session waits for before it connects.
#[derive(Debug)]
pub(super) struct Gates {
    all: Arc<Semaphore>,
    devices: Keyed<(String, u16), Mutex<()>>,
    sites: Keyed<String, Gate>,
    hops: Keyed<(String, u16), Gate>,
    site_pace: Pace,
    hop_pace: Pace,
}

/// The way into one site or through one jump host.
#[derive(Debug)]
struct Gate {
    room: Arc<Semaphore>,
    interval: Duration,
    /// When the next session may begin.
    next: StdMutex<Option<Instant>>,
}

/// A place in front of the device, its site and its jump hosts, and among all sessions.
#[derive(Debug)]
pub(super) struct Entry {
    _device: OwnedMutexGuard<()>,
    _places: Vec<(Arc<Gate>, Option<OwnedSemaphorePermit>)>,
    _place: OwnedSemaphorePermit,
}

/// The right to hold one session; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    pub(super) _entry: Entry,
    pub(super) _active: Counted<'a>,
}

impl Gates {
    pub(super) fn new(settings: &DeviceSettings) -> Self {
        Self {
            all: Arc::new(Semaphore::new(settings.parallel_sessions.clamp(1, Semaphore::MAX_PERMITS))),
            devices: Keyed::new(|_| false),
            sites: Keyed::new(Gate::is_paced),
            hops: Keyed::new(Gate::is_paced),
            site_pace: settings.site,
            hop_pace: settings.jump_host,
        }
    }

    /// Waits for the device, its jump hosts and its site, and last for room among all: whoever waits for one device takes
    /// no room from others.
    pub(super) async fn enter(&self, access: &Access, until: Instant) -> Result<Entry, Failure> {
        let target = &access.target;
        let device = self.devices.get((target.address.clone(), target.port), Mutex::default);
        let busy = || late("another session with the device was expected to end");
        let device = timeout_at(until, device.lock_owned()).await.map_err(|_| busy())?;
        let mut places = Vec::new();
        for hop in &access.via {
            let key = (hop.target.address.clone(), hop.target.port);
            let gate = self.hops.get(key, || Gate::new(self.hop_pace));
            let crowded = || late(&format!("room on the jump host {} was expected", hop.target.hostname));
            let place = timeout_at(until, gate.pass()).await.map_err(|_| crowded())?;
            places.push((gate, place));
        }
        if let Some(site) = &access.site {
            let gate = self.sites.get(site.clone(), || Gate::new(self.site_pace));
            let crowded = || late(&format!("room among the sessions of the site {site} was expected"));
            let place = timeout_at(until, gate.pass()).await.map_err(|_| crowded())?;
            places.push((gate, place));
        }
        match timeout_at(until, self.all.clone().acquire_owned()).await {
            Ok(Ok(place)) => Ok(Entry { _device: device, _places: places, _place: place }),
            // Nobody closes the semaphore.
            Ok(Err(_)) | Err(_) => Err(late("room for another session was expected")),
        }
    }
}

impl Gate {
    fn new(pace: Pace) -> Self {
        let room = pace
            .sessions
            .map_or(Semaphore::MAX_PERMITS, |sessions| sessions.clamp(1, Semaphore::MAX_PERMITS));
        let interval = pace.logins_per_second.filter(|rate| *rate > 0.0).map_or(0.0, |rate| 1.0 / rate);
        let interval = Duration::try_from_secs_f64(interval).unwrap_or(Duration::MAX);
        Self { room: Arc::new(Semaphore::new(room)), interval, next: StdMutex::new(None) }
    }

    /// Whether the next session may not begin yet.
    fn is_paced(&self) -> bool {
        let next = *self.next.lock().unwrap_or_else(PoisonError::into_inner);
        next.is_some_and(|next| next > Instant::now())
    }

    async fn pass(&self) -> Option<OwnedSemaphorePermit> {
        let place = self.room.clone().acquire_owned().await.ok();
        if !self.interval.is_zero() {
            sleep_until(self.turn(Instant::now())).await;
        }
        place
    }

    /// When the next one may begin. Somebody who leaves while waiting leaves a gap, which only slows down.
    fn turn(&self, now: Instant) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = next.map_or(now, |next| next.max(now));
        *next = turn.checked_add(self.interval).or(Some(turn));
        turn
    }
}

fn late(expected: &str) -> Failure {
    Failure::new(ErrorCode::Timeout, Phase::Connect, format!("{expected} in time, and did not come"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use netraven_model::{Login, Protocol, Target};

    fn access(address: &str, site: Option<&str>) -> Access {
        let target = Target {
            device: None,
            uuid: uuid::Uuid::nil(),
            hostname: address.into(),
            address: address.into(),
            protocol: Protocol::Ssh,
            port: 22,
            platform: "linux".into(),
        };
        Access { site: site.map(str::to_owned), ..Access::new(target, Login::default()) }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(50)
    }

    #[tokio::test(start_paused = true)]
    async fn a_device_has_one_session_and_whoever_waits_for_it_takes_no_room() {
        let gates = Gates::new(&DeviceSettings { parallel_sessions: 2, ..DeviceSettings::default() });
        let first = gates.enter(&access("r1", None), soon()).await.unwrap();
        let second = gates.enter(&access("r1", None), soon()).await.unwrap_err();
        assert!(second.message.contains("another session with the device"), "{second}");
        let other = gates.enter(&access("r2", None), soon()).await.unwrap();
        assert!(
            gates.enter(&access("r3", None), soon()).await.unwrap_err().message.contains("room for another")
        );
        drop((first, other));
        gates.enter(&access("r1", None), soon()).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn sites_and_jump_hosts_have_their_own_room() {
        let pace = Pace { sessions: Some(1), logins_per_second: None };
        let gates = Gates::new(&DeviceSettings { site: pace, jump_host: pace, ..DeviceSettings::default() });
        let _first = gates.enter(&access("r1", Some("berlin")), soon()).await.unwrap();
        assert!(
            gates.enter(&access("r2", Some("berlin")), soon()).await.unwrap_err().message.contains("berlin")
        );
        gates.enter(&access("r2", Some("paris")), soon()).await.unwrap();
        let through = |address| Access { via: vec![access("jump", None)], ..access(address, None) };
        let _through = gates.enter(&through("r3"), soon()).await.unwrap();
        let crowded = gates.enter(&through("r4"), soon()).await.unwrap_err();
        assert!(crowded.message.contains("jump host jump"), "{crowded}");
    }

    #[tokio::test(start_paused = true)]
    async fn logins_of_a_site_are_spread_over_time() {
        let pace = Pace { sessions: None, logins_per_second: Some(4.0) };
        let gates = Gates::new(&DeviceSettings { site: pace, ..DeviceSettings::default() });
        let begun = Instant::now();
        let far = begun + Duration::from_secs(60);
        for device in 0..9 {
            drop(gates.enter(&access(&format!("r{device}"), Some("berlin")), far).await.unwrap());
        }
        // The clock of the runtime counts in milliseconds, each wait may be rounded up.
        assert!((2000..2020).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    }
}
