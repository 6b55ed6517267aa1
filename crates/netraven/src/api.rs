//! The gateway's API in this process, as the settings want it.

use crate::context::Context;
use crate::error::{CliError, Result};
use crate::output::note;
use crate::settings::Settings;
use netraven_device::Gateway;
use netraven_model::Secret;
use netraven_service::gateway::{
    ApiLimits, ApiServer, ApiSettings, ApiStores, AuthSettings, KeyFile, TlsFiles,
};
use netraven_service::{Definitions, Stores};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Where logs of sessions wait below the data directory while the database is away.
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
    let spool = context.settings.data_dir.join(SPOOL);
    let stores = stores.map(|stores| ApiStores { gateway: stores.gateway, joblog: stores.joblog, spool });
    Ok(ApiServer::start(gateway, definitions, stores, settings).await?)
}

/// Where the API listens, for people.
pub fn url(server: &ApiServer, context: &Context) -> String {
    let scheme = if context.settings.gateway.tls_cert_file.is_some() { "https" } else { "http" };
    format!("{scheme}://{}", server.address())
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
    let listen: SocketAddr = listen.parse().map_err(|_| {
        CliError::usage(format!("gateway.listen: expected ADDRESS:PORT, found '{listen}'"))
            .hint("for example 127.0.0.1:8001 or [::1]:8001")
    })?;
    let tls = match (&gateway.tls_cert_file, &gateway.tls_key_file) {
        (Some(certificates), Some(key)) => {
            Some(TlsFiles { certificates: certificates.clone(), key: key.clone() })
        }
        (None, None) => None,
        _ => return Err(CliError::usage("gateway.tls_cert_file and gateway.tls_key_file belong together")),
    };
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
