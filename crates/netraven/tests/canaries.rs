//! Secrets planted in every place that holds one, and looked for in everything that an installation writes and says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::api::{address, request};
use common::network::Network;
use common::{Place, Ran, finish};
use netraven_lab::{Failing, Failures};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use russh::keys::key::safe_rng;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey};
use serde_json::json;
use sqlx::AssertSqlSafe;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command};

/// All that is planted begins so.
const CANARY: &str = "canary-";
/// Stands in the configurations and is no secret: where it is found, a canary would be found, too.
const PUBLIC: &str = "public-uplink";

/// What is looked for: the canaries, and the secrets that NetRaven itself made.
struct Needles(Vec<String>);

impl Needles {
    fn gather(place: &Place, private_key: &str) -> Self {
        let keys = place.folder().join("data/keys");
        let read = |name: &str| std::fs::read_to_string(keys.join(name)).unwrap().trim().to_owned();
        let master: serde_json::Value = serde_json::from_str(&read("master.key")).unwrap();
        let logins: serde_json::Value = serde_json::from_str(&read("database-private.json")).unwrap();
        let mut all = vec![CANARY.to_owned(), read("gateway_key.txt"), read("gateway_tokens.secret")];
        all.push(private_key.lines().nth(2).unwrap().to_owned());
        all.extend(master["encryption_keys"].as_array().unwrap().iter().map(|key| text(&key["key"])));
        all.push(text(&master["fingerprint_key"]));
        all.extend(logins["passwords"].as_object().unwrap().values().map(text));
        assert!(
            all.iter().all(|needle| needle.len() >= CANARY.len()),
            "one is too short to be told from others"
        );
        Self(all)
    }

    /// What of them stands in some bytes, as text or as hexadecimal digits.
    fn found_in(&self, bytes: &[u8]) -> Option<&str> {
        let hex = |needle: &str| needle.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
        let stands = |needle: &&String| contains(bytes, needle) || contains(bytes, &hex(needle));
        self.0.iter().find(stands).map(String::as_str)
    }

    #[track_caller]
    fn are_not_in(&self, what: &str, bytes: &[u8]) {
        assert_eq!(self.found_in(bytes), None, "in {what}");
    }
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn contains(bytes: &[u8], needle: &str) -> bool {
    let (needle, mut at) = (needle.as_bytes(), 0);
    while let Some(found) = bytes[at..].iter().position(|byte| *byte == needle[0]) {
        if bytes[at + found..].starts_with(needle) {
            return true;
        }
        at += found + 1;
    }
    false
}

/// Everything that was said by the program, except where secrets were asked for.
#[derive(Default)]
struct Said(String);

impl Said {
    fn hear(&mut self, ran: Ran) -> Ran {
        self.0.push_str(&ran.stdout);
        self.0.push_str(&ran.stderr);
        ran
    }
}

/// Credentials, a user, and `up` that serves the API and logs as much as it may.
fn settle(network: &Network, said: &mut Said) -> (Child, String) {
    let place = &network.place;
    let key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap();
    let key = key.encrypt(&mut safe_rng(), "canary-phrase").unwrap().to_openssh(LineEnding::LF).unwrap();
    let path = |name: &str, text: &str| place.file(name, text).display().to_string();
    let add = ["credential", "add", "first", "--username", "netraven", "--priority", "1", "--password-file"];
    let files = [
        &path("password.txt", "canary-wrong\n"),
        "--enable-file",
        &path("enable2.txt", "canary-enable-wrong\n"),
        "--private-key-file",
        &path("id.txt", &key),
        "--key-passphrase-file",
        &path("phrase.txt", "canary-phrase\n"),
    ];
    assert_eq!(said.hear(place.run(&[&add[..], &files].concat())).code, 0);
    let add = ["user", "add", "ann", "--role", "admin", "--password-stdin"];
    assert_eq!(said.hear(place.run_with_input(&add, "canary-user-password\n")).code, 0);
    assert_eq!(place.run(&["token", "issue", "--name", "tests"]).code, 0);
    let log = File::create(place.folder().join("up.log")).unwrap();
    let up = ["up", "--log-level", "trace", "--set", "gateway.listen=127.0.0.1:0"];
    let up = place.command(&up).stderr(log).spawn().unwrap();
    (up, key.to_string())
}

/// Asks the API for what it tells, and for work with canaries in every field.
fn ask_the_api(network: &Network, up: &mut Child, said: &mut Said) {
    let address = address(up);
    let key = std::fs::read_to_string(network.place.folder().join("data/keys/gateway_key.txt")).unwrap();
    let headers = format!("x-api-key: {}\r\ncontent-type: application/json\r\n", key.trim());
    let wrong = "x-api-key: canary-api-key\r\ncontent-type: application/json\r\n";
    let device = network.lab.device(0).unwrap();
    let body = |password: &str| {
        let credential =
            json!({"username": device.username, "password": password, "enable_secret": "canary-asked"});
        json!({"ip": device.address, "port": device.port, "device_type": "vault_os", "device_id": "x",
            "command": "show running-config", "credential": credential})
        .to_string()
    };
    let good = device.password.expose_text().unwrap();
    for (method, path, headers, body) in [
        ("GET", "/status", "", String::new()),
        ("GET", "/metrics", &headers[..], String::new()),
        ("GET", "/ready", wrong, String::new()),
        ("POST", "/execute-command", &headers, body(good)),
        ("POST", "/execute-command", &headers, body("canary-refused")),
        ("POST", "/execute-command", wrong, body(good)),
    ] {
        said.0.push_str(&request(&address, method, path, headers, &body).1);
    }
    assert!(said.0.contains("netraven_") && said.0.contains(PUBLIC), "the API answered: {}", said.0);
}

/// What `netraven db backup` wrote, as SQL.
fn backup(place: &Place, said: &mut Said) -> Vec<u8> {
    let made = said.hear(place.run(&["db", "backup", "--json"]));
    assert_eq!(made.code, 0, "{made:?}");
    let made: serde_json::Value = serde_json::from_str(&made.stdout).unwrap();
    let restored =
        Command::new("pg_restore").args(["-f", "-", made["dump"].as_str().unwrap()]).output().unwrap();
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    [restored.stdout, std::fs::read(made["manifest_file"].as_str().unwrap()).unwrap()].concat()
}

/// Every row of every table, as text.
async fn rows(network: &Network) -> Vec<(String, String)> {
    let mut admin = network.admin().await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'netraven' AND c.relkind = 'r'",
    )
    .fetch_all(&mut admin)
    .await
    .unwrap();
    assert!(tables.len() > 30, "{tables:?}");
    let mut all = Vec::new();
    for table in tables {
        let select = format!("SELECT t::text FROM {table} t");
        let rows: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(select)).fetch_all(&mut admin).await.unwrap();
        all.push((table, rows.join("\n")));
    }
    sqlx::raw_sql("CHECKPOINT").execute(&mut admin).await.unwrap();
    all
}

