//! A database with a device, things that happen to it, and notifiers.

use chrono::{DateTime, NaiveTime, Utc};
use netraven_model::{Backoff, ChannelId, ChannelKind, DeliveryStatus, DeviceName, Secret};
use netraven_service::notify::{Notifier, NotifierSettings, new_secret};
use netraven_store::access::Role;
use netraven_store::devices::{self, NewDevice, Reach};
use netraven_store::notifications::{self, DeliveryFilter, DeliveryRow, Digest, NewChannel};
use netraven_store::testing::TestDatabase;
use netraven_store::{Store, StoreError};
use netraven_vault::Vault;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

/// Ends a test that hangs; nothing here takes that long.
const LONG: Duration = Duration::from_secs(120);

pub struct Place {
    pub store: Store,
    pub database: TestDatabase,
    pub vault: Arc<Vault>,
    keys: TempDir,
}

impl Place {
    /// `None`, said aloud, where PostgreSQL cannot be had.
    pub async fn new() -> Option<Self> {
        let database = TestDatabase::create().await?;
        let keys = TempDir::new().unwrap();
        let vault = Arc::new(Vault::open_or_create(&keys.path().join("master.key")).unwrap());
        let place = Self { store: database.store().await, database, vault, keys };
        let device = NewDevice {
            hostname: DeviceName::parse("r1").unwrap(),
            address: "192.0.2.1".to_owned(),
            port: None,
            device_type: "cisco_ios".to_owned(),
            site: Some("paris".to_owned()),
            description: None,
            reach: Reach::default(),
            tags: Vec::new(),
        };
        devices::add(&place.store, device).await.unwrap();
        Some(place)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.keys.path().join(name)
    }

    pub async fn execute(&self, sql: &str) {
        let mut connection = PgConnection::connect(self.database.url()).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    }

    /// So many changes of the device, each with its number as message.
    pub async fn change(&self, count: u32) {
        self.execute(&format!(
            "INSERT INTO netraven.device_events (device_id, hostname, event, job_id, version_id, seq, error_code, message)
             SELECT d.id, d.hostname, 'device_failing', 7, 8, 9, 'timeout', n.n::text
             FROM netraven.devices d, generate_series(1, {count}) AS n (n) ORDER BY n.n;
             SELECT pg_notify('netraven_device_events', '')"
        ))
        .await;
    }

    /// A webhook; what it is signed with.
    pub async fn webhook(&self, name: &str, url: &str) -> Secret {
        let id = notifications::next_id(&self.store).await.unwrap();
        let (secret, sealed) = new_secret(&self.vault, id).unwrap();
        let new = NewChannel { secret: Some(sealed), ..channel(name, ChannelKind::Webhook, url) };
        notifications::add(&self.store, id, &new).await.unwrap();
        secret
    }

    pub async fn email(&self, name: &str, next_digest: Option<DateTime<Utc>>) -> ChannelId {
        let id = notifications::next_id(&self.store).await.unwrap();
        let at = NaiveTime::from_hms_opt(7, 0, 0).unwrap();
        let digest = next_digest.map(|next| Digest { at, time_zone: "Europe/Zurich".to_owned(), next });
        let to = "a@example.net,b@example.net";
        let new = NewChannel { digest, ..channel(name, ChannelKind::Email, to) };
        notifications::add(&self.store, id, &new).await.unwrap();
        id
    }

    pub async fn notifier(&self, change: impl FnOnce(&mut NotifierSettings)) -> Notifier {
        let usual = NotifierSettings::default();
        let mut settings = NotifierSettings {
            poll: Duration::from_millis(100),
            retry: Backoff { base: Duration::from_millis(20), attempts: 4, ..usual.retry },
            ..usual
        };
        change(&mut settings);
        let store = self.database.store_as(Role::Notifier).await;
        Notifier::start(store, self.vault.clone(), settings).unwrap()
    }

    pub async fn deliveries(&self, channel: &str) -> Vec<DeliveryRow> {
        let (channel, limit) = (Some(channel.to_owned()), Some(1000));
        let filter = DeliveryFilter { channel, limit, ..DeliveryFilter::default() };
        let mut rows = notifications::deliveries(&self.store, &filter).await.unwrap();
        rows.reverse();
        rows
    }

    /// Waits until so many of the channel's deliveries stand there.
    pub async fn wait(&self, channel: &str, status: DeliveryStatus, count: usize) -> Vec<DeliveryRow> {
        let until = async {
            loop {
                let rows = self.deliveries(channel).await;
                if rows.iter().filter(|row| row.status == status).count() == count {
                    return rows;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(LONG, until).await.unwrap_or_else(|_| panic!("{count} of {channel} are {status:?}"))
    }

    pub async fn next_digest(&self, channel: &str) -> DateTime<Utc> {
        let found: Result<_, StoreError> = notifications::get(&self.store, channel).await;
        found.unwrap().channel.digest.unwrap().next
    }
}

fn channel(name: &str, kind: ChannelKind, target: &str) -> NewChannel {
    NewChannel {
        name: name.to_owned(),
        kind,
        target: target.to_owned(),
        secret: None,
        events: Vec::new(),
        tags: Vec::new(),
        digest: None,
    }
}
