//! The server: waiting for it, creating the database, seeing whether it will do.

use super::{Progress, SetupError};
use crate::connect::{connect_alone, place};
use crate::{ConnectSettings, StoreError};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The oldest PostgreSQL that will do.
pub(super) const OLDEST: u32 = 14;

/// The database that every server has.
const MAINTENANCE_DATABASE: &str = "postgres";

/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// A connection to the database, which is created if it is missing. Waits for a server that does not answer yet.
pub(super) async fn connect(
    settings: &ConnectSettings,
    wait: Duration,
    progress: Progress<'_>,
) -> Result<PgConnection, SetupError> {
    match connect_patiently(settings, wait, progress).await {
        Err(SetupError::Store(StoreError::DatabaseMissing { database, .. })) => {
            create_database(settings, &database, progress).await?;
            Ok(connect_alone(settings).await?)
        }
        connected => connected,
    }
}

/// A connection to the database. Waits for a server that does not answer yet.
pub(super) async fn connect_patiently(
    settings: &ConnectSettings,
    wait: Duration,
    progress: Progress<'_>,
) -> Result<PgConnection, SetupError> {
    let (start, mut told) = (Instant::now(), 0);
    loop {
        let last = match connect_alone(settings).await {
            Err(error) if error.is_transient() => error,
            other => return Ok(other?),
        };
        let passed = start.elapsed();
        if passed + PAUSE > wait {
            return Err(match wait.as_secs() {
                0 => last.into(),
                seconds => SetupError::NotReady { seconds, last },
            });
        }
        // One line every five seconds is enough to see that something goes on.
        if told == 0 || passed.as_secs() / 5 >= told {
            told = passed.as_secs() / 5 + 1;
            let left = (wait - passed).as_secs();
            progress(&format!("waiting for PostgreSQL, {left} s at most: {last}"));
        }
        sleep_until(Instant::now() + PAUSE).await;
    }
}

async fn create_database(
    settings: &ConnectSettings,
    database: &str,
    progress: Progress<'_>,
) -> Result<(), SetupError> {
    let failed = StoreError::query("create the database");
    let elsewhere = ConnectSettings { database: Some(MAINTENANCE_DATABASE.to_owned()), ..settings.clone() };
    let mut connection = connect_alone(&elsewhere).await?;
    let (user, quoted): (String, String) = sqlx::query_as("SELECT current_user::text, quote_ident($1)")
        .bind(database)
        .fetch_one(&mut connection)
        .await
        .map_err(&failed)?;
    let create = format!("CREATE DATABASE {quoted} ENCODING 'UTF8' TEMPLATE template0");
    let created = sqlx::query(AssertSqlSafe(create)).execute(&mut connection).await;
    drop(connection.close().await);
    match created {
        Ok(_) => progress(&format!("database '{database}' created")),
        Err(error) => match error.as_database_error().and_then(|error| error.code()).as_deref() {
            // Somebody else created it at the same time; the catalogue's index may be what notices.
            Some("42P04" | "23505") => {}
            Some("42501") => return Err(SetupError::NoDatabase { database: database.to_owned(), user }),
            _ => return Err(failed(error).into()),
        },
    }
    Ok(())
}

/// Whether the server and the database will do.
pub(super) async fn check(connection: &mut PgConnection) -> Result<(), SetupError> {
    const CHECK: &str = "SELECT current_setting('server_version_num')::int / 10000, \
         split_part(current_setting('server_version'), ' ', 1), pg_is_in_recovery(), \
         current_setting('server_encoding'), current_database()::text";
    let (major, version, standby, encoding, database): (i32, String, bool, String, String) =
        sqlx::query_as(CHECK).fetch_one(connection).await.map_err(StoreError::query("ask the server"))?;
    if major.unsigned_abs() < OLDEST {
        return Err(SetupError::ServerTooOld { found: version, needed: OLDEST });
    }
    if standby {
        return Err(SetupError::Standby);
    }
    if encoding != "UTF8" {
        return Err(SetupError::WrongEncoding { database, found: encoding });
    }
    Ok(())
}

/// The server and database of these settings as `host:port/database`: what a file of logins is for.
///
/// # Errors
/// [`StoreError::Invalid`] for a URL that cannot be used.
pub fn label(settings: &ConnectSettings) -> Result<String, StoreError> {
    let (server, database) = place(settings)?;
    Ok(format!("{server}/{database}"))
}

/// The database that these settings name.
///
/// # Errors
/// [`StoreError::Invalid`] for a URL that cannot be used.
pub fn database_name(settings: &ConnectSettings) -> Result<String, StoreError> {
    Ok(place(settings)?.1)
}
