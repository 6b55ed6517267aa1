//! Crashes, leftovers and several users at once: nothing may block the next start.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod private_support;

use netraven_store::private::{PrivateCluster, PrivateError, PrivateSettings};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use private_support::{
    DataDir, Other, PATIENCE, acquire, ask, eventually, execute, is_root, only_as_root, postgres_is_here,
    role, set_mode, use_cluster,
};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Does nothing of its own: the other tests run this program again, with a role for this entry.
#[tokio::test]
async fn another_process() {
    match role() {
        Some((role, dir)) if role == "user" => use_cluster(&dir).await,
        Some((role, _)) => panic!("unknown role {role}"),
        None => {}
    }
}

fn user(dir: &DataDir) -> Other {
    Other::start("another_process", "user", &dir.path())
}

#[tokio::test]
async fn a_server_left_by_a_killed_user_is_taken_over() {
    let dir = DataDir::new();
    let Some(cluster) = acquire(&dir.settings()).await else { return };
    cluster.release().await.unwrap();
    let other = user(&dir);
    other.expect("joined");
    let server = dir.server_pid();
    other.kill();
    let cluster = acquire(&dir.settings()).await.unwrap();
    assert_eq!(dir.server_pid(), server);
    assert_eq!(ask(cluster.url(), "SELECT 'answers'").await, "answers");
    cluster.release().await.unwrap();
    assert!(dir.processes().is_empty());
}

#[tokio::test]
async fn a_left_over_server_with_other_settings_is_restarted() {
    let dir = DataDir::new();
    let Some(cluster) = acquire(&dir.settings()).await else { return };
    let server = dir.server_pid();
    drop(cluster);
    let cluster = acquire(&PrivateSettings { memory_mib: 256, ..dir.settings() }).await.unwrap();
    assert_ne!(dir.server_pid(), server);
    assert_eq!(ask(cluster.url(), "SELECT current_setting('shared_buffers')").await, "64MB");
    cluster.release().await.unwrap();
}

#[tokio::test]
async fn a_killed_server_is_noticed_and_started_again() {
    let dir = DataDir::new();
    let Some(cluster) = acquire(&PrivateSettings { disposable: false, ..dir.settings() }).await else {
        return;
    };
    execute(cluster.url(), "CREATE TABLE t AS SELECT 'committed' AS word").await;
    kill(Pid::from_raw(dir.server_pid()), Signal::SIGKILL).unwrap();
    tokio::time::timeout(PATIENCE, cluster.died()).await.unwrap();
    let again = acquire(&PrivateSettings { disposable: false, ..dir.settings() }).await.unwrap();
    assert_eq!(ask(again.url(), "SELECT word FROM t").await, "committed");
    cluster.release().await.unwrap();
    assert_eq!(ask(again.url(), "SELECT word FROM t").await, "committed");
    again.release().await.unwrap();
    assert!(dir.processes().is_empty());
}

#[tokio::test]
async fn a_stop_that_was_asked_for_is_not_reported_as_a_death() {
    let dir = DataDir::new();
    let Some(cluster) = acquire(&dir.settings()).await else { return };
    let died = cluster.died();
    cluster.release().await.unwrap();
    assert!(tokio::time::timeout(std::time::Duration::from_millis(600), died).await.is_err());
}

#[tokio::test]
async fn two_that_start_at_once_share_one_server_and_the_last_to_leave_stops_it() {
    let dir = DataDir::new();
    let (first, second) = (dir.settings(), dir.settings());
    let (Some(first), Some(second)) = tokio::join!(acquire(&first), acquire(&second)) else { return };
    let server = dir.server_pid();
    let third = user(&dir);
    third.expect("joined");
    first.release().await.unwrap();
    assert_eq!(ask(second.url(), "SELECT 'still here'").await, "still here");
    second.release().await.unwrap();
    assert_eq!(dir.server_pid(), server);
    third.leave();
    assert!(dir.processes().is_empty());
    assert!(!dir.path().join("run").exists());
}

#[tokio::test]
async fn several_processes_that_find_no_cluster_make_one_together() {
    let dir = DataDir::new();
    if !postgres_is_here().await {
        return;
    }
    let users = [user(&dir), user(&dir), user(&dir)];
    users.iter().for_each(|user| user.expect("joined"));
    for user in users {
        user.leave();
    }
    assert!(dir.processes().is_empty());
}

#[tokio::test]
async fn a_stale_lock_file_does_not_block_whatever_it_says() {
    let dir = DataDir::new();
    let Some(cluster) = acquire(&dir.settings()).await else { return };
    execute(cluster.url(), "CREATE TABLE t AS SELECT 'kept' AS word").await;
    cluster.release().await.unwrap();
    let mut unrelated = Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
    let stale = format!("{}\n{}\n1\n5432\n", unrelated.id(), dir.cluster().display());
    for content in ["", "garbage \u{0}\n", "999999999\n", stale.as_str()] {
        std::fs::write(dir.cluster().join("postmaster.pid"), content).unwrap();
        std::fs::create_dir_all(dir.path().join("run")).unwrap();
        let owner = std::fs::metadata(dir.cluster()).unwrap();
        chown(dir.path().join("run"), Some(owner.uid()), Some(owner.gid())).unwrap();
        set_mode(&dir.path().join("run"), 0o700);
        std::fs::write(dir.path().join("run/.s.PGSQL.5432.lock"), content).unwrap();
        std::fs::write(dir.path().join("run/.s.PGSQL.5432"), "").unwrap();
        let cluster = acquire(&dir.settings()).await.unwrap();
        assert_eq!(ask(cluster.url(), "SELECT word FROM t").await, "kept", "{content:?}");
        cluster.release().await.unwrap();
    }
    assert!(unrelated.try_wait().unwrap().is_none(), "the unrelated process lives");
    unrelated.kill().unwrap();
    unrelated.wait().unwrap();
}

