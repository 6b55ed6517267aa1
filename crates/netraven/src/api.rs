//! The gateway's API in this process, as the settings want it.

use crate::context::Context;
use crate::error::{CliError, Result};
use crate::log_service;
use crate::output::note;
use crate::settings::Settings;
use netraven_device::Gateway;
use netraven_model::Secret;
use netraven_service::gateway::{ApiLimits, ApiServer, ApiSettings, AuthSettings, KeyFile, TlsFiles};
use netraven_service::{Definitions, JobLog, JobLogSettings, LogSink, Stores};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Where logs of sessions wait below the data directory while what takes them is away.
const SPOOL: &str = "gateway/joblog.spool";

/// Starts the API; the first time, a key is made.
pub async fn start(
    context: &Context,
    gateway: Arc<Gateway>,
    definitions: Definitions,
    stores: Option<Stores>,
    listen: &str,
) -> Result<ApiServer> {
    let settings = settings(&context.settings, listen)?;
    if let Some(file) = KeyFile::new(&settings.auth.key_file).create_first()? {
        note(&format!("an API key was made; it stands in {} and nowhere else", file.display()));
    }
    let (store, joblog) = stores.map(|stores| (stores.gateway, stores.joblog)).unzip();
    // The job logging service where there is one, else the database.
    let sink = log_service::client(&context.settings)?.map(LogSink::from).or(joblog.map(LogSink::from));
    let spool = JobLogSettings::new(context.settings.data_dir.join(SPOOL));
    let log = sink.map(|sink| JobLog::start(sink, spool)).transpose()?;
    Ok(ApiServer::start_with(gateway, definitions, store, log, settings).await?)
}

/// Where the API listens, for people.
pub fn url(server: &ApiServer, context: &Context) -> String {
    url_of(server.address(), context.settings.gateway.tls_cert_file.is_some())
}

/// Where a service listens, for people.
pub fn url_of(address: SocketAddr, tls: bool) -> String {
    let scheme = if tls { "https" } else { "http" };
    format!("{scheme}://{address}")
}

/// Who may call.
pub fn auth(settings: &Settings) -> AuthSettings {
    let gateway = &settings.gateway;
    AuthSettings {
        key_file: gateway.key_file.clone(),
        api_key: gateway.api_key.as_ref().map(|key| Secret::from(key.expose())),
        issuer: gateway.jwt_issuer.clone(),
        audience: gateway.jwt_audience.clone(),
        token_secrets: gateway.jwt_secret_file.clone(),
        public_keys: gateway.jwt_public_keys_file.clone(),
    }
}

fn settings(settings: &Settings, listen: &str) -> Result<ApiSettings> {
    let gateway = &settings.gateway;
    let listen = address("gateway", listen)?;
    let tls = tls_files("gateway", &gateway.tls_cert_file, &gateway.tls_key_file)?;
    let limits = ApiLimits {
        parallel: gateway.parallel_requests,
        queue: gateway.queued_requests,
        queue_wait: Duration::from_secs(gateway.queue_wait_seconds),
        rate: gateway.requests_per_second,
        body: gateway.max_body_kib << 10,
        batch_devices: gateway.max_batch_devices,
        longest: Duration::from_secs(gateway.max_timeout_seconds),
        ..ApiLimits::default()
    };
    Ok(ApiSettings { listen, tls, auth: auth(settings), limits })
}

/// Where a service listens.
pub fn address(section: &str, listen: &str) -> Result<SocketAddr> {
    listen.parse().map_err(|_| {
        CliError::usage(format!("{section}.listen: expected ADDRESS:PORT, found '{listen}'"))
            .hint("for example 127.0.0.1:8001 or [::1]:8001")
    })
}

/// The files for TLS of a service; none where there is to be no TLS.
pub fn tls_files(
    section: &str,
    certificates: &Option<PathBuf>,
    key: &Option<PathBuf>,
) -> Result<Option<TlsFiles>> {
    match (certificates, key) {
        (Some(certificates), Some(key)) => {
            Ok(Some(TlsFiles { certificates: certificates.clone(), key: key.clone() }))
        }
        (None, None) => Ok(None),
        _ => Err(CliError::usage(format!(
            "{section}.tls_cert_file and {section}.tls_key_file belong together"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_reach_the_api_in_its_units_and_both_tls_files_belong_together() {
        let mut given = Settings::for_tests();
        given.gateway.max_body_kib = 2;
        let api = settings(&given, "127.0.0.1:8001").unwrap();
        assert_eq!((api.limits.body, api.limits.rate, api.tls.is_none()), (2048, 50, true));
        assert!(api.auth.key_file.ends_with("netraven/keys/gateway_keys.yaml"));
        given.gateway.tls_cert_file = Some("/x".into());
        assert!(settings(&given, "127.0.0.1:8001").unwrap_err().message.contains("belong together"));
        assert!(settings(&given, "localhost").unwrap_err().message.contains("ADDRESS:PORT"));
    }
}
