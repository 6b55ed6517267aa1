//! Sending mail over SMTP (RFC 5321).

use super::mail::Mail;
use super::tell::Refusal;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MessageBuilder};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use netraven_model::Secret;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;
use tokio::time::timeout;

/// How the way to the mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// TLS from the first byte (RFC 8314), usually port 465.
    Tls,
    /// TLS before anything else is said (RFC 3207), usually port 587; refused where the server has none.
    StartTls,
    /// Not at all.
    None,
}

/// How mail is sent.
#[derive(Clone, Debug)]
pub struct SmtpSettings {
    /// Name or address of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way there is protected.
    pub security: SmtpSecurity,
    /// Who logs in, and with what; `None` where nobody does.
    pub login: Option<(String, Secret)>,
    /// Who the mail is from, e.g. `NetRaven <netraven@example.net>`.
    pub from: String,
    /// Authorities to believe in place of the system's, in PEM.
    pub ca_file: Option<PathBuf>,
    /// How long the server has for one mail.
    pub timeout: Duration,
}

impl SmtpSettings {
    /// Whether a password would go readable over a network.
    pub fn exposes_password(&self) -> bool {
        self.security == SmtpSecurity::None && self.login.is_some() && !is_loopback(&self.host)
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Why no mail can be sent.
#[derive(Debug, Error)]
pub enum MailerError {
    /// The sender's address is none.
    #[error("notify.smtp.from: expected an address such as NetRaven <netraven@example.net>, found '{0}'")]
    From(String),
    /// A password would go readable over a network.
    #[error(
        "notify.smtp.security is none: expected tls or starttls, because a password is not sent readable to {0}"
    )]
    InClear(String),
    /// The authorities cannot be read.
    #[error("{}: expected certificates in PEM: {reason}", file.display())]
    Authorities {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The library refuses the rest.
    #[error("mail cannot be sent with these settings: {0}")]
    Library(String),
}

/// Sends mail.
#[derive(Debug)]
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    timeout: Duration,
}

impl Mailer {
    /// Connects only when something is sent.
    ///
    /// # Errors
    /// See [`MailerError`].
    pub fn new(settings: &SmtpSettings) -> Result<Self, MailerError> {
        if settings.exposes_password() {
            return Err(MailerError::InClear(settings.host.clone()));
        }
        let from: Mailbox = settings.from.parse().map_err(|_| MailerError::From(settings.from.clone()))?;
        let tls = match settings.security {
            SmtpSecurity::Tls => Tls::Wrapper(tls(settings)?),
            SmtpSecurity::StartTls => Tls::Required(tls(settings)?),
            SmtpSecurity::None => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.host)
            .port(settings.port)
            .tls(tls)
            .hello_name(ClientId::Domain(from.email.domain().to_owned()))
            .timeout(Some(settings.timeout));
        if let Some((user, password)) = &settings.login {
            let password = password.expose_text().unwrap_or_default().to_owned();
            builder = builder.credentials(Credentials::new(user.clone(), password));
        }
        Ok(Self { transport: builder.build(), from, timeout: settings.timeout })
    }

    /// Sends one mail to the addresses between the commas; what the server said.
    pub(super) async fn send(&self, to: &str, mail: &Mail) -> Result<String, Refusal> {
        let message = self.message(to, mail).map_err(Refusal::later)?;
        match timeout(self.timeout, self.transport.send(message)).await {
            Err(_) => Err(Refusal::later(format!(
                "expected the mail server to take the mail within {} s",
                self.timeout.as_secs()
            ))),
            Ok(Err(error)) => Err(Refusal::later(format!("the mail server did not take it: {error}"))),
            Ok(Ok(answer)) => Ok(answer.code().to_string()),
        }
    }

    fn message(&self, to: &str, mail: &Mail) -> Result<Message, String> {
        let id = format!("<{}@{}>", mail.id, self.from.email.domain());
        let mut builder = Message::builder()
            .from(self.from.clone())
            .message_id(Some(id))
            .subject(mail.subject.as_str())
            .header(ContentType::TEXT_PLAIN);
        builder = recipients(builder, to)?;
        // RFC 3834: no out-of-office answers, please.
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        let builder = builder.raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()));
        builder.body(mail.body.clone()).map_err(|error| format!("the mail cannot be written: {error}"))
    }
}