/// Every file below a folder.
fn files(folder: &Path, visit: &mut dyn FnMut(&Path, &[u8])) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files(&entry.path(), visit);
        } else if kind.is_file()
            && let Ok(bytes) = std::fs::read(entry.path())
        {
            // The server may remove a file meanwhile.
            visit(&entry.path(), &bytes);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_any_table_file_log_answer_or_backup_and_all_come_back_to_who_may_have_them() {
    let planted = |settings: &mut netraven_lab::LabSettings| {
        settings.password = "canary-login".into();
        settings.enable = "canary-enable-login".into();
        settings.failures = Failures { listed: [(1, Failing::WrongPassword)].into(), fraction: 0.0 };
    };
    let Some(network) = Network::new(planted).await else { return };
    let (place, device) = (&network.place, network.name(0));
    let mut said = Said::default();
    let (mut up, private_key) = settle(&network, &mut said);
    ask_the_api(&network, &mut up, &mut said);
    let ran = said.hear(place.run(&["backup", "--all", "--set", "retry.attempts=1"]));
    assert!(
        ran.stdout.contains("3 devices: 2 changed, 1 failed") && ran.stdout.contains("auth_failed"),
        "{ran:?}"
    );
    assert!(network.lab.change(0));
    assert_eq!(said.hear(place.run(&["backup", "--device", &device])).code, 0);

    // Given back to who may have them.
    let file = place.folder().join("restored.cfg");
    let restore = ["config", "restore-file", &device, "--version", "1", "--output", file.to_str().unwrap()];
    assert_eq!(said.hear(place.run(&restore)).code, 0);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), network.sent(0));
    let state = place.good(&["config", "show", &device, "--part", "version", "--reveal"]);
    assert!(state.contains("$9$canary-state$x"), "{state}");

    let escrow = ["key", "export", "keys.escrow", "--passphrase-file", "passphrase.txt"];
    place.file("passphrase.txt", "canary-escrow-passphrase\n");
    for arguments in [
        &["key", "rotate"][..],
        &escrow,
        &["config", "show", &device],
        &["config", "show", &device, "--part", "version", "--json"],
        &["config", "diff", &device],
        &["job", "list", "--json"],
        &["job", "show", "1", "--dialogue"],
        &["job", "show", "2", "--dialogue"],
        &["credential", "list", "--json"],
        &["user", "list", "--json"],
        &["audit", "list", "--json"],
        &["config-file", "check"],
    ] {
        let ran = said.hear(place.run(arguments));
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
    }
    let dump = backup(place, &mut said);
    let rows = rows(&network).await;
    kill(Pid::from_raw(up.id() as i32), Signal::SIGTERM).unwrap();
    said.hear(finish(up));

    let needles = Needles::gather(place, &private_key);
    needles.are_not_in("what the program and the API said", said.0.as_bytes());
    needles.are_not_in("the backup", &dump);
    assert!(contains(&dump, PUBLIC), "the backup was read");
    for (table, rows) in &rows {
        needles.are_not_in(table, rows.as_bytes());
    }
    let public = rows.iter().filter(|(_, rows)| rows.contains(PUBLIC)).count();
    assert!(public > 0, "the rows were read");
    let log = std::fs::read(place.folder().join("up.log")).unwrap();
    needles.are_not_in("the log", &log);
    assert!(contains(&log, "TRACE") || contains(&log, "DEBUG"), "{}", String::from_utf8_lossy(&log));

    let (mut tables, mut wal) = (0, 0);
    files(&place.folder().join("data"), &mut |path, bytes| {
        // The keys' folder holds what opens everything, for its owner alone.
        if path.parent() != Some(&place.folder().join("data/keys")) {
            needles.are_not_in(&path.display().to_string(), bytes);
        }
        if contains(bytes, PUBLIC) {
            tables += usize::from(path.components().any(|part| part.as_os_str() == "base"));
            wal += usize::from(path.components().any(|part| part.as_os_str() == "pg_wal"));
        }
    });
    assert!(tables > 0 && wal > 0, "what was written was looked at: {tables} tables, {wal} parts of the log");
    needles.are_not_in("the escrow file", &std::fs::read(place.folder().join("keys.escrow")).unwrap());
    network.leave().await;
}
