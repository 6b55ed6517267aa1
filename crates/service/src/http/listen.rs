//! Connections: accepted within bounds, closed when they are slow, drained at the end.

use super::patience::Patient;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// A handshake takes milliseconds.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Who takes nothing of an answer for so long is not coming back.
const SLOWEST_READER: Duration = Duration::from_secs(60);
/// How long accepting rests when the system has no more sockets to give.
const OUT_OF_SOCKETS_PAUSE: Duration = Duration::from_millis(100);

/// What a connection needs.
#[derive(Clone)]
pub(super) struct Serving {
    pub(super) router: Router,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) slowest_request: Duration,
    /// Connections at the same time.
    pub(super) connections: usize,
}

/// How the service ends: `None` as long as it runs, else how long requests under way may take to end.
pub(super) type Stop = watch::Receiver<Option<Duration>>;

/// Accepts connections until the service is to end, then lets requests under way end within their grace.
pub(super) async fn serve(listener: TcpListener, serving: Serving, mut stop: Stop) {
    let room = Arc::new(Semaphore::new(serving.connections));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = told(&mut stop) => break,
            accepted = accept(&listener, &room) => accepted,
        };
        let Some((stream, permit)) = accepted else { continue };
        let (serving, stop) = (serving.clone(), stop.clone());
        connections.spawn(async move {
            converse(stream, serving, stop).await;
            drop(permit);
        });
        while connections.try_join_next().is_some() {}
    }
    // Nobody else is let in from here on.
    drop(listener);
    let grace = stop.borrow().unwrap_or_default();
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if timeout(grace, all_ended).await.is_err() {
        tracing::warn!(connections = connections.len(), "requests under way are broken off");
        connections.shutdown().await;
    }
}

/// Until the service is to end; where nobody can say so any more, it is.
async fn told(stop: &mut Stop) {
    drop(stop.wait_for(Option::is_some).await);
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    // Without room nothing is accepted: further connections wait in the system's queue.
    let permit = room.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // An answer that waits for the next packet is slower, and nothing else happens.
            let _ = stream.set_nodelay(true);
            Some((stream, permit))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection cannot be accepted");
            sleep(OUT_OF_SOCKETS_PAUSE).await;
            None
        }
    }
}

async fn converse(stream: TcpStream, serving: Serving, stop: Stop) {
    let stream = Patient::new(stream, SLOWEST_READER);
    match serving.tls.clone() {
        None => requests(stream, serving, stop).await,
        Some(tls) => match timeout(HANDSHAKE, tls.accept(stream)).await {
            Ok(Ok(stream)) => requests(stream, serving, stop).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        },
    }
}

async fn requests(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    serving: Serving,
    mut stop: Stop,
) {
    let service = TowerToHyperService::new(serving.router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(serving.slowest_request)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = told(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // A caller that went away; what it wanted is ended with it.
        tracing::debug!(%error, "a connection ended early");
    }
}
