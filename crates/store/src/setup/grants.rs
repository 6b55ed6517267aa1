//! Grants: what `schema/access.txt` says, and nothing besides.

use crate::StoreError;
use crate::access::{Matrix, Right, Role, RolePrefix, Verb};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Takes all rights from NetRaven's roles and gives them what they shall have, in one transaction: running services
/// notice nothing. The connection acts as the owner.
pub(super) async fn apply(connection: &mut PgConnection, prefix: &RolePrefix) -> Result<(), StoreError> {
    // A customer's own objects in the schema are none of ours.
    const OWN: &str = "SELECT quote_ident(relname), CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END FROM pg_class
            WHERE relnamespace = 'netraven'::regnamespace AND relowner = current_user::regrole AND relkind IN ('r', 'p', 'S')
        UNION ALL SELECT format('%I(%s)', proname, pg_get_function_identity_arguments(oid)), 'ROUTINE' FROM pg_proc
            WHERE pronamespace = 'netraven'::regnamespace AND proowner = current_user::regrole";
    let failed = StoreError::query("grant the roles their rights");
    let mut tx = connection.begin().await.map_err(&failed)?;
    let own: Vec<(String, String)> = sqlx::query_as(OWN).fetch_all(&mut *tx).await.map_err(&failed)?;
    let sql = statements(Matrix::shipped()?, prefix, &own);
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *tx).await.map_err(&failed)?;
    tx.commit().await.map_err(&failed)
}

/// Names come from our own files, from the owner's objects, where they are quoted, and from the prefix, which has letters,
/// digits and underscores only. `own` has names and kinds.
fn statements(matrix: &Matrix, prefix: &RolePrefix, own: &[(String, String)]) -> String {
    let roles: Vec<String> = Role::services().map(|role| prefix.role_name(role)).collect();
    let all = roles.join(", ");
    let (owner, backup) = (prefix.role_name(Role::Owner), prefix.role_name(Role::Backup));
    let mut sql = String::new();
    for (name, kind) in own {
        // A right on a table that is taken away takes those on its columns with it.
        let _ = writeln!(sql, "REVOKE ALL ON {kind} netraven.{name} FROM PUBLIC, {all};");
    }
    let _ = writeln!(sql, "REVOKE ALL ON SCHEMA netraven FROM PUBLIC, {all};");
    let _ = writeln!(sql, "GRANT USAGE ON SCHEMA netraven TO {all};");
    // Partitions that are made later.
    let _ = writeln!(
        sql,
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA netraven GRANT SELECT ON TABLES TO {backup};"
    );
    let mut grants: BTreeMap<(Role, &str, Verb), Vec<&str>> = BTreeMap::new();
    for Right { role, object, column, verb } in matrix.rights() {
        grants.entry((*role, object, *verb)).or_default().extend(column.as_deref());
    }
    for ((role, object, verb), columns) in grants {
        let name = prefix.role_name(role);
        let columns =
            if columns.is_empty() { String::new() } else { format!(" (\"{}\")", columns.join("\", \"")) };
        let kind = match verb {
            Verb::Execute => "FUNCTION",
            Verb::Usage => "SEQUENCE",
            _ => "TABLE",
        };
        let verb = verb.as_str();
        let everything = own.iter().filter(|(_, kind)| object == "*" && kind != "ROUTINE");
        let everything = everything.map(|(name, kind)| (name.as_str(), kind.as_str()));
        for (object, kind) in everything.chain((object != "*").then_some((object, kind))) {
            let _ = writeln!(sql, "GRANT {verb}{columns} ON {kind} netraven.{object} TO {name};");
        }
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_follow_the_matrix() {
        let own =
            [("devices", "TABLE"), ("credentials_id_seq", "SEQUENCE"), ("as_inet(address text)", "ROUTINE")];
        let own = own.map(|(name, kind)| (name.to_owned(), kind.to_owned()));
        let sql = statements(Matrix::shipped().unwrap(), &RolePrefix::new("acme").unwrap(), &own);
        for expected in [
            "GRANT USAGE ON SCHEMA netraven TO acme_gateway, ",
            "GRANT SELECT ON TABLE netraven.devices TO acme_backup;",
            "GRANT SELECT ON SEQUENCE netraven.credentials_id_seq TO acme_backup;",
            "REVOKE ALL ON ROUTINE netraven.as_inet(address text) FROM PUBLIC, acme_gateway, ",
            "GRANT INSERT ON TABLE netraven.job_logs TO acme_joblog;",
            "GRANT UPDATE (\"enable_secret\", \"key_passphrase\", \"password\", \"private_key\") ON TABLE netraven.credentials TO acme_rotator;",
            "GRANT EXECUTE ON FUNCTION netraven.drop_log_partitions TO acme_joblog;",
            "GRANT USAGE ON SEQUENCE netraven.credentials_id_seq TO acme_api;",
        ] {
            assert!(sql.contains(expected), "{expected}\n{sql}");
        }
    }
}
