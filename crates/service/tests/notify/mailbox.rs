//! A mail server on loopback: as much of SMTP (RFC 5321) as a client needs that behaves.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// A mail as it came.
#[derive(Clone, Debug, Default)]
pub struct Mail {
    pub to: Vec<String>,
    /// What came with AUTH.
    pub login: Option<String>,
    pub text: String,
}

impl Mail {
    /// The lines of the header, unfolded.
    pub fn headers(&self) -> String {
        let (headers, _) = self.text.split_once("\r\n\r\n").unwrap();
        headers.replace("\r\n ", " ")
    }

    /// The text, with lines that were too long put together again (RFC 2045, section 6.7).
    pub fn body(&self) -> String {
        let (_, body) = self.text.split_once("\r\n\r\n").unwrap();
        body.replace("=\r\n", "")
    }
}

#[derive(Clone, Default)]
struct Shared {
    /// What is said at the end of mails, before 250.
    answers: Arc<Mutex<VecDeque<&'static str>>>,
    mails: Arc<Mutex<Vec<Mail>>>,
}

/// A server that lives as long as the test.
pub struct Mailbox {
    pub port: u16,
    shared: Shared,
}

impl Mailbox {
    /// Gives these answers to mails, then takes them. With a certificate it speaks TLS from the first byte.
    pub async fn start(
        answers: &[&'static str],
        certificate: Option<&rcgen::CertifiedKey<rcgen::KeyPair>>,
    ) -> Self {
        let shared = Shared::default();
        shared.answers.lock().unwrap().extend(answers);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let tls = certificate.map(acceptor);
        let mailbox = Self { port, shared: shared.clone() };
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (shared, tls) = (shared.clone(), tls.clone());
                // A client that goes away in the middle is its own matter.
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => drop(serve(tls.accept(socket).await?, &shared).await),
                        None => drop(serve(socket, &shared).await),
                    }
                    std::io::Result::Ok(())
                });
            }
        });
        mailbox
    }

    pub fn mails(&self) -> Vec<Mail> {
        self.shared.mails.lock().unwrap().clone()
    }
}

fn acceptor(certificate: &rcgen::CertifiedKey<rcgen::KeyPair>) -> TlsAcceptor {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(certificate.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.cert.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(socket: impl AsyncRead + AsyncWrite + Unpin, shared: &Shared) -> std::io::Result<()> {
    let mut socket = BufReader::new(socket);
    let mut mail = Mail::default();
    say(&mut socket, "220 mail.example.net ESMTP").await?;
    loop {
        let line = hear(&mut socket).await?;
        let word = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        match word.as_str() {
            "EHLO" => say(&mut socket, "250-mail.example.net\r\n250 AUTH PLAIN").await?,
            "AUTH" => {
                mail.login = Some(line);
                say(&mut socket, "235 welcome").await?;
            }
            "RCPT" => {
                mail.to.push(line);
                say(&mut socket, "250 ok").await?;
            }
            "DATA" => {
                say(&mut socket, "354 go on").await?;
                loop {
                    let line = hear(&mut socket).await?;
                    if line == "." {
                        break;
                    }
                    mail.text.push_str(line.strip_prefix('.').unwrap_or(&line));
                    mail.text.push_str("\r\n");
                }
                let answer = shared.answers.lock().unwrap().pop_front();
                shared.mails.lock().unwrap().push(std::mem::take(&mut mail));
                say(&mut socket, answer.unwrap_or("250 taken")).await?;
            }
            "QUIT" => return say(&mut socket, "221 bye").await,
            _ => say(&mut socket, "250 ok").await?,
        }
    }
}

async fn hear(socket: &mut (impl AsyncBufReadExt + Unpin)) -> std::io::Result<String> {
    let mut line = String::new();
    if socket.read_line(&mut line).await? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

async fn say(socket: &mut (impl AsyncWriteExt + Unpin), text: &str) -> std::io::Result<()> {
    socket.write_all(format!("{text}\r\n").as_bytes()).await?;
    socket.flush().await
}
