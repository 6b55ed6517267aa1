//! One poller for all who follow the log.

use netraven_store::Store;
use netraven_store::logs::{Follower, Stored};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// How often is looked for new events.
const POLL: Duration = Duration::from_millis(500);
/// How long the poller rests when the database failed.
const REST: Duration = Duration::from_secs(2);
/// Events that are read at once.
pub(super) const PAGE: u32 = 500;
/// Pages that wait for the slowest who follows; who is behind by more is cut.
const WAITING: usize = 64;

/// Events that were read together.
pub(super) type Page = Arc<Vec<Stored>>;

/// New events, for all who want them.
pub(crate) struct Tail {
    pages: broadcast::WeakSender<Page>,
    /// Whether the poller knows where it began.
    running: watch::Receiver<bool>,
}

impl Tail {
    /// Starts the poller; it ends with the service.
    pub(super) fn start(store: Store, stopped: watch::Receiver<bool>) -> (Self, JoinHandle<()>) {
        let pages = broadcast::Sender::new(WAITING);
        let (begun, running) = watch::channel(false);
        let tail = Self { pages: pages.downgrade(), running };
        (tail, tokio::spawn(poll(store, pages, begun, stopped)))
    }

    /// Everything from now on; `None` while the database has not answered yet, and when the service ends.
    pub(super) fn subscribe(&self) -> Option<broadcast::Receiver<Page>> {
        let running = *self.running.borrow();
        self.pages.upgrade().filter(|_| running).map(|pages| pages.subscribe())
    }
}

/// The sender goes with this task, and with it everybody's stream ends.
async fn poll(
    store: Store,
    pages: broadcast::Sender<Page>,
    begun: watch::Sender<bool>,
    mut stopped: watch::Receiver<bool>,
) {
    let polling = async {
        let mut follower = begin(&store).await;
        // Nobody waiting for it is fine.
        let _ = begun.send(true);
        loop {
            let pause = match follower.next(PAGE).await {
                Ok(page) => {
                    let full = page.len() as u64 >= u64::from(PAGE);
                    if !page.is_empty() {
                        // Nobody following is fine, too.
                        let _ = pages.send(Arc::new(page));
                    }
                    if full { Duration::ZERO } else { POLL }
                }
                Err(error) => {
                    tracing::warn!(%error, "the tail of the job log cannot be read");
                    REST
                }
            };
            sleep(pause).await;
        }
    };
    tokio::select! {
        () = polling => {}
        // A sender that is gone means the same as a stop.
        _ = stopped.wait_for(|stop| *stop) => {}
    }
}

async fn begin(store: &Store) -> Follower {
    loop {
        match Follower::from_now(store.clone()).await {
            Ok(follower) => return follower,
            Err(error) => {
                tracing::warn!(%error, "the tail of the job log cannot be read");
                sleep(REST).await;
            }
        }
    }
}
