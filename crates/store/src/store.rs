use crate::StoreError;
use serde::Serialize;
use sqlx::{FromRow, PgPool, Postgres, Transaction};

/// A pool of connections to NetRaven's database. Clones share the pool.
#[derive(Clone, Debug)]
pub struct Store {
    pool: PgPool,
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
    /// Version of NetRaven's schema; `None` where there is none yet.
    #[sqlx(skip)]
    pub schema_version: Option<i64>,
    /// Size of the database on disk in bytes.
    pub size_bytes: i64,
}

impl Store {
    pub(crate) fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Asks the server who it is. Works with and without the schema.
    pub async fn check(&self) -> Result<DatabaseInfo, StoreError> {
        const CHECK: &str = "SELECT current_setting('server_version') AS server_version, \
             current_database()::text AS database, current_user::text AS \"user\", \
             pg_database_size(current_database()) AS size_bytes";
        let mut info: DatabaseInfo =
            sqlx::query_as(CHECK).fetch_one(&self.pool).await.map_err(StoreError::query("ask the server"))?;
        info.schema_version = self.schema_version().await?;
        Ok(info)
    }

    /// Closes all connections, after the statements that are running.
    pub async fn close(self) {
        self.pool.close().await;
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(crate) async fn begin(
        &self,
        operation: &'static str,
    ) -> Result<Transaction<'static, Postgres>, StoreError> {
        self.pool.begin().await.map_err(StoreError::query(operation))
    }
}
