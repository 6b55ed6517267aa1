//! Grants: what `schema/access.txt` says, and nothing besides.

use crate::StoreError;
use crate::access::{Matrix, Right, Role, RolePrefix, Verb};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Takes all rights from NetRaven's roles and gives them what they shall have, in one transaction: running services
/// notice nothing. The connection acts as the owner.
pub(super) async fn apply(connection: &mut PgConnection, prefix: &RolePrefix) -> Result<(), StoreError> {
    let failed = StoreError::query("grant the roles their rights");
    let mut tx = connection.begin().await.map_err(&failed)?;
    let sql = statements(Matrix::shipped()?, prefix);
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *tx).await.map_err(&failed)?;
    tx.commit().await.map_err(&failed)
}

/// Names come from our own files and the prefix, which has letters, digits and underscores only.
fn statements(matrix: &Matrix, prefix: &RolePrefix) -> String {
    let roles: Vec<String> = Role::services().map(|role| prefix.role_name(role)).collect();
    let all = roles.join(", ");
    let (owner, backup) = (prefix.role_name(Role::Owner), prefix.role_name(Role::Backup));
    let mut sql = String::new();
    for kind in ["TABLES", "SEQUENCES", "ROUTINES"] {
        // A right on a table that is taken away takes those on its columns with it.
        let _ = writeln!(sql, "REVOKE ALL ON ALL {kind} IN SCHEMA netraven FROM PUBLIC, {all};");
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
        let (verb, name) = (verb.as_str(), prefix.role_name(role));
        let columns =
            if columns.is_empty() { String::new() } else { format!(" (\"{}\")", columns.join("\", \"")) };
        let _ = match (verb, object) {
            (_, "*") => writeln!(
                sql,
                "GRANT {verb} ON ALL TABLES IN SCHEMA netraven TO {name}; GRANT {verb} ON ALL SEQUENCES IN SCHEMA netraven TO {name};"
            ),
            ("EXECUTE", _) => writeln!(sql, "GRANT EXECUTE ON FUNCTION netraven.{object} TO {name};"),
            ("USAGE", _) => writeln!(sql, "GRANT USAGE ON SEQUENCE netraven.{object} TO {name};"),
            _ => writeln!(sql, "GRANT {verb}{columns} ON TABLE netraven.{object} TO {name};"),
        };
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_follow_the_matrix() {
        let sql = statements(Matrix::shipped().unwrap(), &RolePrefix::new("acme").unwrap());
        for expected in [
            "GRANT USAGE ON SCHEMA netraven TO acme_gateway, ",
            "GRANT SELECT ON ALL TABLES IN SCHEMA netraven TO acme_backup;",
            "GRANT INSERT ON TABLE netraven.job_logs TO acme_joblog;",
            "GRANT UPDATE (\"enable_secret\", \"key_passphrase\", \"password\", \"private_key\") ON TABLE netraven.credentials TO acme_rotator;",
            "GRANT EXECUTE ON FUNCTION netraven.drop_log_partitions TO acme_joblog;",
            "GRANT USAGE ON SEQUENCE netraven.credentials_id_seq TO acme_api;",
        ] {
            assert!(sql.contains(expected), "{expected}\n{sql}");
        }
    }
}
