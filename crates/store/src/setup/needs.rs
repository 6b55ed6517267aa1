//! What an administrator has to do in a database before NetRaven's owner can work in it: roles, extension, schema.

use super::SetupError;
use crate::access::{Logins, Role, RolePrefix, verifier};
use crate::{StoreError, validate};
use sqlx::{AssertSqlSafe, PgConnection};
use std::fmt::Write as _;

/// One thing that is not as it should be, and the SQL that mends it.
pub(super) struct Need {
    /// What the SQL does, as "create the role 'x'".
    pub(super) what: String,
    pub(super) sql: String,
}

impl Need {
    fn new(what: impl Into<String>, sql: impl Into<String>) -> Self {
        Self { what: what.into(), sql: sql.into() }
    }
}

/// Which of the roles exist.
pub(super) async fn existing_roles(
    connection: &mut PgConnection,
    prefix: &RolePrefix,
) -> Result<Vec<Role>, StoreError> {
    let names: Vec<String> = Role::ALL.iter().map(|role| prefix.role_name(*role)).collect();
    let found: Vec<String> =
        sqlx::query_scalar("SELECT rolname::text FROM pg_roles WHERE rolname = ANY ($1)")
            .bind(names)
            .fetch_all(connection)
            .await
            .map_err(StoreError::query("look for roles"))?;
    Ok(Role::ALL.into_iter().filter(|role| found.contains(&prefix.role_name(*role))).collect())
}

/// The roles that are missing, and new passwords for those that are there if that is wanted.
pub(super) fn roles(
    logins: &Logins,
    existing: &[Role],
    new_passwords: bool,
) -> Result<Vec<Need>, StoreError> {
    const NO_RIGHTS: &str = "NOSUPERUSER NOCREATEDB NOCREATEROLE";
    let mut needs = Vec::new();
    for role in Role::ALL {
        let name = logins.prefix().role_name(role);
        let login = match logins.login(role) {
            Some((_, password)) => format!("LOGIN PASSWORD '{}'", verifier(password)?),
            None => "NOLOGIN".to_owned(),
        };
        if !existing.contains(&role) {
            // Another database of the same server may be initialised at this moment.
            let sql = format!(
                "DO $$ BEGIN CREATE ROLE {name} {NO_RIGHTS} {login}; \
                 EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;"
            );
            needs.push(Need::new(format!("create the role '{name}'"), sql));
        } else if new_passwords && role != Role::Owner {
            let sql = format!("ALTER ROLE {name} {login};");
            needs.push(Need::new(format!("set the password of role '{name}'"), sql));
        }
        if role.is_read_only() && !existing.contains(&role) {
            let sql = format!("ALTER ROLE {name} SET default_transaction_read_only = on;");
            needs.push(Need::new(format!("make the role '{name}' read only"), sql));
        }
    }
    Ok(needs)
}

