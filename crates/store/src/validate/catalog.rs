//! The schema as a list of named objects, each with a definition in words that all versions of PostgreSQL share.

use super::{Difference, Report};
use crate::StoreError;
use sqlx::PgConnection;
use std::collections::BTreeMap;

const SHIPPED: &str = include_str!("../../../../schema/catalog.txt");

/// What begins the file; a comment is a line that begins with `#`.
const HEAD: &str = "# Every object of the schema, as `netraven db validate` compares it. Written by a test (see README.md here).\n";

/// Objects by kind and name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Catalog(BTreeMap<(String, String), String>);

impl Catalog {
    /// This release's.
    pub(super) fn shipped() -> Result<Self, StoreError> {
        let lines = SHIPPED.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let objects = lines.map(|line| {
            let mut fields = line.splitn(3, '\t');
            match (fields.next(), fields.next(), fields.next()) {
                (Some(kind), Some(name), Some(definition)) => {
                    Ok(((kind.to_owned(), name.to_owned()), definition.to_owned()))
                }
                _ => Err(StoreError::invalid(
                    "schema/catalog.txt",
                    format!("line '{line}' has no three fields"),
                )),
            }
        });
        objects.collect::<Result<_, _>>().map(Self)
    }

    /// That of a database. Months' partitions are left out: they have their table's form by PostgreSQL's own rules.
    pub(super) async fn read(connection: &mut PgConnection) -> Result<Self, StoreError> {
        let failed = StoreError::query("read the catalogue");
        // Names are shown with their schema unless it is searched.
        const PATH: &str = "SELECT set_config('search_path', concat_ws(', ', 'netraven', (SELECT quote_ident(n.nspname)
            FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_trgm')), true)";
        sqlx::query(PATH).execute(&mut *connection).await.map_err(&failed)?;
        let rows: Vec<(String, String, String)> =
            sqlx::query_as(OBJECTS).fetch_all(connection).await.map_err(&failed)?;
        // A definition of several lines would not fit a line.
        let flat = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
        Ok(Self(rows.into_iter().map(|(kind, name, text)| ((kind, flat(name)), flat(text))).collect()))
    }

    /// The names of tables and functions, without a function's arguments.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let objects =
            self.0.keys().filter(|(kind, _)| matches!(kind.as_str(), "table" | "function" | "sequence"));
        objects.filter_map(|(_, name)| name.split('(').next())
    }

    /// Whether a table, function or sequence of that name is among them.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    pub(super) fn compare(&self, found: &Self) -> Report {
        let mut report = Report { checked: self.0.len(), ..Report::default() };
        for ((kind, name), expected) in &self.0 {
            let there = found.0.get(&(kind.clone(), name.clone()));
            if there != Some(expected) {
                report.errors.push(Difference {
                    kind: kind.clone(),
                    name: name.clone(),
                    expected: Some(expected.clone()),
                    found: there.cloned(),
                });
            }
        }
        let more = found.0.iter().filter(|(key, _)| !self.0.contains_key(key));
        report.warnings.extend(more.map(|((kind, name), definition)| Difference {
            kind: kind.clone(),
            name: name.clone(),
            expected: None,
            found: Some(definition.clone()),
        }));
        report
    }

    pub(super) fn to_text(&self) -> String {
        let lines = self.0.iter().map(|((kind, name), definition)| format!("{kind}\t{name}\t{definition}\n"));
        std::iter::once(HEAD.to_owned()).chain(lines).collect()
    }
}

