//! What a new installation has from the start. Given once: what people remove stays away.

use crate::audit::{self, Action, Actor, Entry};
use crate::{StoreError, users};
use sqlx::{Connection, PgConnection};

/// Examples that show what tags are for; the tag `default` comes with the schema.
const TAGS: [(&str, &str); 6] = [
    ("core", "role"),
    ("access", "role"),
    ("headquarters", "location"),
    ("branch", "location"),
    ("cisco", "vendor"),
    ("juniper", "vendor"),
];

/// What was given.
pub(super) struct Given {
    /// Whether this is the installation's first time.
    pub(super) first_time: bool,
    /// Whether the first administrator was made.
    pub(super) administrator: bool,
}

/// Gives an installation that has none its identity, tags and first administrator. The connection acts as the owner.
pub(super) async fn give(
    connection: &mut PgConnection,
    actor: &Actor,
    database: &str,
    password_hash: Option<&str>,
) -> Result<Given, StoreError> {
    let failed = StoreError::query("give the database its first content");
    let mut tx = connection.begin().await.map_err(&failed)?;
    let first_time = sqlx::query("INSERT INTO netraven.installation DEFAULT VALUES ON CONFLICT DO NOTHING")
        .execute(&mut *tx)
        .await
        .map_err(&failed)?
        .rows_affected()
        > 0;
    let mut administrator = false;
    if first_time {
        let (names, kinds): (Vec<&str>, Vec<&str>) = TAGS.into_iter().unzip();
        sqlx::query(
            "INSERT INTO netraven.tags (name, type) SELECT * FROM UNNEST($1::text[], $2::text[]) ON CONFLICT DO NOTHING",
        )
        .bind(names)
        .bind(kinds)
        .execute(&mut *tx)
        .await
        .map_err(&failed)?;
        audit::write(&mut tx, actor, &Entry::new(Action::DatabaseInitialized, database)).await?;
        administrator = users::ensure_first_admin_in(&mut tx, actor, password_hash).await?;
    }
    tx.commit().await.map_err(&failed)?;
    Ok(Given { first_time, administrator })
}
