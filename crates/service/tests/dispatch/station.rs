//! A gateway with its API, as it stands at a site.

use crate::support::quick;
use netraven_device::{DeviceSettings, Gateway};
use netraven_model::Secret;
use netraven_platform::Platforms;
use netraven_service::gateway::{ApiLimits, ApiServer, ApiSettings, AuthSettings, KeyFile, Right, TlsFiles};
use netraven_service::{Definitions, DispatchSettings, GatewaySettings};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

pub struct Station {
    pub folder: TempDir,
    pub server: ApiServer,
    pub key: String,
    pub gateway: Arc<Gateway>,
    tls: bool,
}

/// What is different about a station.
pub struct Wish {
    pub listen: SocketAddr,
    pub device: DeviceSettings,
    pub platforms: Option<Platforms>,
    pub tls: Option<TlsFiles>,
    pub rights: Vec<Right>,
    pub parallel: usize,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:0".parse().unwrap(),
            device: quick().device,
            platforms: None,
            tls: None,
            rights: vec![Right::Jobs],
            parallel: 200,
        }
    }
}

impl Station {
    pub async fn new() -> Self {
        Self::with(Wish::default()).await
    }

    pub async fn with(wish: Wish) -> Self {
        let folder = TempDir::new().unwrap();
        let key_file = folder.path().join("gateway_keys.yaml");
        let key = KeyFile::new(&key_file).add("scheduler", wish.rights.into_iter().collect()).unwrap();
        let tls = wish.tls.is_some();
        let settings = ApiSettings {
            listen: wish.listen,
            tls: wish.tls,
            auth: AuthSettings {
                key_file,
                api_key: None,
                issuer: "https://auth.netraven.local".into(),
                audience: "netraven-gateway".into(),
                token_secrets: folder.path().join("gateway_tokens.secret"),
                public_keys: None,
            },
            limits: ApiLimits { parallel: wish.parallel, ..ApiLimits::default() },
        };
        let gateway = Arc::new(Gateway::new(wish.device));
        let platforms = wish.platforms.unwrap_or_else(|| Platforms::shipped().unwrap());
        let definitions = Definitions::new(Arc::new(platforms));
        let server = ApiServer::start(gateway.clone(), definitions, None, settings).await.unwrap();
        Self { folder, server, key: text(&key), gateway, tls }
    }

    /// As a scheduler's settings name it.
    pub fn settings(&self, sites: &[&str]) -> GatewaySettings {
        let address = self.server.address();
        let url = match self.tls {
            true => format!("https://localhost:{}", address.port()),
            false => format!("http://{address}"),
        };
        gateway(url, sites, &self.key)
    }

    /// Commands and parts that devices have answered to this gateway.
    pub fn answered(&self) -> u64 {
        self.gateway.status().successful_commands()
    }

    pub async fn stop(self) {
        self.server.stop(Duration::from_secs(5)).await;
    }

    /// As if its machine had lost its power: nothing under way may end.
    pub async fn dies(self) -> SocketAddr {
        let address = self.server.address();
        self.server.stop(Duration::ZERO).await;
        address
    }
}

pub fn gateway(url: String, sites: &[&str], key: &str) -> GatewaySettings {
    GatewaySettings {
        url,
        sites: sites.iter().map(|site| (*site).to_owned()).collect(),
        key: Some(key.to_owned()),
        key_file: None,
        ca_file: None,
        max_sessions: None,
    }
}

/// Only these gateways.
pub fn only<const N: usize>(gateways: [(&str, GatewaySettings); N]) -> DispatchSettings {
    let gateways = gateways.into_iter().map(|(name, settings)| (name.to_owned(), settings)).collect();
    DispatchSettings { gateways, local: None }
}

pub fn text(secret: &Secret) -> String {
    secret.expose_text().unwrap().to_owned()
}

/// Writes a new certificate for `localhost` and its key.
pub fn certificate(folder: &Path) -> TlsFiles {
    use std::os::unix::fs::PermissionsExt;
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let files = TlsFiles { certificates: folder.join("cert.pem"), key: folder.join("key.pem") };
    std::fs::write(&files.certificates, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(&files.key, PermissionsExt::from_mode(0o600)).unwrap();
    files
}
