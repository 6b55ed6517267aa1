//! Changes of devices and who is told of them, on the command line.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Place, finish};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use sqlx::Connection;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(60);

/// A server that answers 200 to everything; its URL, and the requests that come.
async fn receiver() -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (heard, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let heard = heard.clone();
            tokio::spawn(async move {
                let mut text = String::new();
                // The body is an object of JSON, which ends with the last brace.
                while !text.ends_with('}') {
                    let mut bytes = [0; 4096];
                    match socket.read(&mut bytes).await {
                        Ok(0) | Err(_) => return,
                        Ok(count) => text.push_str(std::str::from_utf8(&bytes[..count]).unwrap()),
                    }
                }
                let _ = heard.send(text);
                let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                let _ = socket.write_all(answer.as_bytes()).await;
            });
        }
    });
    (url, requests)
}

async fn change(place: &Place) {
    const CHANGE: &str =
        "INSERT INTO netraven.device_events (device_id, hostname, event, error_code, message)
        VALUES (1, 'r1', 'device_failing', 'timeout', 'it did not answer')";
    let mut connection = sqlx::PgConnection::connect(place.database_url()).await.unwrap();
    sqlx::query(CHANGE).execute(&mut connection).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_is_told_by_webhook_and_the_secret_is_shown_once() {
    let Some(place) = Place::new().await else { return };
    let (url, mut requests) = receiver().await;
    let ran = place.run(&["notify", "add", "chat", "--webhook", &url, "--event", "device_failing"]);
    let secret = ran.stdout.trim_end().to_owned();
    assert!(ran.code == 0 && secret.starts_with("nrwh_") && !secret.contains(' '), "{ran:?}");
    assert!(ran.stderr.contains("shown once"), "{ran:?}");
    assert_eq!(place.good(&["notify", "test", "chat"]), "the test arrived: 200 OK\n");
    let request = timeout(LONG, requests.recv()).await.unwrap().unwrap();
    assert!(request.to_lowercase().contains("x-netraven-event: test"), "{request}");
    let renewed = place.json(&["notify", "new-secret", "chat"]);
    assert_ne!(renewed["secret"], secret);

    let mut notifier = place.command(&["serve", "notifier"]).spawn().unwrap();
    change(&place).await;
    let request = timeout(LONG, requests.recv()).await.unwrap().unwrap();
    assert!(request.contains(r#""message":"it did not answer""#), "{request}");
    let sent = async {
        while place.json(&["notify", "list"])[0]["waiting"] != 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(LONG, sent).await.unwrap();
    assert!(notifier.try_wait().unwrap().is_none());
    kill(Pid::from_raw(notifier.id().cast_signed()), Signal::SIGTERM).unwrap();
    let ran = finish(notifier);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "The notifier is running; Ctrl-C stops it.\n"),
        "{ran:?}"
    );

    let shown = place.good(&["notify", "show", "chat"]);
    assert!(shown.contains(&url) && shown.contains("device_failing") && shown.contains("sent "), "{shown}");
    let deliveries = place.json(&["notify", "deliveries", "--channel", "chat"]);
    assert_eq!((&deliveries[0]["status"], &deliveries[0]["attempts"]), (&json!("sent"), &json!(1)));
    for text in [shown, place.json(&["notify", "list"]).to_string(), place.good(&["audit", "list", "--json"])]
    {
        assert!(!text.contains("nrwh_"), "{text}");
    }
    assert_eq!(place.good(&["notify", "disable", "chat"]), "chat disabled\n");
    assert!(place.good(&["notify", "list"]).contains("(disabled)"));
    assert_eq!(place.good(&["notify", "enable", "chat"]), "chat enabled\n");
    assert_eq!(place.json(&["notify", "retry", "--all-dead"]), json!({"retried": 0}));
    place.run(&["notify", "retry", "1"]).failed(3, "there is no dead notification '1'");
    assert_eq!(place.good(&["notify", "remove", "chat"]), "chat is told no more\n");
    place.run(&["notify", "show", "chat"]).failed(3, "hint: see `netraven notify list`");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_when_it_is_entered() {
    let Some(place) = Place::new().await else { return };
    let hook = "https://h.example.net/x";
    for (arguments, reason) in [
        (&["--webhook", "ftp://h/x"][..], "a URL such as"),
        (&["--webhook", "https://u:canary@h/x"], "without user and password"),
        (&["--email", "nobody"], "e-mail addresses such as"),
        (&["--email", "a@x.example", "--digest", "25:00"], "a time of the day"),
        (&["--email", "a@x.example", "--digest", "07:00", "--zone", "Mars/Base"], "Europe/Zurich"),
        (&["--webhook", hook, "--event", "rain"], "expected one of device_failing"),
        (&["--webhook", hook, "--tag", "a b"], "tag"),
        (&["--webhook", hook, "--digest", "07:00"], "cannot be used with"),
        (&["--email", "a@x.example", "--zone", "UTC"], "--digest"),
        (&["--webhook", hook, "--email", "a@x.example"], "cannot be used with"),
        (&[], "required"),
    ] {
        let ran = place.run(&[&["notify", "add", "x"], arguments].concat());
        assert!(ran.code == 2 && ran.stderr.contains(reason), "{arguments:?}: {ran:?}");
    }
    let unknown = place.run(&["notify", "add", "x", "--webhook", hook, "--tag", "nowhere"]);
    unknown.failed(3, "there is no tag 'nowhere'");
    assert_eq!(place.json(&["notify", "list"]), json!([]));

    let ran = place.run(&[
        "notify",
        "add",
        "boss",
        "--email",
        "a@x.example",
        "--digest",
        "07:00",
        "--zone",
        "Europe/Zurich",
    ]);
    assert!(ran.code == 0 && ran.stderr.contains("notify.smtp.host is not set"), "{ran:?}");
    let boss = &place.json(&["notify", "list"])[0];
    assert_eq!(
        (&boss["digest"]["at"], &boss["digest"]["time_zone"]),
        (&json!("07:00:00"), &json!("Europe/Zurich"))
    );
    place
        .run(&["notify", "add", "boss", "--email", "a@x.example"])
        .failed(2, "already a notification channel 'boss'");
    place.run(&["notify", "new-secret", "boss"]).failed(2, "not signed");
    place.run(&["notify", "test", "boss"]).failed(1, "notify.smtp.host");
}

#[tokio::test]
async fn changes_are_listed() {
    let Some(place) = Place::new().await else { return };
    change(&place).await;
    change(&place).await;
    let rows = place.json(&["event", "list", "--limit", "1"]);
    assert_eq!((&rows[0]["id"], &rows[0]["event"]), (&json!(2), &json!("device_failing")));
    let older = place.json(&["event", "list", "--before", "2", "--since", "2026-01-01", "--device", "r1"]);
    assert_eq!(older.as_array().unwrap().len(), 1);
    assert!(place.good(&["event", "list"]).contains("it did not answer"));
    place.run(&["event", "list", "--device", "r2"]).failed(3, "there is no device 'r2'");
    let wrong = place.run(&["event", "list", "--type", "rain"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("host_key_changed"), "{wrong:?}");
}
