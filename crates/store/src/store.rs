use crate::audit::Actor;
use crate::{StoreError, tls};
use serde::Serialize;
use sqlx::{FromRow, PgPool, Postgres, Transaction};
use std::sync::Arc;

/// Connections to NetRaven's database, a pool that writes and one whose transactions are read-only, and in whose name it
/// is changed. Clones share the pools.
#[derive(Clone, Debug)]
pub struct Store {
    pool: PgPool,
    reader: PgPool,
    actor: Arc<Actor>,
}

/// What answers at the other end.
#[derive(Clone, Debug, FromRow, Serialize)]
pub struct DatabaseInfo {
    /// PostgreSQL's version, e.g. `15.8`.
    pub server_version: String,
    /// Name of the database.
    pub database: String,
    /// The user we are.
    pub user: String,
    /// Version of TLS that protects the connection, e.g. `TLSv1.3`; `None` without TLS.
    pub tls: Option<String>,
    /// Whether passwords and configurations leave this machine readable to everybody on the way.
    #[sqlx(skip)]
    pub in_clear: bool,
    /// Version of NetRaven's schema; `None` where there is none yet.
    #[sqlx(skip)]
    pub schema_version: Option<i64>,
    /// Size of the database on disk in bytes.
    pub size_bytes: i64,
}

impl Store {
    pub(crate) fn new(pool: PgPool, reader: PgPool) -> Self {
        Self { pool, reader, actor: Arc::new(Actor::service("netraven")) }
    }

    /// The same pools; what changes through it is written to the audit trail in this name. Without, it is the
    /// service's own.
    pub fn with_actor(self, actor: Actor) -> Self {
        Self { actor: Arc::new(actor), ..self }
    }

    /// Asks the server who it is. Works with and without the schema.
    pub async fn check(&self) -> Result<DatabaseInfo, StoreError> {
        const CHECK: &str = "SELECT current_setting('server_version') AS server_version, \
             current_database()::text AS database, current_user::text AS \"user\", \
             pg_database_size(current_database()) AS size_bytes, \
             (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS tls";
        let mut info: DatabaseInfo = sqlx::query_as(CHECK)
            .fetch_one(&self.reader)
            .await
            .map_err(StoreError::query("ask the server"))?;
        info.schema_version = self.schema_version().await?;
        info.in_clear = info.tls.is_none() && tls::is_remote(&self.reader.connect_options());
        Ok(info)
    }

    /// Closes all connections, after the statements that are running.
    pub async fn close(self) {
        tokio::join!(self.pool.close(), self.reader.close());
    }

    pub(crate) fn actor(&self) -> &Actor {
        &self.actor
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// For statements that only read: the server itself refuses whatever would write.
    pub(crate) fn reader(&self) -> &PgPool {
        &self.reader
    }

    pub(crate) async fn begin(
        &self,
        operation: &'static str,
    ) -> Result<Transaction<'static, Postgres>, StoreError> {
        self.pool.begin().await.map_err(StoreError::query(operation))
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::TestDatabase;

    #[tokio::test]
    async fn the_server_refuses_what_a_read_would_write() {
        let Some(database) = TestDatabase::create().await else { return };
        let store = database.store().await;
        for statement in [
            "INSERT INTO tags (name) VALUES ('x')",
            "WITH gone AS (DELETE FROM tags RETURNING id) SELECT id FROM gone",
            "SELECT nextval(pg_get_serial_sequence('netraven.credentials', 'id'))",
            "SELECT id FROM tags FOR UPDATE",
            "CREATE TABLE netraven.x (id int)",
        ] {
            let error = sqlx::query(statement).execute(store.reader()).await.unwrap_err();
            let code = error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned());
            assert_eq!(code.as_deref(), Some("25006"), "{statement}: {error}");
        }
        sqlx::query("INSERT INTO tags (name) VALUES ('x')").execute(store.pool()).await.unwrap();
        let read: i64 = sqlx::query_scalar("SELECT count(*) FROM tags WHERE name = 'x'")
            .fetch_one(store.reader())
            .await
            .unwrap();
        assert_eq!(read, 1);
    }

    #[tokio::test]
    async fn a_closed_store_keeps_no_connection() {
        let Some(database) = TestDatabase::create().await else { return };
        let store = database.store().await;
        sqlx::query("SELECT 1").execute(store.pool()).await.unwrap();
        sqlx::query("SELECT 1").execute(store.reader()).await.unwrap();
        let (pool, reader) = (store.pool().clone(), store.reader().clone());
        store.close().await;
        assert_eq!((pool.size(), reader.size()), (0, 0));
        assert!(pool.is_closed() && reader.is_closed());
    }
}
