//! The roles, whom the tables belong to, and who may do what.

use super::{Difference, Report};
use crate::StoreError;
use crate::access::{Matrix, Right, Role, RolePrefix};
use sqlx::PgConnection;
use std::collections::{BTreeMap, BTreeSet};

/// Object, column, grantee, verb.
type Granted = (String, Option<String>, String, String);

/// Compares roles, owners and rights with what they should be.
pub(super) async fn compare(
    connection: &mut PgConnection,
    prefix: &RolePrefix,
    report: &mut Report,
) -> Result<(), StoreError> {
    roles(connection, prefix, report).await?;
    owners(connection, prefix, report).await?;
    let found: BTreeSet<Granted> = sqlx::query_as(GRANTED)
        .fetch_all(&mut *connection)
        .await
        .map_err(StoreError::query("read who may do what"))?
        .into_iter()
        .collect();
    let relations: Vec<String> = sqlx::query_scalar(RELATIONS)
        .fetch_all(connection)
        .await
        .map_err(StoreError::query("read the names of tables"))?;
    let expected = expected(Matrix::shipped()?, prefix, &relations);
    report.checked += expected.len();
    let difference = |(object, column, grantee, verb): &Granted, missing: bool| {
        let verb = format!("{} for {grantee}", verb.to_lowercase());
        let name = column.as_ref().map_or_else(|| object.clone(), |column| format!("{object}.{column}"));
        let text = Some("granted".to_owned());
        let (expected, found) = if missing { (text, None) } else { (None, text) };
        Difference { kind: "right".to_owned(), name: format!("{verb} on {name}"), expected, found }
    };
    report.errors.extend(expected.difference(&found).map(|right| difference(right, true)));
    let ours: BTreeSet<String> = Role::ALL.iter().map(|role| prefix.role_name(*role)).collect();
    let shipped = super::Catalog::shipped()?;
    for more in found.difference(&expected) {
        let (object, _, grantee, _) = more;
        // A right that a service or everybody should not have is no customer's addition, unless the object is.
        let known = object == SCHEMA || shipped.knows(object) || relations.contains(object);
        let wrong = known && (ours.contains(grantee) || grantee == PUBLIC);
        let list = if wrong { &mut report.errors } else { &mut report.warnings };
        list.push(difference(more, false));
    }
    Ok(())
}

/// What stands for the schema itself among the objects.
const SCHEMA: &str = "schema";
/// Its name.
const SCHEMA_NAME: &str = "netraven";
const PUBLIC: &str = "PUBLIC";

async fn roles(
    connection: &mut PgConnection,
    prefix: &RolePrefix,
    report: &mut Report,
) -> Result<(), StoreError> {
    const ROLES: &str = "SELECT r.rolname::text, concat_ws(', ', CASE WHEN r.rolcanlogin THEN 'login' END,
            CASE WHEN r.rolsuper THEN 'superuser' END, CASE WHEN r.rolcreaterole THEN 'createrole' END,
            CASE WHEN r.rolcreatedb THEN 'createdb' END, CASE WHEN r.rolreplication THEN 'replication' END,
            CASE WHEN r.rolbypassrls THEN 'bypassrls' END,
            (SELECT 'member of ' || string_agg(g.rolname, ', ' ORDER BY g.rolname) FROM pg_auth_members m
                JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid))
        FROM pg_roles r WHERE r.rolname = ANY ($1)";
    let names: Vec<String> = Role::ALL.iter().map(|role| prefix.role_name(*role)).collect();
    let found: Vec<(String, String)> = sqlx::query_as(ROLES)
        .bind(names)
        .fetch_all(connection)
        .await
        .map_err(StoreError::query("read the roles"))?;
    let mut found: BTreeMap<String, String> = found.into_iter().collect();
    for role in Role::ALL {
        let name = prefix.role_name(role);
        let expected = if role == Role::Owner { "" } else { "login" };
        let there = found.remove(&name);
        report.checked += 1;
        if there.as_deref() != Some(expected) {
            report.errors.push(Difference {
                kind: "role".to_owned(),
                name,
                expected: Some(expected.to_owned()),
                found: there,
            });
        }
    }
    Ok(())
}

