//! Key rotation that is killed again and again while others write.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Place, finish};
use netraven_model::{Capture, PartKind, Secret, Span};
use netraven_seal::{Fingerprint, RawPart, SealedSecrets, WrappedKey, mask};
use netraven_vault::{Place as Row, Vault};
use serde_json::json;
use sqlx::PgPool;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use uuid::Uuid;

const SEED: u64 = 0x5eed_0f20;
const KILLS: usize = 20;
const DEVICES: u32 = 20;
/// For each device: with its password and enable secret, and its captures with a value each.
const CREDENTIALS: u32 = 50;
const CAPTURES: u32 = 100;
/// A rotation that takes longer than this is killed at its beginning only, so that a slow machine ends in time.
const LONGEST: Duration = Duration::from_millis(1000);

/// SplitMix64: the same numbers for the same seed.
struct Chance(u64);

impl Chance {
    fn up_to(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % (limit + 1)
    }
}

/// UUID of the device, name and number of the data key, wrapped key, fingerprint, ciphertext.
type KeptValue = (Uuid, Uuid, i64, Vec<u8>, Vec<u8>, Vec<u8>);

/// What is encrypted, as the services would write it.
struct Sealed {
    pool: PgPool,
    vault: Vault,
    /// Id and UUID of each device.
    devices: Vec<(i64, Uuid)>,
}

impl Sealed {
    async fn new(place: &Place) -> Self {
        let pool = PgPool::connect(place.database_url()).await.unwrap();
        let vault = Vault::open_or_create(&place.folder().join("data/keys/master.key")).unwrap();
        let devices = sqlx::query_as(
            "INSERT INTO netraven.devices (hostname, ip_address, device_type)
             SELECT 'r' || n, '127.0.0.1', 'frr' FROM generate_series(1, $1) n RETURNING id, uuid",
        );
        let devices = devices.bind(DEVICES as i32).fetch_all(&pool).await.unwrap();
        Self { pool, vault, devices }
    }

    /// Credentials whose secrets say which row and column they belong to.
    async fn add_credentials(&self, count: u32) {
        let ids: Vec<i64> = sqlx::query_scalar(
            "SELECT nextval(pg_get_serial_sequence('netraven.credentials', 'id')) FROM generate_series(1, $1)",
        )
        .bind(count as i32)
        .fetch_all(&self.pool)
        .await
        .unwrap();
        let seal = |column: &'static str| -> Vec<Vec<u8>> {
            let seal = |id: &i64| self.vault.seal(&row(column, *id), &clear(column, *id)).unwrap();
            ids.iter().map(seal).collect()
        };
        let insert = "INSERT INTO netraven.credentials (id, name, username, password, enable_secret)
             OVERRIDING SYSTEM VALUE
             SELECT id, 'c' || id, 'u', password, enable
             FROM UNNEST($1::bigint[], $2::bytea[], $3::bytea[]) AS c (id, password, enable)";
        let insert = sqlx::query(insert).bind(&ids).bind(seal("password")).bind(seal("enable_secret"));
        insert.execute(&self.pool).await.unwrap();
    }

    /// Somebody gives a credential another password: another ciphertext for the same row.
    async fn renew_a_password(&self, at: u64) {
        let id: i64 = sqlx::query_scalar("SELECT id FROM netraven.credentials ORDER BY id OFFSET $1 LIMIT 1")
            .bind(at as i64)
            .fetch_one(&self.pool)
            .await
            .unwrap();
        let sealed = self.vault.seal(&row("password", id), &clear("password", id)).unwrap();
        let update = sqlx::query("UPDATE netraven.credentials SET password = $2 WHERE id = $1");
        update.bind(id).bind(sealed).execute(&self.pool).await.unwrap();
    }

    /// Captures of one device, as the committer keeps their secrets.
    async fn add_captures(&self, (device, uuid): (i64, Uuid), count: u32) {
        let captures: Vec<SealedSecrets> = (0..count).map(|_| self.capture(uuid)).collect();
        let keys = captures.iter().map(|capture| &capture.key);
        let values = captures.iter().flat_map(|capture| &capture.values);
        sqlx::query(
            "WITH k AS (INSERT INTO netraven.sealed_keys (device_id, id, key_number, wrapped)
                 SELECT $1, * FROM UNNEST($2::uuid[], $3::bigint[], $4::bytea[]))
             INSERT INTO netraven.sealed_values (device_id, key_id, fingerprint, ciphertext)
                 SELECT $1, * FROM UNNEST($2::uuid[], $5::bytea[], $6::bytea[])",
        )
        .bind(device)
        .bind(keys.clone().map(|key| key.id).collect::<Vec<_>>())
        .bind(keys.clone().map(|key| i64::from(key.number)).collect::<Vec<_>>())
        .bind(keys.map(|key| &key.wrapped[..]).collect::<Vec<_>>())
        .bind(values.clone().map(|value| &value.fingerprint.0[..]).collect::<Vec<_>>())
        .bind(values.map(|value| &value.ciphertext[..]).collect::<Vec<_>>())
        .execute(&self.pool)
        .await
        .unwrap();
    }

    fn capture(&self, device: Uuid) -> SealedSecrets {
        let text = Uuid::new_v4().to_string().into_bytes();
        let part = RawPart {
            name: "running-config".into(),
            context: None,
            command: "show".into(),
            kind: PartKind::Config,
            secrets: vec![Span { start: 0, end: text.len() }],
            volatile: Vec::new(),
            capture: Capture::new(text),
        };
        let masked = mask(vec![part], &self.vault.fingerprint_key(device)).unwrap();
        masked.seal(Some(&self.vault.sealing(device, false))).unwrap().secrets().unwrap().clone()
    }

    /// Opens everything there is; how many secrets.
    async fn open_all(&self) -> usize {
        let credentials: Vec<(i64, Vec<u8>, Vec<u8>)> =
            sqlx::query_as("SELECT id, password, enable_secret FROM netraven.credentials")
                .fetch_all(&self.pool)
                .await
                .unwrap();
        for (id, password, enable) in &credentials {
            for (column, ciphertext) in [("password", password), ("enable_secret", enable)] {
                let opened = self.vault.unseal(&row(column, *id), ciphertext).unwrap();
                assert_eq!(opened.expose_bytes(), clear(column, *id).expose_bytes());
            }
        }
        let values: Vec<KeptValue> = sqlx::query_as(
            "SELECT d.uuid, k.id, k.key_number, k.wrapped, v.fingerprint, v.ciphertext
             FROM netraven.sealed_values v
             JOIN netraven.sealed_keys k ON k.device_id = v.device_id AND k.id = v.key_id
             JOIN netraven.devices d ON d.id = v.device_id",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap();
        for (device, id, number, wrapped, fingerprint, ciphertext) in &values {
            let key = WrappedKey { id: *id, number: *number as u32, wrapped: wrapped.clone() };
            let fingerprint = Fingerprint(fingerprint[..].try_into().unwrap());
            let key = self.vault.open_capture(*device, &key).unwrap();
            let opened = key.open(fingerprint, ciphertext).unwrap();
            let again = self.vault.fingerprint_key(*device).fingerprint(opened.expose_bytes());
            assert_eq!(again, fingerprint);
        }
        2 * credentials.len() + values.len()
    }
}

