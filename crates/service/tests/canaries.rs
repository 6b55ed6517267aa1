//! Secrets planted everywhere, and looked for in everything that comes out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use chrono::Utc;
use netraven_device::{Access, DeviceSettings, ExecuteRequest, Gateway};
use netraven_lab::LabSettings;
use netraven_model::{Login, Protocol, Secret, Target};
use netraven_platform::{Platforms, Redactor};
use netraven_service::{JobLog, JobLogSettings};
use netraven_store::logs::Dialogue;
use netraven_store::{jobs, logs};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::{House, LONG};
use tracing_subscriber::EnvFilter;

/// What the made-up device says, `canary-...` in every place where a device may say a secret, and what proves that it was
/// looked at.
const SESSION: &str = r#"platform: canary_os
hardware: made up
source:
  kind: written
  documents: [none]
ssh_version: SSH-2.0-Canary
hostname: "nest{{nnnn}}"
login:
  mode: user
  banner: |
    seen-banner
    the password of this box is canary-banner
    -----BEGIN RSA PRIVATE KEY-----
    canary-motd
    -----END RSA PRIVATE KEY-----
modes:
  user: "{{hostname}}>"
  privileged: "{{hostname}}#"
error: |
  % Invalid input detected
  the token canary-error was not expected
commands:
  - command: enable
    modes: [user]
    enter: privileged
    password: {prompt: "Password: ", tries: 3, denied: "% Bad secrets\n\n"}
  - command: terminal length 0
    modes: [privileged]
    text: |
      seen-prepare
      snmp-server community canary-prepare RO
  - {command: terminal width 0, modes: [privileged]}
  - command: show version
    modes: [privileged]
    text: |
      seen-version
      enable secret 9 $9$canary-hash$x
  - command: show community canary-known
    modes: [privileged]
    text: "community canary-answer\n"
  - {command: exit, modes: [user, privileged], close: true}
expect:
  parts:
    - {command: show version, contains: [seen-version]}
"#;

const DEFINITION: &str = "name: canary_os\nextends: cisco_ios\ntitle: Made up\nsources: [none]\n";

/// A key that opens nothing; its passphrase is planted, too.
const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\ncanary-key\n-----END OPENSSH PRIVATE KEY-----\n";

