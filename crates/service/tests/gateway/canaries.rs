//! Secrets of requests turn up nowhere.

use crate::client::{get, send};
use crate::inventory::with_database;
use crate::place::{FINGERPRINT_KEY, backup, command, lab};
use crate::support::House;
use netraven_lab::LabDevice;
use serde_json::{Value, json};
use std::io::Write;
use std::sync::{Arc, Mutex};
use tracing_subscriber::fmt::MakeWriter;

/// Everything that is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Requests with a canary in every field that holds a secret; some work, some do not.
fn requests(device: &LabDevice) -> Vec<(&'static str, Value)> {
    let good = command(device, "show version");
    let change = |pointer: &str, value: Value| {
        let mut request = good.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        request.pointer_mut(parent).unwrap()[name] = value;
        ("/execute-command", request)
    };
    vec![
        ("/execute-command", good.clone()),
        ("/collect", backup(device)),
        ("/collect-batch", json!({"devices": [backup(device)]})),
        change("/credential/password", json!("canary-password")),
        change("/credential/password", json!(["canary-list"])),
        change("/credential/enable_secret", json!("canary-enable")),
        change("/credential/private_key", json!("-----BEGIN OPENSSH PRIVATE KEY-----\ncanary-key\n")),
        change("/credential/key_passphrase", json!("canary-passphrase")),
        change("/port", json!("canary-port")),
        change("/credential", json!("canary-credential")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_requests_turn_up_in_no_answer_log_line_metric_or_row() {
    let log = Log::default();
    // Only the first test of a process can do this; elsewhere the log stays empty and the rest still holds.
    let subscriber =
        tracing_subscriber::fmt().json().with_env_filter("debug,netraven=trace").with_writer(log.clone());
    let listening = subscriber.try_init().is_ok();
    let Some(house) = House::new().await else { return };
    let lab = lab(&["cisco_ios"], |settings| {
        settings.password = "canary-lab".into();
        settings.enable = "canary-lab-enable".into();
    });
    let place = with_database(&house).await;
    let device = lab.device(0).unwrap();
    let mut said = String::new();
    let json_type = ("content-type", "application/json");
    for (path, body) in requests(&device) {
        let headers = [("x-api-key", place.key.as_str()), json_type, ("x-request-id", "canaries-1")];
        let reply = send(place.address, "POST", path, &headers, body.to_string().into_bytes()).await;
        said.push_str(&reply.text());
    }
    for headers in [[("x-api-key", "canary-api-key")], [("authorization", "Bearer canary.jwt.token")]] {
        said.push_str(&get(place.address, "/ready?x=canary-query", &headers).await.text());
    }
    said.push_str(&get(place.address, "/metrics", &[("x-api-key", &place.key)]).await.text());
    said.push_str(&get(place.address, "/status", &[]).await.text());
    let key = place.key.clone();
    place.stop().await;
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let dump = String::from_utf8_lossy(&house.dump()).into_owned();
    for (where_, text) in [("answers", &said), ("log", &logged), ("database", &dump)] {
        for secret in ["canary", FINGERPRINT_KEY, key.as_str()] {
            let found = text
                .find(secret)
                .map(|at| text[at.saturating_sub(100)..].chars().take(200).collect::<String>());
            assert_eq!(found, None, "in the {where_}");
        }
    }
    assert!(dump.contains("command_output"), "something was written");
    if listening {
        assert!(
            logged.contains("canaries-1") && logged.contains("key:plain"),
            "the log names request and caller"
        );
    }
    lab.shutdown().await;
}
