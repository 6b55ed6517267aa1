use super::load::Loader;
use super::{SessionError, SessionFile};

/// The files of one session, compiled in.
struct Folder {
    name: &'static str,
    files: &'static [(&'static str, &'static str)],
}

/// One session folder below `platforms/`, with its files.
macro_rules! folder {
    ($platform:literal, $version:literal, [$($file:literal),+ $(,)?]) => {
        Folder {
            name: concat!("platforms/", $platform, "/sessions/", $version),
            files: &[$((
                $file,
                include_str!(concat!("../../../../platforms/", $platform, "/sessions/", $version, "/", $file)),
            )),+],
        }
    };
}

static FOLDERS: &[Folder] = &[
    folder!(
        "cisco_ios",
        "c9300_17.12.4",
        ["session.yaml", "show-version.txt", "show-inventory.txt", "running-config.txt"]
    ),
    folder!(
        "cisco_ios",
        "isr4331_16.9.5",
        ["session.yaml", "show-version.txt", "show-inventory.txt", "running-config.txt"]
    ),
    folder!(
        "arista_eos",
        "7050sx3_4.30.5m",
        ["session.yaml", "show-version.txt", "show-inventory.txt", "running-config.txt"]
    ),
    folder!(
        "juniper_junos",
        "mx204_22.4r3",
        ["session.yaml", "show-version.txt", "show-chassis-hardware.txt", "configuration.txt"]
    ),
    folder!("frr", "vm_10.1", ["session.yaml", "show-version.txt", "running-config.txt"]),
    folder!(
        "linux",
        "debian_12",
        [
            "session.yaml",
            "os-release.txt",
            "ip-address.txt",
            "interfaces.txt",
            "sshd-config.txt",
            "hosts.txt",
            "resolv-conf.txt"
        ]
    ),
];

/// The shipped sessions, in the order of their platforms' folders.
pub fn embedded() -> Result<Vec<SessionFile>, SessionError> {
    FOLDERS.iter().map(load).collect()
}

/// Names of the platforms that have a shipped session, without repetition.
pub fn embedded_platforms() -> Vec<&'static str> {
    let mut names: Vec<_> = FOLDERS.iter().filter_map(|folder| folder.name.split('/').nth(1)).collect();
    names.dedup();
    names
}

fn load(folder: &Folder) -> Result<SessionFile, SessionError> {
    let read = |wanted: &str| {
        let found = folder.files.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, text)| (*text).to_string()).ok_or_else(|| std::io::ErrorKind::NotFound.into())
    };
    Loader { folder: folder.name.to_string(), read: &read }.load()
}
