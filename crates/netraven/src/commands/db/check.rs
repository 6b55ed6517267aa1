//! `netraven db check`

use crate::context::Context;
use crate::database::Database;
use crate::error::{CliError, Result};
use crate::output::format::size;
use crate::output::note;
use crate::output::table::pairs;
use crate::settings::mask_url;
use netraven_store::{DatabaseInfo, StoreError};
use serde_json::{Value, json};

pub const EXAMPLES: &str = "\
Examples:
  netraven db check
  netraven db check --json
  DATABASE_URL='postgresql://netraven:...@db.example.net/netraven' netraven db check";

/// Runs it.
pub async fn run(context: &Context) -> Result {
    let database = Database::connect(context).await?;
    let looked = async {
        let ready = database.store.ready().await;
        let info = database.store.check().await?;
        Ok::<_, StoreError>((info, ready))
    }
    .await;
    let private = database.private_version();
    database.close().await;
    let (info, ready) = looked?;
    warn_in_clear(&info);
    let problem = ready.err().map(CliError::from);
    context.output.show(
        || {
            let mut json = view(context, &info, private.is_some());
            json["ready"] = problem.is_none().into();
            json["problem"] = problem.as_ref().map(|problem| problem.message.clone()).into();
            json
        },
        || format!("Database connection successful\n{}", details(context, &info, private.is_some())),
    )?;
    match problem {
        None => Ok(()),
        Some(problem) => Err(problem),
    }
}

/// Says so when what goes to the database and comes from it can be read on the way.
pub fn warn_in_clear(info: &DatabaseInfo) {
    if info.in_clear {
        note(
            "warning: the connection to the database is not encrypted; passwords and configurations can be read on \
             the way. Turn on TLS on the server and use sslmode=verify-full with sslrootcert in the database URL",
        );
    }
}

fn details(context: &Context, info: &DatabaseInfo, private: bool) -> String {
    pairs([
        ("server", format!("PostgreSQL {}", info.server_version)),
        ("where", place(context, private)),
        ("database", info.database.clone()),
        ("user", info.user.clone()),
        ("tls", info.tls.clone().unwrap_or_else(|| "none".to_owned())),
        (
            "schema",
            info.schema_version.map_or_else(|| "none".to_owned(), |version| format!("version {version}")),
        ),
        ("size", size(info.size_bytes.max(0).unsigned_abs())),
    ])
}

fn view(context: &Context, info: &DatabaseInfo, private: bool) -> Value {
    json!({
        "connected": true, "server_version": info.server_version, "where": place(context, private),
        "private": private, "database": info.database, "user": info.user, "tls": info.tls, "in_clear": info.in_clear,
        "schema_version": info.schema_version, "size_bytes": info.size_bytes,
    })
}

fn place(context: &Context, private: bool) -> String {
    match &context.settings.database.url {
        Some(url) if !private => mask_url(url.expose()),
        _ => format!("private PostgreSQL in {}", context.settings.data_dir.display()),
    }
}
