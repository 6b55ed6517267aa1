use crate::gateway::body::Input;
use crate::gateway::call::{CollectAnswer, CollectBody, collect};
use crate::gateway::error::{ApiError, ErrorBody};
use crate::gateway::state::Api;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::Instrument;
use utoipa::ToSchema;

/// Results that wait for the caller to take them; then sessions wait with theirs.
const WAITING_RESULTS: usize = 4;
/// A caller who takes nothing for so long is not coming back.
const SLOWEST_CALLER: Duration = Duration::from_secs(60);

/// Several devices.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BatchBody {
    /// What `/collect` takes, once for each device.
    devices: Vec<CollectBody>,
}

/// One line of the answer.
#[derive(Serialize, ToSchema)]
struct BatchLine {
    /// The device's place in the request, from 0.
    index: usize,
    /// What `/collect` answers; `null` where the request for this device cannot be carried out.
    answer: Option<CollectAnswer>,
    /// Why not.
    detail: Option<String>,
}

/// Backs up several devices at the same time. The answer is one JSON object per line, each as soon as its device is done, in
/// no order. A caller that goes away ends the sessions.
#[utoipa::path(
    post,
    path = "/collect-batch",
    request_body = BatchBody,
    security(("api_key" = []), ("token" = [])),
    responses(
        (status = 200, body = BatchLine, content_type = "application/x-ndjson", description = "One such object per line"),
        (status = 400, body = ErrorBody, description = "The body is no JSON"),
        (status = 403, body = ErrorBody, description = "Neither a valid key nor a valid token"),
        (status = 408, body = ErrorBody, description = "The body did not come in time"),
        (status = 413, body = ErrorBody, description = "The body is too large"),
        (status = 415, body = ErrorBody, description = "The body is not said to be JSON"),
        (status = 422, body = ErrorBody, description = "A field cannot be used; it is named"),
        (status = 429, body = ErrorBody, description = "The caller asks too often; see `Retry-After`"),
        (status = 503, body = ErrorBody, description = "There are as many batches as there may be; see `Retry-After`")
    )
)]
pub(super) async fn collect_batch(
    State(api): State<Arc<Api>>,
    Input(body): Input<BatchBody>,
) -> Result<Response, ApiError> {
    let most = api.limits.batch_devices;
    if !(1..=most).contains(&body.devices.len()) {
        return Err(ApiError::field("devices", &format!("expected 1 to {most} devices")));
    }
    let room = api.room.batch()?;
    let (sender, lines) = mpsc::channel(WAITING_RESULTS);
    // Sessions do not wait for the caller to read: they have deadlines of their own. Dropping the set ends them.
    let mut work = JoinSet::new();
    work.spawn(run(api, body.devices, sender, room).in_current_span());
    let stream = stream::unfold((lines, work), |(mut lines, work)| async {
        let line: Vec<u8> = lines.recv().await?;
        Some((Ok::<_, Infallible>(line), (lines, work)))
    });
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(stream)).into_response())
}

/// Collects all devices, as many at the same time as there is room for.
async fn run(
    api: Arc<Api>,
    devices: Vec<CollectBody>,
    lines: mpsc::Sender<Vec<u8>>,
    _batch: OwnedSemaphorePermit,
) {
    let mut sessions = JoinSet::new();
    for (index, body) in devices.into_iter().enumerate() {
        let Some(room) = api.room.session_of_batch().await else { return };
        let (api, lines) = (api.clone(), lines.clone());
        sessions.spawn(
            async move {
                let line = match collect(&api, body, Some(room)).await {
                    Ok(answer) => BatchLine { index, answer: Some(answer), detail: None },
                    Err(error) => BatchLine { index, answer: None, detail: Some(error.into_detail()) },
                };
                deliver(&lines, &line).await
            }
            .in_current_span(),
        );
        while let Some(ended) = sessions.try_join_next() {
            if !ended.is_ok_and(|taken| taken) {
                return;
            }
        }
    }
    while let Some(ended) = sessions.join_next().await {
        if !ended.is_ok_and(|taken| taken) {
            return;
        }
    }
}

/// Hands a line to the caller; whether it was taken.
async fn deliver(lines: &mpsc::Sender<Vec<u8>>, line: &BatchLine) -> bool {
    let Ok(mut text) = serde_json::to_vec(line) else { return false };
    text.push(b'\n');
    matches!(timeout(SLOWEST_CALLER, lines.send(text)).await, Ok(Ok(())))
}
