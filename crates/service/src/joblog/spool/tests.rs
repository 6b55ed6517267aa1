use super::*;
use chrono::Utc;
use netraven_model::{DeviceId, ErrorCode, Event, Failure, JobEvent, JobId, Phase};
use netraven_store::logs::Dialogue;

const LIMIT: u64 = 1 << 20;

fn entries(count: usize) -> Vec<Entry> {
    let row = |n: usize| match n % 3 {
        0 => Entry::Dialogue(Dialogue::new(Some(JobId(n as i64)), None, Utc::now(), "> show\nä\0".repeat(n))),
        1 => {
            let failure = Failure::new(ErrorCode::Timeout, Phase::Login, "nothing \"came\"\n");
            Entry::Event(JobEvent::new(None, Some(DeviceId(7)), Utc::now(), Event::Failed { failure }))
        }
        _ => {
            let event = Event::CommandOutput { command: "show".into(), bytes: u64::MAX, millis: 1 };
            Entry::Event(JobEvent::new(None, None, Utc::now(), event))
        }
    };
    (0..count).map(row).collect()
}

fn open(path: &Path) -> (Spool, bool) {
    Spool::open(path, LIMIT).unwrap()
}

fn all(spool: &Spool) -> Vec<Entry> {
    spool.oldest(usize::MAX, u64::MAX).unwrap().entries
}

#[test]
fn rows_come_back_as_they_were_oldest_first_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("below/log.spool");
    let rows = entries(10);
    let (mut spool, damaged) = open(&path);
    assert!(!damaged);
    assert_eq!((spool.append(&rows[..4]), spool.append(&rows[4..])), (4, 6));
    let first = spool.oldest(3, u64::MAX).unwrap();
    assert_eq!(first.entries, rows[..3]);
    spool.done(&first).unwrap();
    assert_eq!((all(&spool), spool.rows()), (rows[3..].to_vec(), 7));
    drop(spool);

    let (mut spool, damaged) = open(&path);
    assert!(!damaged);
    assert_eq!(all(&spool), rows, "what had been replayed comes again");
    let last = spool.oldest(usize::MAX, u64::MAX).unwrap();
    spool.done(&last).unwrap();
    assert_eq!((spool.rows(), std::fs::metadata(&path).unwrap().len()), (0, 0));
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_file_that_ends_in_the_middle_of_a_record_keeps_all_records_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.spool");
    let rows = entries(4);
    let (mut spool, _) = open(&path);
    let ends: Vec<u64> =
        rows.iter().map(|row| (spool.append(std::slice::from_ref(row)), spool.end).1).collect();
    drop(spool);
    let whole = std::fs::read(&path).unwrap();
    for cut in 0..whole.len() {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let (mut spool, damaged) = open(&path);
        let kept = ends.iter().filter(|end| **end <= cut as u64).count();
        assert_eq!(all(&spool), rows[..kept], "cut at {cut}");
        assert_eq!(damaged, cut > 0 && !ends.contains(&(cut as u64)), "cut at {cut}");
        assert_eq!(spool.append(&rows[3..]), 1, "it goes on behind them");
        assert_eq!(all(&spool)[kept..], rows[3..]);
    }
}

#[test]
fn a_record_with_a_wrong_byte_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.spool");
    let rows = entries(3);
    let (mut spool, _) = open(&path);
    spool.append(&rows[..2]);
    let (good, last) = (spool.end as usize, spool.append(&rows[2..]));
    drop(spool);
    assert_eq!(last, 1);
    let whole = std::fs::read(&path).unwrap();
    for at in good..whole.len() {
        let mut wrong = whole.clone();
        wrong[at] ^= 0x41;
        std::fs::write(&path, &wrong).unwrap();
        let (spool, damaged) = open(&path);
        assert!(damaged);
        assert_eq!(all(&spool), rows[..2], "byte {at}");
    }
}

#[test]
fn a_full_spool_takes_what_fits_and_is_as_good_as_new_when_it_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.spool");
    let (mut spool, _) = Spool::open(&path, 1_000).unwrap();
    let rows = entries(30);
    let kept = spool.append(&rows);
    assert!(kept > 0 && kept < rows.len() && spool.end <= 1_000, "{kept}");
    assert_eq!(all(&spool), rows[..kept]);
    let records = spool.oldest(usize::MAX, u64::MAX).unwrap();
    spool.done(&records).unwrap();
    assert_eq!(spool.append(&rows), kept);
    assert_eq!(spool.give_up(), kept as u64);
    assert_eq!(all(&spool), []);
}

#[test]
fn a_spool_has_one_owner() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.spool");
    let _first = open(&path);
    assert!(matches!(Spool::open(&path, LIMIT), Err(SpoolError::InUse { .. })));
    let nowhere = Path::new("/proc/nothing/log.spool");
    assert!(Spool::open(nowhere, LIMIT).unwrap_err().to_string().contains("/proc/nothing/log.spool"));
}
