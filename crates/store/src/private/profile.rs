//! The server's configuration file: what NetRaven decides about its private PostgreSQL.

use super::error::PrivateError;
use super::settings::PrivateSettings;
use std::fmt::Write as _;
use std::path::Path;

/// Least memory with which the server is of use.
const LEAST_MEMORY_MIB: u32 = 128;

/// How the server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint<'a> {
    /// Directory of the Unix socket.
    pub(super) socket_dir: &'a Path,
    /// TCP port; it also names the socket.
    pub(super) port: u16,
    /// Whether to listen on TCP (loopback) as well.
    pub(super) tcp: bool,
}

/// Renders the configuration file. It is complete in itself: the file that `initdb` wrote is not
/// read, so that a start always follows the settings of today.
pub(super) fn render(settings: &PrivateSettings, endpoint: &Endpoint<'_>) -> Result<String, PrivateError> {
    let mut text = String::from(
        "# Written by NetRaven at each start of its private PostgreSQL; changes made here are lost.\n",
    );
    let mut set = |name: &str, value: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name} = {value}");
    };
    let listen = if endpoint.tcp { "127.0.0.1" } else { "" };
    set("listen_addresses", quote(listen));
    set("port", endpoint.port.to_string());
    set("unix_socket_directories", quote(&endpoint.socket_dir.display().to_string()));
    set("unix_socket_permissions", "0700".to_owned());
    for (name, value) in FIXED {
        set(name, quote(value));
    }
    for (name, value) in memory(settings)? {
        set(name, value);
    }
    for (name, value) in if settings.disposable { DISPOSABLE.as_slice() } else { DURABLE.as_slice() } {
        set(name, quote(value));
    }
    Ok(text)
}

/// The line for servers that were built with LZ4, which packs text faster than the default.
pub(super) const LZ4: (&str, &str) = ("default_toast_compression", "lz4");

/// Holds for every private server. The connection is a socket only its owner may open, hence no
/// TLS. Error messages are terse and without statements, because details quote row contents.
const FIXED: [(&str, &str); 20] = [
    ("ssl", "off"),
    ("password_encryption", "scram-sha-256"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
    ("lc_messages", "C"),
    ("default_text_search_config", "pg_catalog.simple"),
    ("log_destination", "stderr"),
    ("logging_collector", "off"),
    ("log_line_prefix", "%m [%p] %q%a %u@%d "),
    ("log_min_messages", "warning"),
    ("log_min_error_statement", "panic"),
    ("log_error_verbosity", "terse"),
    ("log_parameter_max_length_on_error", "0"),
    ("log_statement", "none"),
    ("log_checkpoints", "off"),
    ("log_lock_waits", "on"),
    ("autovacuum_max_workers", "2"),
    ("idle_in_transaction_session_timeout", "10min"),
    ("jit", "off"),
    ("wal_level", "minimal"),
];

const DURABLE: [(&str, &str); 4] =
    [("fsync", "on"), ("full_page_writes", "on"), ("synchronous_commit", "on"), ("wal_compression", "on")];

/// For clusters whose loss hurts nobody: the disk is never waited for.
const DISPOSABLE: [(&str, &str); 4] =
    [("fsync", "off"), ("full_page_writes", "off"), ("synchronous_commit", "off"), ("autovacuum", "off")];

/// Divides the memory: a quarter for shared buffers; another quarter for sorts, assuming that half
/// of the possible connections work at once; an eighth for maintenance; the rest is what the
/// operating system will cache.
fn memory(settings: &PrivateSettings) -> Result<Vec<(&'static str, String)>, PrivateError> {
    let total = settings.memory_mib;
    if total < LEAST_MEMORY_MIB {
        return Err(PrivateError::Setting {
            setting: "memory_mib",
            problem: format!("{total} MiB is too little; give at least {LEAST_MEMORY_MIB}"),
        });
    }
    let connections = if settings.disposable { 300 } else { (total / 10).clamp(80, 300) };
    let workers = if total < 2048 { 0 } else { 2 };
    let mib = |value: u32| format!("{value}MB");
    Ok(vec![
        ("max_connections", connections.to_string()),
        ("shared_buffers", mib(total / 4)),
        ("effective_cache_size", mib(total / 4 * 3)),
        ("work_mem", mib((total / 4 / (connections / 2)).max(1))),
        ("maintenance_work_mem", mib((total / 8).clamp(16, 1024))),
        ("min_wal_size", mib(if settings.disposable { 32 } else { (total / 4).clamp(80, 1024) })),
        ("max_wal_size", mib((total * 2).clamp(256, 8192))),
        ("max_wal_senders", "0".to_owned()),
        ("max_parallel_workers_per_gather", workers.to_string()),
    ])
}

/// A quoted value of a configuration file (PostgreSQL manual, "Parameter Names and Values").
fn quote(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(memory_mib: u32, tcp: bool) -> Result<String, PrivateError> {
        let settings = PrivateSettings { memory_mib, ..PrivateSettings::new("/data") };
        render(&settings, &Endpoint { socket_dir: Path::new("/it's/run"), port: 5432, tcp })
    }

    #[test]
    fn the_default_fits_half_a_gibibyte() {
        let text = rendered(512, false).unwrap();
        assert!(text.contains("\nshared_buffers = 128MB\n"));
        assert!(text.contains("\nmax_connections = 80\n"));
        assert!(text.contains("\nwork_mem = 3MB\n"));
        assert!(text.contains("\nfsync = 'on'\n"));
    }

    #[test]
    fn a_large_machine_gets_more_within_bounds() {
        let text = rendered(64 * 1024, false).unwrap();
        assert!(text.contains("\nshared_buffers = 16384MB\n"));
        assert!(text.contains("\nmax_connections = 300\n"));
        assert!(text.contains("\nmaintenance_work_mem = 1024MB\n"));
    }

    #[test]
    fn it_listens_on_the_socket_alone_unless_asked() {
        assert!(rendered(512, false).unwrap().contains("listen_addresses = ''\n"));
        assert!(rendered(512, true).unwrap().contains("listen_addresses = '127.0.0.1'\n"));
    }

    #[test]
    fn quotes_in_a_path_are_doubled() {
        assert!(rendered(512, false).unwrap().contains("unix_socket_directories = '/it''s/run'\n"));
        assert_eq!(quote(r"a\b"), r"'a\\b'");
    }

    #[test]
    fn too_little_memory_is_an_error() {
        assert!(rendered(64, false).unwrap_err().to_string().contains("at least 128"));
    }
}