/// What is missing in the database itself. `member` is who will act as the owner.
pub(super) async fn database(
    connection: &mut PgConnection,
    prefix: &RolePrefix,
    member: &str,
) -> Result<Vec<Need>, StoreError> {
    const STATE: &str = "SELECT current_database()::text AS database, quote_ident(current_database()) AS quoted,
            EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm') AS extension,
            (SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'netraven') AS schema_owner,
            (SELECT r.rolname::text FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba
             WHERE d.datname = current_database() AND NOT r.rolsuper) AS database_owner,
            ARRAY (SELECT format('ALTER TABLE netraven.%I OWNER TO %I;', c.relname, $1)
                   FROM pg_class c WHERE c.relnamespace = to_regnamespace('netraven') AND c.relkind IN ('r', 'p')
                     AND c.relowner IS DISTINCT FROM to_regrole($1)
                     AND (c.relname = ANY ($2) OR c.relispartition AND c.relname ~ '_y\\d{4}m\\d{2}$')
                   UNION ALL
                   SELECT format('ALTER ROUTINE netraven.%I(%s) OWNER TO %I;', p.proname,
                       pg_get_function_identity_arguments(p.oid), $1)
                   FROM pg_proc p WHERE p.pronamespace = to_regnamespace('netraven') AND p.proname = ANY ($2)
                     AND p.proowner IS DISTINCT FROM to_regrole($1)
            ) AS owners";
    let owner = prefix.role_name(Role::Owner);
    let state: State = sqlx::query_as(STATE)
        .bind(&owner)
        .bind(validate::known_names()?)
        .fetch_one(&mut *connection)
        .await
        .map_err(StoreError::query("look at the database"))?;
    let mut needs = Vec::new();
    if !has_right(connection, &owner, "CREATE").await? {
        let (quoted, database) = (&state.quoted, &state.database);
        let sql = format!("GRANT CREATE ON DATABASE {quoted} TO {owner};");
        needs.push(Need::new(format!("let '{owner}' create in database '{database}'"), sql));
    }
    for role in Role::services() {
        let name = prefix.role_name(role);
        if !has_right(connection, &name, "CONNECT").await? {
            let (quoted, database) = (&state.quoted, &state.database);
            let sql = format!(
                "GRANT CONNECT ON DATABASE {quoted} TO {name}; ALTER ROLE {name} IN DATABASE {quoted} SET search_path = netraven;"
            );
            needs.push(Need::new(format!("let '{name}' connect to database '{database}'"), sql));
        }
    }
    if !state.extension {
        let sql = "CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public;";
        needs.push(Need::new("create the extension pg_trgm (package postgresql-contrib)", sql));
    }
    for member in
        [Some(member.to_owned()), state.database_owner.filter(|name| name != member)].into_iter().flatten()
    {
        if !is_member(connection, &member, &owner).await? {
            let sql = format!("GRANT {owner} TO \"{}\";", member.replace('"', "\"\""));
            needs.push(Need::new(format!("let '{member}' act as '{owner}'"), sql));
        }
    }
    match state.schema_owner {
        None => {
            let sql = format!("CREATE SCHEMA IF NOT EXISTS netraven AUTHORIZATION {owner};");
            needs.push(Need::new("create the schema 'netraven'", sql));
        }
        Some(found) if found != owner => {
            let sql = format!("ALTER SCHEMA netraven OWNER TO {owner};");
            needs.push(Need::new(format!("give the schema 'netraven' to '{owner}'"), sql));
        }
        Some(_) => {}
    }
    if !state.owners.is_empty() {
        needs.push(Need::new(format!("give NetRaven's tables to '{owner}'"), state.owners.join("\n")));
    }
    Ok(needs)
}

/// Does all of it, telling who may not.
pub(super) async fn meet(
    connection: &mut PgConnection,
    user: &str,
    needs: &[Need],
) -> Result<(), SetupError> {
    for need in needs {
        let done = sqlx::raw_sql(AssertSqlSafe(need.sql.clone())).execute(&mut *connection).await;
        if let Err(error) = done {
            return Err(match error.as_database_error().and_then(|error| error.code()).as_deref() {
                // Insufficient privilege; since PostgreSQL 16 also "must have admin option".
                Some("42501") => SetupError::NotAllowed { user: user.to_owned(), what: need.what.clone() },
                _ => StoreError::Query { operation: "prepare the database", source: error }.into(),
            });
        }
    }
    Ok(())
}

/// All of it as a script for an administrator.
pub(super) fn script(needs: &[Need], database: &str) -> String {
    let mut text = format!(
        "-- What an administrator has to do before `netraven db init` can do the rest. Run it in database '{database}',\n\
         -- for example with `psql --single-transaction -v ON_ERROR_STOP=1 -d {database}`.\n\
         -- The passwords are SCRAM verifiers: nobody can log in with them.\n"
    );
    for need in needs {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n-- {}\n{}\n", need.what, need.sql);
    }
    text
}

#[derive(sqlx::FromRow)]
struct State {
    database: String,
    quoted: String,
    extension: bool,
    schema_owner: Option<String>,
    database_owner: Option<String>,
    owners: Vec<String>,
}

/// Whether a role has a right on the database that is its own, not everybody's: that may be taken away.
async fn has_right(connection: &mut PgConnection, role: &str, right: &str) -> Result<bool, StoreError> {
    const GRANTED: &str = "SELECT EXISTS (SELECT FROM pg_database d, aclexplode(d.datacl) a
        WHERE d.datname = current_database() AND a.grantee = to_regrole($1) AND a.privilege_type = $2)";
    sqlx::query_scalar(GRANTED)
        .bind(role)
        .bind(right)
        .fetch_one(connection)
        .await
        .map_err(StoreError::query("look at the database's rights"))
}

async fn is_member(connection: &mut PgConnection, member: &str, owner: &str) -> Result<bool, StoreError> {
    // Of a role that does not exist yet nobody is a member.
    sqlx::query_scalar(
        "SELECT coalesce((SELECT rolsuper FROM pg_roles WHERE rolname = $1), false)
            OR coalesce(pg_has_role($1::name, to_regrole($2), 'MEMBER'), false)",
    )
    .bind(member)
    .bind(owner)
    .fetch_one(connection)
    .await
    .map_err(StoreError::query("look at the roles' members"))
}
