use crate::place::{Place, many, numbered};
use chrono::{TimeDelta, Utc};
use netraven_store::logs;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Ends a test that hangs.
const LONG: Duration = Duration::from_secs(120);

/// Somebody who follows, over a connection of its own.
pub struct Listener {
    lines: BufReader<TcpStream>,
    /// `id` of the last event.
    pub last: Option<String>,
}

/// One event of the stream.
#[derive(Debug)]
pub struct Told {
    pub event: String,
    pub data: String,
}

impl Told {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap()
    }
}

impl Listener {
    /// Asks, and waits for the head of the answer.
    pub async fn at(address: SocketAddr, path: &str, key: &str, last: Option<&str>) -> Self {
        Self::try_at(address, path, key, last).await.expect("there is room")
    }

    /// `None` where the service says that it is not ready.
    pub async fn try_at(address: SocketAddr, path: &str, key: &str, last: Option<&str>) -> Option<Self> {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let resume = last.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-api-key: {key}\r\n{resume}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut lines = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(timeout(LONG, lines.read_line(&mut head)).await.unwrap().unwrap(), 0, "{head}");
        }
        if head.starts_with("HTTP/1.1 503") {
            return None;
        }
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream"), "{head}");
        Some(Self { lines, last: None })
    }

    /// The next event; `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<Told> {
        let mut told = Told { event: String::new(), data: String::new() };
        loop {
            let mut line = String::new();
            if timeout(LONG, self.lines.read_line(&mut line)).await.expect("an event comes").unwrap_or(0) == 0
            {
                return None;
            }
            // Lengths of chunks and heartbeats are passed over.
            let line = line.trim_end();
            if let Some(id) = line.strip_prefix("id: ") {
                self.last = Some(id.to_owned());
            } else if let Some(event) = line.strip_prefix("event: ") {
                told.event = event.to_owned();
            } else if let Some(data) = line.strip_prefix("data: ") {
                told.data = data.to_owned();
                return Some(told);
            }
        }
    }

    async fn number(&mut self) -> u64 {
        let told = self.next().await.expect("the stream goes on");
        assert_eq!(told.event, "log", "{told:?}");
        told.json()["details"]["bytes"].as_u64().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_hears_of_everything_once_and_goes_on_where_the_connection_broke() {
    let Some((place, store, _database)) = Place::new().await else { return };
    place.sent(&many(1, 0..5)).await;
    let mut listener = listen(&place, "/logs/stream?job=1", None).await;
    place.sent(&many(2, 900..905)).await;
    place.sent(&many(1, 10..20)).await;
    // While somebody else on the server has a transaction open, what came just before counts as new, too.
    let mut heard = listener.number().await;
    while heard < 5 {
        heard = listener.number().await;
    }
    assert_eq!(heard, 10);
    for number in 11..20 {
        assert_eq!(listener.number().await, number);
    }
    let last = listener.last.clone().unwrap();
    drop(listener);

    // While nobody listens: new ones, and one of an hour ago that a spool held back.
    let late = numbered(1, 20, Utc::now() - TimeDelta::hours(1));
    logs::write(&store, &[&late], &[]).await.unwrap();
    place.sent(&many(1, 21..1_000)).await;
    let mut listener = listen(&place, "/logs/stream?job=1", Some(&last)).await;
    for number in 20..1_000 {
        assert_eq!(listener.number().await, number);
    }
    // What was missed and what comes now overlap nowhere.
    let late = numbered(1, 1_000, Utc::now() - TimeDelta::hours(2));
    place.sent(&[late]).await;
    assert_eq!(listener.number().await, 1_000);
    place.sent(&many(1, 1_001..1_500)).await;
    for number in 1_001..1_500 {
        assert_eq!(listener.number().await, number);
    }
    place.stop().await;
    assert!(listener.next().await.is_none(), "a service that stops ends its streams");
}

/// The poller needs a moment at the start of a service; until then there is no room.
async fn listen(place: &Place, path: &str, last: Option<&str>) -> Listener {
    let deadline = Instant::now() + LONG;
    loop {
        if let Some(listener) = Listener::try_at(place.address, path, &place.key, last).await {
            return listener;
        }
        assert!(Instant::now() < deadline, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_that_end_late_hide_nothing_from_those_who_follow() {
    let Some((place, store, database)) = Place::new().await else { return };
    let mut listener = listen(&place, "/logs/stream?job=1", None).await;
    // A transaction that is open has an older number than what comes behind it.
    let mut connection = <sqlx::PgConnection as sqlx::Connection>::connect(database.url()).await.unwrap();
    sqlx::raw_sql("BEGIN; SELECT pg_current_xact_id()").execute(&mut connection).await.unwrap();
    sqlx::query(
        "INSERT INTO netraven.job_logs (job_id, level, event, message, details)
         VALUES (1, 'info', 'command_output', 'late', '{\"bytes\": 1}')",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    place.sent(&many(1, 2..5)).await;
    sqlx::raw_sql("COMMIT").execute(&mut connection).await.unwrap();
    let mut heard = Vec::new();
    for _ in 0..4 {
        heard.push(listener.number().await);
    }
    assert_eq!(heard, [1, 2, 3, 4]);
    drop(store);
    place.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_is_cut_and_costs_the_others_nothing() {
    let Some((place, store, _database)) = Place::new().await else { return };
    let mut slow = listen(&place, "/logs/stream?job=1", None).await;
    let mut quick = listen(&place, "/logs/stream?job=2", None).await;
    // Until both the sockets and the pages that wait are full.
    let text = "x".repeat(8_000);
    let mut number = 0;
    while !place.get("/metrics").await.text().contains("netraven_joblog_cut_readers_total 1") {
        assert!(number < 400, "nobody is cut");
        let events: Vec<_> = many(1, number * 500..(number + 1) * 500)
            .into_iter()
            .map(|mut event| {
                event.event.visit_texts(|command| *command = text.clone());
                event
            })
            .collect();
        logs::write(&store, &events.iter().collect::<Vec<_>>(), &[]).await.unwrap();
        number += 1;
        if number > 100 {
            // It is cut when it takes what waits for it.
            let mut bytes = vec![0; 1 << 20];
            let _ = timeout(Duration::from_millis(200), slow.lines.read(&mut bytes)).await;
        }
    }
    place.sent(&many(2, 7..8)).await;
    assert_eq!(quick.number().await, 7);
    place.stop().await;
}
