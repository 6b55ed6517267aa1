//! The notifier of this process, as the settings want it.

use crate::context::Context;
use crate::database::Database;
use crate::error::{CliError, Result};
use crate::sealing::open_vault;
use crate::settings::{Security, Smtp};
use netraven_model::Secret;
use netraven_service::notify::{Notifier, NotifierSettings, SmtpSecurity, SmtpSettings};
use netraven_store::access::Role;
use std::sync::Arc;
use std::time::Duration;

/// Starts it with the rights of its own role.
///
/// # Errors
/// Settings that do not fit together, a login that was withheld from this machine.
pub async fn start(context: &Context, database: &Database) -> Result<Notifier> {
    let settings = settings(context)?;
    let vault = Arc::new(open_vault(context, &database.store).await?);
    let store = database.store_as(context, Role::Notifier).await?;
    Notifier::start(store, vault, settings).map_err(|error| CliError::usage(error.to_string()))
}

/// Its settings.
///
/// # Errors
/// Settings that do not fit together.
pub fn settings(context: &Context) -> Result<NotifierSettings> {
    let notify = &context.settings.notify;
    Ok(NotifierSettings {
        parallel: notify.parallel_channels,
        webhook_ca_file: notify.webhook_ca_file.clone(),
        smtp: smtp(&notify.smtp)?,
        keep_days: (notify.keep_days > 0).then_some(notify.keep_days),
        ..NotifierSettings::default()
    })
}

fn smtp(smtp: &Smtp) -> Result<Option<SmtpSettings>> {
    let Some(host) = &smtp.host else { return Ok(None) };
    let Some(from) = &smtp.from else {
        return Err(CliError::usage("notify.smtp.host needs notify.smtp.from: who the mail is from"));
    };
    let login = match (&smtp.username, &smtp.password) {
        (Some(user), Some(password)) => Some((user.clone(), Secret::from(password.expose()))),
        (None, None) => None,
        _ => {
            return Err(CliError::usage("notify.smtp.username and notify.smtp.password belong together"));
        }
    };
    let (security, port) = match smtp.security {
        Security::Tls => (SmtpSecurity::Tls, 465),
        Security::Starttls => (SmtpSecurity::StartTls, 587),
        Security::None => (SmtpSecurity::None, 25),
    };
    Ok(Some(SmtpSettings {
        host: host.clone(),
        port: smtp.port.unwrap_or(port),
        security,
        login,
        from: from.clone(),
        ca_file: smtp.ca_file.clone(),
        timeout: Duration::from_secs(smtp.timeout),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn what_belongs_together_is_asked_for_together() {
        let mut given = Settings::for_tests().notify.smtp;
        assert!(smtp(&given).unwrap().is_none(), "without a host no mail is sent");
        given.host = Some("mail.example.net".to_owned());
        assert!(smtp(&given).unwrap_err().message.contains("notify.smtp.from"));
        given.from = Some("netraven@example.net".to_owned());
        let ready = smtp(&given).unwrap().unwrap();
        assert_eq!((ready.port, ready.security, ready.login.is_none()), (587, SmtpSecurity::StartTls, true));
        given.username = Some("raven".to_owned());
        assert!(smtp(&given).unwrap_err().message.contains("belong together"));
        (given.username, given.security, given.port) = (None, Security::Tls, Some(2465));
        assert_eq!(smtp(&given).unwrap().unwrap().port, 2465);
    }
}
