use crate::support::{Place, initialize, log_in, place};
use netraven_store::access::Role;
use netraven_store::setup::{SetupError, SetupSettings};
use netraven_store::validate::{Difference, Report};

async fn ready() -> Option<(Place, SetupSettings)> {
    let place = place().await?;
    let settings = place.settings("netraven");
    initialize(&settings).await.unwrap();
    Some((place, settings))
}

async fn report(settings: &SetupSettings) -> Report {
    let logins = netraven_store::access::Logins::load(&settings.logins_file).unwrap().unwrap();
    let login = logins.login(Role::Readonly).map(|(user, password)| (user, password.clone()));
    let connect = netraven_store::ConnectSettings { login, ..settings.admin.clone() };
    let store = netraven_store::Store::connect(&connect).await.unwrap();
    store.validate(&settings.prefix).await.unwrap()
}

fn names(differences: &[Difference]) -> Vec<String> {
    differences.iter().map(|difference| format!("{} {}", difference.kind, difference.name)).collect()
}

/// Each change is one that somebody could make by hand; nothing else may be remarked.
#[tokio::test]
async fn what_is_missing_or_different_is_named_and_is_an_error() {
    let Some((place, settings)) = ready().await else { return };
    for (change, expected, undo) in [
        (
            "DROP INDEX netraven.devices_ip_address",
            "index devices.devices_ip_address",
            "CREATE INDEX devices_ip_address ON netraven.devices (ip_address)",
        ),
        (
            "ALTER TABLE netraven.devices ALTER COLUMN notes TYPE varchar(10)",
            "column devices.notes",
            "ALTER TABLE netraven.devices ALTER COLUMN notes TYPE text",
        ),
        (
            "ALTER TABLE netraven.devices ALTER COLUMN source DROP NOT NULL",
            "column devices.source",
            "ALTER TABLE netraven.devices ALTER COLUMN source SET NOT NULL",
        ),
        (
            "ALTER TABLE netraven.devices ALTER COLUMN source SET DEFAULT 'x'",
            "column devices.source",
            "ALTER TABLE netraven.devices ALTER COLUMN source SET DEFAULT 'manual'",
        ),
        (
            "ALTER TABLE netraven.jobs DROP CONSTRAINT jobs_kind_check",
            "constraint jobs.jobs_kind_check",
            "ALTER TABLE netraven.jobs ADD CONSTRAINT jobs_kind_check CHECK (kind IN ('backup', 'command', 'reachability', 'credential_check'))",
        ),
        (
            "ALTER TABLE netraven.audit_log DISABLE TRIGGER audit_log_is_append_only",
            "trigger audit_log.audit_log_is_append_only",
            "ALTER TABLE netraven.audit_log ENABLE TRIGGER audit_log_is_append_only",
        ),
        ("DROP TABLE netraven.workers", "table workers", ""),
    ] {
        place.execute("netraven", change).await;
        let report = report(&settings).await;
        assert!(names(&report.errors).contains(&expected.to_owned()), "{change}: {:#?}", report.errors);
        let of_tables =
            report.errors.iter().all(|error| error.name.contains("workers")) || report.errors.len() == 1;
        assert!(of_tables && report.warnings.is_empty(), "{change}: {report:#?}");
        place.execute("netraven", undo).await;
    }
    let refused = initialize(&settings).await.unwrap_err();
    assert!(matches!(&refused, SetupError::Store(_) | SetupError::Differs(_)), "{refused}");
}

#[tokio::test]
async fn rights_that_are_missing_or_too_many_are_errors_and_mended_by_init() {
    let Some((place, settings)) = ready().await else { return };
    for (change, expected) in [
        (
            "REVOKE INSERT ON netraven.job_logs FROM netraven_joblog",
            "right insert for netraven_joblog on job_logs",
        ),
        (
            "GRANT SELECT ON netraven.credentials TO netraven_gateway",
            "right select for netraven_gateway on credentials",
        ),
        (
            "GRANT SELECT (password_hash) ON netraven.users TO PUBLIC",
            "right select for PUBLIC on users.password_hash",
        ),
        (
            "GRANT EXECUTE ON FUNCTION netraven.drop_log_partitions TO PUBLIC",
            "right execute for PUBLIC on drop_log_partitions",
        ),
        ("REVOKE USAGE ON SCHEMA netraven FROM netraven_api", "right usage for netraven_api on schema"),
    ] {
        place.execute("netraven", change).await;
        assert_eq!(names(&report(&settings).await.errors), [expected], "{change}");
        initialize(&settings).await.unwrap();
        assert!(report(&settings).await.is_valid(), "{change}");
    }
    for (change, expected, undo) in [
        ("ALTER ROLE netraven_api CREATEROLE", "role netraven_api", "ALTER ROLE netraven_api NOCREATEROLE"),
        (
            "GRANT netraven_rotator TO netraven_api",
            "role netraven_api",
            "REVOKE netraven_rotator FROM netraven_api",
        ),
        (
            "ALTER TABLE netraven.tags OWNER TO postgres",
            "owner tags",
            "ALTER TABLE netraven.tags OWNER TO netraven_owner",
        ),
    ] {
        place.execute("netraven", change).await;
        let found = names(&report(&settings).await.errors);
        assert!(found.contains(&expected.to_owned()), "{change}: {found:#?}");
        place.execute("netraven", undo).await;
    }
}

#[tokio::test]
async fn what_a_customer_adds_is_a_remark() {
    let Some((place, settings)) = ready().await else { return };
    place
        .execute(
            "netraven",
            "CREATE INDEX mine ON netraven.devices (site); CREATE VIEW netraven.sites AS SELECT DISTINCT site FROM netraven.devices;
             CREATE ROLE reporter; GRANT USAGE ON SCHEMA netraven TO reporter; GRANT SELECT ON netraven.devices TO reporter",
        )
        .await;
    let report = report(&settings).await;
    assert!(report.is_valid(), "{report:#?}");
    let remarks = names(&report.warnings);
    for expected in ["index devices.mine", "view sites", "right select for reporter on devices"] {
        assert!(remarks.contains(&expected.to_owned()), "{expected}: {remarks:#?}");
    }
    let done = initialize(&settings).await.unwrap();
    assert_eq!(done.report.warnings, report.warnings);
    log_in(&settings, &done, Role::Api).await.ready().await.unwrap();
}

#[tokio::test]
async fn what_a_customer_adds_as_the_owner_may_have_any_name() {
    let Some((place, settings)) = ready().await else { return };
    place
        .execute(
            "netraven",
            "SET ROLE netraven_owner; CREATE TABLE netraven.\"My; DROP\" (id serial);
             CREATE FUNCTION netraven.twice(a int) RETURNS int LANGUAGE sql AS 'SELECT 2 * a';
             CREATE FUNCTION netraven.twice(a text) RETURNS text LANGUAGE sql AS 'SELECT a || a';
             CREATE PROCEDURE netraven.\"Do it\"() LANGUAGE sql AS 'SELECT 1'",
        )
        .await;
    let done = initialize(&settings).await.unwrap();
    let remarks = names(&done.report.warnings);
    assert!(remarks.contains(&"table My; DROP".to_owned()), "{remarks:#?}");
}

#[test]
fn a_report_names_the_first_differences_in_one_line() {
    let difference = |name: &str| Difference {
        kind: "index".into(),
        name: name.into(),
        expected: Some("x".into()),
        found: None,
    };
    let report = Report { errors: ["a", "b", "c", "d", "e"].map(difference).to_vec(), ..Report::default() };
    assert_eq!(report.to_string(), "index a is missing; index b is missing; index c is missing; and 2 more");
}
