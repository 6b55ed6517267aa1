use netraven_store::access::{Class, Columns, Matrix, Role, Verb};
use netraven_store::setup::Setup;
use netraven_store::testing::TestDatabase;
use netraven_store::validate;
use sqlx::{Connection, PgConnection};
use std::collections::BTreeSet;
use std::path::Path;

async fn owner(database: &TestDatabase) -> PgConnection {
    PgConnection::connect(database.url()).await.unwrap()
}

async fn log_in(database: &TestDatabase, role: Role) -> PgConnection {
    let (user, password) = database.login(role).await;
    let options: sqlx::postgres::PgConnectOptions = database.url().parse().unwrap();
    let options = options.username(&user).password(password.expose_text().unwrap());
    let mut connection = PgConnection::connect_with(&options).await.unwrap();
    sqlx::query("SET search_path = netraven").execute(&mut connection).await.unwrap();
    connection
}

/// Set this variable to write `schema/catalog.txt` anew from a fresh schema.
const REGENERATE: &str = "NETRAVEN_WRITE_SCHEMA";

#[tokio::test]
async fn the_catalogue_is_what_the_migrations_make() {
    let Some(database) = TestDatabase::empty().await else { return };
    // Without the validation at the end, which needs the file.
    let settings = database.setup().await;
    let mut setup = Setup::begin(&settings, &|_| {}).await.unwrap();
    setup.prepare().await.unwrap();
    setup.migrate().await.unwrap();
    setup.finish().await;
    let text = validate::catalog_text(&database.store().await).await.unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema/catalog.txt");
    if std::env::var_os(REGENERATE).is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let shipped = std::fs::read_to_string(&file).unwrap();
    assert!(shipped == text, "catalog.txt is not what the migrations make; write it with {REGENERATE}=1");
}

#[tokio::test]
async fn every_column_has_a_class_and_every_class_a_column() {
    let Some(database) = TestDatabase::create().await else { return };
    let live: Vec<(String, String)> = sqlx::query_as(
        "SELECT c.relname::text, a.attname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE c.relnamespace = 'netraven'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
             AND a.attnum > 0 AND NOT a.attisdropped AND c.relname <> '_sqlx_migrations'",
    )
    .fetch_all(&mut owner(&database).await)
    .await
    .unwrap();
    let live: BTreeSet<_> = live.into_iter().collect();
    let columns = Columns::shipped().unwrap();
    let written: BTreeSet<_> = columns
        .tables()
        .flat_map(|table| columns.of(table).map(move |(column, _)| (table.to_owned(), column.to_owned())))
        .collect();
    assert_eq!(
        live.difference(&written).collect::<Vec<_>>(),
        Vec::<&(String, String)>::new(),
        "lack a class"
    );
    assert_eq!(
        written.difference(&live).collect::<Vec<_>>(),
        Vec::<&(String, String)>::new(),
        "are not there"
    );
}

