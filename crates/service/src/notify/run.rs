//! The notifier's loop: hand over, claim, send, record.

use super::mail::Mail;
use super::tell::{Means, Refusal};
use super::{Mailer, NotifierError, NotifierSettings, next_digest, time_zone};
use crate::web;
use chrono::{DateTime, Days, Utc};
use chrono_tz::Tz;
use netraven_model::DeliveryId;
use netraven_store::changes::{self, ChangeListener};
use netraven_store::notifications::{self, Claimed, Delivery, Digest, Failed};
use netraven_store::{Store, StoreError};
use netraven_vault::Vault;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Changes that are handed over in one transaction.
const ROUTED_AT_ONCE: u32 = 500;
/// Deliveries of one channel that are claimed together.
const BATCH: u32 = 100;
/// Changes that one daily message tells of; what is more comes in another one right behind it.
const DIGEST: u32 = 10_000;
/// No further delivery of a batch is begun after that time.
const BATCH_TIME: Duration = Duration::from_secs(30);
/// How long the database may take to record what became of the last one.
const RECORD_TIME: Duration = Duration::from_secs(60);
/// How often old changes are looked for, and how many are deleted at once.
const SWEEP: Duration = Duration::from_secs(3600);
const SWEPT_AT_ONCE: u32 = 1000;

/// What the notifier works with.
pub(super) struct Office {
    store: Store,
    vault: Arc<Vault>,
    settings: NotifierSettings,
    means: Means,
    lease: Duration,
    stopped: watch::Receiver<bool>,
}

impl Office {
    pub(super) fn open(
        store: Store,
        vault: Arc<Vault>,
        settings: NotifierSettings,
        stopped: watch::Receiver<bool>,
    ) -> Result<Self, NotifierError> {
        let client = web::client(settings.webhook_ca_file.as_deref(), settings.webhook_timeout)?;
        let mailer = settings.smtp.as_ref().map(Mailer::new).transpose()?;
        let mail_time = settings.smtp.as_ref().map_or(Duration::ZERO, |smtp| smtp.timeout);
        let lease = BATCH_TIME + settings.webhook_timeout.max(mail_time) + RECORD_TIME;
        let means = Means { client, mailer, webhook_timeout: settings.webhook_timeout };
        Ok(Self { store, vault, settings, means, lease, stopped })
    }

