use crate::{Store, StoreError, tls};
use netraven_model::Secret;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection};
use std::fmt;
use std::time::Duration;

/// How to reach the database and how long to wait for it.
#[derive(Clone)]
pub struct ConnectSettings {
    /// `postgres://`, `postgresql://`, `postgresql+asyncpg://` or `postgresql+psycopg2://`. A Unix socket is named by
    /// `?host=/folder` or by `host=%2Ffolder` in the host's place.
    pub url: String,
    /// Connections that may write at most, of which a [`crate::jobs::JobListener`] keeps one for itself; half as many,
    /// at least two, are there for reads besides.
    pub max_connections: u32,
    /// Longest wait for a new connection, and for a free one of the pool.
    pub connect_timeout: Duration,
    /// Longest run of one statement.
    pub statement_timeout: Duration,
    /// Longest wait for a lock.
    pub lock_timeout: Duration,
    /// Name shown in `pg_stat_activity`.
    pub application_name: String,
    /// User and password in the place of the URL's.
    pub login: Option<(String, Secret)>,
    /// Database in the place of the URL's.
    pub database: Option<String>,
}

impl ConnectSettings {
    /// A URL with defaults that fit a service: 10 connections, 10 s to connect, 30 s per statement, 10 s per lock.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            max_connections: 10,
            connect_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(10),
            application_name: "netraven".to_owned(),
            login: None,
            database: None,
        }
    }
}

impl fmt::Debug for ConnectSettings {
    /// The URL may hold the password, so it is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectSettings")
            .field("max_connections", &self.max_connections)
            .field("connect_timeout", &self.connect_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .field("lock_timeout", &self.lock_timeout)
            .field("application_name", &self.application_name)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Connects. Says nothing about the schema: see [`Store::ready`] and [`Store::initialize`].
    ///
    /// # Errors
    /// A URL that cannot be used, a server that does not answer, TLS that does not come about, a user it does not let in,
    /// a database it does not have: each its own variant.
    pub async fn connect(settings: &ConnectSettings) -> Result<Self, StoreError> {
        // The pool retries refused connections until its deadline and then forgets why; one connection by hand
        // tells at once.
        drop(connect_alone(settings).await?.close().await);
        let options = options(settings)?;
        let writer = pool_options(settings, Pool::Writer).connect_lazy_with(options.clone());
        Ok(Self::new(writer, pool_options(settings, Pool::Reader).connect_lazy_with(options)))
    }
}

/// One connection outside any pool, without the pool's time limits.
pub(crate) async fn connect_alone(settings: &ConnectSettings) -> Result<PgConnection, StoreError> {
    let options = options(settings)?;
    tls::check_files(&settings.url)?;
    match tokio::time::timeout(settings.connect_timeout, PgConnection::connect_with(&options)).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(connect_error(&options, error)),
        Err(_) => {
            let reason = format!("no answer within {} s", settings.connect_timeout.as_secs_f32());
            Err(StoreError::Unreachable { server: server(&options), reason })
        }
    }
}

/// The server, as `host:port` or by its socket, and the database that the settings name.
pub(crate) fn place(settings: &ConnectSettings) -> Result<(String, String), StoreError> {
    let options = options(settings)?;
    let database = options.get_database().unwrap_or(options.get_username()).to_owned();
    Ok((server(&options), database))
}

/// What the settings say, in the driver's form.
pub(crate) fn options(settings: &ConnectSettings) -> Result<PgConnectOptions, StoreError> {
    let mut options = parse_url(&settings.url)?.application_name(&settings.application_name);
    if let Some((user, password)) = &settings.login {
        options = options.username(user).password(password.expose_text().unwrap_or_default());
    }
    if let Some(database) = &settings.database {
        options = options.database(database);
    }
    Ok(options)
}

/// What a pool's connections are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pool {
    /// Everything.
    Writer,
    /// Statements that only read. Half as many connections, and never fewer than two.
    Reader,
}

/// Settings of each new connection. `set_config` rather than start-up options, which connection poolers refuse. A writer's
/// transactions are as the server has them: a database that was made read-only stays that. A reader's statements have
/// conditions that may be left out, and a plan that fits all of them reads whole tables.
fn pool_options(settings: &ConnectSettings, pool: Pool) -> PgPoolOptions {
    const PREPARE: &str = "SELECT set_config('search_path', 'netraven', false), \
         set_config('statement_timeout', $1, false), \
         set_config('lock_timeout', $2, false), \
         set_config('idle_in_transaction_session_timeout', $1, false), \
         CASE WHEN $3 THEN set_config('default_transaction_read_only', 'on', false) END, \
         CASE WHEN $3 THEN set_config('plan_cache_mode', 'force_custom_plan', false) END, \
         (SELECT set_config(name, 'lz4', false) FROM pg_settings \
           WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals))";
    let millis = |duration: Duration| duration.as_millis().clamp(1, i32::MAX as u128).to_string();
    let statement = millis(settings.statement_timeout);
    let lock = millis(settings.lock_timeout);
    PgPoolOptions::new()
        .max_connections(match pool {
            Pool::Writer => settings.max_connections.max(1),
            Pool::Reader => (settings.max_connections / 2).max(2),
        })
        .acquire_timeout(settings.connect_timeout)
        .after_connect(move |connection, _| {
            let (statement, lock) = (statement.clone(), lock.clone());
            Box::pin(async move {
                let prepare = sqlx::query(PREPARE).bind(statement).bind(lock).bind(pool == Pool::Reader);
                prepare.execute(connection).await.map(drop)
            })
        })
}

