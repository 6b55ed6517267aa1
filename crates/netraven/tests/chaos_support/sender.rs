//! Somebody who sends events to the job logging service all the time and remembers which were accepted.

use super::crew::Crew;
use chrono::{TimeDelta, Utc};
use netraven_model::{Event, JobEvent, JobId};
use netraven_store::{Store, logs};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The job under which it sends; no job of a run has it.
const JOB: JobId = JobId(1_000_000_000);
/// Events of one batch.
const BATCH: u64 = 20;

pub struct Sender {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<u64>>,
}

impl Sender {
    /// Starts as soon as the service has a key.
    pub async fn start(crew: &Crew, patience: Duration) -> Self {
        let begin = Instant::now();
        let key = loop {
            if let Some(key) = crew.joblog_key() {
                break key;
            }
            assert!(begin.elapsed() < patience, "no key: {}", crew.log());
            sleep(Duration::from_millis(50)).await;
        };
        let (stop, address) = (Arc::new(AtomicBool::new(false)), crew.joblog());
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut accepted = Vec::new();
            for first in (0..).step_by(BATCH as usize) {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let numbers = first..first + BATCH;
                if send(&address, &key, numbers.clone()) {
                    accepted.extend(numbers);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            accepted
        });
        Self { stop, thread }
    }

    /// The numbers of the events that were accepted.
    pub fn stop(self) -> Vec<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Sends a batch; whether it was accepted. A service that dies meanwhile has accepted nothing.
fn send(address: &str, key: &str, numbers: std::ops::Range<u64>) -> bool {
    let now = Utc::now();
    let event = |number: u64| {
        let event = Event::CommandOutput { command: "show version".into(), bytes: number, millis: 1 };
        JobEvent::new(Some(JOB), None, now + TimeDelta::microseconds((number % BATCH) as i64), event)
    };
    let body = json!({ "events": numbers.map(event).collect::<Vec<_>>() }).to_string();
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let head = format!(
        "POST /events HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-api-key: {key}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut said = String::new();
    let sent = stream.write_all(format!("{head}{body}").as_bytes());
    sent.is_ok() && stream.read_to_string(&mut said).is_ok() && said.starts_with("HTTP/1.1 200")
}

/// Waits until every accepted event is stored, and proves that each is there once.
pub async fn check(store: &Store, accepted: &[u64], patience: Duration) {
    assert!(!accepted.is_empty(), "nothing was accepted");
    let begin = Instant::now();
    loop {
        let mut stored: BTreeMap<u64, u64> = BTreeMap::new();
        for entry in logs::job_events(store, JOB).await.unwrap() {
            *stored.entry(entry.details.unwrap()["bytes"].as_u64().unwrap()).or_default() += 1;
        }
        assert!(stored.values().all(|count| *count == 1), "doubled: {stored:?}");
        let missing = accepted.iter().filter(|number| !stored.contains_key(number)).count();
        if missing == 0 {
            println!("{} lines of the log accepted, all of them stored once", accepted.len());
            return;
        }
        // A spool may just be replayed.
        assert!(begin.elapsed() < patience, "{missing} of {} accepted lines are lost", accepted.len());
        sleep(Duration::from_millis(200)).await;
    }
}
