//! Where the shared test server keeps its data.

use crate::private::PrivateError;
use aws_lc_rs::digest::{SHA256, digest};
use nix::unistd::Uid;
use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The memory-backed file system that Linux offers to programs.
const IN_MEMORY: &str = "/dev/shm";
/// It is used where it and the memory have at least this size in KiB: many test databases of some
/// MiB each must fit. Containers often have 64 MiB only.
const LEAST_MEMORY_KIB: u64 = 4 << 20;

/// One directory per user and checkout, so that neither meets the other's server. Its name is easy
/// to guess, so somebody else's directory in that place is refused.
pub(super) fn data_dir() -> Result<PathBuf, PrivateError> {
    let checkout = digest(&SHA256, env!("CARGO_MANIFEST_DIR").as_bytes());
    let hash: String = checkout.as_ref()[..6].iter().map(|byte| format!("{byte:02x}")).collect();
    let user = Uid::effective();
    let path = scratch_dir().join(format!("netraven-tests-{user}-{hash}"));
    // Root's must be entered by the user who runs the server.
    let mode = if user.is_root() { 0o711 } else { 0o700 };
    match DirBuilder::new().mode(mode).create(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(PrivateError::io("create", &path)(error))
        }
        _ => check_ours(path, user),
    }
}

/// Where tests best keep clusters that may be lost: the temporary directory if one was chosen by
/// TMPDIR, else memory where there is plenty, else the usual temporary directory.
///
/// A database is some hundred small files, whose creation costs most of the time on a disk. Every
/// test process must come to the same answer, so nothing that varies, such as free memory, counts.
pub fn scratch_dir() -> PathBuf {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    if std::env::var_os("TMPDIR").is_none() && is_roomy(&read("/proc/mounts"), &read("/proc/meminfo")) {
        return PathBuf::from(IN_MEMORY);
    }
    std::env::temp_dir()
}

fn is_roomy(mounts: &str, memory: &str) -> bool {
    let total =
        memory.lines().find_map(|line| kib(line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?));
    let mount = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let mut options = mount
        .filter(|fields| fields.get(1..3) == Some(&[IN_MEMORY, "tmpfs"]))
        .filter_map(|fields| fields.get(3).copied());
    let size = |options: &str| {
        options.split(',').find_map(|option| kib(option.strip_prefix("size=")?.strip_suffix('k')?))
    };
    // Without the option it may take half of the memory (tmpfs(5)).
    let room = options.next_back().and_then(|options| size(options).or(total.map(|total| total / 2)));
    room.zip(total).is_some_and(|(room, total)| room >= LEAST_MEMORY_KIB && total >= 2 * LEAST_MEMORY_KIB)
}

fn kib(digits: &str) -> Option<u64> {
    digits.parse().ok()
}

fn check_ours(path: PathBuf, user: Uid) -> Result<PathBuf, PrivateError> {
    match std::fs::symlink_metadata(&path) {
        Err(error) => Err(PrivateError::io("look at", &path)(error)),
        Ok(found) if !found.is_dir() => Err(PrivateError::NotADirectory { path }),
        Ok(found) if found.uid() != user.as_raw() => Err(PrivateError::WrongOwner {
            path,
            owner: found.uid().to_string(),
            expected: user.to_string(),
            hint: "remove it, or set TMPDIR to a directory of your own".to_owned(),
        }),
        Ok(_) => canonical(&path),
    }
}

fn canonical(path: &Path) -> Result<PathBuf, PrivateError> {
    path.canonicalize().map_err(PrivateError::io("resolve", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: &str = "MemTotal:       16000000 kB\nMemFree: 1 kB\n";

    #[test]
    fn memory_is_used_where_there_is_plenty() {
        assert!(is_roomy("tmpfs /dev/shm tmpfs rw,nosuid,size=8000000k 0 0\n", LARGE));
        assert!(is_roomy("shm /dev/shm tmpfs rw,nosuid,nodev 0 0\n", LARGE));
    }

    #[test]
    fn memory_is_not_used_in_a_small_container_or_machine_or_without_such_a_file_system() {
        for (mounts, memory) in [
            ("shm /dev/shm tmpfs rw,size=65536k 0 0\n", LARGE),
            ("tmpfs /dev/shm tmpfs rw,size=8000000k 0 0\n", "MemTotal:        4000000 kB\n"),
            ("/dev/sda1 / ext4 rw 0 0\n", LARGE),
            ("/dev/sda1 /dev/shm ext4 rw 0 0\n", LARGE),
            ("", ""),
        ] {
            assert!(!is_roomy(mounts, memory), "{mounts} {memory}");
        }
    }

    #[test]
    fn a_directory_of_somebody_elses_and_a_link_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let nobody = Uid::from_raw(Uid::effective().as_raw() + 1);
        assert!(matches!(check_ours(dir.path().into(), nobody), Err(PrivateError::WrongOwner { .. })));
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path(), &link).unwrap();
        assert!(matches!(check_ours(link, Uid::effective()), Err(PrivateError::NotADirectory { .. })));
        check_ours(dir.path().into(), Uid::effective()).unwrap();
    }
}
