//! Devices whose every secret is known, and an installation that backs them up.

use super::Place;
use netraven_lab::{Lab, LabSettings};
use netraven_platform::{Platforms, Redactor};
use netraven_store::private::{PrivateCluster, PrivateSettings};
use netraven_store::testing::skip_or_fail;
use serde_json::Value;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What two devices of the same kind send; `canary` stands in every secret of theirs.
const CONFIGURATION: &str = "hostname {{hostname}}
!
enable secret 9 $9$canary-enable$x
username ops privilege 15 secret 5 $1$mERr$canary-user
!
interface GigabitEthernet0/0
 description public-uplink <secret:00112233445566778899aabbccddeeff> is what a person typed
!
snmp-server community canary-community RO
tacacs-server host 192.0.2.1 key 7 canary-tacacs
end
";

const SESSION: &str = r#"platform: vault_os
hardware: made up
source: {kind: written, documents: [none]}
ssh_version: SSH-2.0-Vault
hostname: "vault{{nnnn}}"
login: {mode: privileged}
modes: {privileged: "{{hostname}}#"}
error: "% Invalid input detected at '^' marker.\n"
commands:
  - {command: terminal length 0}
  - {command: terminal width 0}
  - {command: show version, text: "Cisco IOS Software, made up\nenable secret 9 $9$canary-state$x\n"}
  - {command: show running-config, file: configuration.txt}
  - {command: exit, close: true}
changes:
  - command: show running-config
    line: "snmp-server community canary-community RO"
    with: ["snmp-server community canary-renewed RO"]
expect:
  parts:
    - {command: show running-config, contains: [end]}
"#;

const DEFINITION: &str = "name: vault_os\nextends: cisco_ios\ntitle: Made up\nsources: [none]\n";

/// Two devices of the same kind and a FortiGate, whose secrets look different at every `show`; an installation in which
/// every role has its own database login.
pub struct Network {
    pub place: Place,
    pub cluster: PrivateCluster,
    pub lab: Lab,
}

impl Network {
    /// `None`, said aloud, where PostgreSQL cannot be had.
    pub async fn new(change: impl FnOnce(&mut LabSettings)) -> Option<Self> {
        if !Path::new("/usr/lib/postgresql").is_dir() {
            skip_or_fail("there is no PostgreSQL server below /usr/lib/postgresql");
            return None;
        }
        let mut place = Place::with_private_server();
        std::fs::create_dir(place.folder().join("session")).unwrap();
        place.file("session/session.yaml", SESSION);
        place.file("session/configuration.txt", CONFIGURATION);
        let definition = place.file("vault_os.yaml", DEFINITION);
        place.variables.push(("NETRAVEN__PLATFORMS__DIR", definition.display().to_string()));
        let mut settings = LabSettings {
            count: 3,
            platforms: ["vault_os", "vault_os", "fortinet"].map(str::to_owned).into(),
            session_folders: vec![place.folder().join("session")],
            ..LabSettings::default()
        };
        change(&mut settings);
        let lab = Lab::start(settings).unwrap();
        // Held, so that the server does not start and stop with each command.
        let settings = PrivateSettings {
            disposable: true,
            start_timeout: Duration::from_secs(180),
            ..PrivateSettings::new(place.folder().join("data"))
        };
        let cluster = PrivateCluster::acquire(&settings).await.unwrap();
        place.enter(&lab.devices());
        Some(Self { place, cluster, lab })
    }

    pub fn name(&self, index: u32) -> String {
        self.lab.device(index).unwrap().hostname
    }

    /// What device `index` of the two sends when its configuration is asked for.
    pub fn sent(&self, index: u32) -> String {
        CONFIGURATION.replace("{{hostname}}", &self.name(index))
    }

    /// Backs a device up; how that ended.
    pub fn back_up(&self, index: u32, site_fingerprints: &str) -> String {
        let set = format!("vault.site_fingerprints={site_fingerprints}");
        let summary = self.place.json(&["backup", "--device", &self.name(index), "--set", &set]);
        ["changed", "unchanged"].into_iter().find(|word| summary[word] == 1).unwrap_or("failed").to_owned()
    }

    /// A connection of the superuser.
    pub async fn admin(&self) -> PgConnection {
        let options: PgConnectOptions = self.cluster.admin_url().parse().unwrap();
        PgConnection::connect_with(&options.database("netraven")).await.unwrap()
    }

    /// As the superuser.
    pub async fn sql(&self, sql: &'static str) {
        let mut admin = self.admin().await;
        sqlx::raw_sql(sql).execute(&mut admin).await.unwrap();
        admin.close().await.unwrap();
    }

    /// Targets of the audit trail's entries of a kind, newest first, with what they tell.
    pub fn audited(&self, action: &str) -> Vec<(Value, Value)> {
        let entries = self.place.json(&["audit", "list", "--action", action]);
        let entry = |entry: &Value| (entry["target"].clone(), entry["details"].clone());
        entries.as_array().unwrap().iter().map(entry).collect()
    }

    pub async fn leave(self) {
        self.lab.shutdown().await;
        self.cluster.release().await.unwrap();
    }
}

/// The shipped definitions and the one of these devices.
pub fn own_platforms(place: &Place) -> Platforms {
    let redactor = Arc::new(Redactor::standard().unwrap());
    Platforms::load_with(Some(&place.folder().join("vault_os.yaml")), redactor).unwrap()
}
