//! Which gateway takes a job: one of the device's site, the one with the most room.

use super::remote::{Fitness, Remote};
use super::trouble::Trouble;
use netraven_device::Gateway;
use netraven_model::{ErrorCode, Failure, Phase};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// How long a job waits for room; then it goes back into the queue and makes room itself.
const PATIENCE: Duration = Duration::from_secs(20);

/// All gateways that there are.
#[derive(Debug)]
pub(super) struct Gateways {
    /// This process.
    pub(super) local: Option<Arc<Gateway>>,
    pub(super) remotes: Vec<Arc<Remote>>,
    /// Rings when a job ends at one of them.
    freed: Notify,
}

/// Where a job goes.
#[derive(Debug)]
pub(super) enum Way<'a> {
    Here(&'a Gateway),
    There(Ticket<'a>),
}

/// One job's place at a gateway, as long as it lives.
#[derive(Debug)]
pub(super) struct Ticket<'a> {
    pub(super) remote: Arc<Remote>,
    freed: &'a Notify,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.remote.end();
        self.freed.notify_waiters();
    }
}

/// What can be said of the gateways of a site at one moment.
enum Seen<'a> {
    Way(Way<'a>),
    Full,
    Failed(Failure),
}

impl Gateways {
    pub(super) fn new(local: Option<Arc<Gateway>>, remotes: Vec<Arc<Remote>>) -> Self {
        Self { local, remotes, freed: Notify::new() }
    }

    /// The way that a job goes; `tried` are the gateways that did not take it, with the reason. Waits for room.
    ///
    /// # Errors
    /// `no_gateway`, `gateway_unavailable` or `gateway_refused`.
    pub(super) async fn way(
        &self,
        site: Option<&str>,
        tried: &[(String, Trouble)],
    ) -> Result<Way<'_>, Failure> {
        let until = Instant::now() + PATIENCE;
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // Registered before looking, so that no end in between is missed.
            freed.as_mut().enable();
            match self.look(site, tried) {
                Seen::Way(way) => return Ok(way),
                Seen::Failed(failure) => return Err(failure),
                Seen::Full => {}
            }
            if timeout_at(until, freed).await.is_err() {
                let message = format!("{} had no room for another job within {PATIENCE:?}", self.named(site));
                return Err(Failure::new(ErrorCode::GatewayUnavailable, Phase::Connect, message));
            }
        }
    }

    fn look(&self, site: Option<&str>, tried: &[(String, Trouble)]) -> Seen<'_> {
        let (of_site, local) = self.candidates(site);
        let now = Instant::now();
        let (mut best, mut full): (Option<(f64, &Arc<Remote>)>, bool) = (None, false);
        let mut troubles: Vec<(String, Trouble)> = tried.to_vec();
        for remote in of_site {
            if tried.iter().any(|(name, _)| *name == remote.name) {
                continue;
            }
            match remote.fitness(now) {
                Fitness::Free(load) if best.is_none_or(|(least, _)| load < least) => {
                    best = Some((load, remote))
                }
                Fitness::Free(_) => {}
                Fitness::Full => full = true,
                Fitness::Resting(trouble) => troubles.push((remote.name.clone(), trouble)),
            }
        }
        match (best, local) {
            // This process has as many jobs as it wants to have: it is never full.
            (Some((load, _)), Some(local)) if load > load_of(local) => Seen::Way(Way::Here(local)),
            (None, Some(local)) => Seen::Way(Way::Here(local)),
            (Some((_, remote)), _) => {
                remote.begin();
                Seen::Way(Way::There(Ticket { remote: remote.clone(), freed: &self.freed }))
            }
            (None, None) if full => Seen::Full,
            (None, None) => Seen::Failed(self.none(site, &troubles)),
        }
    }

    /// The gateways that name the site; where none does, those without sites, and this process if it takes jobs.
    fn candidates(&self, site: Option<&str>) -> (Vec<&Arc<Remote>>, Option<&Gateway>) {
        let names = |remote: &&Arc<Remote>| {
            site.is_some_and(|site| remote.settings.sites.iter().any(|named| named == site))
        };
        let named: Vec<_> = self.remotes.iter().filter(names).collect();
        if !named.is_empty() {
            return (named, None);
        }
        let general = self.remotes.iter().filter(|remote| remote.settings.sites.is_empty());
        (general.collect(), self.local.as_deref())
    }

    /// Why nobody takes the job.
    fn none(&self, site: Option<&str>, troubles: &[(String, Trouble)]) -> Failure {
        if troubles.is_empty() {
            let device = site.map_or("a device without site".to_owned(), |site| format!("the site '{site}'"));
            let message = format!("no gateway takes jobs of {device}, and neither does this process");
            return Failure::new(ErrorCode::NoGateway, Phase::Connect, message);
        }
        // As long as one may come back the job waits for it.
        let away = troubles.iter().find(|(_, trouble)| !matches!(trouble, Trouble::Unfit(_)));
        let code = match away {
            Some(_) => ErrorCode::GatewayUnavailable,
            None => ErrorCode::GatewayRefused,
        };
        let reasons: Vec<_> =
            troubles.iter().map(|(name, trouble)| format!("gateway {name}: {}", trouble.reason())).collect();
        Failure::new(code, Phase::Connect, reasons.join("; "))
    }

    fn named(&self, site: Option<&str>) -> String {
        let names: Vec<_> = self.candidates(site).0.iter().map(|remote| remote.name.as_str()).collect();
        format!("gateway {}", names.join(", "))
    }
}

