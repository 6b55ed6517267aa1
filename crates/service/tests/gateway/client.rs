//! A caller of the API, on one connection per request.

use hyper::client::conn::http1;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Ends a test that hangs.
const LONG: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: hyper::HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The sentence of a refusal, whose body has nothing else.
    #[track_caller]
    pub fn detail(&self) -> String {
        let json = self.json();
        assert_eq!(json.as_object().unwrap().len(), 1, "{json}");
        json["detail"].as_str().unwrap().to_owned()
    }
}

pub async fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Reply {
    send(address, "GET", path, headers, Vec::new()).await
}

/// Posts JSON.
pub async fn post(address: SocketAddr, path: &str, key: &str, body: &Value) -> Reply {
    let headers = [("x-api-key", key), ("content-type", "application/json")];
    send(address, "POST", path, &headers, serde_json::to_vec(body).unwrap()).await
}

pub async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Reply {
    let stream = TcpStream::connect(address).await.unwrap();
    timeout(LONG, over(stream, method, path, headers, body)).await.expect("the API answers")
}

/// One request over a stream.
pub async fn over(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Reply {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    let driver = tokio::spawn(connection);
    let mut request =
        Request::builder().method(method.parse::<Method>().unwrap()).uri(path).header("host", "test");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(axum::body::Body::from(body)).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = axum::body::to_bytes(axum::body::Body::new(body), usize::MAX).await.unwrap().to_vec();
    drop(sender);
    // A server that closes first is fine, too.
    let _ = driver.await;
    Reply { status: head.status.as_u16(), headers: head.headers, body }
}
