//! Somebody who follows the log.

use super::line::LogLine;
use super::state::Service;
use super::tail::{PAGE, Page};
use axum::response::sse::Event;
use netraven_store::StoreError;
use netraven_store::logs::{Follower, Matcher, Position, Stored};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::{self, error::RecvError};

/// First what was missed, from the database, then what the poller brings. Positions are ordered, so that between the two
/// nothing is missing and nothing comes twice. Nothing is read that the caller has no room for.
pub(super) struct Reader {
    service: Arc<Service>,
    matcher: Matcher,
    live: broadcast::Receiver<Page>,
    /// Reads what was missed; `None` when all of it is known.
    missed: Option<Follower>,
    position: Option<Position>,
    /// Whether the poller's events have been waiting since before all that was missed was known.
    caught_up_now: bool,
    ready: VecDeque<Stored>,
    ended: bool,
    _room: OwnedSemaphorePermit,
}

impl Reader {
    /// From a position on, or from now on.
    ///
    /// # Errors
    /// The database failed.
    pub(super) async fn new(
        service: Arc<Service>,
        matcher: Matcher,
        live: broadcast::Receiver<Page>,
        known: Option<Position>,
        room: OwnedSemaphorePermit,
    ) -> Result<Self, StoreError> {
        // Asked behind the subscription: what the poller brought before is older than this.
        let now = match known {
            Some(_) => None,
            None => Some(Follower::from_now(service.store.clone()).await?.position()),
        };
        Ok(Self {
            missed: known.map(|position| Follower::from(service.store.clone(), position)),
            service,
            matcher,
            live,
            caught_up_now: known.is_some(),
            position: known.or(now),
            ready: VecDeque::new(),
            ended: false,
            _room: room,
        })
    }

    /// The next event for the caller; `None` at the end of the stream.
    pub(super) async fn next(&mut self) -> Option<Event> {
        while !self.ended {
            if let Some(stored) = self.ready.pop_front() {
                return event(stored);
            }
            match self.missed.take() {
                Some(follower) => self.read_missed(follower).await,
                None => {
                    if let Some(cut) = self.read_live().await {
                        return Some(cut);
                    }
                }
            }
        }
        None
    }

    async fn read_missed(&mut self, mut follower: Follower) {
        match follower.next(PAGE).await {
            Ok(page) => {
                self.position = Some(follower.position());
                self.missed = (!page.is_empty()).then_some(follower);
                self.ready.extend(page.into_iter().filter(|stored| self.matcher.matches(&stored.entry)));
            }
            Err(error) => {
                // The caller comes back with the position of the last event.
                tracing::warn!(%error, "the job log cannot be read for one who follows it");
                self.ended = true;
            }
        }
    }

    /// What the poller has; an event that says so where the caller is cut.
    async fn read_live(&mut self) -> Option<Event> {
        match self.live.recv().await {
            Ok(page) => {
                self.caught_up_now = false;
                let new = page.iter().filter(|stored| self.position.is_none_or(|at| stored.position > at));
                self.ready.extend(new.filter(|stored| self.matcher.matches(&stored.entry)).cloned());
                self.position = page.last().map(|last| last.position).max(self.position);
            }
            // That was our own reading, not the caller's.
            Err(RecvError::Lagged(_)) if self.caught_up_now => {
                let store = self.service.store.clone();
                self.missed = self.position.map(|position| Follower::from(store, position));
            }
            Err(RecvError::Lagged(_)) => {
                self.ended = true;
                self.service.metrics.cut.inc();
                return Some(Event::default().event("cut").data("too slow; come back with Last-Event-ID"));
            }
            Err(RecvError::Closed) => self.ended = true,
        }
        None
    }
}

fn event(stored: Stored) -> Option<Event> {
    let event = Event::default().id(stored.position.to_string()).event("log");
    event.json_data(LogLine::from(stored.entry)).ok()
}
