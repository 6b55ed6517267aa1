use crate::bench::{Bench, made, names, restore_settings, settings};
use crate::support::Fixture;
use netraven_store::ConnectSettings;
use netraven_store::backup::{BackupSettings, create, restore};
use netraven_store::testing::TestDatabase;
use netraven_store::versions::{self, VersionSelector};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::unix::OwnedReadHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

#[tokio::test]
async fn a_backup_during_running_jobs_shows_one_moment() {
    let Some(bench) = Bench::new().await else { return };
    let fixture = Arc::new(bench.fixture);
    // Enough to read for pg_dump, so that jobs end meanwhile.
    fixture
        .execute("INSERT INTO netraven.connection_logs (log) SELECT repeat(md5(n::text), 200) FROM generate_series(1, 3000) n")
        .await;
    let (written, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let writer = tokio::spawn({
        let (fixture, written, stop) = (fixture.clone(), written.clone(), stop.clone());
        async move {
            let mut after = 0;
            // One more after the backup's end, so that there is surely something that it does not have.
            while after < 1 {
                after += u64::from(stop.load(Ordering::SeqCst));
                let number = written.fetch_add(1, Ordering::SeqCst);
                fixture.back_up(&format!("hostname number-{number}\n")).await;
            }
        }
    });
    while written.load(Ordering::SeqCst) < 3 {
        tokio::task::yield_now().await;
    }
    let temp = tempfile::tempdir().unwrap();
    let created = create(&settings(&fixture.database, temp.path())).await;
    stop.store(true, Ordering::SeqCst);
    writer.await.unwrap();
    let Some(created) = made(created) else { return };

    let target = TestDatabase::empty().await.unwrap();
    restore(&created.dump, &restore_settings(&target).await, &|_| {}).await.unwrap();
    let restored = Fixture { store: target.store().await, database: target };
    let versions = restored.number("SELECT count(*) FROM netraven.device_configurations").await;
    assert!(versions >= 4, "{versions}");
    assert!(versions < fixture.number("SELECT count(*) FROM netraven.device_configurations").await);
    // A job, its attempt, its version, the parts and their blobs are written together.
    for (what, sql) in [
        ("jobs done", "SELECT count(*) FROM netraven.jobs WHERE status = 'done'"),
        ("attempts", "SELECT count(*) FROM netraven.job_attempts WHERE completed_at IS NOT NULL"),
        ("parts", "SELECT count(*) FROM netraven.configuration_parts"),
        ("blobs", "SELECT count(*) FROM netraven.configuration_blobs"),
        ("highest number", "SELECT max(seq) FROM netraven.device_configurations"),
    ] {
        assert_eq!(restored.number(sql).await, versions, "{what}");
    }
    versions::load(&restored.store, "r1", VersionSelector::Latest).await.unwrap();
}

/// A socket before the server's own, which dies after so many bytes from the server.
struct Fragile {
    folder: tempfile::TempDir,
    died: watch::Receiver<bool>,
}

impl Fragile {
    fn before(server: &str, limit: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
        let (server, (die, died)) = (Path::new(server).join(".s.PGSQL.5432"), watch::channel(false));
        let (left, die) = (Arc::new(AtomicU64::new(limit)), Arc::new(die));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if *die.borrow() {
                    continue;
                }
                let server = UnixStream::connect(&server).await.unwrap();
                tokio::spawn(pass(client, server, left.clone(), die.clone()));
            }
        });
        Self { folder, died }
    }
}

async fn pass(client: UnixStream, server: UnixStream, left: Arc<AtomicU64>, die: Arc<watch::Sender<bool>>) {
    let ((mut from_client, mut to_client), (from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let mut died = die.subscribe();
    let answers = async {
        let mut from_server: OwnedReadHalf = from_server;
        let mut chunk = [0; 8192];
        while let Ok(read @ 1..) = from_server.read(&mut chunk).await {
            let taken =
                left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(read as u64));
            if taken.is_err() {
                die.send_replace(true);
                return;
            }
            if to_client.write_all(&chunk[..read]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = answers => {}
        _ = copy(&mut from_client, &mut to_server) => {}
        _ = died.wait_for(|died| *died) => {}
    }
}

#[tokio::test]
async fn a_server_that_goes_away_in_the_middle_leaves_nothing_behind() {
    let Some(bench) = Bench::new().await else { return };
    if bench.backup().await.is_none() {
        return;
    }
    let before = names(&bench.folder());
    bench
        .fixture
        .execute("INSERT INTO netraven.connection_logs (log) SELECT repeat(md5(n::text), 200) FROM generate_series(1, 500) n")
        .await;
    let url = bench.fixture.database.url();
    let (place, socket) = url.split_once("?host=").unwrap();
    let fragile = Fragile::before(&socket.replace("%2F", "/"), 2_000_000);
    let url = format!("{place}?host={}", fragile.folder.path().display());
    let backup = BackupSettings { database: ConnectSettings::new(url), ..bench.settings() };
    let error = create(&backup).await.unwrap_err().to_string();
    assert!(*fragile.died.borrow(), "{error}");
    assert!(error.contains("pg_dump failed") || error.starts_with("could not "), "{error}");
    assert_eq!(names(&bench.folder()), before);
}