/// How full this process is, as a share.
fn load_of(gateway: &Gateway) -> f64 {
    let status = gateway.status();
    (status.active + status.waiting) as f64 / gateway.settings().parallel_sessions.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collector::GatewaySettings;
    use netraven_device::DeviceSettings;

    fn remote(name: &str, sites: &[&str], most: usize) -> Arc<Remote> {
        let settings = GatewaySettings {
            url: "http://127.0.0.1:9".into(),
            sites: sites.iter().map(|site| (*site).to_owned()).collect(),
            key: Some("k".into()),
            key_file: None,
            ca_file: None,
            max_sessions: Some(most),
        };
        Arc::new(Remote::new(name, settings))
    }

    async fn name(gateways: &Gateways, site: Option<&str>) -> String {
        match gateways.way(site, &[]).await {
            Ok(Way::Here(_)) => "here".to_owned(),
            Ok(Way::There(ticket)) => ticket.remote.name.clone(),
            Err(failure) => failure.code.to_string(),
        }
    }

    #[tokio::test]
    async fn a_site_goes_to_the_gateways_that_name_it_and_the_others_to_those_without_sites() {
        let all = [remote("b", &["berlin"], 5), remote("p", &["paris", "lyon"], 5), remote("any", &[], 5)];
        let gateways = Gateways::new(None, all.to_vec());
        for (site, expected) in
            [(Some("berlin"), "b"), (Some("lyon"), "p"), (Some("rome"), "any"), (None, "any")]
        {
            assert_eq!(name(&gateways, site).await, expected, "{site:?}");
        }
        let without = Gateways::new(None, all[..2].to_vec());
        assert_eq!(name(&without, Some("rome")).await, "no_gateway");
        let local = Arc::new(Gateway::new(DeviceSettings::default()));
        let with = Gateways::new(Some(local), all[..2].to_vec());
        assert_eq!(name(&with, None).await, "here");
        assert_eq!(name(&with, Some("paris")).await, "p");
    }

    #[tokio::test]
    async fn gateways_of_one_site_share_its_jobs_by_the_room_they_have() {
        let gateways = Gateways::new(None, vec![remote("small", &["x"], 2), remote("large", &["x"], 6)]);
        let mut ways = Vec::new();
        for _ in 0..8 {
            ways.push(gateways.way(Some("x"), &[]).await.unwrap());
        }
        let small = |way: &&Way<'_>| matches!(way, Way::There(ticket) if ticket.remote.name == "small");
        assert_eq!(ways.iter().filter(small).count(), 2);
        assert!(matches!(gateways.look(Some("x"), &[]), Seen::Full));
        ways.pop();
        assert!(matches!(gateways.look(Some("x"), &[]), Seen::Way(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_waits_for_room_and_then_goes_back() {
        let gateways = Gateways::new(None, vec![remote("only", &[], 1)]);
        let held = gateways.way(None, &[]).await.unwrap();
        let failure = gateways.way(None, &[]).await.unwrap_err();
        assert_eq!(failure.code, ErrorCode::GatewayUnavailable, "{failure}");
        assert!(failure.message.contains("only had no room"), "{failure}");
        let (way, ()) = tokio::join!(gateways.way(None, &[]), async { drop(held) });
        assert!(way.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_gateway_in_trouble_is_left_alone_for_a_pause_that_grows() {
        let (sick, well) = (remote("sick", &[], 5), remote("well", &[], 5));
        let gateways = Gateways::new(None, vec![sick.clone()]);
        for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
            sick.troubled(&Trouble::Away("gone".into()));
            sick.troubled(&Trouble::Away("counted once".into()));
            let failure = gateways.way(None, &[]).await.unwrap_err();
            assert_eq!(
                (failure.code, failure.message.as_str()),
                (ErrorCode::GatewayUnavailable, "gateway sick: gone")
            );
            tokio::time::advance(Duration::from_millis(pause * 1000 - 10)).await;
            assert!(gateways.way(None, &[]).await.is_err(), "{pause}");
            tokio::time::advance(Duration::from_millis(20)).await;
            assert!(gateways.way(None, &[]).await.is_ok(), "{pause}");
        }
        sick.troubled(&Trouble::Unfit("wrong key".into()));
        assert_eq!(gateways.way(None, &[]).await.unwrap_err().code, ErrorCode::GatewayRefused);
        let both = Gateways::new(None, vec![sick.clone(), well]);
        assert_eq!(name(&both, None).await, "well");
        let tried = [("well".to_owned(), Trouble::Away("gone".into()))];
        assert_eq!(both.way(None, &tried).await.unwrap_err().code, ErrorCode::GatewayUnavailable);
        sick.well(None);
        assert_eq!(name(&gateways, None).await, "sick");
    }
}
