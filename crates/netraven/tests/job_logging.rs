//! The job logging service as a process of its own, and the commands that show what it keeps.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use chrono::{TimeDelta, Utc};
use common::api::{address, address_of, request};
use common::{Place, finish};
use netraven_lab::{Lab, LabSettings};
use netraven_model::{DeviceId, Event, JobEvent, JobId};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Child;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(120);

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id() as i32), signal).unwrap();
}

/// Starts the service; its process, its address and the key that may send.
fn serve(place: &Place, more: &[&str]) -> (Child, String, String) {
    let listen = ["serve", "joblog", "--set", "joblog.listen=127.0.0.1:0"];
    let mut child = place.command(&[&listen[..], more].concat()).spawn().unwrap();
    let address = address_of(&mut child, "joblog");
    let key = std::fs::read_to_string(place.folder().join("data/keys/joblog_key.txt")).unwrap();
    (child, address, key.trim().to_owned())
}

fn headers(key: &str) -> String {
    format!("x-api-key: {key}\r\ncontent-type: application/json\r\n")
}

fn events(job: i64, numbers: std::ops::Range<u64>) -> Vec<JobEvent> {
    let now = Utc::now();
    let event = |number| {
        let event = Event::CommandOutput { command: "show version".into(), bytes: number, millis: 1 };
        let at = now + TimeDelta::microseconds(number as i64);
        JobEvent::new(Some(JobId(job)), Some(DeviceId(job)), at, event)
    };
    numbers.map(event).collect()
}

/// Sends a batch; whether it was accepted. A service that dies meanwhile has accepted nothing.
fn send(address: &str, key: &str, events: &[JobEvent]) -> bool {
    let body = json!({ "events": events }).to_string();
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "POST /events HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{}content-length: {}\r\n\r\n",
        headers(key),
        body.len()
    );
    let mut said = String::new();
    let sent = stream.write_all(format!("{head}{body}").as_bytes());
    sent.is_ok() && stream.read_to_string(&mut said).is_ok() && said.starts_with("HTTP/1.1 200")
}

/// How often each number of a job's events is in the database.
async fn stored(place: &Place, job: i64) -> BTreeMap<u64, u64> {
    let mut counts = BTreeMap::new();
    for entry in netraven_store::logs::job_events(&place.store().await, JobId(job)).await.unwrap() {
        *counts.entry(entry.details.unwrap()["bytes"].as_u64().unwrap()).or_default() += 1;
    }
    counts
}

