//! The job logging service in this process, or in another one, as the settings want it.

use crate::api::{self, address, tls_files};
use crate::context::Context;
use crate::database::Database;
use crate::error::{CliError, Result};
use crate::output::note;
use crate::settings::Settings;
use crate::work::months;
use netraven_model::Secret;
use netraven_service::gateway::{AuthSettings, KeyFile, Right};
use netraven_service::logserver::{LogServer, LogServerLimits, LogServerSettings};
use netraven_service::{LogService, LogServiceSettings};
use netraven_store::access::Role;

/// Where it listens where nothing else is said: this machine only.
pub const USUAL_ADDRESS: &str = "127.0.0.1:8002";

/// Where events wait below the data directory while the database is away.
const SPOOL: &str = "joblog/joblog.spool";

/// The running service and the connections to close behind it.
pub struct Running {
    server: LogServer,
    store: netraven_store::Store,
}

/// Starts the service; the first time, a key is made.
pub async fn start(context: &Context, database: &Database, listen: &str) -> Result<Running> {
    let settings = server_settings(&context.settings, listen)?;
    let first = KeyFile::new(&settings.auth.key_file);
    if let Some(file) = first.create_first_as("joblog_key.txt", [Right::Write].into())? {
        note(&format!("a key was made; it stands in {} and nowhere else", file.display()));
    }
    let store = database.store_as(context, Role::Joblog).await?;
    match LogServer::start(store.clone(), context.redactor()?, settings).await {
        Ok(server) => Ok(Running { server, store }),
        Err(error) => {
            store.close().await;
            Err(error.into())
        }
    }
}

impl Running {
    /// Where it listens, for people.
    pub fn url(&self, context: &Context) -> String {
        api::url_of(self.server.address(), context.settings.joblog.tls_cert_file.is_some())
    }

    /// Ends it in order.
    pub async fn stop(self, grace: std::time::Duration) {
        self.server.stop(grace).await;
        self.store.close().await;
    }
}

/// The service of another process, where the settings name one.
pub fn client(settings: &Settings) -> Result<Option<LogService>> {
    let joblog = &settings.joblog;
    let Some(url) = &joblog.url else { return Ok(None) };
    let Some(key) = &joblog.key else {
        return Err(CliError::usage("joblog.url needs joblog.key, a key with the right 'write'")
            .hint("`netraven log key add NAME --right write` makes one where the service runs"));
    };
    let settings = LogServiceSettings {
        url: url.clone(),
        key: Secret::from(key.expose()),
        ca_file: joblog.ca_file.clone(),
    };
    LogService::new(&settings).map(Some).map_err(|error| CliError::usage(error.to_string()))
}

fn server_settings(settings: &Settings, listen: &str) -> Result<LogServerSettings> {
    let joblog = &settings.joblog;
    Ok(LogServerSettings {
        listen: address("joblog", listen)?,
        tls: tls_files("joblog", &joblog.tls_cert_file, &joblog.tls_key_file)?,
        auth: AuthSettings {
            key_file: joblog.key_file.clone(),
            api_key: None,
            audience: joblog.jwt_audience.clone(),
            ..api::auth(settings)
        },
        limits: LogServerLimits {
            rate: joblog.requests_per_second,
            body: joblog.max_body_kib << 10,
            streams: joblog.max_followers,
            ..LogServerLimits::default()
        },
        spool: settings.data_dir.join(SPOOL),
        job_log_months: months(settings.logs.job_log_months),
        connection_log_months: months(settings.logs.connection_log_months),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_reach_the_service_and_an_address_without_a_key_is_refused() {
        let mut given = Settings::for_tests();
        given.joblog.max_body_kib = 64;
        given.logs.connection_log_months = 0;
        let server = server_settings(&given, "[::1]:8002").unwrap();
        assert_eq!((server.limits.body, server.limits.streams, server.tls.is_none()), (65_536, 256, true));
        assert_eq!((server.job_log_months, server.connection_log_months), (Some(24), None));
        assert!(server.auth.audience == "netraven-joblog" && server.auth.api_key.is_none());
        assert!(server_settings(&given, "x").unwrap_err().message.contains("joblog.listen"));
        assert!(client(&given).unwrap().is_none());
        given.joblog.url = Some("http://127.0.0.1:8002".into());
        assert!(client(&given).unwrap_err().message.contains("joblog.key"));
    }
}
