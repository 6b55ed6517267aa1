//! What became of rows whose senders wait to know.

use std::collections::VecDeque;
use std::ops::Range;
use tokio::sync::oneshot;

/// What became of rows; the worse is more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    /// They are in the database, or on the disk.
    Kept,
    /// One of those that were written together can never be.
    Refused,
    /// Some are neither here nor there: they should be given again.
    Lost,
}

/// Those who wait, in the order in which they came. Rows have running numbers.
#[derive(Debug, Default)]
pub(super) struct Receipts(VecDeque<Receipt>);

#[derive(Debug)]
struct Receipt {
    rows: Range<u64>,
    worst: Fate,
    teller: oneshot::Sender<Fate>,
}

impl Receipts {
    /// Somebody waits for these rows, which come behind all others so far.
    pub(super) fn expect(&mut self, rows: Range<u64>) -> oneshot::Receiver<Fate> {
        let (teller, told) = oneshot::channel();
        self.0.push_back(Receipt { rows, worst: Fate::Kept, teller });
        told
    }

    /// Tells those whose last row is among these, and remembers it for one of whom more is to come.
    pub(super) fn settle(&mut self, rows: Range<u64>, fate: Fate) {
        while let Some(first) = self.0.front_mut().filter(|first| first.rows.start < rows.end) {
            first.worst = first.worst.max(fate);
            if first.rows.end > rows.end {
                return;
            }
            if let Some(receipt) = self.0.pop_front() {
                // One who went away needs no answer.
                let _ = receipt.teller.send(receipt.worst);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_when_the_last_of_its_rows_is_settled_and_hears_the_worst() {
        let mut receipts = Receipts::default();
        let mut told: Vec<_> = [2..4, 4..5, 5..9, 12..13].map(|rows| receipts.expect(rows)).into();
        receipts.settle(0..5, Fate::Kept);
        receipts.settle(5..7, Fate::Lost);
        assert!(told[2].try_recv().is_err());
        receipts.settle(7..12, Fate::Refused);
        let told: Vec<_> = told.iter_mut().map(|told| told.try_recv().ok()).collect();
        assert_eq!(told, [Some(Fate::Kept), Some(Fate::Kept), Some(Fate::Lost), None]);
    }
}
