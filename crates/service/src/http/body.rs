//! Bodies of requests: JSON of bounded size that comes within bounded time.

use super::error::ApiError;
use super::front::Front;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRef, FromRequest, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

/// The body of a request, read. What cannot be read is refused with the name of the field, and never quoted: it may be a
/// password at the wrong place.
pub(crate) struct Input<T>(pub(crate) T);

impl<T, S> FromRequest<S> for Input<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
    Front: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let front = Front::from_ref(state);
        check_type(request.headers())?;
        let bytes = match timeout(front.slowest_request, read(request, &front)).await {
            Ok(read) => read?,
            Err(_) => {
                let detail = format!("the body was expected within {:?}", front.slowest_request);
                return Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, detail));
            }
        };
        parse(&bytes).map(Self)
    }
}

fn check_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = value.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let detail = "expected a body with the header `Content-Type: application/json`";
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
}

async fn read(request: Request, front: &Front) -> Result<Bytes, ApiError> {
    let most = front.body;
    let too_large = || {
        let detail = format!("a body may have {most} bytes (`{}.max_body_kib`)", front.section);
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    };
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if announced.and_then(|text| text.parse::<u64>().ok()).is_some_and(|length| length > most as u64) {
        return Err(too_large());
    }
    collect(request.into_body(), most).await.ok_or_else(too_large)
}

/// A body that ends before its length is no body either, but then nobody waits for the answer.
async fn collect(body: Body, most: usize) -> Option<Bytes> {
    to_bytes(body, most).await.ok()
}

/// Reads JSON; the message of an error says where and what was expected.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        refusal(&path, error.inner())
    })?;
    json.end().map_err(|error| refusal(".", &error))?;
    Ok(value)
}

fn refusal(path: &str, error: &serde_json::Error) -> ApiError {
    if !error.is_data() {
        let (line, column) = (error.line(), error.column());
        let detail = format!("the body is no JSON: something is wrong at line {line} column {column}");
        return ApiError::new(StatusCode::BAD_REQUEST, detail);
    }
    let field = if path == "." { "the body" } else { path };
    ApiError::field(field, &expected(&error.to_string()))
}

/// What was expected, without what was found.
fn expected(message: &str) -> String {
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    if ["missing field", "unknown field", "duplicate field"].iter().any(|begin| message.starts_with(begin)) {
        return message.to_owned();
    }
    match message.rsplit_once(", expected ") {
        Some((_, what)) => format!("expected {what}"),
        None => "the value cannot be used".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Outer {
        inner: Inner,
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Inner {
        port: u16,
    }

    #[test]
    fn what_is_wrong_is_named_and_its_value_is_not_quoted() {
        for (text, expected) in [
            (r#"{"inner": {"port": "canary"}}"#, "inner.port: expected u16"),
            (r#"{"inner": {"port": 700000}}"#, "inner.port: expected u16"),
            (r#"{"inner": {}}"#, "inner: missing field `port`"),
            (r#"{"inner": {"port": 1}, "x": 1}"#, "x: unknown field `x`, expected `inner`"),
            (r#"["canary"]"#, "[0]: expected struct Inner"),
            (r#""canary""#, "the body: expected struct Outer"),
            (r#"{"inner": canary"#, "the body is no JSON: something is wrong at line 1 column 11"),
            (r#"{"inner": {"port": 1}} {"#, "the body is no JSON: something is wrong at line 1 column 24"),
        ] {
            let error = parse::<Outer>(text.as_bytes()).unwrap_err();
            let shown = format!("{error:?}");
            assert!(shown.contains(&format!("{expected:?}")), "{text}: {shown}");
            assert!(!shown.contains("canary"), "{shown}");
        }
    }
}
