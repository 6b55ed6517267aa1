//! Long commands: they start, can be stopped, and leave nothing behind.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Place, finish};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::Connection;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::time::timeout;

fn interrupt(child: &Child) {
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
}

/// Reads the child's standard output up to and including a line that begins so.
fn read_until(child: &mut Child, begin: &str) -> String {
    let mut reader = BufReader::new(child.stdout.as_mut().unwrap());
    let mut text = String::new();
    while !text.lines().last().is_some_and(|line| line.starts_with(begin)) {
        assert_ne!(reader.read_line(&mut text).unwrap(), 0, "ended before {begin:?}: {text}");
    }
    text
}

#[tokio::test]
async fn up_prints_its_addresses_works_and_stops_cleanly() {
    let Some(place) = Place::new().await else { return };
    let mut up = place.command(&["up"]).spawn().unwrap();
    let text = read_until(&mut up, "worker");
    assert!(text.starts_with("NetRaven is running; Ctrl-C stops it.\n"), "{text}");
    assert!(text.contains(":***@"), "{text}");

    // The backup has no worker of its own now; the one of `up` does it.
    place.good(&["device", "add", "r1", "--address", "127.0.0.1", "--platform", "frr", "--port", "1"]);
    let workers = || async {
        netraven_store::workers::alive(&place.store().await, "worker", Duration::from_secs(15)).await
    };
    let deadline = Instant::now() + Duration::from_secs(30);
    while !workers().await.unwrap() {
        assert!(Instant::now() < deadline, "no worker within 30 s");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(place.run(&["backup", "--all", "--set", "device.parallel_sessions=1"]).code, 5);

    // A setting in the database reaches the running worker: it starts anew with it.
    let store = place.store().await;
    let since =
        async || netraven_store::workers::list(&store).await.unwrap().first().map(|worker| worker.started_at);
    let before = since().await;
    place.good(&["setting", "set", "device.parallel_sessions", "7"]);
    let deadline = Instant::now() + Duration::from_secs(30);
    while since().await.is_none_or(|now| Some(now) == before) {
        assert!(Instant::now() < deadline, "the worker did not take the setting over within 30 s");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    interrupt(&up);
    let mut rest = String::new();
    up.stdout.as_mut().unwrap().read_to_string(&mut rest).unwrap();
    let ran = finish(up);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("INFO running") && ran.stderr.contains("INFO stopping"), "{ran:?}");
    assert!(ran.stderr.contains("settings changed") && ran.stderr.contains("sessions=7"), "{ran:?}");
    assert!(!["ERROR", "panicked", "\x1b"].iter().any(|word| ran.stderr.contains(word)), "{ran:?}");
}

#[tokio::test]
async fn changed_definitions_are_taken_over_and_broken_ones_are_not() {
    const GOOD: &str = "name: acme\ntitle: Acme\nsources: [a test]\ncomment: '#'\nmodes: {m: {prompt: '> $'}}\n\
        parts: [{name: c, command: show, kind: config}]\nlogout: exit\n";
    let Some(place) = Place::new().await else { return };
    let folder = place.folder().join("platforms");
    std::fs::create_dir(&folder).unwrap();
    let set = format!("platforms.dir={}", folder.display());
    let mut up = place.command(&["up", "--set", &set]).spawn().unwrap();
    read_until(&mut up, "worker");
    let mut log = BufReader::new(up.stderr.take().unwrap());
    let mut wait_for = |wanted: &str| {
        let mut text = String::new();
        while !text.contains(wanted) {
            assert_ne!(log.read_line(&mut text).unwrap(), 0, "ended before {wanted:?}: {text}");
        }
    };
    std::fs::write(folder.join("acme.yaml"), GOOD).unwrap();
    wait_for("changed platform definitions are in use");
    std::fs::write(folder.join("acme.yaml"), GOOD.replace("parts", "pears")).unwrap();
    wait_for("the last good platform definitions stay in use");
    std::fs::write(folder.join("acme.yaml"), GOOD.replace("Acme", "Acme OS")).unwrap();
    wait_for("changed platform definitions are in use");
    interrupt(&up);
    assert_eq!(finish(up).code, 0);
}

#[tokio::test]
async fn ctrl_c_cancels_a_backup_of_a_device_that_never_answers() {
    let Some(place) = Place::new().await else { return };
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port().to_string();
    place.good(&["device", "add", "r1", "--address", "127.0.0.1", "--platform", "frr", "--port", &port]);
    let ran = place.run_with_input(&["credential", "add", "ops", "--username", "u", "--password-stdin"], "x");
    assert_eq!(ran.code, 0, "{ran:?}");

    let backup = place.command(&["backup", "--all"]).spawn().unwrap();
    // The session is under way as soon as it has connected.
    let (_session, _) = timeout(Duration::from_secs(60), silent.accept()).await.unwrap().unwrap();
    interrupt(&backup);
    let ran = finish(backup);
    assert_eq!(ran.code, 130, "{ran:?}");
    assert!(ran.stdout.contains("1 cancelled") && ran.stderr.contains("error: interrupted"), "{ran:?}");
    let job = place.json(&["job", "show", "1"]);
    assert_eq!(job["status"], "cancelled");
}

#[tokio::test]
async fn a_run_that_is_left_alone_waits_for_a_worker() {
    let Some(place) = Place::new().await else { return };
    place.good(&["device", "add", "r1", "--address", "127.0.0.1", "--platform", "frr", "--port", "1"]);
    let ran = place.run(&["backup", "--all", "--no-wait"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "run 1 started: 1 devices\n"));
    assert!(ran.stderr.contains("no worker is running"), "{ran:?}");
    assert_eq!(place.json(&["job", "list"])[0]["status"], "queued");
    assert_eq!(place.good(&["run", "cancel", "1"]), "run 1: 1 jobs cancelled\n");
}

#[tokio::test]
async fn without_a_database_url_commands_share_a_private_postgresql_and_the_last_one_stops_it() {
    let Some(place) = place_for_private_postgresql() else { return };
    let mut up = place.command(&["up"]).spawn().unwrap();
    let text = read_until(&mut up, "worker");
    assert!(text.contains("private PostgreSQL"), "{text}");
    place.good(&["device", "add", "r1", "--address", "127.0.0.1", "--platform", "frr"]);
    interrupt(&up);
    assert_eq!(finish(up).code, 0);
    // Started again by the next command, with what was stored.
    assert_eq!(place.json(&["device", "list"])[0]["hostname"], "r1");
    assert!(place.good(&["db", "check"]).starts_with("Database connection successful\n"));
    assert_eq!(server_of(&place), None, "the server still runs");
}

#[tokio::test]
async fn up_ends_with_code_4_when_its_postgresql_is_killed() {
    let Some(place) = place_for_private_postgresql() else { return };
    let mut up = place.command(&["up"]).spawn().unwrap();
    read_until(&mut up, "worker");
    kill(server_of(&place).unwrap(), Signal::SIGKILL).unwrap();
    let ran = finish(up);
    ran.failed(4, "error: the private PostgreSQL has ended by itself");
    place.good(&["device", "list"]);
}

#[tokio::test]
async fn the_demo_shows_a_change_twice_in_a_row() {
    let Some(place) = place_for_private_postgresql() else { return };
    let folder = place.folder().join("demo");
    let demo = ["demo", "--devices", "5", "--no-wait", "--data-dir", folder.to_str().unwrap()];
    for time in ["first", "second"] {
        // Meant for production, so that the demo must not use it.
        let child = place.command(&demo).env("DATABASE_URL", "postgres://u:canary@127.0.0.1:1/d").spawn();
        let ran = finish(child.unwrap());
        assert_eq!(ran.code, 0, "{time}: {ran:?}");
        assert!(ran.stderr.contains("warning: environment variable DATABASE_URL is ignored"), "{ran:?}");
        assert!(ran.stdout.contains("5 devices: 3 changed, 2 unchanged\n\n--- "), "{time}: {ran:?}");
        assert!(ran.stdout.lines().any(|line| line.starts_with('+') && !line.starts_with("+++")), "{ran:?}");
        assert!(!ran.stdout.contains('\x1b') && !ran.stderr.contains("canary"), "{ran:?}");
    }
    // A smaller fleet: the devices that are gone are no failures.
    let smaller = ["demo", "--devices", "3", "--no-wait", "--data-dir", folder.to_str().unwrap()];
    let ran = finish(place.command(&smaller).spawn().unwrap());
    assert!(ran.code == 0 && ran.stdout.contains("3 devices: 3 changed\n\n--- "), "{ran:?}");
    let other = place.folder().join("data");
    std::fs::create_dir_all(other.join("postgres")).unwrap();
    place
        .run(&["demo", "--no-wait", "--data-dir", other.to_str().unwrap()])
        .failed(2, "data holds data that is not the demo's");
}

#[tokio::test]
async fn rights_that_another_release_left_are_mended_in_the_private_postgresql() {
    let Some(place) = place_for_private_postgresql() else { return };
    place.good(&["device", "add", "r1", "--address", "127.0.0.1", "--platform", "frr", "--port", "1"]);
    place.run_with_input(&["credential", "add", "ops", "--username", "u", "--password-stdin"], "x");
    let settings = netraven_store::private::PrivateSettings::new(place.folder().join("data"));
    let cluster = netraven_store::private::PrivateCluster::acquire(&settings).await.unwrap();
    let admin: sqlx::postgres::PgConnectOptions = cluster.admin_url().parse().unwrap();
    let mut connection = sqlx::PgConnection::connect_with(&admin.database("netraven")).await.unwrap();
    sqlx::raw_sql("REVOKE UPDATE ON netraven.devices FROM netraven_gateway")
        .execute(&mut connection)
        .await
        .unwrap();
    drop(connection);
    // The backup's own worker could not record anything without that right.
    assert_eq!(place.run(&["backup", "--all", "--set", "retry.attempts=1"]).code, 5);
    assert_eq!(place.json(&["job", "list"])[0]["error_code"], "refused");
    cluster.release().await.unwrap();
}

/// A place whose folder PostgreSQL's own user may enter: its server runs as another user when the tests run as root.
fn place_for_private_postgresql() -> Option<Place> {
    if !Path::new("/usr/lib/postgresql").is_dir() {
        netraven_store::testing::skip_or_fail("there is no PostgreSQL server below /usr/lib/postgresql");
        return None;
    }
    let place = Place::without_database();
    std::fs::set_permissions(place.folder(), PermissionsExt::from_mode(0o755)).unwrap();
    Some(place)
}

/// The process of the private server below the place, if it runs.
fn server_of(place: &Place) -> Option<Pid> {
    let file = find(place.folder(), "postmaster.pid")?;
    let text = std::fs::read_to_string(file).unwrap();
    Some(Pid::from_raw(text.lines().next().unwrap().parse().unwrap()))
}

fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries: Vec<_> = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect();
    let found = entries.iter().find(|path| path.file_name().is_some_and(|found| found == name)).cloned();
    found.or_else(|| entries.iter().filter(|path| path.is_dir()).find_map(|path| find(path, name)))
}