fn row(column: &'static str, row: i64) -> Row<'static> {
    Row { table: "credentials", column, row }
}

fn clear(column: &str, row: i64) -> Secret {
    format!("{column} of {row}").into()
}

/// Writes for as long as it is wanted, with whatever key is the newest; how often.
async fn write(sealed: Arc<Sealed>, wanted: Arc<AtomicBool>) -> u32 {
    let (mut chance, mut written) = (Chance(SEED + 1), 0);
    while wanted.load(Ordering::Relaxed) {
        let device = sealed.devices[chance.up_to(u64::from(DEVICES) - 1) as usize];
        sealed.add_credentials(1).await;
        sealed.renew_a_password(chance.up_to(u64::from(CREDENTIALS) - 1)).await;
        sealed.add_captures(device, 1).await;
        written += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    written
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_rotation_was_killed_twenty_times_every_secret_opens_and_the_next_one_finishes() {
    let Some(place) = Place::new().await else { return };
    let sealed = Arc::new(Sealed::new(&place).await);
    sealed.add_credentials(DEVICES * CREDENTIALS).await;
    for device in &sealed.devices {
        sealed.add_captures(*device, CAPTURES).await;
    }
    let began = Instant::now();
    place.good(&["key", "rotate"]);
    let whole = began.elapsed().min(LONGEST);
    eprintln!("kills within {whole:?}, seed {SEED:#x}");

    let wanted = Arc::new(AtomicBool::new(true));
    let writer = tokio::spawn(write(sealed.clone(), wanted.clone()));
    let (mut chance, mut cut_short) = (Chance(SEED), 0);
    for _ in 0..KILLS {
        let mut rotation = place.command(&["key", "rotate"]).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(chance.up_to(whole.as_millis() as u64))).await;
        rotation.kill().unwrap();
        let ran = finish(rotation);
        assert!(ran.code == 0 || ran.code == -1, "{ran:?}");
        cut_short += usize::from(ran.code == -1);
        sealed.vault.reload().expect("the key file is whole");
    }
    wanted.store(false, Ordering::Relaxed);
    let written = writer.await.unwrap();
    assert!(
        cut_short > 0 && written > 0,
        "{cut_short} of {KILLS} were cut short, {written} written meanwhile"
    );
    let all = 2 * (DEVICES * CREDENTIALS + written) + DEVICES * CAPTURES + written;
    assert_eq!(sealed.open_all().await, all as usize, "seed {SEED:#x}");

    place.good(&["key", "rotate"]);
    let status = place.json(&["key", "status"]);
    let (newest, older) = status.as_array().unwrap().split_last().unwrap();
    assert_eq!(newest["state"], "newest");
    assert_eq!(newest["credentials"], json!(2 * (DEVICES * CREDENTIALS + written)));
    assert_eq!(newest["captures"], json!(DEVICES * CAPTURES + written));
    assert!(older.iter().all(|key| key["state"] == "no longer needed"), "{status}");
    assert_eq!(sealed.open_all().await, all as usize, "seed {SEED:#x}");
    let drafts = std::fs::read_dir(place.folder().join("data/keys")).unwrap().flatten();
    let drafts = drafts.filter(|entry| entry.file_name().to_string_lossy().starts_with(".keys-"));
    assert_eq!(drafts.count(), 0, "what a killed one left is gone");
}
