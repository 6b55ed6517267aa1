//! The way of job events and connection logs into the database, or to the job logging service, for work that has no result to
//! commit: commands that somebody asks the gateway for, and what other processes send to that service.
//!
//! ```text
//! write -> queue (bounded) -> sink, in batches
//!             |  full          |  away
//!             +-----> spool <--+         a file, synced, bounded
//!                       +-> sink, oldest first, when it is back
//! ```
//!
//! Rows carry their ids, so that writing one twice stores it once: what may or may not have been stored is written again.
//! Rows are dropped only when the spool is full or broken, and when the database says of a row itself that it cannot hold it.

mod entry;
mod queue;
mod receipt;
mod sink;
mod spool;
mod writer;

pub use sink::{LogService, LogServiceError, LogServiceSettings, LogSink};
pub use spool::SpoolError;

pub(crate) use receipt::Fate;

use entry::Entry;
use netraven_model::JobEvent;
use netraven_store::logs::Dialogue;
use queue::Queue;
use spool::Spool;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::Instant;
use writer::Writer;

/// Bounds of a job log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobLogSettings {
    /// The spool's file, in a folder that only NetRaven reads. Each running job log needs one of its own.
    pub spool: PathBuf,
    /// Size of that file in bytes.
    pub spool_bytes: u64,
    /// Rows that wait in memory.
    pub queue_rows: usize,
    /// Their size in bytes.
    pub queue_bytes: usize,
}

impl JobLogSettings {
    /// The usual bounds: 10,000 rows or 16 MiB in memory, 256 MiB on disk.
    pub fn new(spool: PathBuf) -> Self {
        Self { spool, spool_bytes: 256 << 20, queue_rows: 10_000, queue_bytes: 16 << 20 }
    }
}

/// What became of rows, those found in the spool at the start included. Each is in one of them, or for a moment in two
/// while it goes from one to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobLogCounters {
    /// In memory now, under way or waiting.
    pub queued: u64,
    /// Where they should be, since the start.
    pub written: u64,
    /// In the spool now.
    pub spooled: u64,
    /// Lost, since the start.
    pub dropped: u64,
}

/// A running job log. [`JobLog::stop`] ends it in order; one that is dropped without it leaves what waits to the spool, as
/// long as the runtime lives.
#[derive(Debug)]
pub struct JobLog {
    shared: Arc<Shared>,
    stop: watch::Sender<Option<Instant>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl JobLog {
    /// Takes up what an earlier run left in the spool, and starts. The role of a store must be one that may write logs.
    ///
    /// # Errors
    /// The spool's file cannot be had: the folder is not writable, or another process uses it.
    pub fn start(sink: impl Into<LogSink>, settings: JobLogSettings) -> Result<Self, SpoolError> {
        let (spool, damaged) = Spool::open(&settings.spool, settings.spool_bytes)?;
        let shared = Shared {
            queue: Mutex::new(Queue::new(settings.queue_rows, settings.queue_bytes)),
            spool: Mutex::new(spool),
            waiting: Notify::new(),
            written: AtomicU64::new(0),
            dropped: AtomicU64::new(u64::from(damaged)),
        };
        let (shared, (stop, stopped)) = (Arc::new(shared), watch::channel(None));
        let writer = tokio::spawn(Writer::new(sink.into(), shared.clone(), stopped).run());
        Ok(Self { shared, stop, writer: Mutex::new(Some(writer)) })
    }

    /// Takes rows, redacted ones. Never waits for the database; where memory is full they go to the spool at once.
    pub fn write(&self, events: Vec<JobEvent>, dialogues: Vec<Dialogue>) {
        let events = events.into_iter().map(Entry::Event);
        let entries = events.chain(dialogues.into_iter().map(Entry::Dialogue));
        let no_room = self.shared.queue().push(entries);
        // The lock is gone by now: a spool that is slow holds up nobody for whom there is room.
        if !no_room.is_empty() {
            self.shared.append(&no_room);
        }
        self.shared.waiting.notify_one();
    }

    /// Takes rows as [`JobLog::write`] does, and tells when they are safe: in the database or on the disk.
    pub(crate) async fn keep(&self, events: Vec<JobEvent>, dialogues: Vec<Dialogue>) -> Fate {
        let entries = events.into_iter().map(Entry::Event);
        let entries: Vec<_> = entries.chain(dialogues.into_iter().map(Entry::Dialogue)).collect();
        if entries.is_empty() {
            return Fate::Kept;
        }
        let queued = self.shared.queue().push_all(entries);
        match queued {
            Ok(receipt) => {
                self.shared.waiting.notify_one();
                // A writer that is gone tells nothing.
                receipt.await.unwrap_or(Fate::Lost)
            }
            Err(no_room) => {
                let shared = self.shared.clone();
                let fate = spawn_blocking(move || shared.keep_on_disk(&no_room)).await;
                self.shared.waiting.notify_one();
                fate.unwrap_or(Fate::Lost)
            }
        }
    }

    /// Where rows are.
    pub fn counters(&self) -> JobLogCounters {
        JobLogCounters {
            queued: self.shared.queue().rows(),
            written: self.shared.written.load(Ordering::Relaxed),
            spooled: self.shared.spool().rows(),
            dropped: self.shared.dropped.load(Ordering::Relaxed),
        }
    }

    /// Ends it: what waits gets so long to reach the database, the rest goes to the spool. Rows that are given later go
    /// there, too.
    pub async fn stop(&self, within: Duration) {
        // Nobody listening any more is fine: then the writer has ended already.
        let _ = self.stop.send(Some(Instant::now() + within));
        let writer = lock(&self.writer).take();
        if let Some(Err(error)) = match writer {
            Some(writer) => Some(writer.await),
            None => None,
        } {
            tracing::error!(%error, "the writer of the job log did not end in order");
        }
    }
}

impl Drop for JobLog {
    fn drop(&mut self) {
        self.stop.send_if_modified(|stop| stop.replace(stop.unwrap_or_else(Instant::now)).is_none());
    }
}

/// What callers and the writer have in common. No two locks are held at once.
#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    spool: Mutex<Spool>,
    waiting: Notify,
    written: AtomicU64,
    dropped: AtomicU64,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }

    fn spool(&self) -> MutexGuard<'_, Spool> {
        lock(&self.spool)
    }

    /// Puts rows into the spool, and answers how many it did not take: they are lost. The others reach the disk with the
    /// next sync.
    fn append(&self, entries: &[Entry]) -> usize {
        let lost = entries.len() - self.spool().append(entries);
        self.dropped.fetch_add(lost as u64, Ordering::Relaxed);
        lost
    }

    /// Puts rows into the spool and brings them to the disk.
    fn keep_on_disk(&self, entries: &[Entry]) -> Fate {
        let lost = self.append(entries);
        match self.sync() {
            Ok(()) if lost == 0 => Fate::Kept,
            Ok(()) => Fate::Lost,
            Err(error) => {
                tracing::error!(%error, "the spool of the job log does not reach the disk");
                Fate::Lost
            }
        }
    }

    /// Brings to the disk what the spool took.
    fn sync(&self) -> io::Result<()> {
        let file = self.spool().file()?;
        // Without the lock: nobody else waits for the disk.
        file.sync_data()
    }
}

/// A panic elsewhere leaves a queue that is still one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
