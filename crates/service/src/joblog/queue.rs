use super::entry::Entry;
use super::receipt::{Fate, Receipts};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// As many rows as one transaction takes.
pub(super) const BATCH: usize = 1_000;
/// How long a row may wait for company.
pub(super) const LINGER: Duration = Duration::from_millis(200);

/// Rows in memory.
#[derive(Debug)]
pub(super) struct Queue {
    rows: VecDeque<Entry>,
    max_rows: usize,
    bytes: usize,
    max_bytes: usize,
    /// Rows that were taken out and are under way, and their size.
    taken: (usize, usize),
    /// When the first of the waiting rows came.
    since: Option<Instant>,
    /// Rows that were ever taken out.
    passed: u64,
    receipts: Receipts,
    /// Nothing is taken any more.
    closed: bool,
}

impl Queue {
    pub(super) fn new(max_rows: usize, max_bytes: usize) -> Self {
        Self {
            rows: VecDeque::new(),
            max_rows,
            bytes: 0,
            max_bytes,
            taken: (0, 0),
            since: None,
            passed: 0,
            receipts: Receipts::default(),
            closed: false,
        }
    }

    /// Takes all of these rows and tells what became of them, or gives them back where there is no room for all.
    pub(super) fn push_all(&mut self, entries: Vec<Entry>) -> Result<oneshot::Receiver<Fate>, Vec<Entry>> {
        let rows = self.rows.len() + self.taken.0 + entries.len();
        let bytes = self.bytes + self.taken.1 + entries.iter().map(Entry::size).sum::<usize>();
        if self.closed || rows > self.max_rows || bytes > self.max_bytes {
            return Err(entries);
        }
        let first = self.passed + self.rows.len() as u64;
        let receipt = self.receipts.expect(first..first + entries.len() as u64);
        // There is room, so that nothing comes back.
        self.push(entries.into_iter());
        Ok(receipt)
    }

    /// Takes what there is room for, and gives back the rest.
    pub(super) fn push(&mut self, entries: impl Iterator<Item = Entry>) -> Vec<Entry> {
        let mut no_room = Vec::new();
        for entry in entries {
            let (rows, bytes) = (self.rows.len() + self.taken.0, self.bytes + self.taken.1 + entry.size());
            if self.closed || rows >= self.max_rows || bytes > self.max_bytes {
                no_room.push(entry);
                continue;
            }
            self.bytes += entry.size();
            self.since.get_or_insert_with(Instant::now);
            self.rows.push_back(entry);
        }
        no_room
    }

    /// Takes the oldest rows out, up to a batch. They count as queued until [`Self::settle`].
    pub(super) fn take(&mut self) -> Vec<Entry> {
        let batch: Vec<Entry> = self.rows.drain(..self.rows.len().min(BATCH)).collect();
        let bytes = batch.iter().map(Entry::size).sum();
        self.bytes -= bytes;
        self.taken = (batch.len(), bytes);
        self.passed += batch.len() as u64;
        if self.rows.is_empty() {
            self.since = None;
        }
        batch
    }

    /// What was taken last is somewhere else now, and safe there, or it is lost.
    pub(super) fn settle(&mut self, fate: Fate) {
        self.receipts.settle(self.passed - self.taken.0 as u64..self.passed, fate);
        self.taken = (0, 0);
    }

    /// When the next batch should be taken; `None` where nothing waits.
    pub(super) fn due(&self) -> Option<Instant> {
        let full = self.rows.len() >= BATCH;
        self.since.map(|since| if full { since } else { since + LINGER })
    }

    /// From now on nothing finds room.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// Rows that wait or are under way.
    pub(super) fn rows(&self) -> u64 {
        (self.rows.len() + self.taken.0) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Utc;
    use netraven_model::{Event, JobEvent};
    use netraven_store::logs::Dialogue;

    fn events(count: usize) -> impl Iterator<Item = Entry> {
        let event = || Entry::Event(JobEvent::new(None, None, Utc::now(), Event::Unchanged));
        std::iter::repeat_with(event).take(count)
    }

    #[tokio::test]
    async fn rows_beyond_the_bounds_come_back_also_while_others_are_under_way() {
        let mut queue = Queue::new(3, 1 << 20);
        assert_eq!(queue.push(events(5)).len(), 2);
        assert_eq!((queue.take().len(), queue.rows()), (3, 3));
        assert_eq!(queue.push(events(1)).len(), 1, "what is under way is in memory, too");
        queue.settle(Fate::Kept);
        assert_eq!((queue.push(events(1)).len(), queue.rows()), (0, 1));

        let mut queue = Queue::new(1_000, 2_000);
        let long = || Entry::Dialogue(Dialogue::new(None, None, Utc::now(), "x".repeat(1_500)));
        assert_eq!(queue.push([long(), long()].into_iter()).len(), 1);
        queue.close();
        assert_eq!(queue.push(events(1)).len(), 1);
    }

    #[tokio::test]
    async fn a_batch_is_due_when_it_is_full_or_its_first_row_has_waited() {
        let mut queue = Queue::new(10_000, 1 << 30);
        assert_eq!(queue.due(), None);
        queue.push(events(1));
        assert!(queue.due().unwrap() > Instant::now());
        queue.push(events(BATCH));
        assert!(queue.due().unwrap() <= Instant::now());
        assert_eq!(queue.take().len(), BATCH);
        assert_eq!((queue.take().len(), queue.due()), (1, None));
    }
}