fn connect_error(options: &PgConnectOptions, error: sqlx::Error) -> StoreError {
    let server = server(options);
    if let Some((reason, hint)) = tls::explain(&error) {
        return StoreError::Tls { server, reason, hint };
    }
    let code = error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned());
    match (code.as_deref(), error) {
        (Some("28P01" | "28000"), error) => StoreError::AuthRejected {
            server,
            user: options.get_username().to_owned(),
            reason: error.as_database_error().map(|error| error.message().to_owned()).unwrap_or_default(),
        },
        (Some("3D000"), _) => StoreError::DatabaseMissing {
            server,
            database: options.get_database().unwrap_or(options.get_username()).to_owned(),
        },
        (_, error @ sqlx::Error::Io(_)) => StoreError::Unreachable { server, reason: error.to_string() },
        (_, source) => StoreError::Query { operation: "connect to the database", source },
    }
}

fn server(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(folder) => format!("{} (port {})", folder.display(), options.get_port()),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

/// Parameters that are understood; others are an error, because a misspelt `sslmode` must not be ignored.
const PARAMETERS: &[&str] = &[
    "host",
    "hostaddr",
    "port",
    "user",
    "password",
    "dbname",
    "application_name",
    "options",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
];

fn parse_url(url: &str) -> Result<PgConnectOptions, StoreError> {
    let wrong = |reason: String| StoreError::invalid("the database URL", reason);
    let (scheme, rest) = url.split_once("://").ok_or_else(|| {
        wrong("expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE, found no '://'".into())
    })?;
    match scheme {
        "postgres" | "postgresql" | "postgresql+asyncpg" | "postgresql+psycopg2" => {}
        other => return Err(wrong(format!("expected the scheme postgresql, found '{other}'"))),
    }
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = place.split_once('/').unwrap_or((place, ""));
    // URL syntax wants a host; with `?host=/folder` people leave it out, as libpq lets them.
    let host = if authority.is_empty() || authority.ends_with('@') { "localhost" } else { "" };
    let query = parameters(query).map_err(wrong)?;
    let text = format!("postgresql://{authority}{host}/{database}{query}");
    // The driver's own message may quote the URL, so it is not passed on.
    text.parse().map_err(|_| wrong("expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with special characters of the password percent-encoded".into()))
}

fn parameters(query: &str) -> Result<String, String> {
    let mut known = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        // asyncpg's name for it.
        let key = if key == "ssl" { "sslmode" } else { key };
        if !PARAMETERS.contains(&key) {
            return Err(format!("unknown parameter '{key}'; known are {}", PARAMETERS.join(", ")));
        }
        known.push(format!("{key}={value}"));
    }
    Ok(if known.is_empty() { String::new() } else { format!("?{}", known.join("&")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> PgConnectOptions {
        parse_url(url).unwrap()
    }

    #[test]
    fn url_forms_of_other_drivers_are_understood() {
        for scheme in ["postgres", "postgresql", "postgresql+asyncpg", "postgresql+psycopg2"] {
            let options = parsed(&format!("{scheme}://raven:p%40ss@db.example:6432/inventory?ssl=require"));
            assert_eq!((options.get_host(), options.get_port()), ("db.example", 6432));
            assert_eq!((options.get_username(), options.get_database()), ("raven", Some("inventory")));
        }
    }

    #[test]
    fn a_unix_socket_is_named_by_its_folder() {
        for url in [
            "postgresql://raven@/netraven?host=/run/pg&port=5433",
            "postgresql:///netraven?host=%2Frun%2Fpg&user=raven&port=5433",
            "postgresql://raven@%2Frun%2Fpg:5433/netraven",
        ] {
            let options = parsed(url);
            assert_eq!(server(&options), "/run/pg (port 5433)", "{url}");
            assert_eq!((options.get_username(), options.get_database()), ("raven", Some("netraven")));
        }
    }

    #[test]
    fn a_url_that_cannot_be_used_is_refused_without_being_quoted() {
        for url in [
            "mysql://u:canary@h/d",
            "canary",
            "postgresql://u:canary@h:port/d",
            "postgresql://u:canary@h/d?sslmod=require",
            "postgresql://u:canary@h/d?sslmode=maybe",
        ] {
            let error = parse_url(url).unwrap_err();
            assert!(matches!(error, StoreError::Invalid { .. }), "{error}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        }
    }

    #[test]
    fn debug_output_of_the_settings_has_no_url() {
        assert!(!format!("{:?}", ConnectSettings::new("postgres://u:canary@h/d")).contains("canary"));
    }
}
