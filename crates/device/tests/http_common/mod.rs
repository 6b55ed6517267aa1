//! Peers for the HTTP tests: a small HTTPS server whose answers a test writes, and what is asked of the gateway.
// Each test file uses its part of this.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod nginx;

use netraven_device::{
    Access, Answer, CollectOutcome, CollectRequest, Collected, DeviceSettings, ExecuteRequest, Gateway,
    Outcome,
};
use netraven_model::{
    CertificateCheck, CertificatePin, Facts, Failure, Hash256, Login, Protocol, Secret, Target, TlsTrust,
};
use netraven_platform::{Platform, Platforms};
use netraven_seal::{FingerprintKey, SealedConfig, decompress};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Ends a test that hangs; nothing here takes that long.
pub const LONG: Duration = Duration::from_secs(60);

/// What a test's server got.
#[derive(Clone, Debug, Default)]
pub struct Got {
    pub method: String,
    pub target: String,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Got {
    pub fn header(&self, wanted: &str) -> &str {
        self.headers.iter().find(|(name, _)| name == wanted).map_or("", |(_, value)| value)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// What it answers, head included.
pub struct Reply {
    pub bytes: Vec<u8>,
    pub close: bool,
}

pub fn reply(status: &str, kind: &str, body: &str) -> Reply {
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
    Reply { bytes: [head.as_bytes(), body.as_bytes()].concat(), close: false }
}

pub fn json(status: &str, body: &serde_json::Value) -> Reply {
    reply(status, "application/json", &body.to_string())
}

/// Bytes as they are, and then the end.
pub fn raw(bytes: &[u8]) -> Reply {
    Reply { bytes: bytes.to_vec(), close: true }
}

pub struct Server {
    pub address: SocketAddr,
    pub pin: CertificatePin,
    pub got: Arc<Mutex<Vec<Got>>>,
}

impl Server {
    pub fn targets(&self) -> Vec<String> {
        self.got.lock().unwrap().iter().map(|got| format!("{} {}", got.method, got.target)).collect()
    }

    pub fn access(&self, username: &str, password: &str) -> Access {
        let trust = TlsTrust { certificate: CertificateCheck::Pin(self.pin), legacy: false };
        access(self.address, username, password, trust)
    }
}

/// Serves over TLS with a certificate of its own.
pub async fn serve(answer: impl Fn(&Got) -> Reply + Send + Sync + 'static) -> Server {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let pin = CertificatePin(Hash256::sha256(cert.der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let got: Arc<Mutex<Vec<Got>>> = Arc::default();
    let (seen, answer) = (got.clone(), Arc::new(answer));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, seen, answer) = (acceptor.clone(), seen.clone(), answer.clone());
            tokio::spawn(async move { talk(acceptor, stream, &seen, &*answer).await });
        }
    });
    Server { address, pin, got }
}

async fn talk(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    seen: &Mutex<Vec<Got>>,
    answer: &(dyn Fn(&Got) -> Reply + Send + Sync),
) {
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let mut buffer = Vec::new();
    loop {
        let Some(got) = read(&mut stream, &mut buffer).await else { return };
        seen.lock().unwrap().push(got.clone());
        let reply = answer(&got);
        if stream.write_all(&reply.bytes).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        if reply.close {
            let _ = stream.shutdown().await;
            return;
        }
    }
}

async fn read(stream: &mut (impl AsyncReadExt + Unpin), buffer: &mut Vec<u8>) -> Option<Got> {
    let more = async |stream: &mut _, buffer: &mut Vec<u8>| {
        let mut piece = [0; 4096];
        let came = AsyncReadExt::read(stream, &mut piece).await.ok().filter(|came| *came > 0)?;
        buffer.extend_from_slice(&piece[..came]);
        Some(())
    };
    let end = loop {
        match buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            Some(end) => break end,
            None => more(stream, buffer).await?,
        }
    };
    let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let mut got = Got { method, target, headers, body: String::new() };
    let length: usize = got.header("content-length").parse().unwrap_or(0);
    while buffer.len() < end + 4 + length {
        more(stream, buffer).await?;
    }
    got.body = String::from_utf8(buffer[end + 4..end + 4 + length].to_vec()).unwrap();
    buffer.drain(..end + 4 + length);
    Some(got)
}

pub fn access(address: SocketAddr, username: &str, password: &str, tls: TlsTrust) -> Access {
    let target = Target {
        device: None,
        uuid: uuid::Uuid::nil(),
        hostname: "r1".into(),
        address: address.ip().to_string(),
        protocol: Protocol::Http,
        port: address.port(),
        platform: "test".into(),
    };
    let login =
        Login { username: username.into(), password: Some(Secret::from(password)), ..Login::default() };
    Access { tls, ..Access::new(target, login) }
}

pub fn platform(name: &str) -> Arc<Platform> {
    Platforms::shipped().unwrap().get(name).unwrap()
}

/// A definition with this section `http`.
pub fn definition(http: &str) -> Arc<Platform> {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "name: acme\ntitle: Acme\nsources: [none]\ncomment: \"#\"\nmodes: {{m: {{prompt: '>$'}}}}\n\
         parts: [{{name: c, command: show, kind: config}}]\nlogout: exit\nhttp:\n{http}\n"
    );
    std::fs::write(folder.path().join("acme.yaml"), text).unwrap();
    Platforms::of_folder(folder.path()).unwrap().get("acme").unwrap()
}

/// Deadlines that a busy machine keeps.
pub fn settings() -> DeviceSettings {
    DeviceSettings::default()
}

pub fn request(access: Access, platform: Arc<Platform>) -> CollectRequest {
    let fingerprint_key = FingerprintKey::from_bytes([5; 32]);
    CollectRequest { job: None, access, platform, fingerprint_key, sealing: None, previous: None }
}

pub async fn collect(access: Access, platform: Arc<Platform>, settings: DeviceSettings) -> CollectOutcome {
    let gateway = Gateway::new(settings);
    tokio::time::timeout(LONG, gateway.collect(&request(access, platform))).await.expect("it has deadlines")
}

pub async fn execute(access: Access, platform: Arc<Platform>, commands: &[&str]) -> Outcome<Vec<Answer>> {
    let commands = commands.iter().map(|command| (*command).to_owned()).collect();
    let request = ExecuteRequest { job: None, access, platform, commands, within: LONG };
    Gateway::new(settings()).execute(&request).await
}

pub fn changed(outcome: CollectOutcome) -> (Box<SealedConfig>, Facts) {
    match outcome.result {
        Ok(Collected::Changed { config, facts, .. }) => (config, facts),
        other => panic!("{other:?}\n{}", outcome.dialogue),
    }
}

/// The failure; nothing that was planted may be in it or in the log.
pub fn failure(outcome: CollectOutcome) -> Failure {
    assert!(!outcome.dialogue.contains("canary"), "{}", outcome.dialogue);
    match outcome.result {
        Err(failure) => {
            assert!(!failure.message.contains("canary"), "{failure}");
            failure
        }
        Ok(collected) => panic!("{collected:?}"),
    }
}

pub fn text(config: &SealedConfig, name: &str) -> String {
    let part = config.parts().iter().find(|part| part.name == name).unwrap();
    String::from_utf8(decompress(&part.content, part.size, part.digest).unwrap()).unwrap()
}

/// Says visibly why a test does not run; a failure on the build machine, where everything must.
pub fn skip(reason: &str) {
    assert!(std::env::var_os("CI").is_none(), "must not be skipped in CI: {reason}");
    eprintln!("SKIPPED: {reason}");
}