fn wait_until_all_is_written(address: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status: Value = serde_json::from_str(&request(address, "GET", "/status", "", "").1).unwrap();
        if status["queued"] == 0 && status["spooled"] == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "{status}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_survives_kill_9_between_acceptance_and_writing() {
    let Some(place) = Place::new().await else { return };
    let soon = ["--set", "database.joblog.lock_timeout_seconds=1"];
    let (mut service, at, key) = serve(&place, &soon);
    // Nothing can be written, so that what is accepted is on the service's disk alone.
    let mut lock = PgConnection::connect(place.database_url()).await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE netraven.job_logs IN ACCESS EXCLUSIVE MODE")
        .execute(&mut lock)
        .await
        .unwrap();
    let batch = events(1, 0..700);
    assert!(send(&at, &key, &batch));
    service.kill().unwrap();
    service.wait().unwrap();
    sqlx::raw_sql("COMMIT").execute(&mut lock).await.unwrap();
    assert!(stored(&place, 1).await.is_empty());

    let (service, at, key) = serve(&place, &soon);
    // Its sender did not hear of it.
    assert!(send(&at, &key, &batch[100..200]));
    wait_until_all_is_written(&at);
    assert_eq!(stored(&place, 1).await, (0..700).map(|number| (number, 1)).collect());
    signal(&service, Signal::SIGTERM);
    let ran = finish(service);
    assert!(ran.code == 0 && !ran.stderr.contains(&key), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_survives_kill_9_at_any_moment_while_many_send() {
    let Some(place) = Place::new().await else { return };
    let (mut service, at, key) = serve(&place, &[]);
    let (accepted, stop) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    for round in 0..4_u64 {
        if round > 0 {
            // Where it listens is another place each time; nothing else is.
            service.kill().unwrap();
            service.wait().unwrap();
        }
        let fresh = if round > 0 { Some(serve(&place, &[])) } else { None };
        let (at, key) = match fresh {
            Some((child, at, key)) => {
                service = child;
                (at, key)
            }
            None => (at.clone(), key.clone()),
        };
        stop.store(false, Ordering::Relaxed);
        std::thread::scope(|scope| {
            for sender in 0..4_u64 {
                let (at, key, accepted, stop) = (&at, &key, &accepted, &stop);
                scope.spawn(move || {
                    for batch in 0.. {
                        let first = round * 10_000_000 + sender * 1_000_000 + batch * 20;
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                        if send(at, key, &events(2, first..first + 20)) {
                            accepted.lock().unwrap().extend(first..first + 20);
                        }
                    }
                });
            }
            // Not before something was accepted in this round, and at another moment each time.
            let before = accepted.lock().unwrap().len();
            let deadline = Instant::now() + PATIENCE;
            while accepted.lock().unwrap().len() < before + 100 {
                assert!(Instant::now() < deadline, "nothing is accepted");
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_millis(u64::from(Utc::now().timestamp_subsec_micros() % 97)));
            signal(&service, Signal::SIGKILL);
            stop.store(true, Ordering::Relaxed);
        });
        service.wait().unwrap();
    }
    let (service, at, _) = serve(&place, &[]);
    wait_until_all_is_written(&at);
    let stored = stored(&place, 2).await;
    let accepted = accepted.into_inner().unwrap();
    let lost: Vec<_> = accepted.iter().filter(|number| !stored.contains_key(number)).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), accepted.len());
    assert!(stored.values().all(|count| *count == 1));
    signal(&service, Signal::SIGTERM);
    assert_eq!(finish(service).code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_without_a_database_sends_what_happened_to_the_service() {
    let Some(mut place) = Place::new().await else { return };
    let lab_settings = LabSettings { count: 1, platforms: vec!["frr".into()], ..LabSettings::default() };
    let lab = Lab::start(lab_settings).unwrap();
    let device = lab.device(0).unwrap();
    let (service, at, key) = serve(&place, &[]);
    place.variables.push(("NETRAVEN__JOBLOG__KEY", key.clone()));
    let url = format!("joblog.url=http://{at}");
    let off = ["serve", "gateway", "--set", "gateway.database=off", "--set", "gateway.listen=127.0.0.1:0"];
    let mut gateway = place.command(&[&off[..], &["--set", &url]].concat()).spawn().unwrap();
    let gateway_at = address(&mut gateway);
    let gateway_key = std::fs::read_to_string(place.folder().join("data/keys/gateway_key.txt")).unwrap();
    let body = json!({
        "ip": device.address, "port": device.port, "command": "show version", "device_type": "frr", "job_id": 4711,
        "credential": {"username": device.username, "password": "netraven-lab"},
    });
    let (status, answer) =
        request(&gateway_at, "POST", "/execute-command", &headers(gateway_key.trim()), &body.to_string());
    assert_eq!(status, 200, "{answer}");
    signal(&gateway, Signal::SIGTERM);
    let ran = finish(gateway);
    assert!(ran.code == 0 && !ran.stderr.contains(&key), "{ran:?}");

    let listed = place.json(&["log", "list", "--job", "4711"]);
    let names: Vec<_> =
        listed["entries"].as_array().unwrap().iter().map(|entry| entry["event"].as_str().unwrap()).collect();
    assert!(names.contains(&"logged_in") && names.contains(&"command_output"), "{listed}");
    let log = netraven_store::logs::connection_log(&place.store().await, JobId(4711)).await.unwrap().unwrap();
    assert!(log.log.contains("show version"), "{}", log.log);
    signal(&service, Signal::SIGTERM);
    assert_eq!(finish(service).code, 0);
    lab.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn up_serves_the_job_log_where_the_settings_say_so() {
    let Some(place) = Place::new().await else { return };
    let mut up = place.command(&["up", "--set", "joblog.listen=127.0.0.1:0"]).spawn().unwrap();
    let at = address_of(&mut up, "joblog");
    let key = place.good(&["log", "key", "add", "site-7", "--right", "write"]);
    let deadline = Instant::now() + PATIENCE;
    while !send(&at, key.trim(), &events(3, 0..5)) {
        assert!(Instant::now() < deadline, "the new key is not known");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(place.good(&["log", "key", "list"]).contains("site-7"));
    assert_eq!(stored(&place, 3).await.len(), 5);
    signal(&up, Signal::SIGTERM);
    let ran = finish(up);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_watched_and_ctrl_c_leaves_it_running() {
    let Some(place) = Place::new().await else { return };
    place.good(&["device", "add", "r1", "--address", "127.0.0.1", "--platform", "frr", "--port", "1"]);
    let ran = place.run(&["job", "watch", "1"]);
    assert!(ran.code == 3 && ran.stderr.contains("there is no run '1'"), "{ran:?}");
    place.run(&["backup", "--all", "--no-wait"]);

    let mut watch = place.command(&["job", "watch", "1"]).spawn().unwrap();
    let mut line = String::new();
    let mut stderr = BufReader::new(watch.stderr.take().unwrap());
    stderr.read_line(&mut line).unwrap();
    assert_eq!(line, "run 1: 1 device: 1 waiting\n");
    signal(&watch, Signal::SIGINT);
    stderr.read_to_string(&mut line).unwrap();
    assert!(line.contains("run 1 goes on; `netraven run cancel 1` ends it"), "{line}");
    assert_eq!(finish(watch).code, 130);
    assert_eq!(place.json(&["job", "list"])[0]["status"], "queued");

    // Somebody does the work, and who watches gets the end of it.
    let watch = place.command(&["job", "watch", "1", "--json"]).spawn().unwrap();
    assert_eq!(place.run(&["backup", "--all", "--set", "retry.attempts=1"]).code, 5);
    let ran = finish(watch);
    assert_eq!(ran.code, 5, "{ran:?}");
    let lines: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (last, before) = lines.split_last().unwrap();
    assert_eq!((&last["summary"]["failed"], &last["summary"]["run"]), (&json!(1), &json!(1)));
    assert!(!before.is_empty() && before.iter().all(|line| line["progress"]["total"] == 1), "{ran:?}");
    let ran = place.run(&["job", "watch", "1"]);
    assert!(ran.code == 5 && ran.stdout.contains("run 1: 1 device: 1 failed"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_listed_page_by_page_and_followed() {
    let Some(place) = Place::new().await else { return };
    place.good(&["device", "add", "r1", "--address", "127.0.0.1", "--platform", "frr", "--port", "1"]);
    let ran = place.run_with_input(&["credential", "add", "ops", "--username", "u", "--password-stdin"], "x");
    assert_eq!(ran.code, 0, "{ran:?}");
    let mut follow = place.command(&["log", "follow", "--device", "r1", "--json"]).spawn().unwrap();
    let mut told = BufReader::new(follow.stdout.take().unwrap());
    // It follows from the moment on in which it has begun, so there is one run after the other until it has.
    let heard = std::thread::spawn(move || {
        let mut line = String::new();
        told.read_line(&mut line).unwrap();
        // Kept open: what writes to nobody ends.
        (line, told)
    });
    let deadline = Instant::now() + PATIENCE;
    while !heard.is_finished() {
        assert!(Instant::now() < deadline, "nothing is heard");
        assert_eq!(place.run(&["backup", "--all", "--set", "retry.attempts=1"]).code, 5);
    }
    let (line, told) = heard.join().unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["device"], "r1");
    signal(&follow, Signal::SIGINT);
    let ran = finish(follow);
    assert_eq!(ran.code, 0, "{ran:?}");
    drop(told);

    let text = place.good(&["log", "list", "--run", "1", "--level", "error"]);
    assert!(text.contains("r1") && text.contains("refused"), "{text}");
    let (mut before, mut seen): (Option<String>, Vec<Value>) = (None, Vec::new());
    loop {
        let mut question = vec!["log", "list", "--job", "1", "--limit", "1"];
        if let Some(before) = &before {
            question.extend(["--before", before]);
        }
        let page = place.json(&question);
        seen.extend(page["entries"].as_array().unwrap().iter().map(|entry| entry["event"].clone()));
        match page["older"].as_str() {
            Some(older) => before = Some(older.to_owned()),
            None => break,
        }
    }
    assert_eq!(seen.last(), Some(&json!("started")), "{seen:?}");
    assert!(seen.contains(&json!("failed")) && seen.len() >= 2, "{seen:?}");
    for (arguments, expected) in [
        (&["--level", "loud"][..], "expected one of debug, info, warning, error"),
        (&["--since", "yesterday"], "expected a time such as"),
        (&["--before", "x"], "expected what an earlier list named"),
        (&["--device", "nobody"], "there is no device 'nobody'"),
        (&["--run", "4711"], "there is no run '4711'"),
        (&["--limit", "0"], "1..=1000"),
        (&["--since", "2026-03-02", "--until", "2026-03-01 05:00"], "expected a time behind"),
    ] {
        let ran = place.run(&[&["log", "list"], arguments].concat());
        assert!([2, 3].contains(&ran.code) && ran.stderr.contains(expected), "{arguments:?}: {ran:?}");
    }
}
