use super::heartbeat;
use crate::http::error::{ApiError, ErrorBody};
use crate::logserver::progress::{FRESH, RunProgress};
use crate::logserver::query::{found_or, number};
use crate::logserver::state::Service;
use axum::extract::{Path, State};
use axum::response::sse::{Event, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use netraven_model::RunId;
use netraven_store::jobs::Progress;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};

/// Follows a run: server-sent events named `progress`, one now and one for each change. After the last one comes `end`.
#[utoipa::path(
    get,
    path = "/runs/{run_id}/stream",
    params(("run_id" = i64, Path, description = "The run")),
    security(("api_key" = []), ("token" = [])),
    responses(
        (status = 200, body = String, content_type = "text/event-stream"),
        (status = 403, body = ErrorBody),
        (status = 404, body = ErrorBody, description = "No such run"),
        (status = 422, body = ErrorBody, description = "The run's number is no number"),
        (status = 503, body = ErrorBody, description = "No room for one more, or no database; see `Retry-After`")
    )
)]
pub(super) async fn run_stream(
    State(service): State<Arc<Service>>,
    Path(run): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let run = RunId(number("run_id", &run)?);
    let room = service.room()?;
    let progress = service.runs.progress(run).await.map_err(|error| found_or(&error))?;
    let stopped = service.stopped.clone();
    let watching =
        Watching { service, run, stopped, told: None, next: Some(progress), ended: false, _room: room };
    let events =
        unfold(watching, |mut watching| async { watching.next().await.map(|event| (Ok(event), watching)) });
    Ok(Sse::new(events).keep_alive(heartbeat()))
}

/// Somebody who follows a run.
struct Watching {
    service: Arc<Service>,
    run: RunId,
    stopped: watch::Receiver<bool>,
    /// What the caller knows.
    told: Option<Progress>,
    /// What is to be told.
    next: Option<Progress>,
    ended: bool,
    _room: OwnedSemaphorePermit,
}

impl Watching {
    async fn next(&mut self) -> Option<Event> {
        if self.ended {
            return None;
        }
        if self.told.as_ref().is_some_and(|told| told.active() == 0) {
            self.ended = true;
            return Some(Event::default().event("end").data("every job is over"));
        }
        let progress = match self.next.take() {
            Some(progress) => progress,
            None => self.changed().await?,
        };
        let event = Event::default().event("progress").json_data(RunProgress::new(self.run, &progress));
        self.told = Some(progress);
        event.ok()
    }

    /// Waits for something new; `None` when the service ends, or the database does not answer.
    async fn changed(&mut self) -> Option<Progress> {
        loop {
            let next_look = Instant::now() + FRESH;
            tokio::select! {
                () = sleep_until(next_look) => {}
                _ = self.stopped.wait_for(|stop| *stop) => return None,
            }
            let progress = self.service.runs.progress(self.run).await;
            let progress =
                progress.inspect_err(|error| tracing::warn!(%error, "a run cannot be followed any more"));
            let progress = progress.ok()?;
            if self.told.as_ref() != Some(&progress) {
                return Some(progress);
            }
        }
    }
}
