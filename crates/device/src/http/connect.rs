//! From a device's address to a connection on which HTTP can be spoken.

use super::tls;
use crate::outcome::LearnedHop;
use crate::request::{Access, DeviceSettings};
use crate::route;
use crate::tcp::seconds;
use netraven_model::{CertificateCheck, ErrorCode, Failure, Phase};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};

/// Bytes both ways, whatever lies beneath.
pub(super) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

pub(super) type Stream = Box<dyn Io>;

/// What came of connecting.
pub(super) struct Connected {
    /// The stream, and what proves who answers on it.
    pub result: Result<(Stream, String), Failure>,
    /// What was learned of the jump hosts.
    pub hops: Vec<LearnedHop>,
}

/// Connects, through jump hosts if there are any, and judges the certificate over TLS. `until` is the end of the session.
pub(super) async fn connect(
    access: &Access,
    over_tls: bool,
    settings: &DeviceSettings,
    until: Instant,
) -> Connected {
    if !over_tls && access.tls.certificate != CertificateCheck::Off {
        let message = "the platform speaks plain HTTP, which shows the credential to everybody on the way; that is done \
                       only where the check of certificates is switched off for the device";
        let failure = Failure::new(ErrorCode::TlsCertificate, Phase::Connect, message);
        return Connected { result: Err(failure), hops: Vec::new() };
    }
    let Ok(routed) = timeout_at(until, route::open(access, settings)).await else {
        let message = "the session's time was over before the device was reached";
        let failure = Failure::new(ErrorCode::Timeout, Phase::Connect, message);
        return Connected { result: Err(failure), hops: Vec::new() };
    };
    let result = match routed.result {
        Ok(stream) if over_tls => {
            let deadline = until.min(Instant::now() + settings.http.handshake_timeout);
            let shaken = timeout_at(deadline, handshake(stream, access, settings)).await;
            shaken.unwrap_or_else(|_| Err(late(settings.http.handshake_timeout)))
        }
        Ok(stream) => Ok((Box::new(stream) as Stream, "plain HTTP".to_owned())),
        Err(failure) => Err(failure),
    };
    Connected { result, hops: routed.hops }
}

async fn handshake(
    stream: route::Stream,
    access: &Access,
    settings: &DeviceSettings,
) -> Result<(Stream, String), Failure> {
    let (address, trust) = (&access.target.address, access.tls);
    let ca_file = settings.http.ca_file.as_deref();
    if !trust.legacy {
        return tls::connect(stream, address, trust.certificate, ca_file).await;
    }
    #[cfg(feature = "legacy-tls")]
    return super::legacy::connect(stream, address, trust.certificate, ca_file).await;
    #[cfg(not(feature = "legacy-tls"))]
    Err(Failure::new(
        ErrorCode::Unsupported,
        Phase::Handshake,
        "this build of NetRaven has no legacy TLS: it was built without the feature `legacy-tls`",
    ))
}

fn late(within: Duration) -> Failure {
    let message = format!("the device did not finish the TLS handshake within {}", seconds(within));
    Failure::new(ErrorCode::Timeout, Phase::Handshake, message)
}
