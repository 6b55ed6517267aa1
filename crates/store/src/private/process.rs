//! Looking at running processes through `/proc`: whose server is alive, and which of its
//! processes are left over.

use super::deadline::Deadline;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// Names under which PostgreSQL's own programs appear. Somebody's shell that stands in the data
/// directory is none of them and is left alone.
const OUR_PROGRAMS: [&str; 4] = ["postgres", "postmaster", "initdb", "pg_ctl"];

/// How long killed processes may take to disappear.
const GRACE: Duration = Duration::from_secs(5);

/// The server process of `cluster`, if `pid` is it: alive, a PostgreSQL program, at work in this
/// very directory, and not the child of another such process.
pub(super) fn is_postmaster(pid: i32, cluster: &Path) -> bool {
    works_in(pid, cluster) && !parent(pid).is_some_and(|parent| works_in(parent, cluster))
}

/// Whether the process still runs. A zombie does not: it only waits for its parent to notice.
pub(super) fn is_alive(pid: i32) -> bool {
    stat(pid).is_some_and(|(state, _)| !matches!(state, 'Z' | 'X'))
}

/// Sends a signal; a process that is already gone is fine.
pub(super) fn signal(pid: i32, signal: Signal) {
    if let Err(error) = kill(Pid::from_raw(pid), signal) {
        tracing::debug!(pid, %signal, %error, "signal not delivered");
    }
}

/// Kills every PostgreSQL process that works in `directory` without a server that could be asked to
/// stop: backends of a killed server, an `initdb` whose NetRaven was killed. What they had not
/// committed is lost already, and crash recovery covers the rest. True when none is left.
pub(super) async fn end_strays(directory: &Path) -> bool {
    let strays = all_in(directory);
    if strays.is_empty() {
        return true;
    }
    tracing::warn!(directory = %directory.display(), ?strays, "killing left-over PostgreSQL processes");
    strays.iter().for_each(|&pid| signal(pid, Signal::SIGKILL));
    Deadline::after(GRACE).poll(|| all_in(directory).is_empty().then_some(())).await.is_some()
}

fn all_in(directory: &Path) -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|&pid| works_in(pid, directory))
        .collect()
}

fn works_in(pid: i32, directory: &Path) -> bool {
    is_alive(pid) && is_our_program(pid) && (stands_in(pid, directory) || was_given(pid, directory))
}

fn is_our_program(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm"))
        .is_ok_and(|name| OUR_PROGRAMS.contains(&name.trim_end()))
}

fn stands_in(pid: i32, directory: &Path) -> bool {
    std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == directory)
}

/// A container's root often may not read another user's working directory; the command line, which
/// names the directory after `-D`, is readable to everybody.
fn was_given(pid: i32, directory: &Path) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline"))
        .is_ok_and(|line| line.split(|&byte| byte == 0).any(|word| word == directory.as_os_str().as_bytes()))
}

fn parent(pid: i32) -> Option<i32> {
    stat(pid).map(|(_, parent)| parent)
}

/// State letter and parent from `/proc/<pid>/stat` (proc(5)). The program's name stands in
/// parentheses and may itself contain any character, hence the search from the right.
fn stat(pid: i32) -> Option<(char, i32)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_no_server() {
        let pid = i32::try_from(std::process::id()).unwrap();
        assert!(is_alive(pid));
        assert!(!is_postmaster(pid, &std::env::current_dir().unwrap()));
    }

    #[test]
    fn an_exited_child_that_nobody_waited_for_is_not_alive() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let gone = runtime.block_on(Deadline::after(GRACE).poll(|| (!is_alive(pid)).then_some(())));
        assert!(gone.is_some());
        child.wait().unwrap();
    }
}
