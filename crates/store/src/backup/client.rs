//! Running PostgreSQL's client programs: where to connect is told by the environment, which other users cannot read.

use super::error::BackupError;
use super::programs::Program;
use crate::connect;
use crate::{ConnectSettings, StoreError};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Longest run of a program: far beyond what a sane database takes.
pub(super) const LIMIT: Duration = Duration::from_secs(12 * 3600);
/// How much of what a failed program said goes into the error.
const SHOWN: usize = 2000;
/// What a program may see of this process's environment. `PG*` variables are left out: the URL says it all.
const KEPT: [&str; 4] = ["PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR"];
/// The first version with `sslrootcert=system`.
const SYSTEM_ROOTS: u32 = 16;

/// A program with a bare environment, outside the terminal's process group: Ctrl-C reaches NetRaven, which ends it.
pub(super) fn bare(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C").process_group(0).kill_on_drop(true);
    for name in KEPT {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// A program that connects to this database.
pub(super) fn connecting(program: &Program, settings: &ConnectSettings) -> Result<Command, BackupError> {
    let options = connect::options(settings)?;
    let mut command = bare(&program.path);
    command.envs(environment(&options, program.major)?).arg("--no-password");
    command.env("PGCONNECT_TIMEOUT", settings.connect_timeout.as_secs().max(1).to_string());
    Ok(command)
}

/// The URL in libpq's variables.
fn environment(options: &PgConnectOptions, major: u32) -> Result<Vec<(&'static str, String)>, StoreError> {
    let host = match options.get_socket() {
        Some(folder) => folder.display().to_string(),
        // libpq wants IPv6 addresses without the brackets that a URL needs.
        None => options.get_host().trim_start_matches('[').trim_end_matches(']').to_owned(),
    };
    let database = options.get_database().unwrap_or(options.get_username()).to_owned();
    let mut variables = vec![
        ("PGHOST", host),
        ("PGPORT", options.get_port().to_string()),
        ("PGUSER", options.get_username().to_owned()),
        ("PGDATABASE", database),
    ];
    variables.extend(options.get_application_name().map(|name| ("PGAPPNAME", name.to_owned())));
    variables.extend(options.get_options().map(|options| ("PGOPTIONS", options.to_owned())));
    // The driver shows its password and certificates in this form alone. Names that a URL could not hold are out of it.
    let mut url = options.clone().username("x").host("x").database("x").to_url_lossy();
    let password = url.password().map(str::to_owned);
    let mut has_root = false;
    for (key, value) in url.query_pairs() {
        let variable = match &*key {
            "sslmode" => "PGSSLMODE",
            "sslrootcert" => "PGSSLROOTCERT",
            "sslcert" => "PGSSLCERT",
            "sslkey" => "PGSSLKEY",
            _ => continue,
        };
        has_root |= variable == "PGSSLROOTCERT";
        // So the driver shows a path.
        let value = value.strip_prefix("file: ").unwrap_or(&value);
        if value.starts_with("-----BEGIN") {
            let reason = format!("backups need the name of a file in {key}, not the certificate itself");
            return Err(StoreError::invalid("the database URL", reason));
        }
        variables.push((variable, value.to_owned()));
    }
    if matches!(options.get_ssl_mode(), PgSslMode::VerifyFull) && !has_root && major >= SYSTEM_ROOTS {
        variables.push(("PGSSLROOTCERT", "system".to_owned()));
    }
    if let Some(encoded) = password {
        url.set_query(Some(&format!("password={encoded}")));
        variables.extend(url.query_pairs().map(|(_, password)| ("PGPASSWORD", password.into_owned())));
    }
    Ok(variables)
}

/// Starts a program.
pub(super) fn spawn(program: &Program, command: &mut Command) -> Result<Child, BackupError> {
    command.spawn().map_err(BackupError::io("run", &program.path))
}

/// Waits for its end.
pub(super) async fn finish(program: &Program, child: Child) -> Result<(), BackupError> {
    let failed = |status, output| BackupError::Program { program: program.name, status, output };
    let Ok(ended) = timeout(LIMIT, child.wait_with_output()).await else {
        return Err(failed(
            "ended by NetRaven".to_owned(),
            format!("not ready after {} h", LIMIT.as_secs() / 3600),
        ));
    };
    let Output { status, stderr, .. } = ended.map_err(BackupError::io("wait for", &program.path))?;
    if status.success() { Ok(()) } else { Err(failed(status.to_string(), said(&stderr))) }
}

/// What a program complained about. Details, contexts and statements quote the data and are left out.
fn said(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let quotes =
        ["DETAIL:", "CONTEXT:", "STATEMENT:", "Command was:", "pg_dump: detail:", "pg_restore: detail:"];
    let mut kept = String::new();
    for line in text.lines().filter(|line| line.starts_with("pg_") || line.starts_with("HINT:")) {
        if !quotes.iter().any(|quote| line.starts_with(quote)) && kept.len() + line.len() < SHOWN {
            kept.push_str(if kept.is_empty() { "" } else { "\n" });
            kept.push_str(line);
        }
    }
    if kept.is_empty() { "it did not say why".to_owned() } else { kept }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(url: &str, major: u32) -> Vec<(&'static str, String)> {
        let options = connect::options(&ConnectSettings::new(url)).unwrap();
        let mut variables = environment(&options, major).unwrap();
        variables.sort();
        variables
    }

    #[test]
    fn everything_the_url_says_reaches_the_program() {
        let url = "postgresql+asyncpg://ra%2Fven:p%40s%20s%25%2B@db.example:6432/my%20db?sslmode=verify-full\
                   &sslrootcert=/etc/r%20oot.pem&sslcert=/etc/c.pem&sslkey=/etc/k.pem&options=-c%20work_mem%3D8MB";
        let expected = [
            ("PGAPPNAME", "netraven"),
            ("PGDATABASE", "my db"),
            ("PGHOST", "db.example"),
            ("PGOPTIONS", "-c work_mem=8MB"),
            ("PGPASSWORD", "p@s s%+"),
            ("PGPORT", "6432"),
            ("PGSSLCERT", "/etc/c.pem"),
            ("PGSSLKEY", "/etc/k.pem"),
            ("PGSSLMODE", "verify-full"),
            ("PGSSLROOTCERT", "/etc/r oot.pem"),
            ("PGUSER", "ra/ven"),
        ]
        .map(|(name, value)| (name, value.to_owned()));
        assert_eq!(variables(url, 17), expected);
    }

    #[test]
    fn sockets_ipv6_and_the_systems_certificates_are_named_as_libpq_wants_them() {
        let value = |url, name| {
            variables(url, 16).into_iter().find(|(found, _)| *found == name).map(|(_, value)| value)
        };
        assert_eq!(value("postgresql://u@/d?host=/run/p%20g", "PGHOST").as_deref(), Some("/run/p g"));
        assert_eq!(value("postgresql://u@[::1]:5433/d", "PGHOST").as_deref(), Some("::1"));
        assert_eq!(
            value("postgresql://u@h/d?sslmode=verify-full", "PGSSLROOTCERT").as_deref(),
            Some("system")
        );
        assert_eq!(value("postgresql://u@h/d?sslmode=require", "PGSSLROOTCERT"), None);
    }

    #[test]
    fn another_login_and_database_take_the_place_of_the_urls() {
        let settings = ConnectSettings {
            login: Some(("role".to_owned(), netraven_model::Secret::from("word"))),
            database: Some("other".to_owned()),
            ..ConnectSettings::new("postgresql://u:p@h/d")
        };
        let variables = environment(&connect::options(&settings).unwrap(), 15).unwrap();
        for expected in [("PGUSER", "role"), ("PGPASSWORD", "word"), ("PGDATABASE", "other")] {
            assert!(variables.contains(&(expected.0, expected.1.to_owned())), "{expected:?}");
        }
    }

    #[test]
    fn a_complaint_is_told_without_the_data_it_quotes() {
        let stderr = b"pg_restore: error: COPY failed for table \"devices\": ERROR:  invalid input\n\
            DETAIL:  Key (canary)\nCONTEXT:  COPY devices, line 1: \"canary\"\nCommand was: INSERT canary\ncanary\n";
        assert_eq!(
            said(stderr),
            "pg_restore: error: COPY failed for table \"devices\": ERROR:  invalid input"
        );
        assert_eq!(said(b""), "it did not say why");
    }
}
