//! A server that answers jobs with whatever a test wants.

use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::routing::get;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub struct Liar {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Liar {
    /// `state` is what it says of itself, `lines` what it says of any job.
    pub async fn new(state: &'static str, lines: impl Fn() -> Body + Clone + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let job = move || async move { (StatusCode::OK, lines()) };
        let router: Router = Router::new().route("/jobs", get(move || async move { state }).post(job));
        let task = tokio::spawn(async move {
            let service = hyper_util::service::TowerToHyperService::new(router);
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let io = hyper_util::rt::TokioIo::new(stream);
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(io, service.clone());
                tokio::spawn(connection);
            }
        });
        Self { address, task }
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.task.abort();
    }
}