const OBJECTS: &str = r"
WITH tables AS (
    SELECT c.* FROM pg_class c
    WHERE c.relnamespace = to_regnamespace('netraven') AND c.relname <> '_sqlx_migrations'
        AND NOT (c.relispartition AND c.relname ~ '_y\d{4}m\d{2}')
)
SELECT 'extension', extname::text, 'installed' FROM pg_extension WHERE extname <> 'plpgsql'
UNION ALL
SELECT CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' ELSE 'table' END,
    relname::text,
    concat_ws(' ', CASE relpersistence WHEN 'p' THEN 'permanent' WHEN 'u' THEN 'unlogged' ELSE 'temporary' END,
        'partitioned by ' || pg_get_partkeydef(oid),
        CASE WHEN relispartition THEN 'partition ' || pg_get_expr(relpartbound, oid) END,
        'with ' || array_to_string(reloptions, ', '),
        CASE WHEN relrowsecurity THEN 'row security' END)
FROM tables WHERE relkind IN ('r', 'p', 'v', 'm', 'f')
UNION ALL
SELECT 'column', t.relname || '.' || a.attname,
    concat_ws(' ', format_type(a.atttypid, a.atttypmod),
        CASE WHEN a.attcollation <> 0 AND a.attcollation <> y.typcollation THEN 'collate ' || a.attcollation::regcollation::text END,
        CASE WHEN a.attnotnull THEN 'not null' END,
        CASE a.attidentity WHEN 'a' THEN 'identity always' WHEN 'd' THEN 'identity by default' END,
        CASE WHEN a.attgenerated <> '' THEN 'generated ' || pg_get_expr(d.adbin, d.adrelid)
             WHEN d.adbin IS NOT NULL THEN 'default ' || pg_get_expr(d.adbin, d.adrelid) END,
        CASE WHEN a.attstorage <> y.typstorage THEN 'storage ' || a.attstorage::text END)
FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type y ON y.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
WHERE t.relkind IN ('r', 'p')
UNION ALL
SELECT 'constraint', t.relname || '.' || c.conname,
    pg_get_constraintdef(c.oid) || CASE WHEN c.convalidated THEN '' ELSE ' not valid' END
FROM tables t JOIN pg_constraint c ON c.conrelid = t.oid WHERE c.contype IN ('p', 'u', 'f', 'c', 'x')
UNION ALL
SELECT 'index', t.relname || '.' || i.relname,
    pg_get_indexdef(i.oid) || CASE WHEN x.indisvalid AND x.indisready THEN '' ELSE ' invalid' END
FROM tables t JOIN pg_index x ON x.indrelid = t.oid JOIN pg_class i ON i.oid = x.indexrelid
UNION ALL
SELECT 'trigger', t.relname || '.' || g.tgname,
    pg_get_triggerdef(g.oid) || CASE g.tgenabled WHEN 'O' THEN '' ELSE ' enabled ' || g.tgenabled::text END
FROM tables t JOIN pg_trigger g ON g.tgrelid = t.oid WHERE NOT g.tgisinternal
UNION ALL
SELECT 'rule', t.relname || '.' || r.rulename, pg_get_ruledef(r.oid)
FROM tables t JOIN pg_rewrite r ON r.ev_class = t.oid WHERE t.relkind IN ('r', 'p')
UNION ALL
SELECT 'policy', t.relname || '.' || p.polname, coalesce(pg_get_expr(p.polqual, p.polrelid), '')
FROM tables t JOIN pg_policy p ON p.polrelid = t.oid
UNION ALL
SELECT 'sequence', t.relname::text, concat_ws(' ', s.seqtypid::regtype, 'start', s.seqstart, 'by', s.seqincrement)
FROM tables t JOIN pg_sequence s ON s.seqrelid = t.oid
UNION ALL
SELECT 'function', p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')',
    concat_ws(' ', 'returns', pg_get_function_result(p.oid), 'volatility', p.provolatile,
        CASE WHEN p.prosecdef THEN 'security definer' END, 'set ' || array_to_string(p.proconfig, ', '),
        'body', md5(regexp_replace(p.prosrc, '\s+', ' ', 'g')))
FROM pg_proc p WHERE p.pronamespace = to_regnamespace('netraven')
UNION ALL
SELECT 'type', typname::text, typtype::text FROM pg_type
WHERE typnamespace = to_regnamespace('netraven') AND typtype IN ('e', 'd', 'r')";