/// What this process logs, as the program itself is allowed to log at most.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Logged {
    fn start() -> Self {
        let logged = Self::default();
        let writer = logged.clone();
        let builder = tracing_subscriber::fmt().with_env_filter(EnvFilter::new("warn,netraven=trace"));
        // Another test of this process may have been quicker, and then reads them.
        let _ = builder.with_ansi(false).with_writer(move || writer.clone()).try_init();
        logged
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// The made-up device: its session for the lab, its definition for the worker.
fn nest(folder: &Path, password: &str) -> (LabSettings, Arc<Platforms>) {
    let sessions = folder.join("session");
    std::fs::create_dir_all(&sessions).unwrap();
    std::fs::write(sessions.join("session.yaml"), SESSION).unwrap();
    std::fs::write(folder.join("canary_os.yaml"), DEFINITION).unwrap();
    let settings = LabSettings {
        count: 1,
        platforms: vec!["canary_os".into()],
        session_folders: vec![sessions],
        password: Secret::from(password),
        enable: Secret::from("canary-enable"),
        ..LabSettings::default()
    };
    let redactor = Arc::new(Redactor::standard().unwrap());
    (settings, Arc::new(Platforms::load_with(Some(&folder.join("canary_os.yaml")), redactor).unwrap()))
}

#[track_caller]
fn no_canary(what: &str, text: &str) {
    let at = text.find("canary-");
    let around = at.map(|at| text[at.saturating_sub(200)..].chars().take(300).collect::<String>());
    assert_eq!(around, None, "in {what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_canary_of_a_login_or_of_what_a_device_says_comes_out_anywhere() {
    let logged = Logged::start();
    let Some(house) = House::new().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let (settings, platforms) = nest(folder.path(), "canary-login");
    let lab = house.move_in(settings).await;
    let device = lab.devices()[0].clone();

    // A backup, which the device ends in an error.
    let worker = house.worker_with(platforms.clone(), |settings| settings.retry.attempts = 1);
    assert_eq!(house.back_up().await.failed, 1);
    worker.stop(Duration::from_secs(5)).await;
    let job = house.only_job().await;
    let detail = jobs::get(&house.store, job.id).await.unwrap();
    let backup =
        format!("{job:?} {detail:?} {:?}", logs::connection_log(&house.store, job.id).await.unwrap());
    assert!(backup.contains("seen-banner") && backup.contains("seen-prepare"), "{backup}");
    assert!(backup.contains("[REDACTED LINE]") && backup.contains("Invalid input"), "{backup}");
    no_canary("what the database tells of the backup", &backup);

    // Commands of somebody's own, with every field of a login filled, at trace level.
    let login = Login {
        credential: None,
        username: device.username.clone(),
        password: Some(device.password.clone()),
        enable: Some(device.enable.clone()),
        private_key: None,
        key_passphrase: None,
    };
    let target = Target { address: device.address.to_string(), port: device.port, ..target() };
    let command = "show community canary-known";
    let request = |login| ExecuteRequest {
        job: None,
        access: Access::new(target.clone(), login),
        platform: platforms.get("canary_os").unwrap(),
        commands: vec!["show version".into(), command.into(), "configure secret canary-asked".into()],
        within: LONG,
    };
    let gateway = Gateway::new(DeviceSettings::default());
    let asked = gateway.execute(&request(login.clone())).await;
    assert_eq!(asked.result.as_ref().map(Vec::len).unwrap(), 3, "{}", asked.dialogue);
    assert!(asked.dialogue.contains("seen-banner"), "{}", asked.dialogue);
    let with_key = Login {
        private_key: Some(KEY.into()),
        key_passphrase: Some("canary-phrase".into()),
        ..login.clone()
    };
    let refused =
        gateway.execute(&request(Login { password: Some("canary-wrong".into()), ..with_key })).await;
    let failure = refused.result.as_ref().unwrap_err();
    let debug = format!("{login:?} {gateway:?} {failure} {:?}", asked.events);
    no_canary("Debug of what is about a session", &debug);
    no_canary("the dialogue", &format!("{}{}", asked.dialogue, refused.dialogue));
    no_canary("what a refused login leaves", &format!("{refused:?}"));

    // Through the job log into the database.
    let spool = folder.path().join("joblog.spool");
    let log = JobLog::start(house.stores.joblog.clone(), JobLogSettings::new(spool)).unwrap();
    let dialogue = |text: &str| Dialogue::new(None, None, Utc::now(), text.to_owned());
    let dialogues = vec![dialogue(&asked.dialogue), dialogue(&refused.dialogue)];
    log.write(asked.events.into_iter().chain(refused.events).collect(), dialogues);
    log.stop(LONG).await;
    assert_eq!(log.counters().dropped + log.counters().spooled, 0, "{:?}", log.counters());

    let dump = String::from_utf8_lossy(&house.dump()).into_owned();
    assert!(dump.contains(&device.hostname) && dump.contains("seen-banner"), "the dump is the right one");
    no_canary("the database", &dump);
    assert!(logged.text().contains("job recorded"), "it was logged: {}", logged.text());
    no_canary("the logs", &logged.text());
    lab.shutdown().await;
}

fn target() -> Target {
    Target {
        device: None,
        uuid: uuid::Uuid::nil(),
        hostname: "nest".into(),
        address: String::new(),
        port: 0,
        protocol: Protocol::Ssh,
        platform: "canary_os".into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_a_device_or_credential_is_anywhere_in_the_database() {
    let Some((house, lab)) = House::with_lab(LabSettings { count: 6, ..LabSettings::default() }).await else {
        return;
    };
    let worker = house.worker(|_| {});
    assert_eq!(house.back_up().await.changed, 6);
    worker.stop(Duration::from_secs(5)).await;
    let dump = String::from_utf8_lossy(&house.dump()).into_owned();
    let mut secrets = vec!["netraven-lab".to_owned(), "enable-lab".to_owned()];
    for device in lab.devices() {
        assert!(dump.contains(&device.hostname), "the dump is the right one");
        let (session, personality, state) = lab.inside(device.index).unwrap();
        secrets.extend(session.expect(&personality, state).secrets);
    }
    assert!(secrets.len() > 40);
    for secret in secrets {
        assert!(!dump.contains(&secret), "{secret:?} stands in clear in the database");
    }
    // What is stored compressed does not show in a dump as text.
    for device in lab.devices() {
        let (session, personality, state) = lab.inside(device.index).unwrap();
        let secrets = session.expect(&personality, state).secrets;
        for part in house.newest(&device.hostname).await.parts {
            let text = String::from_utf8_lossy(&part.content).into_owned();
            assert!(secrets.iter().all(|secret| !text.contains(secret)), "{} {}", device.hostname, part.name);
        }
    }
    lab.shutdown().await;
}