    pub(super) async fn run(self: Arc<Self>) {
        let mut stopped = self.stopped.clone();
        let mut under_way = JoinSet::new();
        let mut listener = None;
        let mut swept: Option<Instant> = None;
        while !*stopped.borrow() {
            if let Err(error) = self.round(&mut under_way).await {
                tracing::warn!(%error, "notifications are not sent now, it is tried again");
            }
            if swept.is_none_or(|swept| swept.elapsed() >= SWEEP) {
                swept = Some(Instant::now());
                self.sweep().await;
            }
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => {}
                () = self.bell(&mut listener) => {}
                () = sleep(self.settings.poll) => {}
                Some(_) = under_way.join_next() => {}
            }
        }
        while under_way.join_next().await.is_some() {}
        // It holds a connection, for which closing would wait.
        drop(listener);
        self.store.clone().close().await;
    }

    /// Resolves when something changed, and as soon as there is a bell: something may have changed before.
    async fn bell(&self, listener: &mut Option<ChangeListener>) {
        let heard = match listener {
            Some(bell) => bell.wait().await,
            None => ChangeListener::connect(&self.store).await.map(|bell| *listener = Some(bell)),
        };
        if let Err(error) = heard {
            *listener = None;
            tracing::debug!(%error, "nobody rings for changes of devices, they are looked for");
            sleep(self.settings.poll).await;
        }
    }

    async fn round(self: &Arc<Self>, under_way: &mut JoinSet<()>) -> Result<(), StoreError> {
        while notifications::route(&self.store, ROUTED_AT_ONCE).await?.changes == i64::from(ROUTED_AT_ONCE) {}
        for channel in notifications::empty_digests(&self.store).await? {
            if let Some(digest) = &channel.digest {
                notifications::finish_empty_digest(&self.store, &channel, following(digest)).await?;
            }
        }
        let busy = u32::try_from(under_way.len()).unwrap_or(u32::MAX);
        let room = self.settings.parallel.saturating_sub(busy);
        if room == 0 {
            return Ok(());
        }
        for claimed in notifications::claim(&self.store, room, BATCH, DIGEST, self.lease).await? {
            let office = self.clone();
            under_way.spawn(async move {
                if let Err(error) = office.tell(&claimed).await {
                    let channel = claimed.channel.name.as_str();
                    tracing::warn!(channel, %error, "what was sent could not be recorded, it is sent again");
                }
            });
        }
        Ok(())
    }

    async fn tell(&self, claimed: &Claimed) -> Result<(), StoreError> {
        match &claimed.channel.digest {
            Some(digest) => self.tell_at_once(claimed, digest).await,
            None => self.tell_one_by_one(claimed).await,
        }
    }

    /// In order, and not beyond one that did not arrive.
    async fn tell_one_by_one(&self, claimed: &Claimed) -> Result<(), StoreError> {
        let end = Instant::now() + BATCH_TIME;
        for (done, delivery) in claimed.deliveries.iter().enumerate() {
            let rest = claimed.deliveries.get(done + 1..).unwrap_or_default();
            if *self.stopped.borrow() || Instant::now() >= end {
                return notifications::release(
                    &self.store,
                    claimed,
                    &ids(claimed.deliveries.get(done..).unwrap_or_default()),
                )
                .await;
            }
            let one = std::slice::from_ref(delivery);
            match self.means.tell(claimed, delivery, &self.vault).await {
                Ok(_) => {
                    notifications::sent(&self.store, claimed, &ids(one), None).await?;
                }
                Err(refusal) => {
                    self.failed(claimed, one, &refusal).await?;
                    return notifications::release(&self.store, claimed, &ids(rest)).await;
                }
            }
        }
        Ok(())
    }

    /// All in one mail.
    async fn tell_at_once(&self, claimed: &Claimed, digest: &Digest) -> Result<(), StoreError> {
        let mail = Mail::digest(&claimed.deliveries, zone(digest));
        match self.means.mail(&claimed.channel, &mail).await {
            Ok(_) => {
                let all = claimed.deliveries.len() < DIGEST as usize;
                let next = all.then(|| following(digest));
                notifications::sent(&self.store, claimed, &ids(&claimed.deliveries), next).await.map(drop)
            }
            Err(refusal) => self.failed(claimed, &claimed.deliveries, &refusal).await,
        }
    }

    /// The pause is that of the first one: it has been tried most often.
    async fn failed(&self, claimed: &Claimed, of: &[Delivery], refusal: &Refusal) -> Result<(), StoreError> {
        let (channel, error) = (claimed.channel.name.as_str(), refusal.error.as_str());
        let attempt = of.first().map_or(1, |delivery| delivery.attempts + 1);
        let tries = if refusal.again { self.settings.retry.attempts } else { 0 };
        let pause =
            self.settings.retry.after(attempt).unwrap_or(Duration::ZERO).mul_f64(0.75 + jitter() / 4.0);
        tracing::warn!(channel, attempt, error, "a notification did not arrive");
        notifications::failed(&self.store, claimed, &ids(of), &Failed { error, pause, tries }).await
    }

    /// Failures are logged: the next sweep does what is left.
    async fn sweep(&self) {
        let Some(days) = self.settings.keep_days else { return };
        let Some(before) = Utc::now().checked_sub_days(Days::new(u64::from(days))) else { return };
        while !*self.stopped.borrow() {
            match changes::sweep(&self.store, before, SWEPT_AT_ONCE).await {
                Ok(gone) if gone == u64::from(SWEPT_AT_ONCE) => {}
                Ok(_) => return,
                Err(error) => return tracing::warn!(%error, "old changes of devices were not deleted"),
            }
        }
    }
}

fn ids(deliveries: &[Delivery]) -> Vec<DeliveryId> {
    deliveries.iter().map(|delivery| delivery.id).collect()
}

/// A zone that was known when the channel was made.
fn zone(digest: &Digest) -> Tz {
    time_zone(&digest.time_zone).unwrap_or(Tz::UTC)
}

/// Days that were missed are not made up for: the message that comes now tells of all of them.
fn following(digest: &Digest) -> DateTime<Utc> {
    next_digest(digest.at, zone(digest), Utc::now().max(digest.next))
}

/// Between 0 and 1: receivers that come back are not asked by everybody in step.
fn jitter() -> f64 {
    let [byte, other, ..] = *uuid::Uuid::new_v4().as_bytes();
    f64::from(u16::from_be_bytes([byte, other])) / f64::from(u16::MAX)
}
