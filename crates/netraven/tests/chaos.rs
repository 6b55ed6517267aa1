//! Whatever is killed in the middle of a run: every job ends, nothing is doubled, nothing accepted is lost.
//!
//! `NETRAVEN_KILLS` and `NETRAVEN_KILL_DEVICES` say how long a form of it runs; `NETRAVEN_KILL_SEED` repeats one. The long form is
//! `make kill-test`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[allow(dead_code, reason = "another test uses the rest of it")]
#[path = "../../service/tests/support/server.rs"]
mod server;

mod chaos_support;
mod common;

use chaos_support::crew::Crew;
use chaos_support::sender::{self, Sender};
use chaos_support::{Chance, facts, number_from};
use common::Place;
use netraven_lab::{Lab, LabSettings};
use netraven_model::{JobKind, RunId};
use netraven_store::Store;
use netraven_store::jobs::{self, NewRun, Origin, TargetSelection};
use nix::sys::signal::Signal;
use server::{PATIENCE, Server};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Long enough for the longest form on a slow machine.
const LIMIT: Duration = Duration::from_secs(1_200);

#[tokio::test(flavor = "multi_thread")]
async fn a_run_survives_the_death_of_every_process_at_any_moment() {
    let (kills, devices) =
        (number_from("NETRAVEN_KILLS", 8), number_from("NETRAVEN_KILL_DEVICES", 60) as u32);
    let seed = number_from("NETRAVEN_KILL_SEED", u64::from(std::process::id()));
    println!("seed {seed}, {kills} kills, {devices} devices");
    let mut chance = Chance::new(seed);
    let Some(mut server) = Server::start().await else { return };
    let store = server.store().await;
    let mut place = Place::without_database();
    place.variables.push(("DATABASE_URL", server.url().to_owned()));
    let think_time = Duration::from_millis(400);
    let lab = Lab::start(LabSettings { count: devices, think_time, ..LabSettings::default() }).unwrap();
    place.enter(&lab.devices());

    let mut crew = Crew::start(place);
    let sender = Sender::start(&crew, PATIENCE).await;
    let new = NewRun::new(JobKind::Backup, Origin::Person, TargetSelection::All, "test");
    let run = jobs::create_run(&store, &new).await.unwrap().run;
    let (mut killed, begin) = (0, Instant::now());
    while killed < kills && !is_over(&store, run).await {
        sleep(Duration::from_millis(chance.below(1_500))).await;
        let victims = crew.len() + 1;
        match chance.below(victims as u64) as usize {
            index if index < crew.len() => println!("{:?}: {} killed", begin.elapsed(), crew.kill(index)),
            _ => {
                server.restart(Signal::SIGKILL).await;
                println!("{:?}: PostgreSQL killed", begin.elapsed());
            }
        }
        killed += 1;
        sleep(Duration::from_millis(chance.below(1_000))).await;
        crew.raise_the_dead();
    }
    while !is_over(&store, run).await {
        assert!(begin.elapsed() < LIMIT, "the run does not end: {:?}", jobs::run_progress(&store, run).await);
        crew.raise_the_dead();
        sleep(Duration::from_millis(200)).await;
    }
    println!("{killed} kills, the run ended after {:?}", begin.elapsed());
    assert!(killed > 0, "nothing was killed before the run was over");
    let accepted = sender.stop();
    sender::check(&store, &accepted, PATIENCE).await;
    drop(crew);
    facts::check(&store, &lab, run, devices).await;
    lab.shutdown().await;
    server.stop().await;
}

/// Whether no job is queued or running; a database that is just away says nothing.
async fn is_over(store: &Store, run: RunId) -> bool {
    let asked = Instant::now();
    loop {
        match jobs::run_progress(store, run).await {
            Ok(progress) => return progress.active() == 0,
            Err(error) => assert!(error.is_transient() && asked.elapsed() < PATIENCE, "{error}"),
        }
        sleep(Duration::from_millis(100)).await;
    }
}
