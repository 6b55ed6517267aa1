//! A real nginx with a configuration of the test's, and certificates made for it.

use super::skip;
use netraven_model::{CertificatePin, Hash256};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PROGRAM: &str = "/usr/sbin/nginx";

pub struct Nginx {
    child: Child,
    folder: TempDir,
    pub address: SocketAddr,
    pub certificate: CertificatePin,
    pub key: CertificatePin,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Nginx {
    /// `server` stands inside the server's block; `files` lie below its root. `None` where there is no nginx.
    pub fn start(server: &str, files: &[(&str, &[u8])]) -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            skip("no nginx (package nginx-light)");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let CertifiedKey { cert, signing_key } = certificate();
        std::fs::write(root.join("cert.pem"), cert.pem()).unwrap();
        std::fs::write(root.join("key.pem"), signing_key.serialize_pem()).unwrap();
        for (name, content) in files {
            std::fs::write(root.join(name), content).unwrap();
        }
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let path = root.display();
        let config = format!(
            "daemon off; master_process off; pid {path}/pid; error_log {path}/error.log;\n\
             events {{}}\n\
             http {{\n  access_log {path}/access.log;\n  client_body_temp_path {path}/b; proxy_temp_path {path}/p;\n\
             fastcgi_temp_path {path}/f; uwsgi_temp_path {path}/u; scgi_temp_path {path}/s;\n\
             server {{ listen {address} ssl; root {path}; ssl_certificate {path}/cert.pem;\n\
             ssl_certificate_key {path}/key.pem; {server} }}\n}}\n"
        );
        std::fs::write(root.join("nginx.conf"), config).unwrap();
        let child = Command::new(PROGRAM)
            .arg("-p")
            .arg(root)
            .arg("-c")
            .arg(root.join("nginx.conf"))
            .arg("-e")
            .arg(root.join("error.log"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let spki = rcgen::PublicKeyData::subject_public_key_info(&signing_key);
        let pin = |der: &[u8]| CertificatePin(Hash256::sha256(der));
        let (certificate, key) = (pin(cert.der()), pin(&spki));
        let nginx = Self { child, folder, address, certificate, key };
        nginx.wait();
        Some(nginx)
    }

    /// The certificate, which is its own authority.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    /// What it logged of requests.
    pub fn requests(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default()
    }

    fn wait(&self) {
        let deadline = Instant::now() + super::LONG;
        while std::net::TcpStream::connect(self.address).is_err() {
            let log = || std::fs::read_to_string(self.folder.path().join("error.log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "nginx does not listen: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn certificate() -> CertifiedKey<rcgen::KeyPair> {
    generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
