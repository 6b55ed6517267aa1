//! Somebody who receives webhooks, over real HTTP.

use aws_lc_rs::hmac;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use netraven_model::Secret;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::sleep;

/// What is answered to one request.
#[derive(Clone, Debug)]
pub enum Answer {
    Status(u16),
    /// 302 to another path of the same server.
    Redirect,
    /// 200 after that time.
    Slow(Duration),
}

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Request {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("{name} is missing")).to_str().unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn message(&self) -> String {
        self.json()["message"].as_str().unwrap().to_owned()
    }

    /// As docs/notifications.md says: panics where the signature is not that of the body.
    pub fn verify(&self, secret: &Secret) {
        let (time, digest) = self.header("x-netraven-signature").split_once(',').unwrap();
        let time = time.strip_prefix("t=").unwrap();
        let digest = digest.strip_prefix("v1=").unwrap();
        assert!((chrono::Utc::now().timestamp() - time.parse::<i64>().unwrap()).abs() < 300);
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_bytes());
        let signed = [time.as_bytes(), b".", &self.body].concat();
        let expected: String =
            hmac::sign(&key, &signed).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, expected);
    }
}

#[derive(Clone, Default)]
struct Shared {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    requests: Arc<Mutex<Vec<Request>>>,
}

/// A server on loopback that lives as long as the test.
pub struct Receiver {
    pub url: String,
    shared: Shared,
}

impl Receiver {
    /// Gives these answers, then 200.
    pub async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let shared = Shared::default();
        shared.answers.lock().unwrap().extend(answers);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/canary-path", listener.local_addr().unwrap());
        let router = Router::new().fallback(any(receive)).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, shared }
    }

    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    pub fn messages(&self) -> Vec<String> {
        self.requests().iter().map(Request::message).collect()
    }
}

async fn receive(
    State(shared): State<Shared>,
    uri: axum::http::Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    shared.requests.lock().unwrap().push(Request { path: uri.path().to_owned(), headers, body });
    let answer = shared.answers.lock().unwrap().pop_front();
    match answer.unwrap_or(Answer::Status(200)) {
        Answer::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Answer::Redirect => (StatusCode::FOUND, [(header::LOCATION, "/elsewhere")]).into_response(),
        Answer::Slow(time) => {
            sleep(time).await;
            StatusCode::OK.into_response()
        }
    }
}
