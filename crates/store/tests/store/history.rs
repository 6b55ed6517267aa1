use crate::support::{Fixture, changed, finished, fixture, is_missing};
use chrono::{DateTime, TimeZone, Utc};
use netraven_store::StoreError;
use netraven_store::versions::{self, VersionSelector};

fn hour(hour: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2030, 1, 1, hour, 0, 0).unwrap()
}

/// Versions `a`, `b`, `c` at one, two and three o'clock.
async fn history(fixture: &Fixture) {
    fixture.add_device("r1").await;
    for (at, text) in [(1, "a\n"), (2, "b\n"), (3, "c\n")] {
        let job = fixture.claim_new().await;
        let mut result = finished(&job, changed(text));
        result.finished_at = hour(at);
        fixture.finish_one(result).await;
    }
}

#[tokio::test]
async fn versions_are_listed_newest_first_and_page_by_page() {
    let Some(fixture) = fixture().await else { return };
    history(&fixture).await;
    let list = async |limit, before| -> Vec<i64> {
        let rows = versions::list(&fixture.store, "r1", limit, before).await.unwrap();
        rows.into_iter().map(|row| row.seq).collect()
    };
    assert_eq!(list(10, None).await, [3, 2, 1]);
    assert_eq!(list(1, Some(3)).await, [2]);
    assert_eq!(list(10, Some(1)).await, [0; 0]);
    assert!(is_missing(versions::list(&fixture.store, "r2", 1, None).await, "device"));
}

#[tokio::test]
async fn a_version_is_found_as_the_newest_by_number_and_by_time() {
    let Some(fixture) = fixture().await else { return };
    history(&fixture).await;
    let load = async |selector| versions::load(&fixture.store, "r1", selector).await;
    for (selector, text) in [
        (VersionSelector::Latest, "c\n"),
        (VersionSelector::Seq(1), "a\n"),
        (VersionSelector::At(hour(2)), "b\n"),
        (VersionSelector::At(hour(23)), "c\n"),
    ] {
        assert_eq!(load(selector).await.unwrap().parts[0].content, text.as_bytes(), "{selector:?}");
    }
    for selector in [VersionSelector::Seq(4), VersionSelector::Seq(0), VersionSelector::At(hour(0))] {
        assert!(is_missing(load(selector).await, "version"), "{selector:?}");
    }
    fixture.add_device("r2").await;
    assert!(is_missing(versions::load(&fixture.store, "r2", VersionSelector::Latest).await, "version"));
    assert!(is_missing(versions::load(&fixture.store, "r3", VersionSelector::Latest).await, "device"));
}

#[tokio::test]
async fn damaged_content_is_an_error_that_names_the_place() {
    let Some(fixture) = fixture().await else { return };
    history(&fixture).await;
    for damage in [
        "content = content || 'x'::bytea",
        "content = ''",
        "content = (SELECT content FROM netraven.configuration_blobs other
                    WHERE other.digest <> configuration_blobs.digest LIMIT 1)",
    ] {
        fixture.execute("CREATE TABLE netraven.saved AS SELECT * FROM netraven.configuration_blobs").await;
        fixture.execute(&format!("UPDATE netraven.configuration_blobs SET {damage}")).await;
        let error = versions::load(&fixture.store, "r1", VersionSelector::Seq(2)).await.unwrap_err();
        assert!(
            matches!(&error, StoreError::Corrupt { seq: 2, part, .. } if part == "running-config"),
            "{damage}: {error}"
        );
        fixture
            .execute(
                "UPDATE netraven.configuration_blobs b SET content = s.content FROM netraven.saved s
                 WHERE s.device_id = b.device_id AND s.digest = b.digest",
            )
            .await;
        fixture.execute("DROP TABLE netraven.saved").await;
        versions::load(&fixture.store, "r1", VersionSelector::Seq(2)).await.unwrap();
    }
}