/// The server is asked for each role, table, column and verb, and must answer as `access.txt` says.
#[tokio::test]
async fn every_role_may_do_with_every_column_what_is_written_and_nothing_else() {
    let Some(database) = TestDatabase::create().await else { return };
    let (columns, matrix) = (Columns::shipped().unwrap(), Matrix::shipped().unwrap());
    let mut connection = owner(&database).await;
    let mut wrong = Vec::new();
    let mut asked = 0;
    for role in Role::services() {
        let (user, _) = database.login(role).await;
        let cells: Vec<(&str, &str)> = columns
            .tables()
            .flat_map(|table| columns.of(table).map(move |(column, _)| (table, column)))
            .collect();
        for verb in [Verb::Select, Verb::Insert, Verb::Update] {
            let answers: Vec<bool> = sqlx::query_scalar(
                "SELECT has_column_privilege($1, 'netraven.' || t, c, $4) FROM UNNEST($2::text[], $3::text[])
                 WITH ORDINALITY AS w (t, c, n) ORDER BY n",
            )
            .bind(&user)
            .bind(cells.iter().map(|(table, _)| *table).collect::<Vec<_>>())
            .bind(cells.iter().map(|(_, column)| *column).collect::<Vec<_>>())
            .bind(verb.as_str())
            .fetch_all(&mut connection)
            .await
            .unwrap();
            for ((table, column), may) in cells.iter().zip(answers) {
                asked += 1;
                if may != matrix.allows(role, table, column, verb) {
                    wrong.push(format!("{role} {} {table}.{column}: {may}", verb.as_str()));
                }
            }
        }
        for table in columns.tables() {
            for (verb, declared) in [
                ("DELETE", matrix.allows(role, table, "", Verb::Delete)),
                ("TRUNCATE", false),
                ("REFERENCES", false),
                ("TRIGGER", false),
            ] {
                asked += 1;
                let may: bool = sqlx::query_scalar("SELECT has_table_privilege($1, 'netraven.' || $2, $3)")
                    .bind(&user)
                    .bind(table)
                    .bind(verb)
                    .fetch_one(&mut connection)
                    .await
                    .unwrap();
                if may != declared {
                    wrong.push(format!("{role} {verb} {table}: {may}"));
                }
            }
        }
    }
    assert!(asked > 3000, "{asked}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// By hand, so that a mistake in `access.txt` does not go unnoticed.
#[tokio::test]
async fn what_must_not_be_possible_is_refused_by_the_server() {
    let Some(database) = TestDatabase::create().await else { return };
    for (role, statement) in [
        (Role::Gateway, "SELECT 1 FROM credentials"),
        (Role::Gateway, "INSERT INTO job_logs (level, event, message) VALUES ('info', 'x', 'x')"),
        (Role::Gateway, "SELECT password_hash FROM users"),
        (Role::Gateway, "DELETE FROM device_configurations"),
        (Role::Scheduler, "UPDATE credentials SET password = NULL"),
        (Role::Scheduler, "INSERT INTO job_logs (level, event, message) VALUES ('info', 'x', 'x')"),
        (Role::Joblog, "SELECT ip_address FROM devices"),
        (Role::Joblog, "SELECT log FROM connection_logs"),
        (Role::Notifier, "SELECT username FROM credentials"),
        (Role::Notifier, "SELECT config_data FROM device_configurations"),
        (Role::Notifier, "UPDATE notification_channels SET target = 'https://example.net'"),
        (Role::Joblog, "DELETE FROM job_logs"),
        (Role::Joblog, "DROP TABLE job_logs_default"),
        (Role::Api, "SELECT password FROM credentials"),
        (Role::Api, "SELECT * FROM credentials"),
        (Role::Api, "SELECT secret FROM notification_channels"),
        (Role::Api, "DELETE FROM audit_log"),
        (Role::Api, "UPDATE device_configurations SET config_data = ''"),
        (Role::Api, "INSERT INTO job_logs (level, event, message) VALUES ('info', 'x', 'x')"),
        (Role::Rotator, "SELECT username FROM credentials"),
        (Role::Rotator, "UPDATE credentials SET username = 'x'"),
        (Role::Rotator, "SELECT hostname FROM devices"),
        (Role::Rotator, "SELECT ciphertext FROM sealed_values"),
        (Role::Gateway, "SELECT ciphertext FROM sealed_values"),
        (Role::Gateway, "SELECT wrapped FROM sealed_keys"),
        (Role::Api, "SELECT 1 FROM sealed_values"),
        (Role::Revealer, "SELECT password FROM credentials"),
        (Role::Revealer, "UPDATE sealed_keys SET wrapped = wrapped"),
        (Role::Revealer, "SELECT 1 FROM audit_log"),
        (Role::Backup, "DELETE FROM devices"),
        (Role::Backup, "SELECT nextval('credentials_id_seq')"),
        (Role::Readonly, "SELECT password FROM credentials"),
        (Role::Readonly, "SELECT password_hash FROM users"),
        (Role::Readonly, "SELECT token_hash FROM api_tokens"),
        (Role::Readonly, "SELECT log FROM connection_logs"),
        (Role::Readonly, "INSERT INTO tags (name) VALUES ('x')"),
        (Role::Gateway, "CREATE TABLE netraven.mine (id int)"),
        (Role::Api, "SELECT drop_log_partitions('job_logs', now())"),
        (Role::Gateway, "SET ROLE netraven_owner"),
    ] {
        let error = sqlx::raw_sql(statement).execute(&mut log_in(&database, role).await).await.unwrap_err();
        let code = error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned());
        assert!(matches!(code.as_deref(), Some("42501" | "25006")), "{role}: {statement}: {error}");
    }
    for (role, statement) in [
        (Role::Rotator, "SELECT id, password FROM credentials"),
        (Role::Backup, "SELECT * FROM credentials, users, job_logs_default, credentials_id_seq"),
        (
            Role::Readonly,
            "SELECT hostname, config_data FROM devices JOIN device_configurations c ON c.device_id = devices.id",
        ),
        (Role::Joblog, "SELECT ensure_log_partitions(now(), 2)"),
    ] {
        sqlx::raw_sql(statement).execute(&mut log_in(&database, role).await).await.unwrap();
    }
}

#[test]
fn ciphertexts_are_the_only_sealed_columns() {
    let columns = Columns::shipped().unwrap();
    for table in columns.tables() {
        let sealed = columns.of(table).any(|(_, class)| class == Class::Sealed);
        let holds_ciphertexts =
            ["credentials", "notification_channels", "sealed_keys", "sealed_values"].contains(&table);
        assert_eq!(sealed, holds_ciphertexts, "{table}");
    }
}
