use crate::bench::{Bench, made, names, settings};
use chrono::{TimeDelta, Utc};
use netraven_store::backup::{BackupSettings, create, create_if_due, due_in, verify};
use netraven_store::testing::TestDatabase;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test]
async fn rotation_removes_the_oldest_of_its_own_and_nothing_else() {
    let Some(bench) = Bench::new().await else { return };
    let Some(first) = bench.backup().await else { return };
    let folder = bench.folder();
    // Another installation's database, and one of another name.
    let other = TestDatabase::create().await.unwrap();
    let theirs = create(&settings(&other, &folder)).await.unwrap();
    let strangers = ["netraven-old.dump", "netraven-old.json", "notes.txt", "netraven-x.dump.partial"];
    for name in strangers {
        std::fs::write(folder.join(name), "{}").unwrap();
    }
    let keep = BackupSettings { keep: 2, ..bench.settings() };
    let second = create(&keep).await.unwrap();
    assert_eq!(second.removed, Vec::<std::path::PathBuf>::new());
    let third = create(&keep).await.unwrap();
    assert_eq!(third.removed, vec![first.dump.clone()]);

    let fourth = create(&BackupSettings { keep: 1, ..keep.clone() }).await.unwrap();
    assert_eq!(fourth.removed.len(), 2);
    let all = create(&BackupSettings { keep: 0, ..keep }).await.unwrap();
    assert_eq!(all.removed.len(), 0);
    let mut expected: Vec<String> = strangers.map(str::to_owned).into();
    for dump in [&theirs.dump, &fourth.dump, &all.dump] {
        for path in [dump.clone(), dump.with_extension("json")] {
            expected.push(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    expected.sort();
    assert_eq!(names(&folder), expected);
    for dump in [&theirs.dump, &fourth.dump, &all.dump] {
        verify(dump, None, &|_| {}).await.unwrap();
    }
}

#[tokio::test]
async fn a_database_that_does_not_say_whose_it_is_has_no_older_backups_to_remove() {
    let Some(bench) = Bench::new().await else { return };
    bench.fixture.execute("DELETE FROM netraven.installation").await;
    let keep = BackupSettings { keep: 1, ..bench.settings() };
    let Some(first) = made(create(&keep).await) else { return };
    assert_eq!(first.manifest.installation, None);
    create(&keep).await.unwrap();
    assert!(first.dump.exists());
}

#[tokio::test]
async fn a_backup_is_made_when_it_is_due_and_by_one_process_only() {
    let Some(bench) = Bench::new().await else { return };
    let (settings, now) = (bench.settings(), Utc::now());
    assert_eq!(due_in(&settings, DAY, now).await.unwrap(), Duration::ZERO);
    let (one, other) = tokio::join!(create_if_due(&settings, DAY, now), create_if_due(&settings, DAY, now));
    let one = match one {
        Ok(one) => one,
        error => return drop(made(error.map(Option::unwrap))),
    };
    assert_eq!([one, other.unwrap()].iter().flatten().count(), 1);
    assert!(create_if_due(&settings, DAY, Utc::now()).await.unwrap().is_none());
    let left = due_in(&settings, DAY, now + TimeDelta::hours(23)).await.unwrap();
    assert!(left > Duration::from_secs(3599) && left < Duration::from_secs(7200), "{left:?}");
    assert!(create_if_due(&settings, DAY, now + TimeDelta::hours(25)).await.unwrap().is_some());
    // One that a wrong clock made does not keep others from being made.
    assert_eq!(due_in(&settings, DAY, now - TimeDelta::days(30)).await.unwrap(), Duration::ZERO);
}