fn recipients(builder: MessageBuilder, to: &str) -> Result<MessageBuilder, String> {
    to.split(',').try_fold(builder, |builder, part| {
        let address: Address = part
            .trim()
            .parse()
            .map_err(|_| format!("expected an e-mail address, found '{}'", part.trim()))?;
        Ok(builder.to(Mailbox::new(None, address)))
    })
}

fn tls(settings: &SmtpSettings) -> Result<TlsParameters, MailerError> {
    let mut builder = TlsParameters::builder(settings.host.clone());
    if let Some(file) = &settings.ca_file {
        let wrong = |reason: String| MailerError::Authorities { file: file.clone(), reason };
        let pem = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
        let certificate = Certificate::from_pem(&pem).map_err(|error| wrong(error.to_string()))?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificate);
    }
    builder.build().map_err(|error| MailerError::Library(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(security: SmtpSecurity, host: &str) -> SmtpSettings {
        SmtpSettings {
            host: host.to_owned(),
            port: 25,
            security,
            login: Some(("u".to_owned(), Secret::from("canary"))),
            from: "NetRaven <netraven@example.net>".to_owned(),
            ca_file: None,
            timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn a_password_goes_in_clear_to_this_machine_only() {
        for (security, host, refused) in [
            (SmtpSecurity::None, "mail.example.net", true),
            (SmtpSecurity::None, "192.0.2.1", true),
            (SmtpSecurity::None, "127.0.0.2", false),
            (SmtpSecurity::None, "::1", false),
            (SmtpSecurity::None, "localhost", false),
            (SmtpSecurity::StartTls, "mail.example.net", false),
            (SmtpSecurity::Tls, "mail.example.net", false),
        ] {
            let made = Mailer::new(&settings(security, host));
            assert_eq!(matches!(made, Err(MailerError::InClear(_))), refused, "{security:?} {host}");
            if let Err(error) = made {
                assert!(!error.to_string().contains("canary"));
            }
        }
        let nobody = SmtpSettings { login: None, ..settings(SmtpSecurity::None, "mail.example.net") };
        assert!(Mailer::new(&nobody).is_ok());
    }

    #[test]
    fn names_of_devices_cannot_add_headers_or_recipients() {
        let mailer = Mailer::new(&settings(SmtpSecurity::None, "127.0.0.1")).unwrap();
        let mail = Mail {
            id: "1".to_owned(),
            subject: "r1\r\nBcc: evil@example.net\r\n\r\nbody".to_owned(),
            body: "zürich\n.\nQUIT\n".to_owned(),
        };
        let message = mailer.message("a@example.net,b@example.net", &mail).unwrap();
        assert_eq!(message.envelope().to().len(), 2);
        let text = String::from_utf8(message.formatted()).unwrap();
        let (headers, _) = text.split_once("\r\n\r\n").unwrap();
        assert!(!headers.lines().any(|line| line.to_ascii_lowercase().starts_with("bcc")), "{headers}");
        for expected in [
            "Auto-Submitted: auto-generated",
            "Message-ID: <1@example.net>",
            "Content-Type: text/plain; charset=utf-8",
        ] {
            assert!(headers.contains(expected), "{headers}");
        }
        assert!(mailer.message("a@example.net\r\nBcc: b@example.net", &mail).is_err());
    }

    #[test]
    fn wrong_senders_and_files_without_certificates_are_refused_by_name() {
        let wrong = SmtpSettings { from: "nobody".to_owned(), ..settings(SmtpSecurity::Tls, "h") };
        assert!(Mailer::new(&wrong).unwrap_err().to_string().contains("'nobody'"));
        let ca_file = Some(PathBuf::from("/nowhere/ca.pem"));
        let wrong = SmtpSettings { ca_file, ..settings(SmtpSecurity::Tls, "h") };
        assert!(Mailer::new(&wrong).unwrap_err().to_string().contains("/nowhere/ca.pem"));
    }
}
