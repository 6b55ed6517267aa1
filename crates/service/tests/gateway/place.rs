//! A running API with a key of each kind, and requests for devices of the lab.

use crate::client::{Reply, post};
use crate::support::quick;
use netraven_device::Gateway;
use netraven_lab::{Lab, LabDevice, LabSettings};
use netraven_model::Secret;
use netraven_platform::Platforms;
use netraven_service::Definitions;
use netraven_service::gateway::{ApiLimits, ApiServer, ApiSettings, ApiStores, AuthSettings, KeyFile, Right};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

pub const ISSUER: &str = "https://auth.netraven.local";
pub const AUDIENCE: &str = "netraven-gateway";

/// 32 bytes in base64.
pub const FINGERPRINT_KEY: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";

pub struct Place {
    pub folder: TempDir,
    pub server: ApiServer,
    pub address: SocketAddr,
    /// A key without further rights.
    pub key: String,
    /// One with the right `raw`.
    pub raw_key: String,
    pub auth: AuthSettings,
    /// Keeps the folder of the spool, where there is one.
    pub _spools: Option<TempDir>,
}

pub fn auth(folder: &TempDir) -> AuthSettings {
    AuthSettings {
        key_file: folder.path().join("gateway_keys.yaml"),
        api_key: Some(Secret::from("key-of-the-settings")),
        issuer: ISSUER.into(),
        audience: AUDIENCE.into(),
        token_secrets: folder.path().join("gateway_tokens.secret"),
        public_keys: None,
    }
}

pub fn settings(folder: &TempDir) -> ApiSettings {
    let listen = "127.0.0.1:0".parse().unwrap();
    ApiSettings { listen, tls: None, auth: auth(folder), limits: ApiLimits::default() }
}

pub fn shown(secret: &Secret) -> String {
    secret.expose_text().unwrap().to_owned()
}

impl Place {
    pub async fn new() -> Self {
        Self::with(None, |_| {}).await
    }

    pub async fn with(stores: Option<ApiStores>, change: impl FnOnce(&mut ApiSettings)) -> Self {
        let folder = TempDir::new().unwrap();
        let mut settings = settings(&folder);
        change(&mut settings);
        let keys = KeyFile::new(&settings.auth.key_file);
        let key = shown(&keys.add("plain", [].into()).unwrap());
        let raw_key = shown(&keys.add("reader", [Right::Raw].into()).unwrap());
        let gateway = Arc::new(Gateway::new(quick().device));
        let definitions = Definitions::new(Arc::new(Platforms::shipped().unwrap()));
        let auth = settings.auth.clone();
        let server = ApiServer::start(gateway, definitions, stores, settings).await.unwrap();
        let address = server.address();
        Self { folder, server, address, key, raw_key, auth, _spools: None }
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        post(self.address, path, &self.key, body).await
    }

    pub async fn execute(&self, body: &Value) -> Value {
        let reply = self.post("/execute-command", body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    /// `/status`, which is open.
    pub async fn status(&self) -> Value {
        crate::client::get(self.address, "/status", &[]).await.json()
    }

    pub async fn stop(self) {
        self.server.stop(Duration::from_secs(5)).await;
    }
}

/// Simulated devices of these platforms.
pub fn lab(platforms: &[&str], change: impl FnOnce(&mut LabSettings)) -> Lab {
    let platforms: Vec<String> = platforms.iter().map(|name| (*name).to_owned()).collect();
    let mut settings = LabSettings { count: platforms.len() as u32, platforms, ..LabSettings::default() };
    change(&mut settings);
    Lab::start(settings).unwrap()
}

/// A request for `/execute-command`.
pub fn command(device: &LabDevice, command: &str) -> Value {
    json!({
        "device_id": 4711, "ip": device.address.to_string(), "port": device.port, "command": command,
        "device_type": device.platform, "credential": credential(device), "timeout": 60,
    })
}

/// A request for `/collect`.
pub fn backup(device: &LabDevice) -> Value {
    json!({
        "ip": device.address.to_string(), "port": device.port, "device_type": device.platform,
        "credential": credential(device), "fingerprint_key": FINGERPRINT_KEY, "timeout": 60,
    })
}

fn credential(device: &LabDevice) -> Value {
    json!({
        "username": device.username, "password": shown(&device.password),
        "enable_secret": shown(&device.enable), "method": "ssh",
    })
}