#[tokio::test]
async fn a_living_server_whose_lock_file_is_garbage_is_replaced() {
    let dir = DataDir::new();
    let Some(cluster) = acquire(&dir.settings()).await else { return };
    let server = dir.server_pid();
    drop(cluster);
    std::fs::write(dir.cluster().join("postmaster.pid"), "garbage\n").unwrap();
    let cluster = acquire(&dir.settings()).await.unwrap();
    assert_ne!(dir.server_pid(), server);
    cluster.release().await.unwrap();
    assert!(dir.processes().is_empty());
}

#[tokio::test]
async fn an_interrupted_creation_is_started_over() {
    let dir = DataDir::new();
    if !postgres_is_here().await {
        return;
    }
    let other = user(&dir);
    let half = dir.path().join("postgres.new");
    eventually("initdb is at work", || half.join("PG_VERSION").exists() || dir.cluster().exists()).await;
    other.kill();
    let cluster = acquire(&dir.settings()).await.unwrap();
    assert!(!half.exists());
    assert_eq!(ask(cluster.url(), "SELECT current_user::text").await, "netraven");
    cluster.release().await.unwrap();
    assert!(dir.processes().is_empty());
}

#[tokio::test]
async fn a_half_made_cluster_of_an_earlier_try_is_removed() {
    let dir = DataDir::new();
    let half = dir.path().join("postgres.new/base/1");
    std::fs::create_dir_all(&half).unwrap();
    std::fs::write(dir.path().join("postgres.new/PG_VERSION"), "15\n").unwrap();
    std::fs::write(dir.path().join("postgres.initdb-password"), "old").unwrap();
    let Some(cluster) = acquire(&dir.settings()).await else { return };
    assert!(!dir.path().join("postgres.new").exists());
    assert!(!dir.path().join("postgres.initdb-password").exists());
    cluster.release().await.unwrap();
}

#[tokio::test]
async fn a_cluster_of_somebody_elses_or_open_to_others_is_refused() {
    let dir = DataDir::new();
    let Some(cluster) = acquire(&dir.settings()).await else { return };
    cluster.release().await.unwrap();
    set_mode(&dir.cluster(), 0o755);
    let error = PrivateCluster::acquire(&dir.settings()).await.unwrap_err();
    assert!(matches!(error, PrivateError::Permissions { mode: 0o755, .. }), "{error}");
    set_mode(&dir.cluster(), 0o700);
    if is_root() {
        let owner = std::fs::metadata(dir.cluster()).unwrap().uid();
        let settings = PrivateSettings { run_as: Some("daemon".to_owned()), ..dir.settings() };
        let error = PrivateCluster::acquire(&settings).await.unwrap_err();
        assert!(
            matches!(&error, PrivateError::WrongOwner { expected, .. } if expected == "daemon"),
            "{error}"
        );
        chown(dir.cluster(), Some(0), Some(0)).unwrap();
        let error = PrivateCluster::acquire(&dir.settings()).await.unwrap_err();
        assert!(matches!(&error, PrivateError::WrongOwner { owner, .. } if owner == "root"), "{error}");
        chown(dir.cluster(), Some(owner), Some(owner)).unwrap();
    }
    acquire(&dir.settings()).await.unwrap().release().await.unwrap();
}

#[tokio::test]
async fn root_needs_an_unprivileged_user_that_exists() {
    if !only_as_root() {
        return;
    }
    for name in ["no-such-user-here", "root"] {
        let dir = DataDir::new();
        let settings = PrivateSettings { run_as: Some(name.to_owned()), ..dir.settings() };
        let error = PrivateCluster::acquire(&settings).await.unwrap_err();
        assert!(matches!(&error, PrivateError::NoAccount { tried } if tried == name), "{error}");
    }
}

#[tokio::test]
async fn what_is_no_cluster_or_a_lost_one_is_never_replaced_by_an_empty_one() {
    let dir = DataDir::new();
    std::fs::create_dir(dir.path().join("postgres.old-14")).unwrap();
    let error = PrivateCluster::acquire(&dir.settings()).await.unwrap_err();
    assert!(matches!(error, PrivateError::ClusterMissing { .. }), "{error}");

    let dir = DataDir::new();
    std::fs::write(dir.cluster(), "a file").unwrap();
    let error = PrivateCluster::acquire(&dir.settings()).await.unwrap_err();
    assert!(matches!(error, PrivateError::NotADirectory { .. }), "{error}");
}

#[tokio::test]
async fn a_cluster_of_a_version_that_is_not_installed_names_both_and_the_way_out() {
    let dir = DataDir::new();
    let Some(cluster) = acquire(&dir.settings()).await else { return };
    let installed = cluster.version();
    cluster.release().await.unwrap();
    std::fs::write(dir.cluster().join("PG_VERSION"), "9\n").unwrap();
    let error = PrivateCluster::acquire(&dir.settings()).await.unwrap_err().to_string();
    assert!(error.contains("PostgreSQL 9") && error.contains(&installed.to_string()), "{error}");
    assert!(error.contains("netraven db upgrade-cluster"), "{error}");
}

#[tokio::test]
async fn a_configured_directory_without_programs_is_named() {
    let dir = DataDir::new();
    let settings = PrivateSettings { binaries: Some(dir.path()), ..dir.settings() };
    let error = PrivateCluster::acquire(&settings).await.unwrap_err();
    assert!(
        matches!(&error, PrivateError::UnusableBinaries { directory, .. } if *directory == dir.path()),
        "{error}"
    );
}
