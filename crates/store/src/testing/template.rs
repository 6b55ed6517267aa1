//! The database that test databases are copied from.

use super::cluster::Shared;
use crate::setup::{self, SetupError};
use aws_lc_rs::digest::{Context, SHA256};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::OnceCell;

/// Names of templates begin so; a digest of what makes the schema follows.
const PREFIX: &str = "template_";
/// Advisory lock under which a template is made: "template" in ASCII.
const LOCK: i64 = 0x7465_6d70_6c61_7465;

/// Why there is no template.
#[derive(Debug, thiserror::Error)]
pub(super) enum TemplateError {
    #[error("the test server refused: {0}")]
    Server(#[from] sqlx::Error),
    #[error("the schema could not be made: {0}")]
    Schema(#[from] SetupError),
}

static NAME: OnceCell<String> = OnceCell::const_new();

/// Name of the template for the schema of this source tree; made if it is not there.
pub(super) async fn ensure(shared: &Shared) -> Result<String, TemplateError> {
    NAME.get_or_try_init(|| async {
        let mut admin = PgConnection::connect(shared.admin_url()).await?;
        let name = name(&chrono::Utc::now().format("%Y%m").to_string());
        if !exists(&mut admin, &name).await? {
            sqlx::query("SELECT pg_advisory_lock($1)").bind(LOCK).execute(&mut admin).await?;
            // Another process may have made it while this one waited for the lock.
            if !exists(&mut admin, &name).await? {
                make(shared, &mut admin, &name).await?;
            }
        }
        admin.close().await?;
        Ok(name)
    })
    .await
    .cloned()
}

/// Makes the template under another name and renames it when it is complete. Outdated ones go.
async fn make(shared: &Shared, admin: &mut PgConnection, name: &str) -> Result<(), TemplateError> {
    let outdated: Vec<String> =
        sqlx::query_scalar("SELECT datname::text FROM pg_database WHERE starts_with(datname, $1)")
            .bind(PREFIX)
            .fetch_all(&mut *admin)
            .await?;
    for old in outdated {
        run(admin, format!("ALTER DATABASE {old} IS_TEMPLATE false")).await?;
        run(admin, format!("DROP DATABASE {old} WITH (FORCE)")).await?;
    }
    let draft = format!("{name}_draft");
    shared.create_database(&draft, None).await?;
    setup::initialize(&shared.setup_of(&draft), None, &|_| {}).await?;
    // Nobody may connect: a template with a connection cannot be copied.
    run(admin, format!("ALTER DATABASE {draft} ALLOW_CONNECTIONS false IS_TEMPLATE true")).await?;
    run(admin, format!("ALTER DATABASE {draft} RENAME TO {name}")).await?;
    Ok(())
}

async fn exists(admin: &mut PgConnection, name: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(admin)
        .await
}

async fn run(admin: &mut PgConnection, sql: String) -> Result<(), sqlx::Error> {
    sqlx::query(AssertSqlSafe(sql)).execute(admin).await.map(drop)
}

/// A name that changes with what this very program makes of a database, and with the month, whose partitions are part
/// of a fresh schema.
fn name(month: &str) -> String {
    let mut context = Context::new(&SHA256);
    for text in setup::ingredients() {
        context.update(text.as_bytes());
        context.update(&[0]);
    }
    let digest: String = context.finish().as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{PREFIX}{month}_{digest}")
}
