use super::Shared;
use super::entry::{Delivered, Entry, deliver};
use super::queue::BATCH;
use super::receipt::Fate;
use super::sink::LogSink;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

/// The first pause between two tries while the sink is away.
const RETRY: Duration = Duration::from_millis(250);
/// The longest one.
const RETRY_LIMIT: Duration = Duration::from_secs(5);
/// About so many bytes are replayed at once.
const REPLAY_BYTES: u64 = 4 << 20;
/// How often it is said that rows were lost.
const COMPLAIN: Duration = Duration::from_secs(60);

/// The task that carries rows to the sink or the spool.
pub(super) struct Writer {
    sink: LogSink,
    shared: Arc<Shared>,
    /// When to be done, as soon as that is wanted.
    stop: watch::Receiver<Option<Instant>>,
    away: Option<Away>,
    /// Lost rows that were told of, and when.
    told: (u64, Option<Instant>),
}

/// The sink cannot be written.
struct Away {
    pause: Duration,
    next_try: Instant,
}

impl Writer {
    pub(super) fn new(sink: LogSink, shared: Arc<Shared>, stop: watch::Receiver<Option<Instant>>) -> Self {
        Self { sink, shared, stop, away: None, told: (0, None) }
    }

    pub(super) async fn run(mut self) {
        while !self.is_stopped() {
            self.wait().await;
            self.write_queued().await;
            if !self.is_stopped() {
                self.replay().await;
            }
            self.sync().await;
            self.complain(false);
        }
        self.shared.queue().close();
        while self.shared.queue().rows() > 0 {
            self.write_queued().await;
        }
        self.sync().await;
        self.complain(true);
    }

    fn is_stopped(&self) -> bool {
        self.stop.borrow().is_some() || self.stop.has_changed().is_err()
    }

    /// Until there is something to do.
    async fn wait(&mut self) {
        loop {
            let replay = (self.shared.spool().rows() > 0).then(|| self.next_try());
            let due = self.shared.queue().due();
            let until = [due, replay].into_iter().flatten().min();
            if until.is_some_and(|until| until <= Instant::now()) {
                return;
            }
            let until = until.unwrap_or_else(|| Instant::now() + COMPLAIN);
            tokio::select! {
                () = self.shared.waiting.notified() => {}
                () = sleep_until(until) => return,
                _ = self.stop.changed() => return,
            }
        }
    }

    /// When the sink may be asked.
    fn next_try(&self) -> Instant {
        self.away.as_ref().map_or_else(Instant::now, |away| away.next_try)
    }

    /// One batch from the queue: to the sink, or else to the spool.
    async fn write_queued(&mut self) {
        let batch = self.shared.queue().take();
        if batch.is_empty() {
            return;
        }
        match self.try_to_deliver(&batch).await {
            Some(delivered) => {
                self.count(&delivered);
                let fate = if delivered.refused == 0 { Fate::Kept } else { Fate::Refused };
                self.shared.queue().settle(fate);
            }
            None => {
                let shared = self.shared.clone();
                let fate = spawn_blocking(move || shared.keep_on_disk(&batch)).await;
                self.shared.queue().settle(fate.unwrap_or(Fate::Lost));
            }
        }
    }

    /// One batch from the spool to the sink.
    async fn replay(&mut self) {
        if self.shared.spool().rows() == 0 || self.next_try() > Instant::now() {
            return;
        }
        let shared = self.shared.clone();
        let read = spawn_blocking(move || shared.spool().oldest(BATCH, REPLAY_BYTES)).await;
        let records = match read.map_err(io::Error::other).and_then(|read| read) {
            Ok(records) if records.rows > 0 => records,
            unreadable => {
                let lost = self.shared.spool().give_up();
                self.shared.dropped.fetch_add(lost, Ordering::Relaxed);
                let error = unreadable.err().map(|error| error.to_string());
                return tracing::error!(lost, error, "the spool of the job log cannot be read");
            }
        };
        let Some(mut delivered) = self.try_to_deliver(&records.entries).await else { return };
        delivered.refused += records.rows - records.entries.len() as u64;
        self.count(&delivered);
        report(self.shared.spool().done(&records));
    }

    /// `None` where the sink is away, or was just now and is left in peace, or a stop will not wait any longer.
    async fn try_to_deliver(&mut self, entries: &[Entry]) -> Option<Delivered> {
        if self.next_try() > Instant::now() {
            return None;
        }
        let delivered = tokio::select! {
            biased;
            delivered = deliver(&self.sink, entries) => delivered,
            () = stopped(self.stop.clone()) => return None,
        };
        match delivered {
            Ok(delivered) => {
                if self.away.take().is_some() {
                    let spooled = self.shared.spool().rows();
                    tracing::info!(spooled, "the job log reaches {} again", self.sink.as_str());
                }
                Some(delivered)
            }
            Err(error) => {
                if self.away.is_none() {
                    tracing::warn!(%error, "the job log does not reach {}; it goes to the spool", self.sink.as_str());
                }
                let pause = self.away.take().map_or(RETRY, |away| (away.pause * 2).min(RETRY_LIMIT));
                self.away = Some(Away { pause, next_try: Instant::now() + pause });
                None
            }
        }
    }

    fn count(&self, delivered: &Delivered) {
        self.shared.written.fetch_add(delivered.written, Ordering::Relaxed);
        self.shared.dropped.fetch_add(delivered.refused, Ordering::Relaxed);
    }

    /// Brings to the disk what the spool took.
    async fn sync(&self) {
        let file = self.shared.spool().take_unsynced();
        if let Some(file) = file {
            let synced = spawn_blocking(move || file.and_then(|file| file.sync_data())).await;
            report(synced.map_err(io::Error::other).and_then(|synced| synced));
        }
    }

    /// Says that rows were lost, once a minute.
    fn complain(&mut self, last: bool) {
        let dropped = self.shared.dropped.load(Ordering::Relaxed);
        let (told, at) = self.told;
        if dropped > told && (last || at.is_none_or(|at| at.elapsed() >= COMPLAIN)) {
            tracing::error!(dropped = dropped - told, in_all = dropped, "rows of the job log were lost");
            self.told = (dropped, Some(Instant::now()));
        }
    }
}

/// Comes back when a stop is wanted and its time is up.
async fn stopped(mut stop: watch::Receiver<Option<Instant>>) {
    let deadline = match stop.wait_for(Option::is_some).await {
        Ok(deadline) => *deadline,
        // Nobody can stop it any more, and nobody waits for it.
        Err(_) => None,
    };
    sleep_until(deadline.unwrap_or_else(Instant::now)).await;
}

fn report(done: io::Result<()>) {
    if let Err(error) = done {
        tracing::error!(%error, "the spool of the job log does not reach the disk");
    }
}