async fn owners(
    connection: &mut PgConnection,
    prefix: &RolePrefix,
    report: &mut Report,
) -> Result<(), StoreError> {
    const OWNERS: &str = "SELECT relname::text, relowner::regrole::text FROM pg_class
            WHERE relnamespace = to_regnamespace('netraven') AND relkind IN ('r', 'p', 'v', 'S')
                AND (SELECT rolname FROM pg_roles r WHERE r.oid = relowner) <> $1
        UNION ALL SELECT proname::text, proowner::regrole::text FROM pg_proc
            WHERE pronamespace = to_regnamespace('netraven') AND (SELECT rolname FROM pg_roles r WHERE r.oid = proowner) <> $1
        UNION ALL SELECT nspname::text, nspowner::regrole::text FROM pg_namespace
            WHERE nspname = 'netraven' AND (SELECT rolname FROM pg_roles r WHERE r.oid = nspowner) <> $1";
    let owner = prefix.role_name(Role::Owner);
    let others: Vec<(String, String)> = sqlx::query_as(OWNERS)
        .bind(&owner)
        .fetch_all(connection)
        .await
        .map_err(StoreError::query("read the owners"))?;
    report.checked += 1;
    let shipped = super::Catalog::shipped()?;
    for (name, found) in others {
        let difference =
            Difference { kind: "owner".to_owned(), expected: Some(owner.clone()), found: Some(found), name };
        // A table that NetRaven does not know belongs to whom it will.
        let list = if difference.name == SCHEMA_NAME || shipped.knows(&difference.name) {
            &mut report.errors
        } else {
            &mut report.warnings
        };
        list.push(difference);
    }
    Ok(())
}

/// The rights that there should be, for the tables and sequences that there are.
fn expected(matrix: &Matrix, prefix: &RolePrefix, relations: &[String]) -> BTreeSet<Granted> {
    let mut expected = BTreeSet::new();
    for role in Role::services() {
        expected.insert((SCHEMA.to_owned(), None, prefix.role_name(role), "USAGE".to_owned()));
    }
    for Right { role, object, column, verb } in matrix.rights() {
        let grant = |object: &str| {
            (object.to_owned(), column.clone(), prefix.role_name(*role), verb.as_str().to_owned())
        };
        match &**object {
            "*" => expected.extend(relations.iter().map(|name| grant(name))),
            object => drop(expected.insert(grant(object))),
        }
    }
    expected
}

const RELATIONS: &str = "SELECT relname::text FROM pg_class
    WHERE relnamespace = to_regnamespace('netraven') AND relkind IN ('r', 'p', 'S')
        AND relowner = (SELECT nspowner FROM pg_namespace WHERE nspname = 'netraven')";

/// Rights of owners are not grants. Functions without a list are open to everybody.
const GRANTED: &str =
    "SELECT c.relname::text, NULL::text, coalesce(r.rolname::text, 'PUBLIC'), a.privilege_type::text
    FROM pg_class c CROSS JOIN aclexplode(c.relacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
    WHERE c.relnamespace = to_regnamespace('netraven') AND a.grantee <> c.relowner
UNION ALL
SELECT c.relname::text, t.attname::text, coalesce(r.rolname::text, 'PUBLIC'), a.privilege_type::text
    FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid CROSS JOIN aclexplode(t.attacl) a
    LEFT JOIN pg_roles r ON r.oid = a.grantee
    WHERE c.relnamespace = to_regnamespace('netraven') AND a.grantee <> c.relowner
UNION ALL
SELECT p.proname::text, NULL, coalesce(r.rolname::text, 'PUBLIC'), a.privilege_type::text
    FROM pg_proc p CROSS JOIN aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
    LEFT JOIN pg_roles r ON r.oid = a.grantee
    WHERE p.pronamespace = to_regnamespace('netraven') AND a.grantee <> p.proowner
UNION ALL
SELECT 'schema', NULL, coalesce(r.rolname::text, 'PUBLIC'), a.privilege_type::text
    FROM pg_namespace n CROSS JOIN aclexplode(n.nspacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
    WHERE n.nspname = 'netraven' AND a.grantee <> n.nspowner";
